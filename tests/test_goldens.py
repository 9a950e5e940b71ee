"""The installed Keras against the goldens of this repository: an item for every variant and block of layers."""

from __future__ import annotations

import functools
import re
from pathlib import Path

import pytest

import tracer
from tracer.records import Report
from tracer.store.fixtures import read_golden
from tracer.store.places import all_fixtures
from tracer.workflows.goldens.recording import REFERENCE, WITNESSES

_FIXTURES = Path(__file__).resolve().parents[1] / "fixtures"
_QUICK = ("EfficientNetB0", "MobileNetV3Small")
_MEGABYTES = 3.0, 12.0  # of one golden; of all EfficientNets, V2 included
_WIDE = 1.5e-5  # relative L2: no tolerance is as wide; with another seed the same models have up to 8e-5


def block_of(path: str) -> str:
    """`block2a_expand_conv` → `block2a`, `top_bn` → `top`, `expanded_conv_6_add` → `expanded_conv_6`."""
    found = re.match(r"[a-z]*_?conv_\d+|block_?\d+[a-z]?|[a-z0-9]+", path.lower())
    return found[0] if found else path


def blocks(path: Path) -> list[str]:
    return list(dict.fromkeys(block_of(site.path) for site in read_golden(path).sites))


@functools.cache
def report(path: Path) -> Report:
    return tracer.check(read_golden(path).name, path)


def marks_of(path: Path) -> tuple[pytest.MarkDecorator, ...]:
    """One process for all blocks of a variant, which is checked once; most variants are for CI."""
    slow = () if path.stem in _QUICK else (pytest.mark.slow,)
    return (pytest.mark.goldens, pytest.mark.xdist_group(path.stem), *slow)


_ITEMS = [
    pytest.param(path, block, id=f"{path.stem}-{block}", marks=marks_of(path))
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
    assert max(map(golden.tolerance, golden.sites)) < _WIDE
    # What another backend gets wrong by itself is told, layer by layer.
    assert len(golden.local_errors(1)) == other["local beyond 1e-10"]["layers"]


def test_the_goldens_of_efficientnets_are_small_together() -> None:
    sizes = [path.stat().st_size for path in all_fixtures(_FIXTURES) if path.stem.startswith("EfficientNet")]
    assert sizes and sum(sizes) < _MEGABYTES[1] * 1e6


def test_every_variant_has_its_golden_recorded_as_the_parameters_say() -> None:
    yaml = pytest.importorskip("yaml")
    params = yaml.safe_load((_FIXTURES.parent / "params.yaml").read_text(encoding="utf-8"))
    goldens = {path.stem: read_golden(path) for path in all_fixtures(_FIXTURES)}
    assert list(goldens) == sorted(params["variants"])
    for name, golden in goldens.items():
        variant, told = params["variants"][name], golden.provenance
        model = {"image_size": variant["size"], "seed": variant["seed"], "batch": variant["batch"]}
        assert told["model"] == {"kind": "application", "spec": name, **model}
        wanted = (params["reference"], params["witness"], variant["backend"])
        for text, environment in zip(wanted, told["floors"], strict=True):
            keras, backend, version = re.match(r"([\d.]+)\+(\w+)(?:==([\d.]+))?", text).groups()  # type: ignore[union-attr]
            assert (environment["keras"], environment["backend"]) == (keras, backend)
            assert version in (None, environment[backend])


def test_who_records_without_options_asks_whom_the_parameters_name() -> None:
    yaml = pytest.importorskip("yaml")
    params = yaml.safe_load((_FIXTURES.parent / "params.yaml").read_text(encoding="utf-8"))
    assert params["reference"].startswith(REFERENCE)
    assert {(params["witness"], variant["backend"]) for variant in params["variants"].values()} == {WITNESSES}
