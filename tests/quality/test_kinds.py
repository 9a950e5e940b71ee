"""Every kind of model by every way back: what is a loss of Keras is found, and nothing else is."""

from __future__ import annotations

import keras
import pytest
from kinds import KINDS, TRAINING
from kinds_table import DOCUMENT, LOST, REFUSED, measured
from sampling import some_of

import tracer
from tracer.core.formats import FORMATS

pytestmark = pytest.mark.quality


@pytest.mark.slow
@pytest.mark.parametrize("kind", some_of(KINDS, every=4, always=LOST))
def test_a_kind_by_every_way(kind: str) -> None:
    row = measured(kind)
    print("\n".join(["", row.line(), *row.notes()]))
    lost, layers = LOST.get(kind, (set(), ()))
    refused = REFUSED.get(kind, {})
    for way in FORMATS:
        mark = row.marks[way]
        if way in lost:
            assert (mark, row.faults[way]) == ("✗", layers), way
        elif way in refused:
            assert mark == "!" and refused[way] in row.reasons[way], (way, row.reasons.get(way))
        elif mark == "–":
            assert row.reasons[way], way
        else:
            # XLA and the SavedModel's one graph round otherwise; every other way is bit for bit.
            assert mark == "=" or (mark == "≈" and FORMATS[way].outputs_only), (way, row.reasons.get(way))
    assert row.coverage == (1.0 if "keras" not in lost or layers == ("lstm", "gru") else 0.4)
    page = DOCUMENT.read_text(encoding="utf-8")
    if f"Keras {keras.__version__} " in page:  # another release has another table
        # Whether a SavedModel's graph rounds as the layers do depends on the processor; that it may is asserted above.
        assert row.line().replace("≈", "=") in page.replace("≈", "=")
        assert all(note in page for note in row.notes())


_QUICK = ("functional_unnamed", "subclassed_dict", "model_called_twice", "operators", "mixed_bfloat16", "int8")


@pytest.mark.parametrize("kind", _QUICK)
def test_a_sample_of_kinds_in_one_process(kind: str) -> None:
    model = KINDS[kind]()
    for way in ("keras", "sharded", "clone", "copy"):
        report = tracer.roundtrip(model, format=way, same_process=True, training=kind in TRAINING)
        assert (report.status, report.coverage) == ("pass", 1.0), way


def test_adapted_text_is_lost_by_weights_alone_and_kept_by_the_archive() -> None:
    model = KINDS["text_adapted"]()
    assert tracer.roundtrip(model, format="keras", same_process=True).matches
    report = tracer.roundtrip(model, format="clone", same_process=True)
    assert [(f.layer, f.cause) for f in report.faults] == [("vectorize", "unsaved-state")]


@pytest.mark.parametrize(
    ("path", "weight", "blamed", "class_name"),
    [
        ("stack", 0, "stack/stacked_rnn_cells/first", "LSTMCell"),
        ("stack", 4, "stack/stacked_rnn_cells/second", "GRUCell"),
        ("own", 0, "own/decay", "Decay"),
    ],
)
def test_the_cell_is_blamed_and_not_the_layer_that_steps_it(
    path: str, weight: int, blamed: str, class_name: str
) -> None:
    reference, candidate = KINDS["rnn_cells"](), KINDS["rnn_cells"]()
    variable = candidate.get_layer(path).weights[weight]
    variable.assign(variable * 1.01)
    (fault,) = tracer.diff(reference, candidate).faults
    assert (fault.layer, fault.class_name, fault.cause, fault.side) == (blamed, class_name, "weights", "candidate")
    assert fault.proof is not None and fault.proof.holds
