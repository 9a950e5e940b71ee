"""A mask that is lost, added or other is the fault of the layer that makes it, whatever lies behind; so is a leak."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

import tracer

UNIFORM = keras.initializers.RandomUniform
IDS = np.array([[1, 2, 3, 0, 0, 0], [4, 5, 6, 7, 0, 0]], "int32")


@keras.saving.register_keras_serializable("masks")
class Masks(layers.Layer):
    """Hands its input on, with a mask of its own: of what is larger than `least`, or none."""

    def __init__(self, least: float | None, **options: Any) -> None:
        super().__init__(**options)
        self.least, self.supports_masking = least, True

    def call(self, x: Any) -> Any:
        return x * 1.0

    def compute_mask(self, inputs: Any, previous: Any = None) -> Any:
        del previous
        return None if self.least is None else keras.ops.any(inputs > self.least, axis=-1)


def chain(first: layers.Layer, tail: int, last: layers.Layer | None = None) -> Any:
    keras.utils.set_random_seed(0)
    i = x = keras.Input((6,), dtype="int32", name="ids")
    x = layers.Embedding(10, 4, name="emb", mask_zero=True)(x) if first.name == "masks" else x
    x = first(x)
    for k in range(tail):
        x = layers.Activation("linear" if k % 2 else "tanh", name=f"act{k}")(x)
    x = last(x) if last is not None else layers.Flatten(name="flat")(x)
    return keras.Model(i, layers.Dense(2, name="out")(x), name="m")


def blamed(report: tracer.Report) -> list[str]:
    return [fault.layer for fault in report.faults]


@pytest.mark.parametrize("tail", range(7))
@pytest.mark.parametrize("zero", [(True, False), (False, True)])
def test_an_embedding_that_lost_or_got_its_mask_is_blamed_alone(tail: int, zero: tuple[bool, bool]) -> None:
    sides = [
        chain(layers.Embedding(10, 4, mask_zero=mask, name="emb", embeddings_initializer=UNIFORM(seed=1)), tail)
        for mask in zero
    ]
    report = tracer.diff(*sides, IDS)
    assert blamed(report) == ["emb"]
    verdicts = {layer.layer: str(layer.verdict) for layer in report.layers}
    assert verdicts == {
        "emb": "masked",
        **{f"act{k}": "inherited" for k in range(tail)},
        "flat": "identical",
        "out": "identical",
    }


@pytest.mark.parametrize("tail", [0, 1, 3])
@pytest.mark.parametrize(("here", "there"), [(0.0, None), (None, 0.0), (0.0, 0.02), (-1.0, 0.02)])
def test_a_mask_of_other_values_is_the_fault_of_who_made_it(here: Any, there: Any, tail: int) -> None:
    for last in (None, lambda: layers.LSTM(3, name="lstm")):
        sides = [chain(Masks(least, name="masks"), tail, last and last()) for least in (here, there)]
        assert blamed(tracer.diff(*sides, IDS)) == ["masks"]


@keras.saving.register_keras_serializable("masks")
class Leaks(layers.Layer):
    """Two outputs; may set `training` for all that comes after it."""

    def __init__(self, leaks: bool, **options: Any) -> None:
        super().__init__(**options)
        self.leaks = leaks

    def call(self, x: Any) -> Any:
        if self.leaks and hasattr(x, "numpy"):
            from tracer.engine import compat

            compat.dialect().set_context_training(True)
        return x * 1.0, x * 2.0


class Behind(keras.Model):
    """Called without `training`: what its layers get is what those before them have left."""

    def __init__(self, leaks: bool, tail: int) -> None:
        super().__init__(name="m")
        self.leaking = Leaks(leaks, name="leaks")
        self.pairs = [[layers.Activation("tanh", name=f"{side}{k}") for side in "ab"] for k in range(tail)]
        self.norm = layers.BatchNormalization(name="norm")

    def call(self, x: Any) -> Any:
        a, b = self.leaking(x)
        for first, second in self.pairs:
            a, b = first(a), second(b)
        return self.norm(a + b)


@pytest.mark.parametrize("tail", [0, 1, 4])
def test_who_leaks_training_is_blamed_and_none_of_the_layers_behind(tail: int) -> None:
    x = np.arange(6.0, dtype="float32").reshape(2, 3)
    report = tracer.diff(Behind(False, tail), Behind(True, tail), x)
    assert blamed(report) == ["leaks"]
    assert report.faults[0].cause == "call-context"


def pooled(first: layers.Layer, middle: int, last: layers.Layer | None = None) -> Any:
    """Token ids through layers that hand a mask on, to one whose numbers depend on it."""
    keras.utils.set_random_seed(0)
    i = keras.Input((6,), dtype="int32", name="ids")
    x = first(i)
    for k in range(middle):
        x = layers.Dense(4, name=f"ff{k}")(x)
    x = (last or layers.GlobalAveragePooling1D(name="pool"))(x)
    return keras.Model(i, layers.Dense(2, name="out")(x), name="m")


@pytest.mark.parametrize("middle", [0, 1, 2])
@pytest.mark.parametrize("zero", [(True, False), (False, True)])
def test_a_mask_that_was_lost_is_proved_both_ways(middle: int, zero: tuple[bool, bool]) -> None:
    """Keras hands it on through operations of the graph, which know nothing of the outputs that were put in."""
    sides = [
        pooled(layers.Embedding(10, 4, mask_zero=mask, name="emb", embeddings_initializer=UNIFORM(seed=1)), middle)
        for mask in zero
    ]
    report = tracer.diff(*sides, IDS)
    [fault] = report.faults
    assert fault.layer == "emb"
    assert fault.proof is not None
    assert fault.proof.holds
    assert fault.proof.healed == 0.0
    assert fault.proof.broken == pytest.approx(fault.proof.output_error)


def test_a_mask_that_somebody_handed_over_stays_when_the_outputs_before_it_are_put_in() -> None:
    def explicit(scale: float) -> Any:
        keras.utils.set_random_seed(0)
        i = keras.Input((6,), dtype="int32", name="ids")
        x = layers.Embedding(10, 4, name="emb", embeddings_initializer=UNIFORM(seed=1))(i)
        x = layers.Rescaling(scale, name="scaled")(x)
        x = layers.GlobalAveragePooling1D(name="pool")(x, mask=keras.ops.not_equal(i, 0))
        return keras.Model(i, layers.Dense(2, name="out")(x), name="m")

    [fault] = tracer.diff(explicit(1.0), explicit(2.0), IDS).faults
    assert (fault.layer, fault.proof and fault.proof.holds) == ("scaled", True)


@keras.saving.register_keras_serializable("masks")
class HandingOn(layers.Layer):
    """Hands its input on, with its mask where it says so."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.supports_masking = True

    def call(self, x: Any) -> Any:
        return x * 1.0


