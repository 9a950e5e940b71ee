"""`conclude` and what it is told: which reason outweighs which, and how layers are named in it.  Records only."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from makers import BOUND, call, facts, layer_report, value

from tracer.core.comparison.alignment import Alignment
from tracer.core.comparison.conclusion import conclude, conclusion, differs, first_divergence, layer_reports
from tracer.core.comparison.gap import NO_NUMBER, SAME, Gap
from tracer.core.comparison.judge import Judgement
from tracer.core.comparison.localize import innermost
from tracer.core.comparison.lockstep import Trace
from tracer.core.numbers.tolerance import PER_SAMPLE
from tracer.core.source import End, Facts, Run
from tracer.records import ErrorMap, LayerReport, Status, Verdict

_EQUAL = Gap(difference=SAME, kind="", same=True)
# The first that holds decides.
_ORDER: tuple[tuple[str, Any, Status], ...] = (
    ("nothing", "nothing was compared", Status.INCONCLUSIVE),
    ("faults", True, Status.DIVERGED),
    ("random", "it draws", Status.INCONCLUSIVE),
    ("differs", True, Status.DIVERGED),
    ("unsound", "it is dead", Status.INCONCLUSIVE),
    ("same", True, Status.PASS),
)


@pytest.mark.parametrize("held", [set(c) for n in range(7) for c in itertools.combinations(range(6), n)], ids=str)
def test_the_first_reason_that_holds_decides_and_is_told(held: set[int]) -> None:
    found = conclude(**{name: said for i, (name, said, _) in enumerate(_ORDER) if i in held})
    first = next((entry for i, entry in enumerate(_ORDER) if i in held), ("", "", Status.WITHIN_TOLERANCE))
    assert found.status is first[2]
    assert found.reason == (first[1] if found.status is Status.INCONCLUSIVE else "")


def judged(*layers: LayerReport, here: str = "", there: str = "") -> Judgement:
    path = layers[0].layer
    return Judgement(
        reference=call(path, error=here), candidate=call(path, error=there), layers=layers, introduced=False
    )


def traced(*judgements: Judgement, outputs: tuple[Gap, ...] = (_EQUAL,)) -> Trace:
    end = End(outputs=(value(np.arange(4)),))
    return Trace(
        judgements=judgements, unmatched_reference=(), unmatched_candidate=(), outputs=outputs, reference_end=end,
        candidate_end=end, leak={}, alignment=Alignment({}, frozenset(), frozenset()), run=Run(inputs=()),
    )  # fmt: skip


def concluded(*layers: LayerReport, faults: int = 0, **other: Any) -> tuple[Status, str]:
    found = conclusion(traced(*map(judged, layers), **other), layers, faults)
    return found.status, found.reason


def test_a_candidate_that_was_helped_over_an_error_never_passes() -> None:
    """It went on with the reference's outputs: that its own agree says nothing."""
    layer = layer_report("a", Verdict.IDENTICAL)
    trace = traced(judged(layer, there="ValueError: no"))
    assert conclusion(trace, [layer], 0).status is Status.DIVERGED
    both = traced(judged(layer, here="ValueError: no", there="ValueError: no"))
    assert conclusion(both, [layer], 0).status is Status.PASS


def test_equal_layers_with_another_model_output_differ() -> None:
    gap = Gap(difference=NO_NUMBER, kind="a mask against none", same=False)
    assert concluded(layer_report("a", Verdict.IDENTICAL), outputs=(gap,))[0] is Status.DIVERGED


def test_a_model_without_outputs_shows_nothing() -> None:
    status, reason = concluded(layer_report("a", Verdict.IDENTICAL), outputs=())
    assert (status, reason) == (Status.INCONCLUSIVE, "the model returns no tensor, so nothing can be compared.")


def test_where_no_output_has_numbers_the_first_says_why() -> None:
    layers = [layer_report(name, Verdict.INCOMPARABLE, note=f"why {name}") for name in "ab"]
    status, reason = concluded(*layers)
    assert status is Status.INCONCLUSIVE and "the first is a: why a" in reason


@pytest.mark.parametrize(
    ("names", "told"),
    [("a", "a: "), ("abc", "a, b, c: "), ("abcd", "a, b, c and 1 more: "), ("abcdefg", "c and 4 more")],
)
def test_random_layers_are_named_and_the_rest_counted(names: str, told: str) -> None:
    status, reason = concluded(*(layer_report(name, Verdict.NONDETERMINISTIC, 0.5) for name in names))
    assert status is Status.INCONCLUSIVE and told in reason
    assert "differs from itself when run twice" in reason


def test_a_random_layer_says_of_itself_why() -> None:
    note = "the candidate raises ValueError at one time and not at another"
    _, reason = concluded(layer_report("a", Verdict.NONDETERMINISTIC, 0.5, note=note))
    assert note in reason and "run twice" not in reason


