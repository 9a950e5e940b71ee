"""Goldens: the recorded truth of a model, call site by call site, and how far an activation may be from it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from tracer.core.comparison.alignment import call_named
from tracer.core.golden.fingerprint import Fingerprint, Identity, Site
from tracer.core.golden.sketch import estimate
from tracer.core.numbers.tolerance import tolerance_for
from tracer.core.source import Array, Outline
from tracer.errors import FixtureError
from tracer.records import JsonObject

SCHEMA: Final = 1
# Times the noise floor, the widest of the recorded environments; others used at most 0.69 of it (docs/method.md).
FACTOR: Final = 4.0
# Relative, in float64: a witness's errors are told from here on.
NOTABLE: Final = 1e-10
# What two ways of adding up the same numbers make of a sketch, relative to the norm of the activation.
_SAME_NUMBERS: Final = 1e-12
# Sums of what is checked in float32 at most are kept as float32: that is up to 6e-8 of each sum, 3e-8 of the norm,
# where 2e-6 or more is allowed. So two recordings of the same numbers may be one float32 step apart.
_NARROW: Final = frozenset({"float32", "float16", "bfloat16"})
_STEP: Final = 2.0**-23


@dataclass(frozen=True, slots=True, kw_only=True)
class GoldenSite:
    """The truth of one output of one call site.

    Attributes:
        path: layer path.
        class_name: class of the layer.
        box: innermost enclosing layer that has code of its own, "" at the top.
        is_box: other call sites are inside it.
        wiring: layer paths that its inputs come from, or None where it isn't part of a graph.
        truth: fingerprint of the activation in float64; dtype and digest are those of the float32 one, which every
            check runs.
        floors: relative L2 distance of the float32 activation from the truth, in each environment that was recorded.
        locals: relative L2 error of this layer alone in float64, on the truth's inputs, in each witness; 0 where it is
            1e-10 at most. Empty where no witness was asked.
    """

    path: str
    class_name: str
    box: str
    is_box: bool
    wiring: tuple[str, ...] | None
    truth: Fingerprint
    floors: tuple[float, ...] = ()
    locals: tuple[float, ...] = ()

    @property
    def floor(self) -> float:
        """The widest of the floors; 0 where none was recorded."""
        return max(self.floors, default=0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Golden:
    """A whole model.

    Attributes:
        sites: in the reference's execution order.
        outline: names of the layers, for aligning auto-numbered ones.
        identities: digest of the weights and settings of each layer, by layer path.
        provenance: plain types: what was recorded, with which inputs, where, and who agreed (docs/fixture-format.md).
        inputs: where they can't be made again from a seed and are small: the arrays, in the order of the inputs.
        digest: of the file that it was read from, "" where it wasn't.
    """

    sites: tuple[GoldenSite, ...]
    outline: Outline
    identities: Mapping[str, Identity]
    provenance: JsonObject
    inputs: tuple[Array, ...] = field(default=())
    digest: str = ""

    @property
    def name(self) -> str:
        """What was recorded, as it was named."""
        return str(self.provenance.get("model", {}).get("spec", "?"))

    @property
    def is_double(self) -> bool:
        """Whether the truth is float64, so that the noise floor is known."""
        return self.provenance.get("truth") == "float64"

    def local_errors(self, witness: int) -> dict[str, float]:
        """Layers that differ by themselves in a witness, in float64 and beyond 1e-10, by layer path."""
        pairs = ((site.path, site.locals) for site in self.sites)
        return {path: errors[witness] for path, errors in pairs if witness < len(errors) and errors[witness]}

    def call_of(self, site: GoldenSite) -> tuple[str, int]:
        """Layer path of the call that a site is an output of, and which one; a name may end like an index itself."""
        path = call_named(site.path)
        first = next((each for each in self.sites if each.path == path), None)
        same = first is not None and (first.class_name, first.box, first.wiring) == (
            site.class_name,
            site.box,
            site.wiring,
        )
        return (path, int(site.path.rpartition(":")[2])) if same and path != site.path else (site.path, 0)

    def tolerance(self, site: GoldenSite, dtype: str = "", factor: float = FACTOR) -> float:
        """Relative L2 error that an activation may have: from its noise floor where that is known, else by dtype."""
        usual = tolerance_for(*(name for name in (site.truth.dtype, dtype) if name))
        return max(usual, factor * site.floor) if self.is_double and usual else usual


def relative(reference: Fingerprint, candidate: Fingerprint) -> float:
    """Estimated relative L2 error; 0 only for equal sketches, inf where one isn't finite or the shapes differ."""
    if reference.shape != candidate.shape:
        return math.inf
    gap = estimate(reference.sketch, candidate.sketch)
    norm = reference.norm or float(np.linalg.norm(reference.sketch))
    if gap == 0.0:
        return 0.0
    return gap / norm if norm else math.inf


