"""Is the cause of each planted fault named, with the evidence for it?"""

from __future__ import annotations

from collections import defaultdict

import pytest
from plant_models import MODELS
from plant_runs import outcomes
from plants import table, words

# Minutes: all the plants; in one process with everybody else who asks for the same outcomes.
pytestmark = [pytest.mark.quality, pytest.mark.slow, pytest.mark.xdist_group("plants")]


def _all() -> list:
    return [outcome for name in MODELS for outcome in outcomes(name)]


def test_at_least_98_percent_of_at_least_150_causes_are_named() -> None:
    rows = defaultdict(list)
    for outcome in _all():
        rows[outcome.plant.cause].append((outcome.layer, outcome.cause))
    print(f"\n{table(rows)}")
    right = [cause for row in rows.values() for _, cause in row]
    wrong = "\n".join(str(outcome) for outcome in _all() if not outcome.cause)
    assert len(right) >= 150
    assert sum(right) / len(right) >= 0.98, wrong
    assert rows.keys() == {"weights", "config", "dtype-policy", "unsaved-state", "implementation"}


@pytest.mark.parametrize("name", MODELS)
def test_causes_are_named_in_every_model(name: str) -> None:
    found = [outcome.cause for outcome in outcomes(name)]
    assert sum(found) / len(found) >= 0.95, "\n".join(str(outcome) for outcome in outcomes(name) if not outcome.cause)


def test_every_swap_names_the_layer_that_the_weights_come_from() -> None:
    swaps = [outcome for outcome in _all() if outcome.plant.name.startswith("swapped")]
    assert len(swaps) >= 10
    for outcome in swaps:
        owners = {path.split("#")[0] for path in outcome.plant.layers}
        for fault in outcome.report.faults:
            others = owners - {fault.layer.split("#")[0]}
            assert any(f"`{other}`" in words(fault) for other in others), str(outcome)


def test_every_transposition_is_called_one() -> None:
    found = [outcome for outcome in _all() if outcome.plant.name.startswith("transposed")]
    assert len(found) >= 15
    wrong = [str(outcome) for outcome in found if not all("transposed" in words(f) for f in outcome.report.faults)]
    assert not wrong, "\n".join(wrong)


def test_the_candidate_is_the_wrong_side_of_every_plant_in_it_that_can_be_told() -> None:
    """Of two layers whose code differs neither is the measure."""
    for outcome in _all():
        expected = "unknown" if outcome.plant.cause == "implementation" else "candidate"
        assert {str(fault.side) for fault in outcome.report.faults} == {expected}, str(outcome)
