"""`tracer.envs.folders`: where what can be made again is kept, files written whole, and locks."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tracer.envs.folders import cache_folder, locked, write_whole
from tracer.errors import WorkerError

_HOLD = """
import sys
from pathlib import Path
from tracer.envs.folders import locked
with locked(Path(sys.argv[1]), shared=sys.argv[2] == "shared"):
    print("held", flush=True)
    sys.stdin.readline()
"""


def test_the_variable_decides_where_the_cache_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("TRACER_CACHE", "~/kept")
    assert cache_folder() == tmp_path / "kept"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRACER_CACHE", "here")
    assert cache_folder() == tmp_path / "here"  # also after another change of folder
    monkeypatch.setenv("TRACER_CACHE", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    assert cache_folder().name == "keras-layer-tracer"


def test_without_a_place_for_caches_it_is_said_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRACER_CACHE", raising=False)
    monkeypatch.setitem(sys.modules, "platformdirs", None)
    with pytest.raises(WorkerError, match=r"platformdirs isn't installed. Set TRACER_CACHE .*layer-tracer\[envs\]"):
        cache_folder()


def test_a_file_is_written_with_its_folder_and_leaves_nothing_beside(tmp_path: Path) -> None:
    file = tmp_path / "a" / "b" / "file.json"
    for text in ("first", "größer"):
        write_whole(file, text)
        assert file.read_text(encoding="utf-8") == text
    assert [path.name for path in file.parent.iterdir()] == ["file.json"]


def test_a_file_that_can_not_be_written_is_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "file.json"
    write_whole(file, "first")
    with pytest.raises(UnicodeEncodeError):
        write_whole(file, "half of it \ud800")
    assert [path.name for path in tmp_path.iterdir()] == ["file.json"]
    assert file.read_text(encoding="utf-8") == "first"


def test_what_a_killed_process_left_of_a_file_goes_when_it_is_written_again(tmp_path: Path) -> None:
    file = tmp_path / "file.json"
    script = (
        "import os, pathlib, sys; from tracer.envs.folders import write_whole; "
        "pathlib.Path.replace = lambda *_: os.kill(os.getpid(), 9); write_whole(pathlib.Path(sys.argv[1]), 'half')"
    )
    subprocess.run([sys.executable, "-c", script, str(file)], check=False)
    (left,) = tmp_path.iterdir()
    os.utime(left, (1, 1))
    write_whole(file, "whole")
    assert [path.name for path in tmp_path.iterdir()] == ["file.json"]


def test_threads_that_write_one_file_do_not_meet(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: write_whole(tmp_path / "file.json", str(number) * 1000), range(200)))
    assert len(set((tmp_path / "file.json").read_text())) <= 3
    assert [path.name for path in tmp_path.iterdir()] == ["file.json"]


def test_a_lock_is_held_by_one_and_shared_by_many(tmp_path: Path) -> None:
    file = tmp_path / "made" / "lock"
    with locked(file, shared=True) as first, locked(file, shared=True, wait=False) as second:
        assert first and second
        with locked(file, wait=False) as third:
            assert not third
    with locked(file) as alone:
        assert alone
        with locked(file, shared=True, wait=False) as other:
            assert not other
    with locked(file, wait=False) as again:
        assert again


@pytest.mark.parametrize("kind", ["shared", "alone"])
def test_a_lock_ends_with_its_process(tmp_path: Path, kind: str) -> None:
    file = tmp_path / "lock"
    with subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(file), kind], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None and process.stdout.readline() == "held\n"
        with locked(file, wait=False) as mine:
            assert not mine
        with locked(file, wait=False, shared=True) as mine:
            assert mine == (kind == "shared")
        process.kill()
        process.wait()
        with locked(file, wait=False) as mine:
            assert mine


def test_who_waits_gets_the_lock_when_it_is_let_go(tmp_path: Path) -> None:
    file, got = tmp_path / "lock", threading.Event()

    def wait() -> None:
        with locked(file) as held:
            assert held
            got.set()

    thread = threading.Thread(target=wait)
    with locked(file):
        thread.start()
        assert not got.wait(0.1)
    assert got.wait(10)
    thread.join()
