"""A host that stands for another one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence

from tracer.core.feed import Feed
from tracer.core.golden.fingerprint import DIGEST_LIMIT, Site
from tracer.core.host import Host, Identities
from tracer.core.layer.holdings import Holding, Place
from tracer.core.memory import Footprint
from tracer.core.source import Array, Arrays, Call, End, Facts, Patch, Replay, Value
from tracer.progress import Progress


class Delegate(ABC):
    """Whatever a subclass doesn't answer by itself is asked of the host that it stands for; see `Host`.

    It says itself what a host has as attributes and as properties of itself: `spec`, `environment` and `outline`.
    """

    @abstractmethod
    def _host(self) -> Host:
        """Who answers."""

    @property
    def process(self) -> int:  # noqa: D102 - as all of these, see `Host`
        return self._host().process

    def footprint(self, batch: int) -> Footprint | None:  # noqa: D102
        return self._host().footprint(batch)

    def save(self, folder: str, format: str) -> None:  # noqa: D102
        self._host().save(folder, format)

    def formats(self) -> tuple[str, ...]:  # noqa: D102
        return self._host().formats()

    def duplicate(self, format: str) -> Host:  # noqa: D102
        return self._host().duplicate(format)

    def configuration(self) -> Mapping[str, object]:  # noqa: D102
        return self._host().configuration()

    def modules(self) -> tuple[str, ...]:  # noqa: D102
        return self._host().modules()

    def by_value(self) -> bytes:  # noqa: D102
        return self._host().by_value()

    def deriving(self) -> tuple[str, ...]:  # noqa: D102
        return self._host().deriving()

    def fresh_state(self, path: str) -> Mapping[str, object]:  # noqa: D102
        return self._host().fresh_state(path)

    def make_inputs(self, path: str | None, *, seed: int, batch: int) -> Feed:  # noqa: D102
        return self._host().make_inputs(path, seed=seed, batch=batch)

    def fit_inputs(self, value: Arrays) -> Feed:  # noqa: D102
        return self._host().fit_inputs(value)

    def fingerprints(  # noqa: D102
        self,
        inputs: Arrays,
        *,
        training: bool | None = False,
        detail: bool = False,
        digest_limit: int = DIGEST_LIMIT,
        progress: Progress | None = None,
    ) -> tuple[Site, ...]:
        return self._host().fingerprints(
            inputs, training=training, detail=detail, digest_limit=digest_limit, progress=progress
        )

    def losses(self, compiling: Mapping[str, object], inputs: Arrays) -> Mapping[str, float]:  # noqa: D102
        return self._host().losses(compiling, inputs)

    def identities(self) -> Identities:  # noqa: D102
        return self._host().identities()

    def mend(self, path: str, mend: Patch) -> None:  # noqa: D102
        self._host().mend(path, mend)

    def rename(self, names: Mapping[str, str]) -> None:  # noqa: D102
        self._host().rename(names)

    def seeds(self) -> Mapping[str, Array]:  # noqa: D102
        return self._host().seeds()

    def prepare(self, inputs: Arrays, *, training: bool | None) -> bool:  # noqa: D102
        return self._host().prepare(inputs, training=training)

    def begin(  # noqa: D102
        self,
        inputs: Arrays,
        *,
        training: bool | None,
        seeds: Mapping[str, Array] | None = None,
        stops: Collection[str] | None = None,
    ) -> None:
        self._host().begin(inputs, training=training, seeds=seeds, stops=stops)

    def receive(self) -> Call | End:  # noqa: D102
        return self._host().receive()

    def proceed(self, outputs: Sequence[Value] | None = None) -> None:  # noqa: D102
        self._host().proceed(outputs)

    def replay(  # noqa: D102
        self,
        inputs: Sequence[Value],
        context: Mapping[str, str],
        inner: Mapping[str, tuple[Value, ...]] | None = None,
    ) -> Replay:
        return self._host().replay(inputs, context, inner)

    def attempt(self, mend: Patch, inputs: Sequence[Value], context: Mapping[str, str]) -> Replay:  # noqa: D102
        return self._host().attempt(mend, inputs, context)

    def facts(self, path: str) -> Facts | None:  # noqa: D102
        return self._host().facts(path)

    def rest(self) -> None:  # noqa: D102
        self._host().rest()

    def close(self) -> None:  # noqa: D102
        self._host().close()

    def holdings(self) -> Mapping[str, Holding]:  # noqa: D102
        return self._host().holdings()

    def weight_values(self, batches: Sequence[Sequence[Place]]) -> Iterator[Sequence[Array]]:  # noqa: D102
        return self._host().weight_values(batches)

    def settings(self, paths: Sequence[str], *, rebuilt: bool = False) -> Mapping[str, Facts]:  # noqa: D102
        return self._host().settings(paths, rebuilt=rebuilt)
