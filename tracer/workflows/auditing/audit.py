"""audit: a model file alone. It is loaded and saved again, and what doesn't come back was lost on the way in.

file ──load──▶ model ──save──▶ second file        the same arrays by value, the same configuration?
                 │
                 └──▶ stale state, initial values, known defects
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tracer.core.diagnosis import known_issues
from tracer.core.spec import parse_spec
from tracer.errors import SpecError
from tracer.progress import Progress
from tracer.records import Audit, Finding
from tracer.system.interrupt import folder_prefix
from tracer.workflows.arguments import check_arguments
from tracer.workflows.auditing.losses import lost_arrays, lost_settings, told_settings
from tracer.workflows.opening import closing, is_elsewhere

if TYPE_CHECKING:
    from tracer.engine.host import LiveHost
    from tracer.engine.model.contents import Contents

_SUFFIXES = (".keras", ".h5", ".hdf5")


def audit(
    file: str | os.PathLike[str], *, custom_objects: Sequence[str] = (), progress: Progress | None = None
) -> Audit:
    """Look at a model file without its original: what loading loses of it, and what it is exposed to.

    Args:
        file: `.keras` or `.h5`, of a whole model.
        custom_objects: modules to import first.
        progress: called with (phase, done, total).

    Returns:
        What was found; `ok` where that is nothing.

    Raises:
        SpecError: if it is no model file.
        ModelError: if it can't be loaded.
    """
    path = Path(file)
    spec = parse_spec(os.fspath(file))
    if spec.kind != "file" or is_elsewhere(spec) or not path.name.lower().endswith(_SUFFIXES):
        raise SpecError(f"{os.fspath(file)!r}: an audit takes a model file ({', '.join(_SUFFIXES)}) and no release.")
    check_arguments(spec, custom_objects=custom_objects)
    from tracer.engine import host
    from tracer.engine.model import contents

    with contextlib.ExitStack() as stack:
        _say(progress, f"loading {path.name}")
        source = closing(host.from_spec(spec, custom_objects=custom_objects), stack)
        before = contents.read(path)
        _say(progress, "saving it again")
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix=folder_prefix()))
        source.save(folder, before.format)
        after = contents.read(Path(folder) / ("model.keras" if before.format == "keras" else "model.h5"))
        return _audit(path, source, before, after)


def _say(progress: Progress | None, phase: str) -> None:
    if progress is not None:
        progress(phase, 0, 0)


def _audit(path: Path, source: LiveHost, before: Contents, after: Contents) -> Audit:
    reader = source.environment["keras"]
    same_writer = before.writer == reader
    found = (
        *lost_arrays(before, after),
        *(lost_settings(before.config, after.config) if same_writer else ()),
        *(Finding(kind="values", place=place, detail=why) for place, why in before.suspicious.items()),
        *source.findings(),
    )
    return Audit(
        file=str(path),
        format=before.format,
        writer=before.writer,
        reader=reader,
        backend=source.environment["backend"],
        arrays=len(before.arrays),
        settings=len(before.config),
        findings=found,
        notes=(*_notes(source, before), *(() if same_writer else told_settings(before, after, reader))),
        exposure=tuple(_exposure(source, before, reader)),
    )


def _notes(source: LiveHost, before: Contents) -> Iterator[str]:
    if before.left_out:
        yield f"the optimizer's and the metrics' state ({before.left_out} arrays) was not looked at."
    initial, all_of_them = source.untrained()
    if initial:
        yield (
            f"{len(initial)} of {all_of_them} BatchNormalization layers hold the values that they are made with "
            f"(mean 0, variance 1), as if they had never been trained: {', '.join(initial[:4])}."
        )


def _exposure(source: LiveHost, before: Contents, reader: str) -> Iterator[tuple[str, str]]:
    """Known defects of a release that had the file in its hands, in classes that the model has."""
    classes = source.classes()
    for role, release in dict.fromkeys((("writer", before.writer), ("reader", reader))):
        for issue in known_issues.exposure(release):
            fits = not issue.classes or classes & set(issue.classes)
            if fits and (not issue.formats or before.format in issue.formats):
                yield issue.thread, f"{issue.title} ({role}: Keras {release}). {issue.remedy}"
