"""Progress: on a terminal, in place, with rate and remaining time; none at all elsewhere."""

import os
import pty
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tracer import console

_ROOT = Path(__file__).resolve().parent.parent
_SLOW = """
import time
import keras

@keras.saving.register_keras_serializable("slow")
class Slow(keras.layers.Layer):
    def call(self, x):
        if not isinstance(x, keras.KerasTensor):
            time.sleep(0.1)
        return x + 1.0

def model():
    time.sleep(2.5)
    x = inputs = keras.Input((4,))
    for index in range(30):
        x = Slow(name=f"slow_{index}")(x)
    return keras.Model(inputs, x)
"""


def _run(folder: Path, stderr: int) -> subprocess.Popen[bytes]:
    (folder / "slow.py").write_text(_SLOW, encoding="utf-8")
    paths = os.pathsep.join([str(_ROOT), str(folder)])
    return subprocess.Popen(
        [sys.executable, "-m", "tracer", "diff", "slow:model", "slow:model"],
        cwd=folder, env={**os.environ, "PYTHONPATH": paths, "TERM": "xterm", "COLUMNS": "100", "NO_COLOR": ""},
        stdout=subprocess.PIPE, stderr=stderr,
    )  # fmt: skip


def _said_to_a_terminal(folder: Path) -> tuple[int, bytes, bytes]:
    """Exit code, stdout, and what a terminal at stderr got."""
    ours, theirs = pty.openpty()
    got: list[bytes] = []

    def read() -> None:
        while True:
            try:
                got.append(os.read(ours, 65536))
            except OSError:  # the other end is closed
                return

    process = _run(folder, theirs)
    os.close(theirs)
    reader = threading.Thread(target=read)
    reader.start()
    out, _ = process.communicate(timeout=300)
    reader.join(timeout=10)
    os.close(ours)
    return process.returncode, out, b"".join(got)


@pytest.mark.slow
def test_a_terminal_gets_one_line_that_is_updated_in_place(tmp_path: Path) -> None:
    code, out, screen = _said_to_a_terminal(tmp_path)
    text = screen.decode()
    assert code == 0, text
    assert "\x1b" not in out.decode()
    assert "opening slow:model" in text  # a phase that only says that it has begun
    assert "comparing" in text
    assert re.search(r"\d+/\d+  \d+\.\d/s  \d+ s left", text)
    # Written over itself: back to the start of the line, never on to the next, and gone in the end.
    assert text.count("\r") > 5
    assert text.count("\n") <= 1
    assert text.rstrip().endswith("\x1b[2K")


@pytest.mark.slow
def test_what_is_no_terminal_gets_none(tmp_path: Path) -> None:
    process = _run(tmp_path, subprocess.PIPE)
    out, said = process.communicate(timeout=300)
    assert process.returncode == 0
    assert said == b""
    assert out.startswith(b"PASS")


@pytest.mark.parametrize(
    ("counted", "words"),
    [
        ((0, None, None, None), ""),
        ((0, 0, None, None), ""),
        ((1, 30, None, None), "1/30"),
        ((12, 239, 8.13, 27.9), "12/239  8.1/s  28 s left"),
        ((12, 239, 0.5, 454.0), "12/239  0.5/s  7 min 34 s left"),
    ],
)
def test_the_pace_says_what_is_known(counted: tuple, words: str) -> None:
    assert console.pace(*counted) == words
