"""`tracer.core.feed` and `tracer.core.structure`: what callers give, as arrays, and what is said of it."""

from __future__ import annotations

import array
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracer.core.feed import as_arrays, tell
from tracer.core.structure import arrays_of, count_samples
from tracer.errors import InputError

_ROWS = np.arange(6.0).reshape(3, 2)


class Torch:
    """A tensor as torch has them: its numbers come only after `detach` and `cpu`, in this order."""

    def __init__(self, did: tuple[str, ...] = ()) -> None:
        self.did = did

    def detach(self) -> Torch:
        return Torch((*self.did, "detach"))

    def cpu(self) -> Torch:
        return Torch((*self.did, "cpu"))

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray[Any, Any]:
        if self.did != ("detach", "cpu"):
            raise TypeError("can't convert a tensor on a device, or one that requires grad")
        return _ROWS


class Picture:
    """What says how its memory lies and no more."""

    def __init__(self) -> None:
        self.__array_interface__ = np.ones((2, 2), "uint8").__array_interface__


class Frame:
    """A data frame: it can be iterated over, but is an array first of all."""

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray[Any, Any]:
        return _ROWS

    def __iter__(self) -> Iterator[str]:
        return iter(("column", "other"))


class Placeholder:
    """A symbolic tensor, which has no numbers."""

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray[Any, Any]:
        raise NotImplementedError("symbolic")


@pytest.mark.parametrize("given", [Torch(), Frame()])
def test_a_tensor_of_any_library_becomes_its_numbers(given: Any) -> None:
    np.testing.assert_array_equal(as_arrays(given), _ROWS)


def test_a_picture_becomes_its_pixels() -> None:
    assert as_arrays(Picture()).shape == (2, 2)


def test_structures_keep_their_form_and_numbers_stay_as_they_are() -> None:
    given = {1: [Torch(), (0.5, "text")], "b": _ROWS}
    found = as_arrays(given)
    assert list(found) == ["1", "b"]
    np.testing.assert_array_equal(found["1"][0], _ROWS)
    assert found["1"][1] == [0.5, "text"]
    assert found["b"] is _ROWS  # an array isn't copied


def test_one_name_of_two_types_is_refused() -> None:
    with pytest.raises(InputError, match="hold '1' twice"):
        as_arrays({1: _ROWS, "1": _ROWS})


def test_a_mask_that_masks_something_is_refused_and_an_idle_one_dropped() -> None:
    with pytest.raises(InputError, match=r"fill it \(\.filled\)"):
        as_arrays([np.ma.masked_greater(_ROWS, 4)])
    assert type(as_arrays(np.ma.masked_array(_ROWS))) is np.ndarray


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ((row for row in _ROWS), "of type generator, which doesn't say what belongs to one call.*without its labels"),
        (range(3), "of type range, which doesn't say"),
        (object(), "of type object, which is no array"),
        ((3).__add__, "which is no array"),
        (Placeholder(), r"Placeholder, which has no numbers to read: symbolic"),
        ({"a": [object()]}, "of type object"),
    ],
)
def test_what_is_no_array_is_named_by_its_type(given: Any, says: str) -> None:
    with pytest.raises(InputError, match=says):
        as_arrays(given)


def test_an_array_of_the_standard_library_is_told_to_come_as_one_of_numpys() -> None:
    with pytest.raises(InputError, match=r"array\.array"):
        as_arrays(array.array("f", [1, 2]))


# --- what a report says of it


@pytest.mark.parametrize(
    ("arrays", "samples"),
    [({"x": np.zeros((5, 2)), "y": np.zeros((3,))}, 5), ({"x": np.float32(1.0)}, 0), ({}, 0), ({"x": np.empty(0)}, 0)],
)
def test_samples_are_those_of_the_first_input(arrays: Any, samples: int) -> None:
    assert tell(arrays, origin="given").samples == samples


def test_shapes_and_dtypes_are_told_by_name_and_all_text_is_text() -> None:
    arrays = {
        "x": np.zeros((2, 3), "float16"),
        "t": np.array(["a"]),
        "o": np.array(["a"], object),
        "b": np.array([b"a"]),
    }
    told = tell(arrays, origin="file", source="x.npz", conversions=("one",))
    assert told.shapes == {"x": (2, 3), "t": (1,), "o": (1,), "b": (1,)}
    assert told.dtypes == {"x": "float16", "t": "string", "o": "string", "b": "string"}
    assert (told.origin, told.source, told.conversions) == ("file", "x.npz", ("one",))


# --- arrays in structures

shapes = st.lists(st.integers(0, 4), max_size=3).map(tuple)
structures = st.recursive(
    st.none() | st.builds(np.zeros, shapes),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)


def at(structure: Any, place: str) -> Any:
    for part in place.split("/")[1:]:
        structure = structure[int(part) if isinstance(structure, list) else part]
    return structure


@given(structures)
def test_every_array_is_found_once_at_its_place(structure: Any) -> None:
    found = arrays_of(structure)
    assert all(at(structure, place) is item for place, item in found)
    assert len({place for place, _ in found}) == len(found)
    assert len(found) == repr(structure).count("array(")


@given(structures)
def test_a_number_of_samples_is_one_that_all_agree_on(structure: Any) -> None:
    axes = {item.shape[0] if item.ndim else 0 for _, item in arrays_of(structure)}
    assert count_samples(structure) == (axes.pop() if len(axes) == 1 else 0)


def test_the_order_of_keys_doesnt_matter() -> None:
    a, b = np.zeros(1), np.ones(1)
    assert [place for place, _ in arrays_of({"b": b, "a": (a, {"c": b})})] == ["/a/0", "/a/1/c", "/b"]
    assert [place for place, _ in arrays_of(a)] == [""]
