"""audit: a model file alone. It is loaded and saved again, and what doesn't come back was lost on the way in.

file ──load──▶ model ──save──▶ second file        the same arrays by value, the same configuration?
                 │
                 └──▶ stale state, initial values, known defects
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tracer.core.diagnosis import known_issues
from tracer.core.host import Host
from tracer.core.source import Array
from tracer.core.spec import ModelSpec, parse_spec
from tracer.errors import ModelError, SpecError, TrustError
from tracer.progress import Progress
from tracer.records import Audit, Cause, Finding
from tracer.system.leftovers import temporary_folder
from tracer.workflows.arguments import check_arguments, check_expected
from tracer.workflows.auditing.expected import changes, load_expected, try_changes, unexpected
from tracer.workflows.auditing.losses import (
    absent_arrays,
    compared,
    lost_arrays,
    lost_settings,
    misfits,
    misplaced_arrays,
    otherwise,
    refused_arrays,
    told_settings,
)
from tracer.workflows.auditing.optimizer import lost_optimizer, optimizer_notes
from tracer.workflows.opening import Loading, Way, closing, is_elsewhere, open_source
from tracer.workflows.tracing.diff import diff

if TYPE_CHECKING:
    from tracer.engine.host import LiveHost
    from tracer.files.contents import Contents

_OF_ARRAYS = frozenset({"array-not-loaded", "array-differs", "variable-not-in-file", "values"})
_NOT_RUN = "it can't be loaded here, so nothing was run: neither expected predictions nor its writer were looked at."
_SUFFIXES = (".keras", ".h5", ".hdf5")
# Of a configuration: what the legacy format does without.
_BOOKKEEPING = re.compile(r"(^|\.)(module|registered_name|build_config|compile_config)\b")


def audit(
    file: str | os.PathLike[str],
    *,
    inputs: Any = None,
    expected: Any = None,
    against_writer: bool = False,
    custom_objects: Sequence[str] = (),
    trust: bool = False,
    progress: Progress | None = None,
) -> Audit:
    """Look at a model file without its original: what loading loses of it, and what it is exposed to.

    Args:
        file: `.keras` or `.h5`, of a whole model.
        inputs: array(s) in the structure that the model takes, or the path of a file; for the two below.
        expected: known-good predictions for these inputs: array(s), or the path of a `.npz` or `.npy`. Where
            the model doesn't give them, changes that are known to matter are tried one by one.
        against_writer: compare the file in the Keras that wrote it with the same file in this one, layer by layer.
        custom_objects: modules to import first.
        trust: load the file with all that it contains, Python code too; without it, it is screened first.
        progress: called with (phase, done, total).

    Returns:
        What was found; `ok` where that is nothing.

    Raises:
        SpecError: if it is no model file, or predictions are expected without inputs.
        InputError: if the expected predictions can't be read.
        TrustError: if it isn't harmless, and isn't trusted.
        ModelError: if it can't be loaded, and its arrays don't say why.
    """
    path = Path(file)
    spec = parse_spec(os.fspath(file))
    if spec.kind != "file" or is_elsewhere(spec) or not path.name.lower().endswith(_SUFFIXES):
        raise SpecError(f"{os.fspath(file)!r}: an audit takes a model file ({', '.join(_SUFFIXES)}) and no release.")
    check_arguments(spec, inputs=inputs, custom_objects=custom_objects)
    check_expected(expected, inputs, against_writer=against_writer)
    loading = Loading(custom_objects, trust)
    found, is_loaded = _look(path, spec, loading, progress)
    if not is_loaded:
        asked = expected is not None or against_writer
        return replace(found, notes=(*found.notes, _NOT_RUN)) if asked else found
    if expected is not None:
        found = _with_trials(found, spec, inputs, load_expected(expected), loading, progress)
    return _with_writer(found, spec, inputs, loading, progress) if against_writer else found


def _look(path: Path, spec: ModelSpec, loading: Loading, progress: Progress | None) -> tuple[Audit, bool]:
    """What the file alone says, and whether it could be loaded."""
    from tracer.engine import host
    from tracer.files import contents

    with contextlib.ExitStack() as stack:
        _say(progress, f"loading {path.name}")
        try:
            opened = host.from_spec(spec, custom_objects=loading.custom_objects, trust=loading.trust)
        except TrustError:  # nothing of it is given to Keras, its configuration alone included
            raise
        except ModelError as error:
            return _refuse(path, error, loading.custom_objects, stack), False
        source, before = closing(opened, stack), contents.read(path)
        _say(progress, "saving it again")
        try:
            after = _save(source, before.format, stack)
        except ModelError as error:
            return _unsaved(path, source, before, error), True
        return _audit(path, source, before, after), True


def _with_trials(
    found: Audit, spec: ModelSpec, inputs: Any, expected: Sequence[Array], loading: Loading, progress: Progress | None
) -> Audit:
    """The audit with what gives the expected predictions back."""

    def here(stack: contextlib.ExitStack) -> Host:
        return open_source(spec, Way(stack, loading))

    def there(stack: contextlib.ExitStack) -> Host:
        return open_source(_at_writer(spec, found), Way(stack, loading))

    _say(progress, "trying to get the expected predictions back")
    is_other = bool(found.writer) and found.writer != found.reader
    with contextlib.ExitStack() as stack:
        as_loaded = here(stack)
        tried = changes(lambda _: as_loaded, here, there if is_other else None, found.writer)
        trials = try_changes(tried, inputs, expected)
    return replace(found, trials=trials, findings=(*found.findings, *unexpected(trials, expected)))


def _at_writer(spec: ModelSpec, found: Audit) -> ModelSpec:
    return replace(spec, release=found.writer, text=f"{spec.target}@{found.writer}")


def _with_writer(found: Audit, spec: ModelSpec, inputs: Any, loading: Loading, progress: Progress | None) -> Audit:
    """The audit with the layers that compute otherwise here than in the Keras that wrote the file.

    Raises:
        SpecError: if the file doesn't say who that is.
        TracerError: if the file can't be loaded or run there.
    """
    if not found.writer:
        raise SpecError(
            f"{found.file!r} doesn't say which Keras wrote it: compare it with tracer diff FILE@RELEASE FILE."
        )
    if found.writer == found.reader:
        return replace(
            found, notes=(*found.notes, f"this very Keras, {found.reader}, wrote it: there is no other to ask.")
        )
    report = diff(
        str(_at_writer(spec, found)),
        spec.text,
        inputs,
        custom_objects=loading.custom_objects,
        trust=loading.trust,
        progress=progress,
    )
    return replace(
        found, findings=(*found.findings, *otherwise(report)), notes=(*found.notes, compared(report, found.writer))
    )


def _say(progress: Progress | None, phase: str) -> None:
    if progress is not None:
        progress(phase, 0, 0)


def _save(source: LiveHost, format: str, stack: contextlib.ExitStack) -> Contents:
    """What is written of a model."""
    from tracer.files import contents

    folder = stack.enter_context(temporary_folder())
    source.save(str(folder), format)
    return contents.read(folder / ("model.keras" if format == "keras" else "model.h5"))


def _unsaved(path: Path, source: LiveHost, before: Contents, error: ModelError) -> Audit:
    """Of a model that can be loaded and not saved again: what it holds and says of itself, instead of a second file."""
    note = f"Keras can't save the loaded model again, so what it holds was looked at instead: {error}"
    try:
        told = source.described().items()
        described = {key: value for key, value in told if key in before.config or not _BOOKKEEPING.search(key)}
    except ModelError as silent:
        before, described = replace(before, config={}), {}
        note += f" Its settings were not followed: {silent}"
    held = replace(before, arrays=source.stored(), config=described)
    return _audit(path, source, before, held, note)


def _refuse(path: Path, error: ModelError, custom_objects: Sequence[str], stack: contextlib.ExitStack) -> Audit:
    """What is wrong with a file that can't be loaded: what it lacks, and what doesn't fit its own configuration.

    Raises:
        ModelError: why it can't be loaded, where that doesn't say more.
    """
    from tracer.files import contents

    made, found = None, tuple[Finding, ...]()
    try:
        before = contents.read(path)
    except ModelError:
        raise error from None  # what Keras said first says more
    with contextlib.suppress(ModelError):  # nor does this
        made, found = _reasons(path, before, custom_objects, stack)
    found = found or tuple(refused_arrays(before, str(error)))
    if not found:
        raise error
    refusal = Finding(kind="load-refused", place=path.name, detail=str(error))
    return _describe(path, made, before, (refusal, *found))


def _reasons(
    path: Path, before: Contents, custom_objects: Sequence[str], stack: contextlib.ExitStack
) -> tuple[LiveHost | None, tuple[Finding, ...]]:
    """The model that the file describes, with fresh weights, where there can be one; and why the file isn't loaded."""
    from tracer.engine import host

    absent = tuple(absent_arrays(before))
    try:
        made = closing(host.from_configuration(str(path), custom_objects=custom_objects), stack)
    except ModelError:
        return None, (*absent, *host.missing_settings(str(path), custom_objects=custom_objects))
    if absent:
        return made, absent
    after = _save(made, before.format, stack)
    settings = lost_settings(before.config, after.config) if before.writer == made.environment["keras"] else ()
    return made, (*misfits(before, after), *settings)


