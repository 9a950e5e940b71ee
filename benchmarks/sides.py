"""One side in a process of its own: `python -m benchmarks.sides TASK.json RESULT.json`.

Both models are built first.  Then, in this order: the memory is settled; the side runs once, cold, and the high water
over the loaded models is read; it runs again, warm.  Our sides run as the command and its workers do, with memory kept
as `tracer.system.heap` has it; all others in a process as it is.
"""

import gc
import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from benchmarks import ladder, measure

Run = Callable[[], object]


def plain(reference: Any, candidate: Any, inputs: Any, _task: dict[str, Any]) -> Run:
    """What everything is held against."""
    return lambda: (reference(inputs, training=False), candidate(inputs, training=False))[:0]


def predict(reference: Any, candidate: Any, inputs: Any, _task: dict[str, Any]) -> Run:
    return lambda: (reference.predict(inputs, verbose=0), candidate.predict(inputs, verbose=0))[:0]


def naive(reference: Any, candidate: Any, inputs: Any, _task: dict[str, Any]) -> Run:
    """The probe that everybody writes; made in the first run, kept for the others."""
    import keras

    probes: list[Any] = []

    def run() -> None:
        if not probes:
            probes.extend(keras.Model(m.input, [layer.output for layer in m.layers]) for m in (reference, candidate))
        here, there = (probe.predict(inputs, verbose=0) for probe in probes)
        assert all(np.allclose(a, b) for a, b in zip(here, there, strict=True))

    return run


def by_layer(reference: Any, candidate: Any, inputs: Any, _task: dict[str, Any]) -> Run:
    """A model for each layer, as keract has it, called without compiling; of every eighth, because it takes so long."""
    import keras

    def run() -> None:
        for one, other in zip(reference.layers[1::EVERY], candidate.layers[1::EVERY], strict=True):
            pair = [keras.Model(m.input, layer.output) for m, layer in ((reference, one), (candidate, other))]
            here, there = (keras.ops.convert_to_numpy(model(inputs, training=False)) for model in pair)
            assert np.allclose(here, there)

    return run


def clean(reference: Any, candidate: Any, inputs: Any, _task: dict[str, Any]) -> Run:
    """`tracer.diff`, with all metrics; nothing to find."""
    from tracer import workflows

    def run() -> None:
        report = workflows.diff(reference, candidate, inputs)
        assert report.matches, report.status

    return run


def fault_first(reference: Any, candidate: Any, inputs: Any, task: dict[str, Any]) -> Run:
    """The first kernel is wrong: everything behind it inherits, and is called again."""
    return _with_fault(reference, candidate, inputs, 0.0, prove=bool(task.get("prove")))


def fault_middle(reference: Any, candidate: Any, inputs: Any, task: dict[str, Any]) -> Run:
    """A kernel half-way down is wrong."""
    return _with_fault(reference, candidate, inputs, 0.5, prove=bool(task.get("prove")))


def _with_fault(reference: Any, candidate: Any, inputs: Any, where: float, *, prove: bool) -> Run:
    from tracer import workflows

    layers = [layer for layer in candidate.layers if getattr(layer, "kernel", None) is not None]
    layer = layers[int(where * len(layers))]
    layer.kernel.assign(layer.kernel * 1.01)

    def run() -> None:
        report = workflows.diff(reference, candidate, inputs, prove=prove)
        assert [fault.layer for fault in report.faults] == [layer.name], report.faults

    return run


def check(reference: Any, _candidate: Any, inputs: Any, task: dict[str, Any]) -> Run:
    """Against a golden that another process recorded."""
    from tracer import workflows

    def run() -> None:
        report = workflows.check(reference, task["golden"], inputs)
        assert report.matches, report.status

    return run


def record(reference: Any, _candidate: Any, inputs: Any, task: dict[str, Any]) -> Run:
    """Fingerprints with all that a golden holds, in float32; the first run leaves the golden that `check` needs."""
    from tracer.engine import host

    source = host.from_model(reference)

    def run() -> None:
        sites = source.fingerprints(inputs, detail=True)
        if not Path(task["golden"]).exists():
            _write_golden(source, sites, inputs, task["golden"])

    return run


