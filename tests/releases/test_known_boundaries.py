"""Known Keras defects, on a release that has them and on one that doesn't: what the tracer itself says there."""

from __future__ import annotations

import functools
import json
import os
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

import keras
import pytest

import tracer
from tracer.core.diagnosis.known_issues import known_issues
from tracer.envs.environments import prepare

pytestmark = pytest.mark.releases

_ROOT = Path(__file__).resolve().parents[2]
_RUNNER = """
import json, sys
sys.path.insert(0, sys.argv[1])
import repro_known
import tracer
found = {}
for issue in sys.argv[2:]:
    reference, candidate, inputs = repro_known.reproductions()[issue]()
    found[issue] = tracer.diff(reference, candidate, inputs, training=issue in repro_known.TRAINING).to_dict()
print("REPORTS" + json.dumps(found))
"""


class Boundary(NamedTuple):
    """A defect, and what the tracer has to say of it at the bad release."""

    issue: str
    bad: str
    good: str
    layer: str
    cause: str
    side: str
    faults: int = 1


_BOUNDARIES = (
    Boundary("keras#20147", "3.4.1", "3.6.0", "norm", "unsaved-state", "reference"),
    Boundary("keras#20168", "3.4.1", "3.6.0", "norm", "unsaved-state", "candidate"),
    Boundary("keras#20963", "3.4.1", "3.9.0", "softmax", "config", "candidate"),
    Boundary("keras#19807", "3.3.3", "3.9.0", "layer_normalization", "config", "candidate"),
    Boundary("keras#20598", "3.9.0", "3.15.0", "blocks", "weights", "candidate", faults=2),
    Boundary("keras#23014", "3.9.0", "3.15.0", "conv2d_transpose", "config", "candidate"),
    Boundary("keras#22119/line-boundaries", "3.15.0", "3.9.0", "lookup", "unsaved-state", "candidate"),
)


@functools.cache
def reports(release: str) -> dict[str, Any]:
    """Of all defects that are asked of a release, in one environment and one process."""
    issues = [b.issue for b in _BOUNDARIES if release in (b.bad, b.good)]
    start = prepare(release, None)
    environment = {**os.environ, "PYTHONPATH": str(_ROOT), "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(
        [*start.command, "-c", _RUNNER, str(_ROOT / "tests" / "quality"), *issues],
        env={**environment, **start.variables}, capture_output=True, text=True, timeout=900, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout.partition("REPORTS")[2]))


@pytest.mark.parametrize("boundary", _BOUNDARIES, ids=lambda b: f"{b.issue}@{b.bad}")
def test_the_bad_release_has_it_and_it_is_known(boundary: Boundary) -> None:
    report = reports(boundary.bad)[boundary.issue]
    assert report["status"] == "diverged"
    assert report["environments"]["candidate"]["keras"] == boundary.bad
    entry = next(issue for issue in known_issues() if issue.id == boundary.issue)
    assert len(report["faults"]) == boundary.faults
    for fault in report["faults"]:
        assert fault["layer"].split("/")[0] == boundary.layer
        assert (fault["cause"], fault["side"]) == (boundary.cause, boundary.side)
        assert (fault["known_issue"], fault["fixed_in"]) == (entry.thread, entry.fixed_in or None)


@pytest.mark.parametrize("boundary", _BOUNDARIES, ids=lambda b: f"{b.issue}@{b.good}")
def test_the_good_release_has_it_no_more(boundary: Boundary) -> None:
    report = reports(boundary.good)[boundary.issue]
    assert report["environments"]["candidate"]["keras"] == boundary.good
    assert report["faults"] == []
    assert report["matches"] is True


def test_the_releases_lie_at_both_sides_of_the_table() -> None:
    from tracer.core.diagnosis.known_issues import affects

    issues = {issue.id: issue for issue in known_issues()}
    assert len(_BOUNDARIES) >= 6
    for boundary in _BOUNDARIES:
        assert affects(issues[boundary.issue], boundary.bad)
        assert not affects(issues[boundary.issue], boundary.good)


@pytest.mark.parametrize(
    ("model", "backend", "issue"),
    [
        ("half_a_turn", "jax", "keras#23435"),
        pytest.param("symmetric_pad", "torch", "keras#23230", marks=pytest.mark.nightly),
    ],
)
def test_what_one_backend_computes_otherwise_is_known(
    model: str, backend: str, issue: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No release differs here: the same Keras on TensorFlow and on another backend."""
    monkeypatch.syspath_prepend(Path(__file__).parent)
    spec = f"boundary_models:{model}"
    report = tracer.diff(spec, f"{spec}@{keras.__version__}+{backend}")
    (fault,) = report.faults
    assert (fault.cause, fault.side, fault.known_issue, fault.fixed_in) == ("implementation", "unknown", issue, None)
    assert "No release fixes this yet." in (fault.remedy or "")
