"""Report → str: text for people, JSON for programs."""

from tracer.report.checks import render_checks
from tracer.report.environments import environments_to_json, render_environments
from tracer.report.json import checks_to_json, to_json, worst_status
from tracer.report.layer import render_layer
from tracer.report.text import render, render_reports, render_table

__all__ = [
    "checks_to_json",
    "environments_to_json",
    "render",
    "render_checks",
    "render_environments",
    "render_layer",
    "render_reports",
    "render_table",
    "to_json",
    "worst_status",
]
