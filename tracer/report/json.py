"""Report → JSON, schema 1 (see `tracer.records.Report.to_dict`)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from tracer.core.outcomes import Outcomes
from tracer.errors import TracerError
from tracer.records import SCHEMA, JsonObject, Report, Status

_BEST_TO_WORST = (Status.PASS, Status.WITHIN_TOLERANCE, Status.INCONCLUSIVE, Status.DIVERGED)


def to_json(report: Report | Mapping[str, Report | TracerError]) -> str:
    """One report, or several by format, as JSON that ends in a newline; numbers that aren't finite are null."""
    body = _one(report) if isinstance(report, Report) else _several(report)
    return json.dumps(body, indent=2, allow_nan=False) + "\n"


def checks_to_json(checks: Sequence[tuple[str, str, str]], *, ok: bool) -> str:
    """What `tracer doctor` found, as JSON that ends in a newline."""
    lines = [{"status": status, "what": what, "detail": detail} for status, what, detail in checks]
    return json.dumps({"schema": SCHEMA, "ok": ok, "lines": lines}, indent=2, allow_nan=False) + "\n"


def worst_status(reports: Mapping[str, Report | TracerError]) -> Status:
    """The worst of several: a format that failed, or none at all, says nothing, as an inconclusive one does."""
    found = [report.status if isinstance(report, Report) else Status.INCONCLUSIVE for report in reports.values()]
    return max(found, key=_BEST_TO_WORST.index, default=Status.INCONCLUSIVE)


def _one(report: Report) -> JsonObject:
    body = report.to_dict()
    # What says how to read the rest comes first.
    head = {key: body.pop(key) for key in ("schema", "status", "matches")}
    return head | body


def _several(reports: Mapping[str, Report | TracerError]) -> JsonObject:
    return {
        "schema": SCHEMA,
        "status": str(worst_status(reports)),
        "matches": bool(reports) and all(isinstance(r, Report) and r.matches for r in reports.values()),
        "reports": {name: _one(r) for name, r in reports.items() if isinstance(r, Report)},
        "errors": {name: str(r) for name, r in reports.items() if not isinstance(r, Report)},
        "timings": {"total": round(reports.seconds, 4)} if isinstance(reports, Outcomes) else {},
    }
