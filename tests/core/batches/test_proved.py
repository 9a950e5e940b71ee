"""What one batch has shown, taken by the next one: scripted sources, run in lock-step."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scripted import INPUTS, Script, ScriptedSource, Step, changed

from tracer.core.batches.proved import Proved, in_batch
from tracer.core.comparison import localize
from tracer.core.comparison.localize import Blame
from tracer.core.comparison.lockstep import lockstep
from tracer.records import Cause, Fault, Proof, Side

CHAIN = tuple(Step(name) for name in ("a", "b", "c", "d"))
_PROOF = Proof(healed=0.0, broken=0.5, output_error=0.5, holds=True)


def blamed(candidate: Script, proved: Proved, inputs: np.ndarray = INPUTS) -> tuple[Blame, ...]:
    """Who is to blame on these inputs, with what is known so far; what this run has shown is added."""
    trace = lockstep(ScriptedSource(CHAIN), ScriptedSource(candidate), inputs, known=proved.confirmed)
    blames = localize.blames(trace)
    if proved.known(blames, ()) is None:
        proved.add(trace, [(blame, fault(blame)) for blame in blames])
    proved.batch += 1
    return blames


def fault(blame: Blame, *, masked: bool = False) -> Fault:
    return Fault(
        layer=blame.layer, class_name=blame.class_name, side=Side.UNKNOWN, cause=Cause.UNKNOWN, proof=_PROOF,
        masked=masked,
    )  # fmt: skip


def test_a_fault_is_known_to_the_next_batch_with_the_number_of_its_own() -> None:
    proved = Proved(batch=2)
    blamed(changed(CHAIN, "b", offset=0.5), proved)
    again = blamed(changed(CHAIN, "b", offset=0.5), proved, INPUTS + 1)
    known = proved.known(again, ())
    assert known is not None
    assert [(each.layer, each.proof and each.proof.batch) for each in known] == [("b", 2)]


def test_a_new_layer_at_fault_makes_all_of_them_be_proved_anew() -> None:
    proved, both = Proved(), changed(changed(CHAIN, "b", offset=0.5), "d", offset=0.5)
    blamed(changed(CHAIN, "b", offset=0.5), proved)
    more = localize.blames(lockstep(ScriptedSource(CHAIN), ScriptedSource(both), INPUTS, known=proved.confirmed))
    assert [blame.layer for blame in more] == ["b", "d"] and proved.known(more, ()) is None
    assert proved.known(more[:1], ()) is not None and proved.known(more[1:], ()) is None


@pytest.mark.parametrize(
    ("change", "is_known"),
    [
        ({}, True),
        ({"class_name": "Other"}, False),
        ({"kind": localize.BlameKind.CONTEXT}, False),
        ({"reaches": True}, False),
        ({"replaced": ()}, True),
        ({"replaced": (("b#1", (), ()),)}, False),
    ],
)
def test_only_the_same_blame_is_known(change: dict[str, object], is_known: bool) -> None:
    proved = Proved()
    [blame] = blamed(changed(CHAIN, "b", offset=0.5), proved)
    assert (proved.known([replace(blame, **change)], ()) is not None) is is_known


def test_a_layer_of_which_more_was_learned_is_not_known() -> None:
    proved = Proved()
    [blame] = blamed(changed(CHAIN, "b", offset=0.5), proved)
    assert blame.judgement is not None
    other = replace(blame.judgement.facts[0], code="other") if blame.judgement.facts[0] is not None else None
    learned = replace(blame.judgement, facts=(other, blame.judgement.facts[1]))
    assert (other is None) or proved.known([replace(blame, judgement=learned)], ()) is None


@pytest.mark.parametrize(
    ("before", "now", "says"), [(False, False, False), (False, True, True), (True, True, True), (True, False, None)]
)
def test_what_was_masked_and_may_show_now_has_to_be_tried(before: bool, now: bool, says: bool | None) -> None:
    proved = Proved()
    trace = lockstep(ScriptedSource(CHAIN), ScriptedSource(changed(CHAIN, "b", offset=0.5)), INPUTS)
    [blame] = localize.blames(trace)
    proved.add(trace, [(blame, fault(blame, masked=before))])
    known = proved.known([blame], {"b"} if now else ())
    assert (None if known is None else known[0].masked) is says


def test_what_is_kept_of_a_call_site_has_no_tensors() -> None:
    proved = Proved()
    blamed(changed(CHAIN, "b", offset=0.5), proved)
    assert list(proved.confirmed) == ["b"]
    assert proved.confirmed["b"].reference.outputs == proved.confirmed["b"].candidate.inputs == ()


def test_a_proof_has_one_number() -> None:
    found = Fault(layer="b", class_name="Dense", side=Side.UNKNOWN, cause=Cause.UNKNOWN)
    assert in_batch(found, 3) is found
    first = in_batch(replace(found, proof=_PROOF), 3)
    assert first.proof is not None and first.proof.batch == 3 and in_batch(first, 5) is first
