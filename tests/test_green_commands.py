"""Ways to ask for nothing, or to lose the answer, on the command line; see `test_green_means_equal.py`.  No Keras."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from green_ways import Said, Way, check_not_green, outcome, typed
from typer.testing import CliRunner

from tracer import worker
from tracer.cli import app
from tracer.cli.output import Files, deliver
from tracer.core.matrix.cells import FAILED, UNTESTABLE, Answer, Cell, CellTemplate
from tracer.core.matrix.cells import ending_of as ending_of_cells
from tracer.core.outcomes import Outcomes, ending_of
from tracer.errors import TracerError
from tracer.records import Report, Status
from tracer.report import render_matrix, to_json
from tracer.workflows.releases import matrix


def answered(*outcomes: str) -> Callable[[Path], Said]:
    """A matrix of cells with these outcomes."""

    def run(folder: Path) -> Said:
        cell = Cell(model="m", release="3.0.0", backend="jax", question=CellTemplate(formats=("keras",)))
        answers = [Answer(cell=replace(cell, content=str(i)), outcome=outcome) for i, outcome in enumerate(outcomes)]
        return Said(ending_of_cells(answers), render_matrix(answers) if answers else "")

    return run


def shown(id: str, says: str, body: Mapping[str, Any] | Callable[[], str], *words: str) -> Way:
    """A saved report, read again."""

    def run(folder: Path) -> Said:
        text = body() if callable(body) else to_json(body)
        (folder / "r.json").write_text(text, encoding="utf-8")
        result = CliRunner().invoke(app, ["show", str(folder / "r.json"), *words])
        return Said(result.exit_code, result.output)

    return Way(id, says, run)


def report(status: Status, compared: int = 1) -> Report:
    return Report(status=status, compared=compared, coverage=1.0, first_divergence=None, faults=(), layers=())


def shell(id: str, says: str, status: Status, line: str, **variables: str) -> Way:
    """`$SHOW` shows a report with that status, in a process of its own."""

    def run(folder: Path) -> Said:
        (folder / "r.json").write_text(to_json(report(status)), encoding="utf-8")
        command = f"{sys.executable} -m tracer"
        known = {**os.environ, "TRACER": command, "SHOW": f"{command} show r.json", **variables}
        found = subprocess.run(["bash", "-c", line], cwd=folder, env=known, capture_output=True, text=True, timeout=120)
        return Said(found.returncode, found.stderr + found.stdout)

    return Way(id, says, run)


def asked(id: str, says: str, question: matrix.CellTemplate) -> Way:
    return Way(id, says, lambda folder: list(matrix.cells_of("", "3.6.0", "jax", question)) and Said(0, "asked"))


_EMPTY = "is empty"

UNSET = (
    *(
        typed(f"unset-{name}", f"'?{name}'?.*{_EMPTY}", *words.split(" "))
        for name, words in {
            "--run": "matrix --run ",
            "--keras": "matrix m.h5 --keras ",
            "--format": "matrix m.h5 --format ",
            "--backend": "matrix m.h5 --backend ",
            "--with": "matrix m.h5 --with ",
            "--golden": "matrix m.h5 --golden ",
            "--baseline": "matrix m.h5 --baseline ",
            "--tensorflow": "diff a b --tensorflow ",
            "--inputs": "diff a b --inputs ",
            "--custom-objects": "diff a b --custom-objects ",
            "--json": "diff a b --json ",
            "REFERENCE": "diff  b",
            "CANDIDATE": "diff a ",
            "MODEL": "roundtrip ",
            "--good": "bisect m --good  --bad 3.6.0",
            "--bad": "bisect m --good 3.6.0 --bad ",
            "--fixture": "check m --fixture ",
            "--fixtures": "check --fixtures ",
            "--like": "fix a.h5 -o b.h5 --like ",
            "--output": "fix a.h5 --as-loaded -o ",
            "--reference": "record m --reference ",
            "--witness": "record m --witness ",
            "--memory-limit": "diff a b --memory-limit ",
            "FILE": "show ",
            "LAYER": "show r.json ",
            "--layer": "bisect m --good 1 --bad 2 --layer ",
            "--cluster": "matrix m --cluster ",
            "--results": "matrix m --results ",
        }.items()
    ),
    typed("unset-check", _EMPTY, "check", ""),
    typed("unset-second-model", _EMPTY, "check", "EfficientNetB0", ""),
    typed("blank-run", _EMPTY, "matrix", "--run", " \t "),
    typed("comma", _EMPTY, "matrix", "m.h5", "--keras", ","),
    typed("part-unset", "a part between the commas is empty", "matrix", "m.h5", "--keras", "3.6.0,"),
    typed("release-unset", "received ''", "diff", "EfficientNetB0@", "EfficientNetB0@"),
    typed("nothing-to-ask", "nothing to ask", "matrix", "--keras", "3.6.0"),
    typed("nothing-to-bisect", "nothing to ask", "bisect", "--good", "3.5.0", "--bad", "3.6.0"),
    asked("run-empty", "command to run is empty", CellTemplate(command="")),
    asked("run-comment", "command to run is empty", CellTemplate(command="# pytest tests\n  \n")),
)

SAYS_NOTHING = (
    Way("no-outcome", "", lambda folder: Said(ending_of(Outcomes({})), "")),
    Way(
        "every-format-failed",
        "",
        lambda folder: Said(ending_of(Outcomes({"h5": TracerError("no"), "keras": TracerError("no")})), ""),
    ),
    Way("no-cells", "", answered()),
    Way("every-cell-failed", "TROUBLE", answered(FAILED, FAILED)),
    Way("every-cell-untestable", "TROUBLE", answered(UNTESTABLE)),
    Way("every-cell-inconclusive", "TROUBLE", answered("inconclusive")),
    Way("one-cell-inconclusive", "TROUBLE", answered("pass", "inconclusive")),
    shown("pass-of-nothing", "", {"": report(Status.PASS, compared=0)}),
    shown("shown-inconclusive", "INCONCLUSIVE", lambda: to_json(report(Status.INCONCLUSIVE))),
    shown("nothing-saved", "not a tracer report", lambda: "{}"),
    shown("one-of-two-failed", "failed", {"h5": TracerError("no"), "keras": report(Status.PASS)}),
)

PROCESSES = (
    shell("stdout-full", "No space left", Status.PASS, "$SHOW >/dev/full"),
    shell("stdout-gone", "", Status.PASS, "set -o pipefail; $SHOW | true"),
    shell("stdout-gone-diverged", "", Status.DIVERGED, "set -o pipefail; $SHOW | true"),
    shell("help-gone", "", Status.PASS, "set -o pipefail; $TRACER --help | true"),
    shell("stdout-closed", "standard output: it is closed", Status.PASS, "$SHOW >&-"),
    shell("stdout-closed-diverged", "", Status.DIVERGED, "$SHOW >&-"),
    shell("both-closed", "", Status.DIVERGED, "$SHOW >&- 2>&-"),
    shell("version-full", "standard output: No space left", Status.PASS, "$TRACER --version >/dev/full"),
    shell("help-full", "No space left", Status.PASS, "$TRACER --help >/dev/full"),
    shell("doctor-closed", "standard output: it is closed", Status.PASS, "$TRACER doctor >&-"),
    shell("stderr-closed", "", Status.PASS, "$TRACER show none.json 2>&-"),
    shell("stderr-gone", "", Status.PASS, "set -o pipefail; $TRACER show none.json 2>&1 | true"),
    shell("usage-with-stderr-gone", "", Status.PASS, "set -o pipefail; $TRACER nonsense 2>&1 | true"),
    shell(
        "backend-of-nonsense", "KERAS_BACKEND is 'nonsense'", Status.PASS, "$TRACER doctor", KERAS_BACKEND="nonsense"
    ),
    shell("cache-of-nonsense", "", Status.PASS, "$TRACER matrix m --keras 3.6.0", TRACER_CACHE="/dev/null/x"),
)


class _Exits(worker._Served):
    """A worker whose model's code ends the process."""

    def do(self, *_request: Any) -> Any:
        sys.exit(0)