@pytest.mark.parametrize("again", [False, True], ids=["the graph has its mask", "the graph has none"])
def test_a_mask_that_is_no_longer_handed_on_is_proved(again: bool) -> None:
    """What is said of it once the graph is made changes no mask that the graph hands past it; what was made so does."""
    sides = [chain_behind_a_mask(True), chain_behind_a_mask(not again)]
    sides[1].get_layer("handing").supports_masking = False
    report = tracer.diff(*sides, IDS)
    assert blamed(report) == ["handing"]
    proof = report.faults[0].proof
    assert proof is not None and proof.holds and proof.broken == pytest.approx(proof.output_error)
    assert (proof.output_error > 0.01) is again


def chain_behind_a_mask(supported: bool) -> Any:
    keras.utils.set_random_seed(0)
    i = keras.Input((6,), dtype="int32", name="ids")
    x = layers.Embedding(10, 4, name="emb", mask_zero=True, embeddings_initializer=UNIFORM(seed=1))(i)
    handing = HandingOn(name="handing")
    handing.supports_masking = supported
    x = layers.Dense(4, name="dense", kernel_initializer=UNIFORM(seed=2))(handing(x))
    x = layers.LSTM(3, name="lstm", kernel_initializer=UNIFORM(seed=3))(x)
    return keras.Model(i, x, name="m")


@keras.saving.register_keras_serializable("masks")
class Block(layers.Layer):
    """Calls three layers, as if it were trained where it says so, and puts that back where it says so."""

    def __init__(self, trains: bool = False, restores: bool = True, wraps: bool = False, **options: Any) -> None:
        super().__init__(**options)
        self.trains, self.restores = trains, restores
        first = Block(name="inner") if wraps else layers.Dense(4, name="d")
        self.parts = [first, layers.BatchNormalization(name="bn"), layers.Dense(4, name="e")]

    def call(self, x: Any) -> Any:
        context = self._get_call_context()
        before = context.training
        if self.trains:
            context.training = True
        for part in self.parts:
            x = part(x)
        if self.restores:
            context.training = before
        return x


@pytest.mark.parametrize("restores", [True, False])
@pytest.mark.parametrize("wraps", [True, False])
def test_code_that_sets_the_call_context_is_blamed_and_not_what_it_calls_first(restores: bool, wraps: bool) -> None:
    def made(trains: bool) -> Any:
        keras.utils.set_random_seed(0)
        i = keras.Input((4,))
        x = layers.BatchNormalization(name="behind")(Block(trains, restores, wraps, name="block")(i))
        return keras.Model(i, layers.Dense(2, name="out")(x))

    report = tracer.diff(made(False), made(True), np.random.RandomState(0).normal(size=(5, 4)).astype("float32"))
    assert [(fault.layer, fault.cause) for fault in report.faults] == [("block", "call-context")]
    assert report.faults[0].proof is not None and report.faults[0].proof.holds


