"""Report → str: text for people, JSON for programs."""

from tracer.report.checks import render_checks
from tracer.report.goldens import (
    depth_plot,
    golden_to_json,
    metrics,
    recorded_to_json,
    render_checked,
    render_golden,
)
from tracer.report.json import checks_to_json, to_json, worst_status
from tracer.report.layer import render_layer
from tracer.report.text import render, render_reports, render_table

__all__ = [
    "checks_to_json",
    "depth_plot",
    "golden_to_json",
    "metrics",
    "recorded_to_json",
    "render",
    "render_checked",
    "render_checks",
    "render_golden",
    "render_layer",
    "render_reports",
    "render_table",
    "to_json",
    "worst_status",
]
