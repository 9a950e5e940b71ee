"""record --tensors: the activations themselves, of a golden that is there, streamed into one file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tracer.core.drive import running
from tracer.core.golden.fingerprint import fingerprint
from tracer.core.golden.golden import Golden, GoldenSite, change
from tracer.core.source import Arrays, Run, Value
from tracer.core.spec import ModelSpec, parse_spec
from tracer.errors import FixtureError
from tracer.progress import Progress
from tracer.workflows.goldens.recording import Setting, Workers, build, inputs_digest, weights_digest

if TYPE_CHECKING:
    from tracer.envs.remote import RemoteHost
    from tracer.store.tensors import TensorsFile


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What was written.

    Attributes:
        path: of the file.
        tensors: how many activations.
        size: bytes of the file.
        left_out: layer paths of outputs that aren't numbers.
    """

    path: Path
    tensors: int
    size: int
    left_out: tuple[str, ...]


def record_tensors(
    model: str,
    fixture: str | Path,
    target: str | Path,
    *,
    reference: str | None = None,
    custom_objects: Sequence[str] = (),
    workers: Workers | None = None,
    progress: Progress | None = None,
) -> Written:
    """Write every activation of a golden: its float64 truth, as float32, in the memory of a plain forward pass.

    Args:
        model: its specification, without release and backend.
        fixture: the golden; its seed, batch, image size and inputs are used, and each activation is held against it.
        target: file to write; safetensors, an entry a layer output.
        reference: environment to run in; None for the one that the golden was recorded in.
        custom_objects: modules to import first.
        workers: see `tracer.workflows.goldens.recording.record`.
        progress: called with (phase, done, total).

    Raises:
        FixtureError: if the golden isn't of this model, or an activation isn't the one that it was recorded from.
        TracerError: if the model can't be built or run, or the file can't be written; nothing is left behind then.
    """
    from tracer.store import fixtures, tensors

    golden, spec = fixtures.read_golden(fixture), parse_spec(model)
    if golden.name != spec.target or not golden.is_double or golden.provenance["model"].get("seed") is None:
        raise FixtureError(f"{fixture}: not a golden that `tracer record {spec.target}` wrote, but of {golden.name}.")
    setting = _setting(golden, reference, custom_objects)
    kept = [site for site in golden.sites if tensors.can_hold(site.truth.dtype)]
    about = {"tracer": f"float64 activations of {spec.target} in {setting.reference}"}
    entries = [(site.path, site.truth.dtype, site.truth.shape) for site in kept]
    with (workers or Workers(keep=False)).of(setting.reference) as worker:
        inputs = _open(worker, spec, setting, golden, str(fixture))
        with tensors.TensorsFile(target, entries, about) as file:
            _stream(worker, inputs, {site.path: site for site in kept}, str(fixture), file, progress)
    left = tuple(site.path for site in golden.sites if not tensors.can_hold(site.truth.dtype))
    return Written(path=Path(target), size=Path(target).stat().st_size, tensors=len(kept), left_out=left)


def _setting(golden: Golden, reference: str | None, custom_objects: Sequence[str]) -> Setting:
    told: Mapping[str, Any] = golden.provenance["model"]
    return Setting(
        reference=reference or _environment(golden),
        witnesses=(),
        seed=int(told["seed"]),
        batch=int(told["batch"]),
        image_size=told.get("image_size"),
        custom_objects=tuple(custom_objects),
    )


def _environment(golden: Golden) -> str:
    told = golden.provenance["environment"]
    python = ".".join(str(told["python"]).split(".")[:2])
    return f"{told['keras']}+{told['backend']}=={told[told['backend']]}+python{python}"


def _open(worker: RemoteHost, spec: ModelSpec, setting: Setting, golden: Golden, fixture: str) -> Arrays:
    """Build the float64 model in the worker; returns the inputs, which are made for the float32 one."""
    build(worker, spec, setting, float64=False)
    inputs = worker.make_inputs(None, seed=setting.seed, batch=setting.batch).arrays
    build(worker, spec, setting, float64=True)
    digests = inputs_digest(inputs), weights_digest(worker.identities())
    if digests != (golden.provenance["inputs"], golden.provenance["weights"]):
        raise FixtureError(f"{fixture}: recorded with other weights or inputs than {setting.reference} makes here.")
    return inputs


def _stream(
    worker: RemoteHost,
    inputs: Arrays,
    sites: Mapping[str, GoldenSite],
    fixture: str,
    file: TensorsFile,
    progress: Progress | None,
) -> None:
    """Run once; each output is held against its golden, written, and let go."""
    done = 0
    with running(worker, Run(inputs=inputs, seeds=worker.seeds())) as calls:
        for call in calls:
            for index, value in enumerate(call.outputs):
                site = sites.get(f"{call.path}:{index}" if index else call.path)
                if site is not None:
                    _check(site, value, fixture)
                    file.add(site.path, value.array)
                    done += 1
            if progress is not None:
                progress("writing activations", done, len(sites))


def _check(site: GoldenSite, value: Value, fixture: str) -> None:
    found = change(site.truth, fingerprint(value, digest_limit=0))
    if found:
        raise FixtureError(
            f"{fixture}: {site.path} isn't what was recorded ({found}): its environment, or this tool, computes "
            "something else. Nothing was written; `tracer check` says where."
        )
