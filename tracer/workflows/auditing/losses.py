"""What a file has and the file that was made from its model hasn't, and the other way round."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from tracer.records import Finding, Report, Status

if TYPE_CHECKING:
    from tracer.files.contents import Contents, Stored

ASSETS = "assets/"  # files that layers keep: what is in them has no shape that counts
_REFUSED = re.compile(r"object <\w+ name=([^,>]+)[^>]*>:\s*(?:'(\w+)')?")
_MORE = 8  # places that a note names


def lost_arrays(before: Contents, after: Contents) -> Iterator[Finding]:
    """Arrays that end in no variable, and variables that come from no array, by value.

    First path by path. Where releases name paths otherwise, what is left is paired by its value.
    """
    gone = {path: stored for path, stored in before.arrays.items() if after.arrays.get(path) != stored}
    new = {path: stored for path, stored in after.arrays.items() if before.arrays.get(path) != stored}
    if before.arrays.keys() != after.arrays.keys():  # else every value belongs where the file says
        gone, new = _unpaired(gone, new), _unpaired(new, gone)
    for path in sorted(gone.keys() & new.keys()):
        detail = f"{_shape(gone[path])} in the file; what was loaded is another value, {_shape(new[path])}"
        yield Finding(kind="array-differs", place=path, detail=detail + _whose(new[path], before))
    for path in sorted(gone.keys() - new.keys()):
        detail = f"{_shape(gone[path])}: no variable of the loaded model has this value; loading skipped it"
        yield Finding(kind="array-not-loaded", place=path, detail=detail)
    for path in sorted(new.keys() - gone.keys()):
        detail = (
            f"{_shape(new[path])}: the file has no array for it, so the loaded model has fresh initial values there"
        )
        yield Finding(kind="variable-not-in-file", place=path, detail=detail)


def _whose(stored: Stored, before: Contents) -> str:
    path = next((path for path, other in before.arrays.items() if other == stored), "")
    return f", which the file has as {path}" if path else ""


def misplaced_arrays(before: Contents, after: Contents) -> Iterator[Finding]:
    """Arrays that the file says are of one layer, and that are loaded into another, which gives its own away in turn.

    Names alone prove little: Keras numbers those that nobody gave, anew in every process.
    """
    moved = {path: (name, after.owners.get(path, name)) for path, name in before.owners.items()}
    groups = {path.rpartition("/")[0] for path in before.arrays}
    moved = {path: names for path, names in moved.items() if path in groups and names[0] != names[1]}
    while len(kept := _in_exchange(moved)) < len(moved):
        moved = kept
    for path, (says, takes) in sorted(moved.items()):
        detail = f"the file says that the arrays here are of the layer {says!r}; they are loaded into {takes!r}"
        yield Finding(kind="array-differs", place=path, detail=detail)


def _in_exchange(moved: Mapping[str, tuple[str, str]]) -> dict[str, tuple[str, str]]:
    """Those that take the place of one of them, and whose place one of them takes."""
    given, taken = {says for says, _ in moved.values()}, {takes for _, takes in moved.values()}
    return {path: names for path, names in moved.items() if names[0] in taken and names[1] in given}


def absent_arrays(before: Contents) -> Iterator[Finding]:
    """Arrays that a file says it has, and hasn't."""
    for path in before.absent:
        yield Finding(kind="variable-not-in-file", place=path, detail="the file lists this array and doesn't have it")


def misfits(before: Contents, made: Contents) -> Iterator[Finding]:
    """Why a file can't be loaded: arrays that a model of its configuration has no place for, and the other way round.

    Args:
        before: the file.
        made: what is written of a model that was made of the file's configuration, with fresh weights.
    """
    for path, stored in before.arrays.items():
        if path not in made.arrays:
            detail = f"{_shape(stored)}: the model that the file describes has no place for it"
            yield Finding(kind="array-not-loaded", place=path, detail=detail)
        elif made.arrays[path][0] != stored[0] and not path.startswith(ASSETS):
            detail = f"{_shape(stored)} in the file; the model that it describes takes {_shape(made.arrays[path])}"
            yield Finding(kind="array-differs", place=path, detail=detail)
    for path, stored in made.arrays.items():
        if path not in before.arrays and not path.startswith(ASSETS):
            detail = f"{_shape(stored)}: the file has no array for it"
            yield Finding(kind="variable-not-in-file", place=path, detail=detail)


