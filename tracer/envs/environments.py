"""Another Keras, in an isolated environment that uv makes from the registry: made once, kept, shared by all runs.

CACHE/environments/keras-3.4.1-tensorflow-2.17.1-0a1b2c3d/   a virtual environment, whole or not there at all
                   …/tracer-environment.json                 what is in it; its time of change is its last use
                   keras-3.4.1-…lock                         held alone while it is made or removed, shared while used
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tracer.core.environment import Wanted
from tracer.core.releases import TF_KERAS
from tracer.envs import registry, uv
from tracer.envs.folders import cache_folder, locked, write_whole, writing
from tracer.envs.requirements import Recipe, recipe, tensorflow_for
from tracer.errors import WorkerError
from tracer.progress import Progress

__all__ = ["LOCK_VARIABLE", "Cached", "Start", "clean", "environment", "folder", "listed", "prepare", "tensorflow_for"]

LOCK_VARIABLE = "TRACER_ENVIRONMENT_LOCK"
_NOTE = "tracer-environment.json"
# Imported once when an environment is made: it says at once whether it works, and leaves the byte code of the backend
# behind (15 s of 20).
_TRY = "import {}, h5py"
_TEMPORARY = ".making-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cached:
    """An environment that is there.

    Attributes:
        name: of its folder.
        folder: the virtual environment.
        requirements: what was asked for.
        packages: what is installed, by name.
        used: last use, in seconds since the epoch.
        size: bytes; what it shares with uv's cache (most of it, on one file system) is counted in.
    """

    name: str
    folder: Path
    requirements: tuple[str, ...]
    packages: Mapping[str, str]
    used: float
    size: int

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / "bin" / "python"


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """What starts a Python in an environment.

    Attributes:
        command: the program, and its first arguments.
        variables: to set for it.
        wanted: what it has to say that it runs.
    """

    command: tuple[str, ...]
    variables: Mapping[str, str]
    wanted: Wanted


def prepare(
    release: str | None,
    backend: str | None,
    *,
    packages: Sequence[str] = (),
    python: str = "",
    progress: Progress | None = None,
) -> Start:
    """What starts a Python with that Keras; makes its environment on first use.

    Args:
        release: of Keras, `latest`, `nightly`, `tf-keras`, or None for the newest.
        backend: `tensorflow` (also None), `jax` or `torch`.
        packages: further requirements, `name` or `name==1.2`, before those of the table.
        python: release of Python, such as `3.12`; "" for the first that runs every Keras 3.
        progress: called with (what is being done, 0, 0).

    Raises:
        SpecError: if there are no environments for that backend.
        WorkerError: if uv isn't installed, or the environment can't be made.
    """
    wanted = recipe(release or "latest", backend, packages, lambda name: registry.newest(name, progress))
    wanted = replace(wanted, python=python or wanted.python)
    place = environment(wanted, progress)
    variables = {
        "KERAS_BACKEND": wanted.backend,
        "VIRTUAL_ENV": str(place),
        LOCK_VARIABLE: str(_lock(place)),
        **(_keeps_compiled(place) if wanted.backend == "jax" else {}),
        **({"TF_USE_LEGACY_KERAS": "1"} if wanted.distribution == TF_KERAS else {}),
    }
    return Start(command=(str(place / "bin" / "python"),), variables=variables, wanted=wanted.wanted)


def _keeps_compiled(place: Path) -> dict[str, str]:
    """JAX compiles every operation for every shape: most of the time of a model that runs once.  Kept, for the next."""
    return {
        "JAX_COMPILATION_CACHE_DIR": str(place / "compiled"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    }


def environment(wanted: Recipe, progress: Progress | None = None) -> Path:
    """The folder of the environment, made if it isn't there."""
    place = folder() / _key(wanted)
    _sweep()
    if not _is_whole(place):
        if progress is not None:
            progress(f"making an environment with {', '.join(wanted.requirements)}", 0, 0)
        with writing(), locked(_lock(place)):  # another process may be making it: then it is there afterwards
            if not _is_whole(place):
                _make(wanted, place, progress)
    with contextlib.suppress(OSError):  # a cache that somebody else owns can be used all the same
        os.utime(place / _NOTE)
    return place


def folder() -> Path:
    """Where environments are kept."""
    return cache_folder() / "environments"


