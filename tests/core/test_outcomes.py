"""How a command ends, from what it found."""

from __future__ import annotations

import pytest

from tracer.core.outcomes import Ending, Outcomes, ending
from tracer.errors import TracerError


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
