"""Layers that come back under another name are compared all the same, and nobody is blamed for the name."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

import tracer

layers = keras.layers
X = np.random.RandomState(0).normal(size=(4, 6)).astype("float32")


class Scale(layers.Layer):
    """Its variadic isn't called `kwargs`: Keras' automatic configuration drops the name."""

    def __init__(self, by: float = 2.0, **kw: Any) -> None:
        super().__init__(**kw)
        self.by = by

    def call(self, x: Any) -> Any:
        return x * self.by


class Block(layers.Layer):
    """Layers in a list, none of them in the graph of a model."""

    def __init__(self, names: tuple[str, ...], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.scales = [
            Scale(0.5 + number, name=name) if name else Scale(0.5 + number) for number, name in enumerate(names)
        ]

    def call(self, x: Any) -> Any:
        for scale in self.scales:
            x = scale(x)
        return x


def chain(*scales: Any) -> Any:
    keras.utils.set_random_seed(1)
    i = keras.Input((6,), name="x")
    x = layers.Dense(8, activation="tanh", name="body")(i)
    for scale in scales:
        x = scale(x)
    return keras.Model(i, layers.Dense(3, name="head")(x), name="m")


def test_a_lost_name_is_a_note_and_no_fault() -> None:
    model = chain(Scale(0.5, name="first"), Scale(2.0, name="second"))
    with keras.saving.custom_object_scope({"Scale": Scale}):
        report = tracer.roundtrip(model, X, same_process=True)
    assert (report.status, report.faults, report.hidden) == ("pass", (), ())
    assert dict(report.unmatched) == {"reference": (), "candidate": ()}
    assert [layer.layer for layer in report.layers] == ["body", "first", "second", "head"]
    assert any("`first` came back as `scale" in note and "`second`" in note for note in report.notes)


def test_a_fault_of_a_layer_that_lost_its_name_is_its_own() -> None:
    report = tracer.diff(chain(Scale(0.5, name="mine")), chain(Scale(2.0)), X)
    [fault] = report.faults
    assert (fault.layer, fault.cause, fault.class_name) == ("mine", "config", "Scale")
    assert fault.proof is not None and fault.proof.holds


def test_a_fault_elsewhere_is_the_only_one() -> None:
    candidate = chain(Scale(0.5))
    candidate.get_layer("head").set_weights([w * 1.01 + 0.01 for w in candidate.get_layer("head").get_weights()])
    report = tracer.diff(chain(Scale(0.5, name="mine")), candidate, X)
    assert [(fault.layer, fault.cause) for fault in report.faults] == [("head", "weights")]


def test_layers_that_code_holds_are_paired_by_the_attribute_that_holds_them() -> None:
    report = tracer.diff(chain(Block(("a", "b"), name="block")), chain(Block(("", ""), name="block")), X)
    assert report.status == "pass"
    assert [layer.layer for layer in report.layers] == ["body", "block/a", "block/b", "block", "head"]


@pytest.mark.parametrize("more", [True, False], ids=["more", "fewer"])
def test_a_layer_more_without_effect_is_told_and_does_not_fail(more: bool) -> None:
    pair = [chain(), chain(layers.Dropout(0.5, name="extra"))]
    report = tracer.diff(*(pair if more else pair[::-1]), X)
    assert (report.status, report.faults) == ("pass", ())
    assert [(fault.layer, fault.cause) for fault in report.hidden] == [("extra", "topology")]
    assert tracer.diff(*(pair if more else pair[::-1]), X, strict=True).status == "diverged"


def test_a_layer_more_with_effect_is_a_fault() -> None:
    report = tracer.diff(chain(), chain(Scale(1.5, name="extra")), X)
    assert [(fault.layer, fault.cause) for fault in report.faults] == [("extra", "topology")]
    assert report.status == "diverged"
    proof = report.faults[0].proof
    assert proof is not None and proof.holds and proof.output_error > 0.01


def both_ways(gain: float = 1.0, **named: str) -> Any:
    """Two Bidirectional layers, one behind the other, whose layers inside Keras has named after theirs."""
    keras.utils.set_random_seed(1)
    rows = [layers.LSTM(3, return_sequences=True, **named), layers.LSTM(3)]
    pair = [layers.Bidirectional(row, name=f"both{k}") for k, row in enumerate(rows)]
    model = keras.Sequential([keras.Input((4, 6), name="x"), *pair, layers.Dense(3, name="head")], name="m")
    model.get_layer("head").kernel.assign(model.get_layer("head").kernel * gain)
    return model


@pytest.mark.parametrize("named", [{}, {"name": "rows"}])
def test_layers_that_are_named_after_a_numbered_one_are_paired_as_that_is(named: dict[str, str]) -> None:
    """`forward_lstm_2` is a name that Keras gave: it was blamed beside the guilty one, as a layer of one side alone."""
    reference = both_ways(**named)
    x = np.random.RandomState(0).normal(size=(2, 4, 6)).astype("float32")
    assert [fault.layer for fault in tracer.diff(reference, both_ways(1.5, **named), x).faults] == ["head"]
    same = tracer.diff(reference, both_ways(**named), x)
    assert same.matches and not same.faults and not same.hidden
    inside = [layer.layer for layer in same.layers if "/" in layer.layer]
    first = "rows" if named else "lstm"
    assert len(inside) == 4 and inside[0].startswith(f"both0/forward_{first}")


def test_a_name_that_only_looks_as_if_keras_gave_it_is_nobody_elses() -> None:
    """`forward_lstm` outside of a Bidirectional is a name as any other."""

    def named(name: str) -> Any:
        keras.utils.set_random_seed(1)
        rows = [layers.LSTM(6, return_sequences=True, name=name), layers.LSTM(3, name="last")]
        return keras.Sequential([keras.Input((4, 6), name="x"), *rows], name="m")

    x = np.random.RandomState(0).normal(size=(2, 4, 6)).astype("float32")
    report = tracer.diff(named("forward_lstm"), named("forward_lstm_1"), x)
    assert {fault.layer for fault in (*report.faults, *report.hidden)} == {"forward_lstm", "forward_lstm_1"}
