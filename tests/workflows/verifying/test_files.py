"""Names, verdicts on disk, and which file may replace which: no Keras."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tracer.errors import SpecError, WorkerError
from tracer.records import Cause, Fault, Report, Status
from tracer.workflows.verifying.files import (
    Outcome,
    Verdict,
    beside,
    check_place,
    copy,
    deadline,
    is_copy,
    is_protected,
    judge,
    lay_out,
    layers_of,
    move,
    placed,
    stamp,
    verdict_path,
    write_verdict,
)

_GOOD, _BAD, _UNKNOWN = (Verdict(outcome=outcome) for outcome in Outcome)


def write(path: Path, text: str, verdict: Verdict | None = None) -> Path:
    path.write_text(text)
    if verdict is not None:
        write_verdict(path, verdict)
    return path


def report(status: Status, *faults: Fault) -> Report:
    return Report(
        status=status, compared=3, coverage=1.0, first_divergence=None, faults=faults, layers=(), reason="it is dead"
    )


# --- verdicts


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (Status.PASS, Outcome.VERIFIED),
        (Status.WITHIN_TOLERANCE, Outcome.VERIFIED),
        (Status.DIVERGED, Outcome.FAILED),
        (Status.INCONCLUSIVE, Outcome.UNVERIFIED),
    ],
)
def test_what_follows_from_a_report(status: Status, outcome: Outcome) -> None:
    assert judge(report(status), 1.0).outcome is outcome


def test_a_failure_says_the_layers_and_why() -> None:
    faults = [Fault(layer=f"l{i}", class_name="Dense", cause=Cause.CONFIG) for i in range(6)]
    verdict = judge(report(Status.DIVERGED, *faults), 1.0)
    assert layers_of(verdict) == "l0 (config), l1 (config), l2 (config), l3 (config) and 2 more"
    assert "fault: l5 (Dense), cause config" in verdict.reason


def test_an_inconclusive_comparison_says_nothing_against_the_file() -> None:
    assert judge(report(Status.INCONCLUSIVE), 1.0).reason == "it is dead"


def test_the_verdict_is_beside_the_file_and_names_its_bytes(tmp_path: Path) -> None:
    file = write(tmp_path / "m.keras", "bytes", Verdict(outcome=Outcome.FAILED, reason="why", seconds=1.23456))
    told = json.loads(verdict_path(file).read_text())
    assert (told["file"], told["outcome"], told["reason"], told["seconds"]) == ("m.keras", "failed", "why", 1.235)
    assert len(told["sha256"]) == 64 and told["report"] is None


# --- names


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a/best.keras", "a/best.failed.keras"),
        ("03-0.5.weights.h5", "03-0.5.failed.weights.h5"),
        ("m.h5", "m.failed.h5"),
    ],
)
def test_a_neighbour_has_the_same_suffix(name: str, expected: str) -> None:
    assert beside(Path(name), "failed") == Path(expected)


def test_another_suffix_is_refused() -> None:
    with pytest.raises(SpecError, match=r"\.weights\.h5, \.keras, \.h5"):
        beside(Path("m.onnx"), "failed")


@pytest.mark.parametrize(
    ("name", "format", "link"),
    [
        ("a.keras", "keras", "model.keras"),
        ("a.weights.h5", "weights", "model.weights.h5"),
        ("a.h5", "h5", "model.h5"),
    ],
)
def test_the_file_is_found_under_the_name_that_is_loaded(tmp_path: Path, name: str, format: str, link: str) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    assert lay_out(write(tmp_path / name, "it"), folder) == format
    assert (folder / link).read_text() == "it"


def test_a_stamp_tells_whether_a_file_was_written(tmp_path: Path) -> None:
    file = tmp_path / "m.keras"
    assert stamp(file) is None
    first = stamp(write(file, "a"))
    assert first == stamp(file)
    assert stamp(write(file, "ab")) != first


@pytest.mark.parametrize("path", ["gs://bucket/m.keras", "m.ckpt", "s3://bucket/m.weights.h5"])
def test_a_place_that_no_fresh_process_can_read_is_refused(path: str) -> None:
    check_place("runs/{epoch}-{val_loss:.2f}.weights.h5")
    with pytest.raises(SpecError, match=r"ends in one of|only files in folders of this system"):
        check_place(path)


# --- which file may replace which


@pytest.mark.parametrize("there", [_GOOD, None])
def test_a_file_that_passed_or_that_nobody_knows_is_replaced_by_one_that_passed_alone(
    tmp_path: Path, there: Verdict | None
) -> None:
    target = write(tmp_path / "m.keras", "old", there)
    for outcome, word in ((Outcome.FAILED, "failed"), (Outcome.UNVERIFIED, "unverified")):
        aside = write(tmp_path / "m.unverified.keras", "new", Verdict(outcome=outcome))
        assert placed(aside, target, outcome) == beside(target, word)
        assert target.read_text() == "old" and beside(target, word).read_text() == "new"
    aside = write(tmp_path / "m.unverified.keras", "new", _GOOD)
    assert placed(aside, target, Outcome.VERIFIED) == target
    assert target.read_text() == "new"
    assert json.loads(verdict_path(target).read_text())["outcome"] == "verified"


def test_where_nothing_is_an_unverified_file_gets_the_name_and_a_failed_one_does_not(tmp_path: Path) -> None:
    target = tmp_path / "m.keras"
    aside = write(tmp_path / "m.unverified.keras", "first", _UNKNOWN)
    assert placed(aside, target, Outcome.UNVERIFIED) == target
    aside = write(tmp_path / "m.unverified.keras", "second", _UNKNOWN)
    assert placed(aside, target, Outcome.UNVERIFIED) == target and target.read_text() == "second"
    aside = write(tmp_path / "m.unverified.keras", "wrong", _BAD)
    assert placed(aside, target, Outcome.FAILED) == tmp_path / "m.failed.keras" and target.read_text() == "second"


def test_a_file_that_passed_does_not_cost_a_later_one_that_was_not_verified(tmp_path: Path) -> None:
    """A background verification ends after the next file, which wasn't to be verified, has got the name."""
    target = tmp_path / "m.keras"
    held = write(tmp_path / "m.verifying-0.keras", "first", _GOOD)
    os.utime(held, ns=(0, 0))
    write(target, "second", _UNKNOWN)
    assert placed(held, target, Outcome.VERIFIED) == target and target.read_text() == "first"
    assert (tmp_path / "m.unverified.keras").read_text() == "second"
    assert json.loads(verdict_path(tmp_path / "m.unverified.keras").read_text())["outcome"] == "unverified"


