"""Random scripts, and the same with faults planted in them."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import strategies as st
from scripted import INPUTS, Script, ScriptedSource, Step, changed

from tracer.core.comparison.lockstep import Trace, lockstep

# Every one of them changes what a layer returns on any inputs of these scripts, by far more than rounding.
WRONG = ({"offset": 50.0}, {"speck": 50.0}, {"mask": "make"}, {"sparse": True}, {"error": "ValueError: planted"})


@dataclass(frozen=True)
class Case:
    """A model, the same with faults, and where they are."""

    reference: Script
    candidate: Script
    planted: tuple[str, ...]

    def traced(self) -> tuple[Trace, ScriptedSource, ScriptedSource]:
        sides = ScriptedSource(self.reference), ScriptedSource(self.candidate)
        return lockstep(*sides, INPUTS), *sides


@st.composite
def models(draw: st.DrawFn) -> Script:
    """A graph of up to nine layers, one of them perhaps with layers inside."""
    made: list[Step] = []
    for name in "abcdefghi"[: draw(st.integers(1, 9))]:
        before = ["x", *(step.path for step in made)]
        inputs = draw(st.lists(st.sampled_from(before), min_size=1, max_size=2, unique=True)) if made else ["x"]
        inside = (Step("p"), Step("q", offset=1.0)) if draw(st.integers(0, 5)) == 0 else ()
        gain, offset = draw(st.sampled_from([0.5, 1.0, -1.0])), draw(st.sampled_from([0.25, 2.0]))
        made.append(Step(name, tuple(inputs), gain=gain, offset=offset, inside=inside))
    return tuple(made)


@st.composite
def cases(draw: st.DrawFn, wrong: tuple[dict[str, object], ...] = WRONG) -> Case:
    reference = draw(models())
    paths = [path for step in reference for path in (*(f"{step.path}/{i.path}" for i in step.inside), step.path)]
    places = draw(st.lists(st.sampled_from(paths), max_size=4, unique=True))
    candidate = reference
    for path in places:
        candidate = changed(candidate, path, **draw(st.sampled_from(wrong)))
    return Case(reference, candidate, tuple(path for path in paths if path in places))
