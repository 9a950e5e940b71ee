"""Traps of structure: names, order of calls, wiring, and layers that only one side has."""

from __future__ import annotations

from typing import Any

import keras
import pytest
from keras import layers
from plant_models import MODELS, fill, numbers
from plants import blamed, causes, copy_of, scaled, verdicts, words

import tracer

pytestmark = pytest.mark.quality


def like(candidate: Any, reference: Any) -> Any:
    """The candidate with the weights of the reference's layers of the same names."""
    theirs = {layer.name: layer for layer in reference.layers}
    for layer in candidate.layers:
        if layer.name in theirs and [w.shape for w in layer.weights] == [w.shape for w in theirs[layer.name].weights]:
            layer.set_weights(theirs[layer.name].get_weights())
    return candidate


# --- shared layers and wiring


def _twins(first: int, swapped: bool = False) -> Any:
    """One layer called on two inputs; which call was written first is only a matter of style, what is wired isn't."""
    inputs = [keras.Input((6,), name="a"), keras.Input((6,), name="b")]
    twin = layers.Dense(6, activation="tanh", name="twin")
    called = {index: twin(inputs[index]) for index in (first, 1 - first)}
    pair = [called[1], called[0]] if swapped else [called[0], called[1]]
    y = layers.Dense(2, name="head")(layers.Concatenate(name="concat")(pair))
    return fill(keras.Model(inputs, y, name="twins"))


def test_a_shared_layer_called_in_another_order_in_code_is_the_same_model() -> None:
    report = tracer.diff(_twins(0), _twins(1), [numbers(4, 6), numbers(4, 6, seed=2)])
    assert (report.status, report.faults) == ("pass", ())


def test_a_shared_layer_wired_otherwise_is_a_topology_fault() -> None:
    report = tracer.diff(_twins(0), _twins(0, swapped=True), [numbers(4, 6), numbers(4, 6, seed=2)])
    assert report.status == "diverged"
    assert report.faults
    assert {str(fault.cause) for fault in report.faults} == {"topology"}
    assert set(blamed(report)) <= {"twin", "twin#1", "concat"}


def test_operands_in_another_order_are_a_topology_fault_of_that_operation() -> None:
    def build(order: int) -> Any:
        i = keras.Input((6,), name="x")
        pair = [layers.Dense(6, name="one")(i), layers.Dense(6, name="other")(i)]
        return fill(keras.Model(i, layers.Subtract(name="minus")(pair[::order]), name="m"))

    reference = build(1)
    report = tracer.diff(reference, like(build(-1), reference), numbers(4, 6))
    assert causes(report) == [("minus", "topology")]
    assert "one, other" in words(report.faults[0])
    assert "other, one" in words(report.faults[0])


def test_a_fault_in_a_layer_that_the_other_side_runs_at_another_time_has_its_cause_named() -> None:
    def build(order: int) -> Any:
        i = keras.Input((6,), name="x")
        pair = [layers.Dense(6, name="one")(i), layers.Dense(6, name="other")(i)]
        return fill(keras.Model(i, layers.Subtract(name="minus")(pair[::order]), name="m"))

    reference = build(1)
    candidate = like(build(-1), reference)
    candidate.get_layer("one").set_weights([w * 1.01 for w in candidate.get_layer("one").get_weights()])
    report = tracer.diff(reference, candidate, numbers(4, 6))
    assert sorted(causes(report)) == [("minus", "topology"), ("one", "weights")]


def test_a_skip_connection_taken_from_elsewhere_is_a_topology_fault() -> None:
    def build(early: bool) -> Any:
        i = keras.Input((6,), name="x")
        one = layers.Dense(6, activation="relu", name="one")(i)
        two = layers.Dense(6, activation="relu", name="two")(one)
        three = layers.Dense(6, name="three")(two)
        y = layers.Add(name="skip")([three, one if early else two])
        return fill(keras.Model(i, layers.Dense(2, name="head")(y), name="m"))

    report = tracer.diff(build(True), build(False), numbers(4, 6))
    assert causes(report) == [("skip", "topology")]
    assert verdicts(report)["head"] == "inherited"


def _two_outputs(order: int) -> Any:
    i = keras.Input((6,), name="x")
    pair = [layers.Dense(3, name="one")(i), layers.Dense(3, name="other")(i)]
    return fill(keras.Model(i, pair[::order], name="m"))


def test_outputs_in_another_order_are_a_topology_fault_and_every_layer_is_right() -> None:
    reference, x = _two_outputs(1), numbers(4, 6)
    report = tracer.diff(reference, like(_two_outputs(-1), reference), x)
    assert report.status == "diverged"
    assert [cause for _, cause in causes(report)] == ["topology"]
    assert set(verdicts(report).values()) == {"identical"}


