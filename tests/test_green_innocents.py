"""What comes near one of the rules of `test_green_means_equal.py`, and is compared well: it must stay green."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import green_models as green
import numpy as np
import pytest
import test_green_commands as commands
from green_models import NAN, chain, dead, dense, heads, ids, rows
from green_runs import Word, golden, same
from green_ways import Way, outcome
from keras import layers, ops

_AT_LEAST = 20
_ONES = np.ones((2, 4), "float32")


def innocent(id: str, model: Callable[[], Any], *inputs: Any, **options: Any) -> Way:
    return same(id, "PASS", model, *inputs, **options)


INNOCENTS = (
    innocent("one-output", lambda: chain(dense(), dense(1)), rows(2, 4)),
    innocent("one-output-one-sample", lambda: chain(dense(1)), rows(1, 4)),
    innocent("two-classes", lambda: chain(dense(2, activation="softmax")), rows(2, 4)),
    innocent("class-of-two-samples", lambda: chain(dense(5), lambda x: ops.argmax(x, -1)), _ONES + rows(2, 4) / 1e3),
    innocent("equal-ids", lambda: chain(layers.Embedding(9, 3), shape=(6,), dtype="int32"), np.full((2, 6), 4)),
    innocent(
        "equal-ids-one-number", lambda: chain(layers.Embedding(9, 1), shape=(6,), dtype="int32"), np.full((2, 6), 4)
    ),
    innocent("mask-of-infinities", green.attention, rows(2, 5, 4)),
    innocent("masked-logits", lambda: chain(dense(8), lambda x: ops.where(np.arange(8) < 3, x, -np.inf)), rows(2, 4)),
    innocent("a-nan-among-many", lambda: chain(dense(8), lambda x: ops.where(np.arange(8) == 3, NAN, x)), rows(2, 4)),
    innocent("a-mask", lambda: chain(lambda x: x != 0, shape=(9,), dtype="int32"), ids(2, 9)),
    innocent(
        "counts", lambda: chain(lambda x: ops.sum(ops.cast(x != 0, "int32"), -1), shape=(9,), dtype="int32"), ids(2, 9)
    ),
    innocent(
        "counts-as-floats",
        lambda: chain(lambda x: ops.sum(ops.cast(x > 4, "float32"), -1), shape=(9,), dtype="int32"),
        np.array([[1, 5, 6] * 3, [5, 6, 1] * 3]),
    ),
    innocent("one-head-dead", lambda: heads(dense(2), dead(2)), rows(2, 4)),
    innocent("a-mask-beside", lambda: heads(dense(2), lambda x: x > -1e9), rows(2, 4)),
    innocent("equal-rows", lambda: chain(dense(), dense(2)), np.repeat(rows(1, 4), 3, axis=0)),
    innocent("ones", lambda: chain(dense(), dense(2)), _ONES),
    innocent("zeros-with-bias", lambda: chain(dense(), dense(2)), np.zeros((2, 4))),
    innocent("half-dead", lambda: chain(dense(8, activation="relu"), dense(2)), rows(3, 4)),
    innocent("a-dead-branch", lambda: chain(dense(4), lambda x: x + dead(4)(x), dense(2)), rows(2, 4)),
    innocent(
        "ids-in-ids-out", lambda: chain(lambda x: x + 1, shape=(3,), dtype="int32"), np.array([[1, 2, 3], [4, 5, 6]])
    ),
    innocent("known-words", lambda: chain(Word(), shape=(2,), dtype="string"), np.array([["a", "b"], ["b", "a"]])),
    innocent(
        "seeded-dropout", lambda: chain(dense(8), layers.Dropout(0.5, seed=3), dense(2)), rows(3, 4), training=True
    ),
    innocent("half-precision", lambda: chain(dense(4, dtype="float16"), dense(2, dtype="bfloat16")), rows(2, 4)),
    innocent("recurrent", lambda: chain(layers.Masking(), layers.LSTM(3), shape=(5, 2)), rows(2, 5, 2)),
    innocent("batch-norm", lambda: chain(dense(4), layers.BatchNormalization()), rows(4, 4), training=True),
    innocent(
        "convolution",
        lambda: chain(layers.Conv2D(2, 3), layers.GlobalMaxPooling2D(), shape=(6, 6, 1)),
        rows(1, 6, 6, 1),
    ),
    innocent(
        "one-sample-of-infinity-among-inputs",
        lambda: chain(lambda x: ops.clip(x, -1, 1), dense(2)),
        np.array([[np.inf] * 4, [0.1, 0.2, 0.3, 0.4]]),
    ),
    Way("golden", "PASS", golden("", "").run),
    Way("golden-at-factor-1", "PASS|DIVERGED", golden("", "", factor=1.0).run),
)


@pytest.mark.parametrize("way", INNOCENTS, ids=lambda way: way.id)
def test_innocents_stay_green(way: Way, tmp_path: Path) -> None:
    said = outcome(way, tmp_path)
    assert said.code == 0, said
    assert re.search(way.says, said.line), said


def test_there_are_enough_of_them() -> None:
    ways = (*INNOCENTS, *commands.INNOCENTS)
    assert len({way.id for way in ways}) == len(ways) >= _AT_LEAST
