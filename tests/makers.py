"""Records for tests: each kind is built in one place, so that a change of its fields is a change here.

Every function takes the fields that a test is about and fills in the rest with what says nothing.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from tracer.core.source import Call, Facts, Value
from tracer.records import Difference, Fault, LayerReport, Report, Status, Verdict

BOUND = 2e-6  # of float32


def value(array: Any, name: str = "args[0]", **other: Any) -> Value:
    """One tensor; numbers that have no dtype become float32."""
    numbers = array if isinstance(array, np.ndarray) else np.asarray(array, "float32")
    return Value(array=numbers, name=name, **other)


def call(path: str = "layer", **changes: Any) -> Call:
    """A call of a `Dense` layer at the top of a graph, by default from nothing to nothing."""
    known: dict[str, Any] = {
        "path": path, "class_name": "Dense", "box": "", "is_box": False, "inputs": (), "outputs": (), "context": {},
    }  # fmt: skip
    return Call(**{**known, **changes})


def facts(**changes: Any) -> Facts:
    """What is known of a layer that has nothing."""
    known: dict[str, Any] = {
        "class_name": "keras.layers.Layer", "config": {}, "weights": {}, "state": {}, "policy": {}, "arguments": (),
    }  # fmt: skip
    return Facts(**{**known, **changes})


def layer_report(path: str, verdict: Verdict = Verdict.CLOSE, error: float = 0.0, **changes: Any) -> LayerReport:
    """One compared output; the numbers of its difference are given beside the rest."""
    known: dict[str, Any] = {"max_abs": 0.0, "max_ulp": 0.0, "cosine": 1.0, "local_error": 0.0, "tolerance": BOUND}
    known.update(changes, rel_error=error, class_name="Dense")
    names = known.keys() & Difference.__dataclass_fields__.keys()
    numbers = Difference(**{name: known.pop(name) for name in names})
    return LayerReport(layer=path, verdict=verdict, difference=numbers, **known)


def remeasured(layer: LayerReport, /, **changes: Any) -> LayerReport:
    """The same layer with other numbers; those of its difference are given beside the rest."""
    names = changes.keys() & Difference.__dataclass_fields__.keys()
    numbers = replace(layer.difference, **{name: changes.pop(name) for name in names})
    return replace(layer, difference=numbers, **changes)


def fault(path: str, **changes: Any) -> Fault:
    """A layer at fault, of which nothing else is known."""
    return Fault(**{"layer": path, "class_name": "Dense", **changes})


def report(*layers: LayerReport, status: Status = Status.PASS, **changes: Any) -> Report:
    """The result of a comparison of these outputs."""
    known: dict[str, Any] = {"compared": len(layers), "coverage": 1.0, "first_divergence": None, "faults": ()}
    return Report(status=status, layers=layers, **{**known, **changes})
