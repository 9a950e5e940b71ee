"""Where a proof leaves out the healed run because it can only be the reference's: make it, and look."""

from __future__ import annotations

import pytest
from plant_lists import plants_of
from plant_models import MODELS
from plants import Plant, copy_of

from tracer.core.comparison import localize, prove
from tracer.core.comparison.lockstep import lockstep
from tracer.core.drive import run_with
from tracer.core.numbers.difference import same_bytes
from tracer.core.source import Source
from tracer.engine import host

pytestmark = pytest.mark.quality

# Each with shared layers, or code of its own, or several branches; the slow run takes all.
_SOME = ("convnet", "branches")
_EVERY = 7


def _is_implied_and_true(reference: Source, candidate: Source, plant: Plant, inputs: object) -> bool:
    """Whether the proof leaves the healed run out; which, when made, gives the reference's bits."""
    trace = lockstep(reference, candidate, inputs)  # type: ignore[arg-type]
    blames = localize.blames(trace)
    proof = prove.prove(blames, trace, reference, candidate) if blames else None
    if proof is None or not proof.implied:
        return False
    right = {path: here for blame in blames for path, here, _ in blame.replaced}
    end = run_with(candidate, trace.run, right)
    pairs = list(zip(end.outputs, trace.reference_end.outputs, strict=True))
    assert pairs and all(same_bytes(a.array, b.array) for a, b in pairs), plant
    return True


def _implied(name: str, every: int) -> tuple[int, int]:
    """How many of a model's plants are proved without a healed run, and how many were looked at."""
    model, inputs = MODELS[name]()
    candidate, implied, looked_at = copy_of(model), 0, 0
    for number, plant in enumerate(plants_of(name, model)):
        if number % every:
            continue
        with plant.planted(candidate) as planted:
            sides = host.from_model(model), host.from_model(planted)
            for side in sides:
                side.prepare(inputs, training=False)
            implied += _is_implied_and_true(*sides, plant, inputs)
            looked_at += 1
    return implied, looked_at


@pytest.mark.parametrize("name", _SOME)
def test_a_healed_run_that_was_left_out_is_the_references(name: str) -> None:
    implied, looked_at = _implied(name, _EVERY)
    assert implied >= looked_at // 2


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_every_healed_run_that_was_left_out_is_the_references(name: str) -> None:
    implied, looked_at = _implied(name, 1)
    print(f"\n{name}: {implied} of {looked_at} proofs without a healed run, each of them true")
    assert looked_at
