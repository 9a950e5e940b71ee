"""Ways to compare nothing, or something else than was asked: none of them may end green.

Each way has an id, what its first line has to say, and what is done.  Beside them stand innocents, which come near one
of the rules and must stay green.  A way is green when it ends with exit code 0, or a report of it matches.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import green_models as green
import keras
import numpy as np
import pytest
from green_models import NAN, chain, constant, dead, dense, heads, ids, rows, weighted
from keras import layers, ops
from typer.testing import CliRunner

import tracer
from tracer.cli import app
from tracer.cli.delivery import exit_code
from tracer.core.matrix import FAILED, UNTESTABLE, Answer, Cell, Kind
from tracer.errors import TracerError
from tracer.records import Report, Status
from tracer.report import matrix_exit_code, render, render_matrix, to_json
from tracer.store import fixtures
from tracer.workflows import matrix, regression

_AT_LEAST, _INNOCENTS = 60, 20


class Said(NamedTuple):
    """How a way has ended: exit code, and first line."""

    code: int
    line: str


class Way(NamedTuple):
    """One of them: `says` is searched for in the first line; `run` gets an empty folder."""

    id: str
    says: str
    run: Callable[[Path], Report | Said]


def same(id: str, says: str, model: Callable[[], Any], *inputs: Any, **options: Any) -> Way:
    """A model against itself."""

    def run(folder: Path) -> Report:
        made = model()
        return tracer.diff(made, made, inputs[0] if len(inputs) == 1 else list(inputs), **options)

    return Way(id, says, run)


def pair(id: str, says: str, reference: Callable[[], Any], candidate: Callable[[], Any]) -> Way:
    return Way(id, says, lambda folder: tracer.diff(reference(), candidate(), rows(3, 4)))


def typed(id: str, says: str, *words: str) -> Way:
    """A command line; `{}` in a word is the empty folder."""

    def run(folder: Path) -> Said:
        result = CliRunner().invoke(app, [word.replace("{}", str(folder)) for word in words])
        return Said(result.exit_code, result.output)

    return Way(id, says, run)


def golden(id: str, says: str, change: Callable[[Any], Any] = lambda found: found, **options: Any) -> Way:
    """A model against its own golden, which was changed."""

    def run(folder: Path) -> Report:
        model, path = chain(dense(), dense()), folder / "g.safetensors"
        found = regression.record_live(model, rows(2, 4), path)
        fixtures.write_golden(path, change(found))
        return tracer.check(model, path, rows(2, 4), **options)

    return Way(id, says, run)


def recorded(id: str, says: str, model: Callable[[], Any], inputs: Any) -> Way:
    """Recorded, and checked at once."""

    def run(folder: Path) -> Report:
        made = model()
        regression.record_live(made, inputs, folder / "g.safetensors")
        return tracer.check(made, folder / "g.safetensors", inputs)

    return Way(id, says, run)


def floored(floor: float) -> Callable[[Any], Any]:
    return lambda found: replace(found, sites=tuple(replace(site, floors=(floor,)) for site in found.sites))


def module(id: str, says: str, text: str, use: Callable[[str], Any]) -> Way:
    """A user's module, of a name of its own."""

    def run(folder: Path) -> Report:
        name = f"green_{id.replace('-', '_')}"
        (folder / f"{name}.py").write_text("import sys\nimport tracer.zoo\n" + text, encoding="utf-8")
        sys.path.insert(0, str(folder))
        try:
            found: Report = use(name)
        finally:
            sys.path.remove(str(folder))
        return found

    return Way(id, says, run)


def twice(name: str) -> Report:
    return tracer.diff(f"{name}:make", f"{name}:make")


def leaving(when: str, **options: Any) -> Callable[[Path], Report]:
    """A round trip of a layer that ends the process."""
    return lambda folder: tracer.roundtrip(chain(dense(), green.Leaves(when)), rows(2, 4), **options)


def answered(*outcomes: str) -> Callable[[Path], Said]:
    """A matrix of cells with these outcomes."""

    def run(folder: Path) -> Said:
        cell = Cell(kind=Kind.ROUNDTRIP, model="m", release="3.0.0", backend="jax", format="keras")
        answers = [Answer(cell=replace(cell, seed=i), outcome=outcome) for i, outcome in enumerate(outcomes)]
        return Said(matrix_exit_code(answers), render_matrix(answers) if answers else "")

    return run


