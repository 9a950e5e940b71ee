"""What a page says, and that it is one file that asks for nothing."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from test_matrix_report import ANSWERS, bisection

from tracer.core.matrix.cells import Matrix
from tracer.core.outcomes import Outcomes
from tracer.errors import ModelError, TracerError
from tracer.records import Report, Verdict
from tracer.report.page import check_pages
from tracer.report.page.chart import SHAPES, depth_chart
from tracer.report.page.templates import number, pieces, soft

NAMES = ("passed", "within", "nested_h5", "two_faults", "many_faults", "nothing")
_VOID = {"meta", "input", "br", "wbr"}


class _Page(HTMLParser):
    """The elements and the text of a page; fails where an element isn't closed."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.in_word = False  # behind a place where a name may break
        self.feed(source)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        self.in_word = tag == "wbr"
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("script", "style"):
            self.text += data if self.in_word else f" {data}"
        self.in_word = False

    def count(self, tag: str, **attributes: str) -> int:
        return sum(name == tag and attributes.items() <= found.items() for name, found in self.seen)


@pytest.mark.parametrize("name", NAMES)
def test_a_page_is_one_file_that_asks_for_nothing(name: str, samples: Mapping[str, Report]) -> None:
    source = samples[name].to_html()
    page = _Page(source)
    assert source.startswith("<!doctype html>\n") and source.endswith("</html>\n")
    assert "default-src 'none'" in source
    assert not [tag for tag, found in page.seen if "src" in found or tag in ("link", "iframe", "object", "img", "base")]
    assert not re.search(r"url\(|@import|fetch\(|XMLHttpRequest|import\(", source)
    addresses = {found["href"] for tag, found in page.seen if tag == "a"}
    assert all(each is not None and each.startswith(("#", "https://github.com/keras-team/")) for each in addresses)
    ids = [found["id"] for _, found in page.seen if "id" in found]
    assert len(ids) == len(set(ids))


def test_what_a_page_says(samples: Mapping[str, Report]) -> None:
    report = replace(samples["nested_h5"], command="tracer diff a b", date="2026-11-26T03:50:00+00:00")
    page = _Page(report.to_html())
    text = " ".join(page.text.split())
    for words in (
        "DIVERGED 1 layer is at fault: efficientnetb0/normalization (the candidate is wrong)",
        "Fault 1 of 1 efficientnetb0/normalization Normalization",
        "cause unsaved-state : state that is neither weight nor configuration differs",
        "relative error 1.2e-01 on the same inputs, 2.0e-06 allowed",
        "state mean [0.485, 0.456, 0.406] [0.0, 0.0, 0.0]",
        "known as keras#20147 , fixed in Keras 3.16.0",
        "remedy Call finalize_state() on the layer after loading",
        "proof the blame holds both ways",
        "First divergence, in execution order: efficientnetb0/normalization , a fault itself",
        "inputs seed 0: 2 samples, image (2, 224, 224, 3) float32",
        "235 layer outputs, in execution order: 232 inherited, 2 identical, 1 introduced",
        "keras 3.15.1 3.15.1 yes",
        "command tracer diff a b",
        "run 2026-11-26 03:50:00 UTC",
        "took 12.2 s",
    ):
        assert words in text, words
    assert page.count("a", href="https://github.com/keras-team/keras/issues/20147") == 1
    assert sum("layer-" in (found.get("id") or "") for _, found in page.seen) == len(report.layers)


def test_both_sides_are_named_first_and_described_before_the_long_table(
    samples: Mapping[str, Report],
) -> None:
    text = " ".join(_Page(samples["nested_h5"].to_html()).text.split())
    order = ["reference EfficientNetB0 in a model candidate the same, reloaded from .h5", "Fault 1 of 1"]
    order += ["Error along depth", "What was compared", "235 layer outputs, in execution order"]
    places = [text.index(words) for words in order]
    assert places == sorted(places)


def test_only_code_is_copied_from_a_remedy(samples: Mapping[str, Report]) -> None:
    code = "tracer fix m.keras --as-trained -o fixed.keras"
    report = samples["nested_h5"]
    fault = replace(report.faults[0], remedy=f"call `f()`, or run `{code}`. Then load it.")
    source = replace(report, faults=(fault,)).to_html().replace("<wbr>", "")
    assert re.findall(r'<code class="copied">(.*?)</code> <button', source) == [code]
    assert "call <code>f()</code>, or run <span" in source


