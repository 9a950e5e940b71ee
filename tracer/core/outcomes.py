"""What came of a question asked in several ways, and how a command ends on it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum

from tracer.errors import TracerError
from tracer.records import Report, Shown, Status


class Ending(IntEnum):
    """Exit codes: what a script may rely on."""

    SAME = 0
    DIVERGED = 1
    TROUBLE = 2

    @property
    def status(self) -> Status:
        """What a report of it all says."""
        return (Status.PASS, Status.DIVERGED, Status.INCONCLUSIVE)[self]


def ending(*, diverged: bool, same: bool) -> Ending:
    """The one place where an exit code follows from what was found.

    Args:
        diverged: something differs; it outweighs trouble, because it is certain, whatever else would have said.
        same: there is something, and all of it is the same.
    """
    if diverged:
        return Ending.DIVERGED
    return Ending.SAME if same else Ending.TROUBLE


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Outcomes(Shown, Mapping[str, Report | TracerError]):
    """A report for each of several ways, or why there is none.

    Attributes:
        by_name: of the way: a save format, or a model.
        of: what the names are of, `format` or `model`.
        seconds: that all of it took together; 0 where that wasn't measured.
    """

    by_name: Mapping[str, Report | TracerError]
    of: str = "format"
    seconds: float = 0.0

    def __getitem__(self, name: str) -> Report | TracerError:
        return self.by_name[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.by_name)

    def __len__(self) -> int:
        return len(self.by_name)

    def __repr__(self) -> str:
        found = (f"{name}: {each.status if isinstance(each, Report) else 'failed'}" for name, each in self.items())
        return f"<Outcomes {', '.join(found)}>"


def ending_of(found: Report | Outcomes) -> Ending:
    """How a command ends that has found this."""
    outcomes = tuple(found.values()) if isinstance(found, Outcomes) else (found,)
    reports = [each for each in outcomes if isinstance(each, Report)]
    return ending(
        diverged=any(report.status is Status.DIVERGED for report in reports),
        same=0 < len(outcomes) == len(reports) and all(report.matches for report in reports),
    )
