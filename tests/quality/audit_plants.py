"""Losses planted in model files: each a copy of an innocent file, and the word that an audit has to name it by."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import keras
import numpy as np


class Plant(NamedTuple):
    """One spoiled file; `word` is in what has to be said of it."""

    what: str
    path: Path
    word: str


_OF_GRAPHS = frozenset({"name", "layers", "input_layers", "output_layers", "dtype", "build_input_shape"})


def planted(file: Path, folder: Path, seed: int) -> Iterator[Plant]:
    """A few losses of every kind that a file of this format can have."""
    random = np.random.RandomState(seed)
    yield from (_in_archive if file.suffix == ".keras" else _in_legacy)(file, folder, random)


# --- .keras


def _in_archive(file: Path, folder: Path, random: np.random.RandomState) -> Iterator[Plant]:
    with zipfile.ZipFile(file) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with h5py.File(io.BytesIO(members["model.weights.h5"])) as weights:
        arrays = _datasets(weights)

    def spoiled(what: str, change: Callable[[h5py.File], None]) -> Path:
        buffer = io.BytesIO(members["model.weights.h5"])
        with h5py.File(buffer, "r+") as weights:
            change(weights)
        return _archive(folder / f"{what}.keras", {**members, "model.weights.h5": buffer.getvalue()})

    if arrays:
        gone, moved, spilt = (arrays[random.randint(len(arrays))] for _ in range(3))
        yield Plant("removed", spoiled("removed", lambda held: held.pop(gone)), gone)
        yield Plant("renamed", spoiled("renamed", lambda held: held.move(moved, f"{moved}_old")), moved)
        group = spilt.rpartition("/")[0]
        yield Plant("group-removed", spoiled("group", lambda held: held.pop(group)), group)
    yield from _permuted(members["model.weights.h5"], spoiled, random)
    yield from _other_words(members, folder)
    extra = "layers/forgotten/vars/0"
    yield Plant("extra", spoiled("extra", lambda held: held.update({extra: np.ones(3, "float32")})), extra)

    def described(what: str, change: Callable[[Any], str]) -> Plant:
        config = json.loads(members["config.json"])
        word = change(config)
        path = _archive(folder / f"{what}.keras", {**members, "config.json": json.dumps(config).encode()})
        return Plant(what, path, word)

    if _choices(json.loads(members["config.json"])):
        yield described("key-removed", lambda config: _without_a_key(config, random))
        yield described("key-unknown", lambda config: _with_a_key(config, random))


def _permuted(
    weights: bytes, spoiled: Callable[[str, Callable[[h5py.File], None]], Path], random: np.random.RandomState
) -> Iterator[Plant]:
    """Arrays that took each other's place: two of a layer, of other shapes, and those of two layers, of the same."""
    with h5py.File(io.BytesIO(weights)) as held:
        shapes = {name: held[name].shape for name in _datasets(held)}
        bytes_of = {name: held[name][()].tobytes() for name in shapes}
        groups = sorted({name.rpartition("/")[0] for name in shapes})
        names = {group: held[group].attrs.get("name", "") for group in groups}
    alike = {group: [shapes[name] for name in shapes if _group(name) == group] for group in groups}
    inside = [(a, b) for a in shapes for b in shapes if a < b and _group(a) == _group(b) and shapes[a] != shapes[b]]
    values = {group: [bytes_of[name] for name in shapes if _group(name) == group] for group in groups}
    pairs_of_groups = ((a, b) for a in groups for b in groups if a < b and alike[a] == alike[b])
    across = [(a, b) for a, b in pairs_of_groups if names[a] != names[b] and values[a] != values[b]]
    for what, pairs in (("permuted", inside), ("permuted-layers", across)):
        if pairs:
            one, other = pairs[random.randint(len(pairs))]
            yield Plant(what, spoiled(what, lambda held, pair=(one, other): _exchange(held, *pair)), one)  # type: ignore[misc]


def _group(name: str) -> str:
    return name.rpartition("/")[0]


def _exchange(held: h5py.File, one: str, other: str) -> None:
    held.move(one, "aside")
    held.move(other, one)
    held.move("aside", other)


def _other_words(members: dict[str, bytes], folder: Path) -> Iterator[Plant]:
    """One of two lists of the terms that a layer knows has them in another order: one is stale."""
    lists = sorted(name for name in members if name.endswith("vocabulary.txt"))
    if len(lists) > 1:
        terms = members[lists[-1]].split(b"\n")
        terms[1], terms[2] = terms[2], terms[1]
        changed = {**members, lists[-1]: b"\n".join(terms)}
        yield Plant("stale-words", _archive(folder / "words.keras", changed), lists[-1])


