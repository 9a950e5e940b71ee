"""Is the layer blamed in which a fault was planted, and no other one?"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers
from plant_models import MODELS, fill, numbers
from plant_runs import outcomes
from plants import Planting, blamed, copy_of, find, recoded_instance, reconfigured, scaled, table, weighted

import tracer
from tracer.engine.model.seeded import seed_weights

pytestmark = pytest.mark.quality


def plants(test: Any) -> Any:
    """Minutes; in one process with everybody else who asks for the same outcomes."""
    return pytest.mark.slow(pytest.mark.xdist_group("plants")(test))


@plants
@pytest.mark.parametrize("name", MODELS)
def test_exactly_the_planted_layer_is_blamed(name: str) -> None:
    wrong = [str(outcome) for outcome in outcomes(name) if not outcome.layer]
    assert not wrong, "\n".join(wrong)


@plants
@pytest.mark.parametrize("name", MODELS)
def test_the_blame_of_every_plant_is_proved(name: str) -> None:
    """Where the other side's outputs can be put in at all: a model with another shape inside doesn't run with them."""
    proofs = [(str(outcome), fault.proof) for outcome in outcomes(name) for fault in outcome.report.faults]
    assert proofs
    wrong = [(text, proof) for text, proof in proofs if proof is not None and not proof.holds]
    assert not wrong
    assert sum(proof is None for _, proof in proofs) <= 1


@plants
@pytest.mark.parametrize("name", MODELS)
def test_nothing_but_the_planted_layer_and_what_is_behind_it_differs(name: str) -> None:
    for outcome in outcomes(name):
        for layer in outcome.report.layers:
            path = layer.layer.split(":")[0]
            # Of a wrapper that runs its layer unseen, the wrapper's call site is the one that was compared.
            at_fault = path in outcome.plant.layers or f"{path}/step" in outcome.plant.layers
            assert at_fault or layer.verdict in ("identical", "close", "inherited"), (str(outcome), layer)


@plants
def test_all_of_at_least_150_planted_layers_are_found() -> None:
    rows = {name: [(outcome.layer, outcome.cause) for outcome in outcomes(name)] for name in MODELS}
    print(f"\n{table(rows)}")
    pairs = [pair for row in rows.values() for pair in row]
    assert len(pairs) >= 150
    assert all(layer for layer, _ in pairs)


# --- several faults at once

# Layer paths; of those with a mark behind them the code is replaced, of the others the weights are too large.
_TOGETHER: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("branches", ("left_in", "right_norm")),
    ("branches", ("left_out", "right_out!", "third_out")),
    ("branches", ("stem", "left_out", "head")),
    ("convnet", ("stem_bn", "project")),
    ("convnet", ("stem!", "residual!", "logits")),
    ("nested", ("conv", "middle/conv", "middle/core/conv")),
    ("nested", ("middle/core/bn", "middle/out")),
    ("encoder", ("encoder/mha/query", "encoder/mha/key")),
    ("encoder", ("encoder/norm_first", "encoder/project", "encoder_b/mha/attention_output")),
    ("recurrent", ("bi/forward_lstm", "bi/backward_lstm")),
    ("recurrent", ("embedding", "gru", "head")),
    ("subclassed", ("first", "block_1", "head!")),
    ("several", ("conv", "embedding", "kind")),
    ("sequential", ("front/conv", "back/bn!", "back/last")),
    ("mixed", ("conv", "dense")),
)


def _together(name: str, marked: str) -> Planting:
    path = marked.removesuffix("!")
    return recoded_instance(path) if path != marked else scaled(path, 1.1 if name == "mixed" else 1 + 1e-4)


@pytest.mark.parametrize(("name", "faults"), _TOGETHER, ids=lambda v: v if isinstance(v, str) else "+".join(v))
def test_independent_faults_are_all_found_and_nothing_else(name: str, faults: Sequence[str]) -> None:
    model, inputs = MODELS[name]()
    candidate = copy_of(model)
    with ExitStack() as stack:
        for marked in faults:
            stack.enter_context(_together(name, marked)(candidate))
        report = tracer.diff(model, candidate, inputs)
    assert sorted(blamed(report)) == sorted(marked.removesuffix("!") for marked in faults)
    assert all(fault.proof is not None and fault.proof.holds for fault in report.faults)


def test_faults_are_reported_in_execution_order() -> None:
    model, inputs = MODELS["branches"]()
    candidate = copy_of(model)
    with scaled("head")(candidate), scaled("stem")(candidate), scaled("right_out")(candidate):
        report = tracer.diff(model, candidate, inputs)
    assert blamed(report) == ("stem", "right_out", "head")
    assert report.first_divergence == "stem"


def test_a_configuration_fault_behind_a_weight_fault_is_found() -> None:
    model, inputs = MODELS["convnet"]()
    candidate = copy_of(model)
    with scaled("depthwise")(candidate), reconfigured("leaky", negative_slope=0.4)(candidate) as planted:
        report = tracer.diff(model, planted, inputs)
    assert [(f.layer, str(f.cause)) for f in report.faults] == [("depthwise", "weights"), ("leaky", "config")]


# --- behind a saturated activation


def _saturated(with_side: bool = False) -> Any:
    """A gate that is wide open whatever comes in, and with it a side branch that isn't."""
    i = keras.Input((8,), name="x")
    x = layers.Dense(8, activation="tanh", name="before")(i)
    x = layers.Dense(8, name="logits")(x)
    gate = layers.Activation("relu6", name="gate")(x)
    y = layers.Dense(4, name="head")(gate)
    if with_side:
        y = layers.Add(name="sum")([y, layers.Dense(4, name="side")(i)])
    model = fill(keras.Model(i, y, name="saturated"))
    find(model, "logits").bias.assign(np.full(8, 50.0, "float32"))
    return model


