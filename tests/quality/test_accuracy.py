"""The accuracy bench: a small part of it, run; and that its figures and its page say what was measured."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
from plants import find, recoded_instance, scaled

from benchmarks.accuracy import table
from benchmarks.accuracy.faults import Drawer, Fault, altered, raising, training_inside
from benchmarks.accuracy.judging import ROUNDING, Bench, calls_of, moved, static
from benchmarks.accuracy.models import Made, build, inputs_of
from benchmarks.accuracy.parts import Change

pytestmark = pytest.mark.quality
_ROOT = Path(__file__).resolve().parents[2]


def _plant(**changes: object) -> dict:
    right = {"found": True, "layer": True, "cause": True, "side": True, "proof": True, "unproved": 0}
    rivals = {"rival allclose": True, "rival largest": False}
    where = {"form": "functional", "start": "vector", "policy": "float32", "seed": 0, "number": 3}
    what = {"what": "plant", "kinds": ["wiring"], "sizes": [None], "clear": True, "others": [], "said": []}
    return {**right, **rivals, **where, **what, "expected": ["a"], **changes}


@pytest.mark.slow
def test_a_part_of_the_bench_finds_every_clear_fault_and_accuses_nobody() -> None:
    results = [{"seed": 7, "number": k, **r} for k in range(6) for r in Bench(7, k).results(singles=8, several=2)]
    figures = table.summed(results)
    assert figures["plants"] >= 50 and sum(figures["innocents"].values()) >= 30
    assert figures["accused"] == []
    assert figures["misses"] == []


def test_a_model_follows_from_its_seed_alone() -> None:
    one, other = build(4), build(4)
    assert [tuple(w.shape) for w in one.model.weights] == [tuple(w.shape) for w in other.model.weights]
    assert all(np.array_equal(a, b) for a, b in zip(one.model.get_weights(), other.model.get_weights(), strict=True))
    assert [np.array_equal(a, b) for a, b in zip(inputs_of(one, 4), inputs_of(other, 4), strict=True)] != [False]
    assert build(5).options.keys() != one.options.keys()


def test_a_change_leaves_the_rest_of_the_model_as_it_is() -> None:
    plain = build(4)
    name = next(iter(plain.options))
    renamed = build(4, {name: Change(renamed="mine")})
    assert [at.name for at in renamed.model.layers if at.name == "mine"] == ["mine"]
    assert renamed.options.keys() == plain.options.keys()
    assert all(
        np.array_equal(a, b) for a, b in zip(plain.model.get_weights(), renamed.model.get_weights(), strict=True)
    )


def test_what_a_plant_moves_is_measured_in_units_of_rounding() -> None:
    made = build(4)
    path = Drawer(made, np.random.RandomState(0)).weighted[0]
    before = calls_of(made.model, inputs_of(made, 4))
    call = next(c for c in before if c.site == path)
    assert moved(call.output, call.output) == 0
    with scaled(path, 1.1)(made.model):
        off = moved(call.output, find(made.model, path)(*call.args))
        assert off == pytest.approx(0.1 / ROUNDING[call.output.dtype.name], rel=0.02)
    with altered(path, lambda weights: weights)(made.model):
        assert moved(call.output, find(made.model, path)(*call.args)) == 0
    assert moved(call.output, call.output[:1]) == float("inf")


def test_a_call_within_a_second_call_is_told_by_the_outer_one() -> None:
    """As `tracer.diff` writes layer paths: what is blamed is held against these."""
    import keras

    inner = keras.Sequential([keras.Input((3,)), keras.layers.Dense(3, name="dense")], name="inner")
    i = keras.Input((3,), name="x")
    model = keras.Model(i, inner(inner(i)))
    sites = [call.site for call in calls_of(model, np.ones((2, 3), "float32")) if call.site.endswith("dense")]
    assert sites == ["inner/dense", "inner#1/dense"]
    assert [static(site) for site in sites] == ["inner/dense"] * 2


def test_a_mask_that_is_lost_is_a_move() -> None:
    import keras

    one, other = keras.ops.ones((2, 3)), keras.ops.ones((2, 3))
    one._keras_mask = keras.ops.ones((2,), "bool")
    assert moved(one, other) == float("inf")
    other._keras_mask = keras.ops.ones((2,), "bool")
    assert moved(one, other) == 0


def test_a_plant_that_raises_is_told_from_a_bench_that_does() -> None:
    made = build(4)
    path = Drawer(made, np.random.RandomState(0)).inner[1]
    whole = calls_of(made.model, inputs_of(made, 4))
    with raising(path)(made.model):
        assert len(calls_of(made.model, inputs_of(made, 4), "no such table")) < len(whole)
        with pytest.raises(ValueError, match="no such table"):
            calls_of(made.model, inputs_of(made, 4), "something else")


@pytest.mark.parametrize("seed", [8, 32, 37])
def test_texts_are_taken_by_subclassed_models_too(seed: int) -> None:
    made = build(seed)
    assert (made.form, made.start) == ("subclassed", "text")
    assert calls_of(made.model, inputs_of(made, seed))


@pytest.mark.parametrize(
    ("right", "total", "low", "high"),
    [(0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (50, 100, 0.4038, 0.5962), (0, 0, 0.0, 1.0)],
)
def test_intervals_are_wilson_s(right: int, total: int, low: float, high: float) -> None:
    assert table.wilson(right, total) == pytest.approx((low, high), abs=1e-4)


@pytest.mark.parametrize(
    ("changes", "missed"),
    [
        ({}, False),
        ({"layer": False}, True),
        ({"cause": False}, True),
        ({"side": False}, True),
        ({"proof": False}, True),
        ({"proof": False, "unproved": 1}, False),  # none can be made
        ({"clear": False, "found": False, "layer": False}, False),  # less than rounding: nobody has to be blamed
        ({"clear": False, "others": ["b"]}, True),
    ],
)
def test_what_is_wrong_is_listed_as_a_miss(changes: dict, missed: bool) -> None:
    figures = table.summed([_plant(**changes)])
    assert [miss["number"] for miss in figures["misses"]] == ([3] if missed else [])


def test_small_changes_and_several_at_once_are_counted_apart() -> None:
    rows = table.summed(
        [
            _plant(),
            _plant(kinds=["weights perturbed"], sizes=[1e-5]),
            _plant(kinds=["weights perturbed"], sizes=[1e-4], layer=False),
            _plant(kinds=["wiring", "wiring"], sizes=[None, None]),
            _plant(clear=False),
        ]
    )["rows"]
    singles = rows["kind"]["all single faults, weights from 1e-4"]
    assert (singles["total"], singles["layer"], singles["rival allclose"], singles["rival largest"]) == (2, 1, 2, 0)
    assert {name: row["total"] for name, row in rows["size"].items()} == {"1e-05": 1, "1e-04": 1}
    assert rows["together"]["two faults"]["total"] == rows["below"]["moves less than rounding"]["total"] == 1


def test_proofs_are_counted_where_one_can_be_made() -> None:
    page = table.rendered(
        table.summed(
            [_plant(said=["a"]), _plant(said=["a"], proof=False, unproved=1), _plant(clear=False, proof=False)]
        )
    )
    assert "| wiring | 2 | 100.0% | 100.0% | 34.2% … 100.0% | 100.0% | 100.0% | 100.0% |" in page
    assert "| moves less than rounding | 1 | 100.0% | 100.0% | 20.7% … 100.0% | 100.0% | 100.0% | – |" in page


def test_the_accused_are_named_on_the_page() -> None:
    named = {"kind": "built twice", "said": ["a: config"], "status": "diverged"}
    accused = {"what": "innocent", "seed": 0, "number": 9, "accused": True, **named}
    page = table.rendered(table.summed([_plant(), accused]))
    assert "of which 1 were accused" in page
    assert "Accused: seed 0, model 9, built twice" in page


def test_the_page_is_what_the_figures_render_to() -> None:
    figures = json.loads((_ROOT / "docs" / "accuracy.json").read_text(encoding="utf-8"))
    assert (_ROOT / "docs" / "accuracy.md").read_text(encoding="utf-8") == table.rendered(figures)


def test_the_command_writes_the_page_from_results(tmp_path: Path) -> None:
    raw = tmp_path / "raw.jsonl"
    raw.write_text(json.dumps(_plant(layer=False)) + "\n")
    words = [sys.executable, "-m", "benchmarks.accuracy", "--render", str(raw), "--out", str(tmp_path)]
    subprocess.run(words, cwd=_ROOT, check=True)
    page = (tmp_path / "accuracy.md").read_text(encoding="utf-8")
    assert page == table.rendered(json.loads((tmp_path / "accuracy.json").read_text()))
    assert "| 0, 3 | wiring | a | nobody | layer |" in page


def _bench_with(fits: Callable[[Bench], str]) -> tuple[Bench, str]:
    """The first random model that has what is looked for, and its layer path."""
    for number in range(200):
        with contextlib.suppress(TypeError):  # Keras can't run every model that can be made
            bench = Bench(1, number)
            if path := fits(bench):
                return bench, path
    raise AssertionError("no such model among 200")


def test_what_is_planted_to_raise_has_to_raise() -> None:
    """A Dropout inside attention isn't called at inference."""
    bench, quiet = _bench_with(lambda b: next((p for p in b.drawer.layers if p.endswith("attention/dropout")), ""))
    for path, raises in ((quiet, False), (quiet.replace("/dropout", "/query"), True)):
        fault = Fault(kind="raises", causes={path: "implementation"}, planting=raising(path))
        found = bench._tried((fault,))
        assert (found is not None) is raises
        assert found is None or (found["expected"] == [path] and found["layer"])


