"""The JSON report is a product: its keys and their order are pinned, and what is written is read back."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from tracer.errors import ModelError
from tracer.records import Report, Status
from tracer.report import checks_to_json, to_json, worst_status


def test_keys_of_schema_1(samples: Mapping[str, Report]) -> None:
    body = json.loads(to_json(samples["nested_h5"]))
    assert list(body) == [
        "schema",
        "status",
        "matches",
        "compared",
        "coverage",
        "first_divergence",
        "faults",
        "layers",
        "unmatched",
        "environments",
        "specs",
        "timings",
        "notes",
        "hidden",
        "inputs",
        "reason",
        "command",
        "date",
        "predictions",
        "batches",
    ]
    assert (body["schema"], body["status"], body["matches"]) == (1, "diverged", False)
    assert body["faults"][0]["proof"] == {
        "healed": 0.0,
        "broken": 1.2e-6,
        "output_error": 1.2e-6,
        "holds": True,
        "implied": False,
        "batch": None,
    }


def test_strict_json_where_numbers_are_not_finite(samples: Mapping[str, Report]) -> None:
    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    body = json.loads(to_json(samples["two_faults"]), parse_constant=refuse)
    assert body["layers"][4]["rel_error"] is None


@pytest.mark.parametrize("name", ["passed", "within", "nested_h5", "many_faults", "nothing"])
def test_what_was_written_is_read_back(name: str, samples: Mapping[str, Report]) -> None:
    assert Report.from_dict(json.loads(to_json(samples[name]))) == samples[name]


def test_several_formats(samples: Mapping[str, Report]) -> None:
    body = json.loads(to_json({"keras": samples["passed"], "h5": samples["nested_h5"], "x": ModelError("no")}))
    assert (body["schema"], body["status"], body["matches"]) == (1, "diverged", False)
    assert list(body["reports"]) == ["keras", "h5"]
    assert body["reports"]["keras"]["matches"] is True
    assert body["errors"] == {"x": "no"}


def test_worst_of_several(samples: Mapping[str, Report]) -> None:
    assert worst_status({"a": samples["passed"], "b": samples["within"]}) is Status.WITHIN_TOLERANCE
    assert worst_status({"a": samples["passed"], "b": ModelError("no")}) is Status.INCONCLUSIVE
    assert worst_status({}) is Status.INCONCLUSIVE
    assert json.loads(to_json({}))["matches"] is False


def test_doctor() -> None:
    body = json.loads(checks_to_json([("ok", "keras", "3.15.1")], ok=True))
    assert body == {"schema": 1, "ok": True, "lines": [{"status": "ok", "what": "keras", "detail": "3.15.1"}]}
