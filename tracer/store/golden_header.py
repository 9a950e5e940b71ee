"""Whether what a golden's header holds is of the types that it was written with; the digest of a file can't tell."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from types import MappingProxyType, NoneType
from typing import Any, Final

from tracer.core.golden.sketch import SUMS
from tracer.core.numbers.tolerance import tolerance_for
from tracer.core.source import Array
from tracer.records import JsonObject

_MAX_DEPTH: Final = 100  # of models in each other
# A bool is an int in Python and a number in JSON; where one stands in for the other nothing breaks.
_SITE: Final[Mapping[str, tuple[type, ...]]] = MappingProxyType(
    {
        "path": (str,),
        "class": (str,),
        "shape": (list,),
        "box": (str,),
        "is_box": (bool,),
        "mask": (str,),
        "nonfinite": (int,),
        "dtype": (str,),
        "inputs": (list, NoneType),
    }
)
_PROVENANCE: Final[Mapping[str, tuple[type, ...]]] = MappingProxyType(
    {"model": (dict,), "environment": (dict,), "witnesses": (list,)}
)
# Shapes of the arrays; None for as many as there are.
_SIDES: Final[Mapping[str, tuple[int | None, ...]]] = MappingProxyType(
    {
        "sketch": (None, SUMS),
        "sketch64": (None, SUMS),
        "stats": (None, 4),
        "floors": (None, None),
        "locals": (None, None),
        "digests": (None, 16),
        "counts": (None, 2),
        "samples": (None,),
        "means": (None,),
    }
)
_WHOLE: Final = frozenset({"counts", "digests"})  # arrays of whole numbers
_SITE_HAS: Final = frozenset({"path", "class", "shape"})
_WITNESS: Final[Mapping[str, tuple[type, ...]]] = MappingProxyType(
    {"layer": (str, NoneType), "worst": (int, float), "environment": (dict,)}
)


def check_types(header: JsonObject, arrays: Mapping[str, Array]) -> None:
    """Does nothing where everything that is read of a golden later is what it should be.

    Args:
        header: the JSON header.
        arrays: by name.

    Raises:
        TypeError: with the place, and what is there.
        ValueError: for a shape that isn't right, or a dtype that nobody knows.
    """
    for place, value, kinds in _fields(header):
        if not isinstance(value, kinds):
            raise TypeError(f"{place} is a {type(value).__name__}")
    for dtype in {site.get("dtype", "float32") for site in header["sites"]}:
        tolerance_for(dtype)  # what is recorded in another one can't be held against anything
    for name, array in arrays.items():
        if array.dtype.kind not in ("biu" if name in _WHOLE else "biuf"):
            raise TypeError(f"{name} holds {array.dtype}")
    for name, sides in _SIDES.items():
        shape = arrays[name].shape
        if len(shape) != len(sides) or any(side not in (None, found) for side, found in zip(sides, shape, strict=True)):
            raise ValueError(f"{name} has the shape {shape}")


def _fields(header: JsonObject) -> Iterator[tuple[str, Any, tuple[type, ...]]]:
    """Places, what is there, and what may be; what lies in a place comes after the place itself."""
    provenance = header["provenance"]
    for name, kind in (("provenance", dict), ("sites", list), ("settings", list), ("layers", dict), ("bases", dict)):
        yield name, header[name], (kind,)
    yield from _entries("provenance:", provenance, _PROVENANCE, frozenset())
    for witness in provenance.get("witnesses") or ():
        yield "a witness", witness, (dict,)
        yield from _entries("a witness:", witness, _WITNESS, _WITNESS.keys())
    for site in header["sites"]:
        yield "a call site", site, (dict,)
        yield from _entries("a call site:", site, _SITE, _SITE_HAS)
        yield from (("a side of a shape", side, (int,)) for side in site["shape"])
        yield from (("an input", source, (int, str)) for source in site.get("inputs") or ())
    yield from _layers(header)
    yield from _outlines(header["outline"], 0)


def _entries(
    place: str, value: Mapping[str, Any], known: Mapping[str, tuple[type, ...]], required: Set[str]
) -> Iterator[tuple[str, Any, tuple[type, ...]]]:
    for name, kinds in known.items():
        if name in value or name in required:
            yield f"{place} {name}", value[name], kinds


def _layers(header: JsonObject) -> Iterator[tuple[str, Any, tuple[type, ...]]]:
    for settings in header["settings"]:
        yield "settings", settings, (dict,)
    for path, identity in header["layers"].items():
        yield f"layer {path!r}", identity, (list,)
        weights, row = identity
        yield f"weights of layer {path!r}", weights, (str,)
        yield f"settings of layer {path!r}", row, (int,)
    yield from (("a base", base, (str,)) for base in header["bases"].values())


def _outlines(entry: Any, depth: int) -> Iterator[tuple[str, Any, tuple[type, ...]]]:
    yield "an outline", entry, (list,)
    yield "an outline", None if depth <= _MAX_DEPTH and len(entry) in (2, 3) else entry, (NoneType,)
    yield from (("a name in the outline", text, (str,)) for text in entry[:2])
    for inside in entry[2:]:
        yield "a part of the outline", inside, (list,)
        for child in inside:
            yield from _outlines(child, depth + 1)
