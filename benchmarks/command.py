"""The one command: what is to be measured, each in a process of its own, results merged by key, the page rendered."""

import argparse
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks import small, table

_ROOT = Path(__file__).resolve().parent.parent
SIDES = (
    "plain", "predict", "naive", "by_layer", "clean", "fault_first", "fault_first+proof", "fault_middle",
    "fault_middle+proof", "record", "check",
)  # fmt: skip
# The order in which a process each is run; with several repeats all of it is gone through again, so that a machine
# that is busy for a while doesn't slow one side alone.
_DEPTHS, _BATCHES = (50, 100, 200), (1, 2, 4, 8)  # 400 blocks are too deep for Keras 3.15: it recurses
_SLOW = ("naive", "by_layer")  # minutes and gigabytes each: measured once, warm once


def main() -> None:
    chosen = _arguments()
    out = Path(chosen.out)
    results = _read(out / "benchmarks.json")
    tasks = [task for task in _tasks(chosen) if not chosen.only or any(word in task["key"] for word in chosen.only)]
    if not chosen.render:
        for round_ in range(chosen.processes):
            for task in tasks:
                if round_ == 0 or task.get("side") not in _SLOW:
                    _measured(task, chosen, results, first=round_ == 0)
                    _write(out, results)
    _write(out, results)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks/run.py", description=__doc__)
    parser.add_argument("--models", nargs="+", default=["EfficientNetB0", "EfficientNetB3", "EfficientNetB7"])
    parser.add_argument("--batch", nargs="+", type=int, default=[1, 8])
    parser.add_argument("--backends", nargs="+", default=["tensorflow"], help="tensorflow, jax, torch")
    parser.add_argument(
        "--python", nargs="+", default=[], metavar="B=PATH", help="of a backend; else this one, or one that uv makes"
    )
    parser.add_argument("--sides", nargs="+", default=list(SIDES), choices=SIDES)
    parser.add_argument("--parts", nargs="*", default=["models", "ladder", *small.names()])
    parser.add_argument("--only", nargs="+", help="words in the keys of what to run")
    parser.add_argument("--repeat", type=int, default=5, help="warm runs in a process")
    parser.add_argument("--processes", type=int, default=3, help="fresh processes of each side")
    parser.add_argument("--timeout", type=float, default=3600.0, help="seconds for a process")
    parser.add_argument("--out", default=str(_ROOT / "docs"))
    parser.add_argument("--render", action="store_true", help="measure nothing, write the page from the JSON")
    return parser.parse_args()


