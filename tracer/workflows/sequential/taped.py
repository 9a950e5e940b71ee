"""The reference of two models of which only one is loaded: what it said and holds is on disk when it is gone.

reference  ── loaded ── run, written down ── gone ▶ told from disk ────────── loaded again, where a proof needs it
candidate                                     loaded ── run, held against it ── gone

A layer that may be at fault is looked at on both sides while they stand at its call.  The reference isn't there to be
asked: it notes what it can't answer yet, is loaded once more, answers at all of these calls, and the candidate is run
again (`Taped.catch_up`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np

from tracer.core.drive import Calls, running
from tracer.core.host import Host
from tracer.core.layer.holdings import Holding, Place
from tracer.core.layer.nearly import Question, answer, questions
from tracer.core.numbers.difference import same_bytes
from tracer.core.source import Array, Arrays, Call, End, Facts, Patch, PatchAction, Replay, Run, Value
from tracer.errors import ModelError
from tracer.store.tape import Tape, Variables
from tracer.workflows.sequential.turns import InTurns, Turn

# Elements that are written down at a time.
_PIECE: Final = 1 << 22
# So often the candidate is run anew because layers have come under suspicion that hadn't before.
_ROUNDS: Final = 4

Inner: TypeAlias = dict[str, tuple[Value, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answers:
    """What the reference says while it stands at a call.

    Attributes:
        facts: of the layer.
        again: what it returns when it is called once more; a box, with what the call sites inside it returned.
        derived: what it returns with its state derived anew; None where it has no such state.
        nearly: what it returns for inputs and weights that are nearly its own, by digest of these; empty where nobody
            asked.
    """

    facts: Facts | None
    again: Replay
    derived: Replay | None
    nearly: Mapping[bytes, Replay]


@dataclass(slots=True)
class _Told:
    """A run that is told from disk, and the call at which it stands."""

    said: Iterator[Call | End]
    call: Call | None = None


class Taped(InTurns):
    """The reference: its run is told from disk, as is what its variables hold.

    Args:
        spec: see `InTurns`.
        load: see there.
        turn: see there.
        folder: an own one for what is written down, which whoever made it removes.
    """

    def __init__(self, spec: str, load: Callable[[], Host], turn: Turn, folder: Path) -> None:
        super().__init__(spec, load, turn)
        self._tape, self._variables = Tape(folder), Variables(folder)
        self._run: Run | None = None
        self._holdings: Mapping[str, Holding] = {}
        self._told: _Told | None = None
        self._answers: dict[str, _Answers] = {}
        self._unanswered: dict[str, None] = {}
        self._sensitive: set[str] = set()
        self._rounds = 0

    def prepare(self, inputs: Arrays, *, training: bool | None) -> bool:
        """See `Source`; runs the model, too, and writes down what it says and what it holds.

        Raises:
            ModelError: if there is no room for that.
        """
        changed = super().prepare(inputs, training=training)
        host = self._host()
        self._run, self._answers, self._rounds = Run(inputs=inputs, training=training, seeds=host.seeds()), {}, 0
        self._sensitive.clear()
        try:
            with running(host, self._run) as calls:
                self._tape.record(_all_said(calls))
            self._holdings = self.holdings()
            self._variables.record(_values(host, self._holdings))
        except OSError as error:
            raise ModelError(
                f"{self.spec}: what it computes can't be kept on disk: {error.strerror or error}. Set TMPDIR to a "
                "folder with more room, or leave --sequential out."
            ) from error
        return changed

    def seeds(self) -> Mapping[str, Array]:
        """See `Source`."""
        return super().seeds() if self._run is None else self._run.seeds or {}

    def begin(
        self,
        inputs: Arrays,
        *,
        training: bool | None,
        seeds: Mapping[str, Array] | None = None,
        stops: Collection[str] | None = None,
    ) -> None:
        """See `Source`; a run at whose calls nothing is put in is told from disk."""
        run = self._run
        if stops is None and run is not None and _is_run_on(run, inputs, training, seeds):
            self._told = _Told(self._tape.play())
        else:
            super().begin(inputs, training=training, seeds=seeds, stops=stops)

    def receive(self) -> Call | End:
        """See `Source`."""
        if self._told is None:
            return super().receive()
        message = next(self._told.said)
        if isinstance(message, End):
            self._told = None
        else:
            self._told.call = message
        return message

    def proceed(self, outputs: Sequence[Value] | None = None) -> None:
        """See `Source`.

        Raises:
            ModelError: if something is to be put into a run that is told from disk.
        """
        if self._told is None:
            super().proceed(outputs)
        elif outputs is not None:
            raise ModelError(f"{self.spec}: name the call sites where something is put in when the run begins.")
        else:
            self._told.call = None  # its tensors are in nobody's way

    def replay(
        self,
        inputs: Sequence[Value],
        context: Mapping[str, str],
        inner: Mapping[str, tuple[Value, ...]] | None = None,
    ) -> Replay:
        """See `Source`; from disk, on its own inputs and those that are nearly these alone."""
        if self._told is None:
            return super().replay(inputs, context, inner)
        call = self._standing(self._told)
        if not _are_own(inputs, call):
            return self._nearly(call, (None, tuple(inputs)))
        known = self._answer(call.path)
        return known.again if known is not None else Replay(outputs=call.outputs)

    def attempt(self, mend: Patch, inputs: Sequence[Value], context: Mapping[str, str]) -> Replay:
        """See `Source`; from disk, to derive its state anew on its own inputs, and with what is nearly its own."""
        if self._told is None:
            return super().attempt(mend, inputs, context)
        call = self._standing(self._told)
        if mend.action != PatchAction.FINALIZE_STATE:
            return self._nearly(call, (mend, tuple(inputs)))
        known = self._answer(call.path)
        return known.derived if known is not None and known.derived is not None else Replay(outputs=call.outputs)

    def _standing(self, told: _Told) -> Call:
        if told.call is None:
            raise ModelError(f"{self.spec}: it stands at no call that could be repeated.")
        return told.call

    def facts(self, path: str) -> Facts | None:
        """See `Source`."""
        if path in self._answers:
            return self._answers[path].facts
        if self._told is None and self._turn.running in (None, self):
            return super().facts(path)
        self._unanswered[path] = None
        return None

    def _answer(self, path: str) -> _Answers | None:
        if path not in self._answers:
            self._unanswered[path] = None
        return self._answers.get(path)

    def _nearly(self, call: Call, question: Question) -> Replay:
        """What it returns for that; what it returned, which nobody concludes from, as long as it wasn't asked."""
        known = self._answers.get(call.path)
        if known is None or not known.nearly:
            self._unanswered[call.path] = None
            self._sensitive.add(call.path)
            return Replay(outputs=call.outputs)
        return known.nearly[_digest(question)]

    def catch_up(self) -> bool:
        """Find the answers that were missing; whether there were any, so that the two have to be run again.

        Raises:
            ModelError: if there is no end to it, because the candidate differs from run to run.
        """
        asked, self._unanswered = frozenset(self._unanswered), {}
        if not asked or self._run is None:
            return False
        self._rounds += 1
        if self._rounds > _ROUNDS:
            raise ModelError(
                f"each time that the candidate was run, other layers differed ({', '.join(sorted(asked)[:3])}): "
                "leave --sequential out."
            )
        self._told = None
        host = self._host()
        with running(host, self._run, asked) as calls:
            for call, (told, inner) in zip(calls, _with_inner(self._tape.play(), asked), strict=False):
                if call.path != told.path:
                    break  # it calls its layers in another order than before
                self._answers[told.path] = _answers(host, told, inner, nearly=told.path in self._sensitive)
        missing = asked - self._answers.keys()
        if missing:
            raise ModelError(f"{self.spec}: run twice on the same inputs it didn't call {min(missing)} again.")
        return True

    def rest(self) -> None:
        """See `Source`."""
        self._told = None
        super().rest()

    def holdings(self) -> Mapping[str, Holding]:
        """See `Holder`."""
        return self._holdings or super().holdings()

    def weight_values(self, batches: Sequence[Sequence[Place]]) -> Iterator[Sequence[Array]]:
        """See `Holder`; from disk, once they are there."""
        if not self._holdings:
            return super().weight_values(batches)
        return ([self._variables.read(*place) for place in places] for places in batches)


