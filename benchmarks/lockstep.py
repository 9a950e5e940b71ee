"""What a clean trace costs beside two plain forward passes: `python benchmarks/lockstep.py [MODEL …]`.

Both sides are the same seeded model, at its native size, in one process.  Ratios are medians of five runs, in turn, so
that a busy machine slows both alike.  The first of each is cold and is shown beside.
"""

import os
import statistics
import sys
import time
from collections.abc import Callable

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from tracer import workflows
from tracer.core.spec import parse_spec
from tracer.engine import build
from tracer.engine.inputs import make_inputs

_MODELS = ("EfficientNetB0", "MobileNetV2", "tracer.zoo:tiny_nested")
_RUNS = 5


def _seconds(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def measure(name: str) -> str:
    reference, candidate = (build.build(parse_spec(name)) for _ in range(2))
    inputs = make_inputs(reference, seed=0, batch=1)

    def plain() -> None:
        reference(inputs, training=False)
        candidate(inputs, training=False)

    def traced() -> None:
        report = workflows.diff(reference, candidate, inputs)
        assert report.matches, report.status

    pairs = [(_seconds(plain), _seconds(traced)) for _ in range(_RUNS + 1)]
    (cold_plain, cold), warm = pairs[0], pairs[1:]
    two, ours = (statistics.median(pair[side] for pair in warm) for side in (0, 1))
    return (
        f"{name:28} two forward passes {two * 1e3:8.0f} ms   clean diff {ours * 1e3:8.0f} ms   ratio {ours / two:5.2f}"
        f"   (cold {cold_plain * 1e3:.0f} and {cold * 1e3:.0f} ms)"
    )


def main() -> None:
    for name in sys.argv[1:] or _MODELS:
        print(measure(name), flush=True)


if __name__ == "__main__":
    main()
