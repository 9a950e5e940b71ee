"""Which backend release a Keras release is run with: one table a backend, measured (docs/environments.md).

Releases that a table doesn't reach (newer than it, `latest`, `nightly`) get the newest backend.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from tracer.core.environment import BACKENDS, DISTRIBUTIONS, NIGHTLY, Wanted, pins_for
from tracer.core.releases import TF_KERAS, is_keras_2, parse_release
from tracer.errors import SpecError

Numbers = tuple[int, int]
_Table = Mapping[Numbers, str]

# By the first Keras release of each range.
_TENSORFLOW: _Table = MappingProxyType(
    {(3, 0): "2.16.2", (3, 2): "2.17.1", (3, 5): "2.19.1", (3, 10): "2.20.0", (3, 12): "2.21.0"}
)
# Keras 2 goes with the TensorFlow of its own number.
_TENSORFLOW_OF_KERAS_2: _Table = MappingProxyType(
    {(2, 11): "2.11.1", (2, 12): "2.12.1", (2, 13): "2.13.1", (2, 14): "2.14.1", (2, 15): "2.15.1"}
)
# Under its other name, from there on, too; it asks for that TensorFlow itself.
_TENSORFLOW_OF_TF_KERAS: _Table = MappingProxyType(
    {
        (2, 16): "2.16.2",
        (2, 17): "2.17.1",
        (2, 18): "2.18.1",
        (2, 19): "2.19.1",
        (2, 20): "2.20.0",
        (2, 21): "2.21.0",
    }
)
# One release of each runs every Keras 3 so far.
_JAX: _Table = MappingProxyType({(3, 0): "0.10.2"})
_TORCH: _Table = MappingProxyType({(3, 0): "2.15.0"})
_TABLES: Mapping[str, _Table] = MappingProxyType({"tensorflow": _TENSORFLOW, "jax": _JAX, "torch": _TORCH})
# The first release that no measurement has seen: from here on the newest backend is tried.
_UNSEEN: Numbers = (3, 16)
# These import `packaging` without asking for it; TensorFlow happens to bring it.
_NO_PACKAGING: Numbers = (3, 4)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_TOO_OLD = (
    "Keras {} can't be traced: of Keras 2, the releases from 2.11 on can. A file that an older one saved is read by "
    "2.15.0: name that instead."
)
_TENSORFLOW_ONLY = "Keras {} runs on TensorFlow alone; received {}."
Newest = Callable[[str], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What an environment is made of.

    Attributes:
        release: of Keras, a real one.
        backend: `tensorflow`, `jax` or `torch`.
        requirements: what is installed, sorted; all that matters is pinned.
        distribution: that Keras is installed from.
        python: release of Python, such as `3.12`; "" for the first that runs every Keras 3.
    """

    release: str
    backend: str
    requirements: tuple[str, ...]
    distribution: str = "keras"
    python: str = ""

    @property
    def wanted(self) -> Wanted:
        """What a process in such an environment has to say that it runs."""
        pins = pins_for(self.backend, self.requirements)
        packages = {name: version for name, version in pins.items() if name not in DISTRIBUTIONS}
        return Wanted(keras=self.release, backend=self.backend, python=self.python, packages=packages)


def recipe(release: str, backend: str | None, packages: Sequence[str], newest: Newest) -> Recipe:
    """The requirements of one environment.

    Args:
        release: of Keras, `latest`, `nightly` or `tf-keras`.
        backend: `tensorflow` (also None), `jax` or `torch`.
        packages: further requirements, `name` or `name==1.2`; they replace those of the table with the same name.
        newest: the newest release of a distribution in the registry.

    Raises:
        SpecError: if the backend can't be run, or a package isn't a requirement.
    """
    backend = backend or "tensorflow"
    _check_can_run(release, backend)
    given = _fitting_packages(packages, backend)
    if release == TF_KERAS:
        release = newest(TF_KERAS)
    distribution = NIGHTLY if release == "nightly" or ".dev" in release else "keras"
    if _is_before(release, (3, 0)):
        return _keras_2(release, given)
    measured = backend_for(backend, release)  # of `latest` and `nightly` nothing is
    if release in ("latest", "nightly"):
        release = newest(distribution)
    found = {distribution: f"{distribution}=={release}"}
    if backend not in given:
        found[backend] = f"{backend}=={measured or newest(backend)}"
    if backend != "tensorflow" and _is_before(release, _NO_PACKAGING):
        found["packaging"] = "packaging"
    return Recipe(release=release, backend=backend, requirements=_sorted({**found, **given}), distribution=distribution)


def _sorted(found: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(sorted(found.values()))


def _check_can_run(release: str, backend: str) -> None:
    if backend not in BACKENDS:
        raise SpecError(f"backend {backend!r} has no environments; choose one of {', '.join(BACKENDS)}.")
    if _is_before(release, min(_TENSORFLOW_OF_KERAS_2)):
        raise SpecError(_TOO_OLD.format(release))
    if is_keras_2(release) and backend != "tensorflow":
        raise SpecError(_TENSORFLOW_ONLY.format(release, backend))


def _keras_2(release: str, given: Mapping[str, str]) -> Recipe:
    """The environment of a Keras 2.

    The TensorFlow of those before 2.16 runs on no Python after 3.11, that of 2.11 on none after 3.10.
    """
    numbers = numbers_of(release)
    assert numbers is not None
    tables = {"keras": _TENSORFLOW_OF_KERAS_2, TF_KERAS: _TENSORFLOW_OF_TF_KERAS}
    distribution = "keras" if numbers in _TENSORFLOW_OF_KERAS_2 else TF_KERAS
    tensorflow = tables[distribution].get(numbers)
    found = {distribution: f"{distribution}=={release}"}
    found["tensorflow"] = f"tensorflow=={tensorflow}" if tensorflow else "tensorflow"
    older = "3.10" if numbers == (2, 11) else "3.11"
    return Recipe(
        release=release,
        backend="tensorflow",
        requirements=_sorted({**found, **given}),
        distribution=distribution,
        python=older if distribution == "keras" else "",
    )


def _fitting_packages(packages: Sequence[str], backend: str) -> dict[str, str]:
    """Requirements by name; the release of another backend says nothing about an environment of this one."""
    named = {_name(package): package.strip() for package in packages}
    return {name: package for name, package in named.items() if name == backend or name not in BACKENDS}


def _is_before(release: str, numbers: Numbers) -> bool:
    """Whether a release is known to be older."""
    found = numbers_of(release)
    return found is not None and found < numbers


def backend_for(backend: str, release: str | None) -> str | None:
    """The backend release to run a Keras release with; None for the newest."""
    numbers = numbers_of(release)
    if numbers is None or numbers < (3, 0) or numbers >= _UNSEEN:
        return None
    fitting = [version for first, version in _TABLES.get(backend, {}).items() if first <= numbers]
    return fitting[-1] if fitting else None


def tensorflow_for(release: str | None) -> str | None:
    """The TensorFlow release to run a Keras release with; None for the newest."""
    return backend_for("tensorflow", release)


def numbers_of(release: str | None) -> Numbers | None:
    """Major and minor number; None for what is no release number."""
    found = parse_release(release or "")
    return None if found is None else found[:2]


def _name(package: str) -> str:
    found = _NAME.match(package.strip())
    if found is None:
        raise SpecError(f"{package!r} is no requirement; write a package's name, or PACKAGE==VERSION.")
    return found[0].lower().replace("_", "-")
