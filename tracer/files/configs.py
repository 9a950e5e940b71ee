"""Read the configuration of a model, within bounds of memory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from tracer.core.trust.json_text import MOST, memory_of
from tracer.core.trust.screening import Json
from tracer.errors import ModelError

_MAX_TEXT: Final = 256 << 20  # bytes; the configuration of a model of a thousand layers has one MB


def read(path: Path) -> Json:
    """What a `.json` file says.

    Raises:
        ModelError: if it is too large, nested too deeply, or no JSON.
        OSError: if it can't be read.
    """
    check_size(path.stat().st_size, path)
    return parsed(path.read_bytes(), path)


def check_size(size: int, path: Path) -> None:
    """Refuse a configuration of so many bytes before they are read.

    Raises:
        ModelError: if it is larger than any model's.
    """
    if size > _MAX_TEXT:
        raise ModelError(f"{str(path)!r}: its configuration has {size} bytes, which no model needs.")


def parsed(data: bytes, path: Path) -> Json:
    """What a configuration says.

    Args:
        data: its text.
        path: the file that it is from, for errors.

    Raises:
        ModelError: if it would take too much memory, is nested too deeply, or is no JSON.
    """
    if (taken := memory_of(data)) > MOST:
        raise ModelError(f"{str(path)!r}: its configuration takes {taken >> 20} MB to read, which no model needs.")
    try:
        found: Json = json.loads(data)
    except RecursionError as error:
        raise ModelError(f"{str(path)!r}: its configuration is nested too deeply for any model.") from error
    except ValueError as error:
        raise ModelError(f"{str(path)!r}: its configuration isn't JSON: {error}.") from error
    return found
