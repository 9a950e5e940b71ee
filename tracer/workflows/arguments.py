"""What can be told of a command's arguments before Keras is imported, which takes seconds.

Whatever can't be told so early is left to whoever needs it: nothing is refused here that would have worked.
"""

from __future__ import annotations

import ast
import os
import sys
from collections.abc import Sequence
from importlib import metadata
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Final

from tracer.core.batches.given import is_many
from tracer.core.formats import ALL, format_named
from tracer.core.memory import parse_size, size_text
from tracer.core.releases import is_keras_2
from tracer.core.spec import ModelSpec, missing_attribute, missing_file, nearest, parse_spec, unknown_application
from tracer.errors import InputError, MemoryLimitError, SpecError
from tracer.system.sources import application_names, bound_names, search_path

_HOW: Final = "Run from the folder that it is imported from, or install it."
# A module that makes names in one of these ways may have any; one that ends the process says so when it is imported.
_MAKERS: Final = frozenset({"__getattr__", "globals", "setattr", "exec", "vars", "locals", "exit", "_exit", "quit"})


def check_arguments(
    *models: object,
    inputs: object = None,
    formats: Sequence[str] = (),
    memory_limit: str | int | None = None,
    batch_size: int | None = None,
    custom_objects: Sequence[str] = (),
) -> None:
    """Does nothing where the arguments of a command may be right.

    Args:
        *models: specifications; anything else is no business of this function.
        inputs: the path of a file, or anything else.
        formats: names of save formats.
        memory_limit: a size, as text or in bytes.
        batch_size: samples of the file that are read at a time; None for all.
        custom_objects: names of modules.

    Raises:
        SpecError: if a model, a format, a size or a module isn't one; names those that are near.
        InputError: if the file of inputs isn't there.
        MemoryLimitError: if that file alone takes more.
    """
    limit = parse_size(memory_limit) if isinstance(memory_limit, str) else memory_limit
    for name in formats:
        if name != ALL:
            format_named(name)
    for name in custom_objects:
        _check_module(name, f"--custom-objects {name}")
    for model in models:
        if isinstance(model, (str, ModelSpec)):
            _check_model(parse_spec(model) if isinstance(model, str) else model)
    if isinstance(inputs, (str, os.PathLike)):
        _check_inputs(Path(inputs))
        if limit is not None and batch_size is None:
            _check_size(Path(inputs), limit)


def check_round_trip(model: object) -> None:
    """Does nothing where a model can be saved and loaded in the release that its specification names.

    Raises:
        SpecError: of Keras 2, whose saving isn't traced.
    """
    spec = parse_spec(model) if isinstance(model, str) else model
    if isinstance(spec, ModelSpec) and spec.release is not None and is_keras_2(spec.release):
        raise SpecError(
            f"{spec}: round trips are made in Keras 3 alone. What a Keras 2 computes is compared by `tracer diff`, "
            "`tracer check`, and by `--baseline` and `--golden` of matrix and bisect; `tracer migrate` makes a file of "
            "Keras 3 of its model."
        )


def check_batch_size(inputs: object, size: int | None) -> None:
    """Does nothing where inputs can be cut into batches of so many samples, or shall not be.

    Raises:
        SpecError: if that can't be.
    """
    if size is None:
        return
    if size < 1:
        raise SpecError(f"batch_size={size!r}: at least one sample belongs in a batch.")
    if inputs is None:
        raise SpecError("--batch-size (batch_size=) cuts what --inputs gives into batches; seeded inputs take --batch.")
    if is_many(inputs):
        raise SpecError("batch_size= cuts arrays and files into batches; a data set comes in batches of its own.")


def check_expected(expected: object, inputs: object, *, against_writer: bool) -> None:
    """Does nothing where predictions may be expected of a model, or none are.

    Raises:
        SpecError: if nobody says of which inputs, or inputs are given that nothing is run on.
        InputError: if there is no such file.
    """
    if expected is not None and inputs is None:
        raise SpecError("--expected (expected=) holds the predictions for some inputs: give these with --inputs.")
    if inputs is not None and expected is None and not against_writer:
        raise SpecError(
            "an audit runs nothing on --inputs (inputs=) by itself: they are for --expected, --against-writer."
        )
    if isinstance(expected, (str, os.PathLike)) and not Path(expected).exists():
        path = Path(expected)
        raise InputError(f"expected outputs {str(path)!r} do not exist; give a .npz or .npy file.{_neighbours(path)}")


