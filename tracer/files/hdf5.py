"""What an HDF5 file points to and claims, read from its structure alone: no number in it is read."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final, TypeAlias

import h5py

from tracer.core.trust.screening import Finding, Kind
from tracer.errors import ModelError

Source: TypeAlias = Path | BinaryIO

# What weights may take in memory beside what their file takes: compressed weights are rare, and seldom a quarter.
GROWTH: Final = 4
SLACK: Final = 1 << 28  # Keras holds what it loads up to three times


@contextlib.contextmanager
def opened(source: Source, what: str) -> Iterator[h5py.File]:
    """An HDF5 file for reading.

    Raises:
        ModelError: if it is damaged, or anything read from it within this context is.
    """
    try:
        with h5py.File(str(source) if isinstance(source, Path) else source, "r") as file:
            yield file
    # h5py passes on whatever the C library says, by type of what was being done.
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
        said = (str(error).splitlines() or [type(error).__name__])[0]
        raise ModelError(f"{what} is a damaged HDF5 file: {said}.") from error


def screen_weights(file: h5py.File, what: str, size: int) -> Iterator[Finding]:
    """Links to other files, and weights that claim more than their file can hold.

    Args:
        file: an open HDF5 file.
        what: how to call it in findings.
        size: of the file, in bytes.
    """
    claimed = 0
    for name, item in _items(file):
        if isinstance(item, (h5py.SoftLink, h5py.ExternalLink)):
            target = getattr(item, "filename", item.path)
            yield Finding(Kind.PATH, f"{what}: {name}", f"a link to {target!r}, which loading would read")
        elif isinstance(item, h5py.Dataset):
            if item.external or item.is_virtual:
                yield Finding(Kind.PATH, f"{what}: {name}", "its numbers are in another file, which loading would read")
            claimed += item.size * item.dtype.itemsize if item.shape is not None else 0
    if claimed > GROWTH * size + SLACK:
        yield Finding(Kind.SIZE, what, f"its weights claim {claimed >> 20} MB, in {size} bytes")


def _items(file: h5py.File) -> Iterator[tuple[str, object]]:
    """Links that lead elsewhere, groups and datasets, each once."""
    seen = {h5py.h5o.get_info(file.id).addr}
    waiting: list[tuple[str, h5py.Group]] = [("", file)]
    while waiting:
        prefix, group = waiting.pop()
        for name in group:
            path = f"{prefix}/{name}"
            link = group.get(name, getlink=True)
            item = group[name] if isinstance(link, h5py.HardLink) else link
            if isinstance(item, (h5py.Group, h5py.Dataset)):
                address = h5py.h5o.get_info(item.id).addr
                if address in seen:
                    continue
                seen.add(address)
            if isinstance(item, h5py.Group):
                waiting.append((path, item))
            else:
                yield path, item


def attribute(file: h5py.File, name: str) -> str | None:
    """A text that is kept as an attribute of the file; None where there is none."""
    if name not in file.attrs:
        return None
    value = file.attrs[name]
    return value.decode("utf-8", errors="replace") if isinstance(value, bytes) else str(value)
