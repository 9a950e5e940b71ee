"""The variables of one model in another one, layer by layer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from tracer.core.comparison.alignment import align
from tracer.core.host import Host
from tracer.core.layer.differences import paired_weights
from tracer.core.layer.holdings import Holding
from tracer.core.source import Array, Patch, PatchAction
from tracer.errors import ModelError


def carry_weights(original: Host, migrated: Host) -> None:
    """Give the migrated model the original's variables, layer by layer; it speaks in the original's names from here on.

    Raises:
        ModelError: if a variable has no counterpart.
    """
    migrated.rename(align(original.outline, migrated.outline).names)
    here, there = original.holdings(), migrated.holdings()
    _check_layers(here, there)
    _copy(original, here, migrated, there)


def share_weights(migrated: Host, original: Host) -> None:
    """Give the original the migrated model's variables, once `carry_weights` has paired them."""
    _copy(migrated, migrated.holdings(), original, original.holdings())


def _copy(source: Host, here: Mapping[str, Holding], target: Host, there: Mapping[str, Holding]) -> None:
    for path in here:
        found = dict(_values(source, path, here[path], there[path])) if path in there else {}
        if found:
            target.mend(path, Patch(action=PatchAction.COPY_WEIGHTS, weights=found, finalize=there[path].derives))


def _check_layers(here: Mapping[str, Holding], there: Mapping[str, Holding]) -> None:
    """Every layer with variables has to be on both sides."""
    for holdings, others, side in ((here, there, "Keras 3"), (there, here, "Keras 2")):
        lost = [path for path, holding in holdings.items() if holding.names and path not in others]
        if lost:
            raise ModelError(
                f"{', '.join(lost[:5])}: has weights, and the model in {side} has no such layer, so that they can't be "
                "carried over. Please report it, with the part of the model that it is about."
            )


def _values(source: Host, path: str, here: Holding, there: Holding) -> Iterator[tuple[str, Array]]:
    """The source's variables of one layer, by the names that they have in the target."""
    ours, theirs = here.variables(), there.variables()
    names = {id(held): name for name, held in theirs.items()}
    for name, a, b in paired_weights(ours, theirs):
        if a is None or b is None or a.shape != b.shape:
            told = [f"{held.dtype} {held.shape}" if held is not None else "nothing" for held in (a, b)]
            raise ModelError(f"{path}: its variable {name!r} is {told[0]} on one side and {told[1]} on the other.")
        (value,) = next(iter(source.weight_values([[(path, a.position, 0, a.size)]])))
        yield names[id(b)], np.array(value).reshape(a.shape)
