"""What could put a blamed layer right, as changes to try on it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from tracer.core.layer.differences import config_differences, policy_differences, state_differences
from tracer.core.numbers.difference import same_bytes
from tracer.core.source import Array, Facts, Function, Patch, PatchAction


def mends(reference: Facts, candidate: Facts, stale: tuple[bool | None, bool | None]) -> tuple[Patch, ...]:
    """Changes to the candidate's layer that might make it behave as the reference's, the most likely first.

    Args:
        reference: facts of the reference's layer.
        candidate: facts of the candidate's layer.
        stale: by side, whether deriving the layer's state anew changes what it computes.
    """
    weights = _other_weights(reference, candidate)
    attributes = {name: reference.state[name] for name in _settable(reference, candidate)}
    words = {name: attributes.pop(name) for name in ("vocabulary",) if name in attributes}
    persisted = _as_weights(reference, attributes) if stale[0] else {}
    possible = (
        (words, Patch(action=PatchAction.SET_ATTRIBUTE, attributes=words)),
        (stale[1], Patch(action=PatchAction.FINALIZE_STATE, finalize=True)),
        (persisted, Patch(action=PatchAction.PERSIST_STATE, weights=persisted, finalize=True)),
        (weights, Patch(action=PatchAction.COPY_WEIGHTS, weights=weights)),
        (attributes, Patch(action=PatchAction.SET_ATTRIBUTE, attributes=attributes)),
        (weights and attributes, Patch(action=PatchAction.SET_ATTRIBUTE, weights=weights, attributes=attributes)),
    )
    return tuple(mend for makes_sense, mend in possible if makes_sense)


def _other_weights(reference: Facts, candidate: Facts) -> dict[str, Array]:
    """The reference's values of the variables that the candidate has with other numbers."""
    names = [name for name in reference.weights if name in candidate.weights]
    pairs = ((name, reference.weights[name], candidate.weights[name]) for name in names)
    return {name: a for name, a, b in pairs if a.shape == b.shape and not same_bytes(a, b)}


def _settable(reference: Facts, candidate: Facts) -> Iterable[str]:
    """Attributes, of both sides, that differ or that a differing key of the configuration is kept in."""
    config = {e.name.split(".")[0].split("[")[0] for e in config_differences(reference, candidate)}
    differing = {e.name for e in state_differences(reference, candidate, set())}
    policy = {e.name for e in policy_differences(reference, candidate)} & {"autocast"}
    wanted = {name.lstrip("_") for name in config | differing | policy}
    # A vocabulary that was lost leaves nothing behind to be set.
    had = {*candidate.state, "vocabulary"}
    return [name for name in reference.state if name in had and name.lstrip("_") in wanted]


def _as_weights(facts: Facts, attributes: Mapping[str, object]) -> dict[str, Array]:
    """Values that a layer computes with, as the weights of the same names that they are derived from.

    `Normalization` computes with the attributes `mean` and `variance`, and saves the weights `mean` and `variance`.
    """
    found = {}
    for name, value in attributes.items():
        weight = facts.weights.get(name)
        if weight is not None and isinstance(value, np.ndarray) and value.size == weight.size:
            found[name] = value.reshape(weight.shape).astype(weight.dtype)
    return found


def _read_written(value: object) -> str:
    return value.name if isinstance(value, Function) else repr(value)


def instruction(mend: Patch, layer: str) -> str:
    """What to type to apply it, on a loaded model."""
    where = "".join(f".get_layer({part.split('#')[0]!r})" for part in layer.split("/"))
    if mend.action == PatchAction.FINALIZE_STATE:
        return f"after loading, call `model{where}.finalize_state()`"
    if mend.action == PatchAction.PERSIST_STATE:
        names = ", ".join(mend.weights)
        return (
            f"to get a file whose loaded model behaves as the trained one, set the weights {names} of {layer} to what "
            "training used, as `tracer fix FILE --as-trained -o FIXED` does"
        )
    if list(mend.attributes) == ["vocabulary"] and not mend.weights:
        return f"after loading, call model{where}.set_vocabulary(…) with the original's get_vocabulary()"
    if mend.attributes and not mend.weights:
        names = ", ".join(f"{name} = {_read_written(value)}" for name, value in mend.attributes.items())
        return f"after loading, set on model{where}: {names if len(names) < 160 else ', '.join(mend.attributes)}"
    names = ", ".join([*mend.weights, *mend.attributes])
    return f"after loading, copy {names} of {layer} from the original model"
