"""Many batches with faults: what is proved is proved once, and the report is that of batches that know of no other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

import tracer
from tracer.core.batches.worst import add_batch
from tracer.engine.host import LiveHost
from tracer.records import Report

_CALLS: list[int] = []
_RANDOM = np.random.RandomState(0)
_UP = np.abs(_RANDOM.normal(size=(4, 4))).astype("float32") + 0.1


class Counted(layers.Layer):
    """Notes that it was called on samples."""

    def call(self, x: Any) -> Any:
        if x.shape[0] is not None:
            _CALLS.append(int(x.shape[0]))
        return x


class Halves(layers.Layer):
    """What is above 0 has a factor that is a weight, what is below one that nothing saves."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.above = self.add_weight(shape=(), initializer="ones", name="above")
        self.below = 1.0

    def call(self, x: Any) -> Any:
        return keras.ops.where(x > 0, x * self.above, x * self.below)


def branches(first: float = 1.0, second: float = 1.0) -> Any:
    """`first` counts wherever the inputs are positive, `second` only where they are negative."""
    keras.utils.set_random_seed(0)
    x = keras.Input((4,), name="x")
    y = Counted(name="counted")(x)
    ones = layers.Dense(3, kernel_initializer=keras.initializers.Constant(first), name="first")(layers.ReLU()(y))
    others = layers.Dense(3, kernel_initializer=keras.initializers.Constant(second), name="second")
    return keras.Model(x, layers.Dense(2, name="head")(layers.Add()([ones, others(layers.ReLU()(-y))])))


def halves(above: float = 1.0, below: float = 1.0) -> Any:
    keras.utils.set_random_seed(0)
    x, layer = keras.Input((4,), name="x"), Halves(name="halves")
    layer.above.assign(above)
    layer.below = below
    return keras.Model(x, layers.Dense(2, name="head")(layer(x)))


def gated(weight: float = 1.0) -> Any:
    """The faulty layer reaches the output only where the inputs are negative."""
    keras.utils.set_random_seed(0)
    x = keras.Input((4,), name="x")
    wrong = layers.Dense(4, kernel_initializer=keras.initializers.Constant(-weight), name="wrong")(x)
    return keras.Model(x, layers.Add(name="sum")([layers.ReLU()(wrong), x]))


def normalizing(finalized: bool = True) -> Any:
    norm = layers.Normalization(mean=2.0, variance=4.0, name="norm")
    x = keras.Input((4,), name="x")
    model = keras.Model(x, layers.Dense(2, kernel_initializer="ones", name="head")(norm(x)))
    if not finalized:
        norm.mean = norm.mean * 0
    return model


def longer(more: bool = True) -> Any:
    """Only one of two has the layer that doubles."""
    keras.utils.set_random_seed(0)
    x = keras.Input((4,), name="x")
    y = layers.Dense(4, name="body")(x)
    return keras.Model(x, layers.Dense(2, name="head")(layers.Rescaling(2.0, name="double")(y) if more else y))


def alone(reference: Any, candidate: Any, batches: list[Any]) -> Report:
    """One report of batches of which none knows what another one has shown."""
    first, *others = (tracer.diff(reference, candidate, batch) for batch in batches)
    for other in others:
        first = add_batch(first, other)
    return first


def told(report: Report) -> Any:
    """What a report says, but for the numbers of proofs, which are of one batch or another."""
    layers = [(each.layer, each.verdict, each.worst_batch, each.worst_sample, each.rel_error) for each in report.layers]
    faults = [
        (f.layer, f.cause, f.side, f.masked, f.remedy, f.known_issue, [(e.kind, e.name) for e in f.evidence],
         f.proof is not None and f.proof.holds)
        for f in report.faults
    ]  # fmt: skip
    hidden = [(f.layer, f.cause) for f in report.hidden]
    return layers, faults, hidden, report.status, report.reason, report.first_divergence, report.predictions


_PAIRS: dict[str, Callable[[], tuple[Any, Any]]] = {
    "weights": lambda: (branches(), branches(1.1)),
    "weights of two": lambda: (branches(), branches(1.1, 1.2)),
    "weight and attribute": lambda: (halves(), halves(1.5, 2.5)),
    "masked at first": lambda: (gated(), gated(1.5)),
    "stale": lambda: (normalizing(), normalizing(finalized=False)),
    "a layer more": lambda: (longer(more=False), longer()),
}


@pytest.mark.parametrize("order", ["down first", "by turns"])
@pytest.mark.parametrize("name", _PAIRS)
def test_the_report_is_that_of_batches_that_know_of_no_other(name: str, order: str) -> None:
    batches = {
        "down first": [-_UP, _UP, 2 * _UP],
        "by turns": [_UP, -_UP, 2 * _UP, -2 * _UP],
    }[order]
    reference, candidate = _PAIRS[name]()
    assert told(tracer.diff(reference, candidate, iter(batches))) == told(alone(reference, candidate, batches))


def test_a_fault_of_a_later_batch_is_found_and_proved_there() -> None:
    report = tracer.diff(branches(), branches(1.1, 1.2), iter([_UP, _UP, _UP, -_UP]))
    first, second = report.faults
    assert first.proof is not None and second.proof is not None
    assert (first.layer, first.proof.holds, first.proof.batch) == ("first", True, 0)
    assert (second.layer, second.proof.holds, second.proof.batch) == ("second", True, 3)


def test_a_batch_with_nothing_new_is_run_as_often_as_one_without_a_fault() -> None:
    """Without a fault each model runs once a batch."""

    def calls(candidate: Any, count: int) -> int:
        _CALLS.clear()
        tracer.diff(branches(), candidate, iter([_UP] * count))
        return len(_CALLS)

    for candidate in (branches(), branches(1.1), branches(1.1, 1.2)):
        assert calls(candidate, 6) - calls(candidate, 2) == 4 * 2


def test_weights_and_settings_of_all_layers_are_compared_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    looked = LiveHost.holdings

    def counted(self: LiveHost, *args: Any) -> Any:
        asked.append(self.spec)
        return looked(self, *args)

    monkeypatch.setattr(LiveHost, "holdings", counted)
    report = tracer.diff(branches(), branches(1.0, 1.2), iter([_UP, _UP, _UP]))
    assert len(asked) == 2 and [fault.layer for fault in report.hidden] == ["second"]


def test_what_helps_in_one_batch_and_not_in_a_later_one_is_looked_for_again() -> None:
    [fault] = tracer.diff(halves(), halves(1.5, 40.0), iter([_UP])).faults
    assert fault.remedy is not None and "below" not in fault.remedy
    [fault] = tracer.diff(halves(), halves(1.5, 40.0), iter([_UP, -_UP])).faults
    assert fault.proof is not None and fault.proof.batch == 1
    assert fault.remedy is not None and "below" in fault.remedy


def test_the_batch_of_a_proof_is_said_where_there_are_many() -> None:
    one, many = (tracer.diff(branches(), branches(1.1), iter([_UP] * count)) for count in (1, 3))
    assert [f.proof.batch for f in one.faults if f.proof] == [None]
    assert [f.proof.batch for f in many.faults if f.proof] == [0]
    assert "the blame holds both ways (tried on batch 0)" in str(many) and "on batch" not in str(one)
