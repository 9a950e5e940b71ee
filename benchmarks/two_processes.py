"""Two processes against one: EfficientNetB0 at 224 × 224, compared with itself in lock-step, start-up aside.

    python benchmarks/two_processes.py [--batch 1] [--repeat 5] [--model EfficientNetB0]

Three ways: both sides in this process; the candidate in a worker; both in workers.  The first run of each is thrown
away (the backend compiles), of the others the median counts.  Aim: at most 1.5 times the one-process run.
"""

import argparse
import contextlib
import os
import statistics
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from tracer.core.compare import lockstep, pair_up
from tracer.core.spec import parse_spec
from tracer.envs.remote import RemoteHost


def opened(model, remote, stack):
    from tracer.engine import host

    if not remote:
        source = host.from_spec(parse_spec(model))
    else:
        source = RemoteHost()
        source.build(model, custom_objects=(), seed=0)
    stack.callback(source.close)
    return source


def median(model, sides, batch, repeat):
    with contextlib.ExitStack() as stack:
        reference, candidate = (opened(model, remote, stack) for remote in sides)
        inputs = reference.make_inputs(None, seed=0, batch=batch)
        pair_up(reference, candidate)
        seconds = []
        for _ in range(repeat + 1):
            start = time.perf_counter()
            trace = lockstep(reference, candidate, inputs)
            reference.rest()
            candidate.rest()
            seconds.append(time.perf_counter() - start)
            assert all(not judgement.introduced for judgement in trace.judgements)
    return statistics.median(seconds[1:])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="EfficientNetB0")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--repeat", type=int, default=5)
    chosen = parser.parse_args()
    alone = median(chosen.model, (False, False), chosen.batch, chosen.repeat)
    print(f"one process           {alone:6.2f} s")
    for words, sides in (("candidate in a worker", (False, True)), ("both in workers", (True, True))):
        taken = median(chosen.model, sides, chosen.batch, chosen.repeat)
        print(f"{words:21s} {taken:6.2f} s  {taken / alone:.2f} times", flush=True)


if __name__ == "__main__":
    main()