@pytest.mark.slow
def test_every_call_of_a_wrapper_is_expected_to_be_told() -> None:
    def twice(bench: Bench) -> str:
        sites = [c.site for c in bench.reference if isinstance(c.layer, keras.layers.TimeDistributed)]
        again = next((site for site in sites if site.endswith("#1")), "")
        return next((p for p in bench.drawer.inner if again and p.startswith(f"{static(again)}/")), "")

    bench, path = _bench_with(twice)
    planting = altered(path, lambda weights: [w * 1.1 for w in weights])
    found = bench._tried((Fault(kind="weights perturbed", causes={path: "weights"}, size=0.1, planting=planting),))
    assert found is not None and found["layer"]
    outer, _, name = path.rpartition("/")
    assert found["expected"] == [f"{outer}#1/{name}", path]


def test_a_layer_that_trains_what_is_inside_is_told_of_and_leaves_its_weights_alone() -> None:
    def fits(bench: Bench) -> str:
        fault = bench.drawer.called_in_training()
        return "" if fault is None else next(iter(fault.causes))

    bench, path = _bench_with(fits)
    before = bench.twin.model.get_weights()
    found = bench._tried((Fault(kind="call context", causes={path: "call-context"}, planting=training_inside(path)),))
    assert found is not None and found["layer"] and found["cause"] and found["proof"]
    assert all(map(np.array_equal, before, bench.twin.model.get_weights()))


