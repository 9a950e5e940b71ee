"""Report → str: text for people, JSON for programs."""

from tracer.report.bisection import bisection_to_json, render_bisection
from tracer.report.doctor import render_audit, render_checks
from tracer.report.environments import environments_to_json, render_environments
from tracer.report.forms.several import render_reports, render_table
from tracer.report.goldens import (
    depth_plot,
    golden_to_json,
    metrics,
    recorded_to_json,
    render_checked,
    render_golden,
    witness_words,
)
from tracer.report.json import checks_to_json, to_json, worst_status
from tracer.report.layer import render_layer
from tracer.report.matrix import matrix_to_json, matrix_to_markdown, render_matrix
from tracer.report.text import render

__all__ = [
    "bisection_to_json",
    "checks_to_json",
    "depth_plot",
    "environments_to_json",
    "golden_to_json",
    "matrix_to_json",
    "matrix_to_markdown",
    "metrics",
    "recorded_to_json",
    "render",
    "render_audit",
    "render_bisection",
    "render_checked",
    "render_checks",
    "render_environments",
    "render_golden",
    "render_layer",
    "render_matrix",
    "render_reports",
    "render_table",
    "to_json",
    "witness_words",
    "worst_status",
]
