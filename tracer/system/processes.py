"""What the system says of running processes, and how it ends them."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path


def resident(processes: set[int]) -> int | None:
    """Bytes in memory of all of them; None where the system doesn't say."""
    try:
        pages = [int(Path(f"/proc/{process}/statm").read_text(encoding="ascii").split()[1]) for process in processes]
    except (OSError, ValueError, IndexError):  # another system, or a worker that has just died, which is said elsewhere
        return None
    return sum(pages) * os.sysconf("SC_PAGE_SIZE")


def end_group(process: int) -> None:
    """End a process that leads a group, and all that it started; safe where there is none any more."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process, signal.SIGKILL)