def test_the_model_by_block(samples: Mapping[str, Report]) -> None:
    report = samples["nested_h5"]
    layers = list(report.layers)
    layers[3] = replace(layers[3], inbound=(layers[1].layer, "<input 0>"))
    source = replace(report, layers=tuple(layers)).to_html()
    text = " ".join(_Page(source).text.split())
    assert "efficientnetb0/normalization at fault introduced, 1.20e-01 ← not known" in text
    assert f"{layers[3].layer} inherited, 2.00e-01 ← {layers[1].layer} , input 0 of the model" in text
    assert source.count('<li class="faulty">') == 1 and source.count("<details open>") == 1
    assert "where the layers get their inputs from isn't known" in report.to_html()
    assert "The model, by block" not in samples["nothing"].to_html()


def test_the_proof_says_what_was_run(samples: Mapping[str, Report]) -> None:
    text = " ".join(_Page(samples["nested_h5"].to_html()).text.split())
    assert "0 healed: the candidate with the reference's outputs at the faults alone" in text
    (fault,) = samples["nested_h5"].faults
    assert fault.proof is not None
    implied = replace(samples["nested_h5"], faults=(replace(fault, proof=replace(fault.proof, implied=True)),))
    assert "at the faults alone (without a run: every other layer returns the very bits" in implied.to_html()
    unproved = replace(samples["nested_h5"], faults=(replace(samples["nested_h5"].faults[0], proof=None),))
    assert "proof unproved: no proof was made First divergence" in " ".join(_Page(unproved.to_html()).text.split())


def test_differences_between_the_environments_are_marked(samples: Mapping[str, Report]) -> None:
    page = _Page(samples["two_faults"].to_html())
    assert page.count("tr", **{"class": "differs"}) == 5
    assert "3.4.1 3.15.1 differs" in " ".join(page.text.split())


def test_more_than_three_faults_are_folded_and_all_there(samples: Mapping[str, Report]) -> None:
    text = " ".join(_Page(samples["many_faults"].to_html()).text.split())
    assert "27 more faults" in text
    assert all(f"Fault {number} of 30" in text for number in range(1, 31))


def test_foreign_names_are_inert(evil: Report) -> None:
    harmless = replace(evil, layers=evil.layers[:0])
    page = _Page(evil.to_html())
    assert page.count("script") == 1 and page.count("style") == 1
    assert "<script>document" in page.text
    assert _Page(harmless.to_html()).count("script") == 1
    card = _Page(evil._repr_html_())
    assert card.count("script") == 0 and "<script>document" in card.text


def test_a_page_of_b7_is_small(b7: Report) -> None:
    source = b7.to_html()
    assert len(source.encode()) < 1.5e6
    page = _Page(source)
    assert sum("data-row" in found for _, found in page.seen) == 816
    assert sum("layer-" in (found.get("id") or "") for _, found in page.seen) == 816


def test_several_formats_are_a_table_and_a_report_of_each_that_differs(samples: Mapping[str, Report]) -> None:
    many = {f"f{i}": replace(samples["two_faults"], notes=(f"of f{i} alone.",)) for i in range(6)}
    outcomes = Outcomes({"keras": samples["passed"], **many, "config": ModelError("no <b>")})
    page = _Page(outcomes.to_html())
    text = " ".join(page.text.split())
    assert "DIVERGED in 7 of 8 formats: f0, f1, f2, f3, f4, f5, config" in text
    assert "config FAILED no <b>" in text
    assert text.index("f0 : 2 layers are at fault: left, right#1:1,") < text.index("format verdict faults")
    assert page.count("article") == 4
    ids = [found["id"] for _, found in page.seen if "id" in found]
    assert len(ids) == len(set(ids))
    models = Outcomes({"B0": samples["passed"]}, of="model")
    assert "PASS in 1 model" in " ".join(_Page(models.to_html()).text.split())


def test_a_matrix_has_real_headings_and_what_ran() -> None:
    ran = replace(ANSWERS[2], environments={"candidate": {"keras": "3.6.0", "jax": "0.10.2"}})
    page = _Page(Matrix(answers=(*ANSWERS[:2], ran, ANSWERS[3]), reused=0, results="").to_html())
    assert page.count("th", scope="row") == 2
    assert page.count("th", scope="col") == 4
    assert page.count("td", **{"class": "bad"}) == 1
    text = " ".join(page.text.split())
    assert "Keras+backend m.keras keras m.keras h5 ran with" in text
    assert "keras 3.6.0, jax 0.10.2" in text
    assert "inputs: batch.npz: 41 samples, x (41, 4) float32. x was cast from float64 to float32." in text
    assert "DIVERGED: 4 cells: 2 the same, 1 diverged, 1 failed" in text


