"""Nobody is accused for nothing: at least 500 comparisons of models with themselves, and the number is printed."""

from __future__ import annotations

import pytest
from innocents import Pair, pairs_of, pairs_of_planted
from kinds import KINDS
from plant_models import MODELS

import tracer

_LEAST = 500


@pytest.mark.slow
@pytest.mark.quality
def test_nobody_is_accused_for_nothing() -> None:
    found = [pair for kind in KINDS for pair in pairs_of(kind)]
    found += [pair for name in MODELS for pair in pairs_of_planted(name)]
    accused = [pair.accused for pair in found if pair.accused]
    print(f"\n{len(found)} innocent comparisons, {len(accused)} accused")
    assert len(found) >= _LEAST
    assert not accused, "\n".join(accused)


def test_an_accusation_would_be_seen() -> None:
    one, other = KINDS["functional"](), KINDS["functional"]()
    other.get_layer("head").kernel.assign(other.get_layer("head").kernel * 1.5)
    assert Pair("", tracer.diff(one, one)).accused == ""
    assert Pair("told", tracer.diff(one, other)).accused == "told: diverged, head (weights)"