class HandsOn(layers.Layer):
    """Hands its input's mask on, as an attribute says that can change once the graph is there."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.supports_masking = True

    def call(self, x: Any) -> Any:
        return x * 0.5


def handing_on() -> Any:
    keras.utils.set_random_seed(0)
    i = keras.Input((6,), dtype="int32", name="ids")
    x = layers.Embedding(10, 4, mask_zero=True, name="emb", embeddings_initializer=UNIFORM(seed=1))(i)
    x = layers.Dense(4, name="ff")(HandsOn(name="hands")(x))
    x = layers.LSTM(3, name="lstm")(
        layers.Bidirectional(layers.GRU(3, return_sequences=True, name="gru"), name="both")(x)
    )
    return keras.Model(i, layers.Dense(2, name="out")(x), name="m")


@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize("also", [False, True])
def test_a_mask_that_nobody_takes_from_the_layer_is_proved_as_the_graph_hands_it_on(side: int, also: bool) -> None:
    """The layer changed when the graph was there, which computes what it hands on in a node of its own."""
    sides = [handing_on() for _ in range(2)]
    sides[side].get_layer("hands").supports_masking = False
    if also:  # a second fault, which does move the output
        sides[1].get_layer("ff").kernel.assign(sides[1].get_layer("ff").kernel * 2.0)
    report = tracer.diff(*sides, IDS)
    assert blamed(report) == ["hands", *(["ff"] if also else [])]
    for fault in report.faults:
        assert fault.proof is not None and fault.proof.holds
        assert fault.proof.healed == 0.0
        assert fault.proof.broken == pytest.approx(fault.proof.output_error)
        assert (fault.proof.output_error > 0) == also


@pytest.mark.parametrize("side", [0, 1])
def test_a_layer_of_layers_that_is_called_again_leaves_the_masks_of_the_run_alone(side: int) -> None:
    """What is put into it for that reaches nobody: the graph hands on its own masks, as it does without a tracer."""

    def joined() -> Any:
        keras.utils.set_random_seed(0)
        i = keras.Input((6,), dtype="int32", name="ids")
        x = layers.Embedding(10, 4, mask_zero=True, name="emb", embeddings_initializer=UNIFORM(seed=1))(i)
        x = HandsOn(name="hands")(x)
        both = layers.Bidirectional(layers.GRU(4, return_sequences=True, name="gru"), merge_mode="ave", name="both")
        x = layers.GlobalAveragePooling1D(name="pool")(layers.Add(name="sum")([x, both(x)]))
        return keras.Model(i, layers.Dense(2, name="out")(x), name="m")

    sides = [joined() for _ in range(2)]
    sides[side].get_layer("hands").supports_masking = False
    assert np.array_equal(*(model.predict(IDS, verbose=0) for model in sides))
    report = tracer.diff(*sides, IDS)
    [fault] = report.faults
    assert (fault.layer, fault.masked) == ("hands", True)
    assert fault.proof is not None and fault.proof.holds and fault.proof.output_error == 0.0
    assert {layer.layer: str(layer.verdict) for layer in report.layers}["pool"] == "identical"


@pytest.mark.parametrize("wrong", ["bn", "d"])
def test_code_that_sets_the_call_context_is_told_of_beside_a_layer_that_is_wrong_by_itself(wrong: str) -> None:
    """Also where that layer is the one that is another in training: its own fault doesn't hide who calls it so."""

    def made(trains: bool) -> Any:
        keras.utils.set_random_seed(0)
        i = keras.Input((4,))
        return keras.Model(i, layers.Dense(2, name="out")(Block(trains, name="block")(i)))

    sides = [made(False), made(True)]
    (layer,) = (part for part in sides[1].get_layer("block").parts if part.name == wrong)
    layer.set_weights([weight * 1.5 + 0.1 for weight in layer.get_weights()])
    report = tracer.diff(*sides, np.random.RandomState(0).normal(size=(5, 4)).astype("float32"))
    found = {fault.layer: str(fault.cause) for fault in report.faults}
    assert found == {f"block/{wrong}": "weights", "block": "call-context"}
    assert all(fault.proof is not None and fault.proof.holds for fault in report.faults)
    assert not any("copy" in (fault.remedy or "") for fault in report.faults if fault.layer == "block")
