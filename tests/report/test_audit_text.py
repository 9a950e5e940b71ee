"""`tracer audit`, as text and as data."""

from __future__ import annotations

import json

import pytest

from tracer import report as reports
from tracer.cli.commands.audit import _ending
from tracer.records import Audit, Finding


def audit(*findings: Finding, arrays: int = 9) -> Audit:
    return Audit(
        file="m.keras",
        format="keras",
        writer="3.4.1",
        reader="3.15.1",
        backend="tensorflow",
        arrays=arrays,
        settings=1 if arrays else 0,
        findings=findings,
        notes=("the optimizer's state was not looked at.",),
        exposure=(("keras#20147", "the trained model never normalized (writer: Keras 3.4.1). Upgrade."),),
    )


_STALE = Finding(kind="stale-state", place="inner/norm", detail="mean is [0], its weights say [5]", remedy="Do it.")


def test_a_file_that_comes_back_whole() -> None:
    assert reports.render_audit(audit(), width=120).splitlines() == [
        "OK: m.keras comes back whole: 9 arrays and 1 setting followed",
        "",
        "  ok    file         keras, written by Keras 3.4.1, loaded by Keras 3.15.1 on tensorflow",
        "  warn  note         the optimizer's state was not looked at.",
        "  warn  keras#20147  may have met: the trained model never normalized (writer: Keras 3.4.1). Upgrade.",
    ]


def test_a_file_that_loses_something() -> None:
    text = reports.render_audit(audit(_STALE), width=140)
    assert text.startswith("LOST: m.keras: 1 finding; 9 arrays and 1 setting followed\n")
    assert "bad   stale-state  inner/norm: mean is [0], its weights say [5]. Do it." in text


def test_a_writer_that_the_file_does_not_name() -> None:
    unknown = Audit(file="m.h5", format="h5", writer="", reader="3.15.1", backend="jax", arrays=1, settings=0)
    assert "h5, written by an unknown Keras, loaded by Keras 3.15.1 on jax" in reports.render_audit(unknown)


def test_foreign_text_can_not_break_the_terminal() -> None:
    evil = Finding(kind="config-lost", place="a\x1b[31mb", detail="c\nd")
    assert "\x1b" not in reports.render_audit(audit(evil))


def test_data_and_text_say_the_same() -> None:
    found = json.loads(json.dumps(audit(_STALE).to_dict()))
    assert (found["ok"], found["arrays"]) == (False, 9)
    assert found["findings"] == [
        {"kind": "stale-state", "place": "inner/norm", "detail": _STALE.detail, "remedy": "Do it."}
    ]


@pytest.mark.parametrize(("found", "code"), [(audit(), 0), (audit(_STALE), 1), (audit(arrays=0), 2)])
def test_the_exit_code_is_that_of_every_command(found: Audit, code: int) -> None:
    """A file of which nothing was followed isn't a file that lost nothing."""
    assert _ending(found) == code
