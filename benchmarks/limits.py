"""What a clean diff of the biggest model is made of: the same walks with less and less of the tracer in them."""

import resource
import statistics
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

from benchmarks import measure, sides

MODEL = "EfficientNetB7"


def walks(repeat: int, model: str = MODEL) -> dict[str, Any]:
    """Seconds of each way to run a model and its twin in one settled process, and core seconds of it.

    All ways take turns, so that a machine that slows down slows them all.
    """
    from tracer import workflows
    from tracer.engine import host
    from tracer.engine.inputs.made import make_inputs
    from tracer.system import heap

    heap.settle()
    models = [sides.built(model) for _ in range(2)]
    inputs = make_inputs(models[0], seed=0, batch=1)
    sources = [host.from_model(model) for model in models]
    ways: dict[str, Callable[[], object]] = {
        "plain passes": lambda: [model(inputs, training=False) for model in models][:0],
        "stopped at every call site, one model after the other": lambda: [_walk(source, inputs) for source in sources],
        "both at once, nothing compared": lambda: _at_once([partial(_walk, source, inputs) for source in sources]),
        "diff: in lock-step, compared": lambda: workflows.diff(*models, inputs),
    }
    found: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
    for round_ in range(repeat + 1):
        for way, run in ways.items():
            taken = _taken(run)
            if round_:  # the first one loads and compiles
                found[way].append(taken)
    wall = {way: statistics.median(one for one, _ in taken) for way, taken in found.items()}
    cores = {f"{way}, core seconds": statistics.median(two for _, two in taken) for way, taken in found.items()}
    return {**wall, **cores}


def _walk(source: Any, inputs: Any) -> None:
    from tracer.core.drive import run_with
    from tracer.core.source import Run

    run_with(source, Run(inputs=inputs))
    source.rest()


def _at_once(runs: list[Callable[[], None]]) -> None:
    threads = [threading.Thread(target=run) for run in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _taken(run: Callable[[], object]) -> tuple[float, float]:
    """Seconds on the clock and of the cores."""
    before = resource.getrusage(resource.RUSAGE_SELF)
    wall = measure.seconds(run)
    after = resource.getrusage(resource.RUSAGE_SELF)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
