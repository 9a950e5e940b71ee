"""How a command ends, from what it found."""

from __future__ import annotations

import pytest

from tracer.core.outcomes import Ending, Outcomes, ending, ending_of
from tracer.errors import TracerError
from tracer.records import Report, Status


@pytest.mark.parametrize(
    ("diverged", "same", "expected"),
    [
        (False, True, Ending.SAME),
        (True, False, Ending.DIVERGED),
        (True, True, Ending.DIVERGED),
        (False, False, Ending.TROUBLE),
    ],
)
def test_a_divergence_outweighs_everything_and_nothing_found_is_trouble(
    diverged: bool, same: bool, expected: Ending
) -> None:
    assert ending(diverged=diverged, same=same) is expected


def test_scripts_rely_on_these_numbers() -> None:
    assert [int(code) for code in (Ending.SAME, Ending.DIVERGED, Ending.TROUBLE)] == [0, 1, 2]


def test_outcomes_are_a_mapping_and_equal_to_what_they_hold() -> None:
    failed = TracerError("no")
    found = Outcomes({"h5": failed})
    assert found == {"h5": failed} and list(found) == ["h5"] and found["h5"] is failed
    assert not Outcomes({})


def report(status: Status, compared: int = 1) -> Report:
    return Report(status=status, compared=compared, coverage=1.0, first_divergence=None, faults=(), layers=())


PASS, DIVERGED, NOTHING = report(Status.PASS), report(Status.DIVERGED), report(Status.INCONCLUSIVE, 0)
FAILED = TracerError("it can't be saved so.")


@pytest.mark.parametrize(
    ("found", "ending"),
    [
        (PASS, Ending.SAME),
        (report(Status.WITHIN_TOLERANCE), Ending.SAME),
        (DIVERGED, Ending.DIVERGED),
        (NOTHING, Ending.TROUBLE),
        (report(Status.PASS, 0), Ending.TROUBLE),  # a pass for nothing
        (Outcomes({}), Ending.TROUBLE),
        (Outcomes({"h5": FAILED}), Ending.TROUBLE),
        (Outcomes({"h5": PASS, "keras": PASS}), Ending.SAME),
        (Outcomes({"h5": PASS, "keras": FAILED}), Ending.TROUBLE),
        (Outcomes({"h5": PASS, "keras": NOTHING}), Ending.TROUBLE),
        (Outcomes({"h5": FAILED, "keras": DIVERGED}), Ending.DIVERGED),  # certain, whatever else would have said
    ],
)
def test_the_exit_code_follows_from_what_was_found(found: Report | Outcomes, ending: Ending) -> None:
    assert ending_of(found) is ending
