"""Layer-level differential tracer for Keras: which layer predicts something else, why, and whose fault it is.

    diff(reference, candidate, inputs)    compare two models, or files, or Keras releases, layer by layer
    roundtrip(model, inputs)              save a model, load it in a fresh process, and compare the two
    check(model, fixture)                 hold a model against a golden, the recorded truth
    audit(file)                           look at a model file whose original is gone: what loading loses of it
    fix(file, …)                          write a file whose loaded model behaves as it should, proved before it is kept
    migrate(file, output)                 write a Keras 2 model as a Keras 3 file, proved before it is kept
    verified_save(model, path, inputs)    save a model, and keep the file only if it holds what is in memory
    probe(model)                          a `keras.Model` that returns the activation of every layer

The first three return a `Report`: `report.matches`, `report.faults`, `report.layers`, `report.to_dict()`, and
`report.raise_for_divergence()` for tests. `tracer.testing` has assertions,
`tracer.callbacks` a checkpoint that looks whether its file is right.
"""

from __future__ import annotations

import importlib
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from tracer.errors import DivergenceError, TracerError
from tracer.records import Fault, LayerReport, Report

if TYPE_CHECKING:
    from tracer.engine.model.probe import probe
    from tracer.workflows import audit, check, diff, fix, migrate, roundtrip, verified_save

__version__ = "0.1.0"
__all__ = [
    "DivergenceError",
    "Fault",
    "LayerReport",
    "Report",
    "TracerError",
    "__version__",
    "audit",
    "check",
    "diff",
    "fix",
    "migrate",
    "probe",
    "roundtrip",
    "verified_save",
]

# Verbs bring in NumPy and Keras, so they are imported when first used.
_HOMES: Final = MappingProxyType(
    {
        "audit": "tracer.workflows",
        "check": "tracer.workflows",
        "diff": "tracer.workflows",
        "fix": "tracer.workflows",
        "migrate": "tracer.workflows",
        "probe": "tracer.engine.model.probe",
        "roundtrip": "tracer.workflows",
        "verified_save": "tracer.workflows",
    }
)
# Modules that are there without being imported by name.
_MODULES: Final = frozenset({"callbacks", "testing"})


def __getattr__(name: str) -> object:
    if name in _MODULES:
        return importlib.import_module(f"tracer.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module 'tracer' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_MODULES})
