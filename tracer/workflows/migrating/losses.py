"""The losses of the original and of the new file, on the same batch and for the same targets."""

from __future__ import annotations

import json
import math
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tracer.core.comparison.conclusion import diverged
from tracer.core.feed import Feed
from tracer.core.host import Host
from tracer.core.migration.compiling import Compiling, loss_names, translate_compiling
from tracer.errors import ModelError
from tracer.records import Report, Status

if TYPE_CHECKING:
    from tracer.envs.remote import RemoteHost

# Relative: a logarithm of a small probability makes much of rounding; another reduction or setting is far beyond.
_CLOSE: Final = 1e-4
_OF_SAVED_MODEL: Final = "What a SavedModel was compiled with isn't carried over: compile the new file's model."


def compiled(migrated: RemoteHost, path: Path, original: Host, feed: Feed) -> Compiling:
    """Compile the new model as that in the file was, where Keras 3 can; says what was left out.

    A loss that can't be computed in Keras 2 either, on targets that are made up, couldn't be held against anything.

    Args:
        migrated: with its weights.
        path: see `compiling_of`.
        original: in Keras 2.
        feed: the batch.
    """
    compiling = compiling_of(path)
    if not compiling.new:
        return compiling
    try:
        original.losses(compiling.old, feed.arrays)
        migrated.compile(compiling.new)
    except ModelError as error:
        names = ", ".join(dict.fromkeys(loss_names(compiling.old["loss"])))
        return Compiling(left=(f"The new file isn't compiled ({names}): {error} Compile its model anew.",))
    return compiling


def compiling_of(path: Path) -> Compiling:
    """What the model in a file of Keras 2 was compiled with.

    Args:
        path: of the file; another specification of a model has none.
    """
    if path.is_dir():
        return Compiling(left=(_OF_SAVED_MODEL,))
    if not path.is_file():
        return Compiling()
    return translate_compiling(_read_written(path))


def _read_written(path: Path) -> dict[str, Any]:
    if path.suffix == ".keras":
        with zipfile.ZipFile(path) as archive:
            found = json.loads(archive.read("config.json")).get("compile_config")
        return found if isinstance(found, dict) else {}
    import h5py  # Keras brings it; only here is it needed.

    with h5py.File(path, "r") as file:
        found = json.loads(file.attrs.get("training_config", "null"))
    return found if isinstance(found, dict) else {}


def with_losses(report: Report, original: Host, loaded: Host, file: Path, compiling: Compiling, feed: Feed) -> Report:
    """The report with what the losses of both sides say; where they differ, the sides don't match.

    Args:
        report: of the two.
        original: in Keras 2.
        loaded: from the new file.
        file: the new file, which says what it is compiled with.
        compiling: see `compiled`.
        feed: the batch.
    """
    if not compiling.new or report.status is Status.DIVERGED:
        return report
    ours = original.losses(compiling.old, feed.arrays)
    written = _read_written(file)
    theirs = loaded.losses({name: written.get(name) for name in compiling.old}, feed.arrays)
    names = ", ".join(dict.fromkeys(loss_names(compiling.old["loss"])))
    differing = [name for name in ours if not _close(ours[name], theirs.get(name, math.nan))]
    if differing:
        both = ((name, ours[name], theirs.get(name, math.nan)) for name in differing)
        told = "; ".join(f"{name} is {old:.6g} in Keras 2 and {new:.6g} in Keras 3" for name, old, new in both)
        return diverged(report, f"the losses differ ({names}), on equal targets: {told}")
    note = f"the losses on this batch agree ({names}; for seeded targets): {ours['loss']:.6g}."
    return replace(report, notes=(*report.notes, note))


def _close(a: float, b: float) -> bool:
    both_nan = math.isnan(a) and math.isnan(b)
    return both_nan or math.isclose(a, b, rel_tol=_CLOSE, abs_tol=1e-7)
