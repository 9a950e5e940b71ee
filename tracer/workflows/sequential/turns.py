"""A host whose model is loaded only when it is its turn."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from tracer.core.host import Host, Identities
from tracer.core.layer.holdings import Holding
from tracer.core.source import Array, Arrays, Call, End, Outline
from tracer.errors import ModelError
from tracer.workflows.delegate import Delegate


@dataclass(slots=True)
class Turn:
    """Whose model is loaded, and who is in the middle of a run."""

    holder: InTurns | None = None
    running: InTurns | None = None

    def take(self, host: InTurns) -> None:
        """Have nobody else's model loaded."""
        if self.holder is not None and self.holder is not host:
            self.holder.sleep()
        self.holder = host


class InTurns(Delegate):
    """A host whose model is loaded when it is asked something, and gone when it is the other one's turn.

    Args:
        spec: what is loaded, in words.
        load: loads the model, each time in a process of its own, which ends when it is closed.
        turn: what the two have in common.
    """

    def __init__(self, spec: str, load: Callable[[], Host], turn: Turn) -> None:
        self.spec = spec
        self._load, self._turn = load, turn
        self._loaded: Host | None = None
        self._identities: Identities | None = None
        self._names: Mapping[str, str] | None = None
        self._prepared: tuple[Arrays, bool | None] | None = None
        self._told_holdings = False
        self._about: tuple[Mapping[str, str], Outline] | None = None

    def _host(self) -> Host:
        if self._loaded is None:
            self._turn.take(self)
            self._loaded = self._load()
            self._as_before(self._loaded)
        return self._loaded

    @property
    def environment(self) -> Mapping[str, str]:
        """See `Source`."""
        return self._known()[0]

    @property
    def outline(self) -> Outline:
        """See `Source`."""
        return self._known()[1]

    def _known(self) -> tuple[Mapping[str, str], Outline]:
        if self._about is None:
            host = self._host()
            self._about = host.environment, host.outline
        return self._about

    def _as_before(self, host: Host) -> None:
        """Bring a model that was loaded anew to where the one before it was.

        Raises:
            ModelError: if it is another one: what was seen of the two can't be put together.
        """
        if self._prepared is not None:
            host.prepare(self._prepared[0], training=self._prepared[1])
        if self._names is not None:
            host.rename(self._names)
        if self._told_holdings:
            host.holdings()
        if self._identities is not None and (found := host.identities()) != self._identities:
            others = [path for path in self._identities if found.get(path) != self._identities[path]]
            raise ModelError(
                f"{self.spec}: loaded a second time, it is another model ({', '.join(others[:3]) or 'more layers'}), "
                "and --sequential loads it more than once. Give a saved file, or leave --sequential out."
            )

    def sleep(self) -> None:
        """Let the model go, and the memory that it takes; it can come back."""
        if self._loaded is not None:
            self.rest()
            self._identities = self._loaded.identities()
        self.close()

    def close(self) -> None:
        """See `Host`."""
        if self._loaded is not None:
            self._loaded.close()
            self._loaded = None

    def prepare(self, inputs: Arrays, *, training: bool | None) -> bool:
        """See `Source`."""
        host = self._host()
        changed = host.prepare(inputs, training=training)
        self._prepared, self._about = (inputs, training), (host.environment, host.outline)
        return changed

    def rename(self, names: Mapping[str, str]) -> None:
        """See `Source`."""
        self._host().rename(names)
        self._names = dict(names)

    def holdings(self) -> Mapping[str, Holding]:
        """See `Holder`."""
        self._told_holdings = True
        return self._host().holdings()

    def begin(
        self,
        inputs: Arrays,
        *,
        training: bool | None,
        seeds: Mapping[str, Array] | None = None,
        stops: Collection[str] | None = None,
    ) -> None:
        """See `Source`."""
        self._host().begin(inputs, training=training, seeds=seeds, stops=stops)
        self._turn.running = self

    def receive(self) -> Call | End:
        """See `Source`."""
        message = self._host().receive()
        if isinstance(message, End):
            self._turn.running = None
        return message

    def rest(self) -> None:
        """See `Source`; a model that isn't loaded is at rest."""
        if self._turn.running is self:
            self._turn.running = None
        if self._loaded is not None:
            self._loaded.rest()
