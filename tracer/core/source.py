"""What the comparison speaks with: a *source* of activations, and the records that pass between the two.

A live model in this process and a worker in another Keras are both sources.  A source runs its model call site by call
site and stops after each one.  While it is stopped it can be asked to call that layer again on other inputs
(`replay`), or to go on with other outputs than its own (`proceed(outputs)`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]
# Inputs of a model, in the structure that its call takes.
Arrays: TypeAlias = "Array | Sequence[Arrays] | Mapping[str, Arrays]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """One tensor: its numbers, its Keras mask, and whether it was sparse.

    Attributes:
        array: the numbers, dense, any shape.
        mask: the Keras mask that travels with the tensor, or None.
        sparse: the tensor was sparse; part of its type.
        name: of an input: the argument that it is part of (`args[0]`, `mask`).
        bypassed: of an output without a mask: the graph hands one on past it, as it was made when the graph was.
        native: the live tensor, so that a replay in the same process copies nothing; None over a wire.
    """

    array: Array
    mask: Array | None = None
    sparse: bool = False
    name: str = ""
    bypassed: bool = False
    native: object = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What a source is run on; the same one gives the same activations.

    Attributes:
        inputs: arrays in the structure that the model's call takes.
        training: passed on to the model; None for nothing.
        seeds: states that the random-seed generators begin with, by layer path; None: those that they have.
    """

    inputs: Arrays
    training: bool | None = False
    seeds: Mapping[str, Array] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call site that has just run.

    Attributes:
        path: layer path, in the reference's names.
        class_name: class of the layer or operation.
        box: path of the innermost enclosing layer that has code of its own (not a graph); "" at the top of a graph.
        is_box: inner call sites were recorded while it ran.
        inputs: tensors among its arguments, flattened in a fixed order.
        outputs: tensors of its result, flattened in a fixed order; empty when `error` is set.
        context: what else it was called with: `training` (absent when False or None) and other arguments, as text.
        training_after: `training` of the surrounding call context once it had run.
        wiring: where each input comes from, as layer paths, when the call site is part of a graph; else None.
        compute_dtype: dtype that the layer computes in.
        error: what the layer raised, in one line; "" when it returned.
        is_operation: an operation of a graph, such as a cast or a sum, and no layer.
    """

    path: str
    class_name: str
    box: str
    is_box: bool
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    context: Mapping[str, str]
    training_after: str = ""
    wiring: tuple[str, ...] | None = None
    compute_dtype: str = ""
    error: str = ""
    is_operation: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """The model has returned.

    Attributes:
        outputs: of the model, flattened.
        wiring: where each output comes from, for a graph; else None.
        opaque: layer paths whose inner layers could not be observed, with the reason.
        graphs: where each input and each output of a graph inside comes from, by layer path: a graph is no call site.
    """

    outputs: tuple[Value, ...]
    wiring: tuple[str, ...] | None = None
    opaque: Mapping[str, str] = field(default_factory=dict)
    graphs: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """A call site called again.

    Attributes:
        outputs: of the layer; empty when `error` is set.
        inner: inputs and context that its inner call sites received, by layer path, when inner outputs were forced.
        error: what it raised, in one line.
    """

    outputs: tuple[Value, ...]
    inner: Mapping[str, tuple[tuple[Value, ...], Mapping[str, str]]] = field(default_factory=dict)
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """A function that a layer holds, such as its activation.

    Attributes:
        name: what its users call it by, with its module (`keras.activations.gelu`).
        code: digest of its code and of what it was made with; "" where the name says all.
        computes: what it returns for a few numbers, flat; empty where it wasn't asked.
    """

    name: str
    code: str = ""
    computes: tuple[float, ...] = ()

    def __str__(self) -> str:
        """Its name."""
        return self.name

    def is_like(self, other: Function) -> bool:
        """Whether both compute the same, or, where that isn't known, are the same."""
        if self.computes and other.computes:
            same = len(self.computes) == len(other.computes)
            return same and np.allclose(self.computes, other.computes, rtol=1e-5, atol=1e-6, equal_nan=True)
        return (self.name, self.code) == (other.name, other.code)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What can be said of one layer without running it.

    Attributes:
        class_name: with its module.
        config: `get_config()`, as plain JSON types.
        weights: variables by path below the layer, as arrays.
        state: attributes that are neither weight, layer nor bookkeeping, by name: numbers, text, arrays, functions, and
            lists, tuples and dicts of them.
        derives: it has a way to derive its state from its weights (`finalize_state`).
        policy: dtype policy, compute and variable dtype, autocast, quantization mode.
        arguments: names that the constructor takes.
        unreadable: class of what attributes hold that can't be compared by value, by name.
        late: attributes that a layer gets when it is saved and loaded, and that say nothing of how it is set.
        code: digest of the code that it runs; "" where that isn't known.
    """

    class_name: str
    config: Mapping[str, Any]
    weights: Mapping[str, Array]
    state: Mapping[str, Any]
    policy: Mapping[str, str]
    arguments: tuple[str, ...]
    derives: bool = False
    unreadable: Mapping[str, str] = field(default_factory=dict)
    late: tuple[str, ...] = ()
    code: str = ""


class PatchAction(StrEnum):
    """What a change to a layer does."""

    FINALIZE_STATE = "finalize_state"
    PERSIST_STATE = "persist_state"
    COPY_WEIGHTS = "copy_weights"
    SET_ATTRIBUTE = "set_attribute"


@dataclass(frozen=True, slots=True, kw_only=True)
class Patch:
    """A change to one layer.

    Attributes:
        action: what it does.
        weights: new values of variables, by path below the layer.
        attributes: new values of attributes, by name.
        finalize: derive the layer's state from its weights afterwards.
    """

    action: PatchAction
    weights: Mapping[str, Array] = field(default_factory=dict)
    attributes: Mapping[str, Any] = field(default_factory=dict)
    finalize: bool = False


@dataclass(frozen=True, slots=True)
class Outline:
    """The layers of a model by name, before anything runs: what is aligned.

    Attributes:
        name: of the layer, unique among its siblings.
        class_name: of the layer.
        base: name that Keras derives from the class (`dense`), to recognise auto-numbered ones.
        children: layers inside, in a fixed order.
        sources: where its inputs come from, call by call: `sibling:output`, `<input k>` of the graph around it, or the
            attribute that holds it (`<blocks[0]>`); empty where nothing is known.
        takers: where its outputs go: `sibling:argument`, or `<output k>`.
        config: digest of its configuration without names; "" for a class of Keras' own.
    """

    name: str
    class_name: str
    base: str
    children: tuple[Outline, ...] = ()
    sources: tuple[str, ...] = ()
    takers: tuple[str, ...] = ()
    config: str = ""


class Stop(Protocol):
    """A source that stands at one call site, or can come back to it; see `Source` for the methods."""

    def replay(
        self,
        inputs: Sequence[Value],
        context: Mapping[str, str],
        inner: Mapping[str, tuple[Value, ...]] | None = None,
    ) -> Replay:
        """Call the layer of this call site again, on `inputs`, with `inner` outputs forced where given."""

    def attempt(self, mend: Patch, inputs: Sequence[Value], context: Mapping[str, str]) -> Replay:
        """Call the layer of this call site again on `inputs`, changed for the time of this call."""

    def facts(self, path: str) -> Facts | None:
        """What can be said of a layer without running it; None where there is no such layer."""


class Source(Protocol):
    """Activations in execution order; see the module's text for the way it is driven.

    Every method raises `tracer.errors.TracerError` with the source's last words when the model or its worker fails.
    """

    @property
    def spec(self) -> str:
        """What is being run, in words."""

    @property
    def environment(self) -> Mapping[str, str]:
        """Versions of Keras, backend, Python and NumPy."""

    @property
    def outline(self) -> Outline:
        """The layers of the model."""

    def rename(self, names: Mapping[str, str]) -> None:
        """Report layer paths in the other side's names: layer path without calls → name there."""

    def seeds(self) -> Mapping[str, Array]:
        """State of every random-seed generator, by layer path."""

    def prepare(self, inputs: Arrays, *, training: bool | None) -> bool:
        """Let the model build what it builds only when it is run; whether the outline is another one since."""

    def begin(
        self,
        inputs: Arrays,
        *,
        training: bool | None,
        seeds: Mapping[str, Array] | None = None,
        stops: Collection[str] | None = None,
    ) -> None:
        """Start a run: arrays in the structure that the model's call takes.

        It stops at the call sites with these layer paths alone, where they are given; else at all of them.
        """

    def receive(self) -> Call | End:
        """Wait for the next call site to have run, or the end."""

    def proceed(self, outputs: Sequence[Value] | None = None) -> None:
        """Go on, with `outputs` in place of the layer's own where given."""

    def replay(
        self,
        inputs: Sequence[Value],
        context: Mapping[str, str],
        inner: Mapping[str, tuple[Value, ...]] | None = None,
    ) -> Replay:
        """Call the layer of the current call site again, on `inputs`, with `inner` outputs forced where given."""

    def attempt(self, mend: Patch, inputs: Sequence[Value], context: Mapping[str, str]) -> Replay:
        """Call the layer of the current call site again on `inputs`, changed for the time of this call."""

    def facts(self, path: str) -> Facts | None:
        """What can be said of a layer without running it; None where there is no such layer."""

    def rest(self) -> None:
        """End the run, if one is on, and restore every variable."""

    def close(self) -> None:
        """`rest`, and leave nothing running."""


@runtime_checkable
class TakesTurns(Protocol):
    """A source that can't run while another one does, because only one model is loaded at a time."""

    def catch_up(self) -> bool:
        """Find the answers that it couldn't give; whether there were any, so that the two have to be run again."""
