"""Scripts that a `scripted.ScriptedSource` follows: the steps of a model, and how one is changed or sent as text."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any


@dataclass(frozen=True, slots=True, repr=False)
class Step:
    """One call site: `gain * (sum of its inputs) + offset`, and whatever else is asked for.

    Attributes:
        path: layer path; below a box, the part below it.
        inputs: names of earlier steps (`a`, `a:1` for its second output), `x` for the model's input, within a box `in`
            for what the box hands on; the step before it where none are named.
        gain: its weight.
        offset: an attribute that is in no configuration.
        speck: added to one number where no glance falls.
        outputs: how many; the k-th has k added.
        mask: `keep` (the first input's), `drop`, `make` (from what it computes) or `other` (likewise, other values).
        heeds_mask: rows that its first input's mask leaves out become 0.
        sparse: its outputs are.
        context: arguments that aren't tensors, as JSON text; `shift` is added to what it computes.
        leaks: `training` is true for every call after it.
        training_gain: an additional factor where `training` is true.
        error: what it raises.
        drift: added once more at every evaluation in a run: not equal to itself.
        hands: of a box: added to what it hands on to what is inside.
        inside: of a box: its steps; what it computes itself is made of what the last one returns.
        tangled: not part of a graph: nothing is known of where its inputs come from.
    """

    path: str
    inputs: tuple[str, ...] = ()
    gain: float = 1.0
    offset: float = 0.0
    speck: float = 0.0
    outputs: int = 1
    mask: str = "keep"
    heeds_mask: bool = False
    sparse: bool = False
    context: Mapping[str, str] = field(default_factory=dict)
    leaks: bool = False
    training_gain: float = 1.0
    error: str = ""
    drift: float = 0.0
    hands: float = 0.0
    inside: tuple[Step, ...] = ()
    tangled: bool = False

    def __repr__(self) -> str:
        """What isn't as it is by default."""
        said = [f"{f.name}={held!r}" for f in fields(self)[1:] if (held := getattr(self, f.name)) and held != f.default]
        return f"Step({', '.join([repr(self.path), *said])})"


Script = tuple[Step, ...]


def changed(script: Script, path: str, /, **changes: Any) -> Script:
    """The script with one step changed; a step in a box is named with it (`box/inner`)."""
    name, _, below = path.partition("/")
    return tuple(
        step if step.path != name
        else replace(step, inside=changed(step.inside, below, **changes)) if below
        else replace(step, **changes)
        for step in script
    )  # fmt: skip


def to_text(script: Script) -> str:
    """A script as text, for another process."""
    return json.dumps([asdict(step) for step in script])


def from_text(text: str) -> Script:
    """The script that `to_text` wrote."""

    def step(given: Mapping[str, Any]) -> Step:
        return Step(**{**given, "inputs": tuple(given["inputs"]), "inside": tuple(map(step, given["inside"]))})

    return tuple(map(step, json.loads(text)))
