"""Runs inside the model's own thread: names every call site, stops after each, and does there what it is asked.

Because a replay happens where the call happened, it is made under the very same Keras scopes (autocasting, call
context, names), and nothing of them has to be imitated.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from queue import SimpleQueue

import keras

from tracer.core.source import End, Replay, Value
from tracer.core.transport.commands import Abandon, Abandoned, Again, Attempt, Command, Go
from tracer.engine import compat
from tracer.engine.layer import graphs, naming
from tracer.engine.layer.naming import Tree
from tracer.engine.layer.patching import mended
from tracer.engine.run import state, tensors
from tracer.engine.run.call_context import context_of, training_of, training_set, with_context
from tracer.engine.run.frames import Frame, Site, call_of, called_in_words, inputs_of, is_own_doing, name_call
from tracer.engine.run.graph_run import GraphRun
from tracer.engine.run.growing import check_kept
from tracer.engine.types import Args, Graph, Kwargs, Method, Structure

# A layer that swallows every exception is unwound at each call that it goes on to make; one that tries again for ever
# would never end so, and runs on unobserved after as many.
_UNWINDINGS = 32


class Recorder:
    """The observer of one run (see `tracer.engine.run.hooks.Observer`).

    Args:
        tree: the model's layers.
        names: raw layer path without calls → name in the other side's words.
        sent: where calls and replies go.
        commands: where commands come from.
        stops: layer paths of the only call sites at which it stops; None for all.
        passed: told how many bytes each call has returned at which it doesn't stop.
    """

    def __init__(
        self,
        tree: Tree,
        names: Mapping[str, str],
        sent: SimpleQueue[object],
        commands: SimpleQueue[Command],
        *,
        stops: Collection[str] | None = None,
        passed: Callable[[int], None] = lambda size: None,
    ) -> None:
        self._tree = tree
        self._names = names
        self._sent = sent
        self._commands = commands
        self._stops = None if stops is None else frozenset(stops)
        self._passed = passed
        self._stack: list[Frame] = []
        self._variables: dict[int, list[keras.Variable]] = {}
        self._templates: dict[str, Structure] = {}
        self._forced: Mapping[str, tuple[Value, ...]] | None = None
        self._seen_inside: dict[str, tuple[tuple[Value, ...], Mapping[str, str]]] = {}
        self._muted = 0
        self._unwound = 0
        self._put_in = 0  # calls that were made to return other tensors, whose masks count from there on
        self._raised: tuple[BaseException | None, str] = None, ""
        self._made: list[tuple[str, keras.Layer]] = []  # layers that got their weights in this run
        self._graphs: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {}
        self.opaque: dict[str, str] = {}
        self.last_path = ""
        self.wiring: tuple[str, ...] | None = None

    # ------------------------------------------------------------------ observer

    def layer_call(self, original: Method, layer: keras.Layer, args: Args, kwargs: Kwargs) -> Structure:
        """A layer is called: a call site, unless nothing can be seen of it."""
        if self._is_over() or self._muted or self._passes_unseen(args, kwargs):
            return original(layer, *args, **kwargs)
        if self._stack and is_own_doing(layer, self._stack[-1]):
            with self._unseen():
                return original(layer, *args, **kwargs)
        if words := graphs.words_of(layer):
            original, args, kwargs = called_in_words(words, original, args, kwargs)
        return self._run_site(original, layer, *compat.dialect().resolve_call(layer, args, kwargs))

    def _is_over(self) -> bool:
        """Whether the run was abandoned; unwinds once more what has swallowed that, and in the end lets it run."""
        if self._is_given_up():
            self._commands.get()
            self._unwound = 1
            raise Abandoned
        if 0 < self._unwound < _UNWINDINGS:
            self._unwound += 1
            raise Abandoned
        return self._unwound > 0

    def _is_given_up(self) -> bool:
        """Whether a run that stops at some call sites only was told, between them, to end: it is told nothing else."""
        return self._stops is not None and not self._unwound and not self._commands.empty()

    def operation_call(self, original: Method, operation: keras.Operation, args: Args, kwargs: Kwargs) -> Structure:
        """An operation is called: a call site in a graph; for a layer, its arguments are resolved now."""
        frame = self._stack[-1] if self._stack else None
        if frame is not None and frame.layer is operation and not frame.resolved:
            frame.resolved, frame.training = True, kwargs.get("training", compat.dialect().context_training())
        if self._is_node(operation, args, kwargs):
            return self._run_site(original, operation, args, kwargs)
        return original(operation, *args, **kwargs)

    def _is_node(self, operation: keras.Operation, args: Args, kwargs: Kwargs) -> bool:
        """Whether it is one of a graph: not a layer, and not a layer's own arithmetic, which some `keras.ops` do so."""
        if self._muted or self._unwound or naming.is_layer(operation):
            return False
        in_graph = bool(self._stack) and self._stack[-1].wiring is not None
        return in_graph and not self._passes_unseen(args, kwargs)

    def graph_run(self, original: Method, graph: Graph, args: Args, kwargs: Kwargs) -> Structure:
        """A graph is run: node by node, each tensor dropped after its last use."""
        is_unseen = self._muted or self._unwound or tensors.any_symbolic(args) or not self._stack
        is_unseen = is_unseen or self._stack[-1].parts is not None
        resolved = None if is_unseen else compat.dialect().resolve_graph_run(graph, args, kwargs)
        if resolved is None:
            return original(graph, *args, **kwargs)
        graph, args, kwargs = resolved
        frame = self._stack[-1]
        run = GraphRun(graph, frame.path)
        outputs = run.run(
            *args,
            **kwargs,
            before=frame.announce,
            after=lambda: self.last_path,
            put_in=lambda: self._put_in,
            unseen=self._unseen,
        )
        if len(self._stack) == 1:
            self.wiring = run.output_wiring()
        else:
            self._graphs[frame.path] = frame.own_wiring or (), run.output_wiring()
        return outputs

    @contextlib.contextmanager
    def _unseen(self) -> Iterator[None]:
        self._muted += 1
        try:
            yield
        finally:
            self._muted -= 1

    # ------------------------------------------------------------------ call sites

    def _passes_unseen(self, args: Args, kwargs: Kwargs) -> bool:
        """Symbolic calls build graphs and infer shapes; there are no numbers to compare."""
        if not tensors.any_symbolic((args, kwargs)):
            return False
        traced = not tensors.any_placeholder((args, kwargs))
        if traced and self._stack:
            self.opaque[self._stack[-1].path] = "its inner layers are traced by the backend, not run one by one"
        return True

    def _run_site(self, original: Method, layer: keras.Operation, args: Args, kwargs: Kwargs) -> Structure:
        site = self._enter(original, layer, args, kwargs)
        if self._forced is not None and site.frame.path in self._forced:
            return self._take_forced(site, self._forced[site.frame.path])
        outputs, raised = self._run(site)
        outputs = self._seen(site, outputs, "" if raised is None else compat.reason(raised))
        if site.frame.is_new and naming.is_layer(layer) and layer.weights:
            self._made.append((site.frame.path, layer))
        self.last_path = site.frame.path
        if raised is not None and outputs is None:
            raise raised
        return outputs

    def _seen(self, site: Site, outputs: Structure, error: str) -> Structure:
        """What the run goes on with behind a call: what whoever asked at a stop has put in, or else its own outputs."""
        if site.is_seen and not self._is_over() and self._forced is None:
            return self._stop(site, outputs, error)
        if self._stops is not None:
            self._passed(sum(value.array.nbytes for value in tensors.as_values(outputs)))
        return outputs

    def _run(self, site: Site) -> tuple[Structure, BaseException | None]:
        """What a call returns, or else what it raises."""
        self._stack.append(site.frame)
        self._muted += site.frame.muted
        try:
            return site.original(site.layer, *site.args, **site.kwargs), None
        except Abandoned:
            raise
        # Whatever a user's layer raises becomes part of the comparison, `sys.exit` and a test runner's skip included:
        # nothing else would hear of it in this thread.  The controller says how to go on.
        except BaseException as raised:
            self._note(raised, site.frame.path or site.frame.box)
            return None, raised
        finally:
            self._muted -= site.frame.muted
            self._stack.pop()

    def _note(self, raised: BaseException, path: str) -> None:
        """Remember where an exception was raised: the innermost call that it passed through."""
        if self._raised[0] is not raised:
            self._raised = raised, path

    def place_of(self, raised: BaseException) -> str:
        """Layer path of the call that raised it, or that ran last; "" where no layer has run."""
        return self._raised[1] if self._raised[0] is raised else self.last_path

    def _enter(self, original: Method, layer: keras.Layer, args: Args, kwargs: Kwargs) -> Site:
        parent = self._stack[-1] if self._stack else None
        wiring, graph_masks = (None, ()) if parent is None else parent.next_call()
        raw, path = self._path(parent, layer)
        is_graph = naming.is_layer(layer) and graphs.functional_of(layer) is not None
        box = (parent.box if parent else "") if is_graph else path
        frame = Frame(
            layer=layer,
            path="" if parent is None else path,
            raw=raw,
            box=box,
            names=self._tree.descendants(layer),
            is_new=not getattr(layer, "built", True),
            training=compat.dialect().resolve_training(kwargs),
            muted=naming.calls_parts(layer),
            parts=graphs.called_parts(layer),
            own_wiring=wiring,
        )
        # Graphs have no code of their own: what is in them is compared and called again, they aren't.
        is_seen = not is_graph and (self._stops is None or path in self._stops)
        return Site(
            original=original,
            layer=layer,
            args=args,
            kwargs=kwargs,
            frame=frame,
            parent=parent,
            inputs=inputs_of(parent, layer, args, kwargs) if is_seen else (),
            before=self._changeable(layer) if is_seen else state.Snapshot(()),
            entered_training=compat.dialect().context_training(),
            graph_masks=graph_masks,
            is_seen=is_seen,
        )

    def _changeable(self, layer: keras.Layer) -> state.Snapshot:
        if id(layer) not in self._variables:
            self._variables[id(layer)] = state.changeable(self._tree, layer)
        return state.values_of(self._variables[id(layer)])

    def _path(self, parent: Frame | None, layer: keras.Operation) -> tuple[str, str]:
        """Layer path without calls on this side, and with calls in the other side's names."""
        return name_call(parent, layer, self._names) if parent else ("", self._names.get("", self._tree.root))

    # ------------------------------------------------------------------ stop after a call, and do what is asked

    def _stop(self, site: Site, outputs: Structure, error: str) -> Structure:
        self._templates[site.frame.path] = outputs_template = tensors.template_of(outputs)
        self._sent.put(call_of(site, outputs, error))
        after: state.Snapshot | None = None
        while True:
            command = self._commands.get()
            if isinstance(command, Go):
                self._put_in += tensors.decide_masks(command.outputs)
                return outputs if command.outputs is None else tensors.fill(outputs_template, command.outputs)
            if isinstance(command, Abandon):
                self._unwound = 1
                raise Abandoned
            after = after or self._changeable(site.layer)
            try:
                reply = self._again_changed(site, command)
            finally:
                after.restore()
            # Only now: whoever waits for it may read the layer's variables at once.
            self._sent.put(reply)

    def _again_changed(self, site: Site, command: Again | Attempt) -> Replay:
        if isinstance(command, Again):
            return self._again(site, command)
        try:
            with mended(site.layer, command.mend):
                return self._again(site, Again(command.inputs, command.context))
        except Abandoned:
            raise
        except Exception as raised:  # the layer's own code refuses the change, with whatever it likes
            return Replay(outputs=(), error=compat.reason(raised))

    def _again(self, site: Site, command: Again) -> Replay:
        try:
            args, kwargs = tensors.substitute(site.args, site.kwargs, command.inputs)
        except ValueError as error:
            return Replay(outputs=(), error=str(error))
        args, kwargs = with_context(args, kwargs, command.context)
        with training_set(training_of(command.context, site.entered_training)):
            return self._call_again(site, args, kwargs, command.inner)

    def _call_again(
        self, site: Site, args: Args, kwargs: Kwargs, inner: Mapping[str, tuple[Value, ...]] | None
    ) -> Replay:
        site.before.restore()
        forced, self._forced, self._seen_inside = self._forced, inner, {}
        put_in = self._put_in  # what is put into this call is nothing that the run itself goes on with
        site.frame.forget_calls()
        self._muted += inner is None
        self._stack.append(site.frame)
        try:
            outputs = site.original(site.layer, *args, **kwargs)
            return Replay(outputs=tensors.as_values(outputs), inner=self._seen_inside)
        except Abandoned:
            raise
        # As in the run itself: what a layer raises is a result.
        except BaseException as raised:
            return Replay(outputs=(), inner=self._seen_inside, error=compat.reason(raised))
        finally:
            self._stack.pop()
            self._muted -= inner is None
            self._forced, self._put_in = forced, put_in

    def _take_forced(self, site: Site, outputs: Sequence[Value]) -> Structure:
        path = site.frame.path
        context = context_of(site.args, site.kwargs, site.kwargs.get("training", compat.dialect().context_training()))
        self._seen_inside[path] = (site.inputs, context)
        self._put_in += tensors.decide_masks(outputs)
        self.last_path = path
        return tensors.fill(self._templates[path], outputs)

    def end(self, outputs: Structure) -> End:
        """The record of the model's return.

        Raises:
            ModelError: if the model makes layers with weights of their own at every run.
        """
        check_kept(self._tree.model, self._made)
        values = tensors.as_values(outputs)
        return End(outputs=values, wiring=self.wiring, opaque=dict(self.opaque), graphs=dict(self._graphs))
