"""What a model file holds, read without loading the model: digests of its arrays, its configuration, who wrote it."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypeAlias

import numpy as np

from tracer.errors import ModelError
from tracer.records import JsonObject

if TYPE_CHECKING:
    import h5py

# Shape, dtype and digest of the bytes.
Stored: TypeAlias = tuple[tuple[int, ...], str, str]
_WEIGHTS = "model.weights.h5"
# Of training, which loading a model to look at doesn't restore.
_TRAINING = ("optimizer", "optimizer_weights", "loss", "metrics", "_metrics", "_loss_tracker", "compile_metrics")
_OPTIMIZER = ("optimizer/vars/", "optimizer_weights/")
_ADDRESS = "shared_object_id"  # of an object in the process that wrote it
_KEYS_OF_TRAINING = frozenset({"compile_config", "training_config"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What is in a file.

    Attributes:
        format: `keras` or `h5`.
        writer: release of Keras that wrote it; empty where it doesn't say.
        arrays: what is stored, by its path in the file; files that layers keep (vocabularies) are among them.
        left_out: how many arrays belong to the training alone.
        config: leaves of the model's configuration, by path; it names layers (`config.layers[bn].config.axis`).
        suspicious: arrays with a value that no trained model has, by path: what.
        absent: arrays that the file lists and doesn't have, by the path that they would have; `.h5` lists them.
        optimizer: paths of the arrays of its optimizer, which are among those that are left out.
        compiled: keys of what it says of how the model is compiled; none where it doesn't say.
        owners: names of the layers that arrays are of, by the path of their group; newer `.keras` files note them.
    """

    format: str
    writer: str
    arrays: dict[str, Stored]
    left_out: int
    config: dict[str, object]
    suspicious: dict[str, str]
    absent: tuple[str, ...] = ()
    optimizer: tuple[str, ...] = ()
    compiled: frozenset[str] = frozenset()
    owners: Mapping[str, str] = field(default_factory=dict)


def read(path: Path) -> Contents:
    """Read a `.keras` or `.h5` file.

    Raises:
        ModelError: if it is neither, or damaged.
    """
    try:
        if zipfile.is_zipfile(path):
            return _read_archive(path)
        with path.open("rb") as file:
            return _read_legacy(file)
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise ModelError(f"{str(path)!r} can't be read: {type(error).__name__}: {error}.") from error


def description(path: Path) -> tuple[str, str]:
    """What a model file says of its model, as JSON, without how it is trained; and its format, `keras` or `h5`.

    Raises:
        ModelError: if it is neither, or damaged.
    """
    import h5py

    try:
        is_archive = zipfile.is_zipfile(path)
        if is_archive:
            with zipfile.ZipFile(path) as archive:
                config = json.loads(archive.read("config.json"))
        else:
            with h5py.File(path, "r") as model:
                config = json.loads(model.attrs["model_config"])
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise ModelError(f"{str(path)!r} can't be read: {type(error).__name__}: {error}.") from error
    told = {key: value for key, value in config.items() if key not in _KEYS_OF_TRAINING}
    return json.dumps(told), "keras" if is_archive else "h5"


def _read_archive(path: Path) -> Contents:
    import h5py  # Keras brings it

    with zipfile.ZipFile(path) as archive:
        config = json.loads(archive.read("config.json"))
        told = json.loads(archive.read("metadata.json")) if "metadata.json" in archive.namelist() else {}
        with h5py.File(io.BytesIO(archive.read(_WEIGHTS)), "r") as weights:
            found, owners = dict(_arrays(weights)), dict(_owners(weights))
        for name in archive.namelist():
            if name.startswith("assets/") and not name.endswith("/"):
                data = np.frombuffer(archive.read(name), np.uint8)
                found[name] = (stored(data), "")
    return replace(_contents("keras", str(told.get("keras_version", "")), found, config), owners=owners)


