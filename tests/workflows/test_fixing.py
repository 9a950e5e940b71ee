"""fix: what is written behaves as wanted, was seen to, and nothing else is touched."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

import tracer
from tracer.errors import ModelError, SpecError, TracerError

_ROWS = np.random.RandomState(0).normal(5.0, 3.0, (64, 4)).astype("float32")
_CUBES = np.random.RandomState(1).normal(size=(3, 6, 6)).astype("float32")


def adapted() -> Any:
    """A nested model that normalizes: statistics far from 0 and 1."""
    norm = layers.Normalization(name="norm")
    norm.adapt(_ROWS)
    inner = keras.Sequential([keras.Input((4,)), norm, layers.Dense(3, name="dense")], name="inner")
    model = keras.Sequential([keras.Input((4,)), inner, layers.Dense(2, name="out")], name="outer")
    return _filled(model, skip=norm)


def stale() -> Any:
    """A flat model as weights from a legacy file left it up to Keras 3.5: it never normalized while it was trained."""
    x = keras.Input((4,), name="x")
    norm = layers.Normalization(name="norm")
    model = _filled(keras.Model(x, layers.Dense(2, name="out")(norm(x)), name="m"), skip=norm)
    norm.variables[0].assign(_ROWS.mean(axis=0))
    norm.variables[1].assign(_ROWS.var(axis=0))
    return model


def _filled(model: Any, skip: Any) -> Any:
    random = np.random.RandomState(2)
    for variable in model.trainable_variables:
        if all(variable is not other for other in skip.variables):
            variable.assign(random.normal(0, 0.5, variable.shape))
    return model


def outputs(model: Any, inputs: Any) -> np.ndarray:
    return np.asarray(model(inputs))


def loaded(path: Path) -> Any:
    return keras.models.load_model(path, compile=False)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Model files that load as something else than what was saved, or not."""
    folder = tmp_path_factory.mktemp("files")
    adapted().save(folder / "nested.h5")
    adapted().save(folder / "nested.keras")
    stale().save(folder / "stale.keras")
    x = keras.Input((6, 6), name="x")
    unit = keras.Model(x, layers.UnitNormalization(axis=[1, 2], name="unit")(x), name="unit")
    unit.save(folder / "unit.h5")
    unit.save(folder / "unit.keras")
    return folder


@pytest.fixture
def out(tmp_path: Path) -> Callable[[], list[str]]:
    """What is in the folder that is written to, hidden files too."""
    return lambda: sorted(path.name for path in tmp_path.rglob("*"))


def same(a: np.ndarray, b: np.ndarray) -> bool:
    return bool(np.allclose(a, b, rtol=1e-5, atol=1e-6))


# --- what is wanted


def test_as_trained_gives_a_nested_layer_the_state_of_its_weights(
    files: Path, tmp_path: Path, out: Callable[[], list[str]]
) -> None:
    source = files / "nested.h5"
    before = source.read_bytes()
    fixed = tracer.fix(str(source), str(tmp_path / "fixed.keras"), as_trained=True)
    assert out() == ["fixed.keras"]
    assert not same(outputs(loaded(source), _ROWS), outputs(adapted(), _ROWS))
    assert same(outputs(loaded(tmp_path / "fixed.keras"), _ROWS), outputs(adapted(), _ROWS))
    assert fixed.report.matches
    assert [line.split(":")[0] for line in fixed.changes] == ["inner/norm"]
    assert source.read_bytes() == before


@pytest.mark.slow
def test_as_trained_keeps_a_model_that_never_normalized(files: Path, tmp_path: Path) -> None:
    """keras#20147: loading derives the real statistics, with which nothing was ever trained."""
    fixed = tracer.fix(str(files / "stale.keras"), str(tmp_path / "fixed.keras"), as_trained=True)
    trained = outputs(stale(), _ROWS)
    assert not same(outputs(loaded(files / "stale.keras"), _ROWS), trained)
    assert same(outputs(loaded(tmp_path / "fixed.keras"), _ROWS), trained)
    assert len(fixed.changes) == 1
    assert "mean = [0, 0, 0, 0]" in fixed.changes[0]
    assert "variance = [1, 1, 1, 1]" in fixed.changes[0]


@pytest.mark.slow
def test_as_loaded_keeps_what_the_loaded_model_does(files: Path, tmp_path: Path) -> None:
    tracer.fix(str(files / "nested.h5"), str(tmp_path / "fixed.keras"), as_loaded=True)
    expected = outputs(loaded(files / "nested.h5"), _ROWS)
    assert same(outputs(loaded(tmp_path / "fixed.keras"), _ROWS), expected)
    assert not same(expected, outputs(adapted(), _ROWS))


@pytest.mark.slow
def test_as_loaded_survives_even_the_format_that_lost_it(files: Path, tmp_path: Path) -> None:
    """Mean 0 and variance 1 as weights: whatever loads them, derived or not, computes the same."""
    tracer.fix(str(files / "nested.h5"), str(tmp_path / "fixed.h5"), as_loaded=True)
    expected = outputs(loaded(files / "nested.h5"), _ROWS)
    assert same(outputs(loaded(tmp_path / "fixed.h5"), _ROWS), expected)


