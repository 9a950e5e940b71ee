"""`tracer.engine.model.saving`: out and back in every format, as a user would."""

from __future__ import annotations

import json
import resource
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from tracer import zoo
from tracer.core.formats import FORMATS as ALL
from tracer.engine.inputs.made import make_inputs
from tracer.engine.model import saving
from tracer.engine.model.save_formats import DUPLICATES, WAYS
from tracer.errors import ModelError, SpecError

# Every one that leaves the process and comes back with layers; `keras-compiled` needs a compiled model.
FORMATS = tuple(name for name, way in ALL.items() if not way.live and not way.outputs_only and name != "keras-compiled")
_MODELS = ("tiny_functional", "tiny_sequential", "tiny_multi_io", "tiny_shared", "tiny_text", "tiny_recurrent")
# Keras 3.15 puts the `NotEqual` of a mask into the graph, and can't read that from a legacy file.
_NOT_IN_H5 = "tiny_text"


@keras.saving.register_keras_serializable("test_saving")
class Scale(layers.Layer):
    """A layer that a file needs a name for."""

    def call(self, x: Any) -> Any:
        return x * 3.0


@pytest.fixture(scope="module")
def built() -> Callable[[str], tuple[Any, Any, Any]]:
    """A zoo model with inputs and its outputs, made once."""
    made: dict[str, tuple[Any, Any, Any]] = {}

    def get(name: str) -> tuple[Any, Any, Any]:
        if name not in made:
            model = getattr(zoo, name)()
            inputs = make_inputs(model, seed=0, batch=2)
            made[name] = (model, inputs, arrays(model(inputs)))
        return made[name]

    return get


def arrays(outputs: Any) -> list[np.ndarray]:
    """Outputs in one order, as arrays."""
    if isinstance(outputs, dict):
        outputs = [outputs[key] for key in sorted(outputs)]
    return [np.asarray(x) for x in (outputs if isinstance(outputs, (list, tuple)) else [outputs])]


def there_and_back(model: Any, folder: Path, format: str) -> Any:
    saving.save(model, folder, format)
    return saving.load(folder, format)


@pytest.mark.parametrize(
    ("name", "format"),
    [(name, format) for name in _MODELS for format in FORMATS if ALL[format].everyday or name == "tiny_functional"],
)
def test_outputs_are_equal_after_loading(
    name: str, format: str, built: Callable[[str], tuple[Any, Any, Any]], tmp_path: Path
) -> None:
    model, inputs, expected = built(name)
    if (name, format) == (_NOT_IN_H5, "h5") and any("not_equal" in layer.name for layer in model.operations):
        with pytest.raises(ModelError, match=r"can't be loaded again.*NotEqual"):
            there_and_back(model, tmp_path, format)
        return
    loaded = there_and_back(model, tmp_path, format)
    for here, there in zip(expected, arrays(loaded(inputs)), strict=True):
        np.testing.assert_array_equal(here, there)


def test_every_format_has_a_way_and_every_way_a_format() -> None:
    assert ALL.keys() == WAYS.keys() | DUPLICATES.keys()
    assert not WAYS.keys() & DUPLICATES.keys()
    assert all(ALL[name].live == (name in DUPLICATES) for name in ALL)


@pytest.mark.parametrize("name", _MODELS)
def test_graphs_have_every_format(name: str, built: Callable[[str], tuple[Any, Any, Any]]) -> None:
    assert set(saving.supported(built(name)[0])) == ALL.keys() - {"keras-compiled"}


def test_a_compiled_model_has_one_more() -> None:
    model = zoo.tiny_sequential()
    model.compile("sgd", "mse")
    assert set(saving.supported(model)) == ALL.keys()


def test_a_subclassed_model_has_no_h5(tmp_path: Path) -> None:
    model = zoo.tiny_subclassed()
    assert [name for name in saving.supported(model) if ALL[name].everyday] == ["keras", "weights", "config"]
    for format in ("h5", "h5-weights", "h5-by-name"):
        with pytest.raises(ModelError, match=f"as {format}: legacy HDF5 holds no subclassed model"):
            there_and_back(model, tmp_path, format)


def test_what_never_leaves_its_process_can_not_be_saved(tmp_path: Path) -> None:
    for format in DUPLICATES:
        with pytest.raises(ModelError, match="never leaves its process"):
            saving.save(zoo.tiny_sequential(), tmp_path, format)


