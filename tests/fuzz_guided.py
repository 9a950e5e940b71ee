"""Mutants that are led by the code they reach: `python tests/fuzz_guided.py golden -max_total_time=60`.

Needs atheris (`pip install atheris`), which has wheels for Linux.  The first word is a kind of file, of those that
`tracer` writes itself: it instruments Python, and what Keras reads is read by a library that it can't see into.  The
other words are libFuzzer's own; what breaks a promise is written to `crash-…` in the current folder.
"""

from __future__ import annotations

import contextlib
import random
import sys
import tempfile
from pathlib import Path

import atheris


def main() -> None:
    with atheris.instrument_imports(include=["tracer"]):
        import fuzz
        import fuzz_files
        import fuzz_mutants

        chosen = {subject.name: subject for subject in fuzz_files.stored()}[sys.argv.pop(1)]
    folder, corpus = (Path(tempfile.mkdtemp(prefix="fuzz-")) for _ in range(2))  # libFuzzer ends the process itself
    marker = folder / "executed"

    def change(data: bytes, size: int, seed: int) -> bytes:
        """What knows the format half of the time, and libFuzzer's own otherwise."""
        rng = random.Random(seed)
        if chosen.change is not None and rng.random() < 0.5:
            with contextlib.suppress(Exception):  # where it isn't of its format any more
                changed = chosen.change(data, rng, marker)
                return changed if len(changed) <= size else data
        return bytes(atheris.Mutate(data, size))

    def read(data: bytes) -> None:
        path = folder / chosen.file
        path.write_bytes(data)
        found = fuzz.outcome(chosen, path, marker)
        for left in folder.iterdir():
            left.unlink()
        assert found not in fuzz.BAD, found

    for number in range(40):
        (corpus / str(number)).write_bytes(fuzz_mutants.mutant(chosen.data, chosen.change, number, marker))
    (corpus / "whole").write_bytes(chosen.data)
    largest = max(item.stat().st_size for item in corpus.iterdir())
    atheris.Setup([*sys.argv, f"-max_len={2 * largest}", str(corpus)], read, custom_mutator=change)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
