"""What a model ran in: whether two environments compute alike, and whether one is what was asked for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from tracer.core.releases import TF_KERAS

BACKENDS = ("tensorflow", "jax", "torch")
# A distribution with the same modules as `keras`.
NIGHTLY = "keras-nightly"
DISTRIBUTIONS = ("keras", NIGHTLY, TF_KERAS)
_REQUIREMENT = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[[^\]]*\])?\s*(\(?[<>=!~][^@]*)?\s*")
_ARCHIVES = (".whl", ".gz", ".zip")
# They run a model, but no layer of it computes with them: Keras and its backend do.
_INCIDENTAL = frozenset({"numpy", "python", "platform"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What was asked for; "" where anything will do.

    Attributes:
        keras: release of Keras.
        backend: `tensorflow`, `jax` or `torch`.
        python: release of Python, or its beginning (`3.11`).
        packages: release by distribution, the backend's among them, or a range of releases (`>=0.26,<1`); "" for any,
            which has to be there all the same.
    """

    keras: str = ""
    backend: str = ""
    python: str = ""
    packages: Mapping[str, str] = field(default_factory=dict)


def is_same(here: Mapping[str, str], there: Mapping[str, str]) -> bool:
    """Whether two environments compute alike: the same Keras, backend, device and libraries, as far as both tell.

    A library that only one of the two names says nothing: it was installed there for something else.  A device isn't
    named where it is a CPU.
    """
    if here.get("device") != there.get("device"):
        return False
    told = (here.keys() & there.keys()) - _INCIDENTAL
    return {"keras", "backend"} <= told and all(_is_release(here[name], there[name]) for name in told)


def mismatches(wanted: Wanted, found: Mapping[str, str]) -> tuple[str, ...]:
    """What runs and isn't what was asked for, in words; empty where all of it is.

    Args:
        wanted: what was asked for.
        found: versions by name, as a worker tells them: `keras`, `backend`, `python`, and distributions.
    """
    asked = {"keras": wanted.keras, "backend": wanted.backend, **wanted.packages}
    told = [
        _describe(name, version, found.get(name, ""))
        for name, version in asked.items()
        if name in wanted.packages or version
    ]
    if wanted.python and not f"{found.get('python', '')}.".startswith(f"{wanted.python}."):
        told.append(_describe("python", wanted.python, found.get("python", "")))
    return tuple(filter(None, told))


def parse_requirement(requirement: str) -> tuple[str, str]:
    """Name and release of a requirement, or its range: `keras-hub==0.26` → (`keras-hub`, `0.26`); "" for any release.

    What has no name of its own, such as an address, has the name "", and so has what is needed on some systems alone.
    """
    text, _, marker = requirement.partition(" @ ")[0].partition(";")
    found = _REQUIREMENT.fullmatch(text)
    if found is None or marker or text.strip().endswith(_ARCHIVES):
        return "", ""
    name, asked = re.sub(r"[-_.]+", "-", found[1]).lower(), re.sub(r"[\s()]", "", found[2] or "")
    pin = re.fullmatch(r"===?([^,*]+)", asked)
    return name, pin[1] if pin else asked


def pins_for(backend: str, requirements: Iterable[str]) -> dict[str, str]:
    """Releases by distribution that requirements ask for; those of another backend say nothing where this one runs."""
    pins = dict(map(parse_requirement, requirements))
    return {name: pin for name, pin in pins.items() if name and (name == backend or name not in BACKENDS)}


def _describe(name: str, wanted: str, found: str) -> str:
    if not found:
        return f"{name} {wanted or 'of any version'} was asked for, and it isn't there"
    return "" if not wanted or _fits(found, wanted) else f"{name} {wanted} was asked for, and {found} runs"


def _fits(found: str, wanted: str) -> bool:
    """Whether a release is the one that was asked for, or within its range."""
    if wanted[0] not in "<>=!~":
        return _is_release(wanted, found)
    try:
        from packaging.specifiers import SpecifierSet
        from packaging.version import Version

        allowed = SpecifierSet(wanted)
    except (ImportError, ValueError):  # whoever made the environment has understood the range, and held to it
        return True
    try:
        return allowed.contains(Version(found), prereleases=True)
    except ValueError:  # no release at all
        return False


def _is_release(here: str, there: str) -> bool:
    """Whether two texts name one release: `3.4` and `3.4.0` do, and so do `2.13.0` and `2.13.0+cpu`."""
    return _comparable(here) == _comparable(there)


def _comparable(version: str) -> str:
    return re.sub(r"(\.0)+$", "", version.strip().partition("+")[0])
