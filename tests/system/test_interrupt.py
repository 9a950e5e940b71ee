"""Ctrl-C at any point: the process ends within a second, with 130, without orphans, and leaves nothing half-written.

Models that hang at a known place, and say that they have got there, make the moments exact.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parents[2]
_MODELS = '''
import os, time
import keras

def _reached():
    open(os.environ["REACHED"], "w").close()

@keras.saving.register_keras_serializable("hanging")
class Hanging(keras.layers.Layer):
    """Hangs where it is told to: in its nth call with numbers, or when it is made from a saved one."""

    def __init__(self, calls=0, factor=1.0, **options):
        super().__init__(**options)
        self.calls, self.factor, self.made = calls, factor, 0

    def call(self, x):
        if not isinstance(x, keras.KerasTensor):
            self.made += 1
            if self.made == self.calls:
                _reached()
                time.sleep(60)
        return x * self.factor

    def get_config(self):
        return {**super().get_config(), "calls": self.calls, "factor": self.factor}

    @classmethod
    def from_config(cls, config):
        if os.environ.get("HANG") == "load":
            _reached()
            time.sleep(60)
        return cls(**config)

def _model(calls, name="layer", factor=1.0):
    inputs = keras.Input((4,), name="inputs")
    layer = Hanging(calls, factor, name=name)
    return keras.Model(inputs, layer(inputs), name="m")

def fine():
    return _model(0)

def building():
    _reached()
    time.sleep(60)

def running():
    return _model(1)

def wrong():
    """Another one, which hangs when it is called a second time: replayed on the reference's inputs, or proved."""
    return _model(2, factor=3.0)
