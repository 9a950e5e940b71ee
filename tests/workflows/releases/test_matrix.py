"""`matrix` orders it; what runs the cells is a stand-in here, real ones are in tests/releases."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import makers
import pytest
from scripted_cells import answer_to, ran_in

from tracer.core.matrix.cells import Answer, Cell, CellTemplate, Kind
from tracer.envs import local
from tracer.errors import SpecError
from tracer.records import Report, Status, Verdict
from tracer.store import cells as store
from tracer.workflows.releases import bisecting
from tracer.workflows.releases import cells as asking
from tracer.workflows.releases.bisecting import Range
from tracer.workflows.releases.matrix import ExecutionOptions, matrix
from tracer.workflows.releases.resolving import resolve, span


def test_an_answer_of_another_environment_is_thrown_away(ran: list[Cell], tmp_path: Path) -> None:
    """As they were kept when every release ran the Keras that was at hand."""
    running = ExecutionOptions(results=str(tmp_path))
    (first,) = matrix(["tracer.zoo:tiny_nested"], keras=["3.6.0"], running=running).answers
    foreign = {side: {**told, "keras": "3.15.1"} for side, told in (first.environments or {}).items()}
    store.write(tmp_path, replace(first, environments=foreign))
    ran.clear()
    (again,) = matrix(["tracer.zoo:tiny_nested"], keras=["3.6.0"], running=running).answers
    assert len(ran) == 1
    assert again == first


def test_every_cell_is_asked_once_and_only_what_is_missing_again(ran: list[Cell], tmp_path: Path) -> None:
    running = ExecutionOptions(results=str(tmp_path / "cells"))
    question = CellTemplate(formats=("keras", "h5"))
    found = matrix(["tracer.zoo:tiny_nested"], keras=["3.2.0", "3.3.1", "latest"], question=question, running=running)
    assert [(a.cell.release, a.cell.format, a.outcome) for a in found.answers] == [
        ("3.2.0", "keras", "diverged"), ("3.2.0", "h5", "diverged"), ("3.3.1", "keras", "failed"),
        ("3.3.1", "h5", "failed"), ("3.6.0", "keras", "pass"), ("3.6.0", "h5", "pass"),
    ]  # fmt: skip
    assert found.answers[2].message == "its process died"
    (tmp_path / "cells" / sorted(file.name for file in (tmp_path / "cells").iterdir())[0]).write_text('{"cut')
    for redo, count in (("none", 1), ("none", 0), ("failed", 2), ("all", 6)):
        ran.clear()
        again = matrix(
            ["tracer.zoo:tiny_nested"], keras=["3.2.0", "3.3.1", "latest"], question=question,
            running=ExecutionOptions(results=str(tmp_path / "cells"), redo=redo),
        )  # fmt: skip
        assert again.answers == found.answers
        assert (len(ran), again.reused) == (count, 6 - count)


def test_what_was_answered_before_an_interruption_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def run_all(tasks: Sequence[Mapping[str, Any]], **_: Any) -> Iterator[tuple[int, Any]]:
        yield 0, answer_to(Cell.from_dict(tasks[0]))
        raise KeyboardInterrupt

    monkeypatch.setattr(local, "run_all", run_all)
    with pytest.raises(KeyboardInterrupt):
        matrix(["tracer.zoo:tiny_nested"], keras=["3.0.0", "3.1.0"], running=ExecutionOptions(results=str(tmp_path)))
    assert len(list(tmp_path.glob("*.json"))) == 1


def test_what_a_specification_names_is_used_where_no_list_is_given(ran: list[Cell]) -> None:
    matrix(["tracer.zoo:tiny_nested@3.1.0+jax"], running=ExecutionOptions())
    matrix(["tracer.zoo:tiny_nested"], backends=["torch"], question=CellTemplate(baseline="3.0.0"))
    matrix([], keras=["3.1.0"], question=CellTemplate(command="pytest -q"))
    assert [(c.kind, c.release, c.backend, c.question.baseline, c.question.command) for c in ran] == [
        (Kind.ROUNDTRIP, "3.1.0", "jax", None, None),
        (Kind.DIFF, "3.6.0", "torch", "tracer.zoo:tiny_nested@3.0.0+tensorflow", None),
        (Kind.RUN, "3.1.0", "tensorflow", None, "pytest -q"),
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("3.4.1", ("3.4.1",)),
        ("latest", ("3.6.0",)),
        ("minors", ("3.0.1", "3.1.0", "3.2.0", "3.3.1", "3.4.0", "3.5.0", "3.6.0")),
        ("3.1.0..3.3.1", ("3.1.0", "3.2.0", "3.3.1")),
        ("3.5..", ("3.5.0", "3.6.0")),
        ("tf-keras", ("2.21.0",)),
        # No release between the ends is passed over: the boundary would be another one.
        ("2.15.0..2.21.0", ("2.15.0", "2.16.0", "2.17.0", "2.21.0")),
        ("2.17.0..3.0.1", ("2.17.0", "2.21.0", "3.0.0", "3.0.1")),
        ("2.15.0..3.0.0", ("2.15.0", "3.0.0")),
    ],
)
def test_releases_as_users_write_them(text: str, expected: tuple[str, ...]) -> None:
    assert resolve([text]) == expected


def test_ends_are_in_a_span_whatever_they_are() -> None:
    assert span("3.2.0", "3.3.0") == ("3.2.0", "3.3.0")  # withdrawn, but asked for
    assert span("3.1.0", "3.2.0", pre=True) == ("3.1.0", "3.2.0rc1", "3.2.0")
    with pytest.raises(SpecError, match="write the older one first"):
        span("3.2.0", "3.1.0")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"models": []}, "nothing to ask"),
        ({"models": ["m.keras"], "keras": ["newest"]}, "'newest' is no release"),
        ({"models": ["m.keras"], "keras": ["3.1.0"], "backends": ["mxnet"]}, "unknown backend 'mxnet'"),
        (
            {"models": ["m.keras"], "keras": ["3.1.0"], "question": CellTemplate(baseline="n.keras")},
            "names no environment",
        ),
    ],
)
def test_what_can_not_be_asked_is_said(arguments: dict[str, Any], says: str, ran: list[Cell]) -> None:
    with pytest.raises(SpecError, match=says):
        matrix(**arguments)
    assert ran == []


def test_a_command_is_run_again_by_another_tracer(ran: list[Cell], monkeypatch: pytest.MonkeyPatch) -> None:
    """What an older one kept may have been said by a program from elsewhere."""
    for digest in ("a", "a", "b"):
        monkeypatch.setattr(store, "digest", lambda paths, digest=digest: digest)
        matrix([], keras=["3.6.0"], question=CellTemplate(command="pytest -q"))
    assert [cell.content for cell in ran] == ["a", "b"]


def test_an_answer_that_arrives_from_another_environment_is_no_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As an older tracer on a cluster gives it."""

    def run_all(tasks: Sequence[Mapping[str, Any]], **_: Any) -> Iterator[tuple[int, Any]]:
        for index, task in enumerate(tasks):
            cell = Cell.from_dict(task)
            foreign = {side: {**told, "keras": "3.15.1"} for side, told in ran_in(cell).items()}
            yield index, Answer(cell=cell, outcome="pass", environments=foreign).to_dict()

    monkeypatch.setattr(local, "run_all", run_all)
    (found,) = matrix(["m:n"], keras=["3.6.0"], running=ExecutionOptions(results=str(tmp_path))).answers
    assert found.outcome == "failed"
    assert "in another environment (candidate: keras 3.6.0 was asked for, and 3.15.1 runs; reference:" in found.message


