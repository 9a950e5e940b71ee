"""Results of processes merged, and the page that shows them: a pure function of the JSON."""

import statistics
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from benchmarks import targets

Results = Mapping[str, Mapping[str, Any]]

NAMES = MappingProxyType(
    {
        "plain": "plain forward pass of both",
        "predict": "`predict` of both",
        "naive": "the probe that everybody writes, of both, and `np.allclose`",
        "by_layer": "a model for each layer, of both, and `np.allclose` (8 × every eighth)",
        "clean": "**diff**, nothing to find",
        "fault_first": "**diff**, fault at the first kernel",
        "fault_first+proof": "**diff**, the same, with proof",
        "fault_middle": "**diff**, fault half-way down",
        "fault_middle+proof": "**diff**, the same, with proof",
        "record": "**record**, float32 (one model)",
        "check": "**check** against a golden (one model)",
    }
)
_QUIET = 1.5  # what a benchmark itself leaves behind in the load average of a minute
_HEAD = """# Benchmarks

Written by `python benchmarks/run.py` from [benchmarks.json](benchmarks.json); `--only` and `--parts` run a part of it.

Each side runs in fresh processes of its own. *Cold* is the first run in a process, after both models are loaded (the
median of the processes); *warm* the median of the runs after it. *× plain* is the ratio to the plain eager forward
pass, `model(x, training=False)` of both models (half of it for record and check, which run one), likewise cold or warm.
The processes of all sides take turns, so that an hour in which the machine is slow doesn't slow one side alone.
*Memory* is the high water of the process during the cold run, over what it had with the models loaded, in MiB.

keract 4.5.2 doesn't run on Keras 3 (`'Functional' object has no attribute '_is_compiled'`); *a model for each layer* is
what it does, `keras.Model(model.input, layer.output)` one after the other, called eagerly.
"""

_AIMS = """# Targets

Written by `python benchmarks/run.py`, as [the page for users](../docs/benchmarks.md) is, which says what limits a diff.
"""


def median(numbers: Sequence[float]) -> float:
    """The middle one."""
    return statistics.median(numbers)


def first(found: Mapping[str, Any]) -> dict[str, Any]:
    """The record of a key, from the result of one process."""
    if "cold_s" not in found:
        return dict(found)
    return {**found, "cold_s": [found["cold_s"]], "peak_mib": [found["peak_mib"]], "loaded_mib": [found["loaded_mib"]]}


def merged(record: Mapping[str, Any], found: Mapping[str, Any]) -> dict[str, Any]:
    """The record with the result of one more process."""
    if "cold_s" not in record:
        return first(found)
    once = first(found)
    lists = ("cold_s", "peak_mib", "loaded_mib", "warm_s")
    return {**once, **{name: [*record[name], *once[name]] for name in lists}}


def ratio(results: Results, key: str, runs: str) -> float | None:
    """`cold_s` or `warm_s`, times the same of the plain pass; of half of it where only one model runs."""
    place, _, side = key.rpartition("/")
    plain, record = results.get(f"{place}/plain", {}), results[key]
    if not plain.get(runs) or not record.get(runs):
        return None
    share = 0.5 if side in ("record", "check") else 1.0
    return median(record[runs]) / (share * median(plain[runs]))


def rendered(results: Results) -> str:
    """The page, in Markdown."""
    limits = _limits(results.get("small/walks", {}).get("figures", {}))
    parts = [_HEAD, *_where(results), *limits, *_models(results), *_ladders(results), *_small(results)]
    return "\n".join(parts)


def aimed_at(results: Results) -> str:
    """What was aimed at, and what was reached of it: for those who work on the tracer."""
    rows = _table(("what", "target", "measured", ""), list(targets.rows(results)))
    return "\n".join([_AIMS, *_where(results), *rows])


def _where(results: Results) -> Iterator[str]:
    machines = sorted({str(record["machine"]) for record in results.values() if "machine" in record})
    dates = sorted({str(record["date"]) for record in results.values() if "date" in record})
    shown = {tuple(sorted(record["versions"].items())) for record in results.values() if "versions" in record}
    when = dates[0] if len(dates) == 1 else f"{dates[0]} … {dates[-1]}" if dates else "at an unknown time"
    yield f"Machine: {'; '.join(machines) or 'unknown'}. Measured {when}.\n"
    load = max((record.get("load", 0.0) for record in results.values()), default=0.0)
    if load > _QUIET:
        yield f"**The machine was busy** (load average up to {load:.1f}): the seconds say little, the memory holds.\n"
    for versions in sorted(shown):
        yield f"* {', '.join(f'{name} {value}' for name, value in versions)}"
    yield ""


