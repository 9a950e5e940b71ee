"""A live model in this process as a source of activations (see `tracer.core.source.Source`)."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Mapping, Sequence
from queue import SimpleQueue
from typing import Any

from tracer.core.source import Array, Call, End, Facts, Mend, Outline, Replay, Value
from tracer.engine import compat, facts, mending, state
from tracer.engine.heap import Spare
from tracer.engine.hooks import observed
from tracer.engine.naming import Tree
from tracer.engine.recorder import Abandon, Abandoned, Again, Attempt, Go, Recorder
from tracer.errors import ModelError


class LiveSource:
    """Runs a model in a thread of its own, one call site at a time.

    Args:
        model: the Keras model.
        spec: what it is, in words.
    """

    def __init__(self, model: Any, spec: str) -> None:
        self._model = model
        self.spec = spec
        self.environment: Mapping[str, str] = compat.environment()
        self._tree = Tree(model)
        self.outline: Outline = self._tree.outline()
        self._names: Mapping[str, str] = {}
        self._run: _Run | None = None

    def rename(self, names: Mapping[str, str]) -> None:
        """Report layer paths in the other side's names."""
        self._names = dict(names)

    def seeds(self) -> Mapping[str, Array]:
        """State of every random-seed generator, by layer path."""
        return state.seeds(self._tree, self._names)

    def begin(self, inputs: Any, *, training: bool, seeds: Mapping[str, Array] | None = None) -> None:
        """Start a run; a run that is still on is given up."""
        self.rest()
        before = state.snapshot(self._tree)
        if seeds is not None:
            state.set_seeds(self._tree, seeds, self._names)
        self._run = _Run(self._tree, self.spec, inputs, training, self._names, before)

    def receive(self) -> Call | End:
        """Wait for the next call site to have run, or the end.

        Raises:
            ModelError: if the model itself failed.
        """
        run = self._current()
        message = run.sent.get()
        if isinstance(message, ModelError):
            self.rest()
            raise message
        assert isinstance(message, (Call, End))
        run.spare.passed(sum(value.array.nbytes for value in message.outputs))
        return message

    def proceed(self, outputs: Sequence[Value] | None = None) -> None:
        """Go on, with `outputs` in place of the layer's own where given."""
        self._current().commands.put(Go(None if outputs is None else tuple(outputs)))

    def replay(
        self,
        inputs: Sequence[Value],
        context: Mapping[str, str],
        inner: Mapping[str, tuple[Value, ...]] | None = None,
    ) -> Replay:
        """Call the layer of the current call site again."""
        run = self._current()
        run.commands.put(Again(tuple(inputs), context, inner))
        reply = run.sent.get()
        assert isinstance(reply, Replay)
        return reply

    def attempt(self, mend: Mend, inputs: Sequence[Value], context: Mapping[str, str]) -> Replay:
        """Call the layer of the current call site again, changed for the time of this call."""
        run = self._current()
        run.commands.put(Attempt(mend, tuple(inputs), context))
        reply = run.sent.get()
        assert isinstance(reply, Replay)
        return reply

    def mend(self, path: str, mend: Mend) -> None:
        """Change a layer for good.

        Raises:
            ModelError: if there is no such layer.
        """
        layer = self._tree.find(path, self._names)
        if layer is None:
            raise ModelError(f"{self.spec}: no layer {path!r} to change.")
        mending.apply(layer, mend)

    def facts(self, path: str) -> Facts | None:
        """What can be said of a layer without running it; None where there is no such layer."""
        if self._run is None:
            return facts.facts(self._tree, path, self._names)
        now = state.snapshot(self._tree)
        self._run.before.restore()  # what the run itself has changed so far (moving statistics) is no difference
        try:
            return facts.facts(self._tree, path, self._names)
        finally:
            now.restore()

    def close(self) -> None:
        """`rest`; a live source has nothing else to leave."""
        self.rest()

    def rest(self) -> None:
        """End the run, restore every variable, leave no thread."""
        run, self._run = self._run, None
        if run is not None:
            run.stop()

    def _current(self) -> _Run:
        if self._run is None:
            raise ModelError(f"{self.spec}: not running; `begin` comes first.")
        return self._run


class _Run:
    """One run of a model in its thread."""

    def __init__(
        self, tree: Tree, spec: str, inputs: Any, training: bool, names: Mapping[str, str], before: state.Snapshot
    ) -> None:
        self.sent: SimpleQueue[Any] = SimpleQueue()
        self.commands: SimpleQueue[Any] = SimpleQueue()
        self.before = before
        self.spare = Spare()
        self._spec = spec
        settings = compat.keras_settings()
        recorder = Recorder(tree, names, self.sent, self.commands)
        self._thread = threading.Thread(
            target=self._work,
            args=(tree.model, inputs, training, recorder, settings),
            name=f"tracer: {spec}",
            daemon=True,
        )
        self._thread.start()

    def _work(self, model: Any, inputs: Any, training: bool, recorder: Recorder, settings: Mapping[str, Any]) -> None:
        try:
            compat.apply_settings(settings)
            with observed(recorder), compat.inference_scope():
                outputs = model(inputs, **_training_argument(model, training))
                self.sent.put(recorder.end(outputs))
        except Abandoned:
            return
        # The model's own code failed: the thread that asked gets to know, with the reason.
        except Exception as error:
            where = f" at {recorder.last_path}" if recorder.last_path else ""
            failure = ModelError(f"{self._spec}: the model failed{where}: {compat.reason(error)}")
            failure.__cause__ = error
            self.sent.put(failure)

    def stop(self) -> None:
        self.commands.put(Abandon())
        self._thread.join()
        self.before.restore()


def _training_argument(model: Any, training: bool) -> dict[str, bool]:
    """`predict` hands `training=False` to models that take it, and nothing to others; so does this."""
    takes = inspect.signature(model.call).parameters
    if training or "training" in takes:
        return {"training": training}
    return {}
