"""Weights held against each other by value, settings by meaning, and what is told of both: with plain records."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from tracer.core.diagnosis import hidden
from tracer.core.golden.fingerprint import Identity
from tracer.core.layer import settings, weights
from tracer.core.layer.holdings import Holder, Holding, Place
from tracer.core.numbers.tolerance import BOUNDS, rounding_of
from tracer.core.source import Array, Facts
from tracer.records import Cause, Evidence, Fault, Side

_ONES = np.ones(8, "float32")


class Shelf:
    """A holder of arrays by layer path and name, and of facts by layer path."""

    def __init__(
        self, held: Mapping[str, Mapping[str, Array]], facts: Mapping[str, Facts] | None = None,
        anew: Mapping[str, Facts] | None = None, keras: str = "3.15.1", traits: str = "",
    ) -> None:  # fmt: skip
        self._held, self._facts, self._anew, self._traits = held, facts or {}, anew or {}, traits
        self.environment = {"keras": keras}
        self.asked: list[Place] = []

    def holdings(self) -> Mapping[str, Holding]:
        return {
            path: Holding(
                name=path, class_name="Dense", names=tuple(named),
                shapes=tuple(array.shape for array in named.values()),
                dtypes=tuple(array.dtype.name for array in named.values()), traits=self._traits,
            )
            for path, named in self._held.items()
        }  # fmt: skip

    def weight_values(self, batches: Sequence[Sequence[Place]]) -> Iterator[tuple[Array, ...]]:
        for places in batches:
            self.asked += places
            yield tuple(self._value(*place) for place in places)

    def _value(self, path: str, position: int, start: int, stop: int) -> Array:
        return list(self._held[path].values())[position].reshape(-1)[start:stop]

    def settings(self, paths: Sequence[str], *, rebuilt: bool = False) -> Mapping[str, Facts]:
        told = self._anew if rebuilt else self._facts
        return {path: told[path] for path in paths if path in told}


def held(a: Mapping[str, Array], b: Mapping[str, Array]) -> list[Evidence]:
    """What is found between two layers with these weights."""
    here, there = Shelf({"layer": a}), Shelf({"layer": b})
    return weights.weight_evidence(here, there, here.holdings(), there.holdings()).get("layer", [])


def facts(config: Mapping[str, Any] | None = None, state: Mapping[str, Any] | None = None, **other: Any) -> Facts:
    known: dict[str, Any] = {
        "class_name": "user.Custom", "config": config or {}, "weights": {}, "state": state or {},
        "policy": {}, "arguments": (),
    }  # fmt: skip
    return Facts(**{**known, **other})


def set_apart(here: Facts, there: Facts, anew: tuple[Facts, Facts] | None = None, keras: str = "3.15.1") -> list[str]:
    """Names of the settings that are told of between two layers."""
    one = Shelf({"layer": {}}, {"layer": here}, {"layer": anew[0]} if anew else None, traits="1")
    other = Shelf({"layer": {}}, {"layer": there}, {"layer": anew[1]} if anew else None, keras, traits="2")
    found = settings.setting_evidence(one, other, one.holdings(), other.holdings())
    return [evidence.name for evidence in found.get("layer", [])]


def test_the_shelf_is_a_holder() -> None:
    assert isinstance(Shelf({}), Holder)


# --- element by element


def test_one_element_beyond_rounding_is_named_with_both_values() -> None:
    a = np.linspace(1, 2, 12, dtype="float32").reshape(3, 4)
    b = a.copy()
    b[2, 1] += 1e-3
    [evidence] = held({"kernel": a}, {"kernel": b})
    assert (evidence.kind, evidence.name) == ("weight", "kernel")
    assert "1 of 12 elements" in evidence.detail
    assert "[2, 1]" in evidence.detail
    assert (float(evidence.reference), float(evidence.candidate)) == pytest.approx((a[2, 1], b[2, 1]), rel=1e-6)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (_ONES, _ONES + np.float32(1e-8)),
        (_ONES, np.nextafter(_ONES, np.float32(2))),
        (np.float32([1, 1, 1e-6]), np.float32([1, 1, 1.3e-6])),  # rounded with its neighbours
        (np.float32([0, np.nan, np.inf]), np.float32([-0.0, np.nan, np.inf])),
        (np.float32([0.1, 0.2]), np.float32([0.1, 0.2]).astype("float16")),
        (np.float32([1e-6, 1e-7]), np.float32([1e-6, 1e-7]).astype("float16")),
        (np.float64([0.1, 0.2]), np.float64([0.1, 0.2]).astype("float32")),
        (np.int8([1, 2]), np.int8([1, 2])),
    ],
)
def test_rounding_is_no_difference(a: Array, b: Array) -> None:
    assert held({"w": a}, {"w": b}) == []


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (_ONES, _ONES * np.float32(1 + 1e-5)),
        (np.float32([1e9, 1, 1, 1]), np.float32([1e9, 1, 1.001, 1])),  # one huge element hides nothing
        (np.zeros(3, "float32"), np.float32([0, 0, 1e-3])),
        (np.float32([1, np.nan]), np.float32([1, 1])),
        (np.float32([1, 1]), np.float32([1, np.inf])),
        (np.float32([1, np.inf]), np.float32([1, -np.inf])),
        (np.int8([1, 2]), np.int8([1, 3])),
        (np.array([True, False]), np.array([True, True])),
        (np.float64([1.0]), np.float64([1 + 1e-9])),
        (np.complex64([1 + 1j]), np.complex64([1 + 1.1j])),
        (np.float32([0.5, 0.25]), np.float16([0.5, 0.26])),
    ],
)
def test_more_than_rounding_is_one(a: Array, b: Array) -> None:
    assert len(held({"w": a}, {"w": b})) == 1


def test_an_infinite_element_is_the_worst_of_all() -> None:
    [evidence] = held({"w": np.float32([1, 1, 1])}, {"w": np.float32([9e9, np.nan, 1])})
    assert "[1]" in evidence.detail
    assert evidence.candidate == "nan"


def test_other_shapes_and_missing_variables_are_differences() -> None:
    [shape] = held({"w": np.ones((2, 3))}, {"w": np.ones((3, 2))})
    assert shape.detail == "shape (2, 3) against (3, 2)"
    [gone] = held({"w": _ONES, "bias": _ONES}, {"w": _ONES})
    assert (gone.name, gone.candidate) == ("bias", "absent")


def test_names_that_a_release_gave_otherwise_are_paired_by_order() -> None:
    assert held({"kernel": _ONES, "bias": _ONES}, {"kernel_1": _ONES, "bias_1": _ONES}) == []


def test_large_weights_go_in_pieces_and_nothing_is_asked_for_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "BATCH", 100)
    monkeypatch.setattr(weights, "_BLOCK", 7)
    large, small = np.arange(1, 251, dtype="float32"), np.arange(1, 31, dtype="float32")
    other = large.copy()
    other[[3, 149, 249]] *= [1.01, 1.5, 1.02]
    here, there = Shelf({"a": {"w": large}, "b": {"w": small}}), Shelf({"a": {"w": other}, "b": {"w": small}})
    found = weights.weight_evidence(here, there, here.holdings(), there.holdings())
    assert list(found) == ["a"]
    assert "3 of 250 elements" in found["a"][0].detail
    assert "[149]" in found["a"][0].detail
    assert here.asked == there.asked
    ranges = sorted(i for _, _, start, stop in here.asked for i in range(start, stop))
    assert len(ranges) == 280
    assert max(sum(stop - start for _, _, start, stop in [place]) for place in here.asked) <= 100


def test_layers_without_a_partner_arent_compared() -> None:
    here, there = Shelf({"a": {"w": _ONES}}), Shelf({"b": {"w": 2 * _ONES}})
    assert weights.weight_evidence(here, there, here.holdings(), there.holdings()) == {}


def test_every_dtype_that_rounds_has_a_bound_for_what_is_stored() -> None:
    for name, bound in BOUNDS.items():
        assert (bound.stored > 0) == (bound.rel_error > 0), name
        assert bound.stored <= bound.rel_error
    assert rounding_of("float32", "float16") == rounding_of("float16")


# --- settings


def test_values_that_differ_are_told() -> None:
    assert set_apart(facts({"rate": 0.5}), facts({"rate": 0.1})) == ["rate"]
    assert set_apart(facts(state={"scale": 2.0}), facts(state={"scale": 1.0})) == ["scale"]
    assert set_apart(facts(policy={"autocast": "True"}), facts(policy={"autocast": "False"})) == ["autocast"]


@pytest.mark.parametrize(
    ("a", "b"),
    [([2, 2], (2, 2)), (2, [2, 2]), (1, 1.0), ({"k": [1]}, {"k": (1,)}), (float("nan"), float("nan"))],
)
def test_two_spellings_are_one_setting(a: Any, b: Any) -> None:
    assert set_apart(facts({"x": a}, {"y": a}), facts({"x": b}, {"y": b})) == []


def test_what_a_reload_makes_the_same_of_both_is_one_setting_unless_a_value_was_lost() -> None:
    same = facts({"x": [1, 1]})
    assert set_apart(facts({"x": None}), facts({"x": [1, 1]}), (same, same)) == []
    lost = facts({"x": 0.99})
    assert set_apart(facts({"x": 0.9}), facts({"x": 0.99}), (lost, lost)) == ["x"]
    assert set_apart(facts({"x": None}), facts({"x": [1, 1]}), (facts({"x": None}), same)) == ["x"]


@pytest.mark.parametrize("name", ["autocast", "layer.autocast"])
def test_autocasting_that_a_class_has_of_its_own_is_no_setting(name: str) -> None:
    on, off = facts(policy={name: "True"}), facts(policy={name: "False"})
    assert set_apart(on, off, (on, off), keras="3.4.1") == []
    assert set_apart(on, off, (on, on)) == [name]  # somebody turned it off, or it was lost
    assert set_apart(on, off, (off, off)) == [name]
    half, single = facts(policy={"compute_dtype": "float16"}), facts(policy={"compute_dtype": "float32"})
    assert set_apart(half, single, (half, single)) == ["compute_dtype"]  # that is in the configuration


@pytest.mark.parametrize("name", ["kernel_initializer", "seed"])
def test_where_numbers_came_from_is_no_setting(name: str) -> None:
    assert set_apart(facts({name: 1}, {name: 1}), facts({name: 2}, {name: 2})) == []


def test_private_attributes_and_those_that_keras_sets_late_are_none() -> None:
    assert set_apart(facts(state={"_cache": 1}), facts(state={"_cache": 2})) == []
    assert set_apart(facts(state={"_dim": 1}, arguments=("dim",)), facts(state={"_dim": 2})) == ["_dim"]
    late = facts(state={"calibrated": False}, class_name="keras.src.layers.Dense")
    assert set_apart(facts(class_name="keras.src.layers.Dense"), late) == []
    assert set_apart(facts(), facts(state={"calibrated": False})) == ["calibrated"]


def test_between_two_releases_only_what_both_have_is_told() -> None:
    here, there = facts({"a": 1, "b": 1}), facts({"b": 2, "c": 3})
    assert set_apart(here, there, keras="3.6.0") == ["b"]
    assert set_apart(here, there) == ["a", "b", "c"]


def test_layers_with_equal_traits_arent_asked() -> None:
    here = Shelf({"layer": {}}, {"layer": facts({"a": 1})}, traits="1")
    assert settings.setting_evidence(here, here, here.holdings(), here.holdings()) == {}


# --- faults


def evidence(kind: str, name: str = "x") -> Evidence:
    return Evidence(kind=kind, name=name)


def fault_of(*found: Evidence, derives: bool = False, same: bool = True) -> Fault:
    holding = Holding(name="m", class_name="Dense", names=(), shapes=(), dtypes=(), derives=derives)
    told = [e for e in found if e.kind == "weight"], [e for e in found if e.kind != "weight"]
    by_path = [{"a": one} if one else {} for one in told]
    return hidden.faults(by_path[0], by_path[1], {"a": holding}, same_environment=same)["a"]


@pytest.mark.parametrize(
    ("found", "cause"),
    [
        ([evidence("weight"), evidence("config")], Cause.WEIGHTS),
        ([evidence("policy"), evidence("config")], Cause.DTYPE_POLICY),
        ([evidence("policy", "quantization_mode")], Cause.QUANTIZATION),
        ([evidence("config"), evidence("state")], Cause.CONFIG),
        ([evidence("lost-config")], Cause.CONFIG),
        ([evidence("config", "kernel_regularizer")], Cause.TRAINING_CONFIG),
        ([evidence("state")], Cause.UNSAVED_STATE),
    ],
)
def test_the_cause_is_the_strongest_of_what_differs(found: list[Evidence], cause: Cause) -> None:
    assert fault_of(*found).cause is cause


def test_variables_that_state_is_derived_from_are_state() -> None:
    fault = fault_of(evidence("weight"), derives=True)
    assert (fault.cause, fault.evidence[0].kind) == (Cause.UNSAVED_STATE, "state")


def test_two_environments_merely_disagree() -> None:
    assert [fault_of(evidence("weight"), same=same).side for same in (True, False)] == [Side.CANDIDATE, Side.UNKNOWN]


def faults(*paths: str) -> dict[str, Fault]:
    return {path: Fault(layer=path, class_name="Dense", evidence=(evidence("weight", path),)) for path in paths}


def test_execution_order_and_never_called_ones_after() -> None:
    found = hidden.unblamed(faults("never", "b", "a"), [], ["a", "b", "a"])
    assert [fault.layer for fault in found] == ["a", "b", "never"]


def test_what_is_blamed_isnt_told_again_nor_what_was_compared_inside_it() -> None:
    found = hidden.unblamed(faults("lstm/cell", "box/inner", "td/dense_3", "x"), ["lstm", "box", "td/dense"],
                            ["lstm", "box", "box/inner", "td", "x"])  # fmt: skip
    assert [fault.layer for fault in found] == ["box/inner", "x"]


def test_a_cell_that_is_blamed_by_another_name_isnt_told_again() -> None:
    found = faults("rnn/stacked_cells_7/gru_cell_7", "other/stacked_cells_7/gru_cell_7")
    told = hidden.unblamed(found, ["rnn/stacked_cells/gru_cell"], ["rnn", "other"])
    assert [fault.layer for fault in told] == ["other/stacked_cells_7/gru_cell_7"]


def test_a_cell_with_the_settings_of_its_layer_isnt_told_beside_it() -> None:
    same = (evidence("config", "units"),)
    found = {path: Fault(layer=path, class_name="LSTM", evidence=same) for path in ("lstm", "lstm/cell")}
    assert [fault.layer for fault in hidden.unblamed(found, [], ["lstm"])] == ["lstm"]


# --- goldens


def recorded(then: Identity, now: Identity, deriving: Sequence[str] = ()) -> list[tuple[str, Cause]]:
    found = hidden.recorded({"a": then}, {"a": now}, {"a": "Dense", "b": "Dense"}, deriving)
    return [(fault.layer, fault.cause) for fault in found.values()]


def test_digests_and_settings_of_a_golden_are_held_against_the_models() -> None:
    assert recorded(Identity(weights="1"), Identity(weights="1")) == []
    assert recorded(Identity(weights="1"), Identity(weights="2")) == [("a", Cause.WEIGHTS)]
    assert recorded(Identity(weights="1"), Identity(weights="2"), ["a"]) == [("a", Cause.UNSAVED_STATE)]
    assert recorded(Identity(settings={"rate": 1}), Identity(settings={"rate": 2})) == [("a", Cause.CONFIG)]


def test_a_golden_without_digests_says_nothing() -> None:
    assert recorded(Identity(settings={"seed": 1}), Identity(weights="2", settings={"seed": 2})) == []
    assert hidden.recorded({}, {"a": Identity(weights="2")}, {"a": "Dense"}, ()) == {}
