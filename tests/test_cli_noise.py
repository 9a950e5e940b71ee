"""What the command line holds back, and what it says at its end: noise of backends, last words, one clear message."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest
from test_cli import environment

NOISY = """
import os, sys, subprocess
from tracer import console
with console.work() as progress:
    progress("loading", 1, 2)
    os.write(2, b"WARNING: All log messages before absl::InitializeLog() is called are written to STDERR\\n")
    os.write(2, b"I0000 00:00:1795300514.375316    6114 cudart_stub.cc:31] Could not find cuda drivers\\n")
    os.write(2, b"E0000 00:00:1795300525.455519    6114 cuda_platform.cc:52] failed call to cuInit\\n")
    os.write(2, b"2025-01-01 10:00:00.123456: I tensorflow/core/util/port.cc:153] oneDNN custom operations are on\\n")
    os.write(2, b"WARNING:absl:You are saving your model as an HDF5 file\\n")
    print("a custom layer prints")
    subprocess.run([sys.executable, "-c", "print('a worker prints')"])
    os.write(2, b"E0000 00:00:1795300525.455519    6114 executor.cc:1] out of memory\\n")
    os.write(2, b"last words without an end")
    {then}
print("the result")
"""


def noisy(then: str = "pass", **extra: str) -> subprocess.CompletedProcess[str]:
    code = NOISY.replace("{then}", then)
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment(**extra), timeout=60
    )


def test_noise_is_held_back_and_errors_are_not() -> None:
    result = noisy()
    assert result.stdout == "the result\n"
    kept = result.stderr.splitlines()
    assert kept[-2:] == [
        "E0000 00:00:1795300525.455519    6114 executor.cc:1] out of memory",
        "last words without an end",
    ]
    assert sorted(kept[:-2]) == ["a custom layer prints", "a worker prints"]


def test_debug_holds_nothing_back() -> None:
    assert "cudart_stub" in noisy(TRACER_DEBUG="1").stderr


def test_the_last_words_of_a_crash_get_through() -> None:
    result = noisy("os.write(2, b'fatal: no memory\\n'); os.abort()")
    assert result.returncode == -signal.SIGABRT
    assert "last words without an endfatal: no memory" in result.stderr


@pytest.mark.parametrize(
    ("raises", "code", "says"),
    [
        ("KeyboardInterrupt", 130, "tracer: interrupted\n"),
        ("ModelError('m.keras: not a model.')", 2, "tracer: m.keras: not a model.\n"),
        ("OSError(28, 'No space left on device')", 2, "tracer: [Errno 28] No space left on device\n"),
        ("ZeroDivisionError('x')", 2, "tracer: internal error: ZeroDivisionError: x\n"),
    ],
)
def test_what_ends_a_command(raises: str, code: int, says: str) -> None:
    program = (
        "import typer; from tracer import console; from tracer.cli import door; from tracer.errors import ModelError\n"
        "app = typer.Typer(cls=door.Door, rich_markup_mode=None, pretty_exceptions_enable=False)\n"
        "@app.callback()\n"
        "def nothing(): pass\n"
        "@app.command()\n"
        "def go():\n"
        f"    with console.work(): raise {raises}\n"
        "app(['go'])\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=environment(), timeout=60
    )
    assert result.returncode == code
    assert result.stderr.startswith(says)
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
