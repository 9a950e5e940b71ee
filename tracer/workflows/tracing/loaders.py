"""What loads a model again that was saved: this process, a fresh one, or one when the first model is gone."""

from __future__ import annotations

import contextlib
import functools
from dataclasses import dataclass
from typing import Protocol

from tracer.core.host import Host
from tracer.core.spec import parse_spec
from tracer.errors import WorkerError
from tracer.workflows.opening import Loading, Model, Way, closing, needed_by, open_worker
from tracer.workflows.sequential.opening import Reload


class Loader(Protocol):
    """Loads what a model was saved as.

    Attributes:
        where: the process, in words.
    """

    @property
    def where(self) -> str:
        """The process, in words."""

    def load(self, first: Host, folder: str, format: str, stack: contextlib.ExitStack) -> Host:
        """A source of what `first` saved into a folder; it lasts as long as the stack does at least."""


@dataclass(frozen=True, slots=True)
class ThisProcess:
    """See the module's text."""

    loading: Loading
    where: str = "this process"

    def load(self, first: Host, folder: str, format: str, stack: contextlib.ExitStack) -> Host:  # noqa: ARG002
        """See `Loader`."""
        from tracer.engine import host  # where all is in workers, this process needs no Keras

        custom_objects, trust = self.loading.custom_objects, self.loading.trust
        return closing(host.from_saved(folder, format, custom_objects=custom_objects, trust=trust), stack)


class FreshProcess:
    """One for all formats, one after the other, and a new one when it has died.

    Args:
        model: its specification names the environment that the process belongs in.
        way: how models are opened.
    """

    where = "a fresh process"

    def __init__(self, model: Model, way: Way) -> None:
        spec = parse_spec(model) if isinstance(model, str) else None
        self._loading = way.loading
        self._start = functools.partial(open_worker, spec, way.stack, way.packages, way.progress)
        self._worker = self._start()

    def load(self, first: Host, folder: str, format: str, stack: contextlib.ExitStack) -> Host:  # noqa: ARG002
        """See `Loader`."""
        try:
            self._worker.load(folder, format, needed=needed_by(first, self._loading))
        except WorkerError:
            self._worker = self._start()
            raise
        return self._worker


@dataclass(frozen=True, slots=True)
class InTurn:
    """A fresh process for each, when the first model is gone."""

    loading: Loading
    reload: Reload
    where: str = "a fresh process"

    def load(self, first: Host, folder: str, format: str, stack: contextlib.ExitStack) -> Host:
        """See `Loader`."""
        return closing(self.reload(folder, format, needed_by(first, self.loading)), stack)
