"""Seeded weights: the same model in every Keras release and on every backend, with a signal that stays alive.

Keras' own initial weights let the signal of a deep model die (a standard deviation of 5e-9 at the logits of
EfficientNetB0), and then a broken layer changes nothing that can be seen. Here every variable is drawn from NumPy's
frozen `RandomState`, keyed by what the variable is called inside the model, so that neither Keras' initializers and
random generators, nor the order of creation, nor what else the process built before, have a say.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType

import keras
import numpy as np

from tracer.core.source import Array
from tracer.engine import compat
from tracer.engine.layer.graphs import consumers_in, graph_built
from tracer.engine.types import Node

# As the ImageNet files of EfficientNet store them: the `variance` there is the standard deviation, since the
# architecture divides by its square root twice (a `Rescaling` follows; see keras/src/applications/efficientnet.py).
_IMAGENET_MEAN = (0.485, 0.456, 0.406)
_IMAGENET_VARIANCE = (0.229, 0.224, 0.225)

# What brings a signal of unit variance back to about that behind an activation, a gate that is half open, or a global
# pooling. Behind a swish 1.68 would be exact, but then whatever is a little too large grows all the way down.
_RECTIFIED, _SWISHED, _GATED, _POOLED = 1.41, 1.54, 1.82, 2.0
_RECTIFIERS = frozenset({"relu", "relu6", "leaky_relu", "leakyrelu", "prelu", "elu"})
_SWISHES = frozenset({"swish", "silu", "hard_swish", "hard_silu", "gelu", "mish"})
_SATURATING = frozenset({"softmax", "sigmoid", "log_softmax"})
# The largest factor on a branch that is added to its own input; with n of them it is 1/√n, so that the signal of the
# deepest model grows by (1 + 1/n)^(n/2) < 1.65 on its way, where a factor of 1 would make it 2^(n/2).
_BRANCH = 0.5
_GATE = 0.5  # on a kernel that makes a gate: one that slams shut or open makes a deep model explode
_LOGITS = 3.2  # on a kernel that makes the logits of an output; with what pooling takes away it comes out near 2
_PIXEL = 64.0  # standard deviation of the pixels of a picture, in 0 … 255
# By the classes of Keras 3, and by those of Keras 2, where they have no such base.
_DEPTHWISE = frozenset({"BaseDepthwiseConv", "DepthwiseConv1D", "DepthwiseConv2D"})
_TRANSPOSED = frozenset({"BaseConvTranspose", "Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose"})
_SCALED_KERNELS = frozenset({"kernel", "pointwise_kernel"})
# Variables of these names are drawn uniformly from a range; `alpha` is the slope of a PReLU.
_RANGES: Mapping[str, tuple[float, float]] = MappingProxyType(
    {
        "gamma": (0.8, 1.2),
        "scale": (0.8, 1.2),
        "alpha": (0.1, 0.4),
        "moving_mean": (0.0, 0.0),
        "moving_variance": (1.0, 1.0),
    }
)
_NUMBERED = re.compile(r"(?P<stem>.*?)_(?P<number>\d+)")


def seed_weights(
    model: keras.Model, seed: int = 0, *, skip: Callable[[keras.Layer], bool] | None = None
) -> keras.Model:
    """Fills all float weights of `model`, in place, with seeded values, and returns it.

    Kernels are normal with a standard deviation of 1/√fan-in, `gamma` and `scale` uniform in 0.8 … 1.2, `beta` and
    biases normal with 0.1, moving statistics 0 and 1, `Normalization` has ImageNet's mean and variance where it has
    three channels and is finalized; kernels in front of a softmax or sigmoid output are larger, so that the logits
    have a standard deviation near 2. Integer variables (counters, seeds of random layers) and quantized layers stay as
    they are.

    Args:
        model: a built Keras model or layer; nested models and composite layers are filled through and through.
        seed: another seed, another model.
        skip: layers of which this is true keep their weights and their state.

    Returns:
        The same `model`.
    """
    gains = _gains(model)
    for path, layer in _layers(model):
        # The float variables of a quantized layer are the scales of its integer kernel: they belong together.
        if getattr(layer, "quantization_mode", None) is None and (skip is None or not skip(layer)):
            _fill(layer, seed, path, gains.get(id(layer), 1.0))
    return model


def _fill(layer: keras.Layer, seed: int, path: str, gain: float) -> None:
    """Give a layer's own variables their values; its kernel, where it has one, is multiplied by `gain`."""
    variables = [
        v for v in _own_variables(layer) if compat.dialect().dtype_name(v.dtype).startswith(("float", "bfloat"))
    ]
    for variable, name in zip(
        variables, _stable_names(compat.dialect().variable_name(v) for v in variables), strict=True
    ):
        value = _draw(layer, variable, _generator(seed, path, name))
        if compat.dialect().variable_name(variable) in _SCALED_KERNELS:
            value = value * gain
        variable.assign(value.astype(np.float32))
    if isinstance(layer, keras.layers.Normalization) and layer.built:
        layer.finalize_state()  # otherwise it goes on computing with the statistics it was built with


