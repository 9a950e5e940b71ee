"""What the owner of a model can be asked, wherever the model lives: in this process, or in a worker of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from tracer.core.feed import Feed
from tracer.core.golden.fingerprint import DIGEST_LIMIT, Identity, Site
from tracer.core.layer.holdings import Holder, Place
from tracer.core.layer.optimizer import Restored
from tracer.core.memory import Footprint
from tracer.core.source import Array, Arrays, Patch, Source
from tracer.progress import Progress

Identities: TypeAlias = Mapping[str, Identity]


@dataclass(frozen=True, slots=True, kw_only=True)
class Needed:
    """What a process has to have before it can load a model.

    Attributes:
        modules: that it imports.
        by_value: classes and functions that can't be imported, as `tracer.engine.model.shipping` packs them; only for a
            worker that this process has started beside itself.
        trust: make functions of the Python code that the saved model contains.
    """

    modules: tuple[str, ...] = ()
    by_value: bytes = b""
    trust: bool = False


class Host(Source, Holder, Protocol):
    """A source that owns its model: it can save it, change it, and say what it is made of.

    Attributes:
        spec: what is being run, in words; whoever opened it may say it better.
    """

    spec: str

    @property
    def process(self) -> int:
        """Id of the process that the model is in."""

    def footprint(self, batch: int) -> Footprint | None:
        """What a run with so many samples will need; None where that can't be foreseen."""

    def save(self, folder: str, format: str) -> None:
        """Write the model into an empty folder, in one of `formats()`."""

    def formats(self) -> tuple[str, ...]:
        """Formats that the model can be saved in."""

    def duplicate(self, format: str) -> Host:
        """A source of a second model, made from this one without leaving the process."""

    def configuration(self) -> Mapping[str, object]:
        """Class and configuration of the model, as plain JSON types."""

    def modules(self) -> tuple[str, ...]:
        """Modules outside Keras that define layers of the model: who loads it must import them."""

    def by_value(self) -> bytes:
        """What the model needs and no other process can import, packed; empty where there is nothing of the kind."""

    def deriving(self) -> tuple[str, ...]:
        """Layer paths of the layers that derive state from their weights (`finalize_state`)."""

    def fresh_state(self, path: str) -> Mapping[str, object]:
        """What a layer's attributes are before it is given weights."""

    def make_inputs(self, path: str | None, *, seed: int, batch: int) -> Feed:
        """Inputs from a file, all of them, or seeded ones that the model can be run on."""

    def fit_inputs(self, value: Arrays) -> Feed:
        """Arrays given by the caller, checked against the signature."""

    def fingerprints(
        self,
        inputs: Arrays,
        *,
        training: bool | None = False,
        detail: bool = False,
        digest_limit: int = DIGEST_LIMIT,
        progress: Progress | None = None,
    ) -> tuple[Site, ...]:
        """Run once and keep a fingerprint of every output; see `tracer.core.golden.fingerprint.collect`."""

    def losses(self, compiling: Mapping[str, object], inputs: Arrays) -> Mapping[str, float]:
        """The losses on one batch, by name; see `tracer.engine.losses.losses`."""

    def identities(self) -> Identities:
        """What every layer is, apart from what it computes, by layer path."""

    def mend(self, path: str, mend: Patch) -> None:
        """Change a layer for good."""


class ServedHost(Host, Protocol):
    """A host that a worker serves: over a wire, values are asked for batch by batch."""

    def seed(self, seed: int) -> None:
        """Fill the float weights with seeded values, which keep a signal alive."""

    def compile(self, compiling: Mapping[str, object]) -> None:
        """Compile the model, for what it is saved with."""

    def optimizer(self) -> Restored:
        """The state of the optimizer that the model came with."""

    def values_at(self, places: Sequence[Place]) -> Sequence[Array]:
        """One batch of `weight_values`."""