def _limits(walks: Mapping[str, float]) -> Iterator[str]:
    """What keeps a diff from being faster, from the part that measures it."""
    if not walks:
        return
    times = {way: figure / walks["plain passes"] for way, figure in walks.items()}
    diff = "diff: in lock-step, compared"
    cores, busy = walks[f"{diff}, core seconds"], walks[f"{diff}, core seconds"] / walks[diff]
    yield (
        f"What limits a diff (*walks*, below; one process that keeps its memory): it takes {times[diff]:.2f} × two "
        f"plain passes. Stopping at every call site, one model after the other and nothing compared, takes "
        f"{times['stopped at every call site, one model after the other']:.2f} × already, both models at once "
        f"{times['both at once, nothing compared']:.2f} ×. The diff is {cores:.1f} core seconds, with {busy:.1f} cores "
        f"busy on average, two plain passes are {walks['plain passes, core seconds']:.1f}: what Keras and the tracer "
        "do in Python runs on one core at a time, and no order of things takes less than these core seconds on all "
        "cores. With a fault at the first layer there are three passes, 1.5 × by themselves, and numbers that differ "
        "are measured. `predict` compiles a graph in which operations are fused; the tracer calls layers one by one, "
        "as they are.\n"
    )


def _models(results: Results) -> Iterator[str]:
    for place in dict.fromkeys(key.rpartition("/")[0] for key in _ordered(results)):
        backend, model, batch = place.split("/")
        yield f"## {model}, {batch}, {backend}\n"
        rows = [_row(results, f"{place}/{side}", name) for side, name in NAMES.items() if f"{place}/{side}" in results]
        yield from _table(("side", "cold s", "× plain", "warm s", "× plain", "memory MiB"), rows)


def _ordered(results: Results) -> list[str]:
    keys = [key for key in results if key.count("/") == 3 and "/ladder:" not in key]
    return sorted(keys, key=lambda key: (key.split("/")[0] != "tensorflow", key))


def _row(results: Results, key: str, name: str) -> tuple[str, ...]:
    record = results[key]
    if "cold_s" not in record:
        return (name, str(record.get("skipped") or record.get("failed")), "", "", "", "")
    warm = record["warm_s"]
    return (
        name,
        f"{median(record['cold_s']):.2f}",
        _number(ratio(results, key, "cold_s")),
        f"{median(warm):.2f}" if warm else "–",
        _number(ratio(results, key, "warm_s")),
        f"{median(record['peak_mib']):.0f}",
    )


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _ladders(results: Results) -> Iterator[str]:
    keys = [key for key in results if "/ladder:" in key and "peak_mib" in results[key]]
    if not keys:
        return
    yield "## Memory, by depth and by batch\n"
    yield (
        "Models of equal blocks (convolution, batch normalization, activation), 64 × 64 × 32: MiB over the two loaded "
        "models, in one run.\n"
    )
    sides = [side for side in NAMES if any(key.endswith(f"/{side}") for key in keys)]
    rungs = sorted({_rung(key) for key in keys}, key=lambda rung: (rung[1] != 8, rung))
    rows = []
    for depth, batch in rungs:
        found = [next((k for k in keys if _rung(k) == (depth, batch) and k.endswith(f"/{s}")), None) for s in sides]
        cells = ("–" if key is None else f"{median(results[key]['peak_mib']):.0f}" for key in found)
        rows.append((str(depth), str(batch), *cells))
    yield from _table(("blocks", "batch", *(NAMES[side] for side in sides)), rows)


def _rung(key: str) -> tuple[int, int]:
    _, model, batch, _ = key.split("/")
    return int(model.partition(":")[2]), int(batch.split()[1])


def _small(results: Results) -> Iterator[str]:
    rows = []
    for key, record in results.items():
        if key.startswith("small/"):
            said = record.get("failed")
            figures = record.get("figures", {})
            rows += [(key.partition("/")[2], name, f"{value:.2f} {record['unit']}") for name, value in figures.items()]
            rows += [(key.partition("/")[2], "failed", said)] if said else []
    if rows:
        yield "## Parts\n"
        yield from _table(("part", "what", "measured"), rows)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"
    yield ""