def _dict_outputs(names: tuple[str, str], first: str = "a") -> Any:
    i = keras.Input((6,), name="x")
    made = {key: layers.Dense(3, name=name) for key, name in zip("ab", names, strict=True)}
    keys = [first, "b" if first == "a" else "a"]
    return fill(keras.Model(i, {key: made[key](i) for key in keys}, name="m"))


def test_dictionary_outputs_in_another_order_are_the_same_model() -> None:
    reference = _dict_outputs(("one", "other"))
    report = tracer.diff(reference, like(_dict_outputs(("one", "other"), "b"), reference), numbers(4, 6))
    assert (report.status, report.faults) == ("pass", ())


def test_dictionary_outputs_under_each_other_s_keys_are_a_topology_fault() -> None:
    reference = _dict_outputs(("one", "other"))
    report = tracer.diff(reference, like(_dict_outputs(("other", "one")), reference), numbers(4, 6))
    assert report.status == "diverged"
    assert [cause for _, cause in causes(report)] == ["topology"]


def test_one_output_more_is_not_a_pass() -> None:
    def build(count: int) -> Any:
        i = keras.Input((6,), name="x")
        x = layers.Dense(3, name="one")(i)
        return fill(keras.Model(i, [x, layers.Dense(3, name="other")(x)][-count:], name="m"))

    report = tracer.diff(build(1), build(2), numbers(4, 6))
    assert not report.matches
    assert "topology" in {cause for _, cause in causes(report)}


# --- names


def _unnamed() -> Any:
    i = keras.Input((6,))
    x = layers.Dense(6, activation="tanh")(i)
    x = layers.LayerNormalization()(x)
    inner = keras.Sequential([keras.Input((6,)), layers.Dense(6), layers.ReLU(), layers.Dense(6)])
    y = layers.Dense(2)(layers.Dropout(0.2)(inner(x) + layers.Dense(6)(x)))
    return fill(keras.Model(i, y))


def test_auto_numbered_names_that_shifted_are_paired_by_rule() -> None:
    reference, candidate = _unnamed(), _unnamed()
    assert [layer.name for layer in reference.layers] != [layer.name for layer in candidate.layers]
    report = tracer.diff(reference, candidate, numbers(4, 6))
    assert (report.status, report.coverage, dict(report.unmatched)) == ("pass", 1.0, {"reference": (), "candidate": ()})


def test_a_fault_among_shifted_names_is_named_as_the_reference_names_it() -> None:
    reference, candidate = _unnamed(), _unnamed()
    box = next(layer for layer in candidate.layers if isinstance(layer, keras.Sequential))
    ours = next(layer for layer in reference.layers if isinstance(layer, keras.Sequential))
    box.layers[2].set_weights([w * 1.0001 for w in box.layers[2].get_weights()])
    report = tracer.diff(reference, candidate, numbers(4, 6))
    assert causes(report) == [(f"{ours.name}/{ours.layers[2].name}", "weights")]


@pytest.mark.parametrize("path", ["conv", "middle/conv", "middle/core/conv"])
def test_equal_names_at_every_level_are_told_apart(path: str) -> None:
    model, inputs = MODELS["nested"]()
    candidate = copy_of(model)
    with scaled(path)(candidate):
        assert blamed(tracer.diff(model, candidate, inputs)) == (path,)


def _chain(*names: str, width: int = 6) -> Any:
    i = x = keras.Input((width,), name="x")
    for name in names:
        x = layers.Dense(width, activation="tanh", name=name)(x)
    return fill(keras.Model(i, x, name="chain"))


def test_a_renamed_layer_is_reported_and_not_paired_by_guessing() -> None:
    reference, candidate = _chain("a", "b", "c"), _chain("a", "renamed", "c")
    report = tracer.diff(reference, candidate, numbers(4, 6))
    assert dict(report.unmatched) == {"reference": ("b",), "candidate": ("renamed",)}
    assert verdicts(report) == {"a": "identical", "c": "identical"}
    assert report.coverage < 1.0
    assert {cause for _, cause in causes(report)} <= {"topology"}


def test_a_renamed_layer_that_is_also_wrong_is_a_topology_fault() -> None:
    reference, candidate = _chain("a", "b", "c"), _chain("a", "renamed", "c")
    candidate.get_layer("renamed").set_weights([w * 1.01 for w in candidate.get_layer("renamed").get_weights()])
    report = tracer.diff(reference, candidate, numbers(4, 6))
    assert set(blamed(report)) == {"b", "renamed"}
    assert {cause for _, cause in causes(report)} == {"topology"}
    assert verdicts(report)["c"] == "inherited"


# --- layers that only one side has


