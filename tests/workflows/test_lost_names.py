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
