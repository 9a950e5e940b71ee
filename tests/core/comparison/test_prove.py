"""`prove`, over scripted sources: a blame that is right holds both ways, and one that is wrong doesn't."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scripted import INPUTS, Script, ScriptedSource, Step, changed, to_text

from tracer.core.comparison import localize, prove
from tracer.core.comparison.localize import Blame
from tracer.core.comparison.lockstep import Trace, lockstep
from tracer.core.drive import run_with
from tracer.envs.remote import RemoteHost
from tracer.records import Proof

CHAIN = tuple(Step(name) for name in ("a", "b", "c", "d"))
FORK = (Step("a"), Step("left", ("a",)), Step("right", ("a",)), Step("join", ("left", "right")))


class Case:
    """A pair of scripts, run in lock-step, with what is to blame."""

    def __init__(self, reference: Script, candidate: Script, inputs: np.ndarray = INPUTS) -> None:
        self.reference, self.candidate = ScriptedSource(reference), ScriptedSource(candidate)
        self.trace: Trace = lockstep(self.reference, self.candidate, inputs)
        self.blames: tuple[Blame, ...] = localize.blames(self.trace)

    def prove(self, blames: tuple[Blame, ...] | None = None) -> Proof | None:
        given = self.blames if blames is None else blames
        return prove.prove(given, self.trace, self.reference, self.candidate)

    def masked(self) -> frozenset[str]:
        return prove.masked(self.blames, self.trace, self.reference)


@pytest.mark.parametrize("layer", ["a", "b", "c", "d"])
def test_a_right_blame_heals_and_breaks(layer: str) -> None:
    case = Case(CHAIN, changed(CHAIN, layer, offset=0.5))
    proof = case.prove()
    assert proof is not None and proof.holds
    assert proof.healed == 0.0
    assert proof.broken == pytest.approx(proof.output_error)
    assert proof.output_error > 0.1


def test_where_every_other_layer_returns_the_same_bits_the_candidate_isnt_run_again() -> None:
    case = Case(CHAIN, changed(CHAIN, "b", offset=0.5))
    before = case.candidate.asked.count("begin")
    proof = case.prove()
    assert proof is not None and proof.implied and proof.holds and proof.healed == 0.0
    assert case.candidate.asked.count("begin") == before
    assert case.reference.asked.count("begin") == before + 1


def test_what_is_implied_is_what_the_run_gives() -> None:
    case = Case(CHAIN, changed(CHAIN, "b", offset=0.5))
    swap = {blame.layer: blame.replaced[0][1] for blame in case.blames}
    end = run_with(case.candidate, case.trace.run, swap)
    assert [value.array.tobytes() for value in end.outputs] == [
        value.array.tobytes() for value in case.trace.reference_end.outputs
    ]


_NEARLY = 1 + 2.0**-23  # within tolerance, and not the same bits


@pytest.mark.parametrize(
    ("reference", "candidate"),
    [
        (CHAIN, changed(changed(CHAIN, "b", offset=0.5), "d", gain=CHAIN[3].gain * _NEARLY)),  # rounded otherwise
        ((*CHAIN, Step("b#1", ("d",))), changed((*CHAIN, Step("b#1", ("d",))), "c", offset=0.5)),  # b is called twice
        (CHAIN, (*changed(CHAIN, "b", offset=0.5), Step("more", ("b",)))),  # only one side has `more`
    ],
    ids=["close", "called-twice", "unmatched"],
)
def test_else_the_candidate_is_run_with_the_references_outputs(reference: Script, candidate: Script) -> None:
    case = Case(reference, candidate)
    blames = tuple(blame for blame in case.blames if blame.kind == "layer")
    before = case.candidate.asked.count("begin")
    proof = case.prove(blames)
    assert proof is not None and not proof.implied
    assert case.candidate.asked.count("begin") == before + 1


def test_a_proof_stops_only_where_something_is_put_in() -> None:
    case = Case(CHAIN, changed(CHAIN, "b", offset=0.5))
    case.reference.asked.clear()
    case.prove()
    assert case.reference.asked.count("proceed") == 1


def test_several_faults_are_proved_together() -> None:
    case = Case(FORK, changed(changed(FORK, "left", gain=2.0), "right", offset=1.0))
    assert [blame.layer for blame in case.blames] == ["left", "right"]
    proof = case.prove()
    assert proof is not None and proof.holds


def test_half_of_the_blame_heals_nothing_and_isnt_proved() -> None:
    case = Case(FORK, changed(changed(FORK, "left", gain=2.0), "right", offset=1.0))
    proof = case.prove(case.blames[:1])
    assert proof is not None and not proof.holds
    assert proof.healed > 0.1


def test_a_blame_of_somebody_who_is_right_isnt_proved() -> None:
    case = Case(CHAIN, changed(CHAIN, "c", gain=2.0))
    (blame,) = case.blames
    outputs = [judgement for judgement in case.trace.judgements if judgement.reference.path == "a"]
    innocent = replace(blame, layer="a", replaced=(("a", outputs[0].reference.outputs, outputs[0].candidate.outputs),))
    assert case.prove((innocent,)) is None  # nothing was kept of a layer that is right, so there is nothing to put in


def test_without_outputs_to_put_in_there_is_no_proof() -> None:
    case = Case(CHAIN, changed(CHAIN, "b", offset=0.5))
    assert case.prove(()) is None
    assert case.prove((replace(case.blames[0], replaced=()),)) is None


def test_a_fault_that_reaches_no_output_is_masked() -> None:
    dead_end = (*CHAIN[:2], Step("zero", gain=0.0), Step("out"))
    case = Case(dead_end, changed(dead_end, "b", offset=3.0))
    assert case.masked() == {"b"}


def test_of_two_faults_the_one_without_effect_is_masked_alone() -> None:
    script = (Step("a"), Step("lost", ("a",)), Step("zero", ("lost",), gain=0.0), Step("kept", ("a",)),
              Step("join", ("zero", "kept")))  # fmt: skip
    case = Case(script, changed(changed(script, "lost", offset=3.0), "kept", offset=1.0))
    assert [blame.layer for blame in case.blames] == ["lost", "kept"]
    assert case.masked() == {"lost"}


def test_one_sample_in_the_shade_of_another_is_proved_by_that_sample() -> None:
    """Over the whole batch both the error and what heals it are 0."""
    inputs = INPUTS.copy()
    inputs[0] *= 1e9
    case = Case(CHAIN, changed(CHAIN, "b", offset=0.05), inputs)
    assert [blame.layer for blame in case.blames] == ["b"]
    proof = case.prove()
    assert proof is not None and proof.holds
    assert proof.output_error > 0.01
    assert (proof.healed, proof.broken) == (0.0, pytest.approx(proof.output_error))
    assert case.masked() == frozenset()


@pytest.mark.parametrize("rounds", [False, True])
def test_over_the_wire_a_proof_is_the_same(workers: tuple[RemoteHost, RemoteHost], rounds: bool) -> None:
    """The runs stop at the faults alone there too, with the healed run and without it."""
    candidate = changed(FORK, "left", offset=0.5)
    candidate = changed(candidate, "a", gain=_NEARLY) if rounds else candidate
    here = Case(FORK, candidate).prove()
    for worker, script in zip(workers, (FORK, candidate), strict=True):
        worker.build(to_text(script), custom_objects=(), seed=0)
    trace = lockstep(*workers, INPUTS)
    there = prove.prove(localize.blames(trace), trace, *workers)
    assert there == here and there is not None and there.holds and there.implied is not rounds


# --- a layer that only one side has

LONGER = (Step("a"), Step("extra", gain=3.0), Step("b"), Step("c"))
SHORTER = (Step("a"), Step("b", ("a",)), Step("c"))


@pytest.mark.parametrize(("here", "there"), [(SHORTER, LONGER), (LONGER, SHORTER)], ids=["more", "fewer"])
def test_a_layer_that_one_side_has_is_healed_where_it_is(here: Script, there: Script) -> None:
    case = Case(here, there)
    assert [blame.layer for blame in case.blames] == ["extra"]
    right, wrong = prove._activations(case.blames, case.trace)
    assert (set(right), set(wrong)) == (({"extra"}, {"a"}) if there is LONGER else ({"a"}, {"extra"}))
    proof = case.prove()
    assert proof is not None and proof.holds and proof.output_error > 0.1


def test_a_fault_behind_a_layer_that_one_side_has_is_not_healed_with_it() -> None:
    """At the call site behind the two, anything would have been healed."""
    case = Case(SHORTER, changed(LONGER, "b", offset=2.0))
    assert [blame.layer for blame in case.blames] == ["extra", "b"]
    proof = case.prove(case.blames[:1])
    assert proof is not None and not proof.holds and proof.healed > 0.1
    both = case.prove()
    assert both is not None and both.holds


def test_a_neighbour_that_others_hang_on_is_not_changed_for_it() -> None:
    branches = (Step("a"), Step("side", ("a",)), Step("b", ("a",)), Step("c", ("b", "side")))
    longer = (*branches[:2], Step("extra", ("a",), gain=3.0), Step("b", ("extra",)), branches[3])
    case = Case(branches, longer)
    assert [blame.layer for blame in case.blames] == ["extra"]
    right, wrong = prove._activations(case.blames, case.trace)
    assert (set(right), set(wrong)) == ({"extra"}, {"b"})  # not `a`, which `side` gets too
    proof = case.prove()
    assert proof is not None and proof.holds


def test_what_else_a_call_site_is_handed_is_not_healed_with_a_lone_layer() -> None:
    """`side` is wrong by itself, and goes where `extra` goes."""
    here = (Step("a"), Step("side", ("a",)), Step("b", ("a",)), Step("join", ("b", "side")))
    there = (*here[:3], Step("extra", ("b",), gain=3.0), Step("join", ("extra", "side")))
    case = Case(here, changed(there, "side", offset=2.0))
    assert [blame.layer for blame in case.blames] == ["side", "extra"]
    [extra] = [blame for blame in case.blames if blame.layer == "extra"]
    assert set(prove._activations([extra], case.trace)[0]) == {"extra"}
    half, both = case.prove((extra,)), case.prove()
    assert half is not None and not half.holds
    assert both is not None and both.holds
