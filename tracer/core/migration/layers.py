"""The rules for layers: their arguments, their activations, and the classes that moved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from tracer.core.migration.rules import Config, Rule, UnsupportedError, convert, drop, refuse, rename

_RNNS: Final = ("LSTM", "GRU", "SimpleRNN", "RNN", "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D")
_CELLS: Final = ("LSTMCell", "GRUCell", "SimpleRNNCell")
_SEPARABLE: Final = ("SeparableConv1D", "SeparableConv2D")
_SPATIAL: Final = ("SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D")
_LOOKUPS: Final = ("StringLookup", "IntegerLookup", "TextVectorization")
# Layers that an application of Keras has in its own module, in Keras 3 too.
OF_CONVNEXT: Final = frozenset({"LayerScale", "StochasticDepth"})
_UNKNOWN_ARGUMENT: Final = "Keras 3 refuses the argument when it reads the file"
_WRITE_ANEW: Final = "Write this part of the model anew in Keras 3, and copy its weights."


def _single(axis: object) -> object:
    """`[3]` → 3; several axes stay."""
    return axis[0] if isinstance(axis, (list, tuple)) and len(axis) == 1 else axis


def _policy(dtype: object) -> object:
    """The name of a dtype policy, which Keras 2 writes with its class where precision is mixed."""
    inner = dtype.get("config") if isinstance(dtype, dict) else None
    return inner.get("name", dtype) if isinstance(inner, dict) else dtype


def _shape_of_input(config: Config) -> Config:
    if "batch_input_shape" not in config:
        return config
    rest = {name: value for name, value in config.items() if name != "batch_input_shape"}
    return {**rest, "batch_shape": config["batch_input_shape"]}


# Keras 2: clip(0.2 x + 0.5, 0, 1); Keras 3: clip(x / 6 + 0.5, 0, 1). Layers may be activations: this is the old one.
_HARD_SIGMOID: Final = MappingProxyType(
    {
        "module": "keras",
        "class_name": "Sequential",
        "config": {
            "name": "hard_sigmoid_of_keras_2",
            "layers": [
                {
                    "module": "keras.layers",
                    "class_name": "Rescaling",
                    "config": {"name": "slope", "scale": 0.2, "offset": 0.5},
                    "registered_name": None,
                },
                {
                    "module": "keras.layers",
                    "class_name": "ReLU",
                    "config": {"name": "clip", "max_value": 1.0},
                    "registered_name": None,
                },
            ],
        },
        "registered_name": None,
    }
)
_FUNCTIONS: Mapping[str, object] = MappingProxyType({"hard_sigmoid": _HARD_SIGMOID, "swish": "silu"})


def translate_activation(value: object) -> object:
    """The activation of Keras 3 that computes the same."""
    name = value
    if isinstance(value, dict) and value.get("class_name") == "function":
        name = value.get("config")
    if not isinstance(name, str):
        return value
    found = _FUNCTIONS.get(name, name)
    return dict(found) if isinstance(found, Mapping) else found


def _activation(argument: str) -> Rule:
    return convert(
        (),
        argument,
        "`hard_sigmoid` becomes `Rescaling(0.2, 0.5)` and `ReLU(max_value=1)`, which are what Keras 2 computes; other "
        "functions keep their names",
        "Keras 3 has another function of that name: a slope of 1/6 instead of 1/5",
        translate_activation,
    )


LAYER_RULES: Final[tuple[Rule, ...]] = (
    drop(
        ("DepthwiseConv1D", "DepthwiseConv2D", *_SEPARABLE, "Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose"),
        "groups",
        _UNKNOWN_ARGUMENT,
        only=(1, None),
    ),
    drop(_SEPARABLE, "kernel_initializer", "the two kernels have initializers of their own, which Keras 2 writes too"),
    drop(_SEPARABLE, "kernel_regularizer", _UNKNOWN_ARGUMENT, only=(None,)),
    drop(_SEPARABLE, "kernel_constraint", _UNKNOWN_ARGUMENT, only=(None,)),
    refuse(
        ("SeparableConv1D",),
        "padding",
        ("causal",),
        "Keras 3 pads this layer on both sides alone",
        "Put `ZeroPadding1D` in front of it and take padding='valid', in the code that built the model.",
    ),
    drop(_LOOKUPS, "vocabulary_size", "Keras 3 counts the vocabulary itself"),
    drop((*_RNNS, "Bidirectional"), "time_major", _UNKNOWN_ARGUMENT, only=(False, None), advice=_WRITE_ANEW),
    drop((*_RNNS, *_CELLS), "implementation", "Keras 3 has one implementation, which computes the same"),
    drop(("Embedding",), "input_length", "Keras 3 takes the length from its input"),
    rename(("LeakyReLU",), "alpha", "negative_slope", _UNKNOWN_ARGUMENT),
    Rule(
        subject="`batch_input_shape` of `InputLayer`",
        change="becomes `batch_shape`",
        why=_UNKNOWN_ARGUMENT,
        apply=_shape_of_input,
        classes=("InputLayer",),
    ),
    drop(("InputLayer",), "ragged", _UNKNOWN_ARGUMENT, only=(False, None), advice="Feed padded batches."),
    drop((), "batch_input_shape", "only an `InputLayer` has a shape in Keras 3"),
    drop(
        (*_SPATIAL, "Discretization"),
        "trainable",
        "Keras 3 refuses it for these, which have nothing to train",
    ),
    drop(_SPATIAL, "noise_shape", "these have the one that drops whole channels, in Keras 2 too"),
    drop((), "autocast", "Keras 3 has it in the dtype policy", only=(True, None)),
    convert(
        ("BatchNormalization", "LayerNormalization", "UnitNormalization", "Softmax"),
        "axis",
        "a list of one axis becomes that axis",
        "Keras 2 writes `[3]` where Keras 3 takes a number",
        _single,
    ),
    drop(("BatchNormalization",), "fused", "Keras 3 chooses the kernel by itself"),
    drop(("BatchNormalization",), "renorm", _UNKNOWN_ARGUMENT, only=(False, None), advice=_WRITE_ANEW),
    drop(("BatchNormalization",), "virtual_batch_size", _UNKNOWN_ARGUMENT, only=(None,), advice=_WRITE_ANEW),
    drop(("MultiHeadAttention",), "query_shape", "Keras 3 takes the shapes from the first call"),
    drop(("MultiHeadAttention",), "key_shape", "Keras 3 takes the shapes from the first call"),
    drop(("MultiHeadAttention",), "value_shape", "Keras 3 takes the shapes from the first call"),
    drop(
        ("Attention", "AdditiveAttention"),
        "causal",
        "Keras 3 has it in the call: `use_causal_mask`",
        only=(False, None),
    ),
    convert(
        (),
        "dtype",
        "a policy with its class becomes the policy's name",
        "the class has moved",
        _policy,
    ),
    _activation("activation"),
    _activation("recurrent_activation"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassRule:
    """A class that has another name, or none, in Keras 3.

    Attributes:
        old: its name in Keras 2.
        new: its name in Keras 3; "" where it is gone.
        change: what becomes of its configuration.
        why: why it can stand for the old one, or what is to be done without.
        settings: added to its configuration.
        renamed: arguments: old name → new name.
    """

    old: str
    new: str
    change: str
    why: str
    settings: Mapping[str, object] = field(default_factory=dict)
    renamed: Mapping[str, str] = field(default_factory=dict)


def _gone(old: str, why: str) -> ClassRule:
    return ClassRule(old=old, new="", change="can't be carried over", why=why)


CLASS_RULES: Final[tuple[ClassRule, ...]] = (
    ClassRule(
        old="ThresholdedReLU",
        new="ReLU",
        change="`ReLU`, `theta` becomes `threshold`",
        why="both let pass what is larger than the threshold",
        renamed=MappingProxyType({"theta": "threshold"}),
    ),
    ClassRule(
        old="SyncBatchNormalization",
        new="BatchNormalization",
        change="`BatchNormalization(synchronized=True)`",
        why="the class became an argument",
        settings=MappingProxyType({"synchronized": True}),
    ),
    ClassRule(
        old="BatchNormalizationV1", new="BatchNormalization", change="`BatchNormalization`", why="one name is left"
    ),
    ClassRule(
        old="BatchNormalizationV2", new="BatchNormalization", change="`BatchNormalization`", why="one name is left"
    ),
    _gone("LocallyConnected1D", f"Keras 3 has no layer whose weights aren't shared along the steps. {_WRITE_ANEW}"),
    _gone("LocallyConnected2D", f"Keras 3 has no layer whose weights aren't shared over the picture. {_WRITE_ANEW}"),
    _gone("RandomHeight", f"Keras 3 has no such layer. {_WRITE_ANEW} Use `RandomZoom` or `RandomCrop`."),
    _gone("RandomWidth", f"Keras 3 has no such layer. {_WRITE_ANEW} Use `RandomZoom` or `RandomCrop`."),
    _gone("CuDNNLSTM", f"It has two biases. {_WRITE_ANEW} Give `LSTM` the sum of the two biases."),
    _gone("CuDNNGRU", f"It has two biases. {_WRITE_ANEW} Give `GRU(reset_after=True)` both."),
    _gone("DenseFeatures", f"Feature columns are gone. {_WRITE_ANEW} Use preprocessing layers."),
    _gone("RandomFourierFeatures", f"Keras 3 has no such layer. {_WRITE_ANEW}"),
    _gone("TensorFlowOpLayer", f"It holds an operation of a TensorFlow 1 graph. {_WRITE_ANEW}"),
    _gone("SequenceFeatures", f"Feature columns are gone. {_WRITE_ANEW} Use preprocessing layers."),
)


def translate_settings(class_name: str, config: Config) -> tuple[str, Config, tuple[str, ...]]:
    """Class name and configuration of one layer in Keras 3, and the subjects of the rules that changed something.

    Raises:
        UnsupportedError: if there is no equivalent.
    """
    applied = []
    for class_rule in CLASS_RULES:
        if class_rule.old == class_name:
            if not class_rule.new:
                raise UnsupportedError(f"`{class_name}` is gone", class_rule.why)
            renamed = {class_rule.renamed.get(name, name): value for name, value in config.items()}
            class_name, config = class_rule.new, {**renamed, **class_rule.settings}
            applied.append(f"`{class_rule.old}`")
    for rule in LAYER_RULES:
        if not rule.classes or class_name in rule.classes:
            changed = rule.apply(config)
            if changed != config:
                applied.append(rule.subject)
            config = changed
    return class_name, config, tuple(applied)