def test_like_another_file(files: Path, tmp_path: Path) -> None:
    fixed = tracer.fix(str(files / "unit.h5"), str(tmp_path / "fixed.keras"), like=str(files / "unit.keras"))
    expected = outputs(loaded(files / "unit.keras"), _CUBES)
    assert not same(outputs(loaded(files / "unit.h5"), _CUBES), expected)
    assert same(outputs(loaded(tmp_path / "fixed.keras"), _CUBES), expected)
    assert fixed.changes[0].startswith("unit: set_attribute: axis = ")
    assert fixed.report.matches


@pytest.mark.slow
def test_like_a_live_model(files: Path, tmp_path: Path) -> None:
    fixed = tracer.fix(str(files / "nested.h5"), str(tmp_path / "fixed.keras"), like=adapted(), inputs=_ROWS[:4])
    assert same(outputs(loaded(tmp_path / "fixed.keras"), _ROWS), outputs(adapted(), _ROWS))
    assert fixed.path == str(tmp_path / "fixed.keras")


# --- what is refused, with nothing written


def _refused(kind: type[TracerError], says: str, file: Path, target: Path, **wanted: Any) -> None:
    with pytest.raises(kind, match=says) as raised:
        tracer.fix(str(file), str(target), **(wanted or {"as_trained": True}))
    assert "\n" not in str(raised.value).strip()


def test_the_input_is_never_overwritten(files: Path) -> None:
    for name in ("nested.keras", f"../{files.name}/nested.keras", "./nested.keras"):
        before = (files / "nested.keras").read_bytes()
        _refused(SpecError, "is the input, which is never overwritten", files / "nested.keras", files / name)
        assert (files / "nested.keras").read_bytes() == before


def test_a_link_to_the_input_is_the_input(files: Path, tmp_path: Path) -> None:
    (tmp_path / "link.keras").symlink_to(files / "nested.keras")
    _refused(SpecError, "is the input", files / "nested.keras", tmp_path / "link.keras")


def test_an_existing_file_is_never_overwritten(files: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.keras").write_text("mine", encoding="utf-8")
    _refused(SpecError, "exists already", files / "nested.h5", tmp_path / "mine.keras")
    assert (tmp_path / "mine.keras").read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize("name", ["fixed.h5py", "fixed", "fixed.json", "fixed.weights.h5", "fixed.pb"])
def test_another_suffix_is_refused(name: str, files: Path, tmp_path: Path, out: Callable[[], list[str]]) -> None:
    _refused(SpecError, r"\.keras or \.h5", files / "nested.h5", tmp_path / name)
    assert out() == []


def test_a_folder_that_is_not_there_is_refused(files: Path, tmp_path: Path) -> None:
    _refused(SpecError, "doesn't exist", files / "nested.h5", tmp_path / "nowhere" / "fixed.keras")


@pytest.mark.parametrize("wanted", [{}, {"as_trained": True, "as_loaded": True}, {"as_trained": True, "like": "x.h5"}])
def test_exactly_one_behaviour_is_asked_for(wanted: dict[str, Any], files: Path, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="exactly one of --like, --as-trained, --as-loaded"):
        tracer.fix(str(files / "nested.h5"), str(tmp_path / "fixed.keras"), **wanted)


@pytest.mark.slow
def test_h5_that_can_not_hold_it_is_not_kept(files: Path, tmp_path: Path, out: Callable[[], list[str]]) -> None:
    """A legacy file loses the state of the nested layer again: it was traced, and thrown away."""
    _refused(ModelError, "doesn't survive being saved as .h5", files / "nested.h5", tmp_path / "fixed.h5")
    assert out() == []


@pytest.mark.parametrize("wanted", [{"as_trained": True}, {"as_loaded": True}], ids=str)
def test_nothing_to_change_is_said(
    wanted: dict[str, Any], files: Path, tmp_path: Path, out: Callable[[], list[str]]
) -> None:
    _refused(ModelError, "nothing needs a change", files / "unit.keras", tmp_path / "fixed.keras", **wanted)
    assert out() == []


def test_like_itself_needs_no_change(files: Path, tmp_path: Path) -> None:
    _refused(ModelError, "nothing needs a change", files / "nested.keras", tmp_path / "f.keras", like=adapted())


def test_a_difference_without_a_known_change_is_named(
    files: Path, tmp_path: Path, out: Callable[[], list[str]]
) -> None:
    x = keras.Input((6, 6), name="x")
    other = keras.Model(x, layers.Softmax(name="unit")(x), name="unit")
    _refused(ModelError, "unit .*differs, and no change to it is known", files / "unit.h5", tmp_path / "f.keras",
             like=other)  # fmt: skip
    assert out() == []


def test_a_file_that_is_not_there_or_no_model_is_refused(tmp_path: Path, out: Callable[[], list[str]]) -> None:
    _refused(SpecError, "does not exist", tmp_path / "nothing.keras", tmp_path / "fixed.keras")
    (tmp_path / "text.keras").write_text("text", encoding="utf-8")
    _refused(ModelError, "isn't a zip archive", tmp_path / "text.keras", tmp_path / "fixed.keras")
    assert out() == ["text.keras"]
