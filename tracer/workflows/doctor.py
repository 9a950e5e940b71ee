"""doctor: what is installed, what works, and what is known to be wrong with it."""

from __future__ import annotations

import importlib.util
import platform
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata

from tracer.core.diagnosis import known_issues
from tracer.core.trust import advisories
from tracer.errors import FixtureError, TracerError

_OPTIONAL = (
    ("uv", "runs other Keras releases (MODEL@release); pip install 'keras-layer-tracer[envs]'"),
    ("dvc", "regenerates fixtures; pip install 'keras-layer-tracer[fixtures]'"),
    ("pytest", "holds models against goldens in your own tests; pip install pytest"),
)


@dataclass(frozen=True, slots=True)
class Doctor:
    """What was found.

    Attributes:
        lines: (status `ok`, `warn` or `bad`; what; detail), in order.
        ok: nothing is `bad`.
    """

    lines: tuple[tuple[str, str, str], ...]
    ok: bool


def doctor() -> Doctor:
    """Look at Python, Keras, its backend and the tools, trace a tiny model, list known defects and advisories."""
    lines = tuple(_lines())
    return Doctor(lines, all(status != "bad" for status, _, _ in lines))


def _lines() -> Iterator[tuple[str, str, str]]:
    yield "ok", "Python", platform.python_version()
    try:
        from tracer.engine import compat

        environment = compat.environment()
    except ImportError as error:
        yield "bad", "Keras", f"can't be imported: {error}. Install it: pip install 'keras-layer-tracer[all]'."
        return
    backend = environment["backend"]
    yield "ok", "Keras", environment["keras"]
    yield "ok", "backend", f"{backend} {environment[backend]}"
    yield "ok", "NumPy", environment["numpy"]
    yield _goldens()
    yield _works()
    for name, use in _OPTIONAL:
        found = importlib.util.find_spec(name) is not None or shutil.which(name) is not None
        yield ("ok", name, _version(name)) if found else ("warn", name, f"not installed; {use}")
    for issue in known_issues.exposure(environment["keras"], backend):
        fixed = f"fixed in {issue.fixed_in}" if issue.fixed_in else "no release fixes it yet"
        yield "warn", issue.thread, f"{issue.title} ({fixed})"
    yield from _advisories(environment["keras"])


def _advisories(release: str) -> Iterator[tuple[str, str, str]]:
    """What is published about the security of this Keras; that nothing is, is worth a line as well."""
    found = advisories.exposure(release)
    for advisory in found:
        yield "warn", advisory.id, f"{advisory.title} (fixed in {advisory.fixed_for(release)})"
    if not found:
        yield "ok", "advisories", f"none of {len(advisories.advisories())} published ones affects Keras {release}"


def _goldens() -> tuple[str, str, str]:
    """Which goldens `tracer check` reads here."""
    from tracer.store import goldens, places

    try:
        found = goldens.find_folder(None)
    except FixtureError as error:
        return "warn", "goldens", str(error)
    return "ok", "goldens", f"{len(places.all_fixtures(found.path))} in {found.origin}"


def _works() -> tuple[str, str, str]:
    """A round trip of a tiny model, in a fresh process, as users do it."""
    from tracer.workflows.tracing.roundtrip import roundtrip

    try:
        report = roundtrip("tracer.zoo:tiny_functional", format="keras")
    except TracerError as error:
        return "bad", "round trip", str(error)
    status = "ok" if report.matches else "bad"
    return status, "round trip", f"a tiny model, saved and loaded in a fresh process: {report.status}"


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "found on the path"
