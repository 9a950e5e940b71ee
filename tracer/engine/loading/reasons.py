"""Why a model can't be loaded, in words for whoever has the file: what Keras' error means, and what the file lacks."""

from __future__ import annotations

import inspect
import itertools
import re
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import keras

from tracer.engine import compat
from tracer.errors import ModelError
from tracer.files import configs, hdf5

# What Keras 3.0 … 3.15 say, in their two file formats, of a class or function that they don't know.
_UNKNOWN_OBJECT = (
    re.compile(r"Could not (?:locate|deserialize) (?:\w+ )?'(?P<name>[^']+)'"),
    re.compile(r"Unknown [\w ]+: '(?P<name>[^']+)'"),
    re.compile(r"Could not interpret [\w ]+ identifier: (?:\{.*'config': )?'?(?P<name>\w+(?:>\w+)?)"),
)
_REFUSED = (
    re.compile(r"(?P<name>\w+)\.__init__\(\) got an unexpected keyword argument '(?P<argument>\w+)'"),
    re.compile(r"Unrecognized keyword arguments? passed to (?P<name>\w+): \{'(?P<argument>\w+)'"),
)
_RESTORED_TWICE = re.compile(r"Could not parse config: <function (?P<name>[\w.<>]+)")
_MODULE = re.compile(r"Full object config: \{'module': '(?P<name>[\w.]+)'")
# Arguments of every layer, which `Layer.get_config()` writes.
_OF_ALL_LAYERS = frozenset({"self", "name", "trainable", "dtype", "autocast", "activity_regularizer"})
_MOST = 3  # classes of which is told what the file lacks


def diagnose(error: BaseException, path: Path) -> str:
    """What an error means for whoever has the file that can't be loaded.

    Args:
        error: that Keras raised.
        path: of the file or folder.
    """
    known = _unknown_object(error) or _restored_twice(error)
    if known:
        return known
    told = [compat.reason(chain_of(error)[0]).rstrip("."), _refused_argument(error) or what_was_dropped(path)]
    return ". ".join(filter(None, told))


def advise(error: BaseException) -> str:
    """What to do about an error, as sentences; "" where nothing is known."""
    return _refused_argument(error) or _unknown_object(error) or _restored_twice(error)


def chain_of(error: BaseException) -> list[BaseException]:
    """The errors that led to one, the first one first."""
    chain = [error]
    while (earlier := chain[-1].__cause__ or chain[-1].__context__) is not None and earlier not in chain:
        chain.append(earlier)
    return chain[::-1]


def _find(error: BaseException, *patterns: re.Pattern[str]) -> re.Match[str] | None:
    """Where the first of some patterns fits an error or what led to it."""
    texts = [str(one) for one in chain_of(error)]
    return next(filter(None, (pattern.search(text) for pattern in patterns for text in texts)), None)


def _refused_argument(error: BaseException) -> str:
    """A constructor doesn't take what the stored configuration has."""
    match = _find(error, *_REFUSED)
    if match is None:
        return ""
    name, argument = match["name"], match["argument"]
    if hasattr(keras.layers, name):
        return f"{_this_keras()} has no {argument!r} in {name}: another release wrote it. Name that one: MODEL@RELEASE."
    if argument in _OF_ALL_LAYERS:
        return (
            f"{name}.__init__ doesn't take {argument!r}, which get_config() has written: let it take **kwargs and hand "
            "them to super().__init__()."
        )
    return (
        f"{name}.__init__ doesn't take {argument!r}, which the stored configuration has: either the class has changed "
        "since then, or its get_config() writes too much."
    )


def _unknown_object(error: BaseException) -> str:
    """A class or function isn't known here: one of another Keras, of a package, or of somebody's own module."""
    match = _find(error, *_UNKNOWN_OBJECT)
    if match is None:
        return ""
    name = match["name"]
    module = _find(error, _MODULE)
    package = (name if "." in name else module["name"] if module else "").partition(".")[0]
    if package == "keras":
        return f"{_this_keras()} has no {name}: another release wrote it. Name that one: MODEL@RELEASE."
    what = "package.module" if package in ("", "builtins", "__main__") else package
    return f"it needs the custom object {name!r}. Name the module that defines it: `--custom-objects {what}`."


def _restored_twice(error: BaseException) -> str:
    """Reading `.h5`, Keras makes functions of a configuration before its layers do, which then take them for one."""
    match = _find(error, _RESTORED_TWICE)
    if match is None:
        return ""
    return (
        f"{_this_keras()} can't read a layer that holds the function {match['name']!r} from this format. Save the "
        "model as .keras, which keeps it by its registered name."
    )


def _this_keras() -> str:
    return f"Keras {keras.__version__} on {compat.backend_name()}"


# --- what a file lacks


def what_was_dropped(path: Path) -> str:
    """What constructors of somebody's own take and the configuration in a file doesn't say; "" where nothing is known.

    Args:
        path: of a file or folder that a model was saved as, or the folder that holds one.
    """
    told = (_lacking(entry) for entry in _layers_in(_stored_config(path)))
    return " ".join(itertools.islice(dict.fromkeys(filter(None, told)), _MOST))


def _lacking(entry: Mapping[str, object]) -> str:
    registered = entry.get("registered_name") or entry["class_name"]
    klass, config = keras.saving.get_registered_object(str(registered)), entry["config"]
    if not inspect.isclass(klass) or klass.__module__.startswith("keras.") or not isinstance(config, Mapping):
        return ""
    lost = [name for name in _arguments(klass) if name not in config]
    names = ", ".join(map(repr, lost))
    return f"{klass.__name__} takes {names}, which its get_config() didn't write: the default is used." if lost else ""


def _arguments(klass: type) -> Iterator[str]:
    """Names that a class's own constructor takes, without those of all layers."""
    parameters = inspect.signature(vars(klass).get("__init__", object.__init__)).parameters.values()
    kinds = (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return (each.name for each in parameters if each.kind in kinds and each.name not in _OF_ALL_LAYERS)


def _layers_in(config: object) -> Iterator[Mapping[str, object]]:
    """Everything in a configuration that is made of a class and a configuration."""
    if isinstance(config, Mapping):
        if "class_name" in config and "config" in config:
            yield config
        config = list(config.values())
    for item in config if isinstance(config, list) else ():
        yield from _layers_in(item)


def _stored_config(path: Path) -> object:
    """The configuration in a file; None where it has none that can be read."""
    inside = (path / name for name in ("model.keras", "model.h5", "model", "config.json"))
    found = next((each for each in inside if each.exists()), path) if path.is_dir() else path
    try:
        return _config(found)
    # A file that can't be loaded may be of any kind, and be damaged: nothing can be said of it.
    except (OSError, ValueError, KeyError, zipfile.BadZipFile, RecursionError, ModelError):
        return None


def _config(path: Path) -> object:
    if path.is_dir():
        path /= "config.json"
    if path.suffix == ".json":
        return configs.read(path)
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            member = archive.getinfo("config.json")
            configs.check_size(member.file_size, path)
            return configs.parsed(archive.read(member), path)
    with hdf5.opened(path, str(path)) as file:
        return configs.parsed((hdf5.attribute(file, "model_config") or "null").encode(), path)
