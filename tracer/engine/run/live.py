"""A live model in this process as a source of activations (see `tracer.core.source.Source`)."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Mapping, Sequence
from queue import SimpleQueue
from typing import Any

from tracer.core.drive import running
from tracer.core.source import Array, Arrays, Call, End, Facts, Outline, Patch, Replay, Run, Value
from tracer.core.transport.commands import Abandon, Abandoned, Again, Attempt, Go
from tracer.engine import compat
from tracer.engine.layer import facts, patching
from tracer.engine.layer.naming import Tree, is_layer
from tracer.engine.layer.places import outline_of
from tracer.engine.run import growing, state
from tracer.engine.run.hooks import observed, start
from tracer.engine.run.recorder import Recorder
from tracer.errors import ModelError
from tracer.system.heap import Spare

# Longer than any single layer takes: a model that hasn't come to its next layer by then goes on for ever.
_PATIENCE = 300.0


class LiveSource:
    """Runs a model in a thread of its own, one call site at a time.

    Args:
        model: the Keras model.
        spec: what it is, in words.
        patience: seconds that a run which is given up has, to end.
    """

    def __init__(self, model: Any, spec: str, patience: float = _PATIENCE) -> None:
        self._model = model
        self._patience = patience
        self.spec = spec
        self.environment: Mapping[str, str] = compat.environment()
        self._tree = Tree(model)
        self.outline: Outline = outline_of(self._tree)
        self._names: Mapping[str, str] = {}
        self._run: _Run | None = None

    def rename(self, names: Mapping[str, str]) -> None:
        """Report layer paths in the other side's names."""
        self._names = dict(names)

    def seeds(self) -> Mapping[str, Array]:
        """State of every random-seed generator, by layer path."""
        return state.seeds(self._tree, self._names)

    def prepare(self, inputs: Arrays, *, training: bool | None) -> bool:
        """Let the model build what it builds only when it is run; whether the outline is another one since."""
        if not growing.is_unbuilt(self._tree):
            return False
        growing.grow(self._tree, lambda: self._model(inputs, **_training_argument(self._model, training)))
        self._tree = Tree(self._model)
        before, self.outline = self.outline, outline_of(self._tree)
        return before != self.outline

    def runs(self, inputs: Arrays) -> bool:
        """Whether the model comes to its end on these inputs; nothing of the run is kept.

        A model that has yet to be built isn't tried: it would be built for these inputs.
        """
        if growing.is_unbuilt(self._tree):
            return True
        with running(self, Run(inputs=inputs, seeds=self.seeds())) as calls:
            try:
                for _ in calls:
                    pass
            except ModelError:
                return False
        return True

    def begin(
        self,
        inputs: Arrays,
        *,
        training: bool | None,
        seeds: Mapping[str, Array] | None = None,
        stops: Collection[str] | None = None,
    ) -> None:
        """Start a run; a run that is still on is given up."""
        self.rest()
        before = state.snapshot(self._tree)
        if seeds is not None:
            state.set_seeds(self._tree, seeds, self._names)
        self._run = _Run(self._tree, self.spec, inputs, training, self._names, before, stops)

    def receive(self) -> Call | End:
        """Wait for the next call site to have run, or the end.

        Raises:
            ModelError: if the model itself failed.
        """
        run = self._current()
        try:
            message: Call | End = run.take((Call, End))
        except ModelError:
            self.rest()
            raise
        run.computes, run.stands = False, isinstance(message, Call)
        run.spare.passed(sum(value.array.nbytes for value in message.outputs))
        return message

    def proceed(self, outputs: Sequence[Value] | None = None) -> None:
        """Go on, with `outputs` in place of the layer's own where given."""
        run = self._standing("proceed")
        run.computes, run.stands = True, False
        run.commands.put(Go(None if outputs is None else tuple(outputs)))

    def replay(
        self,
        inputs: Sequence[Value],
        context: Mapping[str, str],
        inner: Mapping[str, tuple[Value, ...]] | None = None,
    ) -> Replay:
        """Call the layer of the current call site again."""
        run = self._standing("replay")
        run.commands.put(Again(tuple(inputs), context, inner))
        reply: Replay = run.take((Replay,))
        return reply

    def attempt(self, mend: Patch, inputs: Sequence[Value], context: Mapping[str, str]) -> Replay:
        """Call the layer of the current call site again, changed for the time of this call."""
        run = self._standing("attempt")
        run.commands.put(Attempt(mend, tuple(inputs), context))
        reply: Replay = run.take((Replay,))
        return reply

    def mend(self, path: str, mend: Patch) -> None:
        """Change a layer for good.

        Raises:
            ModelError: if there is no such layer.
        """
        layer = self._tree.find(path, self._names)
        if layer is None:
            raise ModelError(f"{self.spec}: no layer {path!r} to change.")
        patching.apply(layer, mend)

    def facts(self, path: str) -> Facts | None:
        """What can be said of a layer without running it; None where there is no such layer."""
        if self._run is None:
            return facts.facts(self._tree, path, self._names)
        if self._run.computes:
            raise ModelError(f"{self.spec}: runs; what its layers are can be said only when it stands or has ended.")
        layer = self._tree.find(path, self._names)
        now = state.snapshot(Tree(layer)) if is_layer(layer) else state.Snapshot(())
        # What the run itself has changed so far (moving statistics) is no difference.
        self._run.before.of(now).restore()
        try:
            return facts.facts(self._tree, path, self._names)
        finally:
            now.restore()

    def close(self) -> None:
        """`rest`; a live source has nothing else to leave."""
        self.rest()

    def rest(self) -> None:
        """End the run, restore every variable, leave no thread.

        Raises:
            ModelError: if the model's code can't be ended; what it may still be using isn't touched then.
        """
        if self._run is not None:
            self._run.stop(self._patience)
            self._run = None

    def _current(self) -> _Run:
        if self._run is None:
            raise ModelError(f"{self.spec}: not running; `begin` comes first.")
        return self._run

    def _standing(self, what: str) -> _Run:
        """The run, which must stand at a call site: whoever isn't asked for it can't answer."""
        run = self._current()
        if not run.stands:
            raise ModelError(f"{self.spec}: not at a call site; `receive` one before `{what}`.")
        return run


