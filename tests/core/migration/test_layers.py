"""Rules for layers: each argument and class of Keras 2 as Keras 3 has it, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from tracer.core.migration.layers import CLASS_RULES, LAYER_RULES, translate_activation, translate_settings
from tracer.core.migration.rules import UnsupportedError


@pytest.mark.parametrize(
    ("class_name", "before", "after"),
    [
        ("DepthwiseConv2D", {"groups": 1}, {}),
        ("SeparableConv2D", {"groups": 1, "kernel_initializer": "ones", "kernel_constraint": None}, {}),
        ("Conv2DTranspose", {"groups": 1, "strides": [2, 2]}, {"strides": [2, 2]}),
        ("Conv2D", {"groups": 2}, {"groups": 2}),  # Keras 3 has these
        ("LSTM", {"time_major": False, "implementation": 2, "units": 3}, {"units": 3}),
        ("GRU", {"time_major": False, "reset_after": False}, {"reset_after": False}),
        ("ConvLSTM2D", {"time_major": False}, {}),
        ("GRUCell", {"implementation": 1}, {}),
        ("Embedding", {"input_length": 6, "mask_zero": True, "batch_input_shape": [None, 6]}, {"mask_zero": True}),
        ("LeakyReLU", {"alpha": 0.2}, {"negative_slope": 0.2}),
        ("ELU", {"alpha": 0.2}, {"alpha": 0.2}),
        ("InputLayer", {"batch_input_shape": [None, 6], "ragged": False}, {"batch_shape": [None, 6]}),
        ("Dense", {"batch_input_shape": [None, 6], "units": 2}, {"units": 2}),
        ("BatchNormalization", {"axis": [3], "fused": True}, {"axis": 3}),
        ("LayerNormalization", {"axis": [2]}, {"axis": 2}),
        ("LayerNormalization", {"axis": [1, 2]}, {"axis": [1, 2]}),
        (
            "MultiHeadAttention",
            {"query_shape": [1], "key_shape": [1], "value_shape": [1], "num_heads": 2},
            {"num_heads": 2},
        ),
        ("Attention", {"causal": False, "use_scale": True}, {"use_scale": True}),
        ("StringLookup", {"vocabulary_size": 4, "vocabulary": ["a"]}, {"vocabulary": ["a"]}),
        ("Dense", {"dtype": {"class_name": "Policy", "config": {"name": "mixed_float16"}}}, {"dtype": "mixed_float16"}),
        ("Dense", {"dtype": "float32", "autocast": True}, {"dtype": "float32"}),
        ("SeparableConv1D", {"padding": "same"}, {"padding": "same"}),
        ("Conv1D", {"padding": "causal"}, {"padding": "causal"}),
        ("Discretization", {"trainable": True, "bin_boundaries": [0.0]}, {"bin_boundaries": [0.0]}),
        ("Dense", {"trainable": True, "units": 1}, {"trainable": True, "units": 1}),
        ("Dense", {"activation": "swish"}, {"activation": "silu"}),
    ],
)
def test_settings_become_those_of_keras_3(class_name: str, before: dict[str, Any], after: dict[str, Any]) -> None:
    assert translate_settings(class_name, before)[:2] == (class_name, after)


def test_what_was_changed_is_told_and_nothing_else() -> None:
    assert translate_settings("LeakyReLU", {"alpha": 0.2})[2] == ("`alpha` of `LeakyReLU`",)
    assert translate_settings("Dense", {"units": 3, "activation": "relu"})[2] == ()


@pytest.mark.parametrize(
    ("old", "before", "new", "after"),
    [
        ("ThresholdedReLU", {"theta": 0.5}, "ReLU", {"threshold": 0.5}),
        ("SyncBatchNormalization", {"axis": [3]}, "BatchNormalization", {"axis": 3, "synchronized": True}),
        ("BatchNormalizationV1", {"axis": [1], "fused": None}, "BatchNormalization", {"axis": 1}),
        ("BatchNormalizationV2", {}, "BatchNormalization", {}),
    ],
)
def test_classes_that_moved(old: str, before: dict[str, Any], new: str, after: dict[str, Any]) -> None:
    name, config, applied = translate_settings(old, before)
    assert (name, config) == (new, after)
    assert applied[0] == f"`{old}`"


@pytest.mark.parametrize("old", [rule.old for rule in CLASS_RULES if not rule.new])
def test_classes_that_are_gone_are_refused_with_what_to_do(old: str) -> None:
    with pytest.raises(UnsupportedError, match=f"`{old}` is gone") as refused:
        translate_settings(old, {})
    assert refused.value.advice


@pytest.mark.parametrize(
    ("class_name", "argument", "value"),
    [
        ("LSTM", "time_major", True),
        ("DepthwiseConv2D", "groups", 2),
        ("SeparableConv2D", "kernel_regularizer", {"class_name": "L2", "config": {}}),
        ("BatchNormalization", "renorm", True),
        ("BatchNormalization", "virtual_batch_size", 4),
        ("InputLayer", "ragged", True),
        ("SeparableConv1D", "padding", "causal"),
        ("Attention", "causal", True),
    ],
)
def test_values_without_an_equivalent_are_refused(class_name: str, argument: str, value: object) -> None:
    with pytest.raises(UnsupportedError, match=f"{argument}=.* has no equivalent in Keras 3"):
        translate_settings(class_name, {argument: value})


@pytest.mark.parametrize("argument", ["activation", "recurrent_activation"])
def test_hard_sigmoid_keeps_what_it_computes(argument: str) -> None:
    """0.2 x + 0.5 between 0 and 1; Keras 3's function of that name has another slope."""
    config = translate_settings("LSTM", {argument: "hard_sigmoid"})[1][argument]
    slope, clip = (layer["config"] for layer in config["config"]["layers"])
    assert (slope["scale"], slope["offset"], clip["max_value"]) == (0.2, 0.5, 1.0)


def test_activations_written_as_functions() -> None:
    written = {"module": "keras.activations", "class_name": "function", "config": "hard_sigmoid"}
    assert translate_activation(written) == translate_activation("hard_sigmoid")
    assert translate_activation("gelu") == "gelu"  # the exact one in both
    layer = {"class_name": "LeakyReLU", "config": {"alpha": 0.1}}
    assert translate_activation(layer) == layer


def test_each_activation_is_a_record_of_its_own() -> None:
    """Two layers that got one and the same would change each other's."""
    assert translate_activation("hard_sigmoid") is not translate_activation("hard_sigmoid")


def test_every_rule_says_what_and_why() -> None:
    for rule in LAYER_RULES:
        assert rule.subject, rule
        assert rule.change, rule
        assert rule.why, rule
        assert rule.since == "3.0", rule
    assert len({rule.subject for rule in LAYER_RULES}) == len(LAYER_RULES)
    assert len({rule.old for rule in CLASS_RULES}) == len(CLASS_RULES)
