"""`tracer.core.matrix.cells`: questions have names of their own, answers are small and come back equal."""

from __future__ import annotations

import json
import math
from dataclasses import fields, replace
from typing import Any

import pytest

from tracer.core.matrix.cells import Answer, Cell, CellTemplate, Kind, answer, key, rows_and_columns
from tracer.records import Cause, Difference, Fault, LayerReport, Report, Side, Status, Verdict

CELL = Cell(model="m.keras", release="3.4.1", backend="tensorflow", question=CellTemplate(formats=("h5",)))


def layer(name: str, error: float, tolerance: float = 2e-6) -> LayerReport:
    numbers = Difference(rel_error=error, max_abs=0.0, max_ulp=0.0, cosine=1.0)
    return LayerReport(
        layer=name, class_name="Dense", verdict=Verdict.CLOSE, difference=numbers, local_error=None, tolerance=tolerance
    )


def report(*layers: LayerReport, status: Status = Status.DIVERGED, faults: tuple[Fault, ...] = ()) -> Report:
    return Report(
        status=status, compared=len(layers), coverage=1.0, first_divergence=None, faults=faults, layers=layers,
        environments={"reference": {"keras": "3.4.1"}, "candidate": {"keras": "3.4.1"}},
    )  # fmt: skip


def asking(cell: Cell = CELL, **changes: Any) -> Cell:
    """The cell with another question."""
    return replace(cell, question=replace(cell.question, **changes))


# What a question of each kind names.
ASKED: dict[Kind, dict[str, Any]] = {
    Kind.ROUNDTRIP: {},
    Kind.DIFF: {"formats": (), "baseline": "m@3.15.1"},
    Kind.CHECK: {"formats": (), "golden": "m.safetensors"},
    Kind.RUN: {"formats": (), "command": "pytest"},
}


@pytest.mark.parametrize("field", [f.name for f in fields(Cell) if f.name != "question"])
def test_every_part_of_a_cell_makes_another_key(field: str) -> None:
    assert key(replace(CELL, **{field: "other"})) != key(CELL)


@pytest.mark.parametrize("field", [f.name for f in fields(CellTemplate)])
def test_every_part_of_a_question_makes_another_key(field: str) -> None:
    others: dict[str, Any] = {
        "formats": ("keras",), "seed": 1, "batch": 3, "training": True, "packages": ("a",), "custom_objects": ("a",)
    }  # fmt: skip
    assert key(asking(**{field: others.get(field, "other")})) != key(CELL)


@pytest.mark.parametrize("kind", Kind)
def test_what_is_named_says_which_kind_of_question_it_is(kind: Kind) -> None:
    cell = asking(**ASKED[kind])
    assert (cell.kind, cell.format) == (kind, "h5" if kind is Kind.ROUNDTRIP else None)
    assert Cell.from_dict(cell.to_dict()) == cell


def test_a_cell_is_written_without_nesting_and_its_key_is_what_it_was() -> None:
    written = CELL.to_dict()
    assert list(written) == [
        "kind", "model", "release", "backend", "format", "baseline", "golden", "command", "inputs", "seed", "batch",
        "training", "packages", "custom_objects", "trust", "content",
    ]  # fmt: skip
    assert key(CELL) == "roundtrip-m.keras-h5-3.4.1-tensorflow-f9f2d36075ae"


def test_a_cell_that_says_another_kind_than_it_asks_is_damaged() -> None:
    with pytest.raises(ValueError, match="a cell of kind diff that asks for a roundtrip"):
        Cell.from_dict({**CELL.to_dict(), "kind": "diff"})


def test_a_key_is_a_file_name() -> None:
    cell = asking(formats=(), command="cd ../..; rm -rf \x00 / 'ü'" * 30)
    assert set(key(cell)) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_")
    assert len(key(cell)) < 150
    assert ".." not in key(cell) or "/" not in key(cell)


@pytest.mark.parametrize("cell", [CELL, asking(**ASKED[Kind.DIFF], packages=("a==1",))])
def test_questions_and_answers_come_back_equal(cell: Cell) -> None:
    assert Cell.from_dict(json.loads(json.dumps(cell.to_dict()))) == cell
    fault = Fault(layer="a", class_name="Dense", side=Side.CANDIDATE, cause=Cause.CONFIG)
    found = answer(cell, report(layer("a", 1.0), faults=(fault,)), 1.0)
    assert Answer.from_dict(json.loads(json.dumps(found.to_dict()))) == found