def golden_sites(
    truth: Sequence[Site],
    single: Sequence[Site],
    others: Sequence[Sequence[Site]] = (),
    local: Sequence[Mapping[str, float]] = (),
) -> tuple[GoldenSite, ...]:
    """The truth with the noise floor of every float32 run.

    Args:
        truth: of the float64 run, with detail.
        single: of the float32 run in the same environment, with digests.
        others: of float32 runs elsewhere.
        local: local errors in float64 beyond 1e-10, by layer path, of each witness.

    Raises:
        FixtureError: if the runs don't have the same call sites, or an activation isn't finite.
    """
    by_path = [{site.path: site for site in run} for run in (single, *others)]
    found = []
    for site in truth:
        runs = [_partner(site, run) for run in by_path]
        _check_finite(site)
        taken = _fingerprint_of(site)
        # Text and whole numbers are what they are: a float32 run that differs isn't noise.
        floors = tuple(relative(taken, run) for run in runs) if tolerance_for(runs[0].dtype) else ()
        own = tuple(errors.get(site.path, 0.0) for errors in local)
        found.append(
            GoldenSite(
                path=site.path,
                class_name=site.class_name,
                box=site.box,
                is_box=site.is_box,
                wiring=site.wiring,
                truth=_as_run(taken, runs[0]),
                floors=floors,
                locals=own,
            )
        )
    return tuple(found)


def _partner(site: Site, run: Mapping[str, Site]) -> Fingerprint:
    found = run.get(site.path)
    if found is None or found.fingerprint is None or found.fingerprint.shape != _fingerprint_of(site).shape:
        raise FixtureError(f"{site.path}: the float32 and the float64 model don't run the same layers; not recorded.")
    return found.fingerprint


def _as_run(truth: Fingerprint, single: Fingerprint) -> Fingerprint:
    known = {name: getattr(truth, name) for name in Fingerprint.__dataclass_fields__}
    seen = {"dtype": single.dtype, "digest": single.digest, "mask": single.mask}
    return Fingerprint(**{**known, **seen, "sketch": _kept_sums(truth.sketch, single.dtype)})


def _kept_sums(sketch: Array, dtype: str) -> Array:
    """As they come back from a file: rounded to float32 where that is far below what the check allows."""
    if dtype not in _NARROW:
        return sketch
    with np.errstate(over="ignore", under="ignore"):
        rounded = sketch.astype(np.float32).astype(np.float64)
    close = float(np.linalg.norm(rounded - sketch)) <= _STEP * float(np.linalg.norm(sketch))
    return rounded if close else sketch  # numbers at the ends of float32's range aren't


def _fingerprint_of(site: Site) -> Fingerprint:
    if site.fingerprint is None:
        raise FixtureError(f"{site.path}: the layer raises {site.error}; a golden needs an output. Not recorded.")
    return site.fingerprint


def _check_finite(site: Site) -> None:
    taken = _fingerprint_of(site)
    if taken.nonfinite:
        raise FixtureError(
            f"{site.path} ({site.class_name}): {taken.nonfinite} of {taken.count} values are NaN or infinite; such a "
            "golden would accept anything. Not recorded: give other inputs, or look at this layer with `tracer diff`."
        )


# --- witnesses


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """How far a witness is from the truth, in float64.

    Attributes:
        worst: largest relative error of any call site.
        layer: where it is.
        excess: relative error by layer path, where it is beyond 1e-10.
    """

    worst: float
    layer: str
    excess: Mapping[str, float]


def agreement(truth: Iterable[Site], witness: Iterable[Site]) -> Agreement:
    """Hold a witness's float64 run against the truth.

    Raises:
        FixtureError: if the witness doesn't run the same call sites.
    """
    by_path = {site.path: site for site in witness}
    worst, layer = 0.0, ""
    excess: dict[str, float] = {}
    for site in truth:
        error = relative(_fingerprint_of(site), _partner(site, by_path))
        if error > worst:
            worst, layer = error, site.path
        if error > NOTABLE:
            excess[site.path] = error
    return Agreement(worst=worst, layer=layer, excess=excess)


# --- what changed between two goldens


def changes(old: Golden, new: Golden) -> Iterator[tuple[str, str]]:
    """(layer path, what changed) between a golden and the one that replaces it, in words; nothing for equal numbers."""
    before = {site.path: site for site in old.sites}
    for site in new.sites:
        was = before.pop(site.path, None)
        if was is None:
            yield site.path, "new"
        elif told := change(was.truth, site.truth):
            yield site.path, told
    for path in before:
        yield path, "gone"


def change(was: Fingerprint, now: Fingerprint) -> str:
    """What has changed between two recordings of the truth, in words; "" for equal numbers."""
    if was.shape != now.shape:
        return f"shape {was.shape} → {now.shape}"
    error = relative(was, now)
    if error > (_STEP if was.dtype in _NARROW else _SAME_NUMBERS):
        return f"{error:.1e} relative"
    same = math.isclose(was.rms, now.rms, rel_tol=_SAME_NUMBERS)
    return "" if same else f"less than {_STEP:.0e} relative"
