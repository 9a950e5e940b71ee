"""What counts as many batches, and how arrays are cut into some."""

from __future__ import annotations

import array
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracer.core.batches.given import batches_of, cut, is_many
from tracer.core.feed import Feed, tell
from tracer.errors import InputError

_ROWS = np.arange(10.0).reshape(5, 2)


class PyDataset:
    """As Keras has it: numbered batches, and nothing that says where iteration ends."""

    def __init__(self, count: float | None = 3) -> None:
        self.num_batches = count

    def __getitem__(self, number: int) -> Any:
        return _ROWS[number : number + 1], np.ones(1)


class Old(PyDataset):
    """As the first releases of Keras 3 have it."""

    def __init__(self) -> None: ...

    def __len__(self) -> int:
        return 2


class Frame:
    """A data frame: one array, though it can be iterated over."""

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return _ROWS

    def __iter__(self) -> Iterator[str]:
        return iter(("column",))


class Endless:
    """A `tf.data.Dataset` that repeats."""

    def cardinality(self) -> int:
        return -1

    def __iter__(self) -> Iterator[Any]:
        while True:
            yield _ROWS


def taken(inputs: Any) -> list[Any]:
    return [(np.asarray(x).tolist(), told) for x, told in batches_of(inputs)]


@pytest.mark.parametrize("many", [(row for row in _ROWS), PyDataset(), Old(), Endless(), map(abs, [1])])
def test_data_sets_are_many_batches(many: Any) -> None:
    assert is_many(many)


@pytest.mark.parametrize(
    "one",
    [
        None,
        "x.npz",
        b"x",
        _ROWS,
        [_ROWS],
        (_ROWS, _ROWS),
        {"x": _ROWS},
        Frame(),
        3,
        array.array("f", [1]),
        {1},
        object(),
    ],
)
def test_everything_else_is_one_or_none(one: Any) -> None:
    assert not is_many(one)


def test_of_a_tuple_the_first_is_the_inputs_and_that_is_told() -> None:
    [(x, told)] = taken(iter([(_ROWS, np.ones(5))]))
    assert x == _ROWS.tolist() and told == ("of each batch, the inputs alone were used, not the labels.",)
    assert taken(iter([(_ROWS,)])) == [(_ROWS.tolist(), ())]
    assert taken(iter([_ROWS])) == [(_ROWS.tolist(), ())]


def test_a_list_is_several_inputs_except_from_torch() -> None:
    [(x, told)] = batches_of(iter([[_ROWS, _ROWS]]))
    assert len(x) == 2 and told == ()

    class DataLoader:
        __module__ = "torch.utils.data.dataloader"

        def __iter__(self) -> Iterator[Any]:
            yield [_ROWS, np.ones(5)]

    [(x, told)] = batches_of(DataLoader())
    assert x is _ROWS and told


def test_batches_that_are_numbered_are_as_many_as_it_says() -> None:
    assert [x for x, _ in taken(PyDataset())] == [_ROWS[i : i + 1].tolist() for i in range(3)]
    assert len(taken(Old())) == 2


@pytest.mark.parametrize("endless", [PyDataset(None), PyDataset(math.inf), Endless()])
def test_what_never_ends_is_refused(endless: Any) -> None:
    with pytest.raises(InputError, match="go on for ever"):
        next(iter(batches_of(endless)))


# --- cutting


def fed(arrays: Any, **told: Any) -> Feed:
    return Feed(arrays=arrays, told=tell(told or {"x": arrays}, origin="given"))


@given(st.integers(1, 12), st.integers(1, 14))
def test_every_sample_is_in_one_batch_in_its_order(samples: int, size: int) -> None:
    rows = np.arange(samples * 2.0).reshape(samples, 2)
    found = list(cut(fed(rows), size))
    np.testing.assert_array_equal(np.concatenate([feed.arrays for feed in found]), rows)
    assert [feed.told.samples for feed in found] == [len(feed.arrays) for feed in found]
    assert [feed.told.shapes["x"] for feed in found] == [feed.arrays.shape for feed in found]
    assert len(found) == math.ceil(samples / size)


def test_a_structure_is_cut_in_every_part_and_nothing_is_copied() -> None:
    arrays = {"a": _ROWS, "b": [_ROWS[:, :1], (_ROWS,)]}
    first = next(cut(fed(arrays, a=_ROWS), 2))
    assert first.arrays["a"].base is not None and np.shares_memory(first.arrays["a"], _ROWS)
    assert first.arrays["b"][0].shape == (2, 1) and first.arrays["b"][1][0].shape == (2, 2)
    assert type(first.arrays["b"][1]) is tuple


def test_what_has_no_number_of_samples_is_not_cut() -> None:
    with pytest.raises(InputError, match="aren't samples"):
        next(cut(fed([_ROWS, _ROWS[:2]], x=_ROWS), 2))
