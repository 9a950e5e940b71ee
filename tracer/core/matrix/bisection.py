"""Bisection over an ordered list, as a pure function: what is tested is asked of the caller, one item at a time.

G ? ? ? ? ? B      both ends first: a bisection between equal ends finds nothing
G ? ? B . . B      then the middle
G s ? B . . B      untestable: the testable item nearest to the middle, until none is left between
G s [B]            the answer: the first of the other kind, and what could not be tested before it
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from tracer.core.matrix.cells import Answer
from tracer.records import Shown


class Outcome(StrEnum):
    """What a test says of one item."""

    GOOD = "good"
    BAD = "bad"
    UNTESTABLE = "untestable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a bisection has found.

    Attributes:
        before: the last item of the kind of the first one; None where there is no boundary.
        after: the first item of the other kind; None where there is no boundary.
        between: items between the two that can't be tested: the change may be in any of them, or in `after`.
        tested: items and outcomes in the order in which they were tested.
        reason: why there is no boundary, else "".
    """

    before: str | None
    after: str | None
    between: tuple[str, ...]
    tested: tuple[tuple[str, Outcome], ...]
    reason: str = ""

    @property
    def skipped(self) -> tuple[str, ...]:
        """What could not be tested."""
        return tuple(item for item, outcome in self.tested if outcome is Outcome.UNTESTABLE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """Where the change can still be.

    Attributes:
        low: the last item that is known to be of the first one's kind.
        high: the first item that is known to be of the other kind.
        untested: how many between the two weren't tested yet.
    """

    low: str
    high: str
    untested: int

    @property
    def steps(self) -> int:
        """Most tests that it still takes; more only where something can't be tested."""
        return self.untested.bit_length()


def narrowing(items: Sequence[str], tested: Sequence[tuple[str, Outcome]]) -> Iterator[Stretch | None]:
    """Where the change could still be after each of these tests; None until both ends are known to differ.

    Args:
        items: in order.
        tested: items and outcomes, the ends first.
    """
    known: dict[int, Outcome] = {}
    low, high = 0, len(items) - 1
    for item, outcome in tested:
        index = items.index(item)
        known[index] = outcome
        if low < index < high and outcome is not Outcome.UNTESTABLE:
            low, high = (index, high) if outcome is known[low] else (low, index)
        ends = {known.get(low), known.get(high)}
        yield _stretch(items, low, high, known) if ends == {Outcome.GOOD, Outcome.BAD} else None


def _stretch(items: Sequence[str], low: int, high: int, known: dict[int, Outcome]) -> Stretch:
    untested = sum(index not in known for index in range(low + 1, high))
    return Stretch(low=items[low], high=items[high], untested=untested)


def bisect(items: Sequence[str], first: Outcome, test: Callable[[str], Outcome]) -> Found:
    """The place in an ordered list where it changes.

    Args:
        items: in order, at least two; the first and the last are expected to differ.
        first: what is expected of the first item, good or bad; the last has to be the other.
        test: says what an item is; called once an item at most.

    Raises:
        ValueError: if there are fewer than two items, or `first` isn't good or bad.
    """
    if len(items) < 2 or first is Outcome.UNTESTABLE:
        raise ValueError("a bisection needs two items or more, and an end that is good or bad")
    last = Outcome.BAD if first is Outcome.GOOD else Outcome.GOOD
    known: dict[int, Outcome] = {}
    for index, expected in ((0, first), (len(items) - 1, last)):
        known[index] = test(items[index])
        if known[index] is not expected:
            reason = f"{items[index]} was expected to be {expected}, and is {known[index]}"
            return Found(before=None, after=None, between=(), tested=_describe(items, known), reason=reason)
    low, high = 0, len(items) - 1
    while (middle := _middle(low, high, known)) is not None:
        known[middle] = test(items[middle])
        if known[middle] is first:
            low = middle
        elif known[middle] is last:
            high = middle
    between = tuple(items[low + 1 : high])
    return Found(before=items[low], after=items[high], between=between, tested=_describe(items, known))


def _middle(low: int, high: int, known: dict[int, Outcome]) -> int | None:
    """The untested index nearest to the middle between the two; the earlier one of two that are equally near."""
    untested = [index for index in range(low + 1, high) if index not in known]
    return min(untested, key=lambda index: (abs(2 * index - low - high), index), default=None)


def _describe(items: Sequence[str], known: dict[int, Outcome]) -> tuple[tuple[str, Outcome], ...]:
    return tuple((items[index], outcome) for index, outcome in known.items())


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Bisection(Shown):
    """What was found.

    Attributes:
        model: what was tested, in words.
        vary: whose releases were tried.
        held: what was held, as requirements.
        releases: all between the ends, oldest first.
        direction: `introduced` (good before, bad after) or `fixed`.
        found: the boundary.
        answers: of the tested releases, by release.
        bad: the answer at the bad side of the boundary: it names the layer and the cause.
        reproduce: a command that shows it.
    """

    model: str
    vary: str
    held: str
    releases: tuple[str, ...]
    direction: str
    found: Found
    answers: tuple[tuple[str, Answer], ...]
    bad: Answer | None
    reproduce: str

    def __repr__(self) -> str:
        found = f"{self.direction} in {self.found.after}" if self.found.after else "no boundary"
        return f"<Bisection of {self.model} over {self.vary}: {found}, {len(self.found.tested)} releases tested>"
