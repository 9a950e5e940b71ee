"""`hooks`: a thread that asked for it sees its own calls, nobody else does, and nothing stays behind."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from tracer.engine.run.hooks import observed


class Noting:
    """Writes down whose call it is, and lets it pass."""

    def __init__(self) -> None:
        self.layers: list[str] = []
        self.operations: list[str] = []
        self.graphs = 0

    def layer_call(self, original: Callable[..., Any], layer: Any, args: Any, kwargs: Any) -> Any:
        self.layers.append(layer.name)
        return original(layer, *args, **kwargs)

    def operation_call(self, original: Callable[..., Any], operation: Any, args: Any, kwargs: Any) -> Any:
        self.operations.append(operation.name)
        return original(operation, *args, **kwargs)

    def graph_run(self, original: Callable[..., Any], graph: Any, args: Any, kwargs: Any) -> Any:
        self.graphs += 1
        return original(graph, *args, **kwargs)


X = np.ones((1, 3), "float32")


def model(name: str) -> Any:
    x = keras.Input((3,), name="x")
    return keras.Model(x, layers.Dense(2, name=f"{name}_head")(x) * 2.0, name=name)


def originals() -> tuple[Any, ...]:
    from keras.src.ops.function import Function
    from keras.src.ops.operation import Operation

    return layers.Layer.__call__, Operation.__call__, Function._run_through_graph


def test_layers_operations_and_graphs_are_seen() -> None:
    made, noting = model("m"), Noting()
    with observed(noting):
        made(X)
    assert noting.layers == ["m", "m_head"]
    assert any(name.startswith("multiply") for name in noting.operations)
    assert noting.graphs == 1


def test_afterwards_keras_is_as_it_was_also_after_an_error() -> None:
    before = originals()
    with pytest.raises(ZeroDivisionError), observed(Noting()):
        raise ZeroDivisionError
    assert originals() == before


def test_another_thread_is_not_seen() -> None:
    mine, other, noting = model("mine"), model("other"), Noting()
    with observed(noting):
        thread = threading.Thread(target=lambda: other(X))
        thread.start()
        thread.join()
        mine(X)
    assert noting.layers == ["mine", "mine_head"]


def test_two_threads_see_their_own_and_may_end_in_any_order() -> None:
    before = originals()
    notes = {name: Noting() for name in ("first", "second")}
    models = {name: model(name) for name in notes}
    inside, go_on = threading.Barrier(2), threading.Event()

    def work(name: str) -> None:
        with observed(notes[name]):
            inside.wait()
            models[name](X)
            if name == "second":
                go_on.wait()

    threads = [threading.Thread(target=work, args=(name,)) for name in notes]
    for thread in threads:
        thread.start()
    threads[0].join()
    assert originals() != before  # the second one still looks
    go_on.set()
    threads[1].join()
    assert originals() == before
    assert {name: note.layers for name, note in notes.items()} == {
        name: [name, f"{name}_head"] for name in ("first", "second")
    }
