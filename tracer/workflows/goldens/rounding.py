"""Whether an error that enters in a check is no more than what its layer makes of what counts as the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from tracer.core.comparison.alignment import static_path
from tracer.core.drive import running
from tracer.core.environment import is_same
from tracer.core.golden.evidence import in_the_same_words
from tracer.core.golden.fingerprint import Identity, Site
from tracer.core.golden.golden import Golden
from tracer.core.golden.match import Match, coming_in, hold
from tracer.core.host import Host, Identities
from tracer.core.layer.nearly import answer, nudged_alike
from tracer.core.numbers.rounding import MOST, NUDGES, Reach
from tracer.core.numbers.tolerance import tolerance_for
from tracer.core.source import Arrays, Call, Run, Source

_SINGLE: Final = "float32"


def held_but_for_rounding(
    source: Host, inputs: Arrays, golden: Golden, sites: Sequence[Site], factor: float, identities: Identities
) -> tuple[Match, ...]:
    """Every call site of a golden, held against a run's; those that only round may be off by what they are.

    A layer that nobody asked before may only be seen to round once those before it are known to: then it is asked too.

    Raises:
        FixtureError: see `hold`.
    """
    rounding: dict[str, float] = {}
    asked: set[str] = set()
    while True:
        held = hold(golden, sites, factor=factor, rounding=rounding)
        suspects = [one for one in held if _may_round(one, source, golden, identities) and one.golden.path not in asked]
        if not suspects:
            return held
        asked.update(one.golden.path for one in suspects)
        rounding.update(_rounding(source, inputs, golden, suspects, coming_in(golden, held)))


def _may_round(one: Match, source: Host, golden: Golden, identities: Identities) -> bool:
    """Whether an error enters that may be rounding: in float32, not too large, of a layer that is what was recorded."""
    dtype = one.found.dtype if one.found is not None else ""
    if not one.entered or one.note or one.golden.is_box or dtype != _SINGLE:
        return False
    if not one.error <= MOST * max(one.tolerance, tolerance_for(_SINGLE)):
        return False
    layer = golden.call_of(one.golden)[0]
    path = layer if layer in golden.identities else static_path(layer)
    recorded = golden.provenance.get("environment", {})
    then, now = golden.identities, in_the_same_words(identities, recorded, source.environment)
    # A golden without a word of its layers says nothing of their weights either: no error is excused by that.
    if not then or _weights(path, then) != _weights(path, now):
        return False
    return not is_same(recorded, source.environment) or _settings(path, then) == _settings(path, now)


def _weights(path: str, identities: Mapping[str, Identity]) -> list[str]:
    """Digests of the weights of a layer and of those inside it, whose names may have other numbers."""
    return sorted(one.weights for name, one in identities.items() if _is_within(name, path) and one.weights)


def _settings(path: str, identities: Mapping[str, Identity]) -> list[Mapping[str, object]]:
    return [one.settings for name, one in identities.items() if _is_within(name, path)]


def _is_within(name: str, path: str) -> bool:
    return name == path or name.startswith(f"{path}/")


def _rounding(
    source: Source, inputs: Arrays, golden: Golden, suspects: Sequence[Match], came: Mapping[str, float]
) -> dict[str, float]:
    """The relative L2 error of those that only round, by their path in the golden: run once more, stopped at each.

    What came in may be off by more than what counts as the same, within its own tolerance: on another processor the
    features of an EfficientNetB7 are by 4.8e-6, of which its head makes 1.5e-5.
    """
    wanted: dict[str, list[Match]] = {}
    for one in suspects:
        wanted.setdefault(golden.call_of(one.golden)[0], []).append(one)
    found: dict[str, float] = {}
    with running(source, Run(inputs=inputs, seeds=source.seeds())) as calls:
        for call in calls:
            for one in wanted.pop(call.path, ()):
                if one.error <= _furthest(source, call, golden.call_of(one.golden)[1], came[one.golden.path]):
                    found[one.golden.path] = one.error
            if not wanted:
                break
    return found


def _furthest(source: Source, call: Call, place: int, off: float) -> float:
    """How far from an output of a call nearly equal inputs and weights lead, relative to it; 0 where nobody can say."""
    facts = source.facts(call.path)
    if facts is None or call.error or place >= len(call.outputs):
        return 0.0
    reach = Reach(call.outputs[place].array, 0)
    for seed in range(NUDGES):
        outputs = answer(source, call, nudged_alike(call, facts, seed, off)).outputs
        if len(outputs) != len(call.outputs):
            return 0.0
        reach.add(outputs[place].array)
    return reach.relative