def test_a_layer_that_no_run_calls_takes_no_plant() -> None:
    """Attention holds a softmax that it passes by, and what it returns shows whatever else was planted in it."""
    bench, softmax = _bench_with(lambda b: next((p for p in b.drawer.layers if p.endswith("attention/softmax")), ""))
    path = softmax.replace("/softmax", "/query")
    recoded = Fault(kind="other code", causes={softmax: "implementation"}, planting=recoded_instance(softmax))
    query = Fault(kind="weights perturbed", causes={path: "weights"}, planting=scaled(path, 1.1))
    assert bench._tried((query, recoded)) is None
    right = bench._tried((query,))
    assert right is not None and right["layer"] and right["cause"] and right["proof"]


def test_a_layer_of_another_dtype_leaves_the_model_behind_it_as_it_is() -> None:
    """The model inside was given inputs of that dtype too, which is a second fault."""

    def inner(made: Made) -> list[str]:
        return [i.dtype for at in made.model.layers for i in getattr(at, "inputs", ()) if at.name.endswith("_inner")]

    def fits(bench: Bench) -> str:
        dense = (at.name for at in bench.made.model.layers if type(at) is keras.layers.Dense)
        return next(dense, "") if inner(bench.made) and bench.made.policy == "float32" else ""

    bench, path = _bench_with(fits)
    other = build(bench.at, {path: Change(options={"dtype": "float16"})})
    assert other.model.get_layer(path).compute_dtype == "float16"
    assert set(inner(other)) == {"float32"}
