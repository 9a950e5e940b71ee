"""Which goldens are meant: the folder that was named, else the project's own, else those that come with this package.

A wheel has them as package data (`tracer/goldens`, filled from `fixtures/` by hatch_build.py); an editable installation
reads those of its checkout. Nothing here writes, and nothing may be written to the package's own folder.
"""

from __future__ import annotations

import importlib.resources
import os
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tracer import __version__
from tracer.core.spec import parse_spec
from tracer.errors import FixtureError, SpecError
from tracer.store.places import SUFFIX, all_fixtures, fixture_path

if TYPE_CHECKING:
    from tracer.core.golden.golden import Golden

OWN: Final = "fixtures"  # of a project, in the folder where the command is run
SHIPPED: Final = "shipped"  # the word for the goldens that come with this package
_PACKAGE_DATA: Final = "goldens"
_DISTRIBUTION: Final = "keras-layer-tracer"


@dataclass(frozen=True, slots=True)
class GoldenFolder:
    """A folder of goldens.

    Attributes:
        path: of the folder.
        origin: which goldens these are, for a report; names the release that they came with, where they did.
    """

    path: Path
    origin: str


def find_folder(given: str | os.PathLike[str] | None) -> GoldenFolder:
    """Choose the folder of goldens to read.

    Args:
        given: a folder, or the word `shipped`; None: `./fixtures` where it holds goldens, else those of this package.

    Raises:
        FixtureError: if there is no such folder, or no goldens at all; says how to get them.
    """
    if given is None and all_fixtures(OWN):
        return _described(Path(OWN))
    if given is not None and Path(given).is_dir():
        return _described(Path(given))
    if given is not None and os.fspath(given) != SHIPPED:
        raise FixtureError(
            f"{os.fspath(given)}: there is no such folder of goldens. Give one, or `{SHIPPED}` for the goldens "
            "that come with this package."
        )
    shipped = shipped_folder()
    if shipped is None:
        looked = "" if given is not None else f"./{OWN} holds none, and "
        raise FixtureError(
            f"there are no goldens: {looked}none came with this package. Install it from its wheel, copy them from a "
            f"clone (`dvc get REPOSITORY {OWN}`), or record some: `tracer record MODEL`."
        )
    return _described(shipped)


def shipped_folder() -> Path | None:
    """Where the goldens lie that come with this package: its data, or the `fixtures` of the checkout that it is.

    Raises:
        FixtureError: if they are packed into an archive together with the package.
    """
    data = _package_data()
    if isinstance(data, Path):
        checkout = data.parents[1]
        folder = checkout / OWN if not data.is_dir() and (checkout / "pyproject.toml").is_file() else data
        return folder if all_fixtures(folder) else None
    if not data.is_dir():
        return None
    raise FixtureError(
        f"{data}: goldens can't be read inside an archive. Unpack it, for example with `python -m zipfile -e`, and "
        f"name the folder {_PACKAGE_DATA} in it: `--fixtures FOLDER`."
    )


def _package_data() -> Traversable:
    return importlib.resources.files("tracer") / _PACKAGE_DATA


def find_golden(model: str, given: str | os.PathLike[str] | None) -> Path:
    """The file that holds, or would hold, the golden of a model.

    Args:
        model: its specification.
        given: a golden's file, or see `find_folder`.

    Raises:
        FixtureError: as `find_folder` does.
    """
    if given is not None and (Path(given).is_file() or os.fspath(given).endswith(SUFFIX)):
        return Path(given)
    return fixture_path(find_folder(given).path, parse_spec(model).target)


def golden_named(text: str) -> Path | None:
    """The golden that a text names, by its file or by its model; None where it is neither."""
    if text.endswith(SUFFIX):
        return Path(text)
    if Path(text).exists():
        return None
    try:
        path = find_golden(text, None)
    except (FixtureError, SpecError):  # whoever asked says what the text isn't
        return None
    return path if path.is_file() else None


def check_recordable(folder: str | os.PathLike[str]) -> None:
    """Does nothing where goldens may be written; asked before a recording, which takes minutes.

    Raises:
        FixtureError: if the folder belongs to an installed package: those goldens are read only.
    """
    data = _package_data()
    if isinstance(data, Path) and Path(folder).resolve() == data.resolve():
        raise FixtureError(
            f"{os.fspath(folder)}: these goldens belong to the installed package and aren't written. Record into a "
            f"folder of yours: `--fixtures {OWN}`."
        )


def describe_origin(path: str | os.PathLike[str], golden: Golden) -> str:
    """Which golden that is: its file, the release that it came with if it did, who recorded it, and its digest."""
    release = _came_with(Path(path).parent)
    tool = golden.provenance.get("tool", "an unknown tracer")
    return f"{os.fspath(path)}{release}, recorded by {tool}, digest {golden.digest or 'unknown'}"


def _described(folder: Path) -> GoldenFolder:
    return GoldenFolder(path=folder, origin=f"{folder}{_came_with(folder)}")


def _came_with(folder: Path) -> str:
    data = _package_data()
    if isinstance(data, Path) and folder.resolve() == data.resolve():
        return f", which came with {_DISTRIBUTION} {__version__}"
    return ""
