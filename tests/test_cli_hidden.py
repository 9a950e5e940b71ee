"""Models that aren't the same on inputs that don't show it, on the command line: the first line, and the exit code."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tracer.cli import app

_MODELS = """
import keras
import numpy as np

def build(rate=0.5, change=0.0):
    ids = keras.Input((4,), dtype="int32")
    x = keras.layers.Embedding(50, 8, name="emb")(ids)
    x = keras.layers.Dropout(rate, name="drop")(keras.layers.Flatten()(x))
    model = keras.Model(ids, keras.layers.Dense(3, name="head")(x))
    random = np.random.RandomState(0)
    model.set_weights([random.normal(size=w.shape) for w in model.get_weights()])
    table = np.array(model.get_layer("emb").get_weights()[0])
    table[10:] += change
    model.get_layer("emb").set_weights([table])
    return model

def changed():
    return build(change=1.0)

def dropping_less():
    return build(rate=0.1)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Holds a module of models, and inputs that reach four rows of fifty."""
    import numpy as np

    path = tmp_path_factory.mktemp("hidden")
    (path / "hidden_models.py").write_text(_MODELS, encoding="utf-8")
    np.savez(path / "ids.npz", np.array([[0, 1, 2, 3], [3, 2, 1, 0]], "int32"))
    return path


@pytest.fixture
def diff(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """The command in this process: importing Keras takes longer than it does."""
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(folder)
    sides = ["diff", "hidden_models:build"]
    return lambda candidate, *more: CliRunner().invoke(
        app, [*sides, f"hidden_models:{candidate}", "--inputs", "ids.npz", *more]
    )


def test_other_weights_are_in_the_first_line_and_exit_with_1(diff: Callable[..., Any]) -> None:
    done = diff("changed")
    first = done.stdout.splitlines()[0]
    assert first == "DIVERGED: the outputs agree on these inputs, but the weights of 1 layer differ: emb", done.stderr
    assert done.exit_code == 1


@pytest.mark.parametrize(("more", "code", "first"), [((), 0, "PASS"), (("--strict",), 1, "DIVERGED")])
def test_other_settings_fail_where_that_is_asked_for(
    diff: Callable[..., Any], more: tuple[str, ...], code: int, first: str
) -> None:
    done = diff("dropping_less", *more)
    assert (done.exit_code, done.stdout.partition(":")[0]) == (code, first), done.stderr
    assert "drop (Dropout)" in done.stdout
