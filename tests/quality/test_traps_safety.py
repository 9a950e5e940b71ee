"""The tracer looks and touches nothing: values, code and threads are afterwards what they were before."""

from __future__ import annotations

import threading
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers
from plant_models import MODELS, fill, numbers
from plants import blamed, copy_of, scaled

import tracer

pytestmark = pytest.mark.quality


def _stateful() -> Any:
    """Everything that a call may change: statistics, states, seeds."""
    i = keras.Input(batch_shape=(4, 5, 6), name="x")
    x = layers.GRU(6, stateful=True, return_sequences=True, name="gru")(i)
    x = layers.Dropout(0.3, name="dropout")(layers.BatchNormalization(name="bn")(x))
    x = layers.SpectralNormalization(layers.Dense(6, name="dense"), name="spectral")(x)
    return fill(keras.Model(i, layers.Dense(2, name="head")(x), name="m"))


def _values(model: Any) -> dict[str, bytes]:
    found = {f"{i} {v.path}": np.asarray(v.value).tobytes() for i, v in enumerate(model.variables)}
    found["gru states"] = b"".join(np.asarray(s.value).tobytes() for s in model.get_layer("gru").states)
    return found


@pytest.mark.parametrize("fault", [False, True], ids=["equal", "faulty"])
@pytest.mark.parametrize("training", [False, True], ids=["inference", "training"])
def test_no_variable_is_changed(training: bool, fault: bool) -> None:
    reference, candidate = _stateful(), _stateful()
    if fault:
        candidate.get_layer("bn").gamma.assign(candidate.get_layer("bn").gamma * 1.1)
    before = _values(reference), _values(candidate)
    report = tracer.diff(reference, candidate, numbers(4, 5, 6), training=training)
    for was, model in zip(before, (reference, candidate), strict=True):
        assert len(was) > 12
        assert [name for name, value in _values(model).items() if value != was[name]] == []
    assert blamed(report) == (("bn",) if fault else ())


def test_a_call_before_makes_no_difference_and_a_trace_can_be_repeated() -> None:
    reference, candidate = _stateful(), _stateful()
    first = tracer.diff(reference, candidate, numbers(4, 5, 6), training=True)
    second = tracer.diff(reference, candidate, numbers(4, 5, 6), training=True)
    assert (first.status, second.status) == ("pass", "pass")
    assert first.layers == second.layers


def test_states_that_differ_before_the_call_are_blamed_on_the_recurrent_layer() -> None:
    reference, candidate = _stateful(), _stateful()
    reference(numbers(4, 5, 6))
    report = tracer.diff(reference, candidate, numbers(4, 5, 6))
    assert [(fault.layer, str(fault.cause)) for fault in report.faults] == [("gru", "unsaved-state")]


def _originals() -> tuple[Any, ...]:
    return (
        keras.layers.Layer.__call__,
        keras.Operation.__call__ if hasattr(keras, "Operation") else None,
        keras.src.ops.operation.Operation.__call__,
        keras.src.ops.function.Function._run_through_graph,
    )


class Bomb(layers.Layer):
    """Fails in the reference, which is no comparison's business to survive."""

    armed = False

    def call(self, x: Any) -> Any:
        if self.armed:
            raise RuntimeError("boom")
        return x


def _bomb() -> Any:
    i = keras.Input((6,), name="x")
    x = Bomb(name="bomb")(layers.Dense(6, name="a")(i))
    return fill(keras.Model(i, layers.Dense(2, name="b")(x), name="m"))


def test_keras_is_as_before_after_a_trace() -> None:
    before = _originals()
    model, x = MODELS["encoder"]()
    candidate = copy_of(model)
    with scaled("encoder/project")(candidate):
        tracer.diff(model, candidate, x)
    assert _originals() == before


def test_keras_is_as_before_after_a_model_has_failed() -> None:
    before, threads = _originals(), threading.active_count()
    reference, candidate = _bomb(), _bomb()
    values = [np.asarray(v.value).tobytes() for v in reference.variables]
    reference.get_layer("bomb").armed = candidate.get_layer("bomb").armed = True
    with pytest.raises(tracer.TracerError, match="boom"):
        tracer.diff(reference, candidate, numbers(4, 6))
    assert _originals() == before
    assert threading.active_count() == threads
    assert [np.asarray(v.value).tobytes() for v in reference.variables] == values
    reference.get_layer("bomb").armed = candidate.get_layer("bomb").armed = False
    assert tracer.diff(reference, candidate, numbers(4, 6)).status == "pass"


def test_a_progress_callback_that_fails_leaves_nothing_behind() -> None:
    before, threads = _originals(), threading.active_count()

    def interrupt(phase: str, done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tracer.diff(_bomb(), _bomb(), numbers(4, 6), progress=interrupt)
    assert _originals() == before
    assert threading.active_count() == threads


def test_two_comparisons_in_two_threads_do_not_see_each_other() -> None:
    pairs = []
    for name, path in (("mlp", "second"), ("encoder", "encoder/mha/key")):
        model, x = MODELS[name]()
        pairs.append((model, copy_of(model), x, path))
    found: dict[str, list[tuple[str, ...]]] = {}
    barrier = threading.Barrier(2)

    def work(model: Any, candidate: Any, x: Any, path: str) -> None:
        barrier.wait()
        with scaled(path)(candidate):
            found[path] = [blamed(tracer.diff(model, candidate, x)) for _ in range(4)]

    workers = [threading.Thread(target=work, args=pair) for pair in pairs]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert found == {path: [(path,)] * 4 for *_, path in pairs}


def test_other_threads_may_use_the_models_classes_meanwhile() -> None:
    """Calls in a thread that traces nothing pass straight through."""
    model, x = MODELS["mlp"]()
    candidate, stop, results = copy_of(model), threading.Event(), []

    def predict() -> None:
        other, y = MODELS["branches"]()
        while not stop.is_set():
            results.append(np.asarray(other(y)).tobytes())

    worker = threading.Thread(target=predict)
    worker.start()
    try:
        reports = [tracer.diff(model, candidate, x) for _ in range(3)]
    finally:
        stop.set()
        worker.join()
    assert {str(report.status) for report in reports} == {"pass"}
    assert len(set(results)) == 1
    assert {layer.layer for report in reports for layer in report.layers} == {layer.name for layer in model.layers[1:]}


def test_a_dead_signal_is_no_pass() -> None:
    i = x = keras.Input((32,), name="x")
    for number in range(4):
        x = layers.Dense(32, activation="relu", name=f"d{number}")(x)
    model = keras.Model(i, x, name="dead")
    model.get_layer("d0").bias.assign(np.full(32, -1e6, "float32"))
    report = tracer.diff(model, copy_of(model), numbers(4, 32))
    assert (report.status, report.faults) == ("inconclusive", ())
    assert report.reason.startswith("the signal is dead: ")


def test_a_living_signal_gets_no_note() -> None:
    model, x = MODELS["mlp"]()
    assert tracer.diff(model, copy_of(model), x).notes == ()
