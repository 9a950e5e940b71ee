"""Damage files of every kind that is read, in many ways, and count what becomes of them.

`python tests/fuzz.py --mutants 20000` prints a table, and ends with 1 if a mutant did what none may do
(docs/reliability.md). The same numbers make the same mutants: `--first N --mutants 1` repeats one.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import random
import select
import subprocess
import sys
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import canaries
import makers
import numpy as np
import psutil

ROOT = Path(__file__).resolve().parent.parent
SECONDS, MEMORY = 60.0, 1 << 30
BAD = ("executed", "internal error", "crashed", "hung", "memory", "left behind")
_WIDE = (b"\xff" * 8, b"\x00" * 8, b"\x7f" + b"\xff" * 3, (1 << 40).to_bytes(8, "little"))


@dataclass(frozen=True)
class Subject:
    """A kind of file: a whole one, and what reads it."""

    name: str
    file: str
    data: bytes
    read: Callable[[Path], object]


def stored() -> tuple[Subject, ...]:
    """What `tracer` itself has written."""
    from tracer.core.matrix.cells import Answer, Cell, Question, key
    from tracer.report import render, to_json
    from tracer.store import cells, fixtures, reports

    question = Question(formats=("h5",))
    cell = Cell(model="m.keras", release="3.4.1", backend="tensorflow", question=question)
    answer = Answer(cell=cell, outcome="pass", compared=3)
    layers = (makers.layer_report("a/b#1", error=0.5), makers.layer_report("c", worst_index=(0, 1)))
    report = makers.report(*layers, faults=(makers.fault("a/b#1"),), notes=("a note",))
    golden = min((ROOT / "fixtures").glob("*.safetensors"), key=lambda file: file.stat().st_size)

    def read_answer(path: Path) -> object:
        return path.rename(path.with_name(f"{key(cell)}.json")) and cells.read(path.parent, cell)

    def show(path: Path) -> object:
        found = reports.read_report(path)
        return render(found), to_json(found)

    return (
        Subject("golden", golden.name, golden.read_bytes(), fixtures.read_golden),
        Subject("report", "r.json", to_json(report).encode(), show),
        Subject("kept answer", "a.json", json.dumps(answer.to_dict()).encode(), read_answer),
    )


def subjects() -> tuple[Subject, ...]:
    """Keras and Pillow are imported here, where they are needed."""
    import keras
    from keras import layers
    from PIL import Image

    from tracer.core.spec import parse_spec
    from tracer.engine.inputs.given import load_inputs
    from tracer.engine.model.build import build

    x = keras.Input((8, 8, 3), name="x")
    y = layers.BatchNormalization(name="norm")(layers.Conv2D(2, 3, activation="relu", name="conv")(x))
    model = keras.Model(x, layers.Dense(2, name="out")(layers.Flatten(name="flat")(y)))

    def saved(suffix: str) -> bytes:
        with tempfile.TemporaryDirectory() as folder:
            model.save(Path(folder) / f"m{suffix}")
            return (Path(folder) / f"m{suffix}").read_bytes()

    def written(write: Callable[[io.BytesIO], object]) -> bytes:
        whole = io.BytesIO()
        write(whole)
        return whole.getvalue()

    def load(path: Path) -> object:
        return build(parse_spec(str(path)))

    def feed(path: Path) -> object:
        return load_inputs(model, path)

    arrays = np.arange(2 * 8 * 8 * 3, dtype="float32").reshape(2, 8, 8, 3)
    picture = Image.new("RGB", (8, 8), (1, 2, 3))
    return (
        Subject(".keras", "m.keras", saved(".keras"), load),
        Subject(".h5", "m.h5", saved(".h5"), load),
        Subject(".json", "m.json", model.to_json().encode(), load),
        *stored(),
        Subject(".npz", "x.npz", written(lambda whole: np.savez(whole, x=arrays)), feed),
        Subject(".npy", "x.npy", written(lambda whole: np.save(whole, arrays)), feed),
        *(
            Subject(f".{kind}", f"x.{kind}", written(lambda whole, kind=kind: picture.save(whole, kind)), feed)
            for kind in ("png", "gif", "bmp")
        ),
    )


# --- mutants


def mutant(subject: Subject, number: int, marker: Path) -> bytes:
    """The one with this number."""
    rng = random.Random(number)
    data = subject.data
    is_tree = subject.file.endswith(".json")
    if rng.random() < 0.5 and (is_tree or subject.name == ".keras"):
        return _with_another_tree(data, rng, marker, packed=not is_tree)
    for _ in range(rng.choice((1, 1, 2, 4, 16))):
        data = _damaged(data, rng)
    return data


def _damaged(data: bytes, rng: random.Random) -> bytes:
    at, other = rng.randrange(len(data) + 1), rng.randrange(len(data) + 1)
    first, last = sorted((at, min(other, at + 64)))
    return (
        rng.choice(
            (
                data[:at] + bytes((rng.randrange(256),)) + data[at + 1 :],
                data[:at] + rng.choice(_WIDE) + data[at + 8 :],
                data[:at],
                data[:first] + bytes(last - first) + data[last:],
                data[:at] + data[first:last] + data[at:],
                data[:first] + data[last:],
            )
        )
        or b"\0"
    )


def _with_another_tree(data: bytes, rng: random.Random, marker: Path, *, packed: bool) -> bytes:
    if not packed:
        return json.dumps(_changed(json.loads(data), rng, marker)).encode()
    whole = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(whole, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "config.json":
                content = json.dumps(_changed(json.loads(content), rng, marker)).encode()
            new.writestr(name, content)
    return whole.getvalue()


def _changed(tree: Any, rng: random.Random, marker: Path) -> Any:
    """With something odd in one or two places."""
    for _ in range(rng.randint(1, 2)):
        places = list(_places(tree))
        holder, key = rng.choice(places) if places else ([tree], 0)
        holder[key] = _odd(rng, marker)
    return tree


def _places(tree: Any) -> Iterator[tuple[Any, Any]]:
    waiting = [tree]
    while waiting:
        holder = waiting.pop()
        for key, value in holder.items() if isinstance(holder, dict) else enumerate(holder):
            yield holder, key
            if isinstance(value, (dict, list)):
                waiting.append(value)


def _odd(rng: random.Random, marker: Path) -> Any:
    deep: Any = []
    for _ in range(rng.choice((10, 450))):
        deep = [deep]
    node = canaries.node(canaries.function("os", "system"), "f", f"touch {marker}")
    plain = (None, True, 0, -1, 1 << 62, 1e308, float("nan"), "", "a\nb\x1b[2J", "..", "/etc/hosts", [], {}, deep)
    code = (
        node,
        canaries.marshalled(marker),
        canaries.layer("TFSMLayer", filepath="/etc"),
        json.loads(json.dumps(canaries.TENSOR)),
    )
    return rng.choice((*plain, *code))


# --- what becomes of them


def outcome(subject: Subject, path: Path, marker: Path) -> str:
    """Of reading one: `read`, `refused`, or one of `BAD`."""
    from tracer.errors import TracerError

    before = _peak()
    try:
        subject.read(path)
        found = "read"
    except TracerError:
        found = "refused"
    except Exception as error:  # what is looked for
        print(f"{path.name}: {type(error).__name__}: {error}", file=sys.stderr)
        found = "internal error"
    if marker.exists():
        marker.unlink()
        return "executed"
    return "memory" if _peak() - before > MEMORY else found


def _peak() -> int:
    lines = Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmHWM:"))


def _child(first: int, last: int, only: str) -> None:
    """Reads mutants one after the other, and prints a line before and after each."""
    chosen = [subject for subject in subjects() if only in ("", subject.name)]
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        marker = Path(folder) / "executed"
        for number in range(first, last):
            subject = chosen[number % len(chosen)]
            path = Path(folder) / subject.file
            path.write_bytes(mutant(subject, number, marker))
            print(json.dumps([number, subject.name, None]), flush=True)
            found = outcome(subject, path, marker)
            for item in (*path.parent.glob("*.*"),):
                item.unlink()
            print(json.dumps([number, subject.name, found]), flush=True)


def run(first: int, last: int, only: str = "") -> Counter[tuple[str, str]]:
    """Counts by kind of file and outcome; a process that hangs or crashes is ended, and the next goes on behind it."""
    counts: Counter[tuple[str, str]] = Counter()
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        while first < last:
            first = _one_child(first, last, only, folder, counts)
        counts.update(("all", "left behind") for item in Path(folder).glob("[!f]*"))
    return counts


def _answers(child: subprocess.Popen[str], begun: tuple[int, str] | None) -> bool:
    """Whether it says something before it has computed, or waited ten times, for too long."""
    assert child.stdout is not None
    start = _spent(child.pid)
    for _ in range(10):
        if select.select([child.stdout], [], [], SECONDS if begun else None)[0]:
            return True
        if _spent(child.pid) - start > SECONDS / 2:  # on a busy machine, a minute may pass without a second for it
            return False
    return False


def _spent(process: int) -> float:
    """Seconds that it has computed."""
    times = psutil.Process(process).cpu_times()
    return float(times.user + times.system + times.children_user + times.children_system)


def _one_child(first: int, last: int, only: str, folder: str, counts: Counter[tuple[str, str]]) -> int:
    """The number to go on with."""
    command = [
        sys.executable,
        __file__,
        "--child",
        "--first",
        str(first),
        "--mutants",
        str(last - first),
        "--only",
        only,
    ]
    environment = {**os.environ, "TMPDIR": folder, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as child:
        assert child.stdout is not None
        begun: tuple[int, str] | None = None
        while _answers(child, begun):
            line = child.stdout.readline()
            if not line:
                break
            number, name, found = json.loads(line)
            begun = (number, name) if found is None else None
            if found is not None:
                counts[name, found] += 1
                first = number + 1
        else:
            child.kill()
        if begun is None and child.wait() == 0:
            return last
        if begun is None:
            raise SystemExit("the process that reads the mutants doesn't start.")
        number, name = begun
        found = "hung" if child.wait() == -9 else "crashed"
        print(f"mutant {number} of {name}: {found}", file=sys.stderr)
        counts[name, found] += 1
        return number + 1


def table(counts: Counter[tuple[str, str]]) -> str:
    """A line for each kind of file."""
    columns = ("read", "refused", *BAD)
    lines = [f"{'':12}" + "".join(f"{column:>16}" for column in columns)]
    for name in dict.fromkeys(name for name, _ in counts):
        lines.append(f"{name:12}" + "".join(f"{counts[name, column]:16}" for column in columns))
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mutants", type=int, default=1000, help="how many")
    parser.add_argument("--first", type=int, default=0, help="number of the first")
    parser.add_argument("--only", default="", help="one kind of file, as the table names it")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    last = chosen.first + chosen.mutants
    if chosen.child:
        _child(chosen.first, last, chosen.only)
        return 0
    started = time.monotonic()
    counts = run(chosen.first, last, chosen.only)
    print(table(counts))
    print(f"{sum(counts.values())} mutants in {time.monotonic() - started:.0f} s")
    return int(any(found in BAD for _, found in counts))


if __name__ == "__main__":
    sys.exit(main())
