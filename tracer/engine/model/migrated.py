"""The Keras 3 model of a translated configuration."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import keras

from tracer.engine import compat
from tracer.engine.model import build
from tracer.errors import ModelError

_WHERE = re.compile(r"deserializing class '(?P<class>\w+)' using config=\{'name': '(?P<name>[^']+)'")


def rebuild(config: Mapping[str, Any], *, custom_objects: Sequence[str] = (), trust: bool = False) -> keras.Model:
    """The model that a configuration describes, with fresh weights.

    Args:
        config: class and configuration, as Keras 3 writes them.
        custom_objects: see `tracer.engine.model.build.build`.
        trust: allow Lambda layers with code of their own.

    Raises:
        ModelError: if this Keras doesn't understand it.
    """
    scope = compat.dialect().custom_objects_scope(build.custom_objects_in(custom_objects))
    with scope, compat.dialect().fresh_names():
        try:
            model = keras.saving.deserialize_keras_object(dict(config), safe_mode=not trust)
        # Keras, and the layers of the user, raise what they like; all of it says that there is no such model here.
        except (Exception, SystemExit) as error:
            raise ModelError(
                f"Keras {keras.__version__} can't build the translated model: {_words(error)}. This configuration has "
                "no rule yet: please report it, with the part of the model that it is about."
            ) from error
    if not isinstance(model, keras.Model):
        raise ModelError(f"the file holds a {type(model).__name__}, which is no model.")
    return model


def _words(error: BaseException) -> str:
    """The last of what Keras says, behind the configurations that it repeats, and of which layer."""
    places = list(_WHERE.finditer(str(error)))
    where = f"{places[-1]['name']} ({places[-1]['class']}): " if places else ""
    return where + compat.reason(error)
