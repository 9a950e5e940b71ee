"""Layer-level differential tracer for Keras: which layer predicts something else, why, and whose fault it is."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from tracer.errors import DivergenceError, TracerError
from tracer.records import Fault, LayerReport, Report

if TYPE_CHECKING:
    from tracer.engine.model.probe import probe
    from tracer.workflows import check, diff, fix, roundtrip

__version__ = "0.1.0"
__all__ = [
    "DivergenceError",
    "Fault",
    "LayerReport",
    "Report",
    "TracerError",
    "__version__",
    "check",
    "diff",
    "fix",
    "probe",
    "roundtrip",
]


def __getattr__(name: str) -> Any:
    """Verbs bring in NumPy and Keras, so they are imported when first used."""
    homes = dict.fromkeys(("check", "diff", "fix", "roundtrip"), "tracer.workflows")
    homes["probe"] = "tracer.engine.model.probe"
    if name in homes:
        return getattr(importlib.import_module(homes[name]), name)
    raise AttributeError(f"module 'tracer' has no attribute {name!r}")