def _generator(seed: int, path: str, name: str) -> np.random.RandomState:
    """NumPy guarantees the stream of `RandomState` for good, not that of `default_rng`."""
    key = "\0".join((str(seed), path, name)).encode()
    return np.random.RandomState(int.from_bytes(hashlib.blake2b(key, digest_size=4).digest(), "little"))


def _layers(model: keras.Model) -> Iterator[tuple[str, keras.Layer]]:
    """Every layer once, the model itself included, with its path of stable names; a shared one has its first path."""
    seen = {id(model)}
    queue = [("", model)]
    while queue:
        path, layer = queue.pop(0)
        yield path, layer
        children = [c for c in layer._flatten_layers(include_self=False, recursive=False) if id(c) not in seen]
        seen.update(id(c) for c in children)
        names = _stable_names(c.name for c in children)
        queue.extend((f"{path}/{name}", child) for name, child in zip(names, children, strict=True))


def _stable_names(names: Iterable[str]) -> list[str]:
    """Sibling names with their numbers replaced by ranks: `[dense_7, top, dense_5]` → `[dense~1, top~0, dense~0]`.

    Keras numbers unnamed layers through the whole process, so their numbers say what was built before. Their order
    doesn't.
    """
    parts = []
    for position, name in enumerate(names):
        match = _NUMBERED.fullmatch(name)
        stem, number = (match["stem"], int(match["number"])) if match else (name, -1)
        parts.append((stem, number, position))
    taken: Counter[str] = Counter()
    stable = [""] * len(parts)
    for stem, _, position in sorted(parts):
        stable[position] = f"{stem}~{taken[stem]}"
        taken[stem] += 1
    return stable


def _own_variables(layer: keras.Layer) -> list[keras.Variable]:
    """The weights that belong to `layer` itself, not to a layer inside it, and no seed state."""
    return compat.dialect().own_variables(layer)


def _draw(layer: keras.Layer, variable: keras.Variable, random: np.random.RandomState) -> Array:
    """A value for one variable, by its role; float64, of the variable's shape."""
    name, shape = compat.dialect().variable_name(variable), tuple(variable.shape)
    if isinstance(layer, keras.layers.Normalization) and name in ("mean", "variance"):
        return _statistics(name, shape, random)
    if name in _RANGES:
        return np.asarray(random.uniform(*_RANGES[name], shape))
    if "embeddings" in name:  # an id picks a row: the fan-in is one
        return np.asarray(random.normal(0.0, 1.0, shape))
    if len(shape) < 2 or "bias" in name or name == "beta":
        return np.asarray(random.normal(0.0, 0.1, shape))
    return np.asarray(random.normal(0.0, 1.0, shape) / np.sqrt(_fan_in(layer, name, shape)))


def _statistics(name: str, shape: Sequence[int], random: np.random.RandomState) -> Array:
    """Of `Normalization`: ImageNet's for three channels, else of the size of a standardized feature's."""
    if tuple(shape) == (3,):
        return np.array(_IMAGENET_MEAN if name == "mean" else _IMAGENET_VARIANCE)
    return np.asarray(random.normal(0.0, 0.5, shape) if name == "mean" else random.uniform(0.5, 1.5, shape))


def _fan_in(layer: keras.Layer, name: str, shape: Sequence[int]) -> float:
    """How many inputs one output of this kernel sums over."""
    classes = {c.__name__ for c in type(layer).__mro__}
    if name == "depthwise_kernel" or classes & _DEPTHWISE:
        return float(np.prod(shape[:-2]))
    if classes & _TRANSPOSED:  # (*space, out, in); a stride leaves each output only some of the taps
        taps = np.prod(shape[:-2]) / np.prod(layer.strides)
        return float(max(1.0, taps) * shape[-1])
    if "EinsumDense" in classes and name == "kernel":
        return _summed(layer.equation, shape)
    return float(np.prod(shape[:-1]))


