"""What a process that is started here inherits: variables, and the user's own project; nothing that is installed."""

from __future__ import annotations

import contextlib
import os
import site
import sys
import sysconfig
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tracer.system.leftovers import temporary_folder

_PACKAGE = Path(__file__).resolve().parents[1]
# No package, and nothing may be added to it: all that lies in it shadows the modules of the user's project.
_STARTUP = _PACKAGE / "envs" / "startup"
_INSTALLED = frozenset({"site-packages", "dist-packages"})
# Where a command that runs in another environment notes which Keras it imports (`startup/sitecustomize.py`).
NOTES = "TRACER_COMMAND_NOTES"
# They would point another Python at this one's library, or have it run something first or last.
_FOREIGN = frozenset(
    {
        "PYTHONHOME",
        "PYTHONPLATLIBDIR",
        "PYTHONEXECUTABLE",
        "PYTHONSTARTUP",
        "PYTHONINSPECT",
        "PYTHONUSERBASE",
        "PYTHONSAFEPATH",
        "__PYVENV_LAUNCHER__",
        "TF_USE_LEGACY_KERAS",
        NOTES,
    }
)


def start_module(module: str, *arguments: str) -> list[str]:
    """What follows a Python's name to run a module of this package, which that Python needn't have installed."""
    return ["-P", str(_PACKAGE / "envs" / "bootstrap.py"), module, *arguments]


@dataclass(frozen=True, slots=True, kw_only=True)
class Folders:
    """What a user's command has on its path besides the user's project, and where it leaves what it imported.

    Attributes:
        first: before the project: it has a `sitecustomize` alone, and belongs to this package.
        last: behind the project: it has this package alone.
        notes: a file, which is there once the command has imported a Keras: one line for each Python that did.
    """

    first: Path
    last: Path
    notes: Path


@contextlib.contextmanager
def folders_for_command() -> Iterator[Folders]:
    """What was made for the command is gone when it has ended."""
    with temporary_folder() as folder:
        found = Folders(first=_STARTUP, last=folder / "last", notes=folder / "notes")
        found.last.mkdir()
        (found.last / _PACKAGE.name).symlink_to(_PACKAGE, target_is_directory=True)
        yield found


def own_variables(changes: Mapping[str, str]) -> dict[str, str]:
    """This process' variables, for a second process of this very environment: what can be imported here, can there."""
    default = {*_installed_folders(), *_standard_folders()}
    paths = [path for path in _folders(sys.path) if not _is_inside(path, default)]
    alone = {"PYTHONNOUSERSITE": "1"} if sys.flags.no_user_site else {}
    return {**os.environ, **alone, **_common([Path.cwd(), *paths]), **_chosen_backend(), **changes}


def foreign_variables(changes: Mapping[str, str]) -> dict[str, str]:
    """This process' variables, for a Python of another environment: of this one only the user's project is there."""
    kept = {name: value for name, value in os.environ.items() if name not in _FOREIGN}
    return {**kept, "PYTHONNOUSERSITE": "1", **_common(project_folders()), **_chosen_backend(), **changes}


def project_folders() -> tuple[Path, ...]:
    """The folders that the user's own modules are imported from: where this process runs, and what is on its path.

    Left out is what belongs to this environment: the standard library, folders of installed distributions wherever they
    lie, and the folder that holds this package.
    """
    installed = {*_installed_folders(), *_standard_folders()}
    found = [
        path
        for path in _folders(sys.path)
        if path != _PACKAGE.parent and not _is_inside(path, installed) and not _holds_distributions(path)
    ]
    return tuple(dict.fromkeys([Path.cwd(), *found]))


def _common(paths: Sequence[Path]) -> dict[str, str]:
    return {"TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": os.pathsep.join(map(str, dict.fromkeys(paths)))}


def _chosen_backend() -> dict[str, str]:
    """A backend that was chosen in this process, by whatever means, is the other's too."""
    keras = sys.modules.get("keras")
    return {} if keras is None else {"KERAS_BACKEND": str(keras.backend.backend())}


def _folders(paths: list[str]) -> Iterator[Path]:
    """Those that are there; an empty one means the current folder, and isn't the same later."""
    for path in paths:
        if path and Path(path).is_dir():
            yield Path(path).absolute()


def _is_inside(path: Path, folders: set[Path]) -> bool:
    return any(path == folder or folder in path.parents for folder in folders)


def _holds_distributions(path: Path) -> bool:
    """Whether packages were installed into it: by its name, or by what `pip install --target` leaves."""
    return bool(_INSTALLED & set(path.parts)) or any(path.glob("*.dist-info"))


def _installed_folders() -> Iterator[Path]:
    yield from map(Path, (*site.getsitepackages(), site.getusersitepackages()))


def _standard_folders() -> Iterator[Path]:
    yield from (Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib"))
