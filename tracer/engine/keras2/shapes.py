"""Shapes that Keras 2 found out from TensorFlow, and that Keras 3 has to be told."""

from __future__ import annotations

from typing import Any

import keras


def tell_shapes(model: keras.Model) -> None:
    """Let every `EinsumDense` have the sizes of its output in its configuration, where all its calls agree on them."""
    for layer in model._flatten_layers(include_self=False):
        if isinstance(layer, keras.layers.EinsumDense) and None in _partial(layer):
            shapes = {tuple(node.output_shapes)[1:] for node in layer._inbound_nodes}
            if len(shapes) == 1:
                layer.partial_output_shape = list(shapes.pop())


def _partial(layer: Any) -> tuple[object, ...]:
    shape = layer.partial_output_shape
    return (shape,) if isinstance(shape, int) else tuple(shape)
