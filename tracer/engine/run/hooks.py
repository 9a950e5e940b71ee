"""Observe every layer call of chosen threads, and run graphs with activations dropped after their last use.

Keras 3 calls every layer through `Layer.__call__`, every graph operation through `Operation.__call__` and every graph
through `Function._run_through_graph`; Keras 2 has counterparts (`compat.dialect().targets()`).  These are replaced
while a run is on, for the threads that asked for it; all other threads pass straight through.  The originals are back
when the last run has ended, and so is the precision that the backend computed in.
"""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Protocol

import keras

from tracer.engine import compat
from tracer.engine.run import precision
from tracer.engine.types import Args, Graph, Kwargs, Method, Structure

# Two runs may start and end in any order, in different threads.
_LOCK = threading.Lock()
# Keras runs a hundred models nested in each other within Python's default limit of 1000 calls; each level takes about
# as many calls again to be observed.  Three times the limit leaves room for that, and the stack for three times more.
_ROOM = 3
_STACK = 64 << 20


class Observer(Protocol):
    """What a run sees of its own thread."""

    def layer_call(self, original: Method, layer: keras.Layer, args: Args, kwargs: Kwargs) -> Structure:
        """In place of `Layer.__call__`."""

    def operation_call(self, original: Method, operation: keras.Operation, args: Args, kwargs: Kwargs) -> Structure:
        """In place of `Operation.__call__`; layers come here too, with their arguments resolved."""

    def graph_run(self, original: Method, graph: Graph, args: Args, kwargs: Kwargs) -> Structure:
        """In place of `Function._run_through_graph`."""


def _replacement(original: Method, method: str) -> Method:
    observers: dict[int, Observer] = {}

    def call(self: keras.Operation, *args: Structure, **kwargs: Structure) -> Structure:
        observer = observers.get(threading.get_ident())
        if observer is None:
            return original(self, *args, **kwargs)
        return getattr(observer, method)(original, self, args, kwargs)

    call.tracer_observers = observers  # type: ignore[attr-defined]
    call.tracer_original = original  # type: ignore[attr-defined]
    call.tracer_limit = sys.getrecursionlimit()  # type: ignore[attr-defined]
    return call


def start(target: Callable[[], None], name: str) -> threading.Thread:
    """A thread for a model to run in, whose stack has room for all that `observed` lets it call."""
    with _LOCK:
        before = threading.stack_size()
        with contextlib.suppress(ValueError, RuntimeError):  # a system that doesn't allow it
            threading.stack_size(_STACK)
        try:
            thread = threading.Thread(target=target, name=name, daemon=True)
            thread.start()
        finally:
            threading.stack_size(before)
    return thread


@contextlib.contextmanager
def observed(observer: Observer) -> Iterator[None]:
    """Within it, `observer` sees the calls of this thread, which may be nested deeper than Keras alone could run."""
    me = threading.get_ident()
    with _LOCK:
        for owner, name, method in compat.dialect().targets():
            current = owner.__dict__[name]
            if not hasattr(current, "tracer_observers"):
                current = _replacement(current, method)
                setattr(owner, name, current)
            current.tracer_observers[me] = observer
        if current.tracer_observers.keys() == {me}:  # the first of those that are on
            current.tracer_precision = precision.full()
        sys.setrecursionlimit(max(sys.getrecursionlimit(), _ROOM * current.tracer_limit))
    try:
        yield
    finally:
        with _LOCK:
            for owner, name, _ in compat.dialect().targets():
                current = owner.__dict__[name]
                current.tracer_observers.pop(me, None)
                if not current.tracer_observers:
                    setattr(owner, name, current.tracer_original)
            if not current.tracer_observers:
                current.tracer_precision.close()
            if not current.tracer_observers and sys.getrecursionlimit() == _ROOM * current.tracer_limit:
                sys.setrecursionlimit(current.tracer_limit)  # unless the model's code has set one of its own
