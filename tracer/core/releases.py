"""Release numbers as they order, and the tables that say what is known of releases.

Without `packaging`, which neither a worker nor a reader of reports must have.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from importlib import resources
from types import MappingProxyType
from typing import Final, TypeAlias, TypeVar

from tracer.errors import TracerError
from tracer.records import JsonObject

# Major, minor and patch number, stage (0 for a final release, less for those before it) and serial number.
Release: TypeAlias = tuple[int, int, int, int, int]
_Entry = TypeVar("_Entry")
# Its distribution for TensorFlow from 2.16 on, where `keras` is Keras 3.
TF_KERAS: Final = "tf-keras"
_STAGES: Final = MappingProxyType({"dev": -4, "a": -3, "b": -2, "rc": -1})


def parse_release(text: str) -> Release | None:
    """`3.16.0.dev2026010100` → (3, 16, 0, -4, 2026010100), so that they order as they were released.

    A nightly comes before the release that it leads to, as PEP 440 has it: whether a nightly has a fix already can't be
    told from its number, and a fault that was found in it says that it doesn't. None: no release number.
    """
    found = re.match(r"v?(\d+)(?:\.(\d+))?(?:\.(\d+))?(?:[.\-_]?(dev|rc|a|b)[.\-_]?(\d*))?(?!\d)", text.strip())
    if found is None:
        return None
    major, minor, patch, stage, serial = found.groups()
    return int(major), int(minor or 0), int(patch or 0), _STAGES.get(stage or "", 0), int(serial or 0)


def release_order(text: str) -> tuple[int, ...]:
    """What to sort releases by; what is no release number comes first."""
    return parse_release(text) or ()


def is_keras_2(text: str) -> bool:
    """Whether it is the number of a release of Keras 2, or its other distribution."""
    release = parse_release(text)
    return text == TF_KERAS or (release is not None and release[0] == 2)


def read_table(package: str, file: str, key: str, parse: Callable[[JsonObject], _Entry]) -> tuple[_Entry, ...]:
    """The entries of a table, in its own order.

    Args:
        package: that the file lies in.
        file: its name.
        key: under which the entries are.
        parse: makes one of what stands there; it raises KeyError, TypeError or ValueError where that is none.

    Raises:
        TracerError: if the table that was installed is damaged.
    """
    text = (resources.files(package) / file).read_text(encoding="utf-8")
    try:
        return tuple(parse(entry) for entry in tomllib.loads(text)[key])
    except (KeyError, TypeError, ValueError) as error:
        raise TracerError(f"{file} is damaged: {type(error).__name__}: {error}. Reinstall the package.") from error
