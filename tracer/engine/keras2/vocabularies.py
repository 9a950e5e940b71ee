"""Tables of text and category layers: Keras 2 leaves those that were learned out of the configuration."""

from __future__ import annotations

from typing import Any

import keras

from tracer.engine.keras2.modules import module


def tell_vocabularies(model: keras.Model) -> None:
    """Let the layers that look something up have the tables that they learned in their configurations, from here on."""
    lookup = module("layers.preprocessing.index_lookup").IndexLookup
    for layer in model._flatten_layers(include_self=False):
        if isinstance(layer, lookup) and (layer.input_vocabulary is None or not len(layer.input_vocabulary)):
            _tell(layer)  # from a SavedModel comes an empty list


def _tell(layer: Any) -> None:
    words = layer.get_vocabulary(include_special_tokens=False)
    if words:
        layer.input_vocabulary = words
    if words and layer.output_mode == "tf_idf":
        # Those of the words alone; Keras puts their mean in front, for what isn't among them.
        layer.input_idf_weights = layer.idf_weights.numpy()[layer._token_start_index() :][: len(words)]
