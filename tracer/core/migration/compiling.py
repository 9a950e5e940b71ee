"""What a model was compiled with, in Keras 3: losses, metrics and the optimizer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from tracer.core.migration.layer_names import legal_name
from tracer.core.migration.rules import Config, UnsupportedError

# Functions that Keras 3 has under another name alone.
_FUNCTIONS: Final = MappingProxyType(
    {
        "kullback_leibler_divergence": "kl_divergence",
        "logcosh": "log_cosh",
        "huber_loss": "huber",
    }
)
_OPTIMIZERS: Final = frozenset(
    {"SGD", "RMSprop", "Adam", "AdamW", "Adamax", "Nadam", "Adagrad", "Adadelta", "Adafactor", "Ftrl", "Lion"}
)
_NOT_IN_KERAS_3: Final = frozenset({"jit_compile", "is_legacy_optimizer", "decay"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiling:
    """What a model was compiled with.

    Attributes:
        old: `loss` and `loss_weights` as Keras 2 takes them; nothing of the file that names code outside Keras.
        new: as Keras 3 takes it; empty where the loss or the optimizer has no equivalent.
        left: what was left out, in sentences.
    """

    old: Config = field(default_factory=dict)
    new: Config = field(default_factory=dict)
    left: tuple[str, ...] = ()


def translate_compiling(config: Config) -> Compiling:
    """What `compile` is given in Keras 3; a loss or an optimizer without an equivalent leaves the model uncompiled.

    Args:
        config: `compile_config` of a `.keras` file, or `training_config` of a `.h5` file.
    """
    if not config or config.get("loss") is None:
        return Compiling()
    optimizer = config.get("optimizer", config.get("optimizer_config"))
    try:
        new = {
            "loss": _each(config["loss"], _loss),
            "loss_weights": _each(config.get("loss_weights"), float),
            "optimizer": _optimizer(optimizer),
        }
    except UnsupportedError as error:
        return Compiling(left=(f"The new file isn't compiled: {error}. {error.advice}".rstrip(),))
    metrics, left = {}, []
    for name in ("metrics", "weighted_metrics"):
        try:
            metrics[name] = _each(config.get(name), _metric)
        except UnsupportedError as error:
            left.append(f"The {name.replace('_', ' ')} weren't carried over: {error}.")
    old = {"loss": _each(config["loss"], _loss_in_keras_2), "loss_weights": new["loss_weights"]}
    return Compiling(old=old, new={**new, **metrics}, left=tuple(left))


def _each(value: Any, change: Callable[[Any], Any]) -> Any:
    """A setting for each output, in the structure that it is in."""
    if isinstance(value, dict) and "class_name" not in value:
        return {legal_name(name): _each(item, change) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_each(item, change) for item in value]
    return None if value is None else change(value)


def _loss(value: Any) -> object:
    """A loss: the name of a function, or a class with its settings."""
    if name := _function(value):
        return _FUNCTIONS.get(name, name)
    class_name, config = _class(value, "loss")
    if config.get("reduction") == "auto":
        config["reduction"] = "sum_over_batch_size"
    return {"module": "keras.losses", "class_name": class_name, "config": config, "registered_name": None}


def _loss_in_keras_2(value: Any) -> object:
    """A loss that `_loss` takes, by its class name alone, which is looked for among Keras' losses."""
    if name := _function(value):
        return name
    class_name, config = _class(value, "loss")
    return {"class_name": class_name, "config": config}


def _metric(value: Any) -> object:
    """A metric; one that Keras 2 wrapped around a function becomes that function."""
    if name := _function(value):
        return _FUNCTIONS.get(name, name)
    inner = value["config"].get("fn") if isinstance(value, dict) else None
    if value["class_name"] == "MeanMetricWrapper":
        name = _function(inner)
        if not name:
            raise UnsupportedError("a metric is a function of the user's own")
        # Keras finds out by itself which accuracy it is.
        return "accuracy" if value["config"].get("name") in ("acc", "accuracy") else _FUNCTIONS.get(name, name)
    class_name, config = _class(value, "metric")
    return {"module": "keras.metrics", "class_name": class_name, "config": config, "registered_name": None}


def _function(value: Any) -> str:
    """The name of a function; "" where it is none."""
    if isinstance(value, dict) and value.get("class_name") == "function" and value.get("module") in (None, "builtins"):
        value = value.get("config")
    return value if isinstance(value, str) else ""


def _class(value: Any, what: str) -> tuple[str, Config]:
    """Class and settings of an object of Keras' own."""
    module, registered = value.get("module"), str(value.get("registered_name") or "")
    if value["class_name"] == "LossFunctionWrapper" or ">" in registered or ">" in value["class_name"]:
        raise UnsupportedError(f"a {what} is of the user's own", "Compile the model anew.")
    if module is not None and not str(module).startswith("keras"):
        raise UnsupportedError(f"the {what} {module}.{value['class_name']} isn't Keras' own", "Compile the model anew.")
    config = {key: item for key, item in value["config"].items() if key != "fn"}
    if any(isinstance(leaf, dict) for leaf in config.values()):
        raise UnsupportedError(
            f"the {what} {value['class_name']} has settings that are objects", "Compile the model anew."
        )
    return value["class_name"], config


def _optimizer(value: Any) -> object:
    if isinstance(value, str):
        return value
    class_name = str(value["class_name"]).removeprefix("Custom>") if isinstance(value, dict) else repr(value)
    if class_name not in _OPTIMIZERS:
        raise UnsupportedError(f"the optimizer {class_name} has no rule", "Compile the model anew.")
    config = {key: item for key, item in value["config"].items() if key not in _NOT_IN_KERAS_3}
    config["learning_rate"] = _rate(config.get("learning_rate"), value["config"].get("decay"))
    return {"module": "keras.optimizers", "class_name": class_name, "config": config, "registered_name": None}


def _rate(rate: Any, decay: Any) -> object:
    """A learning rate, or its schedule; `decay` became a schedule of its own."""
    if isinstance(rate, dict):
        if ">" in str(rate.get("registered_name") or rate["class_name"]):
            raise UnsupportedError("the schedule of the learning rate is of the user's own", "Compile the model anew.")
        schedule = {"class_name": rate["class_name"], "config": rate["config"], "registered_name": None}
        return {"module": "keras.optimizers.schedules", **schedule}
    if not decay:
        return rate
    config = {"initial_learning_rate": rate, "decay_steps": 1, "decay_rate": decay}
    schedule = {"class_name": "InverseTimeDecay", "config": config, "registered_name": None}
    return {"module": "keras.optimizers.schedules", **schedule}


def loss_names(loss: Any) -> Iterator[str]:
    """What the losses of a model are called, for a report."""
    if isinstance(loss, dict) and "class_name" not in loss:
        loss = list(loss.values())
    if isinstance(loss, (list, tuple)):
        for item in loss:
            yield from loss_names(item)
    elif loss is not None:
        yield _function(loss) or str(loss["class_name"])
