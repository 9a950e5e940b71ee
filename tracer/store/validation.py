"""What is opened, held against the JSON Schema that this package ships (`tracer.store.schema` makes it)."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

from tracer.errors import FixtureError
from tracer.records import JsonObject

Name: TypeAlias = Literal["report", "reports", "matrix", "bisection", "audit", "answer"]

_SHOWN: Final = 60  # characters of a value that is refused


def shipped(name: Name) -> Path:
    """The file in this package."""
    return Path(str(resources.files(__package__))) / "schemas" / f"{name}.schema.json"


def check(name: Name, data: JsonObject) -> None:
    """Does nothing where the data is as the schema says.

    Raises:
        FixtureError: with the place, what is there, and what belongs there.
    """
    import fastjsonschema

    try:
        _validator(name)(data)
    except fastjsonschema.JsonSchemaValueException as error:
        raise FixtureError(_describe(error)) from error


@functools.cache
def _validator(name: Name) -> Callable[[JsonObject], object]:
    """Made once: it takes as long as reading a report of a thousand layers."""
    import fastjsonschema

    schema = json.loads(shipped(name).read_text(encoding="utf-8"))
    found: Callable[[JsonObject], object] = fastjsonschema.compile(schema)
    return found


def _describe(error: Any) -> str:
    place = error.name.removeprefix("data").lstrip(".")
    if error.rule == "required":
        missing = next(key for key in error.definition["required"] if key not in error.value)
        return f"`{f'{place}.' if place else ''}{missing}` is missing"
    shown = json.dumps(error.value)
    shown = f"{shown[:_SHOWN]}…" if len(shown) > _SHOWN else shown
    return f"`{place}` is {shown}, and {_expected(error.rule, error.rule_definition)}"


def _expected(rule: str, wanted: Any) -> str:
    """What belongs there, in words."""
    if rule == "type":
        return f"has to be of type {' or '.join([wanted] if isinstance(wanted, str) else wanted)}"
    if rule == "enum":
        return f"has to be one of {', '.join(wanted)}"
    return f"{rule} is {json.dumps(wanted)}"
