"""Classes of `__main__` in a fresh process: scripts as their users write them, each run as one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import keras
import pytest

from tracer.engine.layer.naming import Tree
from tracer.engine.model.shipping import pack, unpack

pytest.importorskip("cloudpickle", reason="sends classes by value: pip install 'keras-layer-tracer[notebook]'")
pytestmark = pytest.mark.slow  # each imports Keras in a script of its own

_ROOT = Path(__file__).resolve().parents[3]
_HEAD = """
import functools, threading
import keras, numpy as np, tracer
from keras import layers, ops

x = np.random.RandomState(0).normal(size=(3, 4)).astype("float32")
factor = 2.0

def slope(y):
    return factor * ops.tanh(y)

@keras.saving.register_keras_serializable("mine")
class Scaled(layers.Layer):
    def __init__(self, by=1.5, **options):
        super().__init__(**options)
        self.by = by
        self.inside = layers.Dense(3, activation=slope, name="inside")
    def build(self, shape):
        self.inside.build(shape)
        super().build(shape)
    def call(self, y):
        return self.by * self.inside(y)
    def get_config(self):
        return {**super().get_config(), "by": self.by}

class Half(keras.regularizers.Regularizer):
    def __call__(self, y):
        return ops.sum(y) * 0.0
    def get_config(self):
        return {}
"""


def script(folder: Path, body: str) -> subprocess.CompletedProcess[str]:
    """Run a script as its user would."""
    (folder / "script.py").write_text(_HEAD + body)
    environment = {**os.environ, "PYTHONPATH": str(_ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    return subprocess.run(
        [sys.executable, "script.py"], cwd=folder, env=environment, capture_output=True, text=True, timeout=300
    )


_MODEL = """
i = keras.Input((4,))
y = Scaled(name="scaled")(i)
model = keras.Model(i, layers.Dense(2, activation=slope, kernel_regularizer=Half(), name="head")(y))
"""


@pytest.mark.parametrize("format", ["keras", "h5", "weights", "config"])
def test_a_model_of_a_script_comes_back(tmp_path: Path, format: str) -> None:
    """A registered layer, its activation with a global of its own, and a regularizer that only the config names."""
    said = (
        f"report = tracer.roundtrip(model, x, format={format!r})\nprint(report.status, report.hidden, report.compared)"
    )
    done = script(tmp_path, _MODEL + said)
    assert done.stdout == "pass () 3\n", done.stdout + done.stderr


def test_what_a_class_loses_is_found(tmp_path: Path) -> None:
    forgets = _HEAD[_HEAD.index("class Scaled") :].replace("Scaled", "Forgetful").replace(', "by": self.by', "")
    body = forgets + _MODEL.replace('Scaled(name="scaled")', 'Forgetful(3.0, name="scaled")')
    done = script(tmp_path, body + "print(tracer.roundtrip(model, x, prove=False).faults[0].layer)")
    assert done.stdout == "scaled\n", done.stdout + done.stderr


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            "class Locked(layers.Layer):\n    lock = threading.Lock()\n    def call(self, y):\n        return y\n",
            "the model needs Locked of __main__, which a fresh process can't import and which can't be sent there: "
            "TypeError: cannot pickle '_thread.lock' object.",
        ),
    ],
)
def test_what_cannot_be_sent_says_why(tmp_path: Path, body: str, message: str) -> None:
    ask = "i = keras.Input((4,))\ntracer.roundtrip(keras.Model(i, Locked()(i)), x)\n"
    done = script(tmp_path, body + ask)
    assert done.returncode == 1
    assert message in done.stderr and "same_process=True" in done.stderr


_UNIT = """
from tracer.engine.layer.naming import Tree
from tracer.engine.model import shipping
"""


def test_what_is_sent_is_what_the_model_names_and_nothing_else(tmp_path: Path) -> None:
    """`unused` would bring all of `x` along; a model without anything of `__main__` sends nothing."""
    body = (
        _UNIT
        + "def unused(y):\n    return y + x\n"
        + "def head(y, held=threading.Lock()):\n    return y\n"  # called as a layer is, and can't be sent
        + _MODEL
        + "plain = keras.Sequential([keras.Input((4,)), layers.Dense(2)])\n"
        + "print(sorted(shipping._needed(Tree(model))), shipping.pack(Tree(plain)))\n"
        + "found = shipping.unpack(shipping.pack(Tree(model)))\n"
        + "print(float(found['slope'](np.float32(100.0))), keras.saving.get_registered_name(found['mine>Scaled']))\n"
    )
    done = script(tmp_path, body)
    assert done.stdout == "['Half', 'Scaled', 'mine>Scaled', 'slope'] b''\n2.0 mine>Scaled\n", done.stdout + done.stderr


def test_without_cloudpickle_the_advice_is_to_install_it(tmp_path: Path) -> None:
    body = _UNIT + _MODEL + "shipping.importlib.util.find_spec = lambda name: None\nshipping.pack(Tree(model))\n"
    done = script(tmp_path, body)
    assert "pip install 'keras-layer-tracer[notebook]'" in done.stderr, done.stderr


def test_a_cell_of_a_notebook_is_like_any_other_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A layer, changed and defined again in a later cell: what is sent is what the model in memory is made of."""
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    monkeypatch.setenv("PYTHONPATH", str(_ROOT))
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")
    again = _HEAD[_HEAD.index("@keras.saving") : _HEAD.index("class Half")].replace("by=1.5", "by=2.5")
    cells = [_HEAD, again, _MODEL, "print(tracer.roundtrip(model, x).status)", "tracer.roundtrip(model, x)"]
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    nbclient.NotebookClient(book, timeout=300, kernel_name="python3").execute(cwd=str(tmp_path))
    said = "".join(output["text"] for output in book.cells[3].outputs if output.get("name") == "stdout")
    assert said == "pass\n"
    [shown] = [output["data"] for output in book.cells[4].outputs if output["output_type"] == "execute_result"]
    assert "pass" in shown["text/plain"]


def test_a_model_of_importable_classes_brings_nothing_along() -> None:
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    assert pack(Tree(model)) == b""
    assert unpack(b"") == {}
