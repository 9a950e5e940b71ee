"""`explain`: of any mixture of differences the strongest names the cause, nothing is dropped, and the side follows."""

from __future__ import annotations

import itertools
from typing import Any, cast

import numpy as np
import pytest
from makers import call, facts, layer_report

from tracer.core.comparison.judge import Judgement
from tracer.core.comparison.localize import Blame
from tracer.core.diagnosis.explain import Circumstances, explain
from tracer.core.diagnosis.suspects import from_blame
from tracer.core.source import Facts
from tracer.records import Cause, Evidence, Fault, Side, Verdict

_KERNEL = np.arange(6, dtype="float32").reshape(2, 3)
_HERE: dict[str, Any] = {
    "class_name": "keras.layers.Dense", "config": {"units": 3, "activation": "relu", "kernel_initializer": "ones"},
    "weights": {"kernel": _KERNEL}, "state": {"scale": 1.0, "mean": 0.0}, "policy": {"dtype": "float32"},
    "arguments": ("units", "activation", "scale"),
}  # fmt: skip
# What may differ, the strongest first: the candidate's facts, the cause that it has alone, its kind of evidence.
_DIFFERENCES: dict[str, tuple[dict[str, dict[str, Any]], Cause, str]] = {
    "quantized": ({"policy": {"quantization_mode": "int8"}}, Cause.QUANTIZATION, "policy"),
    "policy": ({"policy": {"dtype": "float16"}}, Cause.DTYPE_POLICY, "policy"),
    "config": ({"config": {"activation": "gelu"}}, Cause.CONFIG, "config"),
    "lost": ({"state": {"scale": 2.0}}, Cause.CONFIG, "lost-config"),
    "weights": ({"weights": {"kernel": _KERNEL + 1}}, Cause.WEIGHTS, "weight"),
    "state": ({"state": {"mean": 1.0}}, Cause.UNSAVED_STATE, "state"),
    "idle": ({"config": {"kernel_initializer": "zeros"}}, Cause.CONFIG, "config"),
}
_MIXTURES = [set(c) for n in range(1, 5) for c in itertools.combinations(_DIFFERENCES, n)]


def candidate(names: set[str]) -> Facts:
    changed = {key: dict(held) if isinstance(held, dict) else held for key, held in _HERE.items()}
    for name in names:
        for key, values in _DIFFERENCES[name][0].items():
            cast(dict[str, Any], changed[key]).update(values)
    return facts(**changed)


def blame(here: Facts | None, there: Facts | None, **changes: Any) -> Blame:
    at, stale = call("head"), changes.pop("stale", (None, None))
    rows = (layer_report("head", Verdict.INTRODUCED, 0.5, local_error=changes.pop("local_error", 0.5)),)
    judgement = Judgement(reference=at, candidate=at, layers=rows, introduced=True, facts=(here, there), stale=stale)
    return Blame(**{"layer": "head", "class_name": "Dense", "kind": "layer", "judgement": judgement, **changes})


def diagnosed(one: Blame, *, same: bool = True) -> Fault:
    return explain(from_blame(one, same_environment=same), Circumstances(same_environment=same))


def explained(names: set[str], *, same: bool = True, **changes: Any) -> Fault:
    return diagnosed(blame(facts(**_HERE), candidate(names), **changes), same=same)


def cause_of(names: set[str]) -> Cause:
    """A layer that is configured otherwise may well have another policy; one with another policy computes otherwise."""
    if "quantized" in names:
        return Cause.QUANTIZATION
    if "config" in names:
        return Cause.CONFIG
    return next(cause for name, (_, cause, _) in _DIFFERENCES.items() if name in names)


@pytest.mark.parametrize("names", _MIXTURES, ids=lambda names: "+".join(sorted(names)))
def test_the_strongest_difference_names_the_cause_and_none_is_dropped(names: set[str]) -> None:
    found = explained(names)
    assert found.cause is cause_of(names)
    kinds = {_DIFFERENCES[name][2] for name in names}
    assert {evidence.kind for evidence in found.evidence} == kinds
    told = [(evidence.kind, evidence.name) for evidence in found.evidence]
    assert len(told) == len(set(told))  # and each is told once
    first = {Cause.WEIGHTS: {"weight"}, Cause.UNSAVED_STATE: {"state"}, Cause.DTYPE_POLICY: {"policy"}}
    assert found.evidence[0].kind in first.get(found.cause, kinds)


