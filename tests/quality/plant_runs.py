"""Plant everything in a model, one after the other, and keep what the tracer said."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

from plant_lists import plants_of
from plant_models import MODELS
from plants import Plant, blamed, cause_is_right, copy_of, layer_is_right, words

import tracer


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A plant and the report that it led to."""

    model: str
    plant: Plant
    report: Any

    @property
    def layer(self) -> bool:
        return layer_is_right(self.plant, self.report)

    @property
    def cause(self) -> bool:
        return cause_is_right(self.plant, self.report)

    def __str__(self) -> str:
        said = "; ".join(f"{f.layer}: {f.cause} ({words(f)[:120]})" for f in self.report.faults)
        planted = f"{self.model}: {self.plant.name}: {self.plant.cause} of {self.plant.layers}"
        return f"{planted}; blamed {blamed(self.report)}: {said}"


@functools.cache
def outcomes(name: str) -> tuple[Outcome, ...]:
    """Of all plants in one of the models.

    The copy that they are planted in passes before the first and after the last of them, so that whatever is found
    was planted.
    """
    model, inputs = MODELS[name]()
    candidate = copy_of(model)
    _passes(model, candidate, inputs)
    found = []
    for plant in plants_of(name, model):
        with plant.planted(candidate) as planted:
            found.append(Outcome(model=name, plant=plant, report=tracer.diff(model, planted, inputs)))
    _passes(model, candidate, inputs)
    return tuple(found)


def _passes(model: Any, candidate: Any, inputs: Any) -> None:
    report = tracer.diff(model, candidate, inputs)
    assert (report.status, report.faults, report.first_divergence) == ("pass", (), None), report.to_dict()
