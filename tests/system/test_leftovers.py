"""What a killed process leaves is removed by the next one, and nothing that a live one uses."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tracer.system.leftovers import (
    hold,
    own_folders,
    own_temporary_files,
    sweep,
    temporary_folder,
    written_whole,
)

_PROGRAM = """
import sys, time
from pathlib import Path
from contextlib import nullcontext
from tracer.system.leftovers import temporary_folder, written_whole
beside = Path(sys.argv[1]) if sys.argv[1] else None
with temporary_folder(beside) as folder, written_whole(beside) if beside else nullcontext():
    (folder / "model.keras").write_text("half")
    print(folder, flush=True)
    time.sleep(60)
"""


@pytest.fixture
def started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """A process in the middle of its work, and its folder beside `m.keras`."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    command = [sys.executable, "-c", _PROGRAM, str(tmp_path / "m.keras")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process, Path(process.stdout.readline().strip())
        process.kill()


def write(path: Path) -> None:
    """A file, which isn't to stay."""
    with written_whole(path) as stream:
        stream.write(b"x")
    path.unlink()


def left(folder: Path) -> list[str]:
    return sorted(item.name.split("-")[0].split(".")[1] for item in folder.iterdir())


def test_what_a_killed_process_leaves_goes_with_the_next_and_a_live_one_s_stays(
    started: tuple[subprocess.Popen[str], Path], tmp_path: Path
) -> None:
    process, folder = started
    assert left(tmp_path) == ["m", "tracer"]
    for _ in range(2):
        with temporary_folder(tmp_path / "m.keras") as own:
            assert (folder / "model.keras").read_text() == "half" and own.is_dir()
        write(tmp_path / "m.keras")
        assert left(tmp_path) == ["m", "tracer"]
        # However old, as long as it is held.
        for item in (folder, *tmp_path.glob(".m.keras.*.tmp")):
            os.utime(item, (1, 1))
    process.send_signal(signal.SIGKILL)
    process.wait()
    with temporary_folder(tmp_path / "m.keras"):
        assert not folder.exists()
    assert left(tmp_path) == ["m"]
    write(tmp_path / "m.keras")
    assert not list(tmp_path.iterdir())


def write_badly(target: Path) -> None:
    with written_whole(target) as stream:
        stream.write(b"half of it")
        assert target.read_bytes() == b"as it was"
        raise ValueError("stop")


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "m.json"
    target.write_bytes(b"as it was")
    with pytest.raises(ValueError, match="stop"):
        write_badly(target)
    assert target.read_bytes() == b"as it was" and list(tmp_path.iterdir()) == [target]
    with written_whole(target) as stream:
        stream.write(b"as it is")
    assert target.read_bytes() == b"as it is" and list(tmp_path.iterdir()) == [target]


_FULL = """
import resource, sys
from pathlib import Path
from tracer.system.leftovers import written_whole
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
try:
    with written_whole(Path(sys.argv[1])) as stream:
        stream.write(bytes(int(sys.argv[2])))
        stream.write(b"more")
except OSError as error:
    print(error.strerror)
"""


@pytest.mark.parametrize("size", [5000, 1_000_000])
def test_on_a_full_disk_nothing_is_left_beside_the_file(tmp_path: Path, size: int) -> None:
    """Python writes what it has kept once more when the file is closed, and fails once more."""
    target = tmp_path / "m.json"
    target.write_bytes(b"as it was")
    command = [sys.executable, "-c", _FULL, str(target), str(size)]
    said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert said.stdout == "File too large\n" and said.stderr == ""
    assert target.read_bytes() == b"as it was" and list(tmp_path.iterdir()) == [target]


def test_a_folder_without_a_lock_is_removed_when_it_has_settled(tmp_path: Path) -> None:
    mine, dead = f"tracer-{os.getpid()}-abcd1234", "tracer-999999999-abcd1234"
    others = ["tracer-results", "tracer-999999999-abcd123"]
    for name in (mine, dead, *others):
        (tmp_path / name).mkdir()
    sweep(tmp_path, "*")
    assert len(list(tmp_path.iterdir())) == 4  # they may be in the making
    for item in tmp_path.iterdir():
        os.utime(item, (1, 1))
    sweep(tmp_path, "*")
    assert sorted(item.name for item in tmp_path.iterdir()) == sorted([mine, *others])


def test_temporary_files_of_others_are_in_a_folder_that_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keras makes some, and a killed process leaves them."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with own_temporary_files():
        made, (own,) = Path(tempfile.mkdtemp()), own_folders()
        assert made.parent == own and own.parent == tmp_path
        with temporary_folder() as inner:
            assert inner.parent == own
    assert not list(tmp_path.iterdir()) and tempfile.gettempdir() == str(tmp_path)
    with temporary_folder() as first, temporary_folder() as second:
        assert set(own_folders()) == {first, second}
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "none"))
    with own_temporary_files():
        assert tempfile.gettempdir() == str(tmp_path / "none")


def test_links_and_what_can_t_be_removed_are_left(tmp_path: Path) -> None:
    (tmp_path / "precious").mkdir()
    (tmp_path / "tracer-999999999-abcd1234").symlink_to(tmp_path / "precious")
    sweep(tmp_path, "tracer-*")
    sweep(tmp_path / "no such folder", "tracer-*")
    assert (tmp_path / "tracer-999999999-abcd1234").is_symlink() and (tmp_path / "precious").is_dir()


def test_names_with_wildcards_are_taken_as_they_are(tmp_path: Path) -> None:
    other = tmp_path / ".ab.999999999.tmp"
    other.write_text("")
    os.utime(other, (1, 1))
    with written_whole(tmp_path / "a*") as stream:
        assert Path(stream.name).name == f".a*.{threading.get_ident()}.{os.getpid()}.tmp"
    assert other.exists()
    write(tmp_path / "ab")
    assert not other.exists()


def test_a_number_that_another_process_got_protects_only_while_it_is_new(tmp_path: Path) -> None:
    file = tmp_path / f".m.{os.getpid()}.tmp"
    file.write_text("")
    sweep(tmp_path, ".m.*.tmp")
    assert file.exists()
    os.utime(file, (1, 1))
    with file.open("w") as stream:
        hold(stream)
        os.utime(file, (1, 1))
        sweep(tmp_path, ".m.*.tmp")
        assert file.exists()
    sweep(tmp_path, ".m.*.tmp")
    assert not file.exists() and time.time() > 1