def replied(folder: Path) -> Said:
    """What a worker answers then; it has to answer."""
    reply = worker._answer(_Exits(), {"do": "build"})
    return Said(2 if reply.get("kind") == "WorkerError" else 0, str(reply))


ELSEWHERE = (
    Way("exit-in-a-worker", "SystemExit: 0", replied),
    Way("json-full", "No space left", lambda folder: deliver(report(Status.PASS), Files(json="/dev/full"), False)),
)

WAYS = (*UNSET, *SAYS_NOTHING, *PROCESSES, *ELSEWHERE)

INNOCENTS = (
    shell("stderr-closed", "PASS", Status.PASS, "$SHOW 2>&-"),
    shell("stdout-to-nowhere", "", Status.PASS, "$SHOW >/dev/null"),
    shell("read-to-the-end", "", Status.PASS, "set -o pipefail; $SHOW | cat"),
    shell("empty-backend", "PASS", Status.PASS, "$SHOW", KERAS_BACKEND=""),
    Way("every-cell-the-same", "PASS", answered("pass", "pass-within-tolerance")),
)


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.id)
def test_it_is_not_green_and_says_why(way: Way, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    check_not_green(way, tmp_path)


@pytest.mark.parametrize("way", INNOCENTS, ids=lambda way: way.id)
def test_innocents_stay_green(way: Way, tmp_path: Path) -> None:
    said = outcome(way, tmp_path)
    assert said.code == 0, said
    assert way.says in said.line, said
