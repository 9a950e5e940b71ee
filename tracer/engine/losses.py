"""The losses of a model on one batch, for targets that follow from a seed and the loss alone."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from tracer.core.source import Array, Arrays
from tracer.engine import compat


def compile_model(model: keras.Model, config: Mapping[str, Any], *, training: bool = True) -> None:
    """Compile a model.

    Args:
        model: any.
        config: see `tracer.core.migration.compiling.Compiling`: `new` in Keras 3; in Keras 2 `old`.
        training: with optimizer and metrics too; else with what its losses need alone.

    Raises:
        Exception: whatever Keras raises where it can't make one of these.
    """
    config = copy.deepcopy(dict(config))  # Keras changes what an optimizer is made of
    losses = {"loss": _each(config["loss"], keras.losses.get), "loss_weights": config.get("loss_weights")}
    if not training:
        model.compile(**losses, run_eagerly=True)
        return
    _each(config["loss"], _check_saved)
    metrics = {name: _each(config.get(name), keras.metrics.get) for name in ("metrics", "weighted_metrics")}
    # A name stands for the function that fits the loss (`accuracy`), and Keras finds it out.
    named = {name: _name(config.get(name), made) for name, made in metrics.items()}
    model.compile(optimizer=keras.optimizers.get(config["optimizer"]), **losses, **named)
    # Else a file would hold an optimizer without its state, of which Keras warns whoever loads it.
    model.optimizer.build(model.trainable_variables)


def _check_saved(loss: Any) -> None:
    """Refuses a loss that would come back with other settings: some of Keras 3 don't write all of them into a file."""
    if isinstance(loss, str):
        return
    made = keras.losses.get(copy.deepcopy(loss))
    defaults = {name: held.default for name, held in inspect.signature(type(made)).parameters.items()}
    kept = made.get_config()
    lost = {name: value for name, value in loss["config"].items() if name not in kept and defaults.get(name) != value}
    if lost:
        told = ", ".join(f"{name}={value!r}" for name, value in lost.items())
        raise ValueError(f"Keras {keras.__version__} writes a {type(made).__name__} into a file without {told}")


def _name(value: Any, made: Any) -> Any:
    if isinstance(value, dict) and "class_name" not in value:
        return {name: _name(item, made[name]) for name, item in value.items()}
    if isinstance(value, list):
        return [_name(*pair) for pair in zip(value, made, strict=True)]
    return value if isinstance(value, str) else made


def _each(value: Any, change: Callable[[Any], Any]) -> Any:
    if isinstance(value, Mapping) and "class_name" not in value:
        return {name: _each(item, change) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_each(item, change) for item in value]
    return None if value is None else change(value)


def losses(model: keras.Model, config: Mapping[str, Any], inputs: Arrays) -> dict[str, float]:
    """The losses by name, that of the whole model (`loss`) with those that its layers add.

    Args:
        model: left compiled with these losses.
        config: `loss` and `loss_weights`, as its own Keras writes them.
        inputs: of one batch.
    """
    compile_model(model, config, training=False)
    predicted = model(_as_tensors(inputs), training=False)
    names = list(getattr(model, "output_names", None) or ())
    found: Mapping[str, Any] = model.test_on_batch(inputs, _targets(predicted, config["loss"], names), return_dict=True)
    return {name: float(np.asarray(value)) for name, value in found.items()}


def _as_tensors(inputs: Any) -> Any:
    if isinstance(inputs, Mapping):
        return {name: _as_tensors(item) for name, item in inputs.items()}
    if isinstance(inputs, (list, tuple)):
        return [_as_tensors(item) for item in inputs]
    return compat.to_tensor(inputs)


def _targets(predicted: Any, loss: Any, names: Sequence[str]) -> Any:
    """A target for each output, in their structure."""
    if isinstance(predicted, Mapping):
        return {name: target(item.shape, _of(loss, 0, name), 0) for name, item in predicted.items()}
    if isinstance(predicted, (list, tuple)):
        found = enumerate([*names, *[""] * len(predicted)][: len(predicted)])
        return [target(predicted[i].shape, _of(loss, i, name), i) for i, name in found]
    return target(predicted.shape, _of(loss, 0, names[0] if names else ""), 0)


def _of(loss: Any, index: int, name: str) -> str:
    """What the loss of one output is called, in lower case without marks."""
    if isinstance(loss, Mapping) and "class_name" not in loss:
        loss = loss.get(name)
    if isinstance(loss, (list, tuple)):
        loss = loss[index] if index < len(loss) else None
    if isinstance(loss, Mapping):
        loss = loss["config"] if loss["class_name"] == "function" else loss["class_name"]
    return str(loss).lower().replace("_", "")


def target(shape: Sequence[int], loss: str, seed: int) -> Array:
    """What a loss can be computed for: classes, probabilities, or any numbers.

    Args:
        shape: of the output.
        loss: its name, in lower case without marks.
        seed: of the numbers, which are the same in every release of NumPy.
    """
    sizes, random = tuple(map(int, shape)), np.random.RandomState(seed)
    if "sparsecategorical" in loss:
        return random.randint(0, sizes[-1], sizes[:-1])
    if "categorical" in loss or loss.startswith(("kl", "kullback")):
        chosen: Array = np.eye(sizes[-1], dtype=np.float32)[random.randint(0, sizes[-1], sizes[:-1])]
        return chosen
    if any(word in loss for word in ("binary", "hinge", "bce", "poisson")):
        return random.randint(0, 2, sizes).astype(np.float32)
    return random.uniform(-3.0, 3.0, sizes).astype(np.float32)
