"""Ways that run models: against themselves, each other, or their golden; see `test_green_means_equal.py`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import green_models as green
import keras
from green_models import chain, dense, rows
from green_ways import Way
from keras import layers

import tracer
from tracer.records import Report
from tracer.store import fixtures
from tracer.workflows import regression


def same(id: str, says: str, model: Callable[[], Any], *inputs: Any, **options: Any) -> Way:
    """A model against itself."""

    def run(folder: Path) -> Report:
        made = other = model()
        if options.get("training"):  # which changes a model while it runs
            other = model()
            other.set_weights(made.get_weights())
        return tracer.diff(made, other, inputs[0] if len(inputs) == 1 else list(inputs), **options)

    return Way(id, says, run)


def pair(id: str, says: str, reference: Callable[[], Any], candidate: Callable[[], Any]) -> Way:
    return Way(id, says, lambda folder: tracer.diff(reference(), candidate(), rows(3, 4)))


def golden(id: str, says: str, change: Callable[[Any], Any] = lambda found: found, **options: Any) -> Way:
    """A model against its own golden, which was changed."""

    def run(folder: Path) -> Report:
        model, path = chain(dense(), dense()), folder / "g.safetensors"
        found = regression.record_live(model, rows(2, 4), path)
        fixtures.write_golden(path, change(found))
        return tracer.check(model, path, rows(2, 4), **options)

    return Way(id, says, run)


def recorded(id: str, says: str, model: Callable[[], Any], inputs: Any) -> Way:
    """Recorded, and checked at once."""

    def run(folder: Path) -> Report:
        made = model()
        regression.record_live(made, inputs, folder / "g.safetensors")
        return tracer.check(made, folder / "g.safetensors", inputs)

    return Way(id, says, run)


def floored(floor: float) -> Callable[[Any], Any]:
    return lambda found: replace(found, sites=tuple(replace(site, floors=(floor,)) for site in found.sites))


def module(id: str, says: str, text: str, use: Callable[[str], Any]) -> Way:
    """A user's module, of a name of its own."""

    def run(folder: Path) -> Report:
        name = f"green_{id.replace('-', '_')}"
        (folder / f"{name}.py").write_text("import sys\nimport tracer.zoo\n" + text, encoding="utf-8")
        sys.path.insert(0, str(folder))
        try:
            found: Report = use(name)
        finally:
            sys.path.remove(str(folder))
        return found

    return Way(id, says, run)


def twice(name: str) -> Report:
    return tracer.diff(f"{name}:make", f"{name}:make")


def leaving(when: str, **options: Any) -> Callable[[Path], Report]:
    """A round trip of a layer that ends the process."""
    return lambda folder: tracer.roundtrip(chain(dense(), green.Leaves(when)), rows(2, 4), **options)


def exported(model: keras.Model) -> Report:
    return tracer.roundtrip(model, rows(2, 4), format="savedmodel")


class Word(layers.StringLookup):
    """So that no test needs a file of words."""

    def __init__(self, **options: Any) -> None:
        super().__init__(vocabulary=["a", "b"], **options)
