"""Traps of calls: masks, contexts, layers inside layers, layers that raise."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from keras import layers, ops
from plant_models import around, fill, numbers
from plants import blamed, causes, copy_of, find, scaled, verdicts, words

import tracer

pytestmark = pytest.mark.quality


# --- masks


def _masked(**options: Any) -> Any:
    i = keras.Input((5,), dtype="int32", name="ids")
    x = layers.Embedding(9, 4, name="embedding", **options)(i)
    return fill(keras.Model(i, layers.Dense(2, name="head")(layers.LSTM(5, name="lstm")(x)), name="m"))


def test_a_lost_mask_of_equal_values_is_blamed_on_the_layer_that_lost_it() -> None:
    ids = np.array([[1, 2, 3, 0, 0], [4, 5, 0, 0, 0]], "int32")
    report = tracer.diff(_masked(mask_zero=True), _masked(mask_zero=False), ids)
    assert causes(report) == [("embedding", "config")]
    assert "mask" in words(report.faults[0])
    assert verdicts(report)["lstm"] == "inherited"


def test_another_masking_value_of_equal_values_is_blamed_on_the_masking() -> None:
    def build(value: float) -> Any:
        i = keras.Input((5, 3), name="x")
        x = layers.GRU(4, name="gru")(layers.Masking(value, name="masking")(i))
        return fill(keras.Model(i, layers.Dense(2, name="head")(x), name="m"))

    x = numbers(2, 5, 3)
    x[:, 3:] = 0.0
    assert causes(tracer.diff(build(0.0), build(-1.0), x)) == [("masking", "config")]


class Thing(layers.Layer):
    """Hands masks on, or doesn't, as an attribute that nothing saves says."""

    def __init__(self, hands_on: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = hands_on

    def call(self, x: Any) -> Any:
        return x * 2.0


def test_a_mask_that_a_layer_no_longer_hands_on_is_blamed_on_it() -> None:
    def build(hands_on: bool) -> Any:
        i = keras.Input((5,), dtype="int32", name="ids")
        x = Thing(hands_on, name="thing")(layers.Embedding(9, 4, mask_zero=True, name="embedding")(i))
        return fill(keras.Model(i, layers.LSTM(5, name="lstm")(x), name="m"))

    ids = np.array([[1, 2, 3, 0, 0], [4, 5, 0, 0, 0]], "int32")
    report = tracer.diff(build(True), build(False), ids)
    assert blamed(report) == ("thing",)
    assert "mask" in words(report.faults[0])


# --- call context


class Block(layers.Layer):
    """Calls its normalization in the context that an attribute says."""

    def __init__(self, leak: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.bn = layers.BatchNormalization(name="bn")
        self.dense = layers.Dense(6, activation="relu", name="dense")
        self._leak = leak

    def build(self, shape: Any) -> None:
        self.bn.build(shape)
        self.dense.build(shape)

    def call(self, x: Any) -> Any:
        return self.dense(self.bn(x, training=True) if self._leak else self.bn(x))


def test_a_block_that_calls_its_normalization_in_training_is_a_call_context_fault_of_the_block() -> None:
    report = tracer.diff(around(Block(name="block")), around(Block(True, name="block")), numbers(8, 6))
    assert causes(report) == [("block", "call-context")]
    assert "training" in words(report.faults[0])
    assert "block/bn" in words(report.faults[0])
    assert verdicts(report)["block/dense"] == "inherited"


def test_a_leak_of_training_is_blamed_on_the_layer_that_leaks_it_and_not_on_what_it_reaches() -> None:
    def build(leak: bool) -> Any:
        return around(Block(leak, name="block"), layers.Dropout(0.5, seed=1, name="dropout"))

    report = tracer.diff(build(False), build(True), numbers(8, 6))
    assert {cause for _, cause in causes(report)} == {"call-context"}
    assert "block" in blamed(report)
    assert "dropout" not in blamed(report)
    assert set(blamed(report)) <= {"block", "block/bn"}


class Caller(layers.Layer):
    """Calls attention with an argument that is no tensor."""

    def __init__(self, causal: bool, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._causal = causal
        self.mha = layers.MultiHeadAttention(2, 3, name="mha")

    def build(self, shape: Any) -> None:
        self.mha.build(shape, shape)

    def call(self, x: Any) -> Any:
        return self.mha(x, x, use_causal_mask=self._causal)


def test_another_argument_in_a_call_is_a_call_context_fault_of_the_caller() -> None:
    def build(causal: bool) -> Any:
        i = keras.Input((5, 6), name="x")
        return fill(keras.Model(i, Caller(causal, name="caller")(i), name="m"))

    report = tracer.diff(build(False), build(True), numbers(3, 5, 6))
    assert causes(report) == [("caller", "call-context")]
    assert "use_causal_mask" in words(report.faults[0])


# --- composite layers


class Composite(layers.Layer):
    """Has a weight of its own and layers inside, some in nested lists."""

    def __init__(self, factor: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.parts = [
            [layers.Dense(6, name="one")],
            [layers.Dense(6, name="two"), {"x": layers.Dense(6, name="three")}],
        ]
        self._factor = factor

    def build(self, shape: Any) -> None:
        self.own = self.add_weight(shape=(6,), name="own")
        for part in (self.parts[0][0], self.parts[1][0], self.parts[1][1]["x"]):
            part.build(shape)

    def call(self, x: Any) -> Any:
        y = self.parts[0][0](x) + self.own
        z = self.parts[1][0](y * self._factor)
        return self.parts[1][1]["x"](z) + y


def _composite_pair() -> tuple[Any, Any]:
    return around(Composite(name="box")), around(Composite(name="box"))


def test_a_composite_layer_is_blamed_for_a_weight_of_its_own_alone() -> None:
    reference, candidate = _composite_pair()
    candidate.get_layer("box").own.assign(reference.get_layer("box").own * 1.01)
    report = tracer.diff(reference, candidate, numbers(4, 6))
    assert causes(report) == [("box", "weights")]
    assert {verdicts(report)[f"box/{name}"] for name in ("two", "three")} == {"inherited"}


@pytest.mark.parametrize("name", ["one", "two", "three"])
def test_a_layer_in_nested_lists_is_blamed_and_not_the_box(name: str) -> None:
    reference, candidate = _composite_pair()
    layer = next(v for v in candidate._flatten_layers() if v.name == name)
    layer.set_weights([w * 1.0001 for w in layer.get_weights()])
    assert causes(tracer.diff(reference, candidate, numbers(4, 6))) == [(f"box/{name}", "weights")]


def test_a_box_and_a_layer_inside_are_both_blamed_for_what_each_does() -> None:
    reference, candidate = _composite_pair()
    candidate.get_layer("box")._factor = 1.01
    layer = next(v for v in candidate._flatten_layers() if v.name == "three")
    layer.set_weights([w * 1.0001 for w in layer.get_weights()])
    report = tracer.diff(reference, candidate, numbers(4, 6))
    assert sorted(blamed(report)) == ["box", "box/three"]


class Lifted(layers.Layer):
    """Hands a layer inside something so large that what comes out is always the same."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.gate = layers.Activation("relu6", name="gate")
        self.lift = 1.0

    def call(self, x: Any) -> Any:
        return self.gate(x * self.lift + 100.0) + x


def test_a_box_that_hands_a_saturated_layer_inside_other_tensors_is_a_masked_fault() -> None:
    reference, candidate = around(Lifted(name="box")), around(Lifted(name="box"))
    candidate.get_layer("box").lift = 1.5
    report = tracer.diff(reference, candidate, numbers(4, 6))
    assert blamed(report) == ("box",)
    assert report.faults[0].masked
    assert verdicts(report)["behind"] == "identical"


class Doubled(keras.Model):
    """A graph, and code of its own around it."""

    factor = 2.0

    def call(self, x: Any, training: bool | None = None) -> Any:
        return super().call(x, training=training) * self.factor


def test_other_code_in_a_subclass_of_a_graph_is_an_implementation_fault_of_the_model_itself() -> None:
    class Tripled(Doubled):
        factor = 3.0

    Tripled.__name__ = "Doubled"

    def build(kind: Any) -> Any:
        i = keras.Input((6,))
        return fill(kind(i, layers.Dense(2, name="b")(layers.Dense(6, name="a")(i)), name="model"))

    report = tracer.diff(build(Doubled), build(Tripled), numbers(4, 6))
    assert causes(report) == [("model", "implementation")]
    assert (verdicts(report)["a"], verdicts(report)["b"]) == ("identical", "identical")


def test_a_layer_in_a_subclass_of_a_graph_is_blamed_and_not_the_model() -> None:
    def build() -> Any:
        i = keras.Input((6,))
        return fill(Doubled(i, layers.Dense(2, name="b")(layers.Dense(6, name="a")(i)), name="model"))

    reference, candidate = build(), build()
    with scaled("b")(candidate):
        assert causes(tracer.diff(reference, candidate, numbers(4, 6))) == [("b", "weights")]


# --- layers that raise


def test_a_layer_that_raises_because_of_another_shape_upstream_is_not_blamed() -> None:
    def build() -> Any:
        i = keras.Input((8, 8, 3), name="image")
        x = layers.Conv2D(4, 3, padding="same", name="conv")(i)
        y = layers.Conv2D(4, 1, name="side")(i)
        x = layers.Flatten(name="flat")(layers.Add(name="add")([x, y]))
        return fill(keras.Model(i, layers.Dense(2, name="head")(x), name="m"))

    reference, candidate = build(), build()
    candidate.get_layer("conv").strides = (3, 3)
    report = tracer.diff(reference, candidate, numbers(2, 8, 8, 3))
    assert causes(report) == [("conv", "config")]
    assert report.first_divergence == "conv"
    assert verdicts(report)["head"] in ("identical", "inherited")
    assert not report.matches


class Picky(layers.Layer):
    """Raises when told to."""

    fails = False

    def call(self, x: Any) -> Any:
        if self.fails:
            raise ValueError("I don't feel like it")
        return x


def test_a_candidate_layer_that_raises_by_itself_is_blamed() -> None:
    reference, candidate = around(Picky(name="picky")), around(Picky(name="picky"))
    candidate.get_layer("picky").fails = True
    report = tracer.diff(reference, candidate, numbers(4, 6))
    assert blamed(report) == ("picky",)
    assert "I don't feel like it" in words(report.faults[0])
    assert sorted(verdicts(report)) == ["before", "behind", "picky"]


def test_values_that_are_not_numbers_are_blamed_where_they_arise() -> None:
    reference, candidate = around(layers.Dense(6, name="middle")), around(layers.Dense(6, name="middle"))
    find(candidate, "middle").bias.assign([np.nan, 0, 0, 0, 0, 0])
    report = tracer.diff(reference, candidate, numbers(4, 6))
    assert causes(report) == [("middle", "weights")]
    assert next(layer for layer in report.layers if layer.layer == "middle").nonfinite_candidate == 4


def test_values_that_are_not_numbers_on_both_sides_are_equal() -> None:
    reference = around(layers.Dense(6, name="middle"))
    find(reference, "middle").bias.assign([np.nan, np.inf, 0, 0, 0, 0])
    report = tracer.diff(reference, copy_of(reference), numbers(4, 6))
    assert {str(layer.verdict) for layer in report.layers} == {"identical"}
    # Nobody is blamed; but of what comes behind a NaN nothing was compared, and that is no pass.
    assert (report.status, report.faults) == ("inconclusive", ())


def test_functions_in_the_graph_are_compared_as_layers_are() -> None:
    def build(power: float) -> Any:
        i = keras.Input((6,), name="x")
        x = layers.Dense(6, name="a")(i)
        return fill(keras.Model(i, ops.power(ops.abs(x[:, 1:]) + 1.0, power), name="m"))

    report = tracer.diff(build(2.0), build(2.1), numbers(4, 6))
    assert [fault.class_name for fault in report.faults] == ["Power"]
    assert tracer.diff(build(2.0), build(2.0), numbers(4, 6)).status == "pass"