'''


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "hanging.py").write_text(_MODELS, encoding="utf-8")
    (tmp_path / "tmp").mkdir()
    return tmp_path


@pytest.fixture
def slowness() -> float:
    """Seconds that this machine takes just now for a process that does nothing: what a busy machine adds to any end."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", "pass"], check=True)
    return time.perf_counter() - start


def _started(folder: Path, words: list[str], **variables: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tracer", *words],
        cwd=folder,
        env={
            **os.environ, "PYTHONPATH": os.pathsep.join([str(_ROOT), str(folder)]), "TMPDIR": str(folder / "tmp"),
            "REACHED": str(folder / "reached"), **variables,
        },
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        # What a shell runs in the background ignores SIGINT, and so would its children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip


def _wait_for(file: Path, process: subprocess.Popen[str]) -> None:
    until = time.monotonic() + 180
    while not file.exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until
        time.sleep(0.02)


def _table() -> Iterator[tuple[int, int, str]]:
    """Process, parent and state of all that run."""
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
        except OSError:  # has just ended
            continue
        yield int(entry.name), int(parent), state


def _below(process: int) -> set[int]:
    found, table = {process}, sorted(_table())
    while more := {pid for pid, parent, _ in table if parent in found} - found:
        found |= more
    return found - {process}


def _alive(processes: set[int]) -> set[int]:
    return {pid for pid, _, state in _table() if pid in processes and state != "Z"}


def _ended_before_us(said: str) -> bool:
    """Whether Python was still starting itself, and nothing of this package ran: it then ends with 1 and a trace."""
    return said.startswith("Fatal Python error: init_")


def _interrupt(process: subprocess.Popen[str], *, alone: bool, slowness: float) -> str:
    """Sends SIGINT as a terminal does, or to the one process; what it said last."""
    below = _below(process.pid)
    start = time.perf_counter()
    os.kill(process.pid, signal.SIGINT) if alone else os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=30)
    took = time.perf_counter() - start
    assert process.returncode in (130, -signal.SIGINT) or _ended_before_us(said)  # a shell says 130 of both
    allowed = 1.0 + 5 * slowness
    assert took < allowed
    while _alive(below) and time.perf_counter() < start + allowed:
        time.sleep(0.02)  # one that was killed still gives its gigabyte back
    assert not _alive(below)
    return said


_AT = {
    "building a model": (["diff", "hanging:building", "hanging:fine"], {}),
    "in lock-step": (["diff", "hanging:fine", "hanging:running"], {}),
    "in a replay or a proof": (["diff", "hanging:fine", "hanging:wrong"], {}),
    "loading in a worker": (["roundtrip", "hanging:fine", "--format", "keras"], {"HANG": "load"}),
    "recording": (["record", "hanging:running", "--no-witness", "--fixtures", "goldens"], {}),
}


_QUICK = ("in lock-step", "loading in a worker")


@pytest.mark.parametrize(
    ("moment", "alone"),
    [
        *(pytest.param(moment, False, marks=() if moment in _QUICK else pytest.mark.slow) for moment in _AT),
        *(pytest.param(moment, True, marks=pytest.mark.slow) for moment in _QUICK),
    ],
)
def test_whatever_it_does_it_ends(folder: Path, slowness: float, moment: str, alone: bool) -> None:
    words, variables = _AT[moment]
    process = _started(folder, words, **variables)
    _wait_for(folder / "reached", process)
    said = _interrupt(process, alone=alone, slowness=slowness)
    assert said.strip().splitlines()[-1] == "tracer: interrupted"
    assert "Traceback" not in said
    assert list((folder / "tmp").iterdir()) == []
    assert not (folder / "goldens").exists()


@pytest.mark.parametrize("seconds", [0.0, 0.4, *(pytest.param(s, marks=pytest.mark.slow) for s in (0.15, 0.8, 1.6))])
def test_it_ends_while_it_starts(folder: Path, slowness: float, seconds: float) -> None:
    process = _started(folder, ["diff", "hanging:building", "hanging:fine"])
    time.sleep(seconds)
    said = _interrupt(process, alone=False, slowness=slowness)
    assert "Traceback" not in said or _ended_before_us(said)
    assert list((folder / "tmp").iterdir()) == []


_INTERRUPTED_AS_IT_BEGINS = """
import os, signal, sys
from tracer import console
os.register_at_fork(after_in_child=lambda: os.kill(os.getpid(), signal.SIGINT))
pump = console._start_pump()
print("told", file=sys.stderr, flush=True)
os.close(2)
console._end_pump(pump)
"""


def test_what_carries_stderr_is_not_interrupted_as_it_begins() -> None:
    """Nor is this process left deaf to the next Ctrl-C."""
    code = _INTERRUPTED_AS_IT_BEGINS + "print(signal.pthread_sigmask(signal.SIG_BLOCK, ()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "set()\n", "told\n")


def test_the_second_one_does_not_wait(folder: Path, slowness: float) -> None:
    process = _started(folder, ["diff", "hanging:fine", "hanging:running"])
    _wait_for(folder / "reached", process)
    os.killpg(process.pid, signal.SIGINT)
    time.sleep(0.05)
    start = time.perf_counter()
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode == 130
    assert time.perf_counter() - start < 0.5 + 5 * slowness


_CELLS = {
    "a matrix": ["matrix", "hanging:running", "--keras", "3.15.1", "--format", "keras", "--results", "answers"],
    "a bisection": ["bisect", "hanging:running", "--good", "3.15.1", "--bad", "3.14.1", "--format", "keras"],
}


@pytest.mark.releases
@pytest.mark.parametrize("what", list(_CELLS))
def test_cells_end_with_their_workers(folder: Path, slowness: float, what: str) -> None:
    process = _started(folder, _CELLS[what])
    _wait_for(folder / "reached", process)
    assert len(_below(process.pid)) >= 3  # the cell's process and two workers
    said = _interrupt(process, alone=True, slowness=slowness)
    assert said.strip().splitlines()[-1] == "tracer: interrupted"
    assert not list(folder.glob("answers/**/*.json"))


@pytest.mark.releases
def test_an_environment_is_made_whole_or_not_at_all(folder: Path, slowness: float) -> None:
    process = _started(folder, ["diff", "hanging:fine", "hanging:fine@3.14.1"], TRACER_CACHE=str(folder / "cache"))
    environments = folder / "cache" / "environments"
    until = time.monotonic() + 180
    while not list(environments.glob(".making-*/bin/python")):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until
        time.sleep(0.02)
    said = _interrupt(process, alone=False, slowness=slowness)
    assert said.strip().splitlines()[-1] == "tracer: interrupted"
    assert [entry.name for entry in environments.iterdir() if entry.is_dir()] == []
