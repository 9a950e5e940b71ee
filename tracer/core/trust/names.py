"""What the configuration of a model file may name without anybody's leave: the parts of Keras that models are made of.

A list of what is allowed, not of what is bad: Keras lists what is bad, and each of its lists was found too short.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

# Packages of Keras' own, whose classes are layers, tokenizers and the like.
PACKAGES: Final = frozenset({"keras_hub", "keras_nlp", "keras_cv", "keras_rs"})

# Below `keras`, `keras.src` or `keras.api`: where the classes that models consist of live, in Keras 2 and 3.
_CLASS_ROOMS: Final = frozenset(
    {
        "activations",
        "constraints",
        "distillation",
        "dtype_policies",
        "engine",
        "initializers",
        "layers",
        "legacy.layers",
        "legacy.losses",
        "losses",
        "metrics",
        "mixed_precision",
        "models",
        "ops",
        "optimizers",
        "quantizers",
        "random",
        "regularizers",
        "trainers",
        "utils.feature_space",
        "utils.jax_layer",
        "_legacy.layers",
        "_legacy.losses",
    }
)
# Classes in modules that also hold what no model consists of: there, what is called like a class may be a function that
# loads weights from any path (`keras.applications.ConvNeXtTiny`).
_CLASSES: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        "applications": frozenset({"CustomScaleLayer", "LayerScale", "StochasticDepth"}),
        "utils": frozenset({"FeatureSpace"}),
    }
)
# Where its functions on tensors live. None of these modules has a function that reads, writes, loads or runs something.
_FUNCTION_ROOMS: Final = frozenset({"activations", "legacy.backend", "losses", "metrics", "ops", "_legacy.backend"})
# Functions on tensors in modules that also hold others: what people give to a Lambda layer, or as an activation.
_FUNCTIONS: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        "applications": frozenset({"preprocess_input"}),
        "layers": frozenset(
            {"add", "average", "concatenate", "dot", "maximum", "minimum", "multiply", "subtract"},
        ),
        "utils": frozenset({"normalize", "to_categorical"}),
    }
)
_FUNCTIONS_OF_PACKAGES: Final = frozenset({"gelu_approximate"})
_FUNCTIONS_OF_TENSORFLOW: Final = frozenset(
    {
        "abs",
        "cos",
        "crelu",
        "elu",
        "erf",
        "exp",
        "gelu",
        "l2_normalize",
        "leaky_relu",
        "log",
        "log_sigmoid",
        "log_softmax",
        "negative",
        "relu",
        "relu6",
        "selu",
        "sigmoid",
        "silu",
        "sin",
        "softmax",
        "softmax_v2",
        "softplus",
        "softsign",
        "sqrt",
        "square",
        "swish",
        "tanh",
    }
)
_ROOTS: Final = re.compile(r"keras(?:\.src|\.api)?(?:\._v2\.keras|\._tf_keras\.keras)?(?:\.(?P<rest>[\w.]+))?")
_CLASS: Final = re.compile(r"[A-Z]\w*")
_FUNCTION: Final = re.compile(r"[a-z]\w*")
# Functions of these modules that take a configuration or a name, and make something of it.
_MAKERS: Final = frozenset({"get", "serialize", "deserialize"})

# Classes of Keras that are code or a path to code, whatever else their configuration says.
CODE_CLASSES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "TFSMLayer": "it loads and runs a SavedModel from any path",
        "TorchModuleWrapper": "it unpickles Python objects, which can run code",
        "TensorFlowOpLayer": "it runs any operation of TensorFlow, also one that writes a file",
    }
)
# What a configuration writes where a value is no plain JSON.
VALUES: Final = frozenset(
    {
        "__keras_tensor__",
        "__tensor__",
        "__numpy__",
        "__bytes__",
        "__ellipsis__",
        "__slice__",
        "__tuple__",
        "__complex__",
        "TensorShape",
    }
)

# Functions that Keras writes with the module `builtins`, by their name alone; whatever else has that module is Python's
# (`exec`, `eval`), or the user's own.
FUNCTIONS: Final = frozenset(
    {
        "binary_accuracy",
        "binary_crossentropy",
        "binary_focal_crossentropy",
        "categorical_accuracy",
        "categorical_crossentropy",
        "categorical_focal_crossentropy",
        "categorical_generalized_cross_entropy",
        "categorical_hinge",
        "celu",
        "circle",
        "concordance_correlation",
        "cosine_similarity",
        "ctc",
        "dice",
        "elu",
        "exponential",
        "gelu",
        "glu",
        "hard_shrink",
        "hard_sigmoid",
        "hard_silu",
        "hard_swish",
        "hard_tanh",
        "hinge",
        "huber",
        "kl_divergence",
        "leaky_relu",
        "linear",
        "log_cosh",
        "log_sigmoid",
        "log_softmax",
        "mean_absolute_error",
        "mean_absolute_percentage_error",
        "mean_squared_error",
        "mean_squared_logarithmic_error",
        "mish",
        "pearson_correlation",
        "poisson",
        "relu",
        "relu6",
        "selu",
        "sigmoid",
        "silu",
        "soft_shrink",
        "softmax",
        "softplus",
        "softsign",
        "sparse_categorical_accuracy",
        "sparse_categorical_crossentropy",
        "sparse_plus",
        "sparse_sigmoid",
        "sparse_top_k_categorical_accuracy",
        "sparsemax",
        "squared_hinge",
        "squareplus",
        "swish",
        "tanh",
        "tanh_shrink",
        "threshold",
        "top_k_categorical_accuracy",
        "tversky",
    }
)


def is_class_of_keras(module: str, name: str) -> bool:
    """Whether `module.name` is where Keras, or a package of its own, keeps classes that models consist of."""
    if _CLASS.fullmatch(name) is None:
        return False
    if module.partition(".")[0] in PACKAGES:
        return True
    room = _room(module)
    return room is not None and (room == "" or _is_within(room, _CLASS_ROOMS) or _is_listed(room, name, _CLASSES))


def is_function_of_keras(module: str, name: str) -> bool:
    """Whether `module.name` is where Keras, a package of its own, or TensorFlow keeps functions on tensors."""
    if module == "builtins":
        return name in FUNCTIONS
    if module.partition(".")[0] in PACKAGES:
        return name in _FUNCTIONS_OF_PACKAGES
    if module.startswith("tensorflow.python.ops."):
        return name in _FUNCTIONS_OF_TENSORFLOW
    room = _room(module)
    if room is None or _FUNCTION.fullmatch(name) is None or name in _MAKERS:
        return False
    return _is_within(room, _FUNCTION_ROOMS) or _is_listed(room, name, _FUNCTIONS)


def is_type_of_tensorflow(module: str, name: str) -> bool:
    """Whether it is the description of a tensor's type, such as `TensorSpec`."""
    return module.startswith("tensorflow.python.") and re.fullmatch(r"[A-Z]\w*Spec", name) is not None


def _room(module: str) -> str | None:
    """Where in Keras a module is, "" for `keras` itself; None for a module of something else."""
    match = _ROOTS.fullmatch(module)
    return None if match is None else match["rest"] or ""


def _is_within(room: str, rooms: frozenset[str]) -> bool:
    """Whether a module is one of these, or in one of them."""
    parts = room.split(".")
    return any(".".join(parts[:depth]) in rooms for depth in (1, 2))


def _is_listed(room: str, name: str, listed: Mapping[str, frozenset[str]]) -> bool:
    return name in listed.get(room.partition(".")[0], ())
