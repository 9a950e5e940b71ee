"""A second layer of the same configuration: what it gets by itself is nobody's setting."""

from __future__ import annotations

import math
import random

import keras

from tracer.engine import compat

_LARGEST = 1 << 22  # elements: a twin of a larger layer would cost more than it tells


def rebuilt(layer: keras.Layer) -> keras.Layer | None:
    """A layer made anew from the configuration of this one, in this Keras; None where that can't be."""
    chance = random.getstate()
    try:
        with compat.dialect().fresh_names():
            return type(layer).from_config(layer.get_config())
    except Exception:  # the user's own code, which may raise anything: the layers are compared as they are
        return None
    finally:
        random.setstate(chance)


def gained_by_loading(layer: keras.Layer) -> tuple[str, ...]:
    """Attributes that a layer doesn't have until its variables are saved and loaded, seen on an untouched twin."""
    sizes = (math.prod(variable.shape) for variable in getattr(layer, "weights", ()))
    if isinstance(layer, keras.Model) or sum(sizes) > _LARGEST:
        return ()
    twin = rebuilt(layer)
    if twin is None:
        return ()
    try:
        twin.build_from_config(layer.get_build_config() or {})
        before = set(vars(twin))
        saved: dict[str, object] = {}
        twin.save_own_variables(saved)
        twin.load_own_variables(saved)
    except Exception:  # the user's own code, which may raise anything: nothing is known to be gained
        return ()
    return tuple(sorted(vars(twin).keys() - before))
