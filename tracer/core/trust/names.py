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
        "dtype_policies",
        "engine",
        "initializers",
        "layers",
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
    }
)
# Where its functions on tensors live. None of these modules has a function that reads, writes, loads or runs something.
_FUNCTION_ROOMS: Final = frozenset({"activations", "losses", "metrics", "ops"})
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
    return _room(module, _CLASS_ROOMS)


def is_function_of_keras(module: str, name: str) -> bool:
    """Whether `module.name` is where Keras keeps functions on tensors."""
    if module == "builtins":
        return name in FUNCTIONS
    return _FUNCTION.fullmatch(name) is not None and name not in _MAKERS and _room(module, _FUNCTION_ROOMS)


def is_type_of_tensorflow(module: str, name: str) -> bool:
    """Whether it is the description of a tensor's type, such as `TensorSpec`."""
    return module.startswith("tensorflow.python.") and re.fullmatch(r"[A-Z]\w*Spec", name) is not None


def _room(module: str, rooms: frozenset[str]) -> bool:
    """Whether a module is `keras` itself or in one of its rooms; `keras.Model` is a class of `keras` itself."""
    match = _ROOTS.fullmatch(module)
    if match is None:
        return False
    rest = match["rest"]
    if rest is None:
        return rooms is _CLASS_ROOMS
    return rest.partition(".")[0] in rooms
