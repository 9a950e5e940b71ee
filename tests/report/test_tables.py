"""`tracer.report.table`: which rows a folded table shows, what a fold says, and that columns line up."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from makers import fault, layer_report, report

from tracer.errors import ModelError
from tracer.records import LayerReport, Report, Status, Verdict
from tracer.report.style import paint
from tracer.report.table import aligned, format_table, layer_table, seconds

_DIVERGED = Status.DIVERGED


def rows(count: int, **verdicts: Verdict) -> tuple[LayerReport, ...]:
    """Layers `l0`, `l1`, …, identical but for those named."""
    named = [(f"l{i}", verdicts.get(f"l{i}", Verdict.IDENTICAL)) for i in range(count)]
    return tuple(layer_report(path, verdict, 0.0 if verdict is Verdict.IDENTICAL else 0.5) for path, verdict in named)


def printed(given: Report, *, show_all: bool = False, width: int = 100) -> list[str]:
    return paint(layer_table(given, show_all=show_all, width=width), color=False).splitlines()


def shown(given: Report, **options: bool) -> str:
    """Numbers of the layers that are shown, and `…N` for a fold of N."""
    told = []
    for line in printed(given, **options)[1:]:
        first, *more = line.replace("x", " ").replace(">", " ").split()
        told.append(f"…{more[0]}" if first == "…" else first.removeprefix("l"))
    return " ".join(told)


@pytest.mark.parametrize(
    ("faults", "first", "expected"),
    [
        (["l5"], None, "…3 3 4 5 6 7 …4"),
        ([], "l5", "…3 3 4 5 6 7 …4"),
        (["l5"], "l5", "…3 3 4 5 6 7 …4"),
        (["l0"], None, "0 1 2 …9"),
        (["l11"], None, "…9 9 10 11"),
        (["l3"], None, "0 1 2 3 4 5 …6"),  # one layer alone isn't folded away: the fold would take its line
        (["l2", "l8"], None, "0 1 2 3 4 5 6 7 8 9 10 11"),
        (["l2", "l9"], None, "0 1 2 3 4 …2 7 8 9 10 11"),
        (["gone"], None, ""),  # nothing is known of where it is
    ],
)
def test_what_matters_is_shown_with_its_neighbours(faults: list[str], first: str | None, expected: str) -> None:
    given = report(*rows(12), status=_DIVERGED, faults=tuple(map(fault, faults)), first_divergence=first)
    assert shown(given) == expected
    assert shown(given, show_all=True) == " ".join(map(str, range(12)))


def test_of_very_many_faults_the_first_five_are_the_focus() -> None:
    given = report(*rows(60), status=_DIVERGED, faults=tuple(fault(f"l{i}") for i in range(5, 60, 10)))
    assert "45" in shown(given).split() and "55" not in shown(given).split()


def test_where_all_passes_the_worst_layer_is_the_focus_and_equal_layers_have_none() -> None:
    assert shown(report(*rows(9, l4=Verdict.CLOSE), status=Status.WITHIN_TOLERANCE)) == "…2 2 3 4 5 6 …2"
    assert printed(report(*rows(9))) == []
    assert printed(report(*rows(1))) == []
    assert shown(report(*rows(9, l4=Verdict.CLOSE), status=_DIVERGED)) == ""  # it isn't what the report is about


def test_a_fold_says_what_is_in_it() -> None:
    mixed = rows(10, l0=Verdict.CLOSE, l1=Verdict.CLOSE, l8=Verdict.INHERITED, l9=Verdict.INHERITED)
    folds = [line for line in printed(report(*mixed, status=_DIVERGED, faults=(fault("l5"),))) if "…" in line]
    assert folds == ["   … 3 layers: 2 close, 1 identical …", "   … 2 layers inherited …"]


def test_marks_say_which_is_which() -> None:
    given = report(*rows(3), status=_DIVERGED, faults=(fault("l1"),), first_divergence="l0")
    assert [line[:5] for line in printed(given)[1:]] == [" > l0", "x  l1", "   l2"]


def test_a_note_stands_below_its_row() -> None:
    noted = replace(rows(1)[0], note="the mask")
    assert printed(report(noted), show_all=True)[-1] == "      the mask"


def test_a_column_without_a_number_is_left_out() -> None:
    unasked = tuple(replace(layer, local_error=None) for layer in rows(2))
    assert "local error" not in printed(report(*unasked), show_all=True)[0]
    assert "local error" in printed(report(*unasked, *rows(1)), show_all=True)[0]


paths = st.text("abc/_#:1", min_size=1, max_size=60)


@given(st.lists(paths, min_size=1, max_size=6, unique=True), st.integers(60, 140))
def test_every_path_is_there_in_full_and_columns_line_up(names: list[str], width: int) -> None:
    lines = printed(report(*(layer_report(name, Verdict.IDENTICAL) for name in names)), show_all=True, width=width)
    for name in names:
        assert any(name in line.split() for line in lines)
    places = {line.index("identical") for line in lines if "identical" in line.split()}
    assert places == {lines[0].index("verdict")}


# --- one row a format


def test_a_format_that_failed_has_a_row_too() -> None:
    differing = report(
        *rows(3, l1=Verdict.INHERITED), status=_DIVERGED, faults=(fault("l1"),), first_divergence="l1",
        timings={"a": 1.25, "b": 0.25},
    )  # fmt: skip
    lines = paint(
        format_table({"keras": report(*rows(2)), "h5": differing, "config": ModelError("no")}), color=False
    ).splitlines()
    assert [line.split() for line in lines[1:]] == [
        ["keras", "PASS", "0", "-", "0", "2", "0.0"],
        ["h5", "DIVERGED", "1", "l1", "5.0e-01", "3", "1.5"],
        ["config", "FAILED", "-", "-", "-", "-", "-"],
    ]
    starts = {lines[0].index("faults"), lines[1].index(" 0 ") + 1, lines[2].index(" 1 ") + 1}
    assert len(starts) == 1


@pytest.mark.parametrize(
    ("timings", "total"), [({}, 0.0), ({"a": 1.0, "b": 2.0}, 3.0), ({"a": 1.0, "total": 5.0}, 5.0)]
)
def test_the_total_counts_where_it_was_measured(timings: dict[str, float], total: float) -> None:
    assert seconds(report(timings=timings)) == total


@given(st.lists(st.tuples(st.text("ab", max_size=9), st.text("ab", max_size=9)), min_size=1, max_size=5))
def test_aligned_cells_start_at_one_place(cells: list[tuple[str, str]]) -> None:
    widest = max(len(first) for first, _ in cells)
    expected = [f"  {first:<{widest}}  {second}".rstrip() for first, second in cells]
    assert [line.rstrip() for line in aligned(cells)] == expected