def shown(id: str, says: str, body: Mapping[str, Any] | Callable[[], str], *words: str) -> Way:
    """A saved report, read again."""

    def run(folder: Path) -> Said:
        text = body() if callable(body) else to_json(body)
        (folder / "r.json").write_text(text, encoding="utf-8")
        result = CliRunner().invoke(app, ["show", str(folder / "r.json"), *words])
        return Said(result.exit_code, result.output)

    return Way(id, says, run)


def report(status: Status, compared: int = 1) -> Report:
    return Report(status=status, compared=compared, coverage=1.0, first_divergence=None, faults=(), layers=())


def shell(id: str, says: str, status: Status, line: str, **variables: str) -> Way:
    """`$SHOW` shows a report with that status, in a process of its own."""

    def run(folder: Path) -> Said:
        (folder / "r.json").write_text(to_json(report(status)), encoding="utf-8")
        command = f"{sys.executable} -m tracer"
        known = {**os.environ, "TRACER": command, "SHOW": f"{command} show r.json", **variables}
        found = subprocess.run(["bash", "-c", line], cwd=folder, env=known, capture_output=True, text=True, timeout=120)
        return Said(found.returncode, found.stderr + found.stdout)

    return Way(id, says, run)


def asked(id: str, says: str, question: matrix.Question) -> Way:
    return Way(id, says, lambda folder: list(matrix.cells_of("", "3.6.0", "jax", question)) and Said(0, "asked"))


class Word(layers.StringLookup):
    """So that no test needs a file of words."""

    def __init__(self, **options: Any) -> None:
        super().__init__(vocabulary=["a", "b"], **options)


_EMPTY = "is empty"
_DEAD = "the signal is dead"
_FINITE = "Give inputs for which the reference returns finite numbers"
_TEN = rows(10, 4)
_HOLED = np.where(np.arange(3)[:, None] == 1, NAN, rows(3, 4))
_BATCHNORM = {"training": True}

WITHOUT_NUMBERS = (
    same("nan-inputs", "NaN from dense on, and the inputs", lambda: chain(dense()), np.full((2, 4), NAN, "float32")),
    same("inf-inputs", _FINITE, lambda: chain(dense()), np.full((2, 4), np.inf, "float32")),
    same("nan-inputs-swallowed", "every value of the inputs", lambda: chain(ops.isnan), np.full((2, 4), NAN, "float32")),
    same("one-sample-of-nan", "sample 1 of the model output dense", lambda: chain(dense()), _HOLED),
    same("nan-weights", "NaN from dense on:", lambda: weighted(chain(dense(), dense()), NAN), rows(2, 4)),
    same("nan-in-the-middle", "NaN from log on", lambda: chain(dense(), lambda x: ops.log(-ops.square(x))), rows(2, 4)),
    same("overflow", "infinite values from exp on", lambda: chain(dense(), lambda x: ops.exp(x * x * 1e4 + 1e3)), rows(2, 4)),
    same("one-output-of-two", "the model output log", lambda: heads(dense(2), lambda x: ops.log(-ops.square(x))), rows(2, 4)),
    same("float16-overflow", _FINITE, lambda: chain(dense(dtype="float16", kernel_initializer=constant(6e4))), 9 + rows(2, 4)),
    same("nan-caught-at-the-end", _FINITE, lambda: weighted(chain(dense(), dense(), ops.nan_to_num), NAN), rows(2, 4)),
    same("class-of-nan", _FINITE, lambda: weighted(chain(dense(), lambda x: ops.argmax(x, -1)), NAN), rows(2, 4)),
    same("nan-recurrent", _FINITE, lambda: weighted(chain(layers.GRU(3), shape=(5, 2)), NAN), rows(2, 5, 2)),
    same("zero-by-zero", "sample 0 of the model output", lambda: chain(lambda x: x / x), np.array([[0] * 4, [1, 2, 3, 4.0]])),
    Way("nan-round-trip", _FINITE, lambda folder: tracer.roundtrip(
        weighted(chain(dense()), NAN), rows(2, 4), format="config", same_process=True)),
    Way("nan-copy", _FINITE, lambda folder: tracer.roundtrip(weighted(chain(dense()), NAN), rows(2, 4), format="copy")),
)  # fmt: skip

