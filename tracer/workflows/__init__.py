"""What is done in which order.  Everything below only knows its own step."""

from tracer.workflows.doctor import Doctor, doctor
from tracer.workflows.fixing import Fixed, fix
from tracer.workflows.goldens.checking import check
from tracer.workflows.migrating import migrate
from tracer.workflows.tracing import demo, diff, roundtrip, roundtrip_formats

__all__ = ["Doctor", "Fixed", "check", "demo", "diff", "doctor", "fix", "migrate", "roundtrip", "roundtrip_formats"]