def _read_legacy(file: BinaryIO) -> Contents:
    import h5py

    with h5py.File(file, "r") as model:
        writer = model.attrs.get("keras_version", model.get("model_weights", model).attrs.get("keras_version", ""))
        found = _contents("h5", _text(writer), dict(_arrays(model)), json.loads(model.attrs["model_config"]))
        training = json.loads(model.attrs.get("training_config", "{}"))
        return replace(found, absent=tuple(_absent(model)), compiled=frozenset(training))


def _absent(model: h5py.File) -> Iterator[str]:
    """Arrays of layers that the file lists by name and doesn't have: Keras looks for them and fails."""
    for layer, group in model["model_weights"].items() if "model_weights" in model else ():
        for name in map(_text, group.attrs.get("weight_names", ())):
            if name not in group:
                yield f"model_weights/{layer}/{name}"


def _contents(format: str, writer: str, found: dict[str, tuple[Stored, str]], config: JsonObject) -> Contents:
    arrays = {path: stored for path, (stored, _) in found.items() if path.split("/")[0] not in _TRAINING}
    return Contents(
        format=format,
        writer=writer,
        arrays=arrays,
        left_out=len(found) - len(arrays),
        config=dict(_leaves({key: value for key, value in config.items() if key not in _KEYS_OF_TRAINING}, "")),
        suspicious={path: why for path, (_, why) in found.items() if why and path in arrays},
        optimizer=tuple(path for path in found if path.startswith(_OPTIMIZER)),
        compiled=frozenset(config.get("compile_config") or ()),
    )


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _arrays(group: object) -> Iterator[tuple[str, tuple[Stored, str]]]:
    """Every dataset below a group, by its path."""
    import h5py

    names: list[str] = []
    assert isinstance(group, h5py.Group)
    group.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
    for name in names:
        array = np.asarray(group[name][()])
        yield name, (stored(array), _suspicion(array))


def _owners(weights: h5py.File) -> Iterator[tuple[str, str]]:
    """Names that groups of arrays were given, by path."""
    import h5py

    found: list[tuple[str, str]] = []

    def note(path: str, item: object) -> None:
        if isinstance(item, h5py.Group) and "name" in item.attrs:
            found.append((path, _text(item.attrs["name"])))

    weights.visititems(note)
    yield from found


def stored(array: np.ndarray) -> Stored:
    """What stands for an array: two that have the same are the same, byte for byte."""
    data = repr(array.tolist()).encode() if array.dtype.hasobject else np.ascontiguousarray(array).tobytes()
    return array.shape, array.dtype.name, hashlib.blake2b(data, digest_size=16).hexdigest()


def _suspicion(array: np.ndarray) -> str:
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        return f"{int(np.count_nonzero(~np.isfinite(array)))} of {array.size} values are NaN or infinite"
    return ""


def leaves(description: str) -> dict[str, object]:
    """Values of a model's configuration, given as JSON, by their path."""
    return dict(_leaves(json.loads(description), ""))


def _leaves(value: object, path: str) -> Iterator[tuple[str, object]]:
    """Values of a configuration by their path; an empty list or dictionary is a value."""
    if not isinstance(value, (dict, list)) or not value:
        yield path, value
        return
    for inner, item in _children(value, path):
        yield from _leaves(item, inner)


def _children(value: dict[str, object] | list[object], path: str) -> Iterator[tuple[str, object]]:
    if isinstance(value, list):
        yield from ((f"{path}[{place}]", item) for place, item in zip(_places(value), value, strict=True))
    else:
        start = f"{path}." if path else ""
        yield from ((f"{start}{key}", item) for key, item in value.items() if key != _ADDRESS)


def _places(items: Sequence[object]) -> Sequence[object]:
    """What tells the items of a list apart: the names of layers where they have some, else their positions."""
    names = [_name_of(item) for item in items]
    return names if all(names) and len(set(names)) == len(names) else range(len(items))


def _name_of(item: object) -> str:
    config = item.get("config") if isinstance(item, dict) else None
    name = config.get("name") if isinstance(config, dict) else None
    return name if isinstance(name, str) else ""
