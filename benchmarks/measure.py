"""Seconds, bytes, and what they were measured on."""

import gc
import os
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tracer.system import heap

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
_RESET_HIGH_WATER = "5"  # proc(5): the peak of the resident set becomes what it is now


def seconds(run: Callable[[], object]) -> float:
    """How long it takes."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def throughput(size: int, run: Callable[[], object], repeat: int = 7) -> float:
    """GB/s of `size` bytes, at the best of several runs: what a busy machine adds isn't the code's."""
    return size / min(seconds(run) for _ in range(repeat)) / 1e9


def memory(name: str) -> float:
    """MiB of this process: `VmRSS` now, or `VmHWM`, the most since the last reset."""
    line = next(line for line in _STATUS.read_text().splitlines() if line.startswith(f"{name}:"))
    return int(line.split()[1]) / 1024


def available() -> float:
    """MiB that this machine could give to a process now."""
    lines = Path("/proc/meminfo").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("MemAvailable:")).split()[1]) / 1024


def settled() -> float:
    """MiB of this process with all that can be given back given back; the high water starts anew from there."""
    gc.collect()
    heap.give_back()  # what was freed while models were loaded would hide what a run needs
    _CLEAR.write_text(_RESET_HIGH_WATER)
    return memory("VmRSS")


def peak_over(before: float) -> float:
    """MiB at the high water since `settled()`, over what it returned."""
    return memory("VmHWM") - before


def median(numbers: list[float]) -> float | None:
    """The median, None of nothing."""
    return statistics.median(numbers) if numbers else None


def machine() -> str:
    """What the figures were measured on, without its name."""
    cores = os.cpu_count()
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    return f"{_processor()}, {cores} cores, {pages:.0f} GiB, {platform.system()} {platform.machine()}"


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    lines = information.read_text().splitlines() if information.exists() else []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or "unknown processor"


def versions() -> dict[str, Any]:
    """Of Keras and its backend in this process."""
    from tracer.engine import compat

    return compat.environment()