def refused_arrays(before: Contents, said: str) -> Iterator[Finding]:
    """Which arrays a refusal is about, where no model can be made of the configuration: Keras names their layer.

    Args:
        before: the file; which arrays are a layer's only newer releases have noted in it.
        said: what Keras said.
    """
    for name, key in _REFUSED.findall(said):
        groups = [path for path, owner in before.owners.items() if owner == name]
        if len(groups) != 1:
            continue
        path = f"{groups[0]}/{key}"
        if key and path not in before.arrays:
            yield Finding(
                kind="variable-not-in-file", place=path, detail="Keras looks for it, and the file has no such array"
            )
            continue
        for path in (each for each in before.arrays if each.rpartition("/")[0] == groups[0]):
            detail = f"{_shape(before.arrays[path])}: Keras can't load the arrays of its layer, {name!r}"
            yield Finding(kind="array-not-loaded", place=path, detail=detail)


def _unpaired(ones: Mapping[str, Stored], others: Mapping[str, Stored]) -> dict[str, Stored]:
    """Those without a partner of the same value."""
    free = Counter(others.values())
    found = {}
    for path, stored in ones.items():
        if free[stored]:
            free[stored] -= 1
        else:
            found[path] = stored
    return found


def _shape(stored: Stored) -> str:
    shape, dtype, _ = stored
    return f"{dtype} {shape}"


def otherwise(report: Report) -> Iterator[Finding]:
    """Layers that compute otherwise in this Keras than in the one that wrote the file, the reference of the report."""
    for fault in (*report.faults, *report.hidden):
        why = next((item.detail or item.name for item in fault.evidence), "equal settings and weights")
        detail = f"{fault.class_name}, cause {fault.cause}: {why}"
        yield Finding(kind="computes-otherwise", place=fault.layer, detail=detail, remedy=fault.remedy or "")
    if not report.faults and report.status is Status.DIVERGED and not report.hidden:
        place = report.first_divergence or "(outputs)"
        yield Finding(kind="computes-otherwise", place=place, detail="differs first, and no layer could be blamed")


def compared(report: Report, writer: str) -> str:
    """What came of the comparison with the Keras that wrote the file, in a sentence."""
    why = f": {report.reason}" if report.reason else ""
    return (
        f"in Keras {writer}, which wrote it, and here: {report.status}, {report.compared} layer outputs compared{why}."
    )


def lost_settings(before: Mapping[str, object], after: Mapping[str, object]) -> Iterator[Finding]:
    """Configuration that doesn't come back; of one release, that writes what it reads."""
    for place, value in before.items():
        if place not in after:
            yield Finding(
                kind="config-lost", place=place, detail=f"{value!r} in the file, and nothing comes back of it"
            )
        elif after[place] != value and not _has_moved(place, before, after):
            yield Finding(
                kind="config-lost", place=place, detail=f"{value!r} in the file, and {after[place]!r} comes back"
            )
    for place, value in after.items():
        if place not in before:
            detail = f"the file doesn't say it, so the loaded model has the default, {value!r}"
            yield Finding(kind="config-default", place=place, detail=detail)


def _has_moved(place: str, before: Mapping[str, object], after: Mapping[str, object]) -> bool:
    """Whether a registered class only lives in another module now: Keras finds it by the name of its registration."""
    owner, _, key = place.rpartition(".")
    registered = before.get(f"{owner}.registered_name")
    return (
        key == "module"
        and isinstance(registered, str)
        and ">" in registered
        and (after.get(f"{owner}.registered_name") == registered)
    )


def told_settings(before: Contents, after: Contents, reader: str) -> Iterator[str]:
    """The same between two releases, which write a configuration otherwise: told, and not held against the file."""
    places = [finding.place for finding in lost_settings(before.config, after.config)]
    writer = before.writer or "(unknown)"
    if places:
        more = f" and {len(places) - _MORE} more" if len(places) > _MORE else ""
        yield (
            f"written by Keras {writer}: settings that Keras {reader} writes otherwise, or not at all, so that it "
            f"can't be told from the file alone whether they come back: {', '.join(places[:_MORE])}{more}."
        )
