"""Between two environments rounding differs, and nobody is accused for it: all kinds of models, releases and JAX."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sampling import some_of

import tracer
from tracer.core.spec import parse_spec
from tracer.engine import host
from tracer.errors import TracerError
from tracer.records import Report, Status, Verdict
from tracer.workflows.comparing import Options, Timings
from tracer.workflows.feeding import compare_fed, feed_for
from tracer.workflows.opening import open_worker

pytestmark = pytest.mark.releases

_QUALITY = str(Path(__file__).resolve().parents[1] / "quality")
_BATCHES = (1, 3)
# Kinds whose batch is fixed are built once more with the one that they have.
_FIXED = frozenset({"stateful_rnn", "sequential_built_late"})
# Not the same model there, or not to be had.  KerasHub isn't installed, nor is TensorFlow beside JAX.  Keras 3.6 and
# 3.10 can't run `masks` (BroadcastTo), Keras 3.6 can't build `nested_three_deep` (Normalization of a scalar), and both
# return int64 from `Discretization` in `categories`, where Keras 3.15 returns int32.  Another backend runs other layers
# of `channels_first`, and float64 isn't one truth there (docs/method.md).
_OLDER = frozenset({"hub_bert", "masks", "categories"})
_OTHERWISE = {
    "3.6.0": _OLDER | {"nested_three_deep"},
    "3.10.0": _OLDER,
    "3.15.1+jax": frozenset({"hub_bert", "channels_first", "float64", "categories", "text", "text_adapted"}),
}


def outcomes(environment: str) -> Iterator[tuple[str, Report | TracerError]]:
    """Every kind that can be compared, against the same in another environment."""
    from kinds import KINDS, TRAINING

    with contextlib.ExitStack() as stack:
        worker = open_worker(parse_spec(f"kinds:functional@{environment}"), stack)
        for kind in KINDS.keys() - TRAINING - _OTHERWISE[environment]:
            here = host.from_spec(parse_spec(f"kinds:{kind}"))
            for batch in (None,) if kind in _FIXED else _BATCHES:
                yield f"{kind}, batch {batch}", _compared(here, worker, kind, batch)
            here.close()


def _compared(here: Any, worker: Any, kind: str, batch: int | None) -> Report | TracerError:
    try:
        worker.build(f"kinds:{kind}", custom_objects=(), seed=0)
        return compare_fed(here, worker, feed_for(here, None, batch or 0, batch), Options(), Timings())
    except TracerError as error:
        return error


@pytest.mark.parametrize("environment", some_of(_OTHERWISE, every=2))
def test_nobody_is_accused_for_rounding(environment: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(_QUALITY)
    found = dict(outcomes(environment))
    accused = [
        f"{told}: {outcome}" if isinstance(outcome, TracerError) else f"{told}: {outcome.status} {_named(outcome)}"
        for told, outcome in found.items()
        if isinstance(outcome, TracerError) or not outcome.matches or outcome.hidden
    ]
    print(f"\n{environment}: {len(found)} innocent comparisons, {len(accused)} accused")
    assert len(found) >= 50
    assert not accused, "\n".join(accused)


def test_a_head_in_which_large_terms_cancel_is_not_accused() -> None:
    """Its own error between TensorFlow and JAX, 6.2e-6, is three times what a layer is allowed."""
    report = tracer.diff("MobileNetV2", "MobileNetV2@+jax", batch=1)
    assert report.matches, _named(report)
    head = report.layers[-1]
    assert head.note.startswith("rounding, up to ")
    assert 2e-6 < (head.local_error or 0.0) < head.tolerance < 1e-4


def test_a_layer_that_multiplies_rounding_beyond_measure_is_not_accused_and_does_not_pass(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    report = tracer.diff("chaotic:build", "chaotic:build@+jax", batch=3)
    assert report.status is Status.DIVERGED and not report.faults and not report.hidden
    assert any("no layer introduces it: rounding that the model amplifies" in note for note in report.notes)
    said = {layer.layer: layer for layer in report.layers}
    assert said["forgets"].verdict is Verdict.CLOSE
    assert said["chaotic"].verdict is Verdict.INHERITED and (said["chaotic"].local_error or 0.0) > 0.1
    assert said["chaotic"].note.endswith("inputs and weights that count as the same make as much")


def _named(report: Report) -> str:
    return ", ".join(f"{f.layer} ({f.cause})" for f in (*report.faults, *report.hidden)) or report.reason


if __name__ == "__main__":
    sys.path.insert(0, _QUALITY)
    for name in sys.argv[1:]:
        for kind, outcome in outcomes(name):
            print(kind, outcome if isinstance(outcome, TracerError) else (str(outcome.status), _named(outcome)))
