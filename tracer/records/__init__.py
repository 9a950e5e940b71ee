"""The nouns: frozen records that every other module speaks in.  The standard library only."""

from tracer.records.audit import Audit, Finding, FindingKind, Trial
from tracer.records.layers import Difference, ErrorMap, Histogram, LayerReport, Scalar
from tracer.records.parts import (
    Cause,
    Evidence,
    EvidenceKind,
    Fault,
    Inputs,
    Origin,
    Phase,
    Predictions,
    Proof,
    Rule,
    Side,
    Status,
    Verdict,
)
from tracer.records.plain import JsonObject, JsonValue
from tracer.records.report import SCHEMA, Report
from tracer.records.shown import Shown

__all__ = [
    "SCHEMA",
    "Audit",
    "Cause",
    "Difference",
    "ErrorMap",
    "Evidence",
    "EvidenceKind",
    "Fault",
    "Finding",
    "FindingKind",
    "Histogram",
    "Inputs",
    "JsonObject",
    "JsonValue",
    "LayerReport",
    "Origin",
    "Phase",
    "Predictions",
    "Proof",
    "Report",
    "Rule",
    "Scalar",
    "Shown",
    "Side",
    "Status",
    "Trial",
    "Verdict",
]
