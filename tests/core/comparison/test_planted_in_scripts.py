"""Faults planted in random scripts: all of them are blamed, nobody else is, and the blame is proved both ways."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from planted_scripts import WRONG, Case, cases, models
from scripted import INPUTS, Script, ScriptedSource, Step, changed

from tracer.core.comparison import localize, prove
from tracer.core.comparison.conclusion import conclusion, first_divergence, layer_reports
from tracer.core.comparison.lockstep import Trace, local_errors, lockstep
from tracer.core.drive import run_with
from tracer.core.source import Value
from tracer.records import Status


@settings(max_examples=60)
@given(cases())
def test_all_that_was_planted_is_blamed_and_nobody_else(case: Case) -> None:
    trace, _, _ = case.traced()
    assert [(blame.layer, blame.kind) for blame in localize.blames(trace)] == [(p, "layer") for p in case.planted]


@settings(max_examples=40)
@given(cases(WRONG[:2]))
def test_what_was_planted_is_proved_both_ways(case: Case) -> None:
    trace, reference, candidate = case.traced()
    found = localize.blames(trace)
    proof = prove.prove(found, trace, reference, candidate)
    if not case.planted:
        assert proof is None
        return
    assert proof is not None and proof.holds, proof
    masked = prove.masked(found, trace, reference)
    if proof.output_error <= prove.output_error(trace)[1]:
        assert masked == set(case.planted)
    else:
        assert masked <= set(case.planted) and (len(case.planted) > 1 or not masked)


class StoppingEverywhere(ScriptedSource):
    """Stops at every step, whatever it is told."""

    def begin(self, inputs: Any, **options: Any) -> None:
        super().begin(inputs, **{**options, "stops": None})


# Wrong by themselves, or by rounding alone, or right and called otherwise.
_MIXED = (*WRONG[:4], {"gain": 1 + 2.0**-22}, {"context": {"shift": "1.5"}}, {"outputs": 2}, {"inputs": ("x",)})


@settings(max_examples=150)
@given(cases(_MIXED))
def test_a_proof_is_the_same_whether_its_runs_stop_everywhere_or_at_the_faults_alone(case: Case) -> None:
    trace, reference, candidate = case.traced()
    found = localize.blames(trace)
    wherever = StoppingEverywhere(case.reference), StoppingEverywhere(case.candidate)
    assert prove.prove(found, trace, reference, candidate) == prove.prove(found, trace, *wherever)
    assert prove.masked(found, trace, reference) == prove.masked(found, trace, wherever[0])


@settings(max_examples=150)
@given(cases(_MIXED))
def test_a_healed_run_that_is_left_out_is_the_references(case: Case) -> None:
    trace, reference, candidate = case.traced()
    found = localize.blames(trace)
    proof = prove.prove(found, trace, reference, candidate)
    if proof is None or not proof.implied:
        return
    blamed = {blame.layer for blame in found}
    assert all(error == 0 for path, error in _errors(trace).items() if path.split(":")[0] not in blamed)
    end = run_with(candidate, trace.run, {path: here for blame in found for path, here, _ in blame.replaced})
    assert [_seen(value) for value in end.outputs] == [_seen(value) for value in trace.reference_end.outputs]


def _errors(trace: Trace) -> dict[str, float | None]:
    return {layer.layer: layer.local_error for judgement in trace.judgements for layer in judgement.layers}


def _seen(value: Value) -> tuple[bytes, bytes, bool]:
    return value.array.tobytes(), b"" if value.mask is None else value.mask.tobytes(), value.sparse


@settings(max_examples=40)
@given(cases(WRONG[:2]))
def test_local_errors_are_those_of_the_planted_layers_alone(case: Case) -> None:
    errors = local_errors(ScriptedSource(case.reference), ScriptedSource(case.candidate), INPUTS)
    assert {path for path, error in errors.items() if error > 1e-5} == set(case.planted)


@settings(max_examples=40)
@given(cases(WRONG[:2]))
def test_the_first_divergence_is_the_first_planted_layer_that_shows(case: Case) -> None:
    """In execution order a fault comes before all that inherit from it."""
    trace, _, _ = case.traced()
    layers = layer_reports(trace, ())
    assert first_divergence(layers) == (case.planted[0] if case.planted else None)
    status = conclusion(trace, layers, len(case.planted)).status
    assert (status is Status.DIVERGED) is bool(case.planted)  # else a pass, or nothing shown where layers cancel


@settings(max_examples=30)
@given(models(), st.data())
def test_independent_layers_in_another_order_are_paired_all_the_same(model: Script, data: st.DataObject) -> None:
    """Any order in which every layer comes after its inputs is the same model."""
    rest, shuffled = list(model), []
    while rest:
        done = {"x", *(step.path for step in shuffled)}
        step = data.draw(st.sampled_from([step for step in rest if done.issuperset(step.inputs)]))
        rest.remove(step)
        shuffled.append(step)
    trace = lockstep(ScriptedSource(model), ScriptedSource(tuple(shuffled)), INPUTS)
    assert not trace.unmatched_reference and not trace.unmatched_candidate
    assert {layer.verdict for judgement in trace.judgements for layer in judgement.layers} == {"identical"}


def test_progress_counts_every_pair_once() -> None:
    told: list[tuple[str, int, int]] = []
    chain = tuple(Step(name) for name in "abc")
    lockstep(ScriptedSource(chain), ScriptedSource(chain), INPUTS, progress=lambda *now: told.append(now))
    assert told == [("comparing", 1, 3), ("comparing", 2, 3), ("comparing", 3, 3)]


def test_only_what_may_be_blamed_keeps_its_tensors() -> None:
    chain = tuple(Step(name) for name in "abc")
    case = Case(chain, changed(chain, "b", gain=3.0), ("b",))
    trace, _, _ = case.traced()
    kept = {j.reference.path: bool(j.reference.outputs and j.candidate.outputs) for j in trace.judgements}
    assert kept == {"a": False, "b": True, "c": False}
    np.testing.assert_array_equal(trace.judgements[1].candidate.outputs[0].array, INPUTS * 3)
    bare = lockstep(ScriptedSource(chain), ScriptedSource(case.candidate), INPUTS, explain=False)
    assert not any(j.reference.outputs for j in bare.judgements)