def _check_inputs(path: Path) -> None:
    if not path.exists():
        raise InputError(
            f"inputs file {str(path)!r} does not exist; give a .npz, .npy or picture file.{_neighbours(path)}"
        )


def _check_size(path: Path, limit: int) -> None:
    """Before anything is read; what a file of another kind takes is looked at when it runs."""
    from tracer.files import arrays

    try:
        need = arrays.claimed(path)
    except arrays.DAMAGE:  # whoever reads it says so
        return
    if need > limit:
        raise MemoryLimitError(
            f"inputs file {str(path)!r} takes {size_text(need)} when it is read, and --memory-limit allows "
            f"{size_text(limit)}. Give fewer samples, or a higher limit."
        )


def _check_model(spec: ModelSpec) -> None:
    if spec.kind == "file" and not Path(spec.target).exists():
        raise SpecError(missing_file(spec.target) + _neighbours(Path(spec.target)))
    if spec.kind == "callable" and spec.release is None:  # its environment may have other packages
        _check_callable(spec.target)
    if spec.kind == "application" and spec.release is None:  # another release may have others
        names = application_names()
        if names and spec.target not in names:
            raise SpecError(unknown_application(spec.target, names, _keras_version()))


def _neighbours(path: Path) -> str:
    """Files beside it whose names are near."""
    try:
        names = [each.name for each in path.parent.iterdir()]
    except OSError:  # there is no such folder, or it can't be read
        return ""
    return nearest(path.name, names)


# --- Keras, without importing it


def _keras_version() -> str:
    try:
        return metadata.version("keras")
    except metadata.PackageNotFoundError:  # a source checkout, or a nightly
        return "here"


# --- modules, without importing them


def _check_callable(target: str) -> None:
    module, _, attributes = target.partition(":")
    source = _check_module(module, f"model {target}")
    imported = sys.modules.get(module)
    names = tuple(vars(imported)) if imported is not None else _names_in(source) if source is not None else ()
    first = attributes.partition(".")[0]
    if names and first not in names and not hasattr(imported, first):
        raise SpecError(missing_attribute(target, module, first, names))


def _check_module(name: str, what: str) -> Path | None:
    """The source of a module; None where there is none to read, or where that can't be told without importing it.

    Raises:
        SpecError: if it, or a package that it is in, isn't there.
    """
    parts, folders, source = name.split("."), search_path(), None
    for depth in range(len(parts)):
        path = ".".join(parts[: depth + 1])
        found = getattr(sys.modules.get(path), "__spec__", None) or PathFinder.find_spec(parts[depth], folders)
        if found is None:
            if _may_be_elsewhere(path, source):
                return None
            raise SpecError(f"{what}: there is no module {path!r}. {_HOW}{nearest(parts[depth], _modules_in(folders))}")
        source = Path(found.origin) if found.origin and found.origin.endswith(".py") else None
        if found.submodule_search_locations is None and path != name:
            return None  # what is inside a module that is no package, only the module knows
        folders = list(found.submodule_search_locations or ())
    return source


def _may_be_elsewhere(path: str, package: Path | None) -> bool:
    """Whether a module that is in no folder may be there: built in, of an editable install, of a package's making."""
    if "." in path:
        return package is None or _changes_its_path(package)
    others = (getattr(finder, "find_spec", None) for finder in sys.meta_path if finder is not PathFinder)
    return any(find is not None and find(path, None) is not None for find in others)


def _changes_its_path(source: Path) -> bool:
    """Whether a package may have modules that aren't in its folder."""
    try:
        text = source.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return True
    return "__path__" in text or "sys.modules" in text


def _modules_in(folders: Sequence[str]) -> list[str]:
    found: list[str] = []
    for folder in folders:
        try:
            found += [each.name.removesuffix(".py") for each in Path(folder).iterdir() if each.suffix in ("", ".py")]
        except OSError:
            continue
    return found


def _names_in(source: Path) -> tuple[str, ...]:
    """Names at the top of a module, as its source says; none where it may have others."""
    try:
        tree = ast.parse(source.read_text(encoding="utf-8"))
    except (OSError, SyntaxError, ValueError):  # whoever imports it says so better
        return ()
    if any(_makes_names(node) for node in ast.walk(tree)):
        return ()
    return tuple(dict.fromkeys(bound_names(tree)))


def _makes_names(node: ast.AST) -> bool:
    if isinstance(node, ast.ImportFrom):
        return any(alias.name == "*" for alias in node.names)
    return any(getattr(node, key, None) in _MAKERS for key in ("name", "id", "attr"))
