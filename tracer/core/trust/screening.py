"""Screen the configuration of a model: what it names, which files it points to, whether it holds code.

Plain JSON in, findings out: nothing is imported, opened or run, and no Keras has seen it yet.
"""

from __future__ import annotations

import base64
import builtins
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final, TypeAlias

from tracer.core.trust import names, symbols

Json: TypeAlias = "Mapping[str, Json] | list[Json] | str | int | float | bool | None"

MAX_DEPTH: Final = 400  # three models inside each other take about forty
# Settings whose text is the name of a file that the layer reads when it is made.
_FILES: Final = frozenset(
    {
        "vocabulary",
        "vocabulary_file",
        "vocab_file",
        "proto",
        "merges",
        "filepath",
        "file_path",
        "filename",
        "file_name",
        "fname",
        "path",
        "paths",
        "directory",
        "origin",
        "url",
    }
)
# Settings of layers that are words themselves, which may look like anything.
_WORDS: Final = re.compile(r"\w*token|equation")
# Layers of Keras 2 that stand for a call in a graph, and which settings say what is called.
_CALLS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "TFOpLambda": ("function",),
        "SlicingOpLambda": ("function",),
        "ClassMethod": ("cls_symbol", "method_name"),
        "InstanceMethod": ("attr_name",),
        "InstanceProperty": ("attr_name",),
    }
)
_KERAS_2_CODE: Final = ("function_type", "output_shape_type", "mask_type")
_OUTSIDE: Final = re.compile(r"(?:/|~/|\\\\|[A-Za-z]:[\\/]|[A-Za-z][\w+.-]*://)\S")
_SHORT = 80
# From this length on, KerasHub takes the text of a tokenizer for the tokenizer itself, and no longer for its path.
_LONGEST_PATH = 2048


class Kind(StrEnum):
    """What a finding is."""

    CODE = "code"
    CUSTOM = "custom object"
    PATH = "path"
    SIZE = "size"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that keeps a file from being loaded unless it is trusted.

    Attributes:
        kind: what sort of thing.
        place: where in the file.
        what: what was found, in words.
        name: of a custom object, what it is called; else empty.
    """

    kind: Kind
    place: str
    what: str
    name: str = ""

    def __str__(self) -> str:
        return f"{self.place}: {self.what}"


@dataclass(frozen=True, slots=True)
class Allowed:
    """What a configuration may name besides Keras: what the user has given.

    Attributes:
        modules: names of importable modules; whatever lies in their packages is the user's, too.
        objects: names of classes and functions that these define or have registered.
    """

    modules: tuple[str, ...] = ()
    objects: frozenset[str] = frozenset()

    def has_class(self, module: Json, name: str, registered: Json) -> bool:
        """Whether Keras finds one of the user's own classes by this: first by a registered name, then by its module."""
        wanted = registered if isinstance(registered, str) and registered else name
        return wanted in self.objects or (self._has_module(module) and re.fullmatch(r"_*[A-Z]\w*", name) is not None)

    def has_function(self, name: str) -> bool:
        """Whether it is one of the user's own functions: what a module of theirs merely imports isn't."""
        return name in self.objects or any(known.endswith(f">{name}") for known in self.objects)

    def _has_module(self, module: Json) -> bool:
        package = module.partition(".")[0] if isinstance(module, str) else None
        return package in {given.partition(".")[0] for given in self.modules}


def screen(config: Json, allowed: Allowed, place: str = "configuration") -> tuple[Finding, ...]:
    """Everything in a configuration that loading it could run, read or import, and that isn't Keras' own.

    Args:
        config: as `json.loads` returns it.
        allowed: what the user has given.
        place: what to call the configuration in findings.

    Returns:
        Findings in the order of the file; none for a file that any release can load.
    """
    found: list[Finding] = []
    waiting: list[tuple[Json, str, int, bool]] = [(config, place, 0, False)]
    while waiting:
        value, where, depth, foreign = waiting.pop()
        if depth > MAX_DEPTH:
            return (*found, Finding(Kind.SIZE, place, f"it is nested more than {MAX_DEPTH} deep"))
        if isinstance(value, Mapping):
            where, foreign = _name(value, where), _is_foreign(value, allowed, foreign)
            found += _screen_entry(value, allowed, where, foreign)
            waiting += [(inner, where, depth + 1, foreign) for inner in reversed(list(value.values()))]
        elif isinstance(value, list):
            waiting += [(inner, where, depth + 1, foreign) for inner in reversed(value)]
    return tuple(found)


def _name(value: Mapping[str, Json], where: str) -> str:
    """Where, said by the name of the layer if it has one."""
    config = value.get("config")
    name = value.get("name") or (config.get("name") if isinstance(config, Mapping) else None)
    if "class_name" not in value or not isinstance(name, str):
        return where
    return f"{where.partition(':')[0]}: layer {_short(name)}"


def _is_foreign(value: Mapping[str, Json], allowed: Allowed, within: bool) -> bool:
    """Whether these are settings of a class that isn't Keras' own: its code alone knows what its texts mean."""
    if "class_name" not in value:
        return within
    name, module, registered = value["class_name"], value.get("module"), value.get("registered_name")
    if not isinstance(name, str) or name in names.CODE_CLASSES or name in names.VALUES:
        return False
    if isinstance(module, str) and names.is_class_of_keras(module, name):
        return False
    return allowed.has_class(module, name, registered) or not _is_known(name, module, registered, allowed)