WITHOUT_LIFE = (
    same("zero-model", _DEAD, lambda: weighted(chain(dense(), dense(2)), 0.0), rows(2, 4)),
    same("zero-kernel-with-bias", "the same whatever goes in", lambda: chain(dense(kernel_initializer="zeros")), rows(3, 4)),
    same("zero-last-kernel", "the same whatever goes in", lambda: chain(dense(), dense(2, kernel_initializer="zeros")), _TEN),
    same("dead-relu", _DEAD, lambda: chain(dense(), dense(), dead()), _TEN),
    same("dead-relu-of-two-numbers", _DEAD, lambda: chain(dense(), dense(), dead(1)), rows(2, 4)),
    same("dead-relu-of-one-number", _DEAD, lambda: chain(dense(), dense(), dead(1)), rows(1, 4)),
    same("saturated-sigmoid", _DEAD, lambda: chain(dense(), dense(), dead(1, "sigmoid", 1e4)), rows(2, 4)),
    same("saturated-tanh", _DEAD, lambda: chain(dense(), dead(3, "tanh")), _TEN),
    same("softmax-of-one-class", _DEAD, lambda: chain(dense(), dense(1, activation="softmax")), _TEN),
    same("dead-inside", "4 of 5 activations", green.skipped, _TEN),
    same("zeros-in", _DEAD, lambda: chain(layers.Dense(3), layers.Dense(2)), np.zeros((2, 4))),
    same("dead-convolution", _DEAD, lambda: chain(layers.Conv2D(2, 3, kernel_initializer="zeros"), shape=(6, 6, 1)), rows(2, 6, 6, 1)),
    same("norm-without-gain", _DEAD, lambda: chain(dense(), layers.LayerNormalization(gamma_initializer="zeros")), _TEN),
    same("embedding-of-zeros", _DEAD, lambda: chain(layers.Embedding(9, 3, embeddings_initializer="zeros"), shape=(6,), dtype="int32"), ids(2, 6)),
    same("class-of-zeros", _DEAD, lambda: chain(dense(), dense(), dead(), lambda x: ops.argmax(x, -1)), _TEN),
    same("all-heads-dead", _DEAD, lambda: heads(dead(2), dead(3)), _TEN),
    same("numbers-unknown", _DEAD, lambda: chain(layers.IntegerLookup(vocabulary=[71, 72]), shape=(6,), dtype="int64"), ids(2, 6)),
    same("words-unknown", _DEAD, lambda: chain(Word(), shape=(4,), dtype="string"), np.array([["x", "y", "z", "w"], ["k", "l", "m", "n"]])),
    same("one-bin", _DEAD, lambda: chain(layers.Hashing(1), shape=(6,), dtype="int32"), ids(2, 6)),
    same("batch-norm-of-one-sample", _DEAD, lambda: chain(dense(), layers.BatchNormalization()), rows(1, 4), **_BATCHNORM),
    recorded("golden-of-a-dead-model", _DEAD, lambda: weighted(chain(dense(), dense()), 0.0), rows(2, 4)),
    recorded("golden-of-nan", "NaN or infinite", lambda: weighted(chain(dense()), NAN), rows(2, 4)),
)  # fmt: skip

WITHOUT_ANYTHING = (
    same("no-rows", "no samples", lambda: chain(dense()), np.empty((0, 4), "float32")),
    same("no-rows-listed", "no samples|received", lambda: chain(dense()), []),
    same("no-rows-unknown-signature", "no samples", green.Silent, np.empty((0, 4), "float32")),
    same("no-inputs", "fit|no array", lambda: chain(dense()), {}),
    same("no-inputs-unknown-signature", "no array", green.Silent, {}),
    same("no-outputs", "no tensor", green.silent, rows(2, 4)),
    same("no-layers", "nothing was compared", lambda: keras.Model(*[keras.Input((4,))] * 2), rows(2, 4)),
    same("no-layers-subclassed", _DEAD, green.Fixed, rows(2, 4)),
    pair("nothing-in-common", "no layer in common", lambda: chain(dense(name="a")), lambda: chain(dense(name="b"))),
    typed("no-rows-in-file", "no samples|holds no", "diff", *["tracer.zoo:tiny_functional"] * 2, "--inputs", "{}/no.npy"),
)  # fmt: skip