@pytest.mark.parametrize("format", DUPLICATES)
def test_a_duplicate_is_another_model_with_the_same_numbers(format: str) -> None:
    model = zoo.tiny_functional()
    made = saving.duplicate(model, format)
    assert made is not model
    inputs = make_inputs(model, seed=0, batch=2)
    before = arrays(model(inputs))
    np.testing.assert_array_equal(arrays(made(inputs))[0], before[0])
    made.set_weights([w * 2 for w in made.get_weights()])
    np.testing.assert_array_equal(arrays(model(inputs))[0], before[0])


def test_sharded_weights_are_in_several_files(tmp_path: Path) -> None:
    saving.save(zoo.tiny_functional(), tmp_path, "sharded")
    assert len(list(tmp_path.glob("*.h5"))) >= 2


@pytest.mark.parametrize("format", ["KERAS", "tf", "", "onnx"])
def test_an_unknown_format_is_answered_with_the_known_ones(format: str, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="known are keras, h5, weights, config") as raised:
        saving.save(zoo.tiny_sequential(), tmp_path, format)
    assert repr(format) in str(raised.value)
    assert not list(tmp_path.iterdir())


def test_loading_an_unknown_format_is_answered_too(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="known are keras, h5, weights, config"):
        saving.load(tmp_path, "onnx")


def test_only_the_folder_is_written_to(tmp_path: Path) -> None:
    for format in FORMATS:
        folder = tmp_path / format
        folder.mkdir()
        saving.save(zoo.tiny_sequential(), folder, format)
    found = {str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file()}
    assert {"keras/model.keras", "h5/model.h5", "weights/model.weights.h5", "config/weights.npz"} <= found
    assert {path.split("/")[0] for path in found} == set(FORMATS)


def _half(dtype: str) -> Any:
    stack = [keras.Input((5,)), layers.Dense(4, dtype=dtype, name="half"), layers.Dense(2, name="out")]
    model = keras.Sequential(stack, name="m")
    random = np.random.RandomState(0)
    model.set_weights([random.normal(size=w.shape).astype(w.dtype) for w in map(np.asarray, model.get_weights())])
    return model


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float64"])
@pytest.mark.parametrize("format", ["config", "keras"])
def test_weights_of_any_dtype_arrive_with_dtype_and_bytes(dtype: str, format: str, tmp_path: Path) -> None:
    model = _half(dtype)
    loaded = there_and_back(model, tmp_path, format)
    for here, there in zip(model.weights, loaded.weights, strict=True):
        assert np.asarray(here).dtype == np.asarray(there).dtype
        assert np.asarray(here).tobytes() == np.asarray(there).tobytes()


def test_more_than_ten_weights_keep_their_order_through_config(tmp_path: Path) -> None:
    stack = [layers.Dense(3, name=f"d{i}") for i in range(8)]
    model = keras.Sequential([keras.Input((3,)), *stack])
    loaded = there_and_back(model, tmp_path, "config")
    for here, there in zip(model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(here, there)


def test_a_custom_layer_that_is_not_known_is_named_with_what_to_do(tmp_path: Path) -> None:
    folder = tmp_path / "saved"
    folder.mkdir()
    x = keras.Input((3,))
    saving.save(keras.Model(x, Scale(name="scale")(x)), folder, "weights")
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    text = json.dumps(config).replace("test_saving>Scale", "elsewhere>Scale").replace("test_saving", "elsewhere")
    (folder / "config.json").write_text(text, encoding="utf-8")
    with pytest.raises(ModelError, match="--custom-objects") as raised:
        saving.load(folder, "weights")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("format", FORMATS)
def test_what_was_not_saved_can_not_be_loaded(format: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=f"saved as {format} can't be loaded"):
        saving.load(tmp_path, format)


def test_where_nothing_more_can_be_written_is_said(tmp_path: Path) -> None:
    """Files may have a thousand bytes here, as on a disk that is nearly full."""
    model = keras.Sequential([keras.Input((200,)), keras.layers.Dense(100)])
    before, ignored = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(ModelError, match=rf"can't be saved as keras: .*File too large.* \(in {tmp_path}\)"):
            saving.save(model, tmp_path, "keras")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
