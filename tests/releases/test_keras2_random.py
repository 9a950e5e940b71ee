"""Random models of a real Keras 2: each is migrated and proved, or refused with a reason; none is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
from keras2_files import error_of, write_in_keras_2

import tracer
from tracer.errors import ModelError

_FEW, _MANY = 12, 200
# Of the models, those that are refused.
_REFUSED = 0.02
# A random model may have a softmax behind a softmax: more than a single layer's rounding adds up.
_CLOSE = 1e-5


def outcome(seed: int, folder: Path, tmp_path: Path) -> str:
    """`proved`, or why the model of a seed isn't; what was kept has to predict what Keras 2 does."""
    name, target = f"random_{seed}", tmp_path / f"{seed}.keras"
    (source,) = (path for path in folder.glob(f"{name}.*") if path.suffix != ".npz")
    try:
        report = tracer.migrate(source, target, str(folder / f"{name}.npz"))
    except ModelError as refused:
        assert not target.exists()
        return f"{seed} refused: {refused}"
    if not report.matches:
        assert not target.exists()
        return f"{seed} not equal: {report}"
    assert error_of(target, folder / f"{name}.npz", folder / f"{name}_y.npz") <= _CLOSE, (seed, str(report))
    return "proved"


def outcomes(count: int, tmp_path: Path) -> list[str]:
    """Of the first so many seeds, those that aren't proved."""
    folder = tmp_path / "written"
    folder.mkdir()
    write_in_keras_2(folder, "keras2_random.py", "0", str(count))
    return [found for seed in range(count) if (found := outcome(seed, folder, tmp_path)) != "proved"]


@pytest.mark.releases
def test_random_models_are_proved(tmp_path: Path) -> None:
    assert outcomes(_FEW, tmp_path) == []


@pytest.mark.slow
@pytest.mark.releases
def test_nearly_all_of_many_random_models_are_proved_and_none_is_wrong(tmp_path: Path) -> None:
    left = outcomes(_MANY, tmp_path)
    print("\n" + "\n".join(left))
    assert [line for line in left if " refused: " not in line] == []
    assert len(left) <= _REFUSED * _MANY
