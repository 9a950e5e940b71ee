"""JSON Schema (draft 7) of what commands write, made from the records: `python -m tracer.store.schema` writes files.

Null stands for a number that JSON can't write, NaN or an infinity.  A key that isn't described is allowed: a newer
tracer may have added it.  A key whose attribute has a default may be missing: an older tracer didn't write it.
"""

from __future__ import annotations

import json
import sys
import typing
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from enum import StrEnum
from functools import reduce
from types import MappingProxyType, NoneType, UnionType
from typing import Any, Final, Literal, TypeAlias, Union, get_args, get_origin, get_type_hints

from tracer.core.matrix.bisection import Outcome
from tracer.core.matrix.cells import FAILED, UNTESTABLE, Answer, Cell, CellTemplate, FaultSummary, Kind
from tracer.records import SCHEMA, Audit, JsonObject, Report, Status
from tracer.records.layers import INLINE
from tracer.records.parts import Inputs
from tracer.store.validation import Name, shipped

_Type: TypeAlias = Any  # whatever an annotation may be: a class, `X | None`, `tuple[int, ...]`
_Types: TypeAlias = tuple[_Type, ...]

_DIALECT: Final = "http://json-schema.org/draft-07/schema#"
_LARGEST_INTEGER, _LARGEST_NUMBER = 2**64, sys.float_info.max  # JSON has numbers without end, a report hasn't
_INTEGER: Final = MappingProxyType({"type": "integer", "minimum": -_LARGEST_INTEGER, "maximum": _LARGEST_INTEGER})
_NUMBER: Final = MappingProxyType({"type": "number", "minimum": -_LARGEST_NUMBER, "maximum": _LARGEST_NUMBER})
_TEXT: Final = MappingProxyType({"type": "string"})
# `complex` and `bytes` are written as text.
_PLAIN: Final[Mapping[object, JsonObject]] = MappingProxyType(
    {
        bool: {"type": "boolean"},
        int: dict(_INTEGER),
        float: {**_NUMBER, "type": ["number", "null"]},
        str: dict(_TEXT),
        bytes: dict(_TEXT),
        complex: dict(_TEXT),
        NoneType: {"type": "null"},
        Any: {},
    }
)
# The reader has a value for these where they are missing, though their records have none.
_MAY_BE_MISSING: Final = frozenset({"local_error", "max_abs", "max_ulp", "cosine"})


# --- from types


def schema_of(declared: _Type) -> JsonObject:
    """What JSON says of a value of this type, written by `to_plain`."""
    if declared in _PLAIN:
        return dict(_PLAIN[declared])
    origin, parts = get_origin(declared), get_args(declared)
    for fits, describe in _DESCRIBED:
        if fits(declared, origin):
            return describe(declared, parts)
    raise TypeError(f"nothing says how {declared!r} is written as JSON")


def _choice(declared: _Type, _parts: _Types) -> JsonObject:
    return {"type": "string", "enum": [str(value) for value in declared]}


def _literal(_declared: _Type, parts: _Types) -> JsonObject:
    return {"type": "string", "enum": list(parts)}


def _record(declared: _Type, _parts: _Types) -> JsonObject:
    hints, properties, required = get_type_hints(declared), {}, []
    for each in fields(declared):
        found = schema_of(hints[each.name])
        if each.metadata == INLINE:
            properties.update(found["properties"])
            required += found["required"]
            continue
        properties[each.name] = found
        has_default = each.default is not MISSING or each.default_factory is not MISSING
        required += [each.name] * (not has_default and each.name not in _MAY_BE_MISSING)
    return {
        "type": "object",
        "required": [name for name in required if name not in _MAY_BE_MISSING],
        "properties": properties,
    }


def _typed_mapping(declared: _Type, _parts: _Types) -> JsonObject:
    return _object({name: schema_of(kind) for name, kind in get_type_hints(declared).items()})


def _sequence(_declared: _Type, parts: _Types) -> JsonObject:
    if parts[-1] is Ellipsis:
        return {"type": "array", "items": schema_of(parts[0])}
    return {"type": "array", "items": [*map(schema_of, parts)], "minItems": len(parts), "maxItems": len(parts)}


def _mapping(_declared: _Type, parts: _Types) -> JsonObject:
    return {"type": "object", "additionalProperties": schema_of(parts[1])}


def _union(_declared: _Type, parts: _Types) -> JsonObject:
    """All in one, since a keyword for numbers says nothing of text: an error then names the very place."""
    return reduce(_join, map(schema_of, parts))


def _join(left: JsonObject, right: JsonObject) -> JsonObject:
    types = dict.fromkeys([*_json_types(left), *_json_types(right)])
    if {"integer", "number"} <= types.keys():
        right = {**right, **_NUMBER}  # the wider bounds hold for both
        left = {key: value for key, value in left.items() if key not in _INTEGER}
        del types["integer"]
    choice = left.get("enum")
    choices = {"enum": [*choice, None]} if choice and right["type"] == "null" else {}
    return {**left, **right, **choices, "type": list(types) if len(types) > 1 else next(iter(types))}


def _json_types(schema: JsonObject) -> list[str]:
    declared = schema["type"]
    return declared if isinstance(declared, list) else [declared]


def _is_choice(declared: _Type, _origin: _Type) -> bool:
    return isinstance(declared, type) and issubclass(declared, StrEnum)