RANDOM = (
    same("all-random", "noise: the reference differs from itself", lambda: chain(green.Noise()), rows(2, 4)),
    pair("random-candidate", "noise: the candidate differs from itself",
         lambda: chain(dense(), green.Noise(0.0)), lambda: chain(dense(), green.Noise())),
    pair("random-reference", "noise: the reference differs from itself",
         lambda: chain(dense(), green.Noise()), lambda: chain(dense(), green.Noise(0.0))),
    pair("candidate-that-raises-at-times", "sometimes: the candidate raises ValueError: not now at one time",
         lambda: chain(dense(), green.Sometimes()), lambda: chain(dense(), green.Sometimes(True))),
)  # fmt: skip

GOLDENS = (
    golden("factor-1e9", "1e\\+09", factor=1e9),
    golden("factor-inf", "--factor inf", factor=float("inf")),
    golden("factor-nan", "--factor nan", factor=NAN),
    golden("factor-0", "--factor 0", factor=0.0),
    golden("factor-negative", "--factor -4", factor=-4.0),
    golden("floors-of-1", "dense: a relative error of 4 would be allowed", floored(1.0)),
    golden("floors-of-inf", "dense: a relative error of inf", floored(np.inf)),
    golden("no-sites", "0 call sites", lambda found: replace(found, sites=())),
    golden("another-model", "another model",
           lambda found: replace(found, sites=tuple(replace(s, path=f"x{s.path}") for s in found.sites))),
    Way("no-golden", "no", lambda folder: tracer.check(chain(dense()), folder / "none.safetensors", rows(2, 4))),
    typed("no-goldens", "no goldens", "check", "--fixtures", "{}"),
    typed("no-golden-typed", "none.safetensors", "check", "tracer.zoo:tiny_functional", "--fixture", "{}/none.safetensors"),
    typed("factor-0-typed", "--factor", "check", "--factor", "0"),
    typed("factor-inf-typed", "--factor inf", "check", "tracer.zoo:tiny_functional", "--fixture", "{}/none.safetensors", "--factor", "inf"),
)  # fmt: skip

ENDS_THE_PROCESS = (
    module("exit-at-import", "importing green_exit_at_import failed: SystemExit", "sys.exit(0)", twice),
    module("exit-in-factory", "calling it without arguments failed: SystemExit", "def make(): sys.exit(0)", twice),
    module("exit-in-objects", "--custom-objects green_exit_in_objects", "sys.exit(0)",
           lambda name: tracer.diff("tracer.zoo:tiny_functional", "tracer.zoo:tiny_functional", custom_objects=[name])),
    Way("exit-in-config", "can't be saved as keras: SystemExit", leaving("config", same_process=True)),
    Way("exit-in-from-config", "can't be loaded again: SystemExit", leaving("load", same_process=True)),
    Way("exit-in-copy", "failed: SystemExit", leaving("load", format="from-config")),
    module("exit-in-build", "SystemExit", "def make():\n import green_models as g\n return g.chain(g.Leaves('build'))", twice),
    typed("exit-typed", "importing green_exits failed: SystemExit: 0", "diff", "green_exits:make", "green_exits:make"),
)  # fmt: skip

