"""`tracer.envs.local`: cells in processes of their own; whatever one does, it is an answer, and nothing is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tracer.core.matrix.cells import Cell, Kind
from tracer.envs import local
from tracer.errors import WorkerError
from tracer.workflows.releases.cells import run_cell

_ROOT = Path(local.__file__).resolve().parents[2]
_CELL = Cell(kind=Kind.ROUNDTRIP, model="m.keras", release="2.15.0", backend="tensorflow", format="keras").to_dict()


def fake(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, script: str) -> None:
    """Cells are answered by a script instead."""
    python = tmp_path / "python"
    (tmp_path / "script.py").write_text(script)
    python.write_text(f'#!/bin/sh\nexec {sys.executable} {tmp_path / "script.py"} "$@"\n')
    python.chmod(0o755)
    monkeypatch.setattr(local.sys, "executable", str(python))  # type: ignore[attr-defined]


def test_a_cell_that_fails_is_answered_with_its_reason() -> None:
    ((index, found),) = local.run_all([_CELL])
    assert index == 0
    assert isinstance(found, dict)
    assert found["outcome"] == "failed"
    assert "Keras 2.15.0 can't be traced" in found["message"]
    assert found == {**run_cell(_CELL), "seconds": found["seconds"]}


@pytest.mark.parametrize(
    ("script", "says"),
    [
        (
            "import os; os.write(2, b'these are my last words'); os._exit(7)",
            r"exit status 7.*(?s:.*)these are my last words",
        ),
        ("print('rubbish' * 20)", "its process died"),
        ("import time; time.sleep(60)", r"not done after 1 s \(--timeout\)"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", r"exit status -9"),
    ],
)
def test_a_process_that_dies_hangs_or_prints_rubbish_is_an_answer(
    script: str, says: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fake(monkeypatch, tmp_path, script)
    start = time.monotonic()
    found = dict(local.run_all([_CELL, _CELL], workers=2, timeout=1.0 if "sleep" in script else 60.0))
    assert set(found) == {0, 1}
    for result in found.values():
        with pytest.raises(WorkerError, match=says):
            raise result  # type: ignore[misc]
    assert time.monotonic() - start < 30


def test_leaving_in_the_middle_ends_all_processes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fake(
        monkeypatch,
        tmp_path,
        f"import os, time; open({str(tmp_path)!r} + f'/pid-{{os.getpid()}}', 'w'); time.sleep(60)",
    )
    running = local.run_all([_CELL, _CELL], workers=2, timeout=2.0)
    next(running)
    running.close()
    pids = [int(file.name[4:]) for file in tmp_path.glob("pid-*")]
    assert len(pids) == 2
    assert not any(alive(pid) for pid in pids)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"


_PARENT = """
import sys, time
from tracer.envs.remote import RemoteHost
remote = RemoteHost()
print(remote.process, flush=True)
remote._worker.send("build", spec="hanging_models:hangs", custom_objects=(), seed=0)
time.sleep(60)
"""


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at processes by /proc")
def test_a_worker_that_hangs_does_not_outlive_a_killed_parent(tmp_path: Path) -> None:
    (tmp_path / "hanging_models.py").write_text(
        "import time\ndef hangs():\n    print('here', flush=True)\n    time.sleep(600)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(_ROOT), str(tmp_path)])}
    parent = subprocess.Popen([sys.executable, "-c", _PARENT], stdout=subprocess.PIPE, env=environment, cwd=tmp_path)
    assert parent.stdout is not None
    worker = int(parent.stdout.readline())
    time.sleep(1.0)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    end = time.monotonic() + 60
    while alive(worker) and time.monotonic() < end:
        time.sleep(0.2)
    assert not alive(worker)


@pytest.mark.parametrize(
    ("command", "code", "words"),
    [
        ("echo one; exit 3", 3, "one"),
        ("python -c 'import sys; print(sys.argv[0])'", 0, "-c"),
        ("echo $COLOUR", 0, "green"),
        ("cat", 0, ""),  # nothing to read: it ends
    ],
)
def test_a_command_of_the_user(command: str, code: int, words: str) -> None:
    assert local.run_command(command, Path(sys.executable).parent, {"COLOUR": "green"}) == (code, words)


def test_there_is_room_for_at_least_one(monkeypatch: pytest.MonkeyPatch) -> None:
    assert local.how_many() >= 1
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(64)), raising=False)
    monkeypatch.setattr(os, "sysconf", lambda name: {"SC_PHYS_PAGES": 8 << 20, "SC_PAGE_SIZE": 4096}[name])
    found: Any = local.how_many()
    assert found == 8  # 32 GiB
