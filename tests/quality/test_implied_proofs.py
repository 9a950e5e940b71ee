"""Where a proof leaves out the healed run because it can only be the reference's: make it, and look."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers
from plant_lists import plants_of
from plant_models import MODELS, fill, numbers
from plants import Plant, copy_of
from sampling import some_of

from tracer.core.comparison import localize, prove
from tracer.core.comparison.lockstep import lockstep
from tracer.core.drive import run_with
from tracer.core.numbers.difference import same_bytes
from tracer.core.source import Source
from tracer.engine import host
from tracer.records import Proof

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


# --- faults beside others that no layer's local error shows: there the healed run is made, and isn't the reference's


def _dense(name: str) -> Any:
    return layers.Dense(4, name=name)


def _chain(between: Callable[[Any], Any] = lambda x: x) -> Any:
    """Two layers, with something else before the second."""
    x = keras.Input((4,), name="x")
    return fill(keras.Model(x, _dense("last")(between(_dense("first")(x)))))


def _forked(*, swaps: bool = False, crosses: bool = False, dtype: str = "float32") -> Any:
    """A graph inside with two inputs and two outputs, each of which goes to a layer of its own."""
    x = keras.Input((4,), dtype=dtype, name="x")
    a, b = keras.Input((4,), name="a"), keras.Input((4,), name="b")
    outputs = [_dense("one")(a), _dense("two")(b)]
    inner = keras.Model([a, b], outputs[::-1] if swaps else outputs, name="inner")
    fed = [_dense("first")(x), _dense("second")(x)]
    one, two = inner(fed[::-1] if crosses else fed)
    return fill(keras.Model(x, layers.Concatenate(name="last")([_dense("left")(one), _dense("right")(two)])))


def _proof(reference: Any, candidate: Any, spoilt: str) -> tuple[Proof | None, frozenset[str]]:
    """The proof of one wrong layer, and what is blamed; both models have equal weights but for its own."""
    candidate.set_weights(reference.get_weights())
    (layer,) = (layer for layer in candidate._flatten_layers() if layer.name == spoilt)
    layer.set_weights([array * 1.5 for array in layer.get_weights()])
    sides = host.from_model(reference), host.from_model(candidate)
    trace = lockstep(*sides, numbers(2, 4))
    blames = localize.blames(trace)
    return prove.prove(blames, trace, *sides), frozenset(blame.layer.rpartition("/")[2] for blame in blames)


def _plus(number: float) -> Callable[[Any], Any]:
    return lambda x: keras.ops.add(x, np.full((1, 4), number, "float32"))


@pytest.mark.parametrize(
    ("reference", "candidate", "spoilt"),
    [
        (_chain(_plus(1.0)), _chain(_plus(2.0)), "first"),
        (_forked(), _forked(dtype="float16"), "left"),
        (_forked(), _forked(swaps=True), "first"),
        (_forked(), _forked(crosses=True), "first"),
    ],
    ids=["a constant", "what is given is converted", "outputs of a graph inside", "inputs of a graph inside"],
)
def test_what_comes_to_a_layer_on_its_way_is_no_case_for_induction(reference: Any, candidate: Any, spoilt: str) -> None:
    proof, blamed = _proof(reference, candidate, spoilt)
    assert spoilt in blamed
    assert proof is not None and not proof.implied
    assert proof.healed > 0.0


@pytest.mark.parametrize(
    ("model", "spoilt"), [(_chain, "first"), (_chain, "last"), (_forked, "one"), (_forked, "left")]
)
def test_without_them_the_same_fault_is_one(model: Callable[[], Any], spoilt: str) -> None:
    proof, blamed = _proof(model(), model(), spoilt)
    assert blamed == {spoilt}
    assert proof is not None and proof.implied and proof.holds


@pytest.mark.slow
@pytest.mark.parametrize("name", some_of(MODELS, every=4))
def test_every_healed_run_that_was_left_out_is_the_references(name: str) -> None:
    implied, looked_at = _implied(name, 1)
    print(f"\n{name}: {implied} of {looked_at} proofs without a healed run, each of them true")
    assert looked_at