UNSET = (
    *(typed(f"unset-{name}", f"'?{name}'?.*{_EMPTY}", *words.split(" ")) for name, words in {
        "--run": "matrix --run ", "--keras": "matrix m.h5 --keras ", "--format": "matrix m.h5 --format ",
        "--backend": "matrix m.h5 --backend ", "--with": "matrix m.h5 --with ", "--golden": "matrix m.h5 --golden ",
        "--baseline": "matrix m.h5 --baseline ", "--tensorflow": "diff a b --tensorflow ",
        "--inputs": "diff a b --inputs ", "--custom-objects": "diff a b --custom-objects ", "--json": "diff a b --json ",
        "REFERENCE": "diff  b", "CANDIDATE": "diff a ", "MODEL": "roundtrip ", "--good": "bisect m --good  --bad 3.6.0",
        "--bad": "bisect m --good 3.6.0 --bad ", "--fixture": "check m --fixture ", "--fixtures": "check --fixtures ",
        "--like": "fix a.h5 -o b.h5 --like ", "--output": "fix a.h5 --as-loaded -o ", "--reference": "record m --reference ",
        "--witness": "record m --witness ", "--memory-limit": "diff a b --memory-limit ", "FILE": "show ",
        "LAYER": "show r.json ", "--layer": "bisect m --good 1 --bad 2 --layer ", "--cluster": "matrix m --cluster ",
        "--results": "matrix m --results "}.items()),
    typed("unset-check", _EMPTY, "check", ""),
    typed("unset-second-model", _EMPTY, "check", "EfficientNetB0", ""),
    typed("blank-run", _EMPTY, "matrix", "--run", " \t "),
    typed("comma", _EMPTY, "matrix", "m.h5", "--keras", ","),
    typed("part-unset", "a part between the commas is empty", "matrix", "m.h5", "--keras", "3.6.0,"),
    typed("release-unset", "received ''", "diff", "EfficientNetB0@", "EfficientNetB0@"),
    typed("nothing-to-ask", "nothing to ask", "matrix", "--keras", "3.6.0"),
    typed("nothing-to-bisect", "nothing to ask", "bisect", "--good", "3.5.0", "--bad", "3.6.0"),
    asked("run-empty", "command to run is empty", matrix.Question(command="")),
    asked("run-comment", "command to run is empty", matrix.Question(command="# pytest tests\n  \n")),
)  # fmt: skip

SAYS_NOTHING = (
    Way("no-outcome", "", lambda folder: Said(exit_code({}), "")),
    Way("every-format-failed", "", lambda folder: Said(exit_code({"h5": TracerError("no"), "keras": TracerError("no")}), "")),
    Way("no-cells", "", answered()),
    Way("every-cell-failed", "TROUBLE", answered(FAILED, FAILED)),
    Way("every-cell-untestable", "TROUBLE", answered(UNTESTABLE)),
    Way("every-cell-inconclusive", "TROUBLE", answered("inconclusive")),
    Way("one-cell-inconclusive", "TROUBLE", answered("pass", "inconclusive")),
    shown("pass-of-nothing", "", {"": report(Status.PASS, compared=0)}),
    shown("shown-inconclusive", "INCONCLUSIVE", lambda: to_json(report(Status.INCONCLUSIVE))),
    shown("nothing-saved", "not a tracer report", lambda: "{}"),
    shown("one-of-two-failed", "failed", {"h5": TracerError("no"), "keras": report(Status.PASS)}),
)  # fmt: skip

PROCESSES = (
    shell("stdout-full", "No space left", Status.PASS, "$SHOW >/dev/full"),
    shell("stdout-gone", "", Status.PASS, "set -o pipefail; $SHOW | true"),
    shell("stdout-gone-diverged", "", Status.DIVERGED, "set -o pipefail; $SHOW | true"),
    shell("help-gone", "", Status.PASS, "set -o pipefail; $TRACER --help | true"),
    shell("stdout-closed-diverged", "", Status.DIVERGED, "$SHOW >&-"),
    shell("both-closed", "", Status.DIVERGED, "$SHOW >&- 2>&-"),
    shell("stderr-closed", "", Status.PASS, "$TRACER show none.json 2>&-"),
    shell("stderr-gone", "", Status.PASS, "set -o pipefail; $TRACER show none.json 2>&1 | true"),
    shell("usage-with-stderr-gone", "", Status.PASS, "set -o pipefail; $TRACER nonsense 2>&1 | true"),
    shell("backend-of-nonsense", "KERAS_BACKEND is 'nonsense'", Status.PASS, "$TRACER doctor", KERAS_BACKEND="nonsense"),
    shell("cache-of-nonsense", "", Status.PASS, "$TRACER matrix m --keras 3.6.0", TRACER_CACHE="/dev/null/x"),
)  # fmt: skip

