"""How paired layers are set: configuration, state and dtype policy, where a loss counts and spelling doesn't."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, TypeAlias

import numpy as np

from tracer.core.layer.differences import (
    ABSENT,
    Setting,
    config_pairs,
    equal_or_both_nan,
    is_autocasting,
    policy_differences,
    short,
    state_differences,
)
from tracer.core.layer.holdings import Holder, Holding
from tracer.core.layer.weights import measured
from tracer.core.numbers.difference import same_bytes
from tracer.core.numbers.tolerance import BOUNDS
from tracer.core.source import Facts, Function
from tracer.records import Evidence, EvidenceKind

# Neither a trained layer nor its training computes with these: where numbers once came from.
_ORIGINS: Final = ("initializer", "seed")
# By side, the facts of the layer that its own configuration makes anew; None where it makes none.
_Rebuilt: TypeAlias = tuple[Facts | None, Facts | None]


def setting_evidence(
    reference: Holder, candidate: Holder, here: Mapping[str, Holding], there: Mapping[str, Holding]
) -> dict[str, list[Evidence]]:
    """Configuration, state and policy of paired layers that differ, by layer path.

    Where they do, each side is asked what its own configuration makes anew: another spelling of one setting is no
    difference, a setting that was lost is one.
    """
    paths = _set_otherwise(here, there)
    if not paths:
        return {}
    ours, theirs = reference.settings(paths), candidate.settings(paths)
    same = dict(reference.environment) == dict(candidate.environment)
    suspects = [path for path in paths if _settings(ours[path], theirs[path], (None, None), same=same)]
    if not suspects:
        return {}
    anew = _rebuild(reference, candidate, suspects)
    found = {path: _settings(ours[path], theirs[path], anew[path], same=same) for path in suspects}
    return {path: evidence for path, evidence in found.items() if evidence}


def _set_otherwise(here: Mapping[str, Holding], there: Mapping[str, Holding]) -> list[str]:
    return [path for path in here if path in there and here[path].traits != there[path].traits]


def _rebuild(reference: Holder, candidate: Holder, paths: Sequence[str]) -> dict[str, _Rebuilt]:
    ours, theirs = reference.settings(paths, rebuilt=True), candidate.settings(paths, rebuilt=True)
    return {path: (ours.get(path), theirs.get(path)) for path in paths}


def _settings(here: Facts, there: Facts, anew: _Rebuilt, *, same: bool) -> list[Evidence]:
    found = [*_policy(here, there, anew), *_config(here, there, anew), *_state(here, there, anew)]
    # Releases add and drop keys and attributes; that one side lacks them says nothing.
    return [e for e in found if same or "absent" not in (e.reference, e.candidate)]


def _policy(here: Facts, there: Facts, anew: _Rebuilt) -> Iterator[Evidence]:
    """Without the autocasting that each side's class has of its own: no configuration says anything of it."""
    for evidence in policy_differences(here, there):
        name = evidence.name
        by_class = all(
            is_autocasting(name) and fresh is not None and facts.policy.get(name) == fresh.policy.get(name)
            for facts, fresh in zip((here, there), anew, strict=True)
        )
        if not by_class:
            yield evidence


def _config(here: Facts, there: Facts, anew: _Rebuilt) -> Iterator[Evidence]:
    still = _keys_unlike_anew(anew)
    for path, a, b in config_pairs(here.config, there.config):
        respelled = still is not None and path not in still and not _of_one_kind(a, b)
        if not (respelled or alike(a, b) or is_origin(path)):
            yield Evidence(kind=EvidenceKind.CONFIG, name=path, reference=short(a), candidate=short(b))


def _keys_unlike_anew(anew: _Rebuilt) -> set[str] | None:
    """Keys that differ even where each side has read its own configuration; None where a side can't be made anew."""
    ours, theirs = anew
    if ours is None or theirs is None:
        return None
    return {path for path, _, _ in config_pairs(ours.config, theirs.config)}


def _state(here: Facts, there: Facts, anew: _Rebuilt) -> Iterator[Evidence]:
    told = {path for path, _, _ in config_pairs(here.config, there.config)}
    for evidence in state_differences(here, there, told):
        name = evidence.name
        a, b = here.state.get(name, ABSENT), there.state.get(name, ABSENT)
        is_lost = evidence.kind == EvidenceKind.LOST_CONFIG
        if is_origin(name) or alike(a, b) or _is_respelled(name, a, b, anew):
            continue
        if is_lost or not (_is_private(name, here) or _is_late(a, b, here)):
            yield evidence


def _is_respelled(name: str, a: Setting, b: Setting, anew: _Rebuilt) -> bool:
    """Two values of an attribute that become one where each side has read its own configuration."""
    ours, theirs = (ABSENT if facts is None else facts.state.get(name, ABSENT) for facts in anew)
    if ours is ABSENT or theirs is ABSENT:
        return False
    return alike(ours, theirs) and not _of_one_kind(a, b)


def _is_private(name: str, facts: Facts) -> bool:
    return name.startswith("_") and name.lstrip("_") not in facts.arguments


def _is_late(a: Setting, b: Setting, facts: Facts) -> bool:
    """Keras' own layers get attributes as they are used, saved and quantized."""
    return (a is ABSENT or b is ABSENT) and facts.class_name.startswith("keras.")


def is_origin(path: str) -> bool:
    """It only says where numbers once came from: an initializer, a seed."""
    return any(word in path for word in _ORIGINS)


def _of_one_kind(a: object, b: object) -> bool:
    """Two numbers, two texts, two arrays: values that no constructor would take for each other."""
    numbers = (int, float, np.number)
    if isinstance(a, numbers) and isinstance(b, numbers):
        return True
    return type(a) is type(b) and not isinstance(a, Mapping)


def alike(a: Setting, b: Setting) -> bool:
    """Whether two settings are one, written in two ways: a list and a tuple, a number and several of it."""
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return _are_same_arrays(a, b)
    if isinstance(a, Function) and isinstance(b, Function):
        return a.is_like(b)
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return _are_alike_by_key(a, b)
    if isinstance(a, (list, tuple)):
        return _are_several(a, b)
    if isinstance(b, (list, tuple)):
        return _are_several(b, a)
    return a is b or equal_or_both_nan(a, b)


def _are_same_arrays(a: Setting, b: Setting) -> bool:
    """Whether they are equal up to rounding, as weights have to be: state may be computed, as that of an RNN is."""
    if not (isinstance(a, np.ndarray) and isinstance(b, np.ndarray)) or a.shape != b.shape or a.dtype != b.dtype:
        return False
    is_rounded = a.dtype.name in BOUNDS and BOUNDS[a.dtype.name].stored > 0
    return same_bytes(a, b) or (is_rounded and measured(a.reshape(-1), b.reshape(-1), a.dtype.name) is None)


def _are_alike_by_key(a: Mapping[str, Setting], b: Mapping[str, Setting]) -> bool:
    return a.keys() == b.keys() and all(alike(a[key], b[key]) for key in a)


def _are_several(items: Sequence[Setting], other: Setting) -> bool:
    """Whether items are those of the other sequence, or each of them is the other value."""
    if isinstance(other, (list, tuple)):
        return len(items) == len(other) and all(map(alike, items, other))
    return len(items) > 0 and all(alike(item, other) for item in items)
