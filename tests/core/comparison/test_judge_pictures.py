"""Pictures of what differs: of any layer, where they were asked for, and of a part of the values."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scripted import INPUTS, ScriptedSource, Step, changed

from tracer.core.comparison.conclusion import layer_reports
from tracer.core.comparison.judge import pictured
from tracer.core.comparison.lockstep import lockstep
from tracer.core.source import Value
from tracer.records import LayerReport, Verdict

CHAIN = tuple(Step(name) for name in "abcd")


def traced(pictures: bool) -> dict[str, LayerReport]:
    sides = ScriptedSource(CHAIN), ScriptedSource(changed(CHAIN, "b", offset=0.5))
    trace = lockstep(*sides, INPUTS, pictures=pictures)
    return {layer.layer: layer for layer in layer_reports(trace, ())}


def test_what_inherits_an_error_has_a_histogram_where_it_was_asked_for() -> None:
    asked, unasked = traced(True), traced(False)
    assert [name for name, layer in asked.items() if layer.histogram] == ["b", "c", "d"]
    assert [name for name, layer in unasked.items() if layer.histogram] == ["b"]
    assert {name: layer.verdict for name, layer in asked.items()} == {n: at.verdict for n, at in unasked.items()}
    found = asked["d"].histogram
    assert found is not None and sum(found.reference) == INPUTS.size and found.reference != found.candidate


def image(rng: np.random.RandomState, height: int = 160, width: int = 96) -> np.ndarray:
    return rng.normal(size=(2, height, width, 5)).astype("float32")


def inherited(here: np.ndarray, there: np.ndarray) -> LayerReport:
    sides = ScriptedSource(CHAIN), ScriptedSource(changed(CHAIN, "b", offset=0.5))
    judgement = lockstep(*sides, INPUTS).judgements[2]
    assert judgement.layers[0].verdict is Verdict.INHERITED
    full = replace(
        judgement,
        reference=replace(judgement.reference, outputs=(Value(array=here),)),
        candidate=replace(judgement.candidate, outputs=(Value(array=there),)),
    )
    return pictured(full).layers[0]


def test_an_error_in_a_corner_is_seen_in_the_corner_though_few_positions_are_read() -> None:
    here = image(np.random.RandomState(0))
    there = here.copy()
    there[:, :40, 72:] += 1.0
    found = inherited(here, there).error_map
    assert found is not None and len(found.fields) == 6 and len(found.fields[0]) == 6
    fields = np.array(found.fields)
    assert (fields[0, 5:] > 0.9).all()
    assert fields[2:].max() == fields[:, :4].max() == 0


def test_of_outputs_of_other_shapes_there_is_no_picture() -> None:
    here = image(np.random.RandomState(0))
    found = inherited(here, here[:, :80])
    assert found.histogram is None and found.error_map is None