def _tasks(chosen: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Everything that is to be measured, with its key."""
    yield from ({"key": f"small/{name}", "small": name, "once": True} for name in chosen.parts if name in small.names())
    if "models" in chosen.parts:
        for backend, model, batch in itertools.product(chosen.backends, chosen.models, chosen.batch):
            yield from (_task(backend, model, batch, side) for side in _sides(chosen.sides, model, batch))
    if "ladder" in chosen.parts:
        rungs = [(depth, _BATCHES[-1]) for depth in _DEPTHS] + [(_DEPTHS[0], batch) for batch in _BATCHES[:-1]]
        for side, (depth, batch) in itertools.product(("plain", "clean", "fault_first", "naive"), rungs):
            yield {**_task(chosen.backends[0], f"ladder:{depth}", batch, side), "repeat": 0, "once": True}


def _sides(wanted: list[str], model: str, batch: int) -> Iterator[str]:
    """A model for each layer is quadratic in depth: only of the smallest, one sample."""
    for side in SIDES:
        if side in wanted and (side != "by_layer" or (batch == 1 and not model.endswith(("B3", "B7")))):
            yield side


def _task(backend: str, model: str, batch: int, side: str) -> dict[str, Any]:
    key = f"{backend}/{model}/batch {batch}/{side}"
    return {"key": key, "backend": backend, "model": model, "batch": batch, "side": side}


def _measured(task: Mapping[str, Any], chosen: argparse.Namespace, results: dict[str, Any], *, first: bool) -> None:
    """Runs one task and merges what it found into the results."""
    if task.get("once") and not first:
        return
    began = time.monotonic()
    repeat = 1 if task.get("side") in _SLOW else chosen.repeat
    load = os.getloadavg()[0]
    found = {**_in_process({"repeat": repeat, **task}, chosen), "load": round(load, 1)}
    found["date"] = time.strftime("%Y-%m-%d")
    print(f"{task['key']}: {_said(found)} ({time.monotonic() - began:.0f} s)", file=sys.stderr, flush=True)
    if "small" in task or "cold_s" not in found or first:
        results[task["key"]] = table.first(found)
    else:
        results[task["key"]] = table.merged(results[task["key"]], found)


def _said(found: Mapping[str, Any]) -> str:
    if "cold_s" in found:
        warm = f", warm {table.median(found['warm_s']):.2f} s" if found["warm_s"] else ""
        return f"cold {found['cold_s']:.2f} s{warm}, {found['peak_mib']:.0f} MiB over {found['loaded_mib']:.0f}"
    return str(found.get("figures") or found.get("skipped") or found.get("failed"))


def _in_process(task: dict[str, Any], chosen: argparse.Namespace) -> dict[str, Any]:
    """In a fresh process, in the environment of its backend."""
    python, variables = _environment(task.get("backend", chosen.backends[0]), chosen.python)
    with tempfile.TemporaryDirectory() as scratch:
        asked, told = Path(scratch) / "task.json", Path(scratch) / "result.json"
        if "small" in task:
            words = ["benchmarks.small", task["small"], str(told), str(task["repeat"])]
        else:
            asked.write_text(json.dumps(task))
            words = ["benchmarks.sides", str(asked), str(told)]
            if task["side"] == "check":
                _recorded_first(task, Path(scratch), python, variables)
        try:
            done = subprocess.run(
                [python, "-m", *words], cwd=_ROOT, env=variables, capture_output=True, text=True, timeout=chosen.timeout
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return {"failed": f"not done after {chosen.timeout:.0f} s"}
        if not told.exists():
            last = done.stderr.strip().splitlines()[-1:] or [f"exit status {done.returncode}"]
            return {"failed": last[0]}
        return dict(json.loads(told.read_text()))


def _recorded_first(task: dict[str, Any], scratch: Path, python: str, variables: Mapping[str, str]) -> None:
    """The golden that a check needs, by another process: what recorded it here would be warm."""
    task["golden"] = str(scratch / "golden.safetensors")
    asked = scratch / "record.json"
    asked.write_text(json.dumps({**task, "side": "record", "repeat": 0}))
    words = [python, "-m", "benchmarks.sides", str(asked), str(scratch / "recorded.json")]
    subprocess.run(words, cwd=_ROOT, env=dict(variables), capture_output=True, check=False)
    (scratch / "task.json").write_text(json.dumps(task))


def _environment(backend: str, pythons: list[str]) -> tuple[str, dict[str, str]]:
    """The Python of a backend: one that was named, this one, or one that uv makes."""
    paths = os.pathsep.join(filter(None, [str(_ROOT), os.environ.get("PYTHONPATH", "")]))
    variables = {**os.environ, "PYTHONPATH": paths, "TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": backend}
    named = dict(word.split("=", 1) for word in pythons)
    if backend in named:
        return named[backend], variables
    if backend == "tensorflow":
        return sys.executable, variables
    from tracer.envs import environments

    start = environments.prepare(None, backend)
    return start.command[0], {**variables, **start.variables}


def _read(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else {}


def _write(folder: Path, results: Mapping[str, Any]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    ordered = {key: results[key] for key in sorted(results)}
    (folder / "benchmarks.json").write_text(json.dumps(ordered, indent=1) + "\n", encoding="utf-8")
    (folder / "benchmarks.md").write_text(table.rendered(ordered), encoding="utf-8")
    aims = (_ROOT / "benchmarks" if folder == _ROOT / "docs" else folder) / "TARGETS.md"
    aims.write_text(table.aimed_at(ordered), encoding="utf-8")
