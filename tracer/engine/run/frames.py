"""The layers that are running, one inside the other, and what the calls that they make are named."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import keras

from tracer.core.comparison.alignment import translated
from tracer.core.source import Call, Value
from tracer.engine import compat
from tracer.engine.layer import naming
from tracer.engine.run import state, tensors
from tracer.engine.run.call_context import context_of, flag
from tracer.engine.types import Args, Kwargs, Method, Structure


@dataclass(slots=True)
class Frame:
    """A layer that is running, and the names of what it may call."""

    layer: keras.Operation
    path: str
    raw: str
    box: str
    names: Mapping[int, str]
    counts: Counter[str] = field(default_factory=Counter)
    dynamic: dict[int, str] = field(default_factory=dict)
    keep: list[keras.Operation] = field(default_factory=list)
    recorded: int = 0
    is_new: bool = False
    muted: bool = False
    parts: frozenset[str] | None = None  # the only ones whose calls count, where a model stands for a layer
    resolved: bool = False
    training: object = None
    wiring: tuple[str, ...] | None = None  # of the call that it makes next
    graph_masks: tuple[bool, ...] = ()  # of that call's outputs: whether the graph has a mask for it
    own_wiring: tuple[str, ...] | None = None  # of the call that it is

    def announce(self, wiring: tuple[str, ...], graph_masks: tuple[bool, ...]) -> None:
        """What the graph that this layer is knows of the call that it makes next."""
        self.wiring, self.graph_masks = wiring, graph_masks

    def next_call(self) -> tuple[tuple[str, ...] | None, tuple[bool, ...]]:
        """Counts a call, and says what was announced of it; nothing of those that aren't a graph's own."""
        self.recorded += 1
        known, self.wiring, self.graph_masks = (self.wiring, self.graph_masks), None, ()
        return known

    def forget_calls(self) -> None:
        """Name the calls that it makes from the start again."""
        self.counts, self.dynamic, self.keep = Counter(), {}, []


@dataclass(slots=True, kw_only=True)
class Site:
    """A call that is being made: all that is needed to make it again."""

    original: Method
    layer: keras.Operation
    args: Args
    kwargs: Kwargs
    frame: Frame
    parent: Frame | None
    inputs: tuple[Value, ...]  # read before the call: a layer may put a mask on a tensor that it hands on
    before: state.Snapshot
    entered_training: object
    graph_masks: tuple[bool, ...]
    is_seen: bool  # the run may stop here, and be asked to make the call again


def inputs_of(above: Frame | None, layer: keras.Operation, args: Args, kwargs: Kwargs) -> tuple[Value, ...]:
    """What a call is handed by the layer above."""
    values = tensors.as_inputs(args, kwargs)
    if above is None or not compat.dialect().keeps_void_masks(above.layer, layer):
        return values
    return tuple(replace(value, mask=None) for value in values)


def call_of(site: Site, outputs: Structure, error: str) -> Call:
    """The record of a call that was made."""
    layer, frame = site.layer, site.frame
    is_root = site.parent is None
    return Call(
        path=frame.box if is_root else frame.path,
        class_name=type(layer).__name__,
        box="" if site.parent is None else site.parent.box,
        is_box=frame.recorded > 0,
        inputs=site.inputs,
        outputs=() if error else tensors.as_results(outputs, site.graph_masks),
        context=context_of(site.args, site.kwargs, frame.training),
        training_after=flag(compat.dialect().context_training()),
        wiring=site.frame.own_wiring,
        compute_dtype=str(getattr(layer, "compute_dtype", "") or ""),
        error=error,
        is_operation=compat.dialect().is_operation(layer),
    )


def is_own_doing(layer: keras.Layer, frame: Frame) -> bool:
    """Whether a call isn't one of a layer inside, but the calling layer's own doing, as its arithmetic is."""
    return stands_for_function(layer, frame.layer) or (frame.parts is not None and layer.name not in frame.parts)


def called_in_words(
    words: Mapping[str, object], original: Method, args: Args, kwargs: Kwargs
) -> tuple[Method, Args, Kwargs]:
    """The call of a model in a layer's place in the words of that layer: how to make it, and with what.

    Args:
        words: see `tracer.engine.layer.graphs.words_of`.
        original: calls the model.
        args: the model's: all tensors in one list.
        kwargs: the model's.
    """
    first, *others = args[0]
    names = list(words)[: len(others)]
    told = {name: value for name, value in words.items() if name not in names and value is not None}

    def call(model: keras.Layer, first: Structure, **given: Structure) -> Structure:
        rest = {name: value for name, value in given.items() if name not in words}
        return original(model, [first, *(given[name] for name in names)], **rest)

    return call, (first, *args[1:]), {**kwargs, **dict(zip(names, others, strict=True)), **told}


def stands_for_function(layer: keras.Layer, above: keras.Operation) -> bool:
    """Whether it is a model without weights in the place of an activation: the layer's own doing, as a function is."""
    if not isinstance(layer, keras.Sequential) or layer.weights:
        return False
    wrapped = getattr(above, "layer", None)  # a `TimeDistributed` runs the code of its layer without a call of it
    return any(getattr(held, "activation", None) is layer for held in (above, wrapped))


def name_call(parent: Frame, layer: keras.Operation, names: Mapping[str, str]) -> tuple[str, str]:
    """Layer path of the next call of `layer`: without calls on this side, and with calls in the other side's names.

    Args:
        parent: the layer that makes the call.
        layer: what is called.
        names: layer path without calls on this side → name on the other side.
    """
    name = parent.names.get(id(layer)) or _dynamic_name(parent, layer)
    raw = f"{parent.raw}/{name}" if parent.raw else name
    theirs = translated(raw, names).removeprefix(translated(parent.raw, names)).removeprefix("/")
    count = parent.counts[theirs]
    parent.counts[theirs] += 1
    call = f"#{count}" if count else ""
    return raw, f"{parent.path}/{theirs}{call}" if parent.path else f"{theirs}{call}"


def _dynamic_name(parent: Frame, layer: keras.Operation) -> str:
    """A layer that no attribute holds: auto-numbered names are renumbered in order of first call."""
    if id(layer) not in parent.dynamic:
        rank = sum(type(held) is type(layer) for held in parent.keep)
        parent.dynamic[id(layer)] = _renumbered(layer, rank)
        parent.keep.append(layer)  # keeps its id from being given to another one
    return parent.dynamic[id(layer)]


def _renumbered(layer: keras.Operation, rank: int) -> str:
    """A name that Keras has numbered, with another number; any other name as it is."""
    name, base = naming.name_of(layer), naming.base_name(type(layer).__name__)
    if name != base and not (name.startswith(f"{base}_") and name.removeprefix(f"{base}_").isdigit()):
        return name
    return f"{base}_{rank}" if rank else base