# The first that fits counts.
_DESCRIBED: tuple[tuple[Callable[[_Type, _Type], bool], Callable[[_Type, _Types], JsonObject]], ...] = (
    (_is_choice, _choice),
    (lambda declared, _: is_dataclass(declared), _record),
    (lambda declared, _: typing.is_typeddict(declared), _typed_mapping),
    (lambda _, origin: origin is Literal, _literal),
    (lambda _, origin: origin is tuple, _sequence),
    (lambda _, origin: origin in (Mapping, dict), _mapping),
    (lambda _, origin: origin in (Union, UnionType), _union),
)


def _object(properties: Mapping[str, JsonObject], *, optional: tuple[str, ...] = ()) -> JsonObject:
    required = [name for name in properties if name not in optional]
    return {"type": "object", "required": required, "properties": dict(properties)}


# --- of each file


def report_schema() -> JsonObject:
    """Of the report of one comparison."""
    found = _record(Report, ())
    head = {"schema": {"const": SCHEMA}, "matches": schema_of(bool)}
    return {**found, "required": ["schema", *found["required"]], "properties": {**head, **found["properties"]}}


def audit_schema() -> JsonObject:
    """Of what `tracer audit --json` writes."""
    found = _record(Audit, ())
    head = {"schema": {"const": SCHEMA}, "ok": schema_of(bool)}
    return {**found, "required": [*head, *found["required"]], "properties": {**head, **found["properties"]}}


def reports_schema() -> JsonObject:
    """Of the reports of several save formats in one file; those that failed are told as text."""
    several = {"type": "object", "additionalProperties": report_schema()}
    parts = {"reports": several, "errors": schema_of(Mapping[str, str]), "timings": schema_of(Mapping[str, float])}
    return _object({**_head(Status), **parts}, optional=("status", "matches", "errors", "timings"))


def matrix_schema() -> JsonObject:
    """Of what `tracer matrix --json` writes."""
    cell = _cell_schema()
    named = ("kind", "model", "release", "backend", "format", "baseline", "golden", "command")
    answer = _answer_schema(cell)
    flat = _object({**{name: cell["properties"][name] for name in named}, **answer["properties"]})
    counts = schema_of(Mapping[str, int])
    return _object({**_head(Status), "counts": counts, "cells": {"type": "array", "items": flat}})


def bisection_schema() -> JsonObject:
    """Of what `tracer bisect --json` writes; `release` is the first one of the other kind."""
    text, text_or_null, texts = (schema_of(kind) for kind in (str, str | None, tuple[str, ...]))
    tested = _object({"release": text, "outcome": schema_of(Outcome)})
    fault = schema_of(FaultSummary)
    summary = {name: {"type": ["string", "null"]} for name in fault["properties"] if name != "masked"}
    return _object(
        {
            "schema": {"const": SCHEMA},
            **dict.fromkeys(("model", "vary", "held", "reason", "reproduce"), text),
            **dict.fromkeys(("direction", "release", "before"), text_or_null),
            **dict.fromkeys(("between", "skipped", "releases"), texts),
            **summary,
            "faults": {"type": "array", "items": fault},
            "tested": {"type": "array", "items": tested},
            "answers": {"type": "object", "additionalProperties": answer_schema()},
        }
    )


def answer_schema() -> JsonObject:
    """Of one answer, as it is kept between two runs."""
    return _answer_schema(_cell_schema())


def _head(status: type[StrEnum]) -> dict[str, JsonObject]:
    return {"schema": {"const": SCHEMA}, "status": schema_of(status), "matches": schema_of(bool)}


def _cell_schema() -> JsonObject:
    """As `Cell.to_dict` writes it, without nesting."""
    cell, asked = get_type_hints(Cell), get_type_hints(CellTemplate)
    where = {name: schema_of(cell[name]) for name in ("model", "release", "backend", "content")}
    question = {name: schema_of(kind) for name, kind in asked.items() if name != "formats"}
    return _object({"kind": schema_of(Kind), **where, "format": schema_of(str | None), **question})


def _answer_schema(cell: JsonObject) -> JsonObject:
    found = {name: schema_of(kind) for name, kind in get_type_hints(Answer).items() if name != "cell"}
    outcomes = {"type": "string", "enum": [*map(str, Status), FAILED, UNTESTABLE]}
    ran, fed = schema_of(get_type_hints(Report)["environments"] | None), schema_of(Inputs | None)
    return _object({**found, "outcome": outcomes, "environments": ran, "inputs": fed, "cell": cell})


_SCHEMAS: Final[Mapping[Name, tuple[str, Callable[[], JsonObject]]]] = MappingProxyType(
    {
        "report": ("Report of one comparison", report_schema),
        "reports": ("Reports of several save formats", reports_schema),
        "matrix": ("Matrix of cells, each with its answer", matrix_schema),
        "bisection": ("Bisection between two releases", bisection_schema),
        "audit": ("Audit of one model file", audit_schema),
        "answer": ("Answer to one cell of a matrix, as it is kept", answer_schema),
    }
)


def make(name: Name) -> str:
    """The text of one file, from the records as they are."""
    title, describe = _SCHEMAS[name]
    body = {"$schema": _DIALECT, "title": f"tracer: {title}, schema {SCHEMA}", **describe()}
    return json.dumps(body, indent=1) + "\n"


if __name__ == "__main__":
    for each in _SCHEMAS:
        shipped(each).write_text(make(each), encoding="utf-8")
