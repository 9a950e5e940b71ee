"""How paired layers are set: configuration, state and dtype policy, where a loss counts and spelling doesn't."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np

from tracer.core.layer.differences import ABSENT, config_pairs, policy_differences, short, state_differences
from tracer.core.layer.holdings import Holder, Holding
from tracer.core.numbers.difference import same_bytes
from tracer.core.source import Facts
from tracer.records import Evidence

# Neither a trained layer nor its training computes with these: where numbers once came from.
_ORIGINS: Final = ("initializer", "seed")


def setting_evidence(reference: Holder, candidate: Holder, here: Mapping[str, Holding],
                     there: Mapping[str, Holding]) -> dict[str, list[Evidence]]:  # fmt: skip
    """Configuration, state and policy of paired layers that differ, by layer path.

    Where they do, each side is asked what its own configuration makes anew: another spelling of one setting is no
    difference, a setting that was lost is one.
    """
    paths = [path for path in here if path in there and here[path].traits != there[path].traits]
    if not paths:
        return {}
    ours, theirs = reference.settings(paths), candidate.settings(paths)
    same = dict(reference.environment) == dict(candidate.environment)
    suspects = [path for path in paths if _settings(ours[path], theirs[path], (None, None), same=same)]
    anew = (reference.settings(suspects, rebuilt=True), candidate.settings(suspects, rebuilt=True)) if suspects else ()
    found = {}
    for path in suspects:
        normal = tuple(side.get(path) for side in anew)
        found[path] = _settings(ours[path], theirs[path], (normal[0], normal[1]), same=same)
    return {path: evidence for path, evidence in found.items() if evidence}


def _settings(here: Facts, there: Facts, anew: tuple[Facts | None, Facts | None], *, same: bool) -> list[Evidence]:
    found = [*policy_differences(here, there), *_config(here, there, anew), *_state(here, there, anew)]
    # Releases add and drop keys and attributes; that one side lacks them says nothing.
    return [e for e in found if same or "absent" not in (e.reference, e.candidate)]


def _config(here: Facts, there: Facts, anew: tuple[Facts | None, Facts | None]) -> Iterator[Evidence]:
    one, other = (facts.config if facts is not None else None for facts in anew)
    still = None if one is None or other is None else {path for path, _, _ in config_pairs(one, other)}
    for path, a, b in config_pairs(here.config, there.config):
        respelled = still is not None and path not in still and not _of_one_kind(a, b)
        if not (respelled or alike(a, b) or is_origin(path)):
            yield Evidence(kind="config", name=path, reference=short(a), candidate=short(b))


def _state(here: Facts, there: Facts, anew: tuple[Facts | None, Facts | None]) -> Iterator[Evidence]:
    told = {path for path, _, _ in config_pairs(here.config, there.config)}
    for evidence in state_differences(here, there, told):
        name = evidence.name
        a, b = (facts.state.get(name, ABSENT) for facts in (here, there))
        one, other = (facts.state.get(name, ABSENT) if facts is not None else ABSENT for facts in anew)
        respelled = one is not ABSENT and other is not ABSENT and alike(one, other) and not _of_one_kind(a, b)
        is_private = name.startswith("_") and name.lstrip("_") not in here.arguments
        # Keras' own layers get attributes as they are used, saved and quantized.
        is_late = (a is ABSENT or b is ABSENT) and here.class_name.startswith("keras.")
        if evidence.kind == "lost-config":
            is_private = is_late = False
        if not (respelled or is_private or is_late or alike(a, b) or is_origin(name)):
            yield evidence


def is_origin(path: str) -> bool:
    """It only says where numbers once came from: an initializer, a seed."""
    return any(word in path for word in _ORIGINS)


def _of_one_kind(a: object, b: object) -> bool:
    """Two numbers, two texts, two arrays: values that no constructor would take for each other."""
    numbers = (int, float, np.number)
    if isinstance(a, numbers) and isinstance(b, numbers):
        return True
    return type(a) is type(b) and not isinstance(a, Mapping)


def alike(a: Any, b: Any) -> bool:
    """Whether two settings are one, written in two ways: a list and a tuple, a number and several of it."""
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return isinstance(a, np.ndarray) and isinstance(b, np.ndarray) and same_bytes(a, b)
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return a.keys() == b.keys() and all(alike(a[key], b[key]) for key in a)
    several = (list, tuple)
    if isinstance(a, several) and isinstance(b, several):
        return len(a) == len(b) and all(map(alike, a, b))
    if isinstance(a, several) != isinstance(b, several):
        many, one = (a, b) if isinstance(a, several) else (b, a)
        return len(many) > 0 and all(alike(item, one) for item in many)
    return a is b or bool(a == b or (a != a and b != b))