def test_a_bisection() -> None:
    text = " ".join(_Page(bisection().to_html()).text.split())
    for words in (
        "FIXED in keras 3.6.0: norm (unsaved-state)",
        "norm Normalization cause unsaved-state side reference known as keras#20147 , fixed in Keras 3.6.0",
        "Tested 2 of 2 releases",
        "3.5.0 bad diverged at norm",
        "tracer roundtrip m.keras@3.5.0+jax --format keras",
    ):
        assert words in text, words


# --- the chart


def test_the_chart_has_a_mark_for_each_layer_with_its_numbers(samples: Mapping[str, Report]) -> None:
    report = samples["two_faults"]
    root = ET.fromstring(depth_chart(report))
    assert root.get("role") == "img" and "7 layer outputs" in str(root.get("aria-label"))
    marks = {element.get("data-row"): element for element in root.iter() if element.get("data-row")}
    assert sorted(marks) == [str(i) for i in range(1, 8)]
    titles = {row: element[0].text or "" for row, element in marks.items()}
    assert titles["3"] == "left (Dense): introduced; 1.0e-03 on the same inputs, 2.0e-06 allowed"
    words = [element.text for element in root.iter() if element.tag.endswith("}text")]
    assert "no number" in words and "0 = identical" in words
    # What is known apart by colour is known apart by shape as well.
    drawn = {(element.get("fill"), re.sub(r"[\d.,-]", "", element.get("d", ""))) for element in marks.values()}
    assert len({color for color, _ in drawn}) == 6


def test_lanes_are_there_only_where_they_are_needed(samples: Mapping[str, Report]) -> None:
    words = {name: depth_chart(samples[name]) for name in ("passed", "within", "many_faults")}
    assert "0 = identical" in words["passed"] and "no number" not in words["passed"]
    assert "0 = identical" not in words["many_faults"]
    assert depth_chart(samples["nothing"]) == ""


def test_every_verdict_has_a_shape() -> None:
    assert set(SHAPES) == set(Verdict)
    assert len(set(SHAPES.values())) == len(set(Verdict)) - 1  # identical is a circle in a lane of its own


@pytest.mark.parametrize(
    ("value", "told"), [(None, "-"), (float("nan"), "-"), (0.0, "0"), (1.234e-5, "1.23e-05"), (float("inf"), "inf")]
)
def test_numbers_of_the_table(value: float | None, told: str) -> None:
    assert number(value) == told


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("finalize_state()", "finalize_<wbr>state()"),
        ("efficientnetb0/normalization", "efficientnetb0/<wbr>normalization"),
        ("tracer.zoo:model", "tracer.<wbr>zoo:model"),
        ("[0.485, 1.]", "[0.485, 1.]"),
        ("a/<b>_c", "a/&lt;b&gt;_<wbr>c"),
        ("__init__", "__<wbr>init__"),
    ],
)
def test_names_break_behind_what_joins_their_words(text: str, told: str) -> None:
    assert soft(text) == told


def test_pieces() -> None:
    assert pieces("call `f()` now") == [(False, "call "), (True, "f()"), (False, " now")]
    assert pieces("a ` b") == [(False, "a ` b")]


# --- what is needed


def test_what_isnt_installed_is_named(samples: Mapping[str, Report], monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util
    import sys

    check_pages()
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    with pytest.raises(TracerError, match=r"vl-convert-python: pip install 'keras-layer-tracer\[html\]'"):
        samples["passed"].to_html()
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(TracerError, match="needs jinja2"):
        samples["nothing"].to_html()
    assert samples["passed"]._repr_html_() == f"<pre>{samples['passed']}</pre>"
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert Outcomes({"keras": samples["passed"]})._repr_html_().startswith("<pre>PASS in 1 format")


def test_a_card(samples: Mapping[str, Report]) -> None:
    card = _Page(samples["nested_h5"]._repr_html_())
    text = " ".join(card.text.split())
    assert text.startswith("DIVERGED : 1 layer is at fault: efficientnetb0/normalization (the candidate is wrong)")
    assert "unsaved-state" in text and "keras#20147" in text and "235 layer outputs, 12.2 s" in text
    assert len(samples["many_faults"]._repr_html_()) < 3000