def _is_run_on(run: Run, inputs: Arrays, training: bool | None, seeds: Mapping[str, Array] | None) -> bool:
    """Whether a run is the one on these very arrays, begun with the seeds that it was begun with."""
    same_seeds = seeds is run.seeds or not (seeds or run.seeds)
    return run.inputs is inputs and run.training == training and same_seeds


def _with_inner(said: Iterable[Call | End], asked: Collection[str]) -> Iterator[tuple[Call, Inner | None]]:
    """The calls that are asked about; for a box, with what the call sites inside returned, by layer path."""
    inside: dict[str, Inner] = {}
    for call in said:
        if isinstance(call, End):
            return
        if call.box in asked:
            inside.setdefault(call.box, {})[call.path] = call.outputs
        if call.path in asked:
            yield call, inside.pop(call.path, {}) if call.is_box else None


def _are_own(inputs: Sequence[Value], call: Call) -> bool:
    """Whether these are the inputs of a call, and not nearly these."""
    return all(a is b or same_bytes(a.array, b.array) for a, b in zip(inputs, call.inputs, strict=True))


def _digest(question: Question) -> bytes:
    """Of all numbers that are asked about: what isn't of floating point is the same in all questions at a call."""
    mend, inputs = question
    weights = mend.weights.values() if mend is not None else ()
    found = hashlib.blake2b(digest_size=16)
    for array in (*(value.array for value in inputs), *weights):
        if array.dtype.kind == "f":
            found.update(np.ascontiguousarray(array).data)
    return found.digest()


def _answers(host: Host, call: Call, inner: Inner | None, *, nearly: bool) -> _Answers:
    """What the reference says of a call as it was told, at which it stands again: of the very tensors of back then.

    One that draws gives its layers others this time, and its boxes would only seem to differ by their own code.
    """
    facts = host.facts(call.path)
    derive = facts is not None and facts.derives and not call.error
    mend = Patch(action=PatchAction.FINALIZE_STATE, finalize=True)
    return _Answers(
        facts=facts,
        again=host.replay(call.inputs, call.context, inner),
        derived=host.attempt(mend, call.inputs, call.context) if derive else None,
        nearly={_digest(one): answer(host, call, one) for one in questions(call, facts)} if nearly else {},
    )


def _all_said(calls: Calls) -> Iterator[Call | End]:
    yield from calls
    yield calls.end


def _values(host: Host, holdings: Mapping[str, Holding]) -> Iterator[tuple[str, int, Array]]:
    """All variables, in pieces."""
    places = [
        (path, each.position, start, min(start + _PIECE, each.size))
        for path, holding in holdings.items()
        for each in holding.variables().values()
        for start in range(0, max(each.size, 1), _PIECE)
    ]
    for (path, position, *_), (piece,) in zip(places, host.weight_values([[place] for place in places]), strict=True):
        yield path, position, piece