@pytest.mark.parametrize("names", [("extra", "a", "b", "c"), ("a", "extra", "b", "c"), ("a", "b", "c", "extra")])
@pytest.mark.parametrize("more", [True, False], ids=["more", "fewer"])
def test_a_layer_more_or_fewer_is_a_topology_fault_and_the_rest_is_compared(names: tuple[str, ...], more: bool) -> None:
    long = _chain(*names)
    short = like(_chain("a", "b", "c"), long)
    reference, candidate = (short, long) if more else (long, short)
    report = tracer.diff(reference, candidate, numbers(4, 6))
    lone = {"reference": (), "candidate": ("extra",)} if more else {"reference": ("extra",), "candidate": ()}
    assert dict(report.unmatched) == lone
    assert causes(report) == [("extra", "topology")]
    assert sorted(verdicts(report)) == ["a", "b", "c"]
    assert "introduced" not in verdicts(report).values()
    assert report.status == "diverged"


def test_a_fault_beside_an_extra_layer_is_found_too() -> None:
    reference = _chain("a", "b", "c")
    candidate = like(_chain("a", "extra", "b", "c"), reference)
    candidate.get_layer("c").set_weights([w * 1.001 for w in candidate.get_layer("c").get_weights()])
    report = tracer.diff(reference, candidate, numbers(4, 6))
    assert sorted(causes(report)) == [("c", "weights"), ("extra", "topology")]


def test_a_layer_more_inside_a_nested_model_is_named_by_its_path() -> None:
    def build(*inner: str) -> Any:
        i = keras.Input((6,), name="x")
        return fill(keras.Model(i, layers.Dense(2, name="head")(_chain(*inner)(i)), name="outer"))

    reference = build("a", "b")
    candidate = build("a", "extra", "b")
    for name in ("a", "b"):
        candidate.get_layer("chain").get_layer(name).set_weights(
            reference.get_layer("chain").get_layer(name).get_weights()
        )
    candidate.get_layer("head").set_weights(reference.get_layer("head").get_weights())
    report = tracer.diff(reference, candidate, numbers(4, 6))
    assert causes(report) == [("chain/extra", "topology")]
    assert sorted(verdicts(report)) == ["chain/a", "chain/b", "head"]


def test_a_layer_more_that_changes_nothing_is_listed() -> None:
    def build(*, dropout: bool) -> Any:
        i = x = keras.Input((6,), name="x")
        x = layers.Dense(6, name="a")(x)
        x = layers.Dropout(0.5, name="extra")(x) if dropout else x
        return fill(keras.Model(i, layers.Dense(2, name="b")(x), name="m"))

    report = tracer.diff(build(dropout=False), build(dropout=True), numbers(4, 6))
    assert dict(report.unmatched) == {"reference": (), "candidate": ("extra",)}
    assert verdicts(report) == {"a": "identical", "b": "identical"}
    assert report.coverage < 1.0


def test_another_class_of_the_same_name_is_a_topology_fault() -> None:
    def build(middle: Any) -> Any:
        i = keras.Input((6,), name="x")
        x = layers.Dense(6, name="a")(i)
        return fill(keras.Model(i, layers.Dense(2, name="b")(middle(x)), name="m"))

    reference = build(layers.LayerNormalization(name="norm"))
    candidate = like(build(layers.UnitNormalization(name="norm")), reference)
    report = tracer.diff(reference, candidate, numbers(4, 6))
    assert causes(report) == [("norm", "topology")]
    assert "LayerNormalization" in words(report.faults[0])
    assert "UnitNormalization" in words(report.faults[0])


def test_a_model_called_twice_is_blamed_at_both_calls() -> None:
    def build() -> Any:
        i, j = keras.Input((6,), name="a"), keras.Input((6,), name="b")
        inner = _chain("one", "two")
        return fill(keras.Model([i, j], layers.Add(name="sum")([inner(i), inner(j)]), name="m"))

    reference, candidate = build(), build()
    layer = candidate.get_layer("chain").get_layer("two")
    layer.set_weights([w * 1.001 for w in layer.get_weights()])
    report = tracer.diff(reference, candidate, [numbers(3, 6), numbers(3, 6, seed=2)])
    assert causes(report) == [("chain/two", "weights"), ("chain#1/two", "weights")]


def test_models_without_a_layer_in_common_are_trouble_and_never_a_pass() -> None:
    with pytest.raises(tracer.TracerError, match="nothing was compared"):
        tracer.diff(_chain("a", "b"), _chain("c", "d"), numbers(4, 6))


def test_a_report_of_nothing_does_not_match() -> None:
    report = tracer.Report(status="pass", compared=0, coverage=0.0, first_divergence=None, faults=(), layers=())
    assert report.matches is False
    with pytest.raises(tracer.DivergenceError):
        report.raise_for_divergence()
