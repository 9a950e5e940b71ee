"""Names with `/`, as DenseNet and MobileNetV3 of Keras 2 have them: legal ones, wherever something refers to them."""

from __future__ import annotations

import keras
import pytest
from test_translate import dense, graph, start

from tracer.core.migration.layer_names import legal_name, with_legal_names
from tracer.core.migration.translate import translate


def test_names_change_where_layers_have_them_and_where_others_refer_to_them() -> None:
    inner = graph("in/ner", [start("x", 3), dense("a/b", [[["x", 0, 0, {}]]])], [["a/b", 0, 0]])
    inner |= {"name": "in/ner", "inbound_nodes": [[["start/x", 0, 0, {}]]]}
    outer = graph("m", [start("start/x", 3), inner, dense("out", [[["in/ner", 1, 0, {}]]])], [["out", 0, 0]])
    translation = translate(outer)
    assert translation.problems == () and next(iter(translation.applied.values())) == 3
    model = keras.saving.deserialize_keras_object(translation.config)
    assert [layer.name for layer in model.layers] == ["start_x", "in_ner", "out"]
    assert [layer.name for layer in model.get_layer("in_ner").layers] == ["x", "a_b"]


def test_settings_that_look_like_a_name_stay_as_they_are() -> None:
    layers = [start("x", 3), dense("a/b", [[["x", 0, 0, {}]]], path="a/b")]
    found, count = with_legal_names(graph("m", layers, [["a/b", 0, 0]]))
    assert count == 1
    assert found["config"]["layers"][1]["config"] == {"name": "a_b", "units": 2, "path": "a/b"}
    assert found["config"]["output_layers"] == [["a_b", 0, 0]]


def test_without_such_names_nothing_changes() -> None:
    config = graph("m", [start("x", 3)], [["x", 0, 0]])
    assert with_legal_names(config) == (config, 0) and legal_name("a_b") == "a_b"


@pytest.mark.parametrize("other", ["a_b", "a/b"])
def test_two_layers_of_one_name_are_refused(other: str) -> None:
    layers = [start("x", 3), dense("a/b", [[["x", 0, 0, {}]]]), dense(other, [[["a/b", 0, 0, {}]]])]
    (problem,) = translate(graph("m", layers, [[other, 0, 0]])).problems
    assert "would be called 'a_b'" in str(problem) and "in Keras 2" in str(problem)