def _describe(
    path: Path, source: LiveHost | None, before: Contents, found: Sequence[Finding], notes: Iterable[str] = ()
) -> Audit:
    """The audit; without a source, what only a model says is left out."""
    from tracer.engine import compat

    environment = source.environment if source is not None else compat.environment()
    reader = environment["keras"]
    return Audit(
        file=str(path),
        format=before.format,
        writer=before.writer,
        reader=reader,
        backend=environment["backend"],
        arrays=len(before.arrays),
        settings=len(before.config),
        findings=tuple(found if source is None else (_name(finding, source) for finding in found)),
        notes=tuple(notes),
        exposure=tuple(_exposure(source, before, reader) if source is not None else ()),
    )


def _name(finding: Finding, source: LiveHost) -> Finding:
    """The finding with the name of the layer, where its place is a path in an archive."""
    owner = source.owner(finding.place) if finding.kind in _OF_ARRAYS else ""
    return replace(finding, detail=f"layer {owner}: {finding.detail}") if owner else finding


def _audit(path: Path, source: LiveHost, before: Contents, after: Contents, *told: str) -> Audit:
    reader = source.environment["keras"]
    same_writer = before.writer == reader
    found = (
        *lost_arrays(before, after),
        *misplaced_arrays(before, after),
        *(lost_settings(before.config, after.config) if same_writer else ()),
        *(Finding(kind="values", place=place, detail=why) for place, why in before.suspicious.items()),
        *source.findings(),
        *lost_optimizer(before),
    )
    notes = (*_notes(source, before), *told, *(() if same_writer else told_settings(before, after, reader)))
    return _describe(path, source, before, found, notes)


def _notes(source: LiveHost, before: Contents) -> Iterator[str]:
    if before.left_out:
        but = ", except for whether loading looks for the optimizer's" if before.format == "keras" else ""
        yield f"the optimizer's and the metrics' state ({before.left_out} arrays) was not looked at{but}."
    yield from optimizer_notes(before)
    yield from source.untrained()


def _exposure(source: LiveHost, before: Contents, reader: str) -> Iterator[tuple[str, str]]:
    """Known defects of a release that had the file in its hands, in classes that the model has.

    Not those of optimizers: the file shows whether it has met them, which is a finding then.
    """
    classes = source.classes()
    backends = {"writer": "", "reader": source.environment["backend"]}  # no file says what it was written on
    for role, release in (("writer", before.writer), ("reader", reader)):
        for issue in known_issues.exposure(release, backends[role]):
            fits = issue.cause != Cause.OPTIMIZER_STATE and (not issue.classes or classes & set(issue.classes))
            if fits and (not issue.formats or before.format in issue.formats):
                yield issue.thread, f"{issue.title} ({role}: Keras {release}). {issue.remedy}"
