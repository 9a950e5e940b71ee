"""Saved reports: whole or not at all, and a clear word about every kind of broken file."""

from __future__ import annotations

import contextlib
import json
import os
import stat
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tracer.core.outcomes import Outcomes
from tracer.errors import FixtureError, ModelError, TracerError
from tracer.records import Cause, Difference, Evidence, Fault, LayerReport, Proof, Report, Side, Status, Verdict
from tracer.report import render, render_layer, to_json
from tracer.store.reports import check_writable, read_report, read_reports, write_report

REPORT = Report(
    status=Status.DIVERGED,
    compared=1,
    coverage=1.0,
    first_divergence="dense",
    faults=(
        Fault(
            layer="dense",
            class_name="Dense",
            side=Side.CANDIDATE,
            cause=Cause.WEIGHTS,
            evidence=(Evidence(kind="weight", name="kernel", reference="1", candidate="2"),),
            proof=Proof(healed=0.0, broken=0.5, output_error=0.5, holds=True),
        ),
    ),
    layers=(
        LayerReport(
            layer="dense",
            class_name="Dense",
            verdict=Verdict.INTRODUCED,
            difference=Difference(
                rel_error=0.5, max_abs=0.0, max_ulp=0.0, cosine=1.0, worst_index=(0, 1), channels=((1, 1.0),)
            ),
            local_error=0.5,
            tolerance=2e-6,
        ),
    ),
    unmatched={"reference": ("a",)},
    environments={"reference": {"keras": "3.15.1"}},
    specs={"reference": "m.keras"},
    timings={"compare": 1.0},
    notes=("a note",),
)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    check_writable(path)
    write_report(path, to_json(REPORT))
    assert read_report(path) == REPORT
    assert read_reports(path) == REPORT
    assert os.listdir(tmp_path) == ["r.json"]
    assert stat.S_IMODE(path.stat().st_mode) & 0o400


