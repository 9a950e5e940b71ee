"""`suspects` and `explain`: a check against a golden is diagnosed by the rules by which two models are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from makers import call, facts, layer_report

from tracer.core.comparison.alignment import call_named
from tracer.core.comparison.judge import Judgement
from tracer.core.comparison.localize import Blame
from tracer.core.diagnosis.explain import Circumstances, explain
from tracer.core.diagnosis.suspects import Seen, from_blame, from_golden
from tracer.core.golden.fingerprint import Identity, fingerprint
from tracer.core.golden.golden import GoldenSite
from tracer.core.golden.match import Match
from tracer.core.source import Patch, Value
from tracer.records import Cause, Fault, Side, Verdict

_TRUTH = fingerprint(Value(array=np.linspace(1, 2, 64, dtype="float32").reshape(4, 16)))
_FINALIZE = Patch(action="finalize_state", finalize=True)
_NOTHING, _STALE = Seen(), Seen(mend=_FINALIZE)
_HERE = Circumstances(same_environment=True, is_recorded=True)
_ELSEWHERE = Circumstances(same_environment=False, is_recorded=True)


def held(path: str = "head", note: str = "") -> Match:
    site = GoldenSite(path=path, class_name="Normalization", box="", is_box=False, wiring=(), truth=_TRUTH)
    return Match(golden=site, found=_TRUTH, error=0.5, tolerance=2e-6, note=note, entered=True)


def identity(weights: str = "a" * 32, **settings: Any) -> Identity:
    return Identity(weights=weights, settings=settings)


def checked(
    now: Identity | None, seen: Seen = _NOTHING, circumstances: Circumstances = _HERE, one: Match | None = None
) -> Fault:
    at = one or held()
    layer = call_named(at.golden.path)
    return explain(from_golden(at, layer, seen, identity(axis=1, seed=1), now), circumstances)


@pytest.mark.parametrize(
    ("now", "seen", "circumstances", "cause"),
    [
        (identity("b" * 32, axis=2), _STALE, _HERE, Cause.UNSAVED_STATE),  # deriving it was seen to help
        (identity(axis=1, seed=1), _STALE, _ELSEWHERE, Cause.UNSAVED_STATE),
        (identity("b" * 32, axis=2), Seen(), _HERE, Cause.CONFIG),
        (identity("b" * 32, axis=1), Seen(), _ELSEWHERE, Cause.WEIGHTS),
        (identity("b" * 32, seed=2), Seen(), _HERE, Cause.WEIGHTS),  # a seed is nothing that a layer computes with
        (identity(seed=2), Seen(), _HERE, Cause.CONFIG),
        (identity(axis=1), Seen(), _HERE, Cause.UNKNOWN),
        (identity(axis=1), Seen(), _ELSEWHERE, Cause.IMPLEMENTATION),
        (None, Seen(), _HERE, Cause.UNKNOWN),
    ],
)
def test_the_strongest_kind_of_evidence_names_the_cause(
    now: Identity | None, seen: Seen, circumstances: Circumstances, cause: Cause
) -> None:
    fault = checked(now, seen, circumstances)
    assert (fault.cause, fault.side) == (cause, Side.CANDIDATE)  # what was recorded is the truth, everywhere


def test_what_names_the_cause_is_told_first_and_what_the_output_says_last() -> None:
    changed = fingerprint(Value(array=2 * np.linspace(1, 2, 64, dtype="float32").reshape(4, 16)))
    fault = checked(identity("b" * 32, axis=2), Seen(output=changed, mend=_FINALIZE), one=held(note="another mask"))
    assert [e.kind for e in fault.evidence] == ["stale", "config", "weight", "output", "output"]
    assert fault.evidence[-1].detail == "another mask" and "2 times the truth" in fault.evidence[-2].detail
    kinds = [e.kind for e in checked(identity("b" * 32, axis=2)).evidence]
    assert kinds == ["config", "weight"]


def test_only_a_remedy_that_was_seen_to_work_is_advised() -> None:
    fault = checked(identity(axis=1), Seen(facts=facts(), mend=_FINALIZE), one=held("inner/norm:1"))
    assert fault.layer == "inner/norm"
    assert fault.remedy == (
        "after loading, call `model.get_layer('inner').get_layer('norm').finalize_state()` (verified here: with it the "
        "layer returns what was recorded)."
    )
    assert checked(identity(axis=2), Seen(facts=facts())).remedy is None


def test_the_known_issue_is_found_by_the_releases_of_both_sides() -> None:
    def found(format: str | None, *releases: str) -> tuple[str | None, str | None]:
        told = Circumstances(
            same_environment=True,
            is_recorded=True,
            releases=dict(zip(("reference", "candidate"), releases, strict=True)),
            format=format,
        )
        derived = Seen(facts=facts(class_name="keras.layers.Normalization"), mend=_FINALIZE)
        fault = checked(identity(), derived, told, held("inner/norm"))
        return fault.known_issue, fault.remedy

    issue, remedy = found("h5", "3.4.1", "3.4.1")
    assert issue == "keras#20147" and remedy == (
        "after loading, call `model.get_layer('inner').get_layer('norm').finalize_state()` (verified here: with it the "
        "layer returns what was recorded). Or save as .keras. No release fixes this yet."
    )
    assert found("h5", "2.9.0", "2.9.0")[0] is None


def compared(stale: tuple[bool | None, bool | None], mend: Patch | None, **changes: Any) -> Fault:
    """The same differences, seen by a comparison of two models."""
    at = call("head")
    here = facts(class_name="keras.layers.Normalization", config={"axis": 1}, weights={"mean": np.zeros(2)})
    there = facts(class_name="keras.layers.Normalization", **{"config": {"axis": 1}, **changes})
    rows = (layer_report("head", Verdict.INTRODUCED, 0.5, local_error=0.5),)
    judgement = Judgement(
        reference=at, candidate=at, layers=rows, introduced=True, facts=(here, there), stale=stale, mend=mend
    )
    blame = Blame(layer="head", class_name="Normalization", kind="layer", judgement=judgement)
    return explain(from_blame(blame, same_environment=True), Circumstances(same_environment=True))


@pytest.mark.parametrize(
    ("now", "changes", "mend"),
    [
        (identity("b" * 32), {"weights": {"mean": np.ones(2)}}, None),
        (identity(axis=2), {"config": {"axis": 2}, "weights": {"mean": np.zeros(2)}}, None),
        (identity("b" * 32, axis=2), {"config": {"axis": 2}, "weights": {"mean": np.ones(2)}}, None),
        (identity(), {"weights": {"mean": np.zeros(2)}}, _FINALIZE),
        (identity("b" * 32), {"weights": {"mean": np.ones(2)}}, _FINALIZE),
    ],
)
def test_a_golden_and_a_model_give_one_answer_to_one_question(
    now: Identity, changes: dict[str, Any], mend: Patch | None
) -> None:
    stale = (None, True if mend is not None else None)
    by_golden, by_model = checked(now, Seen(mend=mend)), compared(stale, mend, **changes)
    assert (by_golden.cause, by_golden.side) == (by_model.cause, by_model.side)
    assert {e.kind for e in by_golden.evidence} == {e.kind for e in by_model.evidence}


@pytest.mark.parametrize(
    ("same", "mend", "cause"),
    [
        (True, None, Cause.DTYPE_POLICY),
        (False, None, Cause.WEIGHTS),  # the class of another release may do without
        (False, Patch(action="copy_weights", weights={"w": np.zeros(2)}), Cause.WEIGHTS),
        (False, Patch(action="set_attribute", attributes={"autocast": True}), Cause.DTYPE_POLICY),
    ],
)
def test_between_releases_autocasting_is_the_cause_only_if_it_was_seen_to_help(
    same: bool, mend: Patch | None, cause: Cause
) -> None:
    at = call("norm", class_name="GroupNormalization")
    here = facts(policy={"autocast": "True"}, weights={"w": np.zeros(2)})
    there = facts(policy={"autocast": "False"}, weights={"w": np.ones(2)})
    rows = (layer_report("norm", Verdict.INTRODUCED, 0.5, local_error=0.5),)
    judged = Judgement(reference=at, candidate=at, layers=rows, introduced=True, facts=(here, there), mend=mend)
    blame = Blame(layer="norm", class_name="GroupNormalization", kind="layer", judgement=judged)
    suspect = from_blame(blame, same_environment=same)
    assert explain(suspect, Circumstances(same_environment=same)).cause is cause
