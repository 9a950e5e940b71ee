"""migrate: what is refused before anything runs, and what the report says.

With a real Keras 2: `tests/releases/test_keras2.py`.
"""

from __future__ import annotations

from pathlib import Path

import pytest

import tracer
from tracer.core.migration.translate import Translation
from tracer.core.spec import parse_spec
from tracer.errors import SpecError
from tracer.workflows.migrating.migrate import _built_by, _notes, _spec_of


@pytest.mark.parametrize(
    ("file", "output", "says"),
    [
        ("m.h5", "new.h5", r"new.h5: a migrated model is written as .keras; received '.h5'"),
        ("m.h5", "there.keras", r"there.keras exists already; name another file"),
        ("m.h5", "nowhere/new.keras", r"the folder .*nowhere doesn't exist"),
        ("m.h5@3.4.1", "new.keras", r"m.h5@3.4.1: migrate reads a model with Keras 2, and 3.4.1 isn't one"),
        ("m.h5@latest", "new.keras", r"and latest isn't one; leave it out"),
        ("m.h5@2.7.0", "new.keras", r"Keras 2.7.0 can't be traced: of Keras 2, the releases from 2.11 on can"),
        ("m.h5@2.15.0+jax", "new.keras", r"Keras 2.15.0 runs on TensorFlow alone; received jax"),
    ],
)
def test_what_cannot_be_is_refused_at_once(file: str, output: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "there.keras").touch()
    with pytest.raises(SpecError, match=says):
        tracer.migrate(file, tmp_path / output)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["there.keras"]


def test_where_its_python_is_not_there_tf_keras_reads_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("uv")
    monkeypatch.setenv("UV_PYTHON_PREFERENCE", "only-managed")
    monkeypatch.setenv("UV_PYTHON_INSTALL_DIR", str(tmp_path))
    assert _spec_of("m.h5").release == "tf-keras"
    assert _spec_of("m.h5@2.13.1").release == "2.13.1"


def test_the_report_says_what_was_changed_and_whether_the_file_was_kept() -> None:
    translation = Translation(config={}, problems=(), applied={"`alpha` of `LeakyReLU`": 2})
    written, changed = _notes(translation, Path("new.keras"), kept=True)
    assert written == "new.keras was written."
    assert changed == "changed from Keras 2 to Keras 3: `alpha` of `LeakyReLU` (2×)."
    assert "was not written: it would not compute the same" in next(_notes(translation, Path("new.keras"), kept=False))


@pytest.mark.parametrize("model", ["other.h5", "package.module:callable@2.15.0"])
def test_what_builds_the_model_of_a_weights_file_is_no_file_and_has_no_release(model: str, tmp_path: Path) -> None:
    (tmp_path / "other.h5").touch()
    with pytest.raises(SpecError, match=r"a callable \(package.module:callable\) or an application builds the model"):
        _built_by(parse_spec("w.weights.h5"), model)


def test_weights_are_of_a_file() -> None:
    with pytest.raises(SpecError, match=r"builds the model of a file of weights; EfficientNetB0 is none"):
        _built_by(parse_spec("EfficientNetB0"), "package.module:callable")
    assert _built_by(parse_spec("m.h5"), None) == ("m.h5", None)
    built, weights = _built_by(parse_spec("w.weights.h5"), "package.module:callable")
    assert (built, weights) == ("package.module:callable", str(Path("w.weights.h5").absolute()))