def test_several_formats(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    write_report(path, to_json({"keras": REPORT, "h5": REPORT, "config": ModelError("no Lambda")}))
    assert read_report(path, format="h5") == REPORT
    found = read_reports(path)
    assert isinstance(found, Outcomes) and list(found) == ["keras", "h5", "config"]
    with pytest.raises(FixtureError, match="holds 3 reports: choose one with --format: keras, h5, config"):
        read_report(path)
    with pytest.raises(FixtureError, match=r"no report of format 'x'\. It holds: keras, h5, config"):
        read_report(path, format="x")
    with pytest.raises(FixtureError, match="failed: no Lambda"):
        read_report(path, format="config")


@pytest.mark.parametrize(
    ("timings", "seconds"),
    [({"total": 12.5}, 12.5), ({"total": "12"}, 0.0), ({"total": None}, 0.0), ({}, 0.0), ([], 0.0), (None, 0.0)],
)
def test_what_several_took_together_is_read_where_it_is_told(timings: object, seconds: float, tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    body = json.loads(to_json(Outcomes({"keras": REPORT}, seconds=12.5)))
    assert body["timings"] == {"total": 12.5}
    path.write_text(json.dumps({**body, "timings": timings}))
    found = read_reports(path)
    assert isinstance(found, Outcomes) and found.seconds == seconds
    told = f"  took        {seconds:.1f} s in all\n"
    assert (told in found.to_text()) == bool(seconds)
    assert (f"Took {seconds:.1f} s in all" in found.to_html()) == bool(seconds)


def test_a_single_report_has_no_format(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    write_report(path, to_json(REPORT))
    with pytest.raises(FixtureError, match="It holds: a single one, without a format"):
        read_report(path, format="h5")


def test_what_was_there_stays_when_writing_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "r.json"
    path.write_text("old", encoding="utf-8")

    def full(fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(TracerError, match=r"can't write the report to .*r\.json: No space left on device"):
        write_report(path, "new")
    assert path.read_text(encoding="utf-8") == "old"
    assert os.listdir(tmp_path) == ["r.json"]


def test_places_that_can_not_be_written(tmp_path: Path) -> None:
    for path, why in ((tmp_path, "is a folder"), (tmp_path / "no" / "r.json", "there is no folder")):
        with pytest.raises(TracerError, match=why):
            check_writable(path)
        with pytest.raises(TracerError, match="can't write the report"):
            write_report(path, "x")
    assert os.listdir(tmp_path) == []


def test_a_link_is_followed_and_a_device_is_not_replaced(tmp_path: Path) -> None:
    target, link = tmp_path / "target.json", tmp_path / "link.json"
    target.write_text("old", encoding="utf-8")
    link.symlink_to(target)
    write_report(link, "new")
    assert link.is_symlink()
    assert target.read_text(encoding="utf-8") == "new"
    device = Path(os.devnull)
    check_writable(device)
    write_report(device, "x")
    assert not device.is_file()


def changed(*place: str | int, to: Any) -> bytes:
    """The report with another value at one place."""
    data = inner = json.loads(to_json(REPORT))
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = to
    return json.dumps(data).encode()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "the file is empty"),
        (b"\x89HDF\r\n\x1a\n\xff", "it isn't text"),
        (b"not json", "not JSON, or cut off: .* at line 1, column 1"),
        (to_json(REPORT)[:200].encode(), "not JSON, or cut off"),
        (b"[1, 2]", "JSON, but not a tracer report"),
        (b'{"a": 1}', "JSON, but not a tracer report"),
        (b'{"schema": 99}', "schema 1: its `schema` is 99"),
        (b'{"schema": 99, "reports": {}}', "schema 1: its `schema` is 99"),
        (b'{"schema": 1, "reports": {}}', "there is none in it"),
        (b'{"schema": 1, "reports": {"h5": 3}}', "format h5: .*damaged: it is a int"),
        (b'{"schema": 1}', r"damaged: `status` is missing\. Write one with"),
        (changed("layers", 0, "verdict", to="wrong"), r"damaged: `layers\[0\]\.verdict` is .wrong., and has to be one"),
        (changed("layers", 0, "shape", to=["a"]), r"`layers\[0\]\.shape\[0\]` is .a., and has to be of type integer"),
        (changed("faults", 0, "proof", "healed", to="x"), r"proof\.healed` is .x., and has to be of type number or"),
        (changed("compared", to=10**30), "`compared` is 1000.*, and maximum is"),
        (b"[" * 100_000, "nested too deeply"),
    ],
)
def test_broken_files(content: bytes, why: str, tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    path.write_bytes(content)
    with pytest.raises(FixtureError, match=rf"r\.json.*{why}"):
        read_report(path)


def test_a_device_and_what_is_larger_than_any_report_are_not_read(tmp_path: Path) -> None:
    with pytest.raises(FixtureError, match="/dev/zero: a device, which holds no report"):
        read_reports("/dev/zero")
    with (tmp_path / "huge.json").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(FixtureError, match="it has 1099511627776 bytes, more than any report"):
        read_reports(tmp_path / "huge.json")


def test_lists_that_would_fill_all_memory_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "r.json").write_bytes(b"[" + b"[]," * 6_000_000 + b"[]]")
    with pytest.raises(FixtureError, match="it would take more memory than any report"):
        read_reports(tmp_path / "r.json")


def test_of_a_pipe_no_more_is_read_than_a_report_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tracer.store.reports._MOST", 100_000)
    os.mkfifo(tmp_path / "pipe")

    def fill() -> None:
        with contextlib.suppress(BrokenPipeError):
            (tmp_path / "pipe").write_bytes(b" " * 1_000_000)

    writer = threading.Thread(target=fill)
    writer.start()
    with pytest.raises(FixtureError, match="it has more bytes than any report"):
        read_reports(tmp_path / "pipe")
    writer.join(10)
    assert not writer.is_alive()


def test_a_pipe_is_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    threading.Thread(target=(tmp_path / "pipe").write_text, args=("{}",)).start()
    with pytest.raises(FixtureError, match="JSON, but not a tracer report"):
        read_reports(tmp_path / "pipe")


def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(FixtureError, match=r"no such file\. Write one with `tracer"):
        read_report(tmp_path / "none.json")
    with pytest.raises(FixtureError, match="can't be read"):
        read_report(tmp_path)
    with pytest.raises(FixtureError, match="can't be read"):
        read_report("a\0b")


def places(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, item in items for place in places(item, (*path, key)))]


PLACES = places(json.loads(to_json(REPORT)))[1:]
ODD = st.sampled_from([None, True, -1, 1e308, 10**400, "x", "", [], {}, [None], [[1]], {"a": None}, {"layer": "a"}])


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.sampled_from(PLACES), odd=ODD)
def test_a_damaged_value_is_refused_or_shown(place: tuple[str | int, ...], odd: Any, tmp_path: Path) -> None:
    data = json.loads(to_json(REPORT))
    inner = data
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = odd
    path = tmp_path / "r.json"
    path.write_text(json.dumps(data), encoding="utf-8")
    try:
        report = read_report(path)
    except FixtureError as error:
        assert "r.json" in str(error)
        return
    assert render(report, show_all=True)
    for layer in report.layers:
        assert render_layer(report, layer.layer)