def _lock(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.lock")


def _is_whole(folder: Path) -> bool:
    """It gets its name when it is complete; its Python may have been taken away since."""
    return (folder / _NOTE).exists() and (folder / "bin" / "python").exists()


def _key(wanted: Recipe) -> str:
    """Readable, and different for everything that makes another environment."""
    content = (*wanted.requirements, uv.find_python(wanted.python), platform.system(), platform.machine())
    digest = hashlib.sha256("\n".join(content).encode()).hexdigest()[:8]
    main = (wanted.distribution, wanted.backend)
    named = [need.replace("==", "-") for need in wanted.requirements if need.startswith(main)]
    return f"{'-'.join(named)}-{digest}"


def _make(wanted: Recipe, folder: Path, progress: Progress | None) -> None:
    """Beside its place first; renamed when all is there."""
    start = time.monotonic()
    what = f"installing {', '.join(wanted.requirements)}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    making = Path(tempfile.mkdtemp(prefix=f"{_TEMPORARY}{folder.name}-", dir=folder.parent))
    try:
        python = uv.find_python(wanted.python)
        uv.run_uv(["venv", "--quiet", "--relocatable", "--python", python, str(making)], what, progress)
        _install(wanted, making, what, progress)
        frozen = uv.run_uv(["pip", "freeze", "--quiet", "--python", str(making)], what, progress)
        _try(making, wanted, progress)
        note = {
            "requirements": wanted.requirements,
            "packages": dict(line.split("==", 1) for line in frozen.split() if "==" in line),
            "python": python,
            "size": sum(file.lstat().st_size for file in making.rglob("*")),
            "seconds": round(time.monotonic() - start, 1),
        }
        write_whole(making / _NOTE, json.dumps(note, indent=1))
        if folder.exists():  # what is left of one whose Python was taken away
            shutil.rmtree(folder)
        making.rename(folder)
    finally:
        shutil.rmtree(making, ignore_errors=True)


def _install(wanted: Recipe, folder: Path, what: str, progress: Progress | None) -> None:
    words = ["pip", "install", "--python", str(folder), *wanted.requirements]
    if wanted.distribution != "keras":
        # A backend asks for `keras`, which has the nightly's files, and isn't tf-keras: with this it gets none.
        override = folder / "without-keras.txt"
        override.write_text("keras; sys_platform == 'none'\n", encoding="utf-8")
        words += ["--override", str(override)]
    try:
        uv.run_uv(words, what, progress)
    except WorkerError as error:
        if f"there is no version of keras=={wanted.release} " in " ".join(str(error).split()):
            newest = registry.newest("keras", progress)
            raise WorkerError(f"there is no Keras {wanted.release}; the newest is {newest}.") from error
        raise WorkerError(
            f"{error}\nChoose other releases (--with PACKAGE==VERSION), or try again with a network."
        ) from error


def _try(folder: Path, wanted: Recipe, progress: Progress | None) -> None:
    module = "tf_keras" if wanted.distribution == TF_KERAS else "keras"
    tried = {**os.environ, "KERAS_BACKEND": wanted.backend, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONDONTWRITEBYTECODE": ""}
    what = f"importing Keras {wanted.release} with {wanted.backend} for the first time"
    uv.run([str(folder / "bin" / "python"), "-I", "-c", _TRY.format(module)], what, progress, variables=tried)


# ---------------------------------------------------------------------- what is there


def listed() -> tuple[Cached, ...]:
    """The environments that are there, the last used first."""
    found = []
    for note in folder().glob(f"*/{_NOTE}"):
        with contextlib.suppress(OSError, ValueError, KeyError):  # being removed, or somebody else's folder
            data = json.loads(note.read_text(encoding="utf-8"))
            found.append(
                Cached(
                    name=note.parent.name,
                    folder=note.parent,
                    requirements=tuple(data["requirements"]),
                    packages=data["packages"],
                    used=note.stat().st_mtime,
                    size=int(data["size"]),
                )
            )
    return tuple(sorted(found, key=lambda cached: -cached.used))


def clean(unused_for: float = 0.0) -> tuple[tuple[Cached, ...], tuple[Cached, ...]]:
    """Removes environments that weren't used for so many seconds; those removed, and those in use that were kept."""
    removed: list[Cached] = []
    kept: list[Cached] = []
    for cached in listed():
        if time.time() - cached.used < unused_for:
            continue
        with locked(_lock(cached.folder), wait=False) as free:
            if free:
                # Renamed first: nobody may find half of it.
                leaving = cached.folder.with_name(f"{_TEMPORARY}{cached.name}-removed-{os.getpid()}")
                cached.folder.rename(leaving)
                shutil.rmtree(leaving, ignore_errors=True)
            (removed if free else kept).append(cached)
    _sweep()
    return tuple(removed), tuple(kept)


def _sweep() -> None:
    with contextlib.suppress(OSError):  # a cache that somebody else owns is left as it is
        for left in _left_over():
            shutil.rmtree(left, ignore_errors=True)


def _left_over() -> Iterator[Path]:
    """What nobody is making any more: whoever was, was killed or interrupted."""
    for left in folder().glob(f"{_TEMPORARY}*"):
        name = left.name.removeprefix(_TEMPORARY).rpartition("-")[0].removesuffix("-removed")
        with locked(_lock(left.with_name(name)), wait=False) as free:
            if free:
                yield left
