"""Both sides of a lock-step run, and which of them may be a call site ahead of the comparison.

Two models in one process run one after the other, layer by layer: what they and the comparison do in Python waits for
one lock, and costs more at the same time than in turn.  Where one is in another process, both compute on while their
outputs are compared, where these are small and look equal.  Where the candidate's layer has to be called again, because
it was called otherwise, only the reference does.  Whoever is asked about a call site that it has left runs again up to
it first: `Pace.at` hands out a side in no other way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tracer.core.comparison.gap import look_equal
from tracer.core.comparison.judge import Judgement
from tracer.core.comparison.same_call import CallMatch
from tracer.core.numbers.equal_tensors import stays
from tracer.core.source import Call, End, Facts, Patch, Replay, Run, Source, Stop, Value
from tracer.errors import ModelError
from tracer.records import Verdict

LARGE = 16 << 20  # bytes: of layers with such outputs two at once would take too much memory
_RETURNS = 2  # so often a side runs ahead in vain; then both wait for the verdict


@dataclass(slots=True)
class Pace:
    """See the module's text.

    Attributes:
        reference: one side.
        candidate: the other one.
        run: what both are run on.
        ahead: whether anybody may run ahead at all.
        large: bytes of outputs from which on layers run one side after the other.
        r: the reference's call that is looked at, or its end.
        c: the candidate's.
    """

    reference: Source
    candidate: Source
    run: Run
    ahead: bool = True
    large: int = LARGE
    r: Call | End | None = None
    c: Call | End | None = None
    _gone_on: list[Source] = field(default_factory=list)
    _came_back: bool = False
    _returns: int = 0
    _helped: bool = False

    def begin(self) -> None:
        """Start both, and wait for the first call of each."""
        for source in (self.reference, self.candidate):
            self._begin(source)
        self.r, self.c = self.reference.receive(), self.candidate.receive()

    def _begin(self, source: Source) -> None:
        source.begin(self.run.inputs, training=self.run.training, seeds=self.run.seeds)

    def next_reference(self) -> None:
        """Let the reference alone go on to its next call."""
        self.r = None  # its tensors are in nobody's way while the next layer runs
        self.reference.proceed()
        self.r = self.reference.receive()

    def next_candidate(self, outputs: Sequence[Value] | None = None) -> None:
        """Let the candidate alone go on, with these outputs in place of its own where given."""
        self.c = None
        self.candidate.proceed(outputs)
        self.c = self.candidate.receive()

    def next(self, in_turn: bool, outputs: Sequence[Value] | None = None) -> None:
        """Let both go on of whom those that have run ahead do already; one after the other where that saves memory.

        The candidate comes first, because it may have got the reference's outputs and let its own go.
        """
        gone_on, self._gone_on = self._gone_on, []
        self.r = self.c = None
        if self.candidate not in gone_on:
            self.candidate.proceed(outputs)
        self.c = self.candidate.receive() if in_turn else None
        if self.reference not in gone_on:
            self.reference.proceed()
        self.r = self.reference.receive()
        self.c = self.c or self.candidate.receive()

    def run_ahead(self, r: Call, c: Call, match: CallMatch) -> None:
        """Let those go on of whom it is likely that nobody will ask about this call."""
        self._came_back = False
        for source in self._likely(r, c, match):
            source.proceed()
            self._gone_on.append(source)

    def _likely(self, r: Call, c: Call, match: CallMatch) -> tuple[Source, ...]:
        if not self.ahead or self._returns >= _RETURNS or not self._may_be_left(r, c):
            return ()
        if all(look_equal(a, b) for a, b in zip(r.outputs, c.outputs, strict=False)):
            # A candidate whose layer raised came this far with the reference's outputs, and would not come back alone.
            return (self.reference, self.candidate) if match.same and not self._helped else (self.reference,)
        return (self.reference,) if match.other_inputs else ()

    def _may_be_left(self, r: Call, c: Call) -> bool:
        """Whether this call can be compared while its side computes on."""
        if r.error or c.error or r.is_box or c.is_box or self.in_turn(r, c):
            return False
        return all(map(stays, (*r.inputs, *r.outputs, *c.outputs)))

    def at(self, source: Source, path: str) -> Stop:
        """One side at the call site that is judged: if it has run ahead, it comes back before it is asked anything."""
        return _Here(self, source, path)

    def come_back(self, source: Source, path: str) -> None:
        """Run a side that has run ahead again, up to a call site; nothing to do for one that stands there.

        Raises:
            ModelError: if it doesn't come by there again.
        """
        if source not in self._gone_on:
            return
        self._gone_on.remove(source)
        self._returns += not self._came_back
        self._came_back = True
        self._begin(source)
        message = source.receive()
        while isinstance(message, Call) and message.path != path:
            source.proceed()
            message = source.receive()
        if not isinstance(message, Call):
            raise ModelError(
                f"{source.spec}: run twice on the same inputs it didn't call {path} again. A model that chooses "
                "its layers at random can't be compared layer by layer: fix its choice, or compare its parts."
            )

    def instead(self, r: Call, c: Call, judged: Judgement) -> tuple[Value, ...] | None:
        """What the candidate is to go on with in place of its own outputs.

        The reference's where it has none, because its layer raised; and where the two are large, bit for bit the same,
        and of one process: one of them can be let go before the next layer runs.
        """
        if c.error and not r.error:
            self._helped = True
            return r.outputs
        both = (*r.outputs, *c.outputs)
        share = self.is_large(r) and all(value.native is not None and stays(value) for value in both)
        return r.outputs if share and all(one.verdict is Verdict.IDENTICAL for one in judged.layers) else None

    def in_turn(self, r: Call, c: Call) -> bool:
        """Whether one side has to wait for the other, because of memory or because both are in this process."""
        return self.is_large(r) or _all_here(r, c)

    def is_large(self, call: Call) -> bool:
        """Whether two layers with such outputs at once would take too much memory."""
        return sum(value.array.nbytes for value in call.outputs) > self.large


def _all_here(*calls: Call) -> bool:
    """Whether all calls are made in this process: each has a tensor to show for it."""
    return all(call.outputs and all(value.native is not None for value in call.outputs) for call in calls)


@dataclass(frozen=True, slots=True)
class _Here:
    """See `Pace.at`."""

    pace: Pace
    source: Source
    path: str

    def replay(
        self,
        inputs: Sequence[Value],
        context: Mapping[str, str],
        inner: Mapping[str, tuple[Value, ...]] | None = None,
    ) -> Replay:
        self.pace.come_back(self.source, self.path)
        return self.source.replay(inputs, context, inner)

    def attempt(self, mend: Patch, inputs: Sequence[Value], context: Mapping[str, str]) -> Replay:
        self.pace.come_back(self.source, self.path)
        return self.source.attempt(mend, inputs, context)

    def facts(self, path: str) -> Facts | None:
        self.pace.come_back(self.source, self.path)
        return self.source.facts(path)
