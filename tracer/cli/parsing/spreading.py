"""A record of options: a command takes it as one parameter, and the command line shows each field as an option."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from dataclasses import MISSING, Field, fields, is_dataclass
from inspect import Parameter
from typing import Any, get_type_hints


def spread(command: Callable[..., None]) -> Callable[..., None]:
    """The command as typer reads it: with the fields of its records in place of the records.

    Args:
        command: of its parameters, those whose annotation is a dataclass are records; each of their fields is annotated
            as an option of typer.
    """
    hints = get_type_hints(command, include_extras=True)
    given = inspect.signature(command).parameters.values()
    records = {each.name: hints[each.name] for each in given if is_dataclass(hints[each.name])}

    @functools.wraps(command)
    def called(**options: Any) -> None:
        for name, record in records.items():
            options[name] = record(**{each.name: options.pop(each.name) for each in fields(record)})
        command(**options)

    spread_out = [one for each in given for one in _parameters(each, hints[each.name])]
    called.__annotations__ = {one.name: one.annotation for one in spread_out}
    called.__signature__ = inspect.Signature(spread_out)  # type: ignore[attr-defined]
    return called


def _parameters(given: Parameter, annotation: Any) -> Iterator[Parameter]:
    """The parameter itself, or one for each field of its record."""
    if not is_dataclass(annotation):
        yield given.replace(annotation=annotation, kind=Parameter.KEYWORD_ONLY)
        return
    hints = get_type_hints(annotation, include_extras=True)
    for each in fields(annotation):
        yield Parameter(each.name, Parameter.KEYWORD_ONLY, default=_default(each), annotation=hints[each.name])


def _default(field: Field[Any]) -> Any:
    return Parameter.empty if field.default is MISSING else field.default
