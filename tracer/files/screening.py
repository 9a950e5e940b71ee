"""Screen a model file before any Keras reads it.  Keras is neither imported nor needed here."""

from __future__ import annotations

import os
import stat
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from tracer.core.trust.screening import Allowed, Finding, Json, Kind, screen
from tracer.errors import ModelError, TrustError
from tracer.files import archives, configs, hdf5

_CONFIG: Final = "config.json"
_SAVED_MODEL: Final = "saved_model.pb"
_TOLD = 5
_HOW = "If you trust whoever made it, add --trust (`trust=True` in Python): it is then loaded with all that it contains"


def check(path: Path, allowed: Allowed) -> None:
    """Refuse a model file that could run code, read other files or take all memory when it is loaded.

    Args:
        path: a `.keras`, `.h5` or `.json` file, or the folder of an unpacked `.keras` file.
        allowed: the user's own modules, and the names of what these define.

    Raises:
        TrustError: if it isn't harmless; says what was found and where.
        ModelError: if it is damaged.
    """
    found = screen_file(path, allowed)
    if found:
        raise TrustError(_refusal(path, found))


def screen_file(path: Path, allowed: Allowed = Allowed()) -> tuple[Finding, ...]:  # noqa: B008 - frozen
    """What is in a model file that keeps it from being loaded unasked; see `check`.

    Raises:
        ModelError: if the file is damaged.
    """
    if path.is_dir():
        return tuple(_folder(path, allowed))
    if path.suffix.lower() == ".keras":
        return tuple(_archive(path, allowed))
    if path.suffix.lower() == ".json":
        return screen(configs.read(path), allowed)
    return tuple(_legacy(path, allowed))


def _folder(path: Path, allowed: Allowed) -> Iterator[Finding]:
    if (path / _SAVED_MODEL).exists():  # Keras 2 makes layers of it
        yield Finding(Kind.CODE, _SAVED_MODEL, "a SavedModel is a program, and loading it runs what is in it")
        return
    found = list(_strays(path))
    if found:  # nothing behind a link or in a device is read
        yield from found
        return
    yield from screen(_as_loaded(configs.read(path / _CONFIG)), allowed, _CONFIG)
    for weights in sorted(path.rglob("*.h5")):
        with hdf5.opened(weights, f"{str(path)!r}: {weights.name}") as file:
            yield from hdf5.screen_weights(file, weights.name, weights.stat().st_size)


def _strays(folder: Path) -> Iterator[Finding]:
    """What isn't a plain file in the folder: links that lead out of it, devices, pipes."""
    root = folder.resolve()
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            item = Path(parent) / name
            target = item.resolve()
            if not (target.is_relative_to(root) or target.parent == _blobs(root)):
                yield Finding(Kind.PATH, "folder", f"{name!r} is a link that leads out of it")
            elif item.exists() and not (stat.S_ISREG(mode := item.stat().st_mode) or stat.S_ISDIR(mode)):
                yield Finding(Kind.PATH, "folder", f"{name!r} is no file, but a device or a pipe")


def _blobs(folder: Path) -> Path | None:
    """Where the Hugging Face Hub's cache keeps the files that a folder in it links to; None for any other folder."""
    snapshot = next((place for place in (folder, *folder.parents) if place.parent.name == "snapshots"), None)
    return None if snapshot is None else snapshot.parent.parent / "blobs"


def _archive(path: Path, allowed: Allowed) -> Iterator[Finding]:
    size = path.stat().st_size
    try:
        with zipfile.ZipFile(path) as archive:
            found = list(archives.screen_members(archive, size))
            yield from found
            if any(finding.kind is Kind.SIZE for finding in found):
                return
            member = archive.getinfo(_CONFIG)
            configs.check_size(member.file_size, path)
            yield from screen(_as_loaded(configs.parsed(archive.read(member), path)), allowed, _CONFIG)
            for name in archive.namelist():
                if name.endswith(".h5"):
                    yield from _screen_member(archive, path, name)
    # A member may be encrypted, packed in a way that isn't known, or damaged.
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError, EOFError, OSError, zlib.error) as error:
        raise ModelError(f"{str(path)!r} is a damaged .keras file: {error}") from error


def _screen_member(archive: zipfile.ZipFile, path: Path, name: str) -> Iterator[Finding]:
    with (
        archives.member_as_file(archive, path, name) as part,
        hdf5.opened(part, f"{str(path)!r}: {name}") as file,
    ):
        yield from hdf5.screen_weights(file, name, path.stat().st_size)


def _legacy(path: Path, allowed: Allowed) -> Iterator[Finding]:
    with hdf5.opened(path, repr(str(path))) as file:
        yield from hdf5.screen_weights(file, "weights", path.stat().st_size)
        text = hdf5.attribute(file, "model_config")
    if text is not None:
        yield from screen(configs.parsed(text.encode("utf-8", errors="surrogateescape"), path), allowed, "model_config")


def _as_loaded(config: Json) -> Json:
    """What of a configuration is used: a file is loaded without its optimizer, loss and metrics."""
    if isinstance(config, dict):
        return {key: value for key, value in config.items() if key != "compile_config"}
    return config


def _refusal(path: Path, found: Sequence[Finding]) -> str:
    """What to say of it, in one line."""
    told = "; ".join(dict.fromkeys(str(finding) for finding in found[:_TOLD]))
    more = f"; and {len(found) - _TOLD} more" if len(found) > _TOLD else ""
    custom = [finding for finding in found if finding.kind is Kind.CUSTOM]
    if len(custom) == len(found):
        return (
            f"model file {str(path)!r} can't be loaded: it needs the custom object {custom[0].name!r} ({told}{more}). "
            "Name the module that defines it: `--custom-objects package.module`."
        )
    return f"model file {str(path)!r} isn't loaded, since it isn't harmless: {told}{more}. {_HOW}."
