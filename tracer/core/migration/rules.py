"""What a rule is, and the ways in which one setting of a layer can change."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, TypeAlias

# A configuration: JSON, as Keras writes and reads it.
Config: TypeAlias = dict[str, Any]
Change: TypeAlias = Callable[[Config], Config]


class UnsupportedError(Exception):
    """Keras 3 has no equivalent.

    Args:
        reason: what there is no equivalent of.
        advice: what to do about it.
    """

    def __init__(self, reason: str, advice: str = "") -> None:
        super().__init__(reason)
        self.advice = advice


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One thing that Keras 3 has otherwise.

    Attributes:
        subject: class, argument or function that it is about, as a reader looks it up.
        change: what becomes of it, in words.
        why: what would go wrong without.
        since: the first release of Keras that has it otherwise.
        classes: class names that it applies to; empty for every layer.
        apply: changes the configuration of such a layer; one that it doesn't concern is returned as it is.
    """

    subject: str
    change: str
    why: str
    apply: Change
    since: str = "3.0"
    classes: tuple[str, ...] = ()


def drop(classes: Collection[str], argument: str, why: str, *, only: tuple[object, ...] = (), advice: str = "") -> Rule:
    """An argument that Keras 3 doesn't take.

    Args:
        classes: that have it; empty for every layer.
        argument: its name.
        why: see `Rule`.
        only: the values that can be left out; empty for any. Another value has no equivalent.
        advice: what to do about such a value.
    """

    def apply(config: Config) -> Config:
        if argument not in config:
            return config
        if only and config[argument] not in only:
            raise UnsupportedError(f"{argument}={config[argument]!r} has no equivalent in Keras 3", advice)
        return {name: value for name, value in config.items() if name != argument}

    values = f"left out where it is {' or '.join(repr(value) for value in only)}" if only else "left out"
    return Rule(subject=_subject(classes, argument), change=values, why=why, apply=apply, classes=tuple(classes))


def refuse(classes: Collection[str], argument: str, values: Collection[object], why: str, advice: str) -> Rule:
    """An argument that Keras 3 takes, but not with these values."""

    def apply(config: Config) -> Config:
        if config.get(argument) in values:
            raise UnsupportedError(f"{argument}={config[argument]!r} has no equivalent in Keras 3", advice)
        return config

    change = f"{' or '.join(repr(value) for value in values)} can't be carried over"
    return Rule(subject=_subject(classes, argument), change=change, why=why, apply=apply, classes=tuple(classes))


def rename(classes: Collection[str], old: str, new: str, why: str) -> Rule:
    """An argument that has another name in Keras 3."""

    def apply(config: Config) -> Config:
        return {new if name == old else name: value for name, value in config.items()}

    return Rule(subject=_subject(classes, old), change=f"becomes `{new}`", why=why, apply=apply, classes=tuple(classes))


def convert(classes: Collection[str], argument: str, change: str, why: str, value_of: Callable[[Any], object]) -> Rule:
    """An argument whose value is written otherwise in Keras 3."""

    def apply(config: Config) -> Config:
        if argument not in config:
            return config
        return {**config, argument: value_of(config[argument])}

    return Rule(subject=_subject(classes, argument), change=change, why=why, apply=apply, classes=tuple(classes))


def _subject(classes: Collection[str], argument: str) -> str:
    return f"`{argument}` of {', '.join(f'`{name}`' for name in classes) or 'every layer'}"
