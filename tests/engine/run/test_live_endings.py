"""However a layer ends, or refuses to, whoever asked gets to know in time, and every variable is as before."""

from __future__ import annotations

import threading
import time
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

import tracer
from tracer.core.source import Call, End
from tracer.engine.run.live import LiveSource
from tracer.errors import ModelError

X = np.ones((1, 3), "float32")
LEAVING = (SystemExit("bye"), KeyboardInterrupt(), GeneratorExit(), pytest.skip.Exception("not today"))


class Leaves(layers.Layer):
    """Raises what it is told to, where it has numbers."""

    raises: BaseException | None = None

    def call(self, x: Any) -> Any:
        if self.raises is not None:
            raise self.raises
        return x * 1.0


def leaving(raises: BaseException | None) -> Any:
    keras.utils.set_random_seed(0)
    i = keras.Input((3,))
    layer = Leaves(name="q")
    model = keras.Model(i, layers.Dense(2, name="d")(layer(layers.Dense(3, name="b")(i))), name="m")
    layer.raises = raises
    return model


def no_thread_is_left() -> bool:
    return not [t for t in threading.enumerate() if t.name.startswith("tracer")]


@pytest.mark.parametrize("raises", LEAVING, ids=lambda error: type(error).__name__)
def test_a_layer_that_leaves_is_a_layer_that_raises(raises: BaseException) -> None:
    source = LiveSource(leaving(raises), "mine")
    source.begin(X, training=False)
    assert isinstance(source.receive(), Call)
    source.proceed()
    call = source.receive()
    assert isinstance(call, Call)
    assert (call.path, call.error.split(":")[0]) == ("q", type(raises).__name__)
    assert source.replay(call.inputs, call.context).error == call.error
    source.proceed()
    with pytest.raises(ModelError, match=rf"mine: the model failed: {type(raises).__name__}.*raised in q"):
        source.receive()
    assert no_thread_is_left()


@pytest.mark.parametrize("raises", LEAVING, ids=lambda error: type(error).__name__)
def test_a_candidate_whose_layer_leaves_is_at_fault_there(raises: BaseException) -> None:
    report = tracer.diff(leaving(None), leaving(raises), X)
    assert [fault.layer for fault in report.faults] == ["q"]
    assert type(raises).__name__ in {layer.layer: layer.note for layer in report.layers}["q"]
    assert no_thread_is_left()


def test_a_skip_within_a_layer_of_the_reference_skips_no_test() -> None:
    with pytest.raises(ModelError, match="Skipped: not today"):
        tracer.diff(leaving(LEAVING[-1]), leaving(None), X)


def test_an_exception_that_cannot_say_what_it_is_is_named() -> None:
    class MuteError(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no")

    with pytest.raises(ModelError, match="MuteError"):
        tracer.diff(leaving(MuteError()), leaving(None), X)


class Swallows(layers.Layer):
    """Catches all that the first layer inside raises; `again`: until it raises nothing."""

    def __init__(self, again: bool, **options: Any) -> None:
        super().__init__(**options)
        self.again, self.a, self.b = again, layers.Dense(2, name="a"), layers.BatchNormalization(name="b")

    def call(self, x: Any) -> Any:
        y = None
        while y is None:
            try:
                y = self.a(x)
            except:  # noqa: E722 - what people write
                y = None if self.again else x[:, :2]
        return self.b(y, training=True)


def swallowing(layer: layers.Layer) -> Any:
    i = keras.Input((3,))
    return keras.Model(i, layers.Dense(2, name="last")(layer(i)))


@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize("stops", range(1, 4))
def test_a_layer_that_swallows_everything_ends_too(again: bool, stops: int) -> None:
    model = swallowing(Swallows(again, name="outer"))
    before = [keras.ops.convert_to_numpy(v) for v in model.variables]
    source = LiveSource(model, "mine")
    source.begin(X, training=False)
    for _ in range(stops - 1):
        source.receive()
        source.proceed()
    source.receive()
    start = time.monotonic()
    source.rest()
    assert time.monotonic() - start < 5.0 and no_thread_is_left()
    for a, b in zip(before, model.variables, strict=True):
        np.testing.assert_array_equal(a, keras.ops.convert_to_numpy(b))


class Blocks(layers.Layer):
    """Goes on until it is let go."""

    gate: threading.Event | None = None

    def call(self, x: Any) -> Any:
        while self.gate is not None and not self.gate.wait(0.01):
            pass
        return x * 1.0


def test_what_cannot_be_ended_is_said_and_left_alone_until_it_has_ended() -> None:
    layer = Blocks(name="blocks")
    model = swallowing(layer)
    layer.gate = threading.Event()
    source = LiveSource(model, "mine", patience=0.2)
    source.begin(X, training=False)
    start = time.monotonic()
    with pytest.raises(ModelError, match=r"mine: its code goes on .* within 0.2 s"):
        source.rest()
    with pytest.raises(ModelError, match="goes on"):
        source.begin(X, training=False)
    assert time.monotonic() - start < 5.0
    layer.gate.set()
    deadline = time.monotonic() + 10.0
    while not no_thread_is_left() and time.monotonic() < deadline:
        time.sleep(0.01)
    source.begin(X, training=False)  # now it has
    assert isinstance(source.receive(), Call)
    source.close()


# --- questions out of turn


def test_what_is_asked_out_of_turn_is_an_error_and_no_wait() -> None:
    source = LiveSource(leaving(None), "mine")
    with pytest.raises(ModelError, match="not running"):
        source.receive()
    source.begin(X, training=False)
    call = source.receive()
    assert isinstance(call, Call)
    source.proceed()
    with pytest.raises(ModelError, match="not at a call site; `receive` one before `replay`"):
        source.replay(call.inputs, call.context)
    with pytest.raises(ModelError, match="not at a call site"):
        source.proceed()
    with pytest.raises(ModelError, match="runs"):
        source.facts("d")
    while isinstance(message := source.receive(), Call):
        source.proceed()
    assert isinstance(message, End)
    assert source.facts("d") is not None
    for _ in range(2):
        with pytest.raises(ModelError, match="this run has ended"):
            LiveSource.receive(_ended())
    source.close()


def _ended() -> LiveSource:
    source = LiveSource(leaving(None), "mine")
    source.begin(X, training=False)
    while isinstance(source.receive(), Call):
        source.proceed()
    return source