def test_the_worst_layer_is_the_one_nearest_to_its_tolerance() -> None:
    found = answer(CELL, report(layer("a", 1e-3, 1.0), layer("b", 1e-6), layer("c", 0.0)), 2.345678)
    assert (found.worst_layer, found.worst_error, found.seconds) == ("b", 1e-6, 2.35)
    found = answer(CELL, report(layer("a", 0.0), status=Status.PASS), 1.0)
    assert (found.worst_layer, found.worst_error, found.same, found.answered) == (None, 0.0, True, True)
    found = answer(CELL, report(layer("a", 1e-3), layer("b", math.inf)), 1.0)
    assert (found.worst_layer, found.worst_error, found.same, found.answered) == ("b", None, False, True)
    json.dumps(found.to_dict(), allow_nan=False)


def test_rows_are_environments_and_columns_are_questions_in_the_order_asked() -> None:
    cells = [replace(asking(formats=(f,)), release=r) for r in ("3.5.0", "3.4.1") for f in ("keras", "h5")]
    assert rows_and_columns(cells) == (("3.5.0+tensorflow", "3.4.1+tensorflow"), ("m.keras keras", "m.keras h5"))
    assert asking(**ASKED[Kind.RUN]).column == "pytest"
    assert asking(**ASKED[Kind.DIFF]).column == "m.keras against m@3.15.1"


_RAN = {"keras": "3.4.1", "backend": "tensorflow", "tensorflow": "2.17.1", "python": "3.11.7"}
_OTHER = {**_RAN, "keras": "3.15.1"}


@pytest.mark.parametrize(
    ("kind", "environments", "as_asked"),
    [
        (Kind.ROUNDTRIP, {"reference": _RAN, "candidate": _RAN}, True),
        (Kind.ROUNDTRIP, {"reference": _OTHER, "candidate": _RAN}, False),
        (Kind.ROUNDTRIP, {"reference": _RAN, "candidate": _OTHER}, False),
        (Kind.DIFF, {"reference": _OTHER, "candidate": _RAN}, True),
        (Kind.DIFF, {"reference": _RAN, "candidate": _OTHER}, False),
        (Kind.CHECK, {"reference": _OTHER, "candidate": _RAN}, True),
        (Kind.RUN, {"candidate": _RAN}, True),
        (Kind.RUN, None, False),
        (Kind.CHECK, {"candidate": {**_RAN, "backend": "jax"}}, False),
    ],
)
def test_an_answer_is_one_only_where_its_cells_environment_ran(
    kind: Kind, environments: dict[str, Any] | None, as_asked: bool
) -> None:
    cell = asking(**ASKED[kind], packages=("tensorflow==2.17.1",))
    assert (not Answer(cell=cell, outcome="pass", environments=environments).mismatches) is as_asked


def test_the_baseline_of_a_diff_has_to_have_run_in_its_environment() -> None:
    """Where every release ran the Keras at hand, the cell of that very release looked right."""
    cell = asking(formats=(), baseline="m.keras@3.15.1+tensorflow")
    for reference, told in ((_OTHER, ()), (_RAN, ("reference: keras 3.15.1 was asked for, and 3.4.1 runs",))):
        found = Answer(cell=cell, outcome="pass", environments={"reference": reference, "candidate": _RAN})
        assert found.mismatches == told


def test_packages_that_were_asked_for_have_to_be_what_ran() -> None:
    cell = asking(**ASKED[Kind.CHECK], packages=("keras-hub==0.26.0", "jax==0.5.3"))
    for hub, as_asked in (("0.26.0", True), ("0.32.0", False), ("", False)):
        told = Answer(cell=cell, outcome="diverged", environments={"candidate": {**_RAN, "keras-hub": hub}})
        assert (not told.mismatches) is as_asked


@pytest.mark.parametrize("outcome", ["failed", "untestable"])
def test_where_nothing_ran_nothing_else_ran(outcome: str) -> None:
    assert not Answer(cell=CELL, outcome=outcome).mismatches
