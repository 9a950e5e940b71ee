"""What was aimed at, beside what was measured."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

Results = Mapping[str, Mapping[str, Any]]
_B7, _B0 = "tensorflow/EfficientNetB7/batch 1", "{}/EfficientNetB0/batch 1"
_FIRST, _MIDDLE = "fault_first+proof", "fault_middle+proof"


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

    def warm(side: str, model: str = _B7) -> float | None:
        return table.ratio(results, f"{model}/{side}", "warm_s")

    def part(name: str, figure: str) -> float:
        return float(results[f"small/{name}"]["figures"][figure])

    return [
        ("B7, clean diff, warm, × two plain passes", "≤ 1.25", 1.25, lambda: warm("clean")),
        (
            "B7, clean diff, cold, × two plain passes", "≤ 1.05", 1.05,
            lambda: table.ratio(results, f"{_B7}/clean", "cold_s"),
        ),
        ("B7, fault at the first layer, with proof, × two plain passes", "≤ 2.5", 2.5, lambda: warm(_FIRST)),
        ("B7, fault half-way, with proof, × two plain passes", "≤ 2.0", 2.0, lambda: warm(_MIDDLE)),
        ("B7, golden check, × one plain pass", "≤ 1.4", 1.4, lambda: warm("check")),
        (
            "B7, clean diff, MiB over the loaded models", "≤ 450 MB", 450e6 / 2**20,
            lambda: table.median(results[f"{_B7}/clean"]["peak_mib"]),
        ),
        ("B0, clean diff, warm, × two plain passes", "≤ 1.2", 1.2, lambda: warm("clean", _B0.format("tensorflow"))),
        ("B0 on JAX, clean diff, warm, × two plain passes", "≤ 1.6", 1.6, lambda: warm("clean", _B0.format("jax"))),
        ("B0 on torch, clean diff, warm, × two plain passes", "≤ 1.6", 1.6, lambda: warm("clean", _B0.format("torch"))),
        (
            "B0, `tracer roundtrip`, × a script that saves and one that loads, started together", "≤ 1.3", 1.3,
            lambda: part("roundtrips", "one format") / part("roundtrips", "two scripts"),
        ),
        (
            "B0, round trips in four formats, × one", "≤ 1.6", 1.6,
            lambda: part("roundtrips", "four formats") / part("roundtrips", "one format"),
        ),
        ("B0, `--format all`, s", "≤ 75", 75, lambda: part("roundtrips", "all formats")),
        ("sketch, GB/s on one core", "≥ 1", 1, lambda: part("sketch", "sketch, float32, one core")),
        ("comparison of unequal float32, GB/s", "≥ 1", 1, lambda: part("compare", "difference, unequal, float32")),
        ("`tracer diff` of two B0 files over import, loads and passes, s", "≤ 2", 2, lambda: part("files", "more")),
        ("`tracer --help`, s", "< 0.3", 0.3, lambda: part("start", "tracer --help")),
        ("`import tracer`, s", "< 0.1", 0.1, lambda: part("start", "import tracer")),
    ]  # fmt: skip
