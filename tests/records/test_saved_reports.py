"""Records as plain JSON types and back: nothing is lost but what JSON can't say, and what is damaged is refused."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from makers import fault, layer_report, report

from tracer.errors import DivergenceError, FixtureError
from tracer.records import Cause, Evidence, Inputs, Proof, Report, Side, Status, Verdict
from tracer.records.plain import fault_from, inputs_from, layer_from, to_plain

_PROOF = Proof(healed=0.0, broken=1.2e-6, output_error=1.2e-6, holds=True)
_FAULT = fault(
    "a/b#1", side=Side.CANDIDATE, cause=Cause.CONFIG, masked=True, known_issue="keras#1", fixed_in="3.6.0",
    remedy="do this", proof=_PROOF, evidence=(Evidence(kind="config", name="rate", reference="0.1", candidate="0.2"),),
    phase="training",
)  # fmt: skip
# What an exception tells of it.
_TOLD = ("    rate: 0.1 in the reference, 0.2 in the candidate", "    remedy: do this")
_LAYER = layer_report(
    "a", Verdict.INHERITED, 0.5, local_error=1e-8, shape=(2, 3), dtype="float32", worst_index=(0, 2),
    worst_reference=1.5, channels=((0, 0.75), (2, 0.25)), sample_error=0.7, worst_sample=1,
    note="a note",
)  # fmt: skip
_INPUTS = Inputs(
    origin="file", source="x.npz", samples=2, shapes={"x": (2, 3)}, dtypes={"x": "float32"}, conversions=("c",)
)


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (Verdict.CLOSE, "close"),
        (math.nan, None),
        (-math.inf, None),
        (np.float32(0.5), 0.5),
        (np.float64("nan"), None),
        (np.int64(3), 3),
        (np.bool_(True), True),
        (1 + 2j, "(1+2j)"),
        (b"raw", "b'raw'"),
        ({1: (2.0, None)}, {"1": [2.0, None]}),
        (
            _PROOF,
            {"healed": 0.0, "broken": 1.2e-6, "output_error": 1.2e-6, "holds": True, "implied": False, "batch": None},
        ),
    ],
)
def test_plain_types(value: object, plain: object) -> None:
    assert to_plain(value) == plain
    assert type(to_plain(value)) is type(plain)


scalars = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.complex_numbers() | st.binary()
)
anything = st.recursive(
    scalars | st.sampled_from([_FAULT, _LAYER, _INPUTS, np.float16(1), np.datetime64("2026-01-01")]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.integers() | st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(anything)
def test_whatever_a_report_holds_is_strict_json(value: object) -> None:
    plain = to_plain(value)
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain


# --- back again


def written(record: object) -> Any:
    return json.loads(json.dumps(to_plain(record)))


def test_records_come_back_equal() -> None:
    assert fault_from(written(_FAULT)) == _FAULT
    assert layer_from(written(_LAYER)) == _LAYER
    assert inputs_from(written(_INPUTS)) == _INPUTS


@pytest.mark.parametrize("error", [math.inf, -math.inf, math.nan])
def test_an_error_without_a_number_comes_back_as_infinite_so_that_it_never_passes(error: float) -> None:
    found = layer_from(written(layer_report("a", Verdict.INHERITED, error)))
    assert found.rel_error == math.inf
    weak = fault_from(written(replace(_FAULT, proof=replace(_PROOF, healed=error)))).proof
    assert weak is not None and weak.healed == math.inf


def test_where_no_local_error_was_taken_there_is_none() -> None:
    assert layer_from(written(layer_report("a", local_error=None))).local_error is None


def test_a_difference_that_says_nothing_of_ulps_and_angle_still_says_nothing() -> None:
    found = layer_from(written(layer_report("a", max_ulp=math.nan, cosine=math.nan)))
    assert math.isnan(found.max_ulp) and math.isnan(found.cosine)


def test_what_a_newer_tracer_adds_to_a_record_is_left_out() -> None:
    assert fault_from({**written(_FAULT), "added": 1}) == _FAULT
    assert layer_from({**written(_LAYER), "added": 1}) == _LAYER
    assert inputs_from({**written(_INPUTS), "added": 1}) == _INPUTS


def test_inputs_that_an_old_report_lacks_are_none() -> None:
    assert inputs_from(None) is None


# --- a whole report

_REPORT = report(
    _LAYER, status=Status.DIVERGED, faults=(_FAULT,), hidden=(_FAULT,), inputs=_INPUTS, first_divergence="a",
    unmatched={"reference": ("old",), "candidate": ()}, environments={"reference": {"keras": "3.15.1"}},
    specs={"reference": "m.keras"}, timings={"compare": 1.5}, notes=("weak",), reason="",
)  # fmt: skip
_KEPT = ("unmatched", "environments", "specs", "timings", "notes", "hidden", "inputs", "reason")


def test_a_report_comes_back_equal() -> None:
    assert Report.from_dict(written(_REPORT.to_dict())) == _REPORT


@pytest.mark.parametrize("key", _KEPT)
def test_what_reports_of_old_lack_is_as_if_there_were_none(key: str) -> None:
    data = written(_REPORT.to_dict())
    del data[key]
    assert Report.from_dict(data) == replace(_REPORT, **{key: getattr(report(), key)})


@pytest.mark.parametrize("key", ["status", "compared", "coverage", "first_divergence", "faults", "layers"])
def test_what_a_report_has_to_say_is_missed(key: str) -> None:
    data = written(_REPORT.to_dict())
    del data[key]
    with pytest.raises(FixtureError, match=f"damaged: KeyError: '{key}'"):
        Report.from_dict(data)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"schema": 2}, "schema 1: its `schema` is 2"),
        ({"schema": None}, "its `schema` is None"),
        ({"status": "fine"}, "'fine' is not a valid Status"),
        ({"compared": "many"}, "ValueError"),
        ({"layers": 3}, "TypeError"),
        ({"layers": [{"layer": "a"}]}, "KeyError"),
        ({"faults": [{"layer": "a", "class_name": "b", "side": "left", "cause": "config"}]}, "'left'"),
    ],
)
def test_a_damaged_report_says_what_is_wrong_with_it(change: Mapping[str, Any], says: str) -> None:
    with pytest.raises(FixtureError, match=says):
        Report.from_dict({**written(_REPORT.to_dict()), **change})


@pytest.mark.parametrize(
    ("status", "compared", "matches"),
    [
        (Status.PASS, 1, True),
        (Status.WITHIN_TOLERANCE, 1, True),
        (Status.PASS, 0, False),  # nothing was compared
        (Status.DIVERGED, 1, False),
        (Status.INCONCLUSIVE, 1, False),
    ],
)
def test_only_what_was_compared_and_passed_matches(status: Status, compared: int, matches: bool) -> None:
    found = report(_LAYER, status=status, compared=compared)
    assert found.matches is matches is found.to_dict()["matches"]
    if matches:
        found.raise_for_divergence()
        return
    with pytest.raises(DivergenceError) as raised:
        found.raise_for_divergence()
    assert raised.value.report is found


def test_the_exception_names_verdict_faults_and_first_divergence() -> None:
    with pytest.raises(DivergenceError) as raised:
        _REPORT.raise_for_divergence()
    assert str(raised.value).splitlines() == [
        "diverged: a/b#1 (config); 1 layer outputs compared",
        "  fault: a/b#1 (Dense), cause config, candidate is wrong",
        *_TOLD,
        "  differs: a/b#1 (Dense), cause config, these inputs don't show it",
        *_TOLD,
        "  first divergence: a",
        "  weak",
    ]
    with pytest.raises(DivergenceError, match=r"^inconclusive: it is dead$"):
        report(status=Status.INCONCLUSIVE, reason="it is dead").raise_for_divergence()
