"""Read a file in another process first: a damaged HDF5 file can keep the library busy for ever, and fill all memory.

In C, neither Ctrl-C nor a time limit of this process would end that.
"""

from __future__ import annotations

import contextlib
import signal
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import h5py

from tracer.errors import ModelError
from tracer.files import archives, hdf5
from tracer.system import processes

# Starts a module of this very package, whatever else is installed under its name.
_START: Final = Path(__file__).parents[1] / "envs" / "bootstrap.py"
_TOO_MUCH: Final = 3
# What a file may take: reading the structure of the largest models takes a second and some megabytes.
_SECONDS, _BYTES_A_SECOND, _MEMORY = 30, 20 << 20, 1 << 29
# By name: not every system has all of them.
_ENDS: Final = frozenset({"SIGXCPU", "SIGKILL"})
_CRASHES: Final = frozenset({"SIGSEGV", "SIGABRT", "SIGBUS", "SIGFPE", "SIGILL"})


def check(path: Path) -> None:
    """Refuse a file whose structure can't be read within bounds of time and memory.

    Whatever else is wrong with it is left to those who read it; so is a file that can't be tried.

    Args:
        path: a `.keras` or `.h5` file, or a folder with such weights.

    Raises:
        ModelError: says what reading it does.
    """
    if not sys.executable:  # an embedded Python
        return
    code = processes.run_in_silence(_command(path), {"OPENBLAS_NUM_THREADS": "1"})
    ended_by = signal.Signals(-code).name if code < 0 else ""
    if ended_by in _ENDS:
        raise ModelError(f"{str(path)!r} is damaged: reading it doesn't end.")
    if code == _TOO_MUCH:
        raise ModelError(f"{str(path)!r} is damaged: reading it takes more memory than a model's file can need.")
    if ended_by in _CRASHES:
        raise ModelError(f"{str(path)!r} is damaged: reading it crashes the HDF5 library.")


def _command(path: Path) -> list[str]:
    return [sys.executable, "-P", str(_START), __name__, str(path.resolve())]


def main(path: str) -> None:
    """What runs in the other process: read all of a file's structure, within limits that the system holds."""
    import resource  # POSIX has it: elsewhere this process ends here, and the file is read as it is

    processes.end_with_parent()
    size = sum(file.stat().st_size for file in _files(Path(path)))
    before = _peak()
    memory, seconds = _MEMORY + 2 * size, _SECONDS + size // _BYTES_A_SECOND
    _bound(resource.RLIMIT_AS, _address_space(resource.getpagesize()) + memory)
    _bound(resource.RLIMIT_CPU, seconds)
    try:
        for file in _files(Path(path)):
            _read_file(file)
    except MemoryError:
        sys.exit(_TOO_MUCH)
    except Exception:  # whatever it is: who loads the file meets it too, and says it
        sys.exit(_TOO_MUCH if _peak() - before > _MEMORY // 2 else 0)


def _bound(what: int, most: int) -> None:
    """Sets a limit of this process, below that which it was started with."""
    import resource

    hard = resource.getrlimit(what)[1]
    resource.setrlimit(what, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))


def _files(path: Path) -> list[Path]:
    return [path] if path.is_file() else sorted(path.rglob("*.h5"))


def _read_file(path: Path) -> None:
    size = path.stat().st_size
    if path.suffix.lower() != ".keras":
        with hdf5.opened(path, "it") as file:
            _read(file, size)
        return
    with zipfile.ZipFile(path) as archive:
        for name in _weights(archive, size):
            with archives.member_as_file(archive, path, name) as part, hdf5.opened(part, "it") as file:
                _read(file, size)


def _weights(archive: zipfile.ZipFile, size: int) -> Iterator[str]:
    """Members that hold weights; none of an archive that unpacks to more than it can hold, which is refused as such."""
    if not any(archives.screen_members(archive, size)):
        yield from (name for name in archive.namelist() if name.endswith(".h5"))


def _read(file: h5py.File, size: int) -> None:
    """All but the numbers that lie in the file as they are: where they do, nothing has to be followed."""

    def visit(_name: str, item: h5py.Group | h5py.Dataset) -> None:
        # What can't be read is met again, if it is needed.
        with contextlib.suppress(OSError, RuntimeError, KeyError, ValueError, TypeError):
            list(item.attrs.values())
        if not isinstance(item, h5py.Dataset) or item.chunks is None or item.is_virtual:
            return
        if item.size * item.dtype.itemsize <= hdf5.GROWTH * size + hdf5.SLACK:
            with contextlib.suppress(OSError, RuntimeError, KeyError, ValueError, TypeError):
                for part in item.iter_chunks():
                    item[part]

    visit("", file)
    file.visititems(visit)


def _peak() -> int:
    """Bytes that this process has taken at most; `getrusage` would tell what the process took that started this one."""
    lines = Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmHWM:"))


def _address_space(page: int) -> int:
    """Bytes that this process has reserved, told in pages of so many."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * page


if __name__ == "__main__":
    main(sys.argv[1])