# --- one output


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"error": BOUND}, False),
        ({"error": 1.01 * BOUND}, True),
        ({"sample_error": PER_SAMPLE * BOUND}, False),
        ({"sample_error": 1.01 * PER_SAMPLE * BOUND}, True),
        ({"note": "the mask"}, True),
    ],
)
def test_an_output_differs_beyond_either_bound_or_by_its_type(changes: Any, expected: bool) -> None:
    error = changes.pop("error", 0.0)
    assert differs(layer_report("a", Verdict.INHERITED, error, **changes)) is expected
    assert not differs(layer_report("a", Verdict.CLOSE, error, **changes))  # judged within its bound


def test_the_first_divergence_may_be_the_second_output_of_a_call() -> None:
    layers = [layer_report("a", Verdict.IDENTICAL), layer_report("a:1", Verdict.INHERITED, 1.0), layer_report("b")]
    assert first_divergence(layers) == "a:1"


# --- the innermost layer

_CELLS = {"config": {"cells": [
    {"class_name": "LSTMCell", "config": {"name": "lstm_cell_4"}},
    {"class_name": "GRUCell", "config": {"name": "mine"}},
]}}  # fmt: skip


def rnn(**weights: float) -> Facts:
    held = {name.replace("__", "/"): np.float32([number]) for name, number in weights.items()}
    return facts(class_name="keras.layers.RNN", config=_CELLS, weights=held)


@pytest.mark.parametrize(
    ("class_name", "here", "there", "blamed"),
    [
        ("RNN", rnn(lstm_cell_4__w=1, mine__w=1), rnn(lstm_cell_4__w=2, mine__w=1), ("rnn/lstm_cell", "LSTMCell")),
        ("RNN", rnn(lstm_cell_4__w=1, mine__w=1), rnn(lstm_cell_4__w=1, mine__w=2), ("rnn/mine", "GRUCell")),
        ("RNN", rnn(lstm_cell_4__w=1, mine__w=1), rnn(lstm_cell_4__w=2, mine__w=2), ("rnn", "RNN")),  # not one of them
        ("RNN", rnn(mine__w=1), rnn(mine__w=1), ("rnn", "RNN")),  # none of them
        ("LSTM", rnn(mine__w=1), rnn(mine__w=2), ("rnn", "LSTM")),  # it owns its cell
        ("RNN", rnn(mine__w=1), None, ("rnn", "RNN")),
        ("RNN", None, None, ("rnn", "RNN")),
        ("TimeDistributed", facts(config={"layer": "a name alone"}), None, ("rnn", "TimeDistributed")),
    ],
)
def test_an_rnn_is_blamed_by_its_cell_where_one_cell_differs(
    class_name: str, here: Facts | None, there: Facts | None, blamed: tuple[str, str]
) -> None:
    at = call("rnn", class_name=class_name)
    judgement = Judgement(reference=at, candidate=at, layers=(), introduced=True, facts=(here, there))
    assert innermost(judgement) == blamed


def test_a_number_that_keras_gave_a_cell_is_left_out_and_one_that_somebody_chose_is_not() -> None:
    def named(name: str, class_name: str) -> Facts:
        config = {"cell": {"class_name": class_name, "config": {"name": name}}}
        return facts(config=config, weights={f"{name}/w": np.float32([len(name)])})

    for name, class_name, told in [
        ("stacked_rnn_cells_3", "StackedRNNCells", "stacked_rnn_cells"),
        ("cell_3", "LSTMCell", "cell_3"),
        ("lstmcell_x", "LSTMCell", "lstmcell_x"),
    ]:
        at, here = call("rnn", class_name="RNN"), named(name, class_name)
        there = facts(config=here.config, weights={f"{name}/w": np.float32([-1])})
        judgement = Judgement(reference=at, candidate=at, layers=(), introduced=True, facts=(here, there))
        assert innermost(judgement) == (f"rnn/{told}", class_name)


def test_the_rows_of_a_wrapper_are_told_under_the_layer_that_it_holds() -> None:
    inside = facts(config={"layer": {"class_name": "Conv2D", "config": {"name": "conv"}}})
    at = call("each#1", class_name="TimeDistributed")
    rows = (layer_report("each#1", Verdict.INTRODUCED, 1.0), layer_report("each#1:1", Verdict.INTRODUCED, 1.0))
    judgement = Judgement(reference=at, candidate=at, layers=rows, introduced=True, facts=(inside, inside))
    told = layer_reports(traced(judgement), ["each#1/conv"])
    assert [(layer.layer, layer.class_name, layer.verdict) for layer in told] == [
        ("each#1/conv", "Conv2D", Verdict.MASKED), ("each#1/conv:1", "Conv2D", Verdict.MASKED),
    ]  # fmt: skip


def test_maps_of_the_error_are_kept_of_the_first_layers_at_fault_alone() -> None:
    """A map is ten kilobytes, and a model of other weights is at fault in hundreds of layers."""
    drawn = ErrorMap(height=2, width=1, fields=((1.0,), (0.0,)))
    layers = [layer_report(f"l{n}", Verdict.INTRODUCED, 0.1, error_map=drawn if n % 2 else None) for n in range(40)]
    told = layer_reports(traced(*map(judged, layers)), ())
    kept = [layer.layer for layer in told if layer.error_map is not None]
    assert kept == [f"l{n}" for n in range(1, 16, 2)]
    assert [layer.rel_error for layer in told] == [0.1] * 40