def _archive(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as written:
        for name, data in members.items():
            written.writestr(name, data)
    return path


# --- .h5


def _in_legacy(file: Path, folder: Path, random: np.random.RandomState) -> Iterator[Plant]:
    with h5py.File(file) as model:
        arrays = [name for name in _datasets(model) if name.startswith("model_weights/")]
        groups = [name for name, item in model["model_weights"].items() if len(item.attrs["weight_names"]) > 1]

    def spoiled(what: str, change: Callable[[h5py.File], str]) -> Plant:
        path = folder / f"{what}.h5"
        path.write_bytes(file.read_bytes())
        with h5py.File(path, "r+") as model:
            return Plant(what, path, change(model))

    def lose(model: h5py.File) -> str:
        name = arrays[random.randint(len(arrays))]
        del model[name]
        return name

    def rename(model: h5py.File) -> str:
        name = arrays[random.randint(len(arrays))]
        model.move(name, f"{name}_old")
        return name

    def permute(model: h5py.File) -> str:
        """Keras takes them in the order of this list, whatever their names are."""
        name = groups[random.randint(len(groups))]
        held = model["model_weights"][name]
        held.attrs["weight_names"] = np.roll(held.attrs["weight_names"], 1)
        return name

    def forget(model: h5py.File) -> str:
        config = json.loads(model.attrs["model_config"])
        word = _without_a_key(config, random)
        model.attrs["model_config"] = json.dumps(config)
        return word

    if arrays:
        yield spoiled("h5-removed", lose)
        yield spoiled("h5-renamed", rename)
    if groups:
        yield spoiled("h5-permuted", permute)
    yield spoiled("h5-key-removed", forget)


# --- state that is derived


def stale(model: Any, suffix: str, folder: Path, seed: int) -> Iterator[Plant]:
    """A model behind a normalization that computes with other statistics than those that its file has.

    In `.h5` it is nested, and Keras leaves it as it is made (keras#20147/nested-h5); in `.keras` its configuration says
    other statistics than its arrays, and Keras makes no variables for those.
    """
    random = np.random.RandomState(seed)
    shape = tuple(model.input_shape[1:])
    scaling = keras.layers.Normalization(name="scaling")
    scaling.adapt(random.normal(5, 3, (32, *(size or 4 for size in shape))).astype("float32"))
    inside, x = keras.Input(shape), keras.Input(shape, name="given")
    front = keras.Model(inside, scaling(inside), name="front")
    path = folder / f"behind{suffix}"
    try:
        keras.Model(x, model(front(x)), name="behind").save(path)
    except (NotImplementedError, ValueError):
        return  # Keras can't write this kind so
    yield _changed_statistics(path, random) if suffix == ".h5" else _said_statistics(path, folder)


def takes_numbers(model: Any) -> bool:
    """Whether it can stand behind a normalization."""
    inputs = getattr(model, "inputs", None) or ()
    shapes = [tuple(each.shape) for each in inputs]
    return len(shapes) == 1 and len(shapes[0]) > 1 and shapes[0][-1] is not None and inputs[0].dtype == "float32"


def _changed_statistics(path: Path, random: np.random.RandomState) -> Plant:
    with h5py.File(path, "r+") as file:
        for name in (each for each in _datasets(file) if each.endswith(("scaling/mean", "scaling/variance"))):
            file[name][...] = random.uniform(2, 9, file[name].shape)
    return Plant("stale-h5", path, "stale-state front/scaling")


def _said_statistics(path: Path, folder: Path) -> Plant:
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(members["config.json"])
    for layer in _layers(config):
        if layer.get("name") == "scaling":
            layer.update(mean=1.5, variance=2.5)
    members["config.json"] = json.dumps(config).encode()
    return Plant("stale-config", _archive(folder / "said.keras", members), "normalization/vars")


# --- both


def _datasets(file: h5py.File) -> list[str]:
    found: list[str] = []
    file.visititems(lambda name, item: found.append(name) if isinstance(item, h5py.Dataset) else None)
    return [name for name in found if name.split("/")[0] not in ("optimizer", "optimizer_weights")]


def _layers(config: Any) -> list[Any]:
    """Configurations of layers that hold no others."""
    inner = config.get("config", {})
    if isinstance(inner, dict) and "layers" in inner:
        return [each for layer in inner["layers"] for each in _layers(layer)]
    return [inner] if isinstance(inner, dict) else []


def _choices(config: Any) -> list[tuple[Any, str]]:
    """Settings that can be taken away, each with the layer that has it."""
    return [(layer, key) for layer in _layers(config) for key in layer if key not in _OF_GRAPHS]


def _without_a_key(config: Any, random: np.random.RandomState) -> str:
    choices = _choices(config)
    layer, key = choices[random.randint(len(choices))]
    del layer[key]
    return str(key)


def _with_a_key(config: Any, random: np.random.RandomState) -> str:
    choices = _layers(config)
    choices[random.randint(len(choices))]["forgotten_setting"] = 3
    return "forgotten_setting"