class _Over:
    """The last thing that comes of a run: who waits for more is told so."""


class _Run:
    """One run of a model in its thread."""

    def __init__(
        self,
        tree: Tree,
        spec: str,
        inputs: Arrays,
        training: bool | None,
        names: Mapping[str, str],
        before: state.Snapshot,
        stops: Collection[str] | None = None,
    ) -> None:
        self.sent: SimpleQueue[Any] = SimpleQueue()
        self.commands: SimpleQueue[Any] = SimpleQueue()
        self.before = before
        self.spare = Spare()
        self.computes = True
        self.stands = False  # at a call site, where it waits for commands
        self._given_up = False
        self._spec = spec
        settings = compat.dialect().keras_settings()
        recorder = Recorder(tree, names, self.sent, self.commands, stops=stops, passed=self.spare.passed)
        self._thread = start(lambda: self._work(tree, inputs, training, recorder, settings), f"tracer: {spec}")

    def _work(
        self, tree: Tree, inputs: Arrays, training: bool | None, recorder: Recorder, settings: Mapping[str, Any]
    ) -> None:
        try:
            compat.dialect().apply_settings(settings)
            with observed(recorder), compat.inference_scope(), state.reproducible(tree):
                outputs = tree.model(inputs, **_training_argument(tree.model, training))
                self.sent.put(recorder.end(outputs))
        except Abandoned:
            pass
        # Whatever ended the model's own code, `sys.exit` and a test runner's skip included: the thread that asked gets
        # to know, with the reason.
        except BaseException as error:
            self.sent.put(self._failure(error, recorder))
        finally:
            self.sent.put(_Over())

    def _failure(self, error: BaseException, recorder: Recorder) -> ModelError:
        if isinstance(error, ModelError):
            return ModelError(f"{self._spec}: {error}")
        place = recorder.place_of(error)
        where = f" (raised in {place})" if place else ""
        deep = ". Its layers are nested too deep for Python: see sys.setrecursionlimit"
        hint = deep if isinstance(error, RecursionError) else ""
        failure = ModelError(f"{self._spec}: the model failed: {compat.reason(error)}{where}{hint}")
        failure.__cause__ = error
        return failure

    def take(self, kinds: tuple[type, ...]) -> Any:
        """Wait for what the model's thread sends next.

        Raises:
            ModelError: if it failed, has ended, or sends something else.
        """
        message = self.sent.get()
        if isinstance(message, kinds):
            return message
        if isinstance(message, ModelError):
            raise message
        if isinstance(message, _Over):
            self.sent.put(message)  # whoever asks once more is told again
            raise ModelError(f"{self._spec}: this run has ended, and nothing more comes of it; `begin` another one.")
        expected = " or ".join(kind.__name__ for kind in kinds)
        raise ModelError(f"{self._spec}: sent a {type(message).__name__} where a {expected} was due.")

    def stop(self, patience: float) -> None:
        """End it, and put its variables back.

        Raises:
            ModelError: if it doesn't end.
        """
        self.stands = False
        self.commands.put(Abandon())
        self._thread.join(0.0 if self._given_up else patience)
        if self._thread.is_alive():
            self._given_up = True
            raise ModelError(
                f"{self._spec}: its code goes on after the run was given up, and hasn't come to an end within "
                f"{patience:g} s; a layer that catches every exception, or waits for something, can't be ended from "
                "outside. The model's variables are left as they are: don't use it any further in this process."
            )
        self.before.restore()


def _training_argument(model: Any, training: bool | None) -> dict[str, bool]:
    """`predict` hands `training=False` to models that take it, and nothing to others; so does this.

    None hands on nothing: the model is called as people call it, and its own defaults count.
    """
    if training is None:
        return {}
    takes = inspect.signature(model.call).parameters
    if training or "training" in takes:
        return {"training": training}
    return {}