WAYS = (
    *WITHOUT_NUMBERS, *WITHOUT_LIFE, *WITHOUT_ANYTHING, *RANDOM, *GOLDENS, *ENDS_THE_PROCESS, *UNSET, *SAYS_NOTHING,
    *PROCESSES,
)  # fmt: skip
# In a process of its own, which imports Keras.
SLOW = (Way("exit-in-the-loading-process", "has died", leaving("load-hard", custom_objects=["green_models"])),)
# What ended with a verdict is told by its exit code, though nobody reads the rest.
_VERDICTS = frozenset({"stdout-closed-diverged", "both-closed"})


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).parent), str(Path(__file__).parents[1])]))
    np.save(tmp_path / "no.npy", np.empty((0, 16, 16, 3), "float32"))
    (tmp_path / "green_exits.py").write_text("import sys\nsys.exit(0)\n", encoding="utf-8")
    return tmp_path


def outcome(way: Way, folder: Path) -> Said:
    """Exit code and first line, as the command line ends."""
    try:
        found = way.run(folder)
    except TracerError as error:
        return Said(2, str(error))
    if not isinstance(found, Report):
        return found
    assert not found.matches or found.status in (Status.PASS, Status.WITHIN_TOLERANCE)
    assert bool(found.reason) is (found.status is Status.INCONCLUSIVE)
    return Said(exit_code({"": found}), render(found).splitlines()[0])


def check_not_green(way: Way, folder: Path) -> None:
    said = outcome(way, folder)
    assert said.code == (1 if way.id in _VERDICTS else 2), said
    assert re.search(way.says, said.line, re.DOTALL), said


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.id)
def test_it_is_not_green_and_says_why(way: Way, folder: Path) -> None:
    check_not_green(way, folder)


@pytest.mark.slow
@pytest.mark.parametrize("way", SLOW, ids=lambda way: way.id)
def test_it_is_not_green_in_another_process_either(way: Way, folder: Path) -> None:
    check_not_green(way, folder)


def innocent(id: str, model: Callable[[], Any], *inputs: Any, **options: Any) -> Way:
    return same(id, "PASS", model, *inputs, **options)


_ONES = np.ones((2, 4), "float32")

