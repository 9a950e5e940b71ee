"""`tracer.cli.output`: what was found is printed first, then saved, and decides the exit code."""

from __future__ import annotations

import contextlib
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import typer

from tracer.cli.output import Files, check_target, deliver, text_of
from tracer.core.outcomes import Outcomes
from tracer.errors import SpecError, TracerError
from tracer.records import Difference, Fault, LayerReport, Report, Status, Verdict


def report(status: Status = Status.PASS, compared: int = 1) -> Report:
    diverged = status is Status.DIVERGED
    error = 0.5 if diverged else 0.0
    layer = LayerReport(
        layer="dense",
        class_name="Dense",
        verdict=Verdict.INTRODUCED if diverged else Verdict.IDENTICAL,
        difference=Difference(rel_error=error, max_abs=error, max_ulp=0.0, cosine=1.0),
        local_error=error,
        tolerance=2e-6,
    )
    return Report(
        status=status,
        compared=compared,
        coverage=1.0,
        first_divergence="dense" if diverged else None,
        faults=(Fault(layer="dense", class_name="Dense"),) if diverged else (),
        layers=(layer,) if compared else (),
    )


def delivered(found: Report | Outcomes, json_file: str | None) -> int:
    with pytest.raises(typer.Exit) as ended:
        deliver(found, Files(json=json_file), show_all=False)
    return ended.value.exit_code


PASS, DIVERGED, NOTHING = report(), report(Status.DIVERGED), report(Status.INCONCLUSIVE, 0)
FAILED = TracerError("it can't be saved so.")


def test_text_is_printed_and_json_saved(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "r.json"
    assert delivered(DIVERGED, str(file)) == 1
    printed = capsys.readouterr().out
    assert printed.startswith("DIVERGED: ") and f"tracer show {file} dense" in printed
    assert json.loads(file.read_text(encoding="utf-8"))["faults"][0]["layer"] == "dense"


def test_json_alone_goes_to_stdout_where_that_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert delivered(PASS, "-") == 0
    assert json.loads(capsys.readouterr().out)["status"] == "pass"


def test_without_a_file_nothing_is_saved_and_the_next_command_has_a_place_for_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert delivered(DIVERGED, None) == 1
    assert "tracer show REPORT.json dense" in capsys.readouterr().out
    assert not list(tmp_path.iterdir())


def test_what_can_not_be_saved_was_printed_before(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(TracerError, match="can't write the report"):
        deliver(DIVERGED, Files(json=str(tmp_path / "none" / "r.json")), show_all=False)
    assert capsys.readouterr().out.startswith("DIVERGED: ")


def test_what_can_not_be_printed_is_saved_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open("/dev/full", "w") as full:
        monkeypatch.setattr("sys.stdout", full)
        with pytest.raises(TracerError, match="can't write the result to standard output: No space left on device"):
            deliver(PASS, Files(json=str(tmp_path / "r.json")), show_all=False)
        monkeypatch.undo()
        with contextlib.suppress(OSError):
            full.close()
    assert json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))["status"] == "pass"


def test_a_saved_report_says_which_command_made_it_and_when(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["/somewhere/tracer", "diff", "my model.keras", "b.h5"])
    for found in (DIVERGED, Outcomes({"h5": DIVERGED, "keras": FAILED})):
        delivered(found, str(tmp_path / "r.json"))
        body = json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))
        told = body["reports"]["h5"] if isinstance(found, Outcomes) else body
        assert told["command"] == "tracer diff 'my model.keras' b.h5"
        assert abs(datetime.fromisoformat(told["date"]) - datetime.now(UTC)) < timedelta(minutes=1)


def test_every_form_is_written_and_one_of_them_may_go_to_stdout(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = Files(html=str(tmp_path / "p.html"), markdown="-", junit=str(tmp_path / "j.xml"))
    files.check()
    with pytest.raises(typer.Exit):
        deliver(DIVERGED, files, show_all=False)
    assert capsys.readouterr().out.startswith("### ❌ DIVERGED")
    assert (tmp_path / "p.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    assert 'failures="1"' in (tmp_path / "j.xml").read_text(encoding="utf-8")


def test_node_data_are_of_one_report(tmp_path: Path) -> None:
    files = Files(model_explorer=str(tmp_path / "nodes.json"))
    with pytest.raises(typer.Exit):
        deliver(DIVERGED, files, show_all=False)
    assert json.loads((tmp_path / "nodes.json").read_text(encoding="utf-8"))["results"]
    with pytest.raises(SpecError, match="takes one report"):
        deliver(Outcomes({"keras": PASS, "h5": DIVERGED}), files, show_all=False)


def test_only_one_form_can_go_to_stdout() -> None:
    with pytest.raises(SpecError, match="only one result can go to stdout"):
        Files(json="-", markdown="-").check()


def test_several_are_a_table_that_names_those_that_failed() -> None:
    text = text_of(Outcomes({"keras": PASS, "h5": DIVERGED, "weights": FAILED}), False, None)
    assert text.startswith("DIVERGED in 1 of 3 formats: h5")
    assert "it can't be saved so." in text


def test_a_place_is_tried_before_the_work(tmp_path: Path) -> None:
    check_target(None)
    check_target("-")
    check_target(str(tmp_path / "r.json"))
    with pytest.raises(TracerError, match="it is a folder"):
        check_target(str(tmp_path))
    assert not list(tmp_path.iterdir())
