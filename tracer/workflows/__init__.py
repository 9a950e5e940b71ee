"""What is done in which order.  Everything below only knows its own step."""

from tracer.workflows.auditing.audit import audit
from tracer.workflows.doctor import Doctor, doctor
from tracer.workflows.fixing import Fixed, fix
from tracer.workflows.goldens.checking import check
from tracer.workflows.migrating.migrate import migrate
from tracer.workflows.tracing.diff import diff
from tracer.workflows.tracing.roundtrip import demo, roundtrip, roundtrip_formats
from tracer.workflows.verifying.saving import verified_save

__all__ = [
    "Doctor",
    "Fixed",
    "audit",
    "check",
    "demo",
    "diff",
    "doctor",
    "fix",
    "migrate",
    "roundtrip",
    "roundtrip_formats",
    "verified_save",
]