def test_a_later_file_still_is_not_replaced_by_an_earlier_one(tmp_path: Path) -> None:
    target = write(tmp_path / "m.keras", "second", _UNKNOWN)
    held = write(tmp_path / "m.verifying-0.keras", "first", _GOOD)
    os.utime(held, ns=(0, 0))
    write(tmp_path / "m.unverified.keras", "third")
    assert placed(held, target, Outcome.VERIFIED) == target and target.read_text() == "first"
    assert (tmp_path / "m.unverified.keras").read_text() == "third"


def test_a_verdict_on_other_bytes_does_not_count(tmp_path: Path) -> None:
    target = write(tmp_path / "m.keras", "old", _UNKNOWN)
    assert not is_protected(target)
    target.write_text("somebody else's")
    assert is_protected(target)
    verdict_path(target).write_text("{")
    assert is_protected(target)


def test_a_move_takes_the_verdict_along_and_leaves_no_other(tmp_path: Path) -> None:
    target = write(tmp_path / "m.keras", "old", _GOOD)
    move(write(tmp_path / "new.keras", "new"), target)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.keras"]


def test_a_copy_is_one_until_one_of_the_two_is_written(tmp_path: Path) -> None:
    first, second = write(tmp_path / "a.keras", "a"), tmp_path / "b.keras"
    assert not is_copy(first, second)
    copy(first, second)
    assert is_copy(first, second)
    first.write_text("b")
    assert not is_copy(first, second)


def test_of_a_copy_that_can_not_be_made_nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(source: Path, target: Path) -> None:
        target.write_text("ha")
        raise OSError("No space left on device")

    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(OSError, match="No space left"):
        copy(write(tmp_path / "a.keras", "half"), tmp_path / "b.keras")
    assert [path.name for path in tmp_path.iterdir()] == ["a.keras"]


# --- time


def test_a_process_is_ended_when_the_time_is_up_and_what_comes_of_it_says_so() -> None:
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)

    def ask() -> None:
        with deadline(process.pid, 0.2):
            process.wait()
            raise WorkerError("the worker process has died")

    start = time.monotonic()
    with pytest.raises(WorkerError, match=r"longer than 0\.2 s"):
        ask()
    assert time.monotonic() - start < 30


def test_an_error_before_the_time_is_up_is_itself() -> None:
    with pytest.raises(WorkerError, match="another reason"), deadline(os.getpid(), 600.0):
        raise WorkerError("another reason")
