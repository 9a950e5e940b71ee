"""`bisect` orders it; what runs the cells is a stand-in here, real ones are in tests/releases."""

from __future__ import annotations

import pytest
from scripted_cells import RELEASES

from tracer.core.matrix.cells import Cell, CellTemplate, Kind
from tracer.errors import SpecError
from tracer.workflows.releases import bisecting
from tracer.workflows.releases.bisecting import Range
from tracer.workflows.releases.matrix import ExecutionOptions


def test_bisect_finds_what_was_fixed_with_the_backend_held(ran: list[Cell]) -> None:
    within = Range(good="latest", bad="3.0.0")
    found = bisecting.bisect("tracer.zoo:tiny_nested", within)
    assert (found.direction, found.found.before, found.found.after) == ("fixed", "3.2.0", "3.4.0")
    assert found.found.between == ("3.3.1",)
    assert found.found.skipped == ("3.3.1",)
    assert found.bad is not None and found.bad.faults[0]["layer"] == "norm"
    assert {cell.question.packages for cell in ran} == {("tensorflow==2.16.2",)}
    assert found.reproduce == (
        "tracer roundtrip tracer.zoo:tiny_nested@3.2.0+tensorflow --format keras --with tensorflow==2.16.2"
    )
    ran.clear()
    assert bisecting.bisect("tracer.zoo:tiny_nested", within) == found
    assert ran == []


def test_a_package_named_like_the_backend_holds_no_backend(ran: list[Cell]) -> None:
    question = CellTemplate(packages=("tensorflow-text>=2.16",))
    bisecting.bisect("tracer.zoo:tiny_nested", Range(good="3.6.0", bad="3.0.0"), question=question)
    assert {cell.question.packages for cell in ran} == {("tensorflow-text>=2.16", "tensorflow==2.16.2")}


def test_bisect_finds_what_was_introduced_and_only_in_the_layer_asked_for(ran: list[Cell]) -> None:
    assert bisecting.bisect("m:n", Range(good="3.6.0", bad="3.1.0")).found.after == "3.4.0"
    none = bisecting.bisect("m:n", Range(good="3.6.0", bad="3.1.0", layer="other"))
    assert none.found.reason == "3.1.0 was expected to be bad, and is good"
    assert none.bad is None


def test_a_backend_can_vary_with_keras_held(ran: list[Cell]) -> None:
    found = bisecting.bisect("m:n", Range(good="3.5.0", bad="3.0.0", vary="jax", keras="3.6.0"))
    assert {(cell.release, cell.backend) for cell in ran} == {("3.6.0", "jax")}
    assert {cell.question.packages[-1] for cell in ran} <= {f"jax=={release}" for release in RELEASES}
    assert found.held == "keras==3.6.0"
    assert found.found.before == "3.2.0"
    with pytest.raises(SpecError, match="--keras RELEASE"):
        bisecting.bisect("m:n", Range(good="3.5.0", bad="3.0.0", vary="jax"))
    with pytest.raises(SpecError, match="two different releases"):
        bisecting.bisect("m:n", Range(good="3.5.0", bad="3.5.0"))


def test_other_questions_are_asked_of_keras_2_too(ran: list[Cell]) -> None:
    bisecting.bisect("MobileNetV2", Range(good="3.6.0", bad="2.15.0"), question=CellTemplate(baseline="3.6.0"))
    assert [(cell.release, cell.kind) for cell in ran] == [("2.15.0", Kind.DIFF)]


def test_a_bisection_says_where_it_looks_and_how_long_it_takes(ran: list[Cell]) -> None:
    told: list[tuple[str, int, int]] = []
    running = ExecutionOptions(progress=lambda *phase: told.append(phase))
    bisecting.bisect("m:n", Range(good="latest", bad="3.0.0"), running=running)
    assert told[-5:] == [
        ("keras 3.0.0, an end of 8 releases", 0, 5),
        ("keras 3.6.0, an end of 8 releases", 1, 5),
        ("keras 3.2.0, between 3.0.0 (bad) and 3.6.0 (good)", 2, 5),
        ("keras 3.4.0, between 3.2.0 (bad) and 3.6.0 (good)", 3, 5),
        ("keras 3.3.1, between 3.2.0 (bad) and 3.4.0 (good)", 4, 5),
    ]
