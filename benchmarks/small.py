"""Parts: throughput of arrays, starting, workers: `python -m benchmarks.small NAME RESULT.json REPEAT`."""

import contextlib
import functools
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import limits, measure
from benchmarks.training import training

_SIZE = 64 << 20  # bytes of one side: far more than the caches hold
_PLAIN = """
import sys, keras, numpy as np
models = [keras.models.load_model(path, compile=False) for path in sys.argv[1:3]]
inputs = np.random.RandomState(0).uniform(0, 255, (2, *models[0].input_shape[1:])).astype("float32")
for model in models:
    model(inputs, training=False)
"""
_SAVES = """
import sys, keras
from pathlib import Path
model = keras.applications.EfficientNetB0(weights=None)
model.save(sys.argv[1])
Path(sys.argv[2]).touch()
"""
_LOADS = """
import sys, time, keras, numpy as np
from pathlib import Path
while not Path(sys.argv[2]).exists():
    time.sleep(0.02)
model = keras.models.load_model(sys.argv[1], compile=False)
inputs = np.random.RandomState(0).uniform(0, 255, (2, *model.input_shape[1:])).astype("float32")
model(inputs, training=False)
"""
_IMPORT = "import time; s = time.perf_counter(); import tracer; print(time.perf_counter() - s)"
_FILES = "EfficientNetB0"


def sketch(repeat: int) -> dict[str, Any]:
    """On one core."""
    from tracer.core.golden.sketch import sketch

    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    values = np.random.default_rng(0).standard_normal(_SIZE // 4, dtype=np.float32)
    return {"sketch, float32, one core": measure.throughput(_SIZE, lambda: sketch(values), repeat)}


def compare(repeat: int) -> dict[str, Any]:
    """On all cores; bytes of one side."""
    from tracer.core.numbers.difference import difference, same_bytes

    found = {}
    for dtype in ("float32", "float16", "float64"):
        reference, candidate = _pair(dtype)
        copy = reference.copy()
        runs = {"equal bytes": (same_bytes, copy), "difference, unequal": (difference, candidate)}
        for name, (run, other) in runs.items():
            found[f"{name}, {dtype}"] = measure.throughput(_SIZE, functools.partial(run, reference, other), repeat)
    return found


def _pair(dtype: str) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    reference = rng.standard_normal((_SIZE // np.dtype(dtype).itemsize // 512, 512), dtype=np.float32)
    noise = rng.standard_normal(reference.shape, dtype=np.float32)
    return reference.astype(dtype), (reference + 1e-6 * noise).astype(dtype)


def start(repeat: int) -> dict[str, Any]:
    """Whole processes, but for `import tracer`, which is timed inside."""

    def imported() -> float:
        done = subprocess.run([sys.executable, "-c", _IMPORT], capture_output=True, text=True, check=True)
        return float(done.stdout)

    times = max(repeat, 5)
    return {
        "tracer --help": statistics.median(_whole(["-m", "tracer", "--help"]) for _ in range(times)),
        "import tracer": statistics.median(imported() for _ in range(times)),
    }


def files(repeat: int) -> dict[str, Any]:
    """`tracer diff` of two files beside importing Keras, loading both and running both; whole processes, in turn."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [str(Path(folder) / name) for name in ("reference.keras", "candidate.keras")]
        _save(paths)
        plain, ours = [], []
        for _ in range(repeat):
            plain.append(_whole(["-c", _PLAIN, *paths]))
            ours.append(_whole(["-m", "tracer", "diff", *paths]))
    two, diff = statistics.median(plain), statistics.median(ours)
    return {"import keras, 2 loads, 2 passes": two, "tracer diff": diff, "more": diff - two}


def roundtrips(repeat: int) -> dict[str, Any]:
    """Whole processes, in turn: `tracer roundtrip`, beside two scripts that start together: one saves, one loads."""
    model = ["-m", "tracer", "roundtrip", _FILES]
    four = [word for name in ("keras", "h5", "weights", "config") for word in ("--format", name)]
    found: dict[str, list[float]] = {}
    for _ in range(min(repeat, 3)):
        found.setdefault("two scripts", []).append(measure.seconds(_two_scripts))
        found.setdefault("one format", []).append(_whole([*model, "--format", "keras"]))
        found.setdefault("four formats", []).append(_whole([*model, *four], ends=(0, 1)))
    found["all formats"] = [_whole([*model, "--format", "all"], ends=(0, 1))]
    return {name: statistics.median(seconds) for name, seconds in found.items()}


def _two_scripts() -> None:
    with tempfile.TemporaryDirectory() as folder:
        words = [str(Path(folder) / "model.keras"), str(Path(folder) / "saved")]
        both = [subprocess.Popen([sys.executable, "-c", script, *words]) for script in (_SAVES, _LOADS)]
        assert [process.wait() for process in both] == [0, 0]


def _save(paths: list[str]) -> None:
    from tracer.core.spec import parse_spec
    from tracer.engine.model import build

    model = build.build(parse_spec(_FILES))
    for path in paths:
        model.save(path)


def _whole(words: list[str], ends: tuple[int, ...] = (0,)) -> float:
    """Seconds of a process of this Python, which ends with one of these statuses."""

    def run() -> None:
        done = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False)
        assert done.returncode in ends, done.stderr

    return measure.seconds(run)


def workers(repeat: int) -> dict[str, Any]:
    """Lock-step of one model with itself: both sides here, one in a worker, both; start-up aside."""
    ways = {"both here": (False, False), "candidate in a worker": (False, True), "both in workers": (True, True)}
    return {name: _lockstep(sides, repeat) for name, sides in ways.items()}


def _lockstep(remote: tuple[bool, bool], repeat: int) -> float:
    from tracer.core.comparison.lockstep import lockstep

    with contextlib.ExitStack() as stack:
        reference, candidate = (_opened(away, stack) for away in remote)
        inputs = reference.make_inputs(None, seed=0, batch=1).arrays

        def run() -> None:
            assert not any(judgement.introduced for judgement in lockstep(reference, candidate, inputs).judgements)
            reference.rest()
            candidate.rest()

        run()  # the backend compiles
        return statistics.median(measure.seconds(run) for _ in range(repeat))


def _opened(remote: bool, stack: contextlib.ExitStack) -> Any:
    from tracer.workflows import opening

    if not remote:
        return opening.open_source(_FILES, opening.Way(stack))
    worker = opening.open_worker(None, stack)
    worker.build(_FILES, custom_objects=(), seed=0)
    return worker


_PARTS: tuple[tuple[str, Callable[[int], dict[str, Any]], str], ...] = (
    ("sketch", sketch, "GB/s"),
    ("compare", compare, "GB/s"),
    ("start", start, "s"),
    ("files", files, "s"),
    ("roundtrips", roundtrips, "s"),
    ("workers", workers, "s"),
    ("walks", limits.walks, "s"),
    ("training", training, "s"),
)


def names() -> tuple[str, ...]:
    """Of what can be measured here."""
    return tuple(name for name, _, _ in _PARTS)


def main() -> None:
    run, unit = next((part, unit) for name, part, unit in _PARTS if name == sys.argv[1])
    found = {"figures": run(int(sys.argv[3])), "unit": unit, "machine": measure.machine()}
    Path(sys.argv[2]).write_text(json.dumps(found))


if __name__ == "__main__":
    main()
