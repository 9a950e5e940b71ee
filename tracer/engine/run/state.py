"""Variables and other state of a model: taken before a run, put back after it."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import keras
import numpy as np

from tracer.core.comparison.alignment import translated
from tracer.core.numbers.difference import same_bytes
from tracer.core.source import Array
from tracer.engine import compat
from tracer.engine.layer.naming import Tree
from tracer.engine.types import Tensor

_PLAIN = frozenset({str, int, float, bool, type(None)})
_ANY_SEED = 0  # only whether there is one is asked
_LISTED = frozenset({"_trainable_variables", "_non_trainable_variables"})


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Values of variables at one moment."""

    held: tuple[tuple[keras.Variable, Tensor], ...]

    def of(self, other: Snapshot) -> Snapshot:
        """The part of it that is about the variables of another one."""
        wanted = {id(variable) for variable, _ in other.held}
        return Snapshot(tuple((variable, value) for variable, value in self.held if id(variable) in wanted))

    def restore(self) -> None:
        """Put every value back that has changed since."""
        now = compat.frozen([variable for variable, _ in self.held])
        for (variable, value), present in zip(self.held, now, strict=True):
            if not _same(present, value):
                variable.assign(value)


def _same(a: Tensor, b: Tensor) -> bool:
    if a is b:
        return True
    return same_bytes(compat.to_numpy(a), compat.to_numpy(b))


def variables(tree: Tree) -> list[keras.Variable]:
    """Every variable of a model and of all layers in it, tracked or not: weights, seeds, metrics, RNN states."""
    found: dict[int, keras.Variable] = {}
    for held in (tree.model, *tree.all_layers().values()):
        for variable in (*getattr(held, "variables", ()), *_in_attributes(held)):
            found.setdefault(id(variable), variable)
    return list(found.values())


def _in_attributes(layer: keras.Layer) -> Iterator[keras.Variable]:
    """Variables that a layer holds and doesn't list: `RNN.states`."""
    variable = compat.dialect().variable_class()
    for name, value in vars(layer).items():
        if not _may_hold(value.__class__, variable):  # type: ignore[arg-type]  # mypy takes no class for hashable
            continue
        if isinstance(value, variable):
            yield value
        elif value and name not in _LISTED:
            yield from [item for item in value if isinstance(item, variable)]


@functools.lru_cache(maxsize=1024)
def _may_hold(kind: type, variable: type) -> bool:
    """Whether a class is a variable's, or that of a sequence that may hold some."""
    return issubclass(kind, (variable, list, tuple))


def snapshot(tree: Tree) -> Snapshot:
    """The values of all of a model's variables; shares memory with them where the backend allows."""
    return values_of(list(filter(compat.dialect().has_value, variables(tree))))


def changeable(tree: Tree, layer: keras.Layer) -> list[keras.Variable]:
    """The variables that a call of a layer may change: those that aren't trained."""
    held = [layer, *tree.below(layer)]
    trained = {id(variable) for variable in getattr(layer, "trainable_variables", ())}
    found = {id(v): v for v in getattr(layer, "non_trainable_variables", ())}
    found.update((id(v), v) for part in held for v in _in_attributes(part) if id(v) not in trained)
    return [variable for variable in found.values() if compat.dialect().has_value(variable)]


def values_of(variables: list[keras.Variable]) -> Snapshot:
    """Their present values."""
    return Snapshot(tuple(zip(variables, compat.frozen(variables), strict=True)))


def seeds(tree: Tree, names: Mapping[str, str]) -> dict[str, Array]:
    """State of every seed generator, by the layer path it is in (in the other side's names) and its position there."""
    return {key: np.array(compat.to_numpy(state)) for key, state in _seed_variables(tree, names)}


def set_seeds(tree: Tree, states: Mapping[str, Array], names: Mapping[str, str]) -> None:
    """Give seed generators the states of the other side's; those without a partner keep their own."""
    for key, variable in _seed_variables(tree, names):
        if key in states:
            variable.assign(states[key].astype(variable.dtype))


def _seed_variables(tree: Tree, names: Mapping[str, str]) -> Iterator[tuple[str, keras.Variable]]:
    for path, layer in tree.all_layers().items():
        for position, generator in enumerate(_generators(layer)):
            yield f"{translated(path, names)}@{position}", generator.state


def _generators(layer: keras.Layer) -> list[keras.random.SeedGenerator]:
    found = {id(g): g for g in getattr(layer, "_seed_generators", ())}
    objects = [value for value in vars(layer).values() if type(value) not in _PLAIN]
    found.update((id(g), g) for g in objects if type(g).__name__ == "SeedGenerator")
    return list(found.values())


def reproducible(tree: Tree) -> contextlib.AbstractContextManager[None]:
    """Within it the random layers of a model draw the same numbers from the same states of their seed generators."""
    return drawing_by_generators(tree) if compat.backend_name() == "torch" else contextlib.nullcontext()


@contextlib.contextmanager
def drawing_by_generators(tree: Tree) -> Iterator[None]:
    """Within it a generator that nobody has given a seed draws by itself, as one does that somebody has.

    On torch, dropout is left to torch otherwise, which draws from the one generator of the whole process: no call could
    be repeated, and no two models compared in training (`keras.src.backend.torch.random.dropout`).
    """
    unseeded = [g for layer in tree.all_layers().values() for g in _generators(layer) if _is_unseeded(g)]
    for generator in unseeded:
        generator._initial_seed = _ANY_SEED
    try:
        yield
    finally:
        for generator in unseeded:
            generator._initial_seed = None


def _is_unseeded(generator: keras.random.SeedGenerator) -> bool:
    return hasattr(generator, "_initial_seed") and generator._initial_seed is None
