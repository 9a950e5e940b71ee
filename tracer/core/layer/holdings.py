"""What the layers of a model hold while nothing runs: their variables, and a digest of how they are set."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias, runtime_checkable

from tracer.core.source import Array, Facts

# Layer path, position of the variable in its layer, and the range of its elements in C order.
Place: TypeAlias = tuple[str, int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """One layer, without the layers inside it.

    Attributes:
        name: of the layer; the model's own path is empty, and a report calls it by this.
        class_name: of the layer.
        names: of its own variables, in the order in which it made them; the state of seed generators isn't among them.
        shapes: of these variables.
        dtypes: of these variables.
        again: names of those that a layer told of before holds too.
        derives: it computes with state that it derives from its variables, so that they are state themselves.
        traits: digest of everything else that it holds; equal ones are set alike.
    """

    name: str
    class_name: str
    names: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]
    dtypes: tuple[str, ...]
    again: tuple[str, ...] = ()
    derives: bool = False
    traits: str = ""

    def variables(self) -> dict[str, HeldVariable]:
        """Its variables by name."""
        places = zip(self.names, self.shapes, self.dtypes, strict=True)
        return {name: HeldVariable(i, tuple(shape), dtype) for i, (name, shape, dtype) in enumerate(places)}


@dataclass(frozen=True, slots=True)
class HeldVariable:
    """One variable of a layer.

    Attributes:
        position: in the layer.
        shape: of its value.
        dtype: Keras' name of it.
    """

    position: int
    shape: tuple[int, ...]
    dtype: str

    @property
    def size(self) -> int:
        """How many elements it has."""
        return math.prod(self.shape)


@runtime_checkable
class Holder(Protocol):
    """A source that can say what its layers hold, all of them, also those that are never called."""

    def holdings(self) -> Mapping[str, Holding]:
        """Of every layer, by layer path in the other side's names; the model itself is under ""."""

    def weight_values(self, batches: Sequence[Sequence[Place]]) -> Iterator[Sequence[Array]]:
        """Elements of variables, flat, one batch after the other; a view where that can be."""

    def settings(self, paths: Sequence[str], *, rebuilt: bool = False) -> Mapping[str, Facts]:
        """Facts of layers without their weights; `rebuilt`: of what their configuration makes anew, where it does."""

    @property
    def environment(self) -> Mapping[str, str]:
        """Versions of Keras, backend, Python and NumPy."""
