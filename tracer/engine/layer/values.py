"""What an attribute of a layer holds, by value: numbers, text, containers, functions, objects by their attributes."""

from __future__ import annotations

import functools
import hashlib
import inspect
import math
import re
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from types import CellType, CodeType

import numpy as np

from tracer.core.source import Array, Function
from tracer.engine import compat
from tracer.engine.layer.naming import is_layer
from tracer.engine.types import Tensor

_DEEPEST = 8
_MOST = 1 << 17  # values in one attribute; beyond it, it is data that nobody computes with as a setting
_LIBRARIES = ("keras", "tensorflow", "jax", "jaxlib", "torch", "numpy", "builtins", "_operator")
_DIGEST_BYTES = 8
# Functions that are called on a few numbers are those of these modules, but for what draws, prints, reads, writes, or
# changes its argument.
_CALLED = re.compile(r"(?:keras\.src\.(?:activations|ops)|tensorflow\.python\.ops|jax|torch)(?:\.|$)")
_NEVER_CALLED = re.compile(
    "rand|drop|rrelu|gumbel|noise|normal(_|$)|poisson|bernoulli|multinomial|categorical"
    "|print|callback|func|read|write|save|load|assert|assign|_$"
)


class UnreadableError(Exception):
    """An attribute holds something that has no value to compare; says of which class."""


class ElsewhereError(UnreadableError):
    """It is a layer, a weight or an object of Keras', which are compared by themselves or by the configuration."""


def read(value: object, *, probe: bool = True) -> object:
    """A value as numbers, text, arrays, functions, and lists, tuples and dicts of them.

    Args:
        value: of an attribute.
        probe: call functions of Keras and its backends, and activations, on a few numbers.

    Raises:
        UnreadableError: if there is something in it that can't be read, or too much.
    """
    return _Reader(probe).read(value, 0)


class _Reader:
    """Reads one attribute, and stops where it is too deep or too large."""

    def __init__(self, probe: bool) -> None:
        self._left = _MOST
        self._probe = probe
        self._above: list[int] = []

    def read(self, value: object, depth: int) -> object:
        self._left -= 1
        if depth > _DEEPEST or self._left < 0 or id(value) in self._above:
            raise UnreadableError(type(value).__name__)
        if value is None or isinstance(value, (bool, int, float, str, bytes)):
            return value
        array = _array_of(value)
        if array is not None:
            return self._array(array, depth)
        self._above.append(id(value))
        try:
            return self._read_compound(value, depth + 1)
        finally:
            self._above.pop()

    def _array(self, array: Array, depth: int) -> object:
        if array.dtype.kind == "O" and not all(isinstance(item, (str, bytes)) for item in array.reshape(-1)):
            return [self.read(item, depth + 1) for item in array.reshape(-1)]
        if array.dtype.kind in "VMm" and not array.dtype.name.startswith(("bfloat", "float", "int", "uint")):
            raise UnreadableError(f"array of {array.dtype.name}")
        return array

    def _read_compound(self, value: object, depth: int) -> object:
        if isinstance(value, functools.partial):
            value = {"partial.func": value.func, "partial.args": value.args, "partial.keywords": value.keywords}
        if isinstance(value, (Mapping, list, tuple, set, frozenset)):
            return self._items(value, depth)
        value = getattr(value, "python_function", value)  # what `tf.function` was made of
        if inspect.ismodule(value):
            return value.__name__
        if inspect.isroutine(value) or inspect.isclass(value):
            return self._function(value, depth)
        return self._object(value, depth)

    def _items(self, value: Mapping[object, object] | Collection[object], depth: int) -> object:
        if isinstance(value, Mapping):
            return {str(key): self.read(value[key], depth) for key in sorted(value, key=str)}
        found = [self.read(item, depth) for item in value]
        if isinstance(value, (set, frozenset)):
            return sorted(found, key=repr)
        return tuple(found) if isinstance(value, tuple) else found

    def _function(self, value: object, depth: int) -> Function:
        computes = _computes(value) if self._probe and not inspect.isclass(value) else ()
        return Function(name=public_name(value), code=self._code(value, depth), computes=computes)

    def _code(self, value: object, depth: int) -> str:
        value = inspect.unwrap(getattr(value, "__func__", value)) if callable(value) else value
        code = getattr(value, "__code__", None)
        if code is None or is_of_library(value):
            return ""
        return _digest([*_code_parts(code), *(self._brief(item, depth + 1) for item in _around(value))])

    def _brief(self, value: object, depth: int) -> str:
        try:
            return brief(self.read(value, depth))
        except UnreadableError as unread:
            return str(unread)

    def _object(self, value: object, depth: int) -> dict[str, object]:
        """Somebody's object by its attributes; those of Keras and the backends only where they hold numbers."""
        table = _table_of(value)
        if table is not None:
            return {"table": self.read(table, depth)}
        variables = _variables_of(value)
        if variables is not None:
            return {"variables": self.read(variables, depth)}
        if is_layer(value) or is_of_library(type(value)):
            raise ElsewhereError(type(value).__name__)
        attributes = _attributes_of(value)
        if not attributes:
            raise UnreadableError(type(value).__name__)
        return {name: self.read(item, depth) for name, item in sorted(attributes.items())}


