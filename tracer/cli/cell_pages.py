"""The page of a matrix, and beside it, in a folder, a page of each cell that has a report."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from tracer.errors import TracerError

if TYPE_CHECKING:
    from tracer.core.matrix.cells import Answer, Cell, Matrix
    from tracer.records import Report


def check_folder(target: str | None) -> None:
    """Before minutes of work, not after them.

    Raises:
        TracerError: if the folder of the pages can't be made, because something else has its name.
    """
    if target not in (None, "-") and (place := _folder(Path(target))).exists() and not place.is_dir():
        raise TracerError(f"the pages of the cells go into {place}, which is a file: give --html another name.")


def matrix_page_of(found: Matrix, target: str) -> str:
    """The page of a matrix, whose verdicts lead to the pages of their cells; these are written by now.

    Args:
        found: the matrix.
        target: the file that the page is for; `-` for stdout, from which nothing leads to other pages.

    Raises:
        TracerError: if a page can't be written.
    """
    from tracer.report.page import matrix_page

    if target == "-":
        return found.to_html()
    return matrix_page(found.answers, _write_cells(found, Path(target)))


def matrix_summary_of(found: Matrix, target: str | None) -> str:
    """A matrix in Markdown, which says where its page and those of its cells are, where there are any.

    Paths and no links: who reads a comment or the summary of a job has the files somewhere else, if at all.

    Args:
        found: the matrix.
        target: the file of its page; None or `-` where there is none.
    """
    if target is None or target == "-":
        return found.to_markdown()
    from tracer.report.forms.markup import code

    pages = [(answer, _file(answer, Path(target))) for answer, _ in _reports(found)]
    told = [f"\nThe page of this table is {code(target)}" + (", those of its cells are:\n" if pages else ".")]
    told += [
        f"* {code(answer.cell.environment)}, {code(answer.cell.column)}: {code(str(file))}" for answer, file in pages
    ]
    return found.to_markdown() + "\n".join(told) + "\n"


def clear_pages(found: Matrix, target: str) -> None:
    """Removes what an earlier run wrote about cells of this matrix that have no report any more."""
    from tracer.core.matrix.cells import FAILED, UNTESTABLE

    for answer in found.answers:
        if answer.same or answer.outcome in (FAILED, UNTESTABLE):
            _file(answer, Path(target)).unlink(missing_ok=True)


def told_of_pages(found: Matrix, target: str) -> str:
    """Where the pages of the cells are, as a line; "" where there are none."""
    written = sum(_file(answer, Path(target)).exists() for answer in found.answers)
    noun = "page of 1 cell" if written == 1 else f"pages of {written} cells"
    return f"{noun}: {_folder(Path(target))}{os.sep}\n" if written else ""


def _write_cells(found: Matrix, target: Path) -> Mapping[Cell, str]:
    """The relative addresses of the pages that were written, by cell."""
    from tracer.report.page import Above, report_page
    from tracer.store.reports import write_report

    links: dict[Cell, str] = {}
    for answer, report in _reports(found):
        file = _file(answer, target)
        try:
            file.parent.mkdir(exist_ok=True)
        except OSError as error:
            raise TracerError(f"can't make the folder {file.parent} for the pages: {error.strerror}.") from error
        above = Above(f"../{quote(target.name)}", f"{answer.cell.column} in {answer.cell.environment}")
        write_report(file, report_page(report, above))
        # The dot keeps a colon in the name from being read as that of a protocol.
        links[answer.cell] = f"./{quote(file.parent.name)}/{quote(file.name)}"
    return links


def _reports(found: Matrix) -> Iterator[tuple[Answer, Report]]:
    """The answers that aren't "the same" and whose report was kept."""
    from tracer.store import cells

    for answer in found.answers:
        report = None if answer.same else cells.read_whole(found.results, answer)
        if report is not None:
            yield answer, report


def _file(answer: Answer, target: Path) -> Path:
    """Of the same name for the same question, also when the model or this package has changed."""
    from tracer.core.matrix.cells import key

    return _folder(target) / f"{key(replace(answer.cell, content=''))}.html"


def _folder(target: Path) -> Path:
    return target.with_name(f"{target.stem}-cells")