def _summed(equation: str, shape: Sequence[int]) -> float:
    """How many inputs an einsum with a kernel of this shape sums over."""
    inputs, kernel, output = re.split(r",|->", equation.replace(" ", ""))
    summed = [size for label, size in zip(kernel, shape, strict=False) if label in inputs and label not in output]
    return float(np.prod(summed or [1]))


def _gains(model: keras.Model) -> dict[int, float]:
    """The factor on the kernel of each layer that is called in a graph, by its `id`; the smallest of all calls."""
    gains: dict[int, float] = {}
    for _, layer in _layers(model):
        nodes = _nodes(layer)
        sums = sum(map(_is_sum, nodes))
        branch = min(_BRANCH, sums**-0.5) if sums else 1.0
        consumers = consumers_in(nodes)
        for node in nodes:
            if _has_kernel(node.operation) and node.input_tensors:
                gain = _gain_before(node) * _gain_behind(node, consumers, branch)
                gains[id(node.operation)] = min(gain, gains.get(id(node.operation), gain))
    return gains


def _nodes(layer: keras.Layer) -> list[Node]:
    """The calls in the graph of a model, first ones first; none for anything without one.

    Also where its own code runs instead: a gain keeps the signal alive, and a seed gives the same weights for good.
    """
    graph = graph_built(layer)
    by_depth = {} if graph is None else graph._nodes_by_depth
    return [node for depth in sorted(by_depth, reverse=True) for node in by_depth[depth]]


def _gain_before(node: Node) -> float:
    """What makes up for the activations, gates and poolings between this kernel and the one in front of it."""
    gain, deviation = 1.0, 1.0
    while node.input_tensors:
        node = compat.dialect().node_of(node.input_tensors[0])
        operation = node.operation
        kind = type(operation).__name__.lower()
        gain *= _activation_gain(node) * (_POOLED if kind.startswith("globalaveragepooling") else 1.0)
        if kind == "normalization":
            deviation = _deviation(operation)
        if kind == "rescaling":  # in front of pixels, or of numbers that already are near 1
            scale = float(np.mean(np.abs(operation.scale)))
            return gain * deviation / (scale * _PIXEL if scale <= 0.05 else scale)
        if _has_known_variance(node):
            break
    return gain


def _has_known_variance(node: Node) -> bool:
    """Behind a kernel or a normalization it is known again; a sum or a concatenation is taken as it is."""
    kind = type(node.operation).__name__.lower()
    if len(node.input_tensors) > 1 and kind != "multiply":
        return True
    is_normalized = kind.endswith("batchnormalization") or isinstance(node.operation, keras.Model)
    return is_normalized or _has_kernel(node.operation)


def _deviation(normalization: keras.layers.Normalization) -> float:
    """What a `Normalization` divides by: what it was made with, or what it's going to be filled with."""
    variance = normalization.input_variance
    return float(np.mean(np.sqrt(_IMAGENET_VARIANCE if variance is None else variance)))


def _activation_gain(node: Node) -> float:
    """A MobileNetV3 spells its hard swish as one activation or as a product, by release: both have to count alike."""
    kind = type(node.operation).__name__.lower()
    names = {kind, _activation_name(node.operation)}
    if kind == "multiply" and len(node.input_tensors) > 1:
        left, right = node.input_tensors[:2]
        return _SWISHED if tuple(left.shape) == tuple(right.shape) else _GATED
    if names & _SWISHES:
        return _SWISHED
    return _RECTIFIED if names & _RECTIFIERS else 1.0


def _gain_behind(node: Node, consumers: Mapping[int, list[Node]], branch: float) -> float:
    """Small at the end of a residual branch, large where the logits of a saturating output are made."""
    while True:
        saturating = _saturates(node.operation)
        following = consumers.get(id(node.outputs[0]), [])
        if not following:
            return _LOGITS if saturating else 1.0
        if saturating:
            return _GATE
        node = following[0]
        if len(following) == 1 and _is_sum(node):
            return branch
        if len(following) > 1 or len(node.input_tensors) > 1 or _has_kernel(node.operation):
            return 1.0


def _saturates(operation: keras.Operation) -> bool:
    return bool({_activation_name(operation), type(operation).__name__.lower()} & _SATURATING)


def _is_sum(node: Node) -> bool:
    return type(node.operation).__name__.lower() == "add" and len(node.input_tensors) > 1


def _has_kernel(operation: keras.Operation) -> bool:
    is_layer = isinstance(operation, keras.layers.Layer)
    return is_layer and any(compat.dialect().variable_name(v) in _SCALED_KERNELS for v in _own_variables(operation))


def _activation_name(operation: keras.Operation) -> str:
    return str(getattr(getattr(operation, "activation", None), "__name__", "")).lower()
