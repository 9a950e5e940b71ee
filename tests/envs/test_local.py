"""`tracer.envs.local`: cells in processes of their own; whatever one does, it is an answer, and nothing is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import venv
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tracer.core.environment import Wanted
from tracer.core.matrix.cells import Cell, CellTemplate
from tracer.envs import local
from tracer.envs.environments import Start
from tracer.errors import WorkerError
from tracer.workflows.releases.cells import run_cell

_ROOT = Path(local.__file__).resolve().parents[2]
_ASKED = CellTemplate(formats=("keras",))
_CELL = Cell(model="tracer.zoo:tiny_functional", release="2.9.0", backend="tensorflow", question=_ASKED).to_dict()


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
    assert "round trips are made in Keras 3 alone" in found["message"]
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


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Start:
    """An environment with a Keras and a library of its own, as an installer leaves them."""
    place = tmp_path_factory.mktemp("environment")
    venv.create(place, with_pip=False)
    (site,) = place.glob("lib/python*/site-packages")
    for name, version in (("keras", "3.4.1"), ("some_hub", "0.26.0")):
        (site / f"{name}.py").write_text(f"__version__ = {version!r}\n")
        (site / f"{name}-{version}.dist-info").mkdir()
        about = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        (site / f"{name}-{version}.dist-info" / "METADATA").write_text(about)
        (site / f"{name}-{version}.dist-info" / "top_level.txt").write_text(name)
    wanted = Wanted(keras="3.4.1", backend="tensorflow", packages={"some-hub": "0.26.0"})
    return Start(command=(str(place / "bin" / "python"),), variables={"COLOUR": "green"}, wanted=wanted)


@pytest.mark.parametrize(
    ("command", "code", "words"),
    [
        ("echo one; exit 3", 3, "one"),
        ("python -c 'import sys; print(sys.argv[0])'", 0, "-c"),
        ("python -c 'import keras; print(keras.__version__)'", 0, "3.4.1"),
        ("python -c 'import tracer.errors; print(7)'", 0, "7"),
        ("echo $COLOUR", 0, "green"),
        ("cat", 0, ""),  # nothing to read: it ends
    ],
)
def test_a_command_of_the_user(command: str, code: int, words: str, start: Start) -> None:
    assert local.run_command(command, start) == (code, words)


def test_a_program_from_another_environment_says_nothing_of_this_one(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `pytest` does that is installed where tracer is: the shell finds it there, with the Keras from there."""
    there = tmp_path / "there"
    venv.create(there, with_pip=False)
    (site,) = there.glob("lib/python*/site-packages")
    (site / "keras.py").write_text("__version__ = '3.15.1'\n")
    (there / "bin" / "check-it").write_text(f"#!{there}/bin/python\nimport keras\n")
    (there / "bin" / "check-it").chmod(0o755)
    monkeypatch.setenv("PATH", os.pathsep.join([str(there / "bin"), os.environ["PATH"]]))
    with pytest.raises(WorkerError) as raised:
        local.run_command("check-it", start)
    assert f"imported another Keras than the environment's: {site / 'keras.py'}." in str(raised.value)
    assert "add it to the environment with --with PACKAGE" in str(raised.value)
    assert local.run_command("python -c 'import keras'", start) == (0, "")


def test_an_environment_by_way_of_a_link_is_that_environment(start: Start, tmp_path: Path) -> None:
    """Programs of a relocatable environment look up where they really are."""
    place = Path(start.command[0]).parents[1]
    (tmp_path / "link").symlink_to(place)
    linked = replace(start, command=(str(tmp_path / "link" / "bin" / "python"),))
    for python in ("python", f"{place}/bin/python"):
        assert local.run_command(f"{python} -c 'import keras'", linked) == (0, "")


@pytest.mark.parametrize(("command", "code"), [("no-such-program -q", 127), ("/", 126)])
def test_a_program_that_is_not_there_is_no_answer(command: str, code: int, start: Start) -> None:
    with pytest.raises(WorkerError, match=rf"exit code {code}: .*add it to the environment with --with PACKAGE"):
        local.run_command(command, start)


def test_what_a_command_would_import_is_told_and_has_to_be_what_was_asked_for(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = local.installed_versions(start)
    told = {name: found[name] for name in ("keras", "backend", "some-hub")}
    assert told == {"keras": "3.4.1", "backend": "tensorflow", "some-hub": "0.26.0"}
    other = replace(start, wanted=Wanted(keras="3.5.0", packages={"some-hub": ">=0.27", "jax": ""}))
    with pytest.raises(WorkerError) as raised:
        local.installed_versions(other)
    assert str(raised.value) == (
        "the environment isn't what was asked for: keras 3.5.0 was asked for, and 3.4.1 runs; some-hub >=0.27 was "
        "asked for, and 0.26.0 runs; jax of any version was asked for, and it isn't there."
    )


@pytest.mark.parametrize("name", ["keras", "some_hub"])
def test_a_module_of_the_project_that_comes_first_is_no_release(
    name: str, start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A checkout of Keras, or of a library of layers, of whatever version."""
    (tmp_path / f"{name}.py").write_text("__version__ = '3.4.1'\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(WorkerError, match=rf"another one in {tmp_path / name}\.py runs"):
        local.installed_versions(start)


def test_there_is_room_for_at_least_one(monkeypatch: pytest.MonkeyPatch) -> None:
    assert local.how_many() >= 1
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(64)), raising=False)
    monkeypatch.setattr(os, "sysconf", lambda name: {"SC_PHYS_PAGES": 8 << 20, "SC_PAGE_SIZE": 4096}[name])
    found: Any = local.how_many()
    assert found == 8  # 32 GiB
    monkeypatch.delattr(os, "sysconf")  # as on Windows
    unknown: Any = local.how_many()
    assert unknown == 1
