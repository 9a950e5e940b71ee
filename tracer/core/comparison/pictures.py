"""Small pictures of outputs that differ: how their values are distributed, and where in a picture they are apart."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from tracer.core.comparison.judge import Judgement
from tracer.core.numbers.error_map import error_map
from tracer.core.numbers.histogram import histogram
from tracer.core.source import Array
from tracer.records import LayerReport

_VALUES: Final = 1 << 14  # of each side
_POSITIONS: Final = 64  # along each axis of a picture
_BINS: Final = 24
_FIELDS: Final = 6


def pictured(judgement: Judgement) -> Judgement:
    """The judgement with pictures of all of its outputs that aren't bit for bit the same; a layer at fault has its own.

    They are made of a part of the values, evenly spread, and cost about a millisecond an output.
    """
    r, c = judgement.reference.outputs, judgement.candidate.outputs
    layers = [
        _pictured(layer, r[index].array, c[index].array) if index < min(len(r), len(c)) else layer
        for index, layer in enumerate(judgement.layers)
    ]
    return replace(judgement, layers=tuple(layers))


def _pictured(layer: LayerReport, here: Array, there: Array) -> LayerReport:
    if not layer.rel_error > 0 or layer.histogram is not None or here.shape != there.shape:
        return layer
    return replace(
        layer,
        histogram=histogram(here, there, _VALUES, _BINS),
        error_map=error_map(_thinned(here), _thinned(there), _FIELDS),
    )


def _thinned(array: Array) -> Array:
    """Of a picture, positions that are evenly spread over its height and its width."""
    if array.ndim != 4:
        return array
    down, across = (max(1, size // _POSITIONS) for size in array.shape[1:3])
    return array[:, ::down, ::across]