def _screen_entry(value: Mapping[str, Json], allowed: Allowed, where: str, foreign: bool) -> Iterator[Finding]:
    if "class_name" in value:
        yield from _screen_object(value, allowed, where)
    if any(value.get(key) == "lambda" for key in _KERAS_2_CODE):
        yield _code(where)
    for key, inner in value.items():
        if isinstance(inner, str):
            yield from _screen_text(key, inner, where, foreign)


def _screen_object(value: Mapping[str, Json], allowed: Allowed, where: str) -> Iterator[Finding]:
    """An object by its class, or a function by its name."""
    name, module, registered = value["class_name"], value.get("module"), value.get("registered_name")
    if not isinstance(name, str):
        yield Finding(Kind.CODE, where, f"its class is no name but {_short(name)}")
    elif name == "__lambda__":
        yield _code(where)
    elif name in names.CODE_CLASSES:
        yield Finding(Kind.CODE, where, f"{name}: {names.CODE_CLASSES[name]}")
    elif name == "function":
        yield from _screen_function(value, allowed, where)
    elif name == "__typespec__":
        yield from _screen_type(value, where)
    elif name not in names.VALUES and not _is_known(name, module, registered, allowed):
        yield _foreign("class", name, module, where)
    elif name in _CALLS:
        yield from _screen_call(name, value.get("config"), where)


def _is_known(name: str, module: Json, registered: Json, allowed: Allowed) -> bool:
    if allowed.has_class(module, name, registered):
        return True
    if _is_alias(registered, name):
        return False
    if module is None:  # only what is registered, or stands in Keras' own table
        return re.fullmatch(r"[A-Z]\w*|[\w.]+>\w+", name) is not None
    return isinstance(module, str) and names.is_class_of_keras(module, name)


def _is_alias(registered: Json, name: str) -> bool:
    """Whether an old release would look for another name in the module, where it doesn't find the first one."""
    return isinstance(registered, str) and registered not in ("function", name) and ">" not in registered


def _screen_function(value: Mapping[str, Json], allowed: Allowed, where: str) -> Iterator[Finding]:
    name, module, registered = value.get("config"), value.get("module"), value.get("registered_name")
    if not isinstance(name, str):
        yield Finding(Kind.CODE, where, f"a function without a name: {_short(name)}")
        return
    if allowed.has_function(name):
        return
    is_keras = isinstance(module, str) and names.is_function_of_keras(module, name)
    if not is_keras or _is_alias(registered, name):
        yield _foreign("function", name, module, where)


def _screen_call(name: str, config: Json, where: str) -> Iterator[Finding]:
    """A function or a method in a graph of Keras 2, by its public name."""
    called = [config.get(key) if isinstance(config, Mapping) else None for key in _CALLS[name]]
    texts = [text for text in called if isinstance(text, str)]
    if len(texts) < len(called) or not symbols.is_harmless(name, *texts):
        what = ".".join(map(str, called))
        yield Finding(Kind.CODE, where, f"{name} calls {_short(what)}, which isn't a function on tensors of TensorFlow")


def _screen_type(value: Mapping[str, Json], where: str) -> Iterator[Finding]:
    name, module = value.get("spec_name"), value.get("module")
    if not (isinstance(name, str) and isinstance(module, str) and names.is_type_of_tensorflow(module, name)):
        yield _foreign("type", _short(name), module, where)


def _screen_text(key: str, text: str, where: str, foreign: bool) -> Iterator[Finding]:
    """Files that a setting points to.  Texts in lists are left alone: the words of a vocabulary may be anything."""
    if key == "name":
        if ".." in re.split(r"[/\\]", text):
            yield Finding(Kind.PATH, where, f"the name {_short(text)} leads out of the folder that it is saved in")
    elif foreign or _WORDS.fullmatch(key):
        return
    elif key in _FILES and text:
        if not (key == "proto" and _is_encoded(text)):
            yield Finding(Kind.PATH, where, f"{key} is a file to read: {_short(text)}")
    elif _OUTSIDE.match(text):
        yield Finding(Kind.PATH, where, f"{_short(key)} is a path or an address outside the file: {_short(text)}")


def _is_encoded(text: str) -> bool:
    """Whether KerasHub decodes a text, where it would open a file of that name otherwise."""
    if len(text) <= _LONGEST_PATH:
        return False
    try:
        base64.b64decode(text, validate=True)
    except ValueError:
        return False
    return True


def _code(where: str) -> Finding:
    return Finding(Kind.CODE, where, "Python code (marshalled, of a Lambda layer)")


def _foreign(what: str, name: str, module: Json, where: str) -> Finding:
    origin = f" of module {_short(module)}" if module not in (None, "builtins") else ""
    is_keras = isinstance(module, str) and module.partition(".")[0] in {"keras", *names.PACKAGES}
    if is_keras or _is_python(name, module):
        return Finding(Kind.CODE, where, f"the {what} {_short(name)}{origin}, which no model consists of")
    return Finding(Kind.CUSTOM, where, f"the {what} {_short(name)}{origin}, which isn't Keras' own", name)


def _is_python(name: str, module: Json) -> bool:
    """Whether it is a function of Python itself, or of its library."""
    if module == "builtins":
        return hasattr(builtins, name)
    return isinstance(module, str) and module.partition(".")[0] in sys.stdlib_module_names


def _short(value: object) -> str:
    """For a message: quoted, without control characters, and not longer than a line."""
    text = repr(value)
    return text if len(text) <= _SHORT else f"{text[:_SHORT]}…"
