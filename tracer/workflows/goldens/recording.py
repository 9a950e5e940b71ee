"""record: a golden is written only when independent witnesses agree with it, in float64, at every layer."""

from __future__ import annotations

import contextlib
import importlib.metadata
import platform
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tracer.core.environment import Wanted
from tracer.core.golden.fingerprint import Site, digest_of, digest_of_all
from tracer.core.golden.golden import Golden, changes, golden_sites
from tracer.core.golden.match import check_worth_recording
from tracer.core.host import Identities
from tracer.core.source import Arrays
from tracer.core.spec import ModelSpec, parse_spec
from tracer.core.structure import arrays_of
from tracer.errors import FixtureError, SpecError
from tracer.progress import Progress, silent, under
from tracer.workflows.goldens.witnesses import Witness, hear
from tracer.workflows.opening import closing

if TYPE_CHECKING:
    from tracer.envs.remote import RemoteHost

# The same numbers are in params.yaml, with which the goldens of this repository were recorded.
REFERENCE = "3.15.1+tensorflow==2.21.0"
WITNESSES = ("3.4.1+tensorflow==2.17.1", "3.15.1+jax")
_TOOL = "keras-layer-tracer"
_ENVIRONMENT = re.compile(
    r"(?P<keras>\d[\w.]*)(?:\+(?P<backend>[a-z]+)(?:==(?P<version>\d[\w.]*))?)?(?:\+python(?P<python>\d+\.\d+))?"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """How goldens are recorded.

    Attributes:
        reference: environment of the truth, `KERAS[+BACKEND[==VERSION]][+pythonX.Y]`.
        witnesses: environments that must agree; none: nobody is asked, and the golden says so.
        seed: of the seeded weights and inputs.
        batch: samples in the seeded inputs.
        image_size: of an application's input; None for its native resolution.
        custom_objects: modules to import first.
        trust: load a model file with all that it contains; without it, it is screened first.
    """

    reference: str = REFERENCE
    witnesses: tuple[str, ...] = WITNESSES
    seed: int = 0
    batch: int = 1
    image_size: int | None = None
    custom_objects: tuple[str, ...] = ()
    trust: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """What came of recording one model.

    Attributes:
        spec: of the model.
        path: of its fixture.
        written: it was written; False where it is what was there already, or writing it was declined.
        golden: what was recorded.
        changed: (layer path, what) against the golden that was there; None where there was none.
    """

    spec: str
    path: Path
    written: bool
    golden: Golden
    changed: tuple[tuple[str, str], ...] | None


class Workers:
    """Workers by environment.

    Args:
        keep: until `close`, for the next model; else each is ended when its part of one model is done.
    """

    def __init__(self, *, keep: bool = True) -> None:
        self._keep = keep
        self._stack = contextlib.ExitStack()
        self._open: dict[str, RemoteHost] = {}

    def start(self, environment: str) -> None:
        """Start a worker that is needed soon: it imports its Keras meanwhile."""
        if environment not in self._open:
            self._open[environment] = _opened(environment, self._stack)

    @contextlib.contextmanager
    def of(self, environment: str) -> Iterator[RemoteHost]:
        """The worker in an environment."""
        self.start(environment)
        if self._keep:
            yield self._open[environment]
            return
        worker = self._open.pop(environment)
        try:
            yield worker
        finally:
            worker.close()

    def close(self) -> None:
        """End all of them."""
        self._stack.close()
        self._open.clear()


def record(
    model: str,
    folder: str | Path,
    *,
    setting: Setting | None = None,
    agree: Callable[[Recorded], bool] = lambda recorded: True,
    workers: Workers | None = None,
    progress: Progress | None = None,
) -> Recorded:
    """Record the golden of a model.

    Args:
        model: specification of a model, without release and backend: those are the setting's.
        folder: of the fixtures.
        setting: see `Setting`.
        workers: open while several models are recorded; None: each ends with its part, to save memory.
        agree: asked before a golden is replaced by one with other numbers.
        progress: called with (phase, done, total).

    Raises:
        FixtureError: if a witness disagrees or an activation isn't finite; nothing is written then.
        TracerError: when the model can't be built or run, or an environment can't be made.
    """
    from tracer.store import fixtures, goldens, places

    goldens.check_recordable(folder)
    setting, spec = setting or Setting(), parse_spec(model)
    if spec.release is not None or spec.backend is not None:
        raise SpecError(f"{model}: the environment of a golden is given by --reference; write {spec.target} alone.")
    with contextlib.closing(Workers(keep=False)) if workers is None else contextlib.nullcontext(workers) as at_hand:
        golden = _record(spec, setting, progress or silent, at_hand)
    path = places.fixture_path(folder, spec.target)
    old = _readable(path)
    changed = None if old is None else tuple(changes(old, golden))
    result = Recorded(spec=spec.target, path=path, written=False, golden=golden, changed=changed)
    if old is not None and not changed and fixtures.to_bytes(old) == fixtures.to_bytes(golden):
        return result
    if changed and not agree(result):
        return result
    fixtures.write_golden(path, golden)
    return Recorded(spec=spec.target, path=path, written=True, golden=golden, changed=changed)


def _readable(path: Path) -> Golden | None:
    """The golden that is there; a damaged one is as good as none, and is replaced."""
    from tracer.store import fixtures

    if not path.exists():
        return None
    try:
        return fixtures.read_golden(path)
    except FixtureError:
        return None


def _record(spec: ModelSpec, setting: Setting, progress: Progress, workers: Workers) -> Golden:
    here = under(progress, f"{spec.target} in {setting.reference}")
    here("opening", 0, 0)
    with workers.of(setting.reference) as worker:
        for witness in setting.witnesses:
            under(progress, f"{spec.target} in {witness}")("opening", 0, 0)  # its environment may have to be made
            workers.start(witness)
        single, inputs, known = _single(worker, spec, setting, here)
        double = _double(worker, spec, setting, inputs, here)
        environment, outline, identities = dict(worker.environment), worker.outline, worker.identities()
        if weights_digest(known) != weights_digest(identities):
            raise FixtureError(
                f"{spec.target}: made anew for float64, the model has other weights; not recorded. Have the same ones "
                "made each time: call keras.utils.set_random_seed(0) first, or load them."
            )
        witnesses = [
            _witness(witness, spec, setting, inputs, identities, (worker, double), workers, progress)
            for witness in setting.witnesses
        ]
    sites = golden_sites(double, single, [w.single for w in witnesses], [w.local for w in witnesses])
    seeded = {"seed": setting.seed, "batch": setting.batch, "image_size": setting.image_size}
    golden = Golden(
        sites=sites,
        outline=outline,
        identities=identities,
        provenance={
            "tool": tool(),
            "model": {"spec": spec.target, "kind": spec.kind, **seeded},
            "truth": "float64",
            "inputs": inputs_digest(inputs),
            "weights": weights_digest(identities),
            "environment": environment,
            "floors": [environment, *(dict(witness.environment) for witness in witnesses)],
            "witnesses": [witness.told() for witness in witnesses],
        },
    )
    check_worth_recording(golden, inputs)
    return golden


def _single(
    worker: RemoteHost, spec: ModelSpec, setting: Setting, progress: Progress
) -> tuple[tuple[Site, ...], Arrays, Identities]:
    """The float32 run of the reference, its inputs, and what its layers are."""
    build(worker, spec, setting, float64=False)
    inputs = worker.make_inputs(None, seed=setting.seed, batch=setting.batch).arrays
    run = worker.fingerprints(inputs, digest_limit=_ALL, progress=under(progress, "float32"))
    return run, inputs, worker.identities()


_ALL = 1 << 62  # bytes: a digest of every output


def _double(
    worker: RemoteHost, spec: ModelSpec, setting: Setting, inputs: Arrays, progress: Progress, *, detail: bool = True
) -> tuple[Site, ...]:
    build(worker, spec, setting, float64=True)
    told = under(progress, "float64")
    return worker.fingerprints(inputs, detail=detail, digest_limit=0, progress=told)


def build(worker: RemoteHost, spec: ModelSpec, setting: Setting, *, float64: bool) -> None:
    """Build the model in a worker, seeded, in one of the two precisions."""
    worker.build(
        spec.target,
        custom_objects=setting.custom_objects,
        seed=setting.seed,
        image_size=setting.image_size,
        float64=float64,
        trust=setting.trust,
    )


def _witness(
    environment: str,
    spec: ModelSpec,
    setting: Setting,
    inputs: Arrays,
    identities: Identities,
    reference: tuple[RemoteHost, tuple[Site, ...]],
    workers: Workers,
    progress: Progress,
) -> Witness:
    told = under(progress, f"{spec.target} in {environment}")
    told("opening", 0, 0)
    with workers.of(environment) as worker:
        build(worker, spec, setting, float64=False)
        if weights_digest(worker.identities()) != weights_digest(identities):
            raise FixtureError(
                f"{spec.target}: in {environment} the same seed gives other weights, so that it can't be a witness. "
                "Give the model by a specification whose weights don't depend on the Keras release."
            )
        single = worker.fingerprints(inputs, digest_limit=0, progress=under(told, "float32"))
        double = _double(worker, spec, setting, inputs, told, detail=False)
        return hear(spec.target, *reference, worker, single, double, inputs, told)


# --- environments, in one place


def _opened(environment: str, stack: contextlib.ExitStack) -> RemoteHost:
    """A worker in an environment; beside this process where it is this process's own.

    Raises:
        SpecError: if it can't be understood.
        WorkerError: if the worker has another version than was asked for.
    """
    from tracer.envs import environments, remote

    match = _ENVIRONMENT.fullmatch(environment)
    if match is None:
        raise SpecError(
            f"environment {environment!r}: give KERAS, KERAS+BACKEND or KERAS+BACKEND==VERSION, such as {REFERENCE}."
        )
    backend = match["backend"] or "tensorflow"
    variables = {"KERAS_BACKEND": backend, "JAX_ENABLE_X64": "1"}
    if _is_here(match["keras"], backend, match["version"], match["python"]):
        wanted = Wanted(
            keras=match["keras"],
            backend=backend,
            python=match["python"] or "",
            packages={backend: match["version"] or ""},
        )
        return closing(remote.RemoteHost((), variables, wanted), stack)
    packages = [f"{backend}=={match['version']}"] if match["version"] else []
    start = environments.prepare(match["keras"], backend, packages=packages, python=match["python"] or "")
    return closing(remote.RemoteHost(start.command, {**start.variables, **variables}, start.wanted), stack)


def _is_here(keras: str, backend: str, version: str | None, python: str | None) -> bool:
    """Whether this process's own environment is the one that is asked for; found out without importing Keras."""
    try:
        here = importlib.metadata.version("keras"), importlib.metadata.version(backend)
    except importlib.metadata.PackageNotFoundError:
        return False
    return here == (keras, version or here[1]) and platform.python_version().startswith(python or "")


# --- digests


def tool() -> str:
    """Name and version of this tool, for the provenance."""
    from tracer import __version__

    return f"{_TOOL} {__version__}"


def inputs_digest(inputs: Arrays) -> str:
    """One digest of all input arrays, by their place in the structure."""
    return digest_of_all({place: digest_of(array) for place, array in arrays_of(inputs)})


def weights_digest(identities: Identities) -> str:
    """One digest of all weights of a model."""
    return digest_of_all({path: one.weights for path, one in identities.items() if one.weights})
