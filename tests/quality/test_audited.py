"""Files of every kind of model: of an innocent one nothing is said, and what was planted in it is found and named."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

import pytest
from audit_plants import Plant, planted, stale, takes_numbers
from kinds import KINDS
from sampling import some_of

import tracer
from tracer.errors import ModelError

_FORMATS = (".keras", ".h5")
# What the newest Keras loses of an innocent model, as docs/model-kinds.md says.
_LOST: Mapping[tuple[str, str], set[str]] = MappingProxyType(
    {
        ("nested_normalization", ".h5"): {"stale-state"},
        ("text_adapted", ".h5"): {"config-lost", "not-adapted"},
        ("shared_across_depths", ".keras"): {"array-not-loaded", "config-lost"},
    }
)


def saved(kind: str, suffix: str, folder: Path) -> Path | None:
    """The file; None where Keras can't write this kind so."""
    path = folder / f"{kind}{suffix}"
    try:
        KINDS[kind]().save(path)
    except (NotImplementedError, ValueError):
        return None
    return path


def said(path: Path) -> str:
    """Whatever an audit says against a file."""
    try:
        findings = tracer.audit(path).findings
    except ModelError as error:
        return str(error)
    return "\n".join(f"{finding.kind} {finding.place} {finding.detail}" for finding in findings)


@pytest.mark.slow
@pytest.mark.parametrize("suffix", _FORMATS)
@pytest.mark.parametrize("kind", some_of(KINDS, every=3, always=[kind for kind, _ in _LOST]))
def test_an_innocent_file_is_not_accused(kind: str, suffix: str, tmp_path: Path) -> None:
    path = saved(kind, suffix, tmp_path)
    if path is None:
        pytest.skip("Keras can't save it so")
    try:
        found = tracer.audit(path)
    except ModelError:
        pytest.skip("Keras can't load it again")
    assert {finding.kind for finding in found.findings} == _LOST.get((kind, suffix), set()), found.findings


def _spoiled(kind: str, suffix: str, folder: Path, seed: int) -> Iterator[Plant]:
    """What is planted in a kind of model; nothing in one that is lost without our doing."""
    path = saved(kind, suffix, folder)
    if path is None or said(path):
        return
    yield from planted(path, folder, seed)
    model = KINDS[kind]()
    if takes_numbers(model):
        yield from stale(model, suffix, folder, seed)


@pytest.mark.slow
@pytest.mark.parametrize(("every", "at_least"), [(4, 100), pytest.param(1, 350, marks=pytest.mark.nightly)])
def test_planted_losses_are_found_and_named(every: int, at_least: int, tmp_path: Path) -> None:
    found: dict[Plant, str] = {}
    for seed, kind in list(enumerate(KINDS))[::every]:
        for suffix in _FORMATS:
            folder = tmp_path / f"{kind}{suffix}"
            folder.mkdir()
            found.update((plant, said(plant.path)) for plant in _spoiled(kind, suffix, folder, seed))
    print(dict(Counter(plant.what for plant in found)))
    missed = [plant for plant, told in found.items() if not told]
    unnamed = [plant for plant, told in found.items() if plant.word not in told]
    print(f"{len(found)} planted, {len(missed)} missed, {len(unnamed)} not named")
    assert len(found) >= at_least
    assert len(missed) <= 0.02 * len(found), missed
    # Of what is left Keras says the layer and the name of the array, and not where the file would have it.
    assert len(unnamed) <= 0.02 * len(found), unnamed
