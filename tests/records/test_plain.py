"""A layer's report holds a `Difference`; readers of the attributes and of the JSON see its numbers beside the rest."""

from __future__ import annotations

import json
import math
from dataclasses import fields, replace

import pytest

from tracer.records import Difference, ErrorMap, Histogram, LayerReport, Verdict
from tracer.records.plain import layer_from, timings_from, to_plain

NUMBERS = Difference(
    rel_error=0.5,
    max_abs=0.25,
    max_ulp=3.0,
    cosine=0.75,
    worst_index=(1, 2),
    worst_reference=1.0,
    worst_candidate=1.25,
    nonfinite_reference=4,
    nonfinite_candidate=5,
    channels=((2, 0.875), (0, 0.125)),
    sample_error=0.625,
    worst_sample=1,
    worst_batch=3,
)
LAYER = LayerReport(
    layer="head", class_name="Dense", verdict=Verdict.INTRODUCED, difference=NUMBERS, local_error=0.5,
    tolerance=2e-6, shape=(2, 3), dtype="float32", note="a note", inbound=("body", "<input 0>"),
    histogram=Histogram(low=-1.0, high=2.5, reference=(3, 0), candidate=(1, 2)),
    error_map=ErrorMap(height=5, width=3, fields=((0.5, 0.0), (1.25, 0.75))),
)  # fmt: skip
# As it was written before a layer's report held a `Difference`, in the order of that time.
WRITTEN = """{"layer": "head", "class_name": "Dense", "verdict": "introduced", "rel_error": 0.5, "local_error": 0.5,
"tolerance": 2e-06, "max_abs": 0.25, "max_ulp": 3.0, "cosine": 0.75, "worst_index": [1, 2], "worst_reference": 1.0,
"worst_candidate": 1.25, "nonfinite_reference": 4, "nonfinite_candidate": 5, "channels": [[2, 0.875], [0, 0.125]],
"shape": [2, 3], "dtype": "float32", "note": "a note", "inbound": ["body", "<input 0>"],
"histogram": {"low": -1.0, "high": 2.5, "reference": [3, 0], "candidate": [1, 2]},
"error_map": {"height": 5, "width": 3, "fields": [[0.5, 0.0], [1.25, 0.75]]},
"sample_error": 0.625, "worst_sample": 1, "worst_batch": 3}"""


@pytest.mark.parametrize("name", [field.name for field in fields(Difference)])
def test_every_number_of_the_difference_is_an_attribute_of_the_layer(name: str) -> None:
    assert getattr(LAYER, name) == getattr(NUMBERS, name)
    with pytest.raises((AttributeError, TypeError)):  # which of them depends on the version of Python
        setattr(LAYER, name, None)


def test_the_json_of_a_layer_is_what_it_was() -> None:
    written, of_old = to_plain(LAYER), json.loads(WRITTEN)
    assert isinstance(written, dict)
    assert {key: written[key] for key in of_old} == of_old
    defaults = {each.name: to_plain(each.default) for each in fields(Difference)}
    assert {key: value for key, value in written.items() if key not in of_old} == {
        key: defaults[key] for key in written.keys() - of_old.keys()
    }
    assert layer_from(of_old) == layer_from(written) == LAYER


def test_a_layer_of_an_old_report_needs_no_more_than_it_was_judged_by() -> None:
    old = {"layer": "head", "class_name": "Dense", "verdict": "close", "rel_error": 1e-7, "tolerance": 2e-6}
    layer = layer_from(old)
    assert layer.difference == Difference(rel_error=1e-7, max_abs=0.0, max_ulp=0.0, cosine=1.0)
    assert layer.local_error is None


def test_what_json_has_no_number_for_comes_back() -> None:
    numbers = Difference(rel_error=math.inf, max_abs=math.inf, max_ulp=math.nan, cosine=math.nan)
    written = to_plain(replace(LAYER, difference=numbers))
    assert isinstance(written, dict)
    assert [written[name] for name in ("rel_error", "max_abs", "max_ulp", "cosine")] == [None] * 4
    layer = layer_from(written)
    assert math.isinf(layer.rel_error) and math.isinf(layer.max_abs)
    assert math.isnan(layer.max_ulp) and math.isnan(layer.cosine)


@pytest.mark.parametrize("missing", ["verdict", "rel_error", "tolerance"])
def test_a_layer_without_its_verdict_error_or_bound_is_damaged(missing: str) -> None:
    data = json.loads(WRITTEN)
    del data[missing]
    with pytest.raises(KeyError, match=missing):
        layer_from(data)


def test_a_phase_without_a_number_took_nan_seconds() -> None:
    found = timings_from({"build": 1, "compare": None})
    assert found["build"] == 1.0 and math.isnan(found["compare"])


def test_a_field_without_a_number_is_null_in_json_and_a_report_of_old_has_no_map() -> None:
    found = replace(LAYER, error_map=ErrorMap(height=1, width=2, fields=((math.nan, 1.0),)))
    written = json.loads(json.dumps(to_plain(found), allow_nan=False))
    assert written["error_map"]["fields"] == [[None, 1.0]]
    read = layer_from(written).error_map
    assert read is not None and math.isnan(read.fields[0][0]) and read.fields[0][1] == 1.0
    del written["error_map"]
    assert layer_from(written).error_map is None
