"""Small models, and runs of them with a recorder alone.

The commands are waiting before the model runs, so that everything happens in one thread.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from tracer.core.source import Call, End, Replay, Value
from tracer.core.transport.commands import Go
from tracer.engine.layer.naming import Tree
from tracer.engine.run.hooks import observed
from tracer.engine.run.recorder import Recorder

X = np.ones((2, 3), "float32")
_MORE = 100  # commands to go on, than any of these models has calls


@dataclass
class Played:
    """What came of a run."""

    calls: list[Call]
    replies: list[Replay]
    end: End | None
    raised: BaseException | None
    recorder: Recorder

    @property
    def paths(self) -> list[str]:
        return [call.path for call in self.calls]


class Sent(SimpleQueue[Any]):
    """What the recorder sends; each message is shown to somebody at the moment when it is sent."""

    def __init__(self, shown: Callable[[Any], None]) -> None:
        super().__init__()
        self._shown = shown

    def put(self, message: Any, *options: Any) -> None:
        self._shown(message)
        super().put(message, *options)


def play(
    model: Any,
    inputs: Any,
    *commands: Any,
    names: Mapping[str, str] | None = None,
    shown: Callable[[Any], None] = lambda message: None,
    **called: Any,
) -> Played:
    """Run a model with these commands waiting, and as many more to go on as it needs."""
    sent, waiting = Sent(shown), SimpleQueue[Any]()
    for command in (*commands, *[Go()] * _MORE):
        waiting.put(command)
    recorder = Recorder(Tree(model), names or {}, sent, waiting)
    end: End | None = None
    raised: BaseException | None = None
    try:
        with observed(recorder):
            end = recorder.end(model(inputs, **called))
    except BaseException as error:
        raised = error
    messages = [sent.get() for _ in range(sent.qsize())]
    calls = [message for message in messages if isinstance(message, Call)]
    replies = [message for message in messages if isinstance(message, Replay)]
    return Played(calls, replies, end, raised, recorder)


def value(array: Any, name: str = "args[0]") -> Value:
    return Value(array=np.asarray(array, "float32"), name=name)


def chain(*parts: Any, shape: tuple[int, ...] = (3,)) -> Any:
    x = y = keras.Input(shape, name="x")
    for part in parts:
        y = part(y)
    return keras.Model(x, y, name="m")


def ones(name: str, units: int = 3) -> Any:
    return layers.Dense(units, kernel_initializer="ones", name=name)


class Counting(layers.Layer):
    """Adds how often it was called."""

    def build(self, _shape: Any) -> None:
        self.count = self.add_weight(shape=(), initializer="zeros", trainable=False, name="count")

    def call(self, x: Any) -> Any:
        if not isinstance(x, keras.KerasTensor):
            self.count.assign_add(1.0)
        return x + self.count


class Summing(layers.Layer):
    """Returns the sum of all that it was given so far."""

    def build(self, _shape: Any) -> None:
        self.total = self.add_weight(shape=(), initializer="zeros", trainable=False, name="total")

    def call(self, x: Any) -> Any:
        if not isinstance(x, keras.KerasTensor):
            self.total.assign_add(ops.sum(x))
        return x * 0.0 + self.total


class Pair(layers.Layer):
    """A layer with two inside; what it does between them is its own."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.first, self.second = ones("first"), ones("second")

    def call(self, x: Any) -> Any:
        return self.second(self.first(x) * 2.0)


class Told(layers.Layer):
    """Says what it was called with."""

    def call(self, x: Any, scale: float = 1.0, training: bool | None = None) -> Any:
        return x * scale + (100.0 if training else 0.0)


class Raising(layers.Layer):
    raises: BaseException | None = None

    def call(self, x: Any) -> Any:
        if self.raises is not None:
            raise self.raises
        return x


def raising(error: BaseException) -> Any:
    layer = Raising(name="q")
    model = chain(ones("a"), layer, ones("b"))
    layer.raises = error
    return model