def test_round_trips_in_keras_2_are_refused_before_anything_runs(ran: list[Cell]) -> None:
    with pytest.raises(SpecError, match=r"MobileNetV2@2\.15\.0: round trips are made in Keras 3 alone"):
        matrix(["MobileNetV2"], keras=["3.0.0", "2.15.0"])
    for good, bad in (("3.6.0", "2.15.0"), ("2.15.0", "3.6.0")):
        with pytest.raises(SpecError, match=r"`--golden` of matrix and bisect"):
            bisecting.bisect("MobileNetV2", Range(good=good, bad=bad))
    assert ran == []


@pytest.mark.parametrize(
    ("status", "kept"), [(Status.DIVERGED, True), (Status.INCONCLUSIVE, True), (Status.WITHIN_TOLERANCE, False)]
)
def test_a_cell_that_is_not_the_same_hands_its_report_on(
    status: Status, kept: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For its page: with pictures, the time, and the command that makes it again."""
    options: dict[str, Any] = {}
    report = makers.report(makers.layer_report("norm", Verdict.INTRODUCED, 0.1), status=status)

    def compared(*_: Any, **given: Any) -> Report:
        options.update(given)
        return report

    monkeypatch.setattr(asking, "roundtrip", compared)
    monkeypatch.setattr(asking, "diff", compared)
    cell = Cell(model="m:n", release="3.6.0", backend="jax", question=CellTemplate(formats=("h5",), seed=3))
    told = asking.run_cell(cell.to_dict())
    assert Answer.from_dict(told).outcome == status
    assert options.pop("pictures")
    asking.run_cell(replace(cell, question=CellTemplate(baseline="m:n@3.5.0")).to_dict())
    assert options.pop("pictures")
    assert ("report" in told) == kept
    if kept:
        read = Report.from_dict(told["report"])
        assert read.command == "tracer roundtrip m:n@3.6.0+jax --format h5 --seed 3"
        assert read.date and read.layers == report.layers


def test_what_a_cell_hands_on_is_kept_beside_its_answer_until_it_is_answered_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = makers.report(makers.layer_report("norm", Verdict.INTRODUCED, 0.1), status=Status.DIVERGED)
    outcomes = iter(["diverged", "pass"])

    def run_all(tasks: Sequence[Mapping[str, Any]], **_: Any) -> Iterator[tuple[int, dict[str, Any]]]:
        (cell,) = map(Cell.from_dict, tasks)
        told = Answer(cell=cell, outcome=next(outcomes), environments=ran_in(cell)).to_dict()
        yield 0, {**told, "report": report.to_dict()} if told["outcome"] == "diverged" else told

    monkeypatch.setattr(local, "run_all", run_all)
    running = ExecutionOptions(results=str(tmp_path), redo="all")
    (first,) = matrix(["m:n"], keras=["3.6.0"], running=running).answers
    assert store.read_whole(tmp_path, first) == report
    (second,) = matrix(["m:n"], keras=["3.6.0"], running=running).answers
    assert second.same and list((tmp_path / "reports").iterdir()) == []
