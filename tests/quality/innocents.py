"""Pairs that are the same model: whoever blames something in one of them is wrong.

`python tests/quality/innocents.py` makes them all and prints how many there were, and who was accused.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any

import keras
from kinds import KINDS, TRAINING
from kinds_table import LOST, REFUSED
from plant_models import MODELS, fill

import tracer
from tracer.core.formats import FORMATS
from tracer.engine.model.save_formats import lacking
from tracer.errors import TracerError
from tracer.records import Report

_SEEDS, _BATCHES = (1, 2, 3), (1, 3)
# They say how many samples are made for them; another number is refused, and nobody is accused.
_BATCHES_OF = MappingProxyType({"stateful_rnn": (2,), "sequential_built_late": (1,)})
# Its own layers don't write their configuration, which is what is found there.
_UNSAVED = frozenset({"mlp"})
_WAYS = ("keras", "keras-dir", "weights", "sharded", "h5-weights", "clone", "from-config", "copy")


@dataclass(frozen=True, slots=True)
class Pair:
    """One comparison of a model with itself.

    Attributes:
        what: in words.
        report: of the comparison, or why there is none.
    """

    what: str
    report: Report | TracerError

    @property
    def accused(self) -> str:
        """Who was blamed for nothing; "" for nobody."""
        if isinstance(self.report, TracerError):
            return f"{self.what}: {self.report}"
        if self.report.matches and not self.report.hidden:
            return ""
        named = ", ".join(f"{fault.layer} ({fault.cause})" for fault in (*self.report.faults, *self.report.hidden))
        return f"{self.what}: {self.report.status}, {named or self.report.first_divergence or self.report.reason}"


def pairs_of(kind: str) -> Iterator[Pair]:
    """A kind of model built twice, with several weights and inputs; and by every way that Keras gets right."""
    training = kind in TRAINING
    for seed in _SEEDS:
        for batch in _BATCHES_OF.get(kind, _BATCHES):
            one, other = _filled(KINDS[kind], seed), _filled(KINDS[kind], seed)
            told = f"{kind}, seed {seed}, batch {batch}"
            yield Pair(told, _said(partial(tracer.diff, one, other, seed=seed, batch=batch, training=training)))
    model = KINDS[kind]()
    missing, (lost, _) = lacking(model), LOST.get(kind, (set(), ()))
    for way in _WAYS:
        if way in FORMATS and way not in missing and way not in lost and way not in REFUSED.get(kind, {}):
            said = _said(partial(tracer.roundtrip, model, format=way, training=training, same_process=True))
            yield Pair(f"{kind} as {way}", said)


def pairs_of_planted(name: str) -> Iterator[Pair]:
    """A model that faults are planted in elsewhere, without any."""
    for seed in _SEEDS:
        one, inputs = _built(name, seed)
        other, _ = _built(name, seed)
        yield Pair(f"{name}, seed {seed}", _said(partial(tracer.diff, one, other, inputs)))
        for way in () if name in _UNSAVED else ("keras", "copy"):
            said = _said(partial(tracer.roundtrip, one, inputs, format=way, same_process=True))
            yield Pair(f"{name}, seed {seed}, as {way}", said)


def _built(name: str, seed: int) -> tuple[Any, Any]:
    keras.backend.clear_session()
    keras.utils.set_random_seed(seed)
    model, inputs = MODELS[name]()
    return fill(model, seed), inputs


def _filled(build: Callable[[], Any], seed: int) -> Any:
    """Both are built as in a process of their own, where names are numbered from the start."""
    keras.backend.clear_session()
    keras.utils.set_random_seed(seed)
    return fill(build(), seed)


def _said(compare: Callable[[], Report]) -> Report | TracerError:
    try:
        return compare()
    except TracerError as error:
        return error


def main() -> int:
    """Print the figures; returns the exit code."""
    found = [pair for kind in KINDS for pair in pairs_of(kind)]
    found += [pair for name in MODELS for pair in pairs_of_planted(name)]
    accused = [pair.accused for pair in found if pair.accused]
    print(f"{len(found)} innocent comparisons, {len(accused)} accused")
    print("\n".join(accused))
    return int(bool(accused))


if __name__ == "__main__":
    sys.exit(main())
