"""The installed Keras against the goldens of this repository: an item for every variant and block of layers."""

from __future__ import annotations

import functools
import re
from pathlib import Path

import pytest

import tracer
from tracer.records import Report
from tracer.store.fixtures import all_fixtures, read_golden

_FIXTURES = Path(__file__).resolve().parents[1] / "fixtures"
_QUICK = ("EfficientNetB0", "MobileNetV3Small")
_MEGABYTES = 3.0, 12.0  # of one golden; of all of EfficientNetB0 … B7


def block_of(path: str) -> str:
    """`block2a_expand_conv` → `block2a`, `top_bn` → `top`, `expanded_conv_6_add` → `expanded_conv_6`."""
    found = re.match(r"[a-z]*_?conv_\d+|block_?\d+[a-z]?|[a-z0-9]+", path.lower())
    return found[0] if found else path


def blocks(path: Path) -> list[str]:
    return list(dict.fromkeys(block_of(site.path) for site in read_golden(path).sites))


@functools.cache
def report(path: Path) -> Report:
    return tracer.check(read_golden(path).name, path)


_ITEMS = [
    pytest.param(path, block, id=f"{path.stem}-{block}", marks=() if path.stem in _QUICK else pytest.mark.slow)
    for path in all_fixtures(_FIXTURES)
    for block in blocks(path)
]


@pytest.mark.parametrize(("path", "block"), _ITEMS)
def test_the_installed_keras_is_as_it_was_recorded(path: Path, block: str) -> None:
    found = report(path)
    bad = [layer for layer in found.layers if block_of(layer.layer) == block and layer.rel_error > layer.tolerance]
    faults = {fault.layer: str(fault.cause) for fault in found.faults}
    assert not bad, {layer.layer: (layer.rel_error, layer.tolerance, faults.get(layer.layer)) for layer in bad}


@pytest.mark.parametrize("path", all_fixtures(_FIXTURES), ids=lambda path: path.stem)
def test_a_golden_is_small_and_says_who_agreed(path: Path) -> None:
    golden = read_golden(path)
    assert path.stat().st_size < _MEGABYTES[0] * 1e6
    assert golden.name == path.stem and golden.is_double
    same, other = golden.provenance["witnesses"]
    assert same["worst"] <= 1e-10 and other["worst"] <= 1e-6
    assert same["environment"]["keras"] != golden.provenance["environment"]["keras"]
    assert other["environment"]["backend"] != golden.provenance["environment"]["backend"]
    wide = {site.path: golden.tolerance(site) for site in golden.sites if golden.tolerance(site) > 5e-6}
    assert all(site.floor * 4 > 5e-6 for site in golden.sites if site.path in wide)


def test_the_goldens_of_efficientnets_are_small_together() -> None:
    sizes = [path.stat().st_size for path in all_fixtures(_FIXTURES) if re.fullmatch(r"EfficientNetB\d", path.stem)]
    assert sizes and sum(sizes) < _MEGABYTES[1] * 1e6
