"""`prove` where a proof is hard to get: models that fail, that are random, or that have many faults."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from makers import call, value
from scripted import INPUTS, Script, ScriptedSource, Step, changed

from tracer.core.comparison import localize, prove
from tracer.core.comparison.localize import Blame
from tracer.core.comparison.lockstep import Trace, lockstep

CHAIN = tuple(Step(name) for name in ("a", "b", "c"))
RAISES = "ValueError: not these"


def run(reference: Script, candidate: Script) -> tuple[tuple[Blame, ...], Trace, ScriptedSource, ScriptedSource]:
    sides = ScriptedSource(reference), ScriptedSource(candidate)
    trace = lockstep(*sides, INPUTS)
    return localize.blames(trace), trace, *sides


def test_a_candidate_that_raises_has_nothing_to_put_into_the_reference() -> None:
    found, trace, reference, candidate = run(CHAIN, changed(CHAIN, "b", error=RAISES))
    assert [blame.layer for blame in found] == ["b"]
    assert prove.prove(found, trace, reference, candidate) is None


def test_a_model_that_doesnt_run_with_the_references_outputs_proves_nothing() -> None:
    rounded = changed(CHAIN, "a", gain=1 + 2.0**-23)  # so that the healed run has to be made
    found, trace, reference, _ = run(CHAIN, changed(rounded, "b", gain=3.0))
    broken = ScriptedSource(changed(CHAIN, "c", error=RAISES))
    assert prove.prove(found, trace, reference, broken) is None
    assert prove.prove(found, trace, broken, ScriptedSource(CHAIN)) is None


def test_an_infinite_error_is_broken_by_a_reference_that_fails_in_the_same_way() -> None:
    """A candidate whose outputs have another shape has no finite error, and the reference can't run on them either."""
    found, trace, _, _ = run(CHAIN, changed(CHAIN, "b", gain=3.0))
    kind = replace(trace, outputs=tuple(replace(gap, kind="shape (3,) against (4,)") for gap in trace.outputs))
    failing = ScriptedSource(changed(CHAIN, "c", error=RAISES))
    proof = prove.prove(found, kind, failing, ScriptedSource(changed(CHAIN, "b", gain=3.0)))
    assert proof is not None and proof.holds
    assert (proof.healed, proof.broken, proof.output_error) == (0.0, math.inf, math.inf)


def test_a_finite_break_doesnt_prove_an_infinite_error() -> None:
    """The output lacks a mask, which what is put into the reference doesn't take from it."""
    masking = (Step("a", mask="make"), Step("b"), Step("c"))
    found, trace, reference, candidate = run(masking, changed(masking, "c", mask="drop"))
    whole = prove.prove(found, trace, reference, candidate)
    assert whole is not None and whole.holds and whole.broken == whole.output_error == math.inf
    ((path, here, _),) = found[0].replaced
    idle = prove.prove((replace(found[0], replaced=((path, here, here),)),), trace, reference, candidate)
    assert idle is not None and (idle.healed, idle.broken, idle.holds) == (0.0, 0.0, False)


@pytest.mark.parametrize(
    ("broken", "error", "same"),
    [
        (1.0, 1.0, True),
        (1.04, 1.0, True),  # rounding and the order of sums
        (0.96, 1.0, True),
        (1.06, 1.0, False),
        (0.0, 1.0, False),
        (0.0, 1e-6, True),  # both within tolerance
        (math.inf, math.inf, True),
        (1.0, math.inf, False),
        (math.inf, 1.0, False),
    ],
)
def test_a_break_has_to_bring_back_the_same_error(broken: float, error: float, same: bool) -> None:
    assert prove._is_same_error(broken, error, 2e-6) is same


def test_the_output_error_is_the_largest_and_infinite_where_the_type_differs() -> None:
    _, trace, _, _ = run(CHAIN, changed(CHAIN, "c", gain=3.0))
    (gap,) = trace.outputs
    small = replace(gap, difference=replace(gap.difference, rel_error=0.25))
    assert prove.output_error(replace(trace, outputs=(small, gap)))[0] == pytest.approx(2.0)
    assert prove.output_error(replace(trace, outputs=(small, replace(gap, kind="the mask"))))[0] == math.inf
    assert prove.output_error(replace(trace, outputs=())) == (0.0, 0.0)


# --- masked


def many(count: int, dead: int) -> tuple[Script, Script]:
    """So many layers side by side, all of them wrong; of some nothing reaches the output."""
    names = [f"l{i}" for i in range(count)]
    branches = [step for i, name in enumerate(names) for step in (
        Step(name, ("x",)), Step(f"{name}_gate", (name,), gain=0.0 if i < dead else 1.0))]  # fmt: skip
    model = (*branches, Step("join", tuple(f"{name}_gate" for name in names)))
    wrong = model
    for i, name in enumerate(names):
        wrong = changed(wrong, name, offset=1.0 + i)
    return model, wrong


@pytest.mark.parametrize(("count", "dead"), [(2, 1), (5, 2), (16, 3), (3, 0)])
def test_each_fault_is_tried_alone(count: int, dead: int) -> None:
    found, trace, reference, _ = run(*many(count, dead))
    assert prove.masked(found, trace, reference) == {f"l{i}" for i in range(dead)}


def test_of_very_many_faults_none_is_tried() -> None:
    found, trace, reference, _ = run(*many(17, 3))
    runs = reference.asked.count("begin")
    assert prove.masked(found, trace, reference) == frozenset()
    assert reference.asked.count("begin") == runs


def test_where_no_output_differs_every_fault_is_masked_without_a_try() -> None:
    found, trace, reference, _ = run(*many(3, 3))
    runs = reference.asked.count("begin")
    assert prove.masked(found, trace, reference) == {"l0", "l1", "l2"}
    assert reference.asked.count("begin") == runs


def test_a_lone_layer_is_masked_unless_something_that_was_compared_hangs_on_it() -> None:
    found, trace, reference, _ = run(CHAIN, changed(CHAIN, "b", gain=3.0))
    lone = Blame(layer="extra", class_name="Dense", kind="topology", judgement=None)
    assert prove.masked((*found, lone), trace, reference) == {"extra"}
    assert prove.masked((*found, replace(lone, reaches=True)), trace, reference) == frozenset()


def test_a_blame_of_which_one_side_kept_nothing_is_no_proof() -> None:
    found, trace, reference, candidate = run(CHAIN, changed(CHAIN, "b", gain=3.0))
    outputs = call(outputs=(value(INPUTS),)).outputs
    half = replace(found[0], replaced=(*found[0].replaced, ("c", outputs, ())))
    assert prove.prove((half,), trace, reference, candidate) is None
