"""Node data for Model Explorer: the documented structure, every layer, a number for every error."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping

import makers
import pytest

from tracer.records import Report, Verdict
from tracer.report.forms.model_explorer import ENDLESS, node_data


@pytest.mark.parametrize("name", ["passed", "within", "nested_h5", "two_faults"])
def test_every_layer_has_its_error_and_the_colour_of_its_verdict(name: str, samples: Mapping[str, Report]) -> None:
    report = samples[name]
    data = json.loads(node_data(report))
    assert data.keys() == {"results", "name"}
    assert set(data["results"]) == {layer.layer.partition(":")[0] for layer in report.layers}
    for found in data["results"].values():
        assert found.keys() == {"value", "bgColor", "textColor"}
        assert isinstance(found["value"], (int, float)) and found["bgColor"].startswith("#")


def test_verdicts_are_told_apart_and_an_error_without_a_number_has_one() -> None:
    layers = [makers.layer_report(f"a/{verdict}", verdict, 0.25) for verdict in Verdict]
    endless = [makers.layer_report(f"b{n}", Verdict.INTRODUCED, error) for n, error in enumerate((math.inf, math.nan))]
    results = json.loads(node_data(makers.report(*layers, *endless)))["results"]
    assert len({results[f"a/{verdict}"]["bgColor"] for verdict in Verdict}) == len(Verdict)
    assert results["a/close"]["value"] == 0.25
    assert results["b0"]["value"] == results["b1"]["value"] == ENDLESS


@pytest.mark.parametrize("turn", [1, -1])
def test_a_call_with_several_outputs_is_one_node_as_bad_as_its_worst(turn: int) -> None:
    two = [makers.layer_report("a", Verdict.INHERITED, 0.4), makers.layer_report("a:1", Verdict.INTRODUCED, 0.2)]
    results = json.loads(node_data(makers.report(*two[::turn])))["results"]
    assert results.keys() == {"a"} and results["a"]["value"] == 0.2
