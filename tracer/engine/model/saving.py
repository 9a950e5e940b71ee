"""Save a model in every way that Keras offers, and load it back as a user would; failures say what is missing."""

from __future__ import annotations

import contextlib
import importlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras

from tracer.core.formats import FORMATS, format_named
from tracer.engine import compat, keras3
from tracer.engine.loading import reasons
from tracer.engine.model import build
from tracer.engine.model.save_formats import COMPILED, DUPLICATES, WAYS, lacking
from tracer.errors import ModelError

_WHERE = re.compile(r"deserializing class '(?P<class>\w+)' using config=\{'name': '(?P<name>[^']+)'")


def supported(model: keras.Model) -> tuple[str, ...]:
    """Names of the formats that this kind of model has in this Keras."""
    missing = lacking(model)
    return tuple(name for name in FORMATS if name not in missing)


def save(model: keras.Model, folder: Path, format: str) -> None:
    """Write a model into an empty folder.

    Raises:
        SpecError: if there is no such format.
        ModelError: if Keras can't save the model so.
    """
    name = format_named(format).name
    what = f"{model.name}: can't be saved as {name}"
    if name in DUPLICATES:
        raise ModelError(f"{what}: it never leaves its process.")
    reason = lacking(model).get(name)
    if reason:
        raise ModelError(f"{what}: {reason}.")
    with _explain(what):
        try:
            WAYS[name][0](model, folder)
        except OSError as error:  # a full disk, or a folder without permission: the next question is which
            raise OSError(f"{compat.reason(error)} (in {folder.absolute()})") from error


def configuration(model: keras.Model) -> bytes:
    """What a model is made of, without its weights, as JSON.

    Raises:
        ModelError: if Keras can't say it.
    """
    with _explain(f"{model.name}: its configuration can't be written"):
        text: str = model.to_json()
        return text.encode()


def made_of(description: str, format: str) -> keras.Model:
    """A model with fresh weights, of what a model file says of it; each of the two formats says it in its own way.

    Raises:
        ModelError: if Keras can't make it.
    """
    with _explain("the model can't be made of its configuration"):
        if format == "h5":
            legacy = keras3.module("keras.src.legacy.saving.saving_utils")
            return legacy.model_from_config(json.loads(description))
        return keras.models.model_from_json(description)


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


def load(folder: Path, format: str, *, trust: bool = False) -> keras.Model:
    """Read back what `save` wrote; `trust`: also the Python code of Lambda layers.

    Raises:
        SpecError: if there is no such format.
        ModelError: if Keras can't load it; says which custom object is missing, if that is the reason.
    """
    name = format_named(format).name
    with (
        _explain(f"the model saved as {name} can't be loaded again", folder),
        compat.dialect().unsafe_loading(trust),
    ):
        return WAYS[name][1](folder)


def load_compiled(folder: Path, format: str, *, trust: bool = False) -> tuple[keras.Model, str]:
    """Read back what `save` wrote with its optimizer and losses, or without them where Keras doesn't load them.

    Returns:
        The model, and why it isn't compiled, in one sentence without its full stop; empty where it is.

    Raises:
        ModelError: see `load`.
    """
    with compat.dialect().unsafe_loading(trust):
        try:
            return COMPILED[format](folder), ""
        except (Exception, SystemExit) as error:  # of Keras and of the user's losses; the model itself may be fine
            reason = compat.reason(error).rstrip(".")
    return load(folder, format, trust=trust), f"Keras doesn't load the file with its optimizer: {reason}"


def duplicate(model: keras.Model, format: str) -> keras.Model:
    """A second model made from the first one in the same process.

    Raises:
        ModelError: if Keras can't do it.
    """
    with _explain(f"{model.name}: {FORMATS[format].words} failed"):
        return DUPLICATES[format](model)


@contextlib.contextmanager
def _explain(what: str, folder: Path | None = None) -> Iterator[None]:
    """Keras raises almost any type here, and a custom layer may end the process: this model can't go this way."""
    try:
        yield
    except (Exception, SystemExit) as error:  # see above
        raise ModelError(f"{what}: {_describe(error, folder)}") from error


def _describe(error: BaseException, folder: Path | None) -> str:
    """What an error says, and what is known of its cause."""
    said, hint = compat.reason(error), _hint(error, folder)
    return f"{said.rstrip('.')}. {hint[0].upper()}{hint[1:]}" if hint else said


def _hint(error: BaseException, folder: Path | None) -> str:
    if "safe_mode" in str(error):
        return "If you trust the model, add --trust (`trust=True` in Python): such code is then loaded."
    unknown = re.search(r"Unknown layer: '(\w+)'", str(error))
    if unknown and any(
        hasattr(importlib.import_module(f"keras.src.ops.{m}"), unknown[1]) for m in ("numpy", "core", "nn")
    ):
        return "A .h5 file can't hold operations of a graph; save it as .keras."
    return reasons.advise(error) or ("" if folder is None else reasons.what_was_dropped(folder))