def _attributes_of(value: object) -> dict[str, object]:
    """What an object holds, in slots too."""
    slots = (slot for base in type(value).__mro__ for slot in getattr(base, "__slots__", ()))
    in_slots = {slot: getattr(value, slot) for slot in slots if hasattr(value, slot)}
    return {**getattr(value, "__dict__", {}), **in_slots}


def _around(function: object) -> tuple[object, ...]:
    """What a function was made with: the values of its closure, and its defaults."""
    cells = [cell.cell_contents for cell in getattr(function, "__closure__", None) or () if _is_filled(cell)]
    defaults = getattr(function, "__defaults__", None) or ()
    return (*cells, *defaults, getattr(function, "__kwdefaults__", None))


def _is_filled(cell: CellType) -> bool:
    try:
        return cell.cell_contents is not cell
    except ValueError:  # an empty cell
        return False


def code_of(function: object) -> str:
    """Digest of what somebody's own function is made of, with what it has around it; a library's has none."""
    return _Reader(probe=False)._code(function, 0)


def _code_parts(code: CodeType) -> list[str]:
    """What a function's code is, wherever it is written: names, constants and instructions, those of inner code too."""
    consts = [_code_parts(const) if isinstance(const, CodeType) else repr(const) for const in code.co_consts]
    return [code.co_code.hex(), repr(code.co_names), repr(code.co_varnames), repr(consts)]


def _digest(parts: Sequence[str]) -> str:
    return hashlib.blake2b("\n".join(parts).encode(errors="replace"), digest_size=_DIGEST_BYTES).hexdigest()


def brief(value: object) -> str:
    """A value that was read, in text that is the same for equal values, in another process too."""
    if isinstance(value, np.ndarray):
        told = repr(value.tolist()).encode() if value.dtype.kind in "OSUT" else np.ascontiguousarray(value).tobytes()
        return f"{value.dtype}{value.shape}{hashlib.blake2b(told, digest_size=_DIGEST_BYTES).hexdigest()}"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{key}: {brief(item)}' for key, item in value.items())}}}"
    if isinstance(value, (list, tuple)):
        return f"({', '.join(map(brief, value))})"
    return f"{value.name}{value.code}" if isinstance(value, Function) else repr(value)


# --- arrays


def _array_of(value: object) -> Array | None:
    """The numbers of a variable, tensor or array, whoever made it; None for anything else."""
    if isinstance(value, compat.dialect().variable_class()):
        if not compat.dialect().has_value(value):
            raise UnreadableError(type(value).__name__)
        value = compat.freeze(value)
    elif compat.is_backend_variable(value):
        value = np.asarray(value)
    if isinstance(value, (np.ndarray, np.generic)):
        return np.array(value)
    return _array_of_tensor(value) if compat.is_tensor(value) else None