@pytest.mark.parametrize("path", ["before", "logits"])
def test_a_fault_that_saturation_hides_is_masked(path: str) -> None:
    model, inputs = _saturated(), numbers(5, 8)
    candidate = copy_of(model)
    with scaled(path, 1.01)(candidate):
        report = tracer.diff(model, candidate, inputs)
    verdicts = {layer.layer: layer.verdict for layer in report.layers}
    assert blamed(report) == (path,)
    assert report.faults[0].masked
    assert verdicts[path] == "masked"
    assert verdicts["head"] == "identical"
    assert report.status == "diverged"


def test_a_masked_fault_and_an_open_one_are_told_apart() -> None:
    model, inputs = _saturated(with_side=True), numbers(5, 8)
    candidate = copy_of(model)
    with scaled("before", 1.01)(candidate), scaled("side")(candidate):
        report = tracer.diff(model, candidate, inputs)
    verdicts = {layer.layer: layer.verdict for layer in report.layers}
    assert {fault.layer: fault.masked for fault in report.faults} == {"before": True, "side": False}
    assert (verdicts["before"], verdicts["side"], verdicts["sum"]) == ("masked", "introduced", "inherited")


def test_two_faults_in_front_of_saturation_and_one_behind_it_are_all_found() -> None:
    model, inputs = _saturated(), numbers(5, 8)
    candidate = copy_of(model)
    with scaled("before", 1.01)(candidate), scaled("logits", 1.01)(candidate), scaled("head")(candidate):
        report = tracer.diff(model, candidate, inputs)
    assert {fault.layer: fault.masked for fault in report.faults} == {"before": True, "logits": True, "head": False}


def test_a_masked_fault_is_told_apart_among_many() -> None:
    i = x = keras.Input((8,), name="x")
    for number in range(9):
        x = layers.Dense(8, activation="tanh", name=f"d{number}")(x)
    gate = layers.Activation("relu6", name="gate")(layers.Dense(8, name="hidden")(i))
    model = fill(keras.Model(i, layers.Add(name="sum")([x, gate]), name="many"))
    model.get_layer("hidden").bias.assign(np.full(8, 99.0, "float32"))
    candidate = copy_of(model)
    for path in weighted(candidate):
        find(candidate, path).set_weights([w * 1.01 for w in find(candidate, path).get_weights()])
    report = tracer.diff(model, candidate, numbers(4, 8))
    assert len(report.faults) == 10
    assert [fault.layer for fault in report.faults if fault.masked] == ["hidden"]


# --- a real model


@functools.cache
def _efficientnet() -> tuple[Any, Any, Any]:
    model = seed_weights(keras.applications.EfficientNetB0(weights=None, input_shape=(64, 64, 3)))
    inputs = np.random.RandomState(0).uniform(0, 255, (1, 64, 64, 3)).astype("float32")
    return (
        model,
        seed_weights(keras.applications.EfficientNetB0(weights=None, input_shape=(64, 64, 3), name=model.name)),
        inputs,
    )


def _efficientnet_layers() -> list[str]:
    """All but `Normalization`, which computes with attributes and not with its weights."""
    return [path for path in weighted(_efficientnet()[0]) if not path.startswith("normalization")]


def _blamed_in_efficientnet(path: str) -> tuple[str, ...]:
    """Every layer that has weights also has a name of its own, on both sides."""
    model, candidate, inputs = _efficientnet()
    with scaled(path)(candidate):
        report = tracer.diff(model, candidate, inputs, prove=False)
    assert all(fault.cause == "weights" for fault in report.faults)
    return blamed(report)


def test_an_untouched_efficientnet_passes() -> None:
    model, candidate, inputs = _efficientnet()
    report = tracer.diff(model, candidate, inputs)
    assert (report.status, report.faults, report.compared > 230) == ("pass", (), True)


@pytest.mark.slow
def test_one_ten_thousandth_in_a_sample_of_efficientnet_layers_is_blamed_on_each() -> None:
    paths = _efficientnet_layers()
    sample = [paths[round(i * (len(paths) - 1) / 11)] for i in range(12)]
    assert [_blamed_in_efficientnet(path) for path in sample] == [(path,) for path in sample]


@pytest.mark.nightly
@pytest.mark.slow
def test_one_ten_thousandth_in_any_efficientnet_layer_is_blamed_on_it() -> None:
    paths = _efficientnet_layers()
    assert len(paths) > 120
    assert {path: _blamed_in_efficientnet(path) for path in paths} == {path: (path,) for path in paths}


def test_normalization_that_lost_its_mean_is_blamed_in_efficientnet() -> None:
    model, candidate, inputs = _efficientnet()
    ours, norm = (next(at for at in m.layers if isinstance(at, layers.Normalization)) for m in (model, candidate))
    kept = norm.mean
    norm.mean = keras.ops.zeros_like(kept)
    try:
        report = tracer.diff(model, candidate, inputs)
    finally:
        norm.mean = kept
    assert [(f.layer, str(f.cause), str(f.side)) for f in report.faults] == [(ours.name, "unsaved-state", "candidate")]
