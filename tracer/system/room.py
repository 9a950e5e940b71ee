"""How much memory this machine, or the container that this process is in, has left."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

_UNKNOWN: Final = 8 << 30
_CGROUP: Final = Path("/sys/fs/cgroup")


def available(meminfo: Path = Path("/proc/meminfo"), cgroup: Path = _CGROUP) -> int:
    """Bytes that can be taken before the system swaps, or ends a process; a guess where that can't be told.

    Args:
        meminfo: the kernel's account of memory.
        cgroup: folder of the limits of this container.
    """
    limits = [found for found in (_of_system(meminfo), _of_container(cgroup)) if found is not None]
    return min(limits) if limits else installed() or _UNKNOWN


def installed() -> int | None:
    """Bytes that the machine has in all, free or not; None where the system doesn't say."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # another system
        return None


def _of_system(meminfo: Path) -> int | None:
    try:
        lines = meminfo.read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, ValueError, IndexError, StopIteration):  # another system, or another format
        return None


def _of_container(folder: Path) -> int | None:
    try:
        most, used = (int((folder / name).read_text(encoding="ascii")) for name in ("memory.max", "memory.current"))
    except (OSError, ValueError):  # no limit ("max"), or no such container
        return None
    return max(0, most - used)