def _array_of_tensor(tensor: Tensor) -> Array:
    if compat.is_symbolic(tensor):
        raise UnreadableError("symbolic tensor")
    try:
        return np.array(compat.to_numpy(tensor))
    except Exception as error:  # ragged, deleted, on another machine: each backend raises what it likes
        raise UnreadableError(type(tensor).__name__) from error


def _variables_of(value: object) -> dict[str, object] | None:
    """Those of a `tf.Module` or a `torch.nn.Module`, by name; None for anything else."""
    if is_layer(value):
        return None
    torch, tensorflow = sys.modules.get("torch"), sys.modules.get("tensorflow")
    if torch is not None and isinstance(value, torch.nn.Module):
        return dict(value.state_dict())
    if tensorflow is not None and isinstance(value, tensorflow.Module) and not is_of_library(type(value)):
        return {f"{number} {variable.name}": variable for number, variable in enumerate(value.variables)}
    return None


def _table_of(value: object) -> dict[str, object] | None:
    """Keys and values of a lookup table of TensorFlow's, in the order of the keys; None for anything else."""
    tensorflow = sys.modules.get("tensorflow")
    if tensorflow is None:
        return None
    lookup = tensorflow.lookup
    if not isinstance(value, (lookup.StaticHashTable, lookup.experimental.MutableHashTable)):
        return None
    try:
        keys, values = (np.asarray(part) for part in value.export())
    except tensorflow.errors.OpError as error:  # nothing was put in yet
        raise UnreadableError(type(value).__name__) from error
    order = np.argsort(keys)
    return {"keys": keys[order], "values": values[order]}


# --- functions


def public_name(value: object) -> str:
    """What users of a library call a function or class by, with its module."""
    exported = getattr(value, "_api_export_path", ())
    paths = (exported,) if isinstance(exported, str) else tuple(exported)
    if paths:
        return str(paths[0])
    qualified = getattr(value, "__qualname__", None) or getattr(value, "__name__", type(value).__name__)
    return f"{getattr(value, '__module__', None) or 'builtins'}.{qualified}"


def find_function(name: str) -> Callable[..., object] | None:
    """A function by its public name, if its module is loaded."""
    module, _, attribute = name.rpartition(".")
    found = getattr(sys.modules.get(module), attribute, None)
    return found if callable(found) else None


def is_of_library(value: object) -> bool:
    """Whether a class or function belongs to Keras, a backend, NumPy or Python itself."""
    return str(getattr(value, "__module__", None) or "builtins").split(".")[0] in _LIBRARIES


def _computes(value: object) -> tuple[float, ...]:
    """What a function of Keras or a backend returns for a few numbers; nothing where it takes or returns other things.

    Somebody's own function isn't called, nor one that may do more than return something: nobody asked for that.
    """
    module, name = str(getattr(value, "__module__", None)), str(getattr(value, "__name__", ""))
    if not _CALLED.match(module) or _NEVER_CALLED.search(name):
        return ()
    try:
        found = compat.to_numpy(value(compat.to_tensor(_probe())))  # type: ignore[operator]
        numbers = [float(number) for number in np.asarray(found, np.float64).reshape(-1)]
    except Exception:  # it takes something else, and raises what it likes
        return ()
    return tuple(numbers) if any(map(math.isfinite, numbers)) else ()


def _probe() -> Array:
    """Numbers around 0, and a row beyond all limits at which activations are cut off, such as ReLU6's."""
    row = [-1000.0, -33.0, -8.0, -5.0, 5.0, 8.0, 33.0, 1000.0]
    return np.concatenate([np.linspace(-4.0, 4.0, 16).reshape(2, 8), [row]]).astype("float32")
