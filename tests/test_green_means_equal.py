"""Ways to compare nothing, or something else than was asked: none of them may end green.

Each way has an id, what its first line has to say, and what is done.  Those of the command line are in
`test_green_commands.py`; `test_green_innocents.py` has what comes near one of the rules and must stay green.  A way is
green when it ends with exit code 0, or a report of it matches.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import green_models as green
import keras
import numpy as np
import pytest
import test_green_commands as commands
from green_models import NAN, chain, constant, dead, dense, heads, ids, rows, weighted
from green_runs import Word, exported, floored, golden, leaving, module, pair, recorded, same, twice
from green_ways import Way, check_not_green, typed
from keras import layers, ops

import tracer
from tracer.records import Status

_AT_LEAST = 60
_DEAD = "the signal is dead"
_FINITE = "Give inputs for which the reference returns finite numbers"
_TEN = rows(10, 4)
_HOLED = np.where(np.arange(3)[:, None] == 1, NAN, rows(3, 4))
_BATCHNORM = {"training": True}

WITHOUT_NUMBERS = (
    same("nan-inputs", "NaN from dense on, and the inputs", lambda: chain(dense()), np.full((2, 4), NAN, "float32")),
    same("inf-inputs", _FINITE, lambda: chain(dense()), np.full((2, 4), np.inf, "float32")),
    same(
        "nan-inputs-swallowed", "every value of the inputs", lambda: chain(ops.isnan), np.full((2, 4), NAN, "float32")
    ),
    same("one-sample-of-nan", "sample 1 of the model output dense", lambda: chain(dense()), _HOLED),
    same("nan-weights", "NaN from dense on:", lambda: weighted(chain(dense(), dense()), NAN), rows(2, 4)),
    same("nan-in-the-middle", "NaN from log on", lambda: chain(dense(), lambda x: ops.log(-ops.square(x))), rows(2, 4)),
    same(
        "overflow",
        "infinite values from exp on",
        lambda: chain(dense(), lambda x: ops.exp(x * x * 1e4 + 1e3)),
        rows(2, 4),
    ),
    same(
        "one-output-of-two",
        "the model output log",
        lambda: heads(dense(2), lambda x: ops.log(-ops.square(x))),
        rows(2, 4),
    ),
    same(
        "float16-overflow",
        _FINITE,
        lambda: chain(dense(dtype="float16", kernel_initializer=constant(6e4))),
        9 + rows(2, 4),
    ),
    same("nan-caught-at-the-end", _FINITE, lambda: weighted(chain(dense(), dense(), ops.nan_to_num), NAN), rows(2, 4)),
    same("class-of-nan", _FINITE, lambda: weighted(chain(dense(), lambda x: ops.argmax(x, -1)), NAN), rows(2, 4)),
    same("nan-recurrent", _FINITE, lambda: weighted(chain(layers.GRU(3), shape=(5, 2)), NAN), rows(2, 5, 2)),
    same(
        "zero-by-zero",
        "sample 0 of the model output",
        lambda: chain(lambda x: x / x),
        np.array([[0] * 4, [1, 2, 3, 4.0]]),
    ),
    Way(
        "nan-round-trip",
        _FINITE,
        lambda folder: tracer.roundtrip(weighted(chain(dense()), NAN), rows(2, 4), format="config", same_process=True),
    ),
    Way("nan-copy", _FINITE, lambda folder: tracer.roundtrip(weighted(chain(dense()), NAN), rows(2, 4), format="copy")),
)

WITHOUT_LIFE = (
    same("zero-model", _DEAD, lambda: weighted(chain(dense(), dense(2)), 0.0), rows(2, 4)),
    same(
        "zero-kernel-with-bias",
        "the same whatever goes in",
        lambda: chain(dense(kernel_initializer="zeros")),
        rows(3, 4),
    ),
    same(
        "zero-last-kernel",
        "the same whatever goes in",
        lambda: chain(dense(), dense(2, kernel_initializer="zeros")),
        _TEN,
    ),
    same("dead-relu", _DEAD, lambda: chain(dense(), dense(), dead()), _TEN),
    same("dead-relu-of-two-numbers", _DEAD, lambda: chain(dense(), dense(), dead(1)), rows(2, 4)),
    same("dead-relu-of-one-number", _DEAD, lambda: chain(dense(), dense(), dead(1)), rows(1, 4)),
    same("saturated-sigmoid", _DEAD, lambda: chain(dense(), dense(), dead(1, "sigmoid", 1e4)), rows(2, 4)),
    same("saturated-tanh", _DEAD, lambda: chain(dense(), dead(3, "tanh")), _TEN),
    same("softmax-of-one-class", _DEAD, lambda: chain(dense(), dense(1, activation="softmax")), _TEN),
    same("dead-inside", "4 of 5 activations", green.skipped, _TEN),
    same("zeros-in", _DEAD, lambda: chain(layers.Dense(3), layers.Dense(2)), np.zeros((2, 4))),
    same(
        "dead-convolution",
        _DEAD,
        lambda: chain(layers.Conv2D(2, 3, kernel_initializer="zeros"), shape=(6, 6, 1)),
        rows(2, 6, 6, 1),
    ),
    same(
        "norm-without-gain", _DEAD, lambda: chain(dense(), layers.LayerNormalization(gamma_initializer="zeros")), _TEN
    ),
    same(
        "embedding-of-zeros",
        _DEAD,
        lambda: chain(layers.Embedding(9, 3, embeddings_initializer="zeros"), shape=(6,), dtype="int32"),
        ids(2, 6),
    ),
    same("class-of-zeros", _DEAD, lambda: chain(dense(), dense(), dead(), lambda x: ops.argmax(x, -1)), _TEN),
    same("all-heads-dead", _DEAD, lambda: heads(dead(2), dead(3)), _TEN),
    same(
        "numbers-unknown",
        _DEAD,
        lambda: chain(layers.IntegerLookup(vocabulary=[71, 72]), shape=(6,), dtype="int64"),
        ids(2, 6),
    ),
    same(
        "words-unknown",
        _DEAD,
        lambda: chain(Word(), shape=(4,), dtype="string"),
        np.array([["x", "y", "z", "w"], ["k", "l", "m", "n"]]),
    ),
    same("one-bin", _DEAD, lambda: chain(layers.Hashing(1), shape=(6,), dtype="int32"), ids(2, 6)),
    same(
        "batch-norm-of-one-sample", _DEAD, lambda: chain(dense(), layers.BatchNormalization()), rows(1, 4), **_BATCHNORM
    ),
    recorded(
        "golden-of-a-dead-model", f"{_DEAD}.*Not recorded", lambda: weighted(chain(dense(), dense()), 0.0), rows(2, 4)
    ),
    recorded("golden-of-nan", "NaN or infinite", lambda: weighted(chain(dense()), NAN), rows(2, 4)),
)

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
    typed(
        "no-rows-in-file", "no samples|holds no", "diff", *["tracer.zoo:tiny_functional"] * 2, "--inputs", "{}/no.npy"
    ),
)

RANDOM = (
    same("all-random", "noise: the reference differs from itself", lambda: chain(green.Noise()), rows(2, 4)),
    pair(
        "random-candidate",
        "noise: the candidate differs from itself",
        lambda: chain(dense(), green.Noise(0.0)),
        lambda: chain(dense(), green.Noise()),
    ),
    pair(
        "random-reference",
        "noise: the reference differs from itself",
        lambda: chain(dense(), green.Noise()),
        lambda: chain(dense(), green.Noise(0.0)),
    ),
    pair(
        "candidate-that-raises-at-times",
        "sometimes: the candidate raises ValueError: not now at one time",
        lambda: chain(dense(), green.Sometimes()),
        lambda: chain(dense(), green.Sometimes(True)),
    ),
)

GOLDENS = (
    golden("factor-1e9", "1e\\+09", factor=1e9),
    golden("factor-inf", "--factor inf", factor=float("inf")),
    golden("factor-nan", "--factor nan", factor=NAN),
    golden("factor-0", "--factor 0", factor=0.0),
    golden("factor-negative", "--factor -4", factor=-4.0),
    golden("floors-of-1", "dense: a relative error of 4 would be allowed", floored(1.0)),
    golden("floors-of-inf", "dense: a relative error of inf", floored(np.inf)),
    golden("no-sites", "0 call sites", lambda found: replace(found, sites=())),
    golden(
        "another-model",
        "another model",
        lambda found: replace(found, sites=tuple(replace(s, path=f"x{s.path}") for s in found.sites)),
    ),
    Way("no-golden", "no", lambda folder: tracer.check(chain(dense()), folder / "none.safetensors", rows(2, 4))),
    typed("no-goldens", "no goldens", "check", "--fixtures", "{}"),
    typed(
        "no-golden-typed", "none.safetensors", "check", "tracer.zoo:tiny_functional", "--fixture", "{}/none.safetensors"
    ),
    typed("factor-0-typed", "--factor", "check", "--factor", "0"),
    typed(
        "factor-inf-typed",
        "--factor inf",
        "check",
        "tracer.zoo:tiny_functional",
        "--fixture",
        "{}/none.safetensors",
        "--factor",
        "inf",
    ),
)

ENDS_THE_PROCESS = (
    module("exit-at-import", "importing green_exit_at_import failed: SystemExit", "sys.exit(0)", twice),
    module("exit-in-factory", "calling it without arguments failed: SystemExit", "def make(): sys.exit(0)", twice),
    module(
        "exit-in-objects",
        "--custom-objects green_exit_in_objects",
        "sys.exit(0)",
        lambda name: tracer.diff("tracer.zoo:tiny_functional", "tracer.zoo:tiny_functional", custom_objects=[name]),
    ),
    Way("exit-in-config", "can't be saved as keras: SystemExit", leaving("config", same_process=True)),
    Way("exit-in-from-config", "can't be loaded again: SystemExit", leaving("load", same_process=True)),
    Way("exit-in-copy", "failed: SystemExit", leaving("load", format="from-config")),
    module(
        "exit-in-build",
        "SystemExit",
        "def make():\n import green_models as g\n return g.chain(g.Leaves('build'))",
        twice,
    ),
    typed("exit-typed", "importing green_exits failed: SystemExit: 0", "diff", "green_exits:make", "green_exits:make"),
)

WAYS = (*WITHOUT_NUMBERS, *WITHOUT_LIFE, *WITHOUT_ANYTHING, *RANDOM, *GOLDENS, *ENDS_THE_PROCESS)
# In a process of its own, which imports Keras.
SLOW = (
    Way("exit-in-the-loading-process", "has died", leaving("load-hard", custom_objects=["green_models"])),
    Way("savedmodel-of-zeros", _DEAD, lambda folder: exported(weighted(chain(dense(), dense()), 0.0))),
    Way("savedmodel-of-nan", _FINITE, lambda folder: exported(weighted(chain(dense(), dense()), NAN))),
    Way("savedmodel-of-chance", "the reference differs from itself", lambda folder: exported(chain(green.Noise()))),
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).parent), str(Path(__file__).parents[1])]))
    np.save(tmp_path / "no.npy", np.empty((0, 16, 16, 3), "float32"))
    (tmp_path / "green_exits.py").write_text("import sys\nsys.exit(0)\n", encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.id)
def test_it_is_not_green_and_says_why(way: Way, folder: Path) -> None:
    check_not_green(way, folder)


@pytest.mark.slow
@pytest.mark.parametrize("way", SLOW, ids=lambda way: way.id)
def test_it_is_not_green_in_another_process_either(way: Way, folder: Path) -> None:
    check_not_green(way, folder)


def test_a_fault_is_never_hidden_by_a_dead_signal() -> None:
    reference, candidate = (chain(dense(), dense(), dead(), dead()) for _ in range(2))
    candidate.layers[1].kernel.assign(candidate.layers[1].kernel * 2)
    report = tracer.diff(reference, candidate, _TEN)
    assert report.status is Status.DIVERGED
    assert [fault.layer for fault in report.faults] == ["dense"]


def test_a_nan_on_one_side_alone_is_a_fault() -> None:
    report = tracer.diff(chain(dense(), dense()), weighted(chain(dense(), dense()), NAN), rows(2, 4))
    assert report.status is Status.DIVERGED


def test_there_are_enough_of_them(capsys: pytest.CaptureFixture[str]) -> None:
    ways = (*WAYS, *SLOW, *commands.WAYS)
    assert len({way.id for way in ways}) == len(ways) >= _AT_LEAST
    with capsys.disabled():
        print(f"\n{len(ways)} ways to compare nothing, or something else: 0 may be green")
