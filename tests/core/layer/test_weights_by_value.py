"""`tracer.core.layer.weights`, `holdings`: variables by value, element by element, of layers that both sides have."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from tracer.core.layer import weights
from tracer.core.layer.holdings import HeldVariable, Holder, Holding, Place
from tracer.core.layer.weights import Mismatch, held_by_siblings, measured, merged, weight_evidence
from tracer.core.source import Array, Facts
from tracer.records import Evidence


class Holds:
    """A side that holds arrays, by layer path and name."""

    environment: Mapping[str, str] = {}

    def __init__(self, held: dict[str, dict[str, Any]], **known: Any) -> None:
        self._held = held
        self._known = known
        self.asked: list[Place] = []

    def holdings(self) -> dict[str, Holding]:
        return {
            path: Holding(
                name=path,
                class_name="Dense",
                names=tuple(arrays),
                shapes=tuple(array.shape for array in arrays.values()),
                dtypes=tuple(array.dtype.name for array in arrays.values()),
                **self._known,
            )
            for path, arrays in self._held.items()
        }

    def weight_values(self, batches: Sequence[Sequence[Place]]) -> Iterator[Sequence[Array]]:
        for batch in batches:
            self.asked += batch
            found = [(list(self._held[path].values())[at], start, stop) for path, at, start, stop in batch]
            yield [array.reshape(-1)[start:stop] for array, start, stop in found]

    def settings(self, paths: Sequence[str], *, rebuilt: bool = False) -> Mapping[str, Facts]:
        raise AssertionError(f"nobody asks for settings here: {paths} {rebuilt}")


def told(reference: Holds, candidate: Holds) -> dict[str, list[Evidence]]:
    return weight_evidence(reference, candidate, reference.holdings(), candidate.holdings())


def test_a_side_that_holds_layers_is_a_holder_and_its_variables_have_places() -> None:
    side = Holds({"d": {"kernel": np.zeros((2, 3)), "bias": np.zeros(3)}})
    assert isinstance(side, Holder)
    assert side.holdings()["d"].variables() == {
        "kernel": HeldVariable(0, (2, 3), "float64"),
        "bias": HeldVariable(1, (3,), "float64"),
    }
    assert [HeldVariable(0, shape, "int8").size for shape in ((), (4,), (2, 3), (0, 9))] == [1, 4, 6, 0]


def test_equal_weights_are_no_evidence_and_a_changed_element_is_named_with_its_place() -> None:
    kernel = np.arange(1, 7, dtype="float32").reshape(2, 3)
    changed = kernel.copy()
    changed[1, 2] = 60.0
    reference = Holds({"d": {"kernel": kernel}})
    assert told(reference, Holds({"d": {"kernel": kernel.copy()}})) == {}
    (found,) = told(reference, Holds({"d": {"kernel": changed}}))["d"]
    assert (found.kind, found.name, found.reference, found.candidate) == ("weight", "kernel", "6", "60")
    assert found.detail == "1 of 6 elements differ by more than rounding, the most at [1, 2]"


def test_shapes_and_variables_that_only_one_side_has_are_told_without_their_values() -> None:
    reference = Holds({"d": {"kernel": np.zeros((2, 3)), "bias": np.zeros(3)}, "gone": {"kernel": np.zeros(1)}})
    candidate = Holds({"d": {"kernel": np.zeros((3, 2))}})
    found = told(reference, candidate)
    assert list(found) == ["d"]  # a layer that isn't paired is told elsewhere
    assert {each.name: each.detail for each in found["d"]} == {
        "kernel": "shape (2, 3) against (3, 2)",
        "bias": "only the reference has this variable",
    }
    assert reference.asked == candidate.asked == []


def test_what_another_layer_has_told_of_on_both_sides_is_not_told_again() -> None:
    one, other = ({"d": {"kernel": np.full(3, value)}} for value in (1.0, 2.0))
    assert told(Holds(one, again=("kernel",)), Holds(other, again=("kernel",))) == {}
    assert "d" in told(Holds(one, again=("kernel",)), Holds(other))


def test_a_large_variable_comes_in_pieces_and_small_ones_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "BATCH", 4)
    sizes = {"a": 3, "b": 6, "c": 2}
    reference, candidate = (
        Holds({"d": {name: np.full(size, value, "float32") for name, size in sizes.items()}}) for value in (1.0, 1.0)
    )
    candidate._held["d"]["b"][5] = 9.0
    (found,) = told(reference, candidate)["d"]
    assert (found.name, found.detail) == ("b", "1 of 6 elements differ by more than rounding, the most at [5]")
    assert reference.asked == [("d", 0, 0, 3), ("d", 1, 0, 1), ("d", 1, 1, 5), ("d", 1, 5, 6), ("d", 2, 0, 2)]


@pytest.mark.parametrize(
    ("a", "b", "dtypes", "found"),
    [
        ([1.0, 2.0], [1.0, 2.0 + 2e-7], ("float32", "float32"), None),  # rounded
        ([1.0, 1e-9], [1.0, 3e-9], ("float32", "float32"), None),  # small beside large ones
        ([1.0, 2.0], [1.0, 2.1], ("float32", "float32"), (1, 1)),
        ([np.nan, np.inf], [np.nan, np.inf], ("float32", "float32"), None),
        ([1.0, 2.0], [np.nan, 2.0], ("float32", "float32"), (1, 0)),
        ([0.0, 0.0], [0.0, 1.0], ("float32", "float32"), (1, 1)),
        ([1, 2, 3], [1, 4, 4], ("int32", "int32"), (2, 1)),
        (["a", "b"], ["a", "c"], ("string", "string"), (1, 1)),
    ],
)
def test_more_than_rounding(a: Any, b: Any, dtypes: tuple[str, str], found: tuple[int, int] | None) -> None:
    arrays = [np.asarray(each, "float32" if "float32" in dtypes else None) for each in (a, b)]
    mismatch = measured(*arrays, *dtypes)
    assert (None if mismatch is None else (mismatch.count, mismatch.where)) == found
    back = measured(*arrays[::-1], *dtypes)
    assert (None if back is None else back.count) == (None if found is None else found[0])


def test_of_two_mismatches_the_worse_one_is_shown_and_both_are_counted() -> None:
    mild = Mismatch(count=3, excess=0.1, where=7, reference=1.0, candidate=1.1)
    wild = Mismatch(count=1, excess=math.inf, where=2, reference=1.0, candidate=math.nan)
    assert merged(mild, wild) == merged(wild, mild)
    assert (merged(mild, wild).count, merged(mild, wild).where) == (4, 2)


def test_siblings_tell_of_their_variables_of_a_name_and_shape_and_of_those_inside_them_alone() -> None:
    kernel = np.arange(6.0).reshape(2, 3)
    side = Holds(
        {
            "own": {"kernel": kernel},
            "d": {"bias": kernel, "kernel": kernel + 1},
            "wide": {"kernel": np.zeros((3, 2))},
            "box": {},
            "box/cell": {"kernel": kernel + 2},
            "boxes/cell": {"bias": kernel},
        }
    )
    found = held_by_siblings(side, side.holdings, "own", "Dense", "kernel", (2, 3))
    assert [(path, value[0, 0], value.shape) for path, value in found] == [
        ("d", 1.0, (2, 3)), ("box", 2.0, (2, 3)), ("box/cell", 2.0, (2, 3)),
    ]  # fmt: skip
    assert {path for path, *_ in side.asked} == {"d", "box/cell"}
    assert not list(held_by_siblings(side, side.holdings, "own", "Conv2D", "kernel", (2, 3)))
