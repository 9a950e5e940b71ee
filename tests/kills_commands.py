"""The commands that `kills.py` kills: what each needs, what it writes, and when that is whole."""

from __future__ import annotations

import base64
import hashlib
import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fuzz_files import keras_2_file

_ENVIRONMENTS = "cache/environments/keras*[!k]"  # not the files that are their locks


@dataclass(frozen=True)
class Scenario:
    """A command, and what of it is looked at.

    Attributes:
        name: in a table.
        words: behind `tracer`.
        prepare: puts what it needs into its folder.
        whole: fails for a file that isn't whole, where there is one.
        made: globs of what it writes, relative to its folder; what is there before may be replaced, and never lost.
        again: globs of what it wouldn't make another time, which is therefore removed before most of the kills.
        release: the Keras whose environment it uses, of the user's own cache; it is there before anything is killed.
    """

    name: str
    words: tuple[str, ...]
    prepare: Callable[[Path], None]
    whole: Callable[[Path], object]
    made: tuple[str, ...]
    again: tuple[str, ...] = ()
    release: str = ""


def scenarios(*, releases: bool = False) -> tuple[Scenario, ...]:
    """Of everything that writes; with `releases`, also of what needs another Keras from a package registry."""
    return (*_installed(), _migrate()) if releases else _installed()


def _installed() -> tuple[Scenario, ...]:
    tiny = "tracer.zoo:tiny_sequential"
    return (
        Scenario("record", ("record", tiny, "--no-witness", "--yes"), _nothing, _golden, ("fixtures/*",)),
        Scenario(
            "fix",
            ("fix", "nested.h5", "--as-trained", "-o", "fixed.keras"),
            _nested,
            _model,
            ("fixed.keras",),
            ("fixed.keras",),
        ),
        Scenario(
            "roundtrip",
            ("roundtrip", tiny, "--format", "keras", "--format", "h5", "--json", "r.json"),
            _nothing,
            _report,
            ("r.json",),
        ),
        Scenario(
            "matrix, envs",
            ("matrix", "--run", "python -c 'import keras'", "--keras", "3.4.1,3.6.0", "--results", "results"),
            _wheels,
            _json,
            ("results/*", f"{_ENVIRONMENTS}/tracer-environment.json"),
            ("results/*", _ENVIRONMENTS),
        ),
    )


def _migrate() -> Scenario:
    words = ("migrate", "old.h5", "-o", "new.keras", "--json", "r.json")
    return Scenario("migrate", words, _keras_2, _model_or_report, ("new.keras", "r.json"), ("new.keras",), "2.15.0")


def _nothing(folder: Path) -> None:
    """A model of the zoo needs no file."""


def _golden(path: Path) -> object:
    from tracer.store.fixtures import read_golden

    return read_golden(path)


def _report(path: Path) -> object:
    from tracer.store.reports import read_reports

    return read_reports(path)


def _json(path: Path) -> object:
    return json.loads(path.read_text(encoding="utf-8"))


def _model(path: Path) -> object:
    with zipfile.ZipFile(path) as archive:
        if archive.testzip() is not None:
            raise ValueError("a member is damaged")
        return json.loads(archive.read("config.json"))


def _model_or_report(path: Path) -> object:
    return _report(path) if path.suffix == ".json" else _model(path)


def _keras_2(folder: Path) -> None:
    (folder / "old.h5").write_bytes(keras_2_file())


def _nested(folder: Path) -> None:
    """A file whose loaded model forgets to normalize."""
    import keras
    import numpy as np
    from keras import layers

    norm = layers.Normalization(name="norm")
    norm.adapt(np.random.RandomState(0).normal(5.0, 3.0, (64, 4)))
    inner = keras.Sequential([keras.Input((4,)), norm, layers.Dense(3)], name="inner")
    keras.Sequential([keras.Input((4,)), inner, layers.Dense(2)], name="outer").save(folder / "nested.h5")


def _wheels(folder: Path) -> None:
    """Packages of those names with a line of code each, which uv installs as it does real ones, without a registry."""
    for name, version in (("keras", "3.4.1"), ("keras", "3.6.0"), ("tensorflow", "2.17.1"), ("tensorflow", "2.19.1")):
        _wheel(folder / "wheels", name, version, requires="h5py" if name == "keras" else "")
    _wheel(folder / "wheels", "h5py", "3.0.0")


def _wheel(folder: Path, name: str, version: str, requires: str = "") -> None:
    info = f"{name}-{version}.dist-info"
    needs = f"Requires-Dist: {requires}\n" if requires else ""
    files = {
        f"{name}/__init__.py": f"__version__ = {version!r}\n",
        **{f"{name}/part{i}.py": "x = 1\n" * 200 for i in range(100)},
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    rows = [f"{path},sha256={_digest(text)},{len(text)}" for path, text in files.items()]
    files[f"{info}/RECORD"] = "\n".join([*rows, f"{info}/RECORD,,", ""])
    folder.mkdir(exist_ok=True)
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)


def _digest(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