def _write_golden(source: Any, sites: Any, inputs: Any, path: str) -> None:
    """As `record_live` does, without a float64 run."""
    from tracer.core.golden.golden import Golden, golden_sites
    from tracer.store import fixtures
    from tracer.workflows.goldens.recording import inputs_digest, weights_digest

    identities = source.identities()
    provenance = {
        "model": {"spec": source.spec, "kind": "live"}, "truth": "float32", "inputs": inputs_digest(inputs),
        "weights": weights_digest(identities), "environment": dict(source.environment), "why": "a benchmark",
    }  # fmt: skip
    golden = Golden(
        sites=golden_sites(sites, sites),
        outline=source.outline,
        identities=identities,
        provenance=provenance,
        inputs=(),
    )
    fixtures.write_golden(path, golden)


_SIDES = (plain, predict, naive, by_layer, clean, fault_first, fault_middle, check, record)
ONE_MODEL = (check, record)
_OURS = (clean, fault_first, fault_middle, check, record)
EVERY = 8
# Times all activations of one model.  `predict` of the probe holds the backend's tensors and a copy of them, for one
# side, while the other side's are there already.
_NEEDS = MappingProxyType({"plain": 1.3, "naive": 4.5})


def named(name: str) -> Callable[..., Run]:
    """The side of that name; `fault_first+proof` is `fault_first`."""
    return next(side for side in _SIDES if side.__name__ == name.partition("+")[0])


def run(task: dict[str, Any]) -> dict[str, Any]:
    """Measures one side; see the module's text."""
    alone = named(task["side"]) in ONE_MODEL
    if named(task["side"]) in _OURS:
        from tracer.system import heap

        heap.settle()
    reference = built(task["model"])
    candidate = reference if alone else built(task["model"])
    from tracer.engine.inputs.made import make_inputs

    inputs = make_inputs(reference, seed=0, batch=task["batch"])
    kept = activations(reference, task["batch"])
    needs = kept * _NEEDS.get(task["side"], 0)
    if needs > measure.available():
        return {"skipped": f"needs about {needs / 1024:.0f} GiB, {measure.available() / 1024:.0f} GiB are free"}
    side = named(task["side"])(reference, candidate, inputs, {**task, "prove": task["side"].endswith("+proof")})
    before = measure.settled()
    cold = measure.seconds(side)
    peak = measure.peak_over(before)
    warm = _warm(side, task["repeat"])
    times = EVERY if task["side"] == "by_layer" else 1
    return {
        "cold_s": cold * times, "warm_s": [one * times for one in warm],
        "loaded_mib": before, "peak_mib": peak,
        "versions": measure.versions(), "machine": measure.machine(),
    }  # fmt: skip


def _warm(side: Run, repeat: int) -> list[float]:
    found = []
    for _ in range(repeat):
        gc.collect()
        found.append(measure.seconds(side))
    return found


def activations(model: Any, batch: int) -> float:
    """MiB of all layer outputs together: what a plain forward pass keeps until it returns."""
    symbols = [symbol for layer in model.layers for symbol in _flat(layer.output)]
    return sum(int(np.prod([batch, *(size or 1 for size in symbol.shape[1:])])) for symbol in symbols) * 4 / 2**20


def _flat(output: Any) -> list[Any]:
    return list(output) if isinstance(output, (list, tuple)) else [output]


def built(model: str) -> Any:
    """The model of a specification, or `ladder:DEPTH`."""
    if model.startswith("ladder:"):
        return ladder.built(int(model.partition(":")[2]))
    from tracer.core.spec import parse_spec
    from tracer.engine.model import build

    return build.build(parse_spec(model))


def main() -> None:
    task = json.loads(Path(sys.argv[1]).read_text())
    with tempfile.TemporaryDirectory() as scratch:
        task.setdefault("golden", str(Path(scratch) / "golden.safetensors"))
        result = run(task)
    Path(sys.argv[2]).write_text(json.dumps(result))


if __name__ == "__main__":
    main()
