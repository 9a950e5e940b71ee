"""What was aimed at, beside what was measured."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

Results = Mapping[str, Mapping[str, Any]]
_B7 = "tensorflow/EfficientNetB7/batch 1"


def rows(results: Results) -> Iterator[tuple[str, str, str, str]]:
    """What, the aim, the figure, and whether it is reached; only of what was measured."""
    for what, aim, bound, figure in _targets(results):
        value = _value(figure)
        if value is not None:
            below = aim.startswith(("≤", "<"))
            yield what, aim, f"{value:.2f}", "✓" if (value <= bound if below else value >= bound) else "✗"


def _value(figure: Callable[[], float | None]) -> float | None:
    try:
        return figure()
    except KeyError:  # not measured
        return None


def _targets(results: Results) -> list[tuple[str, str, float, Callable[[], float | None]]]:
    from benchmarks import table

    def warm(side: str) -> float | None:
        return table.ratio(results, f"{_B7}/{side}", "warm_s")

    def cold(side: str) -> float | None:
        return table.ratio(results, f"{_B7}/{side}", "cold_s")

    def faster(which: str) -> float:
        slow, fast = (table.median(results[f"{_B7}/{side}"][which]) for side in ("naive", "clean"))
        return slow / fast

    def part(name: str, figure: str) -> float:
        return float(results[f"small/{name}"]["figures"][figure])

    return [
        ("B7, clean diff, warm, × two plain passes", "≤ 0.8", 0.8, lambda: warm("clean")),
        ("B7, clean diff, cold, × two plain passes", "≤ 1.0", 1.0, lambda: cold("clean")),
        ("B7, fault at the first layer, × two plain passes", "≤ 1.5", 1.5, lambda: warm("fault_first")),
        ("B7, times faster than the probe, cold", "≥ 10", 10, lambda: faster("cold_s")),
        ("B7, times faster than the probe, warm", "≥ 3", 3, lambda: faster("warm_s")),
        (
            "B7, clean diff, MiB over the loaded models", "≤ 450 MB", 450e6 / 2**20,
            lambda: table.median(results[f"{_B7}/clean"]["peak_mib"]),
        ),
        ("B7, golden check, × one plain pass", "≤ 1.5", 1.5, lambda: warm("check")),
        ("sketch, GB/s on one core", "≥ 1", 1, lambda: part("sketch", "sketch, float32, one core")),
        ("comparison of unequal float32, GB/s", "≥ 1", 1, lambda: part("compare", "difference, unequal, float32")),
        ("`tracer diff` of two B0 files over import, loads and passes, s", "≤ 2", 2, lambda: part("files", "more")),
        ("`tracer --help`, s", "< 0.3", 0.3, lambda: part("start", "tracer --help")),
        ("`import tracer`, s", "< 0.1", 0.1, lambda: part("start", "import tracer")),
    ]  # fmt: skip
