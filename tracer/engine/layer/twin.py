"""A second layer of the same configuration: what it gets by itself is nobody's setting."""

from __future__ import annotations

import contextlib
import math
import random
from collections.abc import Iterator

import keras

from tracer.engine import compat

_LARGEST = 1 << 22  # elements: a twin of a larger layer would cost more than it tells


def rebuilt(layer: keras.Layer) -> keras.Layer | None:
    """A layer made anew from the configuration of this one, in this Keras; None where that can't be."""
    try:
        with _leaving_chance(), compat.dialect().fresh_names():
            return type(layer).from_config(layer.get_config())
    except Exception:  # the user's own code, which may raise anything: the layers are compared as they are
        return None


@contextlib.contextmanager
def _leaving_chance() -> Iterator[None]:
    """Within it layers may be made, and draw the seeds that nobody gave them: Python's own generator is as before."""
    before = random.getstate()
    try:
        yield
    finally:
        random.setstate(before)


def _elements(layer: keras.Layer) -> int:
    """In all variables that have a value; Keras 2 counts tables among them, which have neither shape nor value."""
    dialect = compat.dialect()
    known = (variable for variable in getattr(layer, "weights", ()) if isinstance(variable, dialect.variable_class()))
    return sum(math.prod(dialect.shape_of(variable)) for variable in known if dialect.has_value(variable))


def gained_by_loading(layer: keras.Layer) -> tuple[str, ...]:
    """Attributes that a layer doesn't have until its variables are saved and loaded, seen on an untouched twin."""
    if isinstance(layer, keras.Model) or _elements(layer) > _LARGEST:
        return ()
    twin = rebuilt(layer)
    if twin is None:
        return ()
    try:
        with _leaving_chance():
            twin.build_from_config(layer.get_build_config() or {})
            before = set(vars(twin))
            saved: dict[str, object] = {}
            twin.save_own_variables(saved)
            twin.load_own_variables(saved)
    except Exception:  # the user's own code, which may raise anything: nothing is known to be gained
        return ()
    return tuple(sorted(vars(twin).keys() - before))
