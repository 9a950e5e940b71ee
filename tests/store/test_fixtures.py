"""`tracer.store.fixtures`: a golden comes back as it was, and whatever is wrong with a file is said."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from safetensors.numpy import save

from tracer.core.golden.fingerprint import Identity, Site, fingerprint
from tracer.core.golden.golden import Golden, golden_sites
from tracer.core.source import Outline, Value
from tracer.errors import FixtureError, TracerError
from tracer.report.goldens import golden_to_json, render_golden
from tracer.store import fixtures, places


def golden() -> Golden:
    random = np.random.RandomState(0)
    single = random.normal(size=(2, 5, 5, 3)).astype(np.float32)
    arrays = {"a": single, "b": np.arange(6), "b:1": np.array([["x", "y"]]), "c": random.normal(size=(3, 4))}
    wiring = {"a": ("<input 0>",), "b": ("a",), "b:1": None, "c": ("a", "b")}
    sites = tuple(
        Site(path=path, class_name="Dense", box="", is_box=False, wiring=wiring[path],
             fingerprint=fingerprint(Value(array=array)))
        for path, array in arrays.items()
    )  # fmt: skip
    child = Outline(name="a", class_name="Dense", base="dense")
    return Golden(
        sites=golden_sites(sites, sites, [sites], [{"a": 2.5e-8}]),
        outline=Outline(name="", class_name="Functional", base="functional", children=(child,)),
        identities={"a": Identity(weights="ff", settings={"units": 3})},
        provenance={"tool": "keras-layer-tracer 0", "truth": "float64", "model": {"spec": "m"}},
        inputs=(np.ones((2, 3), np.float32),),
    )


@pytest.fixture
def written(tmp_path: Path) -> Path:
    path = tmp_path / "deep" / "m.safetensors"
    fixtures.write_golden(path, golden())
    return path


def test_it_comes_back_as_it_was(written: Path) -> None:
    found, expected = fixtures.read_golden(written), golden()
    assert found.outline == expected.outline and found.identities == expected.identities
    assert found.provenance == expected.provenance and found.name == "m"
    assert np.array_equal(found.inputs[0], expected.inputs[0])
    for got, want in zip(found.sites, expected.sites, strict=True):
        assert (got.path, got.wiring, got.floors) == (want.path, want.wiring, want.floors)
        assert got.locals == pytest.approx(want.locals)
        assert np.array_equal(got.truth.sketch, want.truth.sketch)
        for name in ("shape", "dtype", "digest", "mean", "rms", "minimum", "maximum", "nonfinite"):
            assert getattr(got.truth, name) == getattr(want.truth, name)
        assert np.allclose(got.truth.samples, want.truth.samples, rtol=1e-6)
        assert np.allclose(got.truth.means, want.truth.means, rtol=1e-6)


def test_equal_goldens_are_equal_bytes_and_leave_nothing_beside(written: Path) -> None:
    before = written.read_bytes()
    fixtures.write_golden(written, golden())
    assert written.read_bytes() == before == fixtures.to_bytes(golden())
    assert [path.name for path in written.parent.iterdir()] == ["m.safetensors"]


def test_it_is_read_without_this_package(written: Path) -> None:
    """The format is safetensors: eight bytes of length, a JSON header, the arrays."""
    data = written.read_bytes()
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    entry = json.loads(header["__metadata__"]["tracer"])
    assert entry["schema"] == 1 and entry["sites"][0]["path"] == "a"
    wide = [bool(site.get("wide")) for site in entry["sites"]]
    assert wide == [False, False, False, True]  # whole numbers lose nothing in float32, float64 is checked as float64
    for name, dtype, place in (("sketch", "<f4", 0), ("sketch64", "<f8", 3)):
        start, end = header[name]["data_offsets"]
        sketch = np.frombuffer(data[8 + size + start : 8 + size + end], dtype).reshape(header[name]["shape"])
        assert np.array_equal(sketch[0], golden().sites[place].truth.sketch)


def test_every_changed_byte_is_noticed(written: Path) -> None:
    data = written.read_bytes()
    for place in range(0, len(data), max(1, len(data) // 97)):
        written.write_bytes(data[:place] + bytes([data[place] ^ 0x41]) + data[place + 1 :])
        with pytest.raises(FixtureError, match=r"m\.safetensors"):
            fixtures.read_golden(written)


@pytest.mark.parametrize("size", [0, 1, 7, 8, 100, 2000, -1])
def test_a_file_that_is_cut_off(written: Path, size: int) -> None:
    written.write_bytes(written.read_bytes()[:size])
    with pytest.raises(FixtureError, match=r"Record it again|tracer record"):
        fixtures.read_golden(written)


def test_missing_folder_and_foreign_files(tmp_path: Path) -> None:
    with pytest.raises(FixtureError, match="no such golden"):
        fixtures.read_golden(tmp_path / "no.safetensors")
    with pytest.raises(FixtureError, match="a folder"):
        fixtures.read_golden(tmp_path)
    from safetensors.numpy import save_file

    save_file({"x": np.ones(3)}, tmp_path / "x.safetensors")
    with pytest.raises(FixtureError, match="no golden of tracer"):
        fixtures.read_golden(tmp_path / "x.safetensors")


def test_another_schema_names_the_tool_that_wrote_it(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fixtures, "SCHEMA", 99)
    fixtures.write_golden(written, golden())
    monkeypatch.undo()
    with pytest.raises(FixtureError, match=r"schema is 99.*keras-layer-tracer 0"):
        fixtures.read_golden(written)


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TracerError, match="can't write the golden"):
        fixtures.write_golden(tmp_path / "file" / "m.safetensors", golden())


def rewritten(path: Path, place: tuple[str | int, ...], odd: Any) -> None:
    """Another value in the header, and the digest that goes with it."""
    header, arrays = fixtures._parsed(path, str(path))
    value: Any = header
    for part in place[:-1]:
        value = value[part]
    value[place[-1]] = odd
    header["digest"] = fixtures._digest(header, arrays)
    path.write_bytes(save(arrays, {"tracer": json.dumps(header)}))


PLACES: list[tuple[str | int, ...]] = [
    ("provenance",), ("provenance", "model"), ("provenance", "environment"), ("provenance", "witnesses"),
    ("provenance", "tool"), ("provenance", "truth"), ("sites",), ("sites", 0), ("sites", 0, "path"),
    ("sites", 1, "class"), ("sites", 1, "shape"), ("sites", 1, "shape", 0), ("sites", 2, "inputs"), ("sites", 2, "box"),
    ("sites", 3, "inputs", 0), ("sites", 0, "mask"), ("sites", 0, "dtype"), ("sites", 0, "nonfinite"), ("outline",),
    ("outline", 0), ("outline", 2), ("outline", 2, 0), ("bases",), ("bases", "Dense"), ("settings",), ("settings", 0),
    ("layers",), ("layers", "a"), ("layers", "a", 0), ("layers", "a", 1), ("schema",), ("provenance", "witness\x1b"),
]  # fmt: skip
ODD = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 1 << 70) | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["layer", "worst", "a"]), inner),
    max_leaves=6,
)


@given(st.sampled_from(PLACES), ODD)
@example(("sites", 0, "dtype"), "")
@example(("sites", 0, "dtype"), "0")
def test_a_header_of_odd_types_with_the_right_digest_is_refused_or_shown(
    place: tuple[str | int, ...], odd: Any
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "m.safetensors"
        fixtures.write_golden(path, golden())
        rewritten(path, place, odd)
        try:
            found = fixtures.read_golden(path)
        except FixtureError as error:
            assert str(path) in str(error) and "\n" not in str(error)
            return
        for layer in (None, found.sites[0].path):
            shown = render_golden(found, "m", layer=layer, show_all=True)
            assert shown.replace("\n", "").isprintable()
        golden_to_json(found)


@pytest.mark.parametrize(
    ("place", "odd", "says"),
    [
        (("provenance",), [], "provenance is a list"),
        (("provenance", "witnesses"), [{"layer": None, "worst": 0.0}], "KeyError: 'environment'"),
        (("sites", 1, "shape"), ["5"], "a side of a shape is a str"),
        (("outline",), ["", "Functional", [["a", "Dense"]], "more"], "an outline is a list"),
        (("layers",), ["a"], "layers is a list"),
    ],
)
def test_what_is_odd_in_a_header_is_named(written: Path, place: tuple[str | int, ...], odd: Any, says: str) -> None:
    rewritten(written, place, odd)
    with pytest.raises(FixtureError, match=says):
        fixtures.read_golden(written)


@pytest.mark.parametrize("name", ["stats", "floors", "locals", "digests", "counts", "samples", "means", "sketch"])
def test_an_array_of_another_shape_with_the_right_digest_is_refused(written: Path, name: str) -> None:
    header, arrays = fixtures._parsed(written, str(written))
    arrays[name] = np.zeros((*arrays[name].shape, 2), arrays[name].dtype)
    header["digest"] = fixtures._digest(header, arrays)
    written.write_bytes(save(arrays, {"tracer": json.dumps(header)}))
    with pytest.raises(FixtureError, match=rf"damaged: ValueError: {name} has the shape \(\d+, .*2\)"):
        fixtures.read_golden(written)


@pytest.mark.parametrize("name", ["counts", "digests"])
def test_what_has_to_be_whole_numbers_is(written: Path, name: str) -> None:
    header, arrays = fixtures._parsed(written, str(written))
    arrays[name] = arrays[name] * np.nan
    header["digest"] = fixtures._digest(header, arrays)
    written.write_bytes(save(arrays, {"tracer": json.dumps(header)}))
    with pytest.raises(FixtureError, match=f"damaged: TypeError: {name} holds float64"):
        fixtures.read_golden(written)


def test_a_value_in_a_golden_can_t_begin_a_line_of_its_own(written: Path) -> None:
    rewritten(written, ("provenance", "tool"), "me\nPASS: all is well\u2028\x1b[2J")
    shown = render_golden(fixtures.read_golden(written), "m")
    assert "me\\nPASS: all is well\\u2028\\x1b[2J" in shown
    assert not any(shown_line.strip().startswith("PASS") for shown_line in shown.splitlines())


def test_where_goldens_lie(tmp_path: Path) -> None:
    assert places.fixture_path("f", "package.module:make").name == "package.module.make.safetensors"
    assert places.fixture_path("f", "runs/best.keras").name == "best.keras.safetensors"
    assert places.all_fixtures(tmp_path / "none") == ()
