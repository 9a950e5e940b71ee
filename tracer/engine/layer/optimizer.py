"""What the optimizer of a live model holds; its variables are looked at one by one, and none is kept."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import keras
import numpy as np

from tracer.core.layer.optimizer import OptimizerState, Restored, Slot, pieces_of, slot_of
from tracer.engine import compat


class _Seen(dict[str, Slot]):
    """What an optimizer saves itself into; it keeps of each value what stands for it."""

    def __setitem__(self, key: str, value: Any) -> None:
        array = value if isinstance(value, np.ndarray) else compat.to_numpy(value)
        super().__setitem__(str(key), slot_of(pieces_of(array), array.shape, array.dtype.name))


def state_of(model: keras.Model) -> Restored:
    """The state of a model's optimizer, as it would be saved; none where it has no optimizer, or none that was built.

    An optimizer that wasn't built has made no step: it has nothing yet that a file could lose.
    """
    optimizer = getattr(model, "optimizer", None)
    if not isinstance(optimizer, keras.optimizers.Optimizer) or not optimizer.built:
        return Restored()
    seen = _Seen()
    try:
        optimizer.save_own_variables(seen)
    except Exception as error:  # an optimizer's own code, which may raise anything
        return Restored(reason=f"{type(optimizer).__name__} doesn't say what it saves: {compat.reason(error)}")
    names = [str(getattr(variable, "path", variable.name)) for variable in optimizer.variables]
    is_plain = list(seen) == [str(position) for position in range(len(names))]
    slots = {key: replace(slot, name=names[int(key)]) if is_plain else slot for key, slot in seen.items()}
    return Restored(state=OptimizerState(class_name=type(optimizer).__name__, slots=slots, is_plain=is_plain))


def modules_of(model: keras.Model) -> tuple[str, ...]:
    """Modules outside Keras that the optimizer, losses and metrics of a model come from."""
    config = getattr(getattr(model, "_compile_config", None), "config", None)
    found = {type(model.optimizer).__module__} if getattr(model, "optimizer", None) is not None else set()
    found.update(_modules(config))
    return tuple(sorted(name for name in found if name.partition(".")[0] not in ("keras", "builtins", "__main__")))


def _modules(value: object) -> Iterator[str]:
    if isinstance(value, (dict, list, tuple)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _modules(item)
    elif value is not None and not isinstance(value, (str, int, float)):
        made = value if hasattr(value, "__qualname__") else type(value)
        yield str(getattr(made, "__module__", None) or "builtins")
