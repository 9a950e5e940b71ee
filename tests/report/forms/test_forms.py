"""A result as text, as Markdown and as a table: what `print`, `repr` and a job's summary show."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest
from test_matrix_report import ANSWERS, bisection

from tracer.core.matrix.cells import Matrix
from tracer.core.outcomes import Outcomes
from tracer.errors import ModelError, TracerError
from tracer.records import Fault, Report, Shown
from tracer.report import matrix_to_markdown, render, render_bisection, render_matrix, render_reports
from tracer.report.forms.markdown import outcomes_to_markdown
from tracer.report.forms.markup import code, issue_url, plain, prose, sentence

Snapshot = Callable[[str, str], None]
NAMES = ("passed", "within", "nested_h5", "two_faults", "many_faults", "nothing")


@pytest.mark.parametrize("name", NAMES)
def test_str_is_the_text_and_repr_one_line(name: str, samples: Mapping[str, Report]) -> None:
    report = samples[name]
    assert str(report) == report.to_text() == render(report)
    assert len(str(report)) < 4000 or name == "many_faults"
    assert "\n" not in repr(report) and len(repr(report)) < 250
    assert str(report.status) in repr(report)
    assert all(fault.layer in repr(report) for fault in report.faults[:3])
    assert report.to_text(show_all=True, width=120) == render(report, show_all=True, width=120)


def test_a_foreign_name_can_not_break_the_line_of_a_repr(samples: Mapping[str, Report]) -> None:
    evil = replace(samples["nested_h5"], faults=(Fault(layer="a\nb\x1b[2J", class_name="X"),))
    assert "\n" not in repr(evil) and "\x1b" not in repr(evil)


def test_several_a_matrix_and_a_bisection_show_themselves(samples: Mapping[str, Report]) -> None:
    outcomes = Outcomes({"keras": samples["passed"], "h5": samples["nested_h5"], "config": ModelError("no")})
    assert str(outcomes) == render_reports(outcomes)
    assert repr(outcomes) == "<Outcomes keras: pass, h5: diverged, config: failed>"
    matrix = Matrix(answers=ANSWERS, reused=1, results="DIR")
    assert str(matrix) == render_matrix(ANSWERS, results="DIR")
    assert matrix.to_markdown() == matrix_to_markdown(ANSWERS)
    assert repr(matrix) == "<Matrix of 4 cells: 2 the same, 1 answered before>"
    assert str(bisection()) == render_bisection(bisection())
    assert repr(bisection()) == "<Bisection of m.keras over keras: fixed in 3.6.0, 2 releases tested>"


def test_a_result_without_a_renderer_says_so() -> None:
    class Other(Shown):
        pass

    for show in (Other().to_text, Other().to_markdown):
        with pytest.raises(TypeError, match="Other can't be shown"):
            show()


@pytest.mark.parametrize("name", NAMES)
def test_markdown(name: str, samples: Mapping[str, Report], snapshot: Snapshot) -> None:
    snapshot(f"{name}.md", samples[name].to_markdown())


def test_markdown_of_several_and_of_a_bisection(samples: Mapping[str, Report], snapshot: Snapshot) -> None:
    outcomes = Outcomes({"keras": samples["passed"], "h5": samples["nested_h5"], "config": ModelError("`x` | y")})
    snapshot("formats.md", outcomes.to_markdown())
    assert outcomes_to_markdown({"B0": samples["passed"]}, "model").startswith("### ✅ PASS in 1 model\n")
    snapshot("bisection.md", bisection().to_markdown())


def test_nothing_foreign_is_markdown(samples: Mapping[str, Report]) -> None:
    name = "a/b#1 `x` | <script>alert(1)</script>\n# title"
    report = samples["nested_h5"]
    layers = tuple(replace(layer, layer=name, class_name="<img>") for layer in report.layers[:3])
    faults = (replace(report.faults[0], layer=name, class_name="<b>", remedy=name),)
    told = replace(report, layers=layers, faults=faults, first_divergence=name, notes=(name,)).to_markdown()
    assert "<script>" not in told.replace(code(name), "").replace("\\<script\\>", "")
    assert "<img>" not in told and "<b>" not in told and "\n# title" not in told


def test_markup() -> None:
    assert code("a`b``c") == "```a`b``c```"
    assert code("`a|b") == "`` `a\\|b ``"
    assert code("") == ""
    assert plain("a_b <i> [x](y) #1") == r"a\_b \<i\> \[x\](y) \#1"
    assert prose("call `f_1()` on a_b") == "call `f_1()` on a\\_b"
    assert sentence("1 layer is at fault: a/b#1 and a, gate", ["a", "a/b#1"]) == (
        "1 layer is at fault: `a/b#1` and `a`, gate"
    )


def test_the_thread_of_a_known_issue() -> None:
    home = "https://github.com/keras-team/keras"
    assert issue_url("keras#20147/nested-h5") == f"{home}/issues/20147"
    assert issue_url("keras@7dae3e918f") == f"{home}/commit/7dae3e918f"
    assert issue_url("javascript:alert(1)") is None
    assert issue_url(None) is None


def test_a_table_of_the_layers(samples: Mapping[str, Report]) -> None:
    pandas = pytest.importorskip("pandas")
    frame = samples["two_faults"].to_dataframe()
    assert isinstance(frame, pandas.DataFrame)
    written = samples["two_faults"].to_dict()["layers"]
    assert set(frame.columns) == set(written[0]) - {"histogram", "error_map"} and list(frame.columns)[:4] == [
        "layer",
        "class_name",
        "verdict",
        "rel_error",
    ]
    assert list(frame["max_abs"]) == [layer.max_abs for layer in samples["two_faults"].layers]
    assert list(frame["layer"]) == [layer.layer for layer in samples["two_faults"].layers]
    assert list(frame["verdict"])[:3] == ["identical", "nondeterministic", "introduced"]
    assert frame["rel_error"][4] == math.inf
    assert list(samples["nothing"].to_dataframe().columns) == list(frame.columns)


def test_a_table_without_pandas(samples: Mapping[str, Report], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(TracerError, match="pip install pandas"):
        samples["passed"].to_dataframe()