INNOCENTS = (
    innocent("one-output", lambda: chain(dense(), dense(1)), rows(2, 4)),
    innocent("one-output-one-sample", lambda: chain(dense(1)), rows(1, 4)),
    innocent("two-classes", lambda: chain(dense(2, activation="softmax")), rows(2, 4)),
    innocent("class-of-two-samples", lambda: chain(dense(5), lambda x: ops.argmax(x, -1)), _ONES + rows(2, 4) / 1e3),
    innocent("equal-ids", lambda: chain(layers.Embedding(9, 3), shape=(6,), dtype="int32"), np.full((2, 6), 4)),
    innocent("equal-ids-one-number", lambda: chain(layers.Embedding(9, 1), shape=(6,), dtype="int32"), np.full((2, 6), 4)),
    innocent("mask-of-infinities", green.attention, rows(2, 5, 4)),
    innocent("masked-logits", lambda: chain(dense(8), lambda x: ops.where(np.arange(8) < 3, x, -np.inf)), rows(2, 4)),
    innocent("a-nan-among-many", lambda: chain(dense(8), lambda x: ops.where(np.arange(8) == 3, NAN, x)), rows(2, 4)),
    innocent("a-mask", lambda: chain(lambda x: x != 0, shape=(9,), dtype="int32"), ids(2, 9)),
    innocent("counts", lambda: chain(lambda x: ops.sum(ops.cast(x != 0, "int32"), -1), shape=(9,), dtype="int32"), ids(2, 9)),
    innocent("counts-as-floats", lambda: chain(lambda x: ops.sum(ops.cast(x > 4, "float32"), -1), shape=(9,), dtype="int32"), np.array([[1, 5, 6] * 3, [5, 6, 1] * 3])),
    innocent("one-head-dead", lambda: heads(dense(2), dead(2)), rows(2, 4)),
    innocent("a-mask-beside", lambda: heads(dense(2), lambda x: x > -1e9), rows(2, 4)),
    innocent("equal-rows", lambda: chain(dense(), dense(2)), np.repeat(rows(1, 4), 3, axis=0)),
    innocent("ones", lambda: chain(dense(), dense(2)), _ONES),
    innocent("zeros-with-bias", lambda: chain(dense(), dense(2)), np.zeros((2, 4))),
    innocent("half-dead", lambda: chain(dense(8, activation="relu"), dense(2)), rows(3, 4)),
    innocent("a-dead-branch", lambda: chain(dense(4), lambda x: x + dead(4)(x), dense(2)), rows(2, 4)),
    innocent("ids-in-ids-out", lambda: chain(lambda x: x + 1, shape=(3,), dtype="int32"), np.array([[1, 2, 3], [4, 5, 6]])),
    innocent("known-words", lambda: chain(Word(), shape=(2,), dtype="string"), np.array([["a", "b"], ["b", "a"]])),
    innocent("seeded-dropout", lambda: chain(dense(8), layers.Dropout(0.5, seed=3), dense(2)), rows(3, 4), training=True),
    innocent("half-precision", lambda: chain(dense(4, dtype="float16"), dense(2, dtype="bfloat16")), rows(2, 4)),
    innocent("recurrent", lambda: chain(layers.Masking(), layers.LSTM(3), shape=(5, 2)), rows(2, 5, 2)),
    innocent("batch-norm", lambda: chain(dense(4), layers.BatchNormalization()), rows(4, 4), training=True),
    innocent("convolution", lambda: chain(layers.Conv2D(2, 3), layers.GlobalMaxPooling2D(), shape=(6, 6, 1)), rows(1, 6, 6, 1)),
    innocent("one-sample-of-infinity-among-inputs", lambda: chain(lambda x: ops.clip(x, -1, 1), dense(2)), np.array([[np.inf] * 4, [0.1, 0.2, 0.3, 0.4]])),
    Way("golden", "PASS", golden("", "").run),
    Way("golden-at-factor-1", "PASS|DIVERGED", golden("", "", factor=1.0).run),
    Way("stdout-closed", "", shell("", "", Status.PASS, "$SHOW >&-").run),
    Way("stderr-closed", "PASS", shell("", "", Status.PASS, "$SHOW 2>&-").run),
    Way("read-to-the-end", "", shell("", "", Status.PASS, "set -o pipefail; $SHOW | cat").run),
    Way("empty-backend", "PASS", shell("", "", Status.PASS, "$SHOW", KERAS_BACKEND="").run),
    Way("every-cell-the-same", "PASS", answered("pass", "pass-within-tolerance")),
)  # fmt: skip


@pytest.mark.parametrize("way", INNOCENTS, ids=lambda way: way.id)
def test_innocents_stay_green(way: Way, folder: Path) -> None:
    said = outcome(way, folder)
    assert said.code == 0, said
    assert re.search(way.says, said.line), said


def test_a_fault_is_never_hidden_by_a_dead_signal() -> None:
    reference, candidate = (chain(dense(), dense(), dead(), dead()) for _ in range(2))
    candidate.layers[1].kernel.assign(candidate.layers[1].kernel * 2)
    report = tracer.diff(reference, candidate, _TEN)
    assert report.status is Status.DIVERGED
    assert [fault.layer for fault in report.faults] == ["dense"]


def test_a_nan_on_one_side_alone_is_a_fault() -> None:
    report = tracer.diff(chain(dense(), dense()), weighted(chain(dense(), dense()), NAN), rows(2, 4))
    assert report.status is Status.DIVERGED


def _unique(ways: Sequence[Way]) -> int:
    return len({way.id for way in ways})


def test_there_are_enough_of_them(capsys: pytest.CaptureFixture[str]) -> None:
    ways = (*WAYS, *SLOW)
    assert _unique(ways) == len(ways) >= _AT_LEAST
    assert _unique(INNOCENTS) == len(INNOCENTS) >= _INNOCENTS
    with capsys.disabled():
        print(f"\n{len(ways)} ways to compare nothing, {len(INNOCENTS)} innocents")
