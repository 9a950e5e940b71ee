"""The nouns: frozen records that every other module speaks in.  The standard library only."""

from tracer.records.audit import Audit, Finding, FindingKind
from tracer.records.parts import (
    Cause,
    Difference,
    Evidence,
    EvidenceKind,
    Fault,
    Inputs,
    LayerReport,
    Origin,
    Phase,
    Proof,
    Scalar,
    Side,
    Status,
    Verdict,
)
from tracer.records.plain import JsonObject, JsonValue
from tracer.records.report import SCHEMA, Report

__all__ = [
    "SCHEMA",
    "Audit",
    "Cause",
    "Difference",
    "Evidence",
    "EvidenceKind",
    "Fault",
    "Finding",
    "FindingKind",
    "Inputs",
    "JsonObject",
    "JsonValue",
    "LayerReport",
    "Origin",
    "Phase",
    "Proof",
    "Report",
    "Scalar",
    "Side",
    "Status",
    "Verdict",
]