@pytest.mark.parametrize("names", _MIXTURES, ids=lambda names: "+".join(sorted(names)))
def test_the_candidate_is_wrong_unless_releases_disagree_or_a_loss_is_expected(names: set[str]) -> None:
    here, elsewhere = explained(names), explained(names, same=False)
    assert here.side is (Side.UNKNOWN if here.cause is Cause.QUANTIZATION else Side.CANDIDATE)
    assert elsewhere.side is Side.UNKNOWN
    assert elsewhere.cause is here.cause  # both sides have all that differs here


def test_a_lost_setting_is_told_before_what_follows_from_it() -> None:
    assert [e.kind for e in explained({"lost", "weights", "state"}).evidence] == ["lost-config", "weight", "state"]


# --- what a run has shown


@pytest.mark.parametrize(
    ("names", "stale", "cause", "side"),
    [
        ({"state"}, (True, False), Cause.UNSAVED_STATE, Side.REFERENCE),
        ({"state"}, (False, True), Cause.UNSAVED_STATE, Side.CANDIDATE),
        ({"state"}, (None, True), Cause.UNSAVED_STATE, Side.CANDIDATE),
        ({"state"}, (True, True), Cause.UNSAVED_STATE, Side.CANDIDATE),  # neither is the better one: the usual measure
        ({"state"}, (False, False), Cause.UNSAVED_STATE, Side.CANDIDATE),
        ({"idle"}, (True, False), Cause.UNSAVED_STATE, Side.REFERENCE),
        ({"config"}, (True, False), Cause.UNSAVED_STATE, Side.REFERENCE),  # staleness was seen to make the difference
        ({"weights"}, (True, False), Cause.WEIGHTS, Side.CANDIDATE),  # it follows from the weights
        ({"quantized"}, (True, False), Cause.QUANTIZATION, Side.UNKNOWN),
    ],
)
def test_a_stale_side_is_wrong_where_the_weights_are_equal(
    names: set[str], stale: tuple[bool | None, bool | None], cause: Cause, side: Side
) -> None:
    found = explained(names, stale=stale)
    assert (found.cause, found.side) == (cause, side)
    assert ("stale" in {e.kind for e in found.evidence}) is (True in stale)


def test_between_two_releases_a_stale_side_is_still_the_wrong_one() -> None:
    assert explained({"state"}, same=False, stale=(True, False)).side is Side.REFERENCE


_WIRED = Evidence(kind="wiring", name="box/inner")


@pytest.mark.parametrize(("names", "cause"), [(set(), Cause.TOPOLOGY), ({"weights"}, Cause.WEIGHTS)])
def test_other_wiring_inside_is_the_cause_where_nothing_else_differs(names: set[str], cause: Cause) -> None:
    found = explained(names, evidence=(_WIRED,))
    assert found.cause is cause and found.evidence[-1] is _WIRED


@pytest.mark.parametrize(
    ("mode", "weight", "local_error", "cause"),
    [
        ("int8", "lora_kernel_a", 0.1, Cause.QUANTIZATION),
        ("int8", "lora_kernel_a", 0.11, Cause.WEIGHTS),  # more than half a step of 127 makes of it
        ("int8", "kernel", 0.01, Cause.WEIGHTS),
        (None, "lora_kernel_a", 0.01, Cause.WEIGHTS),
    ],
)
def test_what_requantization_loses_is_expected(mode: str | None, weight: str, local_error: float, cause: Cause) -> None:
    policy = {"quantization_mode": mode} if mode else {}
    here = facts(policy=policy, weights={weight: _KERNEL})
    there = facts(policy=policy, weights={weight: _KERNEL + 1})
    assert diagnosed(blame(here, there, local_error=local_error)).cause is cause


@pytest.mark.parametrize("same", [True, False])
@pytest.mark.parametrize("kind", ["layer", "context", "topology"])
def test_a_blame_without_facts_says_what_the_trace_has_shown(kind: str, same: bool) -> None:
    rest = Cause.UNKNOWN if same else Cause.IMPLEMENTATION  # two releases that compute otherwise have other code
    cause = {"context": Cause.CALL_CONTEXT, "topology": Cause.TOPOLOGY}.get(kind, rest)
    for judged in (blame(None, None, kind=kind), blame(None, None, kind=kind, judgement=None)):
        found = diagnosed(judged, same=same)
        assert found.cause is cause
        assert found.side is (Side.CANDIDATE if same and kind != "layer" else Side.UNKNOWN)
