"""Every variant with a golden, saved and loaded in every format: it diverges where the known-issue table says, alone.

What is expected is read from the table and the layers of the model, not from what the comparison finds.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import yaml

from tracer.core.diagnosis.known_issues import affects, known_issues
from tracer.core.formats import FORMATS
from tracer.core.spec import parse_spec
from tracer.engine.model.build import build
from tracer.records import Status
from tracer.workflows import roundtrip_formats

pytestmark = [pytest.mark.quality, pytest.mark.slow]

_VARIANTS = yaml.safe_load((Path(__file__).parents[2] / "params.yaml").read_text(encoding="utf-8"))["variants"]
# One of each family; TRACER_ALL_VARIANTS=everyday takes all of them, =1 also in all formats that have layers (an hour).
_ALL = os.environ.get("TRACER_ALL_VARIANTS", "")
_CHOSEN = [name for name in _VARIANTS if _ALL or name in ("EfficientNetB0", "EfficientNetV2B0", "MobileNetV3Small")]
_EVERYDAY = ["keras", "h5", "weights", "config", "checkpoint"]
_FORMATS = [name for name in FORMATS if name != "savedmodel"] if _ALL == "1" else _EVERYDAY
# Keras 3.15 writes MobileNetV3 to .h5 and then can't load it: its `x + 3.0` comes back as a layer that takes tensors
# alone. An error, not another prediction; the table has none of those.
_REFUSED = {("MobileNetV3Small", "h5"), ("MobileNetV3Large", "h5")}
_SIZE = 64  # pixels: the layers are the same at every size


def _models(name: str) -> Iterator[tuple[str, Any]]:
    """The application itself, and as the base of a classifier."""
    base = build(parse_spec(name), image_size=_SIZE)
    yield "flat", base
    inputs = keras.Input((_SIZE, _SIZE, 3))
    outputs = keras.layers.Dense(3, name="head")(base(inputs))
    yield "nested", keras.Model(inputs, outputs)


def _normalizations(model: Any, prefix: str = "") -> list[str]:
    found = []
    for layer in model.layers:
        if isinstance(layer, keras.layers.Normalization) and layer.input_mean is None:  # else its mean is in its config
            found.append(prefix + layer.name)
        if isinstance(layer, keras.Model):
            found += _normalizations(layer, f"{prefix}{layer.name}/")
    return found


def _expected(model: Any, format: str) -> dict[str, set[str]]:
    """Layer path → the threads of what it has, by the table; models of these families lose nothing else."""
    found: dict[str, set[str]] = {}
    for path in _normalizations(model):
        nested = "/" in path
        threads = {
            issue.thread
            for issue in known_issues()
            if issue.classes == ("Normalization",)
            and FORMATS[format].family in issue.formats
            and issue.nested in (None, nested)
            and affects(issue, keras.__version__)
        }
        if threads:
            found[path] = threads
    return found


@pytest.mark.parametrize("name", _CHOSEN)
def test_a_variant_diverges_where_the_table_says_and_nowhere_else(name: str) -> None:
    inputs = 255 * np.random.RandomState(0).rand(1, _SIZE, _SIZE, 3).astype("float32")
    for kind, model in _models(name):
        reports = roundtrip_formats(model, _FORMATS, inputs)
        assert set(reports) == set(_FORMATS)
        for format, report in reports.items():
            if isinstance(report, Exception):
                assert (name, format) in _REFUSED, f"{name}, {kind}, {format}: {report}"
                print(f"{name:20} {kind:7} {format:20} can't be loaded")
                continue
            assert (name, format) not in _REFUSED, f"{name}, {kind}, {format}: it can be loaded now"
            expected = _expected(model, format)
            blamed = {fault.layer: fault for fault in report.faults}
            print(f"{name:20} {kind:7} {format:20} {report.status:24} {', '.join(blamed) or '-'}")
            assert set(blamed) == set(expected), f"{name}, {kind}, {format}"
            assert all(fault.known_issue in expected[layer] for layer, fault in blamed.items())
            assert report.status == (Status.DIVERGED if expected else Status.PASS), f"{name}, {kind}, {format}"
