"""Goldens of live models, for tests: recorded from the model itself, held against it ever after."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any, Final

from tracer.core.comparison.alignment import align
from tracer.core.golden.fingerprint import Site
from tracer.core.golden.golden import Golden, golden_sites, relative
from tracer.core.golden.match import check_worth_recording
from tracer.core.host import Host
from tracer.core.source import Array, Arrays
from tracer.core.structure import arrays_of
from tracer.errors import ModelError
from tracer.records import Report
from tracer.workflows.feeding import feed_for
from tracer.workflows.goldens.checking import check
from tracer.workflows.goldens.recording import inputs_digest, tool, weights_digest
from tracer.workflows.opening import Model, closing

# Bytes of inputs that are kept in the golden, so that it can be held against a model without them.
_KEPT: Final = 1 << 20
_ALL: Final = 1 << 62
# A float64 copy that is further from the model than this isn't a copy: something is missing in its configuration.
_COPY: Final = 1e-4


def record_live(model: Model, inputs: Any, path: str | Path) -> Golden:
    """Record a model that is already there; nobody else is asked, and the golden says so.

    The truth is float64 where the model can be rebuilt in it, else the float32 activations as they are.

    Args:
        model: a Keras model.
        inputs: array(s) in the structure that it takes.
        path: of the fixture to write.

    Raises:
        FixtureError: if an activation isn't finite; nothing is written then.
        TracerError: if the model can't be run, the inputs don't fit, or the fixture can't be written.
    """
    from tracer.engine import host
    from tracer.store import fixtures

    with contextlib.ExitStack() as stack:
        source = closing(host.from_model(model), stack)
        arrays = feed_for(source, inputs, 0, None).arrays
        single = source.fingerprints(arrays, detail=True, digest_limit=_ALL)
        truth, why = _truth(model, source, arrays, single)
        identities = source.identities()
        golden = Golden(
            sites=golden_sites(truth, single),
            outline=source.outline,
            identities=identities,
            provenance=_provenance(source, arrays, weights_digest(identities), why),
            inputs=_keep(arrays),
        )
    check_worth_recording(golden, arrays)
    fixtures.write_golden(path, golden)
    return golden


def _provenance(source: Host, arrays: Arrays, weights: str, why: str) -> dict[str, Any]:
    environment = dict(source.environment)
    return {
        "tool": tool(),
        "model": {"spec": source.spec, "kind": "live"},
        "truth": "float32" if why else "float64",
        "inputs": inputs_digest(arrays),
        "weights": weights,
        "environment": environment,
        "floors": [] if why else [environment],
        "witnesses": [],
        **({"why": why} if why else {}),
    }


def _keep(arrays: Arrays) -> tuple[Array, ...]:
    """Inputs that the golden holds itself: small ones, in an order that is enough to put them in again."""
    given = [array for _, array in arrays_of(arrays)]
    small = sum(array.nbytes for array in given) <= _KEPT and all(array.dtype.kind in "biuf" for array in given)
    return tuple(given) if small and (len(given) == 1 or isinstance(arrays, (list, tuple))) else ()


def _truth(model: Model, source: Host, arrays: Arrays, single: tuple[Site, ...]) -> tuple[tuple[Site, ...], str]:
    """The float64 run of a copy, and why it isn't one where the copy can't be made or isn't the same model."""
    from tracer.engine import host
    from tracer.engine.model import precision

    if not precision.is_single(model):
        return single, "the model doesn't compute in float32 alone"
    try:
        with precision.double(), contextlib.ExitStack() as stack:
            copy = closing(host.from_model(precision.rebuilt(model)), stack)
            copy.rename(align(source.outline, copy.outline).names)
            double = copy.fingerprints(arrays, detail=True, digest_limit=0)
    except ModelError as error:
        return single, str(error)
    difference = _difference(double, single)
    return (single, f"its float64 copy is another model: {difference}") if difference else (double, "")


def _difference(double: tuple[Site, ...], single: tuple[Site, ...]) -> str:
    if [site.path for site in double] != [site.path for site in single]:
        return "it runs other layers"
    for wide, site in zip(double, single, strict=True):
        if wide.fingerprint is None or site.fingerprint is None:
            return f"{site.path} raises {wide.error or site.error}"
        error = relative(wide.fingerprint, site.fingerprint)
        if error > _COPY:
            return f"{site.path} differs by {error:.1e}"
    return ""


def check_live(model: Model, inputs: Any, path: str | Path) -> Report:
    """Hold a live model against a golden that `record_live` wrote; see `tracer.check`."""
    return check(model, path, inputs)
