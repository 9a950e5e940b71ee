"""Sources for models and specifications: live ones in this process, workers beside it or in another Keras."""

from __future__ import annotations

import contextlib
import functools
import importlib.metadata
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from tracer.core.environment import Wanted
from tracer.core.host import Host, Needed
from tracer.core.spec import ModelSpec, parse_spec
from tracer.errors import SpecError
from tracer.progress import Progress

if TYPE_CHECKING:
    import keras

    from tracer.envs.remote import RemoteHost

# What is compared, as people give it: live, or by its specification.
Model: TypeAlias = "keras.Model | ModelSpec | str"

_Host = TypeVar("_Host", bound=Host)


@dataclass(frozen=True, slots=True)
class Loading:
    """How a saved model is loaded.

    Attributes:
        custom_objects: modules to import first.
        trust: make functions of the Python code that it contains.
    """

    custom_objects: Sequence[str] = ()
    trust: bool = False


@dataclass(frozen=True, slots=True)
class Way:
    """How the models of one comparison are opened.

    Attributes:
        stack: closes them.
        loading: how a saved model is loaded.
        seed: of seeded weights.
        packages: that their environments have besides.
        progress: called with (phase, done, total).
    """

    stack: contextlib.ExitStack
    loading: Loading = Loading()
    seed: int = 0
    packages: Sequence[str] = ()
    progress: Progress | None = None


def open_source(model: Model, way: Way) -> Host:
    """A source for a model or a specification, closed with the stack."""
    return start_source(model, way)()


def start_source(model: Model, way: Way) -> Callable[[], Host]:
    """As `open_source`, up to what builds the model and returns the source: a worker imports its Keras meanwhile."""
    if not isinstance(model, (str, ModelSpec)):
        return functools.partial(_open_live, model, way.stack)
    spec = parse_spec(model) if isinstance(model, str) else model
    if way.progress is not None:
        way.progress(f"opening {spec.text}", 0, 0)
    if not is_elsewhere(spec):
        return functools.partial(_build_here, spec, way)
    worker = open_worker(spec, way.stack, way.packages, way.progress)
    return functools.partial(build_there, worker, spec, way)


def _open_live(model: keras.Model, stack: contextlib.ExitStack) -> Host:
    from tracer.engine import host  # only where a model lives in this process: importing Keras takes seconds

    return closing(host.from_model(model), stack)


def _build_here(spec: ModelSpec, way: Way) -> Host:
    from tracer.engine import host

    loading = way.loading
    built = host.from_spec(spec, custom_objects=loading.custom_objects, seed=way.seed, trust=loading.trust)
    return closing(built, way.stack)


def build_there(worker: RemoteHost, spec: ModelSpec, way: Way) -> Host:
    """The worker with a model that it has built."""
    loading = way.loading
    worker.build(spec.target, custom_objects=loading.custom_objects, seed=way.seed, trust=loading.trust)
    worker.spec = spec.text
    return worker


def open_worker(
    spec: ModelSpec | None,
    stack: contextlib.ExitStack,
    packages: Sequence[str] = (),
    progress: Progress | None = None,
    variables: Mapping[str, str] = MappingProxyType({}),
) -> RemoteHost:
    """A worker in the environment that a specification names, or beside this process; with variables set for it."""
    from tracer.envs import environments, remote

    if spec is None or not is_elsewhere(spec):
        return closing(remote.RemoteHost(environment=variables, wanted=here()), stack)
    start = environments.prepare(spec.release, spec.backend, packages=packages, progress=progress)
    return closing(remote.RemoteHost(start.command, {**start.variables, **variables}, start.wanted), stack)


def is_elsewhere(model: Model) -> bool:
    """Whether a model is a specification that names another environment than this process's."""
    if not isinstance(model, (str, ModelSpec)):
        return False
    spec = parse_spec(model) if isinstance(model, str) else model
    return spec.release is not None or spec.backend is not None


def check_packages(models: Sequence[Model], packages: Sequence[str]) -> None:
    """Packages go into the environments that models name.

    Raises:
        SpecError: if there are packages and no such environment: they would be dropped.
    """
    if packages and not any(is_elsewhere(model) for model in models):
        raise SpecError(
            f"{', '.join(packages)}: packages are installed into the environment of a release, and none is named here, "
            "so that the packages at hand would run instead. Write a release behind the model (MODEL@3.15.1), or leave "
            "--with and --tensorflow out."
        )


def here() -> Wanted:
    """What a fresh process of this environment has to run: the Keras of this one, as far as it can be told."""
    keras = sys.modules.get("keras")
    if keras is not None:
        backend = str(keras.backend.backend())
        version = str(getattr(sys.modules.get(backend), "__version__", ""))
        return Wanted(keras=str(keras.__version__), backend=backend, packages={backend: version} if version else {})
    try:
        return Wanted(keras=importlib.metadata.version("keras"))
    except importlib.metadata.PackageNotFoundError:  # a source checkout, or a nightly
        return Wanted()


def closing(source: _Host, stack: contextlib.ExitStack) -> _Host:
    """The source, closed with the stack."""
    stack.callback(source.close)
    return source


def needed_by(first: Host, loading: Loading) -> Needed:
    """What a fresh process needs to load a model: the modules given, those of its classes, and what no module has.

    Raises:
        ModelError: if there is something that it can't have.
    """
    own = (name for name in first.modules() if name != "__main__")
    modules = tuple(dict.fromkeys([*loading.custom_objects, *own]))
    return Needed(modules=modules, by_value=first.by_value(), trust=loading.trust)
