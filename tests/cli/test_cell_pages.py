"""`tracer.cli.cell_pages`: each cell of a matrix that isn't the same has a page of its own, which can be reached."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote

import makers
import pytest

from tracer.cli.cell_pages import check_folder, clear_pages, matrix_page_of, matrix_summary_of, told_of_pages
from tracer.core.matrix.cells import FAILED, Answer, Cell, CellTemplate, Matrix
from tracer.errors import TracerError
from tracer.records import Report, Status, Verdict
from tracer.store import cells as store


def cell(release: str, content: str = "1") -> Cell:
    return Cell(
        model="m.keras", release=release, backend="jax", question=CellTemplate(formats=("keras",)), content=content
    )


def report(status: Status = Status.DIVERGED) -> Report:
    layer = makers.layer_report("norm", Verdict.INTRODUCED, 0.1)
    return makers.report(layer, status=status, first_divergence="norm", faults=(makers.fault("norm"),))


OUTCOMES = {"3.4.0": "pass", "3.5.0": "diverged", "3.6.0": "inconclusive", "3.7.0": FAILED, "3.8.0": "diverged"}


def matrix(folder: Path, outcomes: Mapping[str, str] = OUTCOMES, content: str = "1") -> Matrix:
    """Of these outcomes; all have a report but what can't have one, and 3.8.0, whose report got lost."""
    answers = tuple(Answer(cell=cell(release, content), outcome=outcome) for release, outcome in outcomes.items())
    for answer in answers:
        has_report = not answer.same and answer.outcome != FAILED and answer.cell.release != "3.8.0"
        store.write(folder, answer, report(Status(answer.outcome)).to_dict() if has_report else None)
    return Matrix(answers=answers, reused=0, results=str(folder))


def test_verdicts_lead_to_pages_and_back(tmp_path: Path) -> None:
    target = tmp_path / "a #1: 100%.html"
    page = matrix_page_of(matrix(tmp_path / "cells"), str(target))
    links = re.findall(r'<a href="([^"]+)">(\w+)', page)
    assert [words for _, words in links] == ["DIVERGED", "inconclusive"]
    for href, _ in links:
        assert href.startswith("./a%20%231%3A%20100%25-cells/")  # no protocol, no fragment, no query
        text = (tmp_path / unquote(href)).read_text(encoding="utf-8")
        assert "norm" in text and '<a href="../a%20%231%3A%20100%25.html">all cells</a>' in text
    assert "m.keras keras in 3.5.0+jax: <a" in (tmp_path / unquote(links[0][0])).read_text(encoding="utf-8")
    assert not target.exists()  # who writes it finds the pages there


def test_where_there_is_no_report_a_cell_says_so(tmp_path: Path) -> None:
    page = matrix_page_of(matrix(tmp_path / "cells"), str(tmp_path / "m.html"))
    told = re.findall(r'<td class="(?:good|bad|warn)">(.*?)</td>', page)
    lacking = ' <span class="dim">(no report)</span>'
    assert [told[0], *told[3:]] == ["same", f"FAILED{lacking}", f"DIVERGED [1]{lacking}"]
    alone = matrix(tmp_path / "cells").to_html()
    assert "<a " not in alone and "no report" not in alone  # nothing was written beside this one


def test_a_report_that_says_otherwise_is_no_report_of_the_cell(tmp_path: Path) -> None:
    found = matrix(tmp_path / "cells", {"3.5.0": "diverged"})
    (answer,) = found.answers
    other = replace(answer, outcome="inconclusive")
    assert store.read_whole(tmp_path / "cells", answer) == report()
    assert store.read_whole(tmp_path / "cells", other) is None
    (kept,) = (tmp_path / "cells" / "reports").iterdir()
    kept.write_text('{"schema": 1')
    assert store.read_whole(tmp_path / "cells", answer) is None


def test_a_page_goes_with_the_difference_that_it_told_of(tmp_path: Path) -> None:
    target = tmp_path / "m.html"
    matrix_page_of(matrix(tmp_path / "cells"), str(target))
    mine = tmp_path / "m-cells" / "mine.html"
    mine.write_text("")
    later = matrix(tmp_path / "cells", {"3.4.0": "pass", "3.5.0": "pass", "3.6.0": "inconclusive"}, content="2")
    page = matrix_page_of(later, str(target))
    assert len(list((tmp_path / "m-cells").iterdir())) == 3  # until the new page is there, the old one leads to all
    clear_pages(later, str(target))
    left = {file.name for file in (tmp_path / "m-cells").iterdir()}
    assert left == {"mine.html", Path(unquote(re.findall(r'<a href="([^"]+)"', page)[0])).name}


def test_stdout_has_no_folder_and_a_file_in_its_place_is_said(tmp_path: Path) -> None:
    assert "<a " not in matrix_page_of(matrix(tmp_path / "cells"), "-")
    (tmp_path / "m-cells").write_text("")
    with pytest.raises(TracerError, match="m-cells, which is a file"):
        check_folder(str(tmp_path / "m.html"))
    check_folder("-")
    check_folder(str(tmp_path / "n.html"))


def test_a_summary_says_where_the_pages_are(tmp_path: Path) -> None:
    found, target = matrix(tmp_path / "cells"), str(tmp_path / "a m.html")
    matrix_page_of(found, target)
    lines = matrix_summary_of(found, target).removeprefix(found.to_markdown()).splitlines()
    assert lines[:3] == ["", f"The page of this table is `{target}`, those of its cells are:", ""]
    named = [re.fullmatch(r"\* `(.*)`, `m.keras keras`: `(.*)`", line) for line in lines[3:]]
    assert [each[1] for each in named if each] == ["3.5.0+jax", "3.6.0+jax"]
    assert {each[2] for each in named if each} == {str(file) for file in (tmp_path / "a m-cells").iterdir()}
    assert matrix_summary_of(found, None) == matrix_summary_of(found, "-") == found.to_markdown()
    same = matrix(tmp_path / "same", {"3.4.0": "pass"})
    assert matrix_summary_of(same, "m.html") == same.to_markdown() + "\nThe page of this table is `m.html`.\n"


def test_where_the_pages_are_is_told_where_there_are_any(tmp_path: Path) -> None:
    target = str(tmp_path / "m.html")
    found = matrix(tmp_path / "cells")
    assert told_of_pages(found, target) == ""
    matrix_page_of(found, target)
    assert told_of_pages(found, target) == f"pages of 2 cells: {tmp_path / 'm-cells'}/\n"
    one = matrix(tmp_path / "others", {"3.5.0": "diverged"})
    matrix_page_of(one, str(tmp_path / "n.html"))
    assert told_of_pages(one, str(tmp_path / "n.html")) == f"page of 1 cell: {tmp_path / 'n-cells'}/\n"
