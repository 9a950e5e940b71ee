"""check: hold a model against its golden, say where the error enters, and try there what is known to help."""

from __future__ import annotations

import contextlib
import importlib.metadata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tracer.core import environment
from tracer.core.comparison.alignment import align
from tracer.core.feed import Feed
from tracer.core.golden.fingerprint import Site
from tracer.core.golden.golden import FACTOR, Golden
from tracer.core.golden.match import LIKENESS, Match, conclusion, hold, layer_report, likeness, reaches_output
from tracer.core.host import Host, Identities
from tracer.core.soundness.limits import check_factor
from tracer.core.soundness.signals import check_inputs
from tracer.core.source import Arrays
from tracer.core.spec import ModelSpec, parse_spec
from tracer.core.trust import advisories
from tracer.errors import FixtureError
from tracer.progress import Progress, under
from tracer.records import Fault, Report
from tracer.workflows.arguments import check_arguments
from tracer.workflows.budgeting import limit_of, within
from tracer.workflows.comparing import Timings, clocked
from tracer.workflows.feeding import feed_for
from tracer.workflows.goldens.explaining import differs_from_itself, explain_culprits
from tracer.workflows.goldens.recording import inputs_digest, weights_digest
from tracer.workflows.goldens.rounding import held_but_for_rounding
from tracer.workflows.opening import (
    Loading,
    Model,
    Way,
    check_packages,
    closing,
    is_elsewhere,
    open_source,
    open_worker,
)
from tracer.workflows.unseen import unlike_recorded, with_hidden


@clocked
def check(
    model: Model,
    fixture: str | Path,
    inputs: Any = None,
    *,
    factor: float = FACTOR,
    custom_objects: Sequence[str] = (),
    packages: Sequence[str] = (),
    memory_limit: str | int | None = None,
    strict: bool = False,
    trust: bool = False,
    progress: Progress | None = None,
) -> Report:
    """Hold a model against a golden, layer by layer; errors are estimates, within ±30 % in 99 % of cases.

    Args:
        model: a Keras model, or a specification of one; an application gets the seeded weights that were recorded.
        fixture: path of the golden (docs/fixture-format.md).
        inputs: those that were recorded, where the golden can't make them again.
        factor: the tolerance, times the noise floor of each layer.
        custom_objects: modules to import first.
        packages: requirements for the environment of a specification with a release.
        memory_limit: bytes, or such a size as `2GB`, that the run may take over the loaded model.
        strict: settings that aren't those that were recorded fail also where nothing shows it.
        trust: load a model file with all that it contains, Python code too; without it, it is screened first.
        progress: called with (phase, done, total).

    Raises:
        FixtureError: if the golden is missing or damaged, or was recorded for another model, seed or inputs.
        TracerError: if the model can't be built or run, or the factor makes no bound.
    """
    from tracer.store import fixtures

    timings, name = Timings(), str(fixture)
    with contextlib.ExitStack() as stack:
        with timings.of("open"):
            golden = fixtures.read_golden(fixture)  # which goldens there are says more than which models
            check_arguments(model, inputs=inputs, memory_limit=memory_limit, custom_objects=custom_objects)
            source, seeded = _open(model, golden, name, stack, Loading(custom_objects, trust), packages, progress)
            feed = _inputs(source, golden, inputs, name)
        (source,) = within(limit_of(memory_limit), feed.arrays, source)
        report = held_against(
            source, golden, feed.arrays, name, timings, seeded=seeded, factor=factor, progress=progress
        )
        report = with_hidden(report, report.hidden, strict=strict)
        told = advisories.notes([source.environment])
        return replace(report, inputs=feed.told, notes=(*report.notes, *told))


def held_against(
    source: Host,
    golden: Golden,
    inputs: Arrays,
    name: str,
    timings: Timings,
    *,
    seeded: bool,
    factor: float = FACTOR,
    progress: Progress | None = None,
) -> Report:
    """The same for a source that is open already; `seeded`: it must have the weights that were recorded.

    Raises:
        FixtureError: if the golden was recorded for another model or other weights.
    """
    check_factor(factor)
    check_inputs(inputs)
    names = align(golden.outline, source.outline).names
    source.rename(names)
    identities = source.identities() if seeded or golden.identities else {}
    if seeded:
        _check_weights(golden, identities, name)
    with timings.of("run"):
        told = None if progress is None else under(progress, f"checking {source.spec}")
        sites = source.fingerprints(inputs, progress=told)
    _check_likeness(golden, sites, source.spec, name)
    held = hold(golden, sites, factor=factor)
    if any(one.entered for one in held):
        with timings.of("explain"):
            held = held_but_for_rounding(source, inputs, golden, sites, factor, identities)
    found = _Found(held=held, sites=sites)
    if any(one.entered for one in held):
        with timings.of("explain"):
            random = differs_from_itself(source, inputs, golden, sites, factor)
            culprits = [one for one in held if one.entered and one.golden.path not in random]
            faults = explain_culprits(source, inputs, golden, culprits, masked=not reaches_output(held))
            found = replace(found, random=random, faults=faults)
    hidden = unlike_recorded(golden, source, identities, names, found.faults)
    report = _report(found, golden, name, source, inputs, timings)
    return with_hidden(report, hidden, strict=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """What holding a model against a golden has found.

    Attributes:
        held: the golden's layer outputs, with what the model has of each.
        sites: the model's layer outputs.
        random: layer paths where the model differs from itself.
        faults: explained.
    """

    held: Sequence[Match]
    sites: Sequence[Site]
    random: frozenset[str] = frozenset()
    faults: tuple[Fault, ...] = ()


def _check_weights(golden: Golden, identities: Identities, name: str) -> None:
    if weights_digest(identities) != golden.provenance.get("weights"):
        raise FixtureError(
            f"{name}: recorded with other weights than seed {_of(golden, 'seed')} gives here; the golden belongs to "
            "another seed or another version of the seeding. Record it again: `tracer record MODEL --yes`."
        )


def _check_likeness(golden: Golden, sites: Sequence[Site], spec: str, name: str) -> None:
    alike = likeness(golden, sites)
    if alike < LIKENESS:
        raise FixtureError(
            f"{name}: recorded for another model: {golden.name}, of whose {len(golden.sites)} layer outputs "
            f"{spec} has {alike:.0%}. Give the golden of this model, or record it."
        )


# --- opening


def _open(
    model: Model,
    golden: Golden,
    name: str,
    stack: contextlib.ExitStack,
    loading: Loading,
    packages: Sequence[str],
    progress: Progress | None,
) -> tuple[Host, bool]:
    """A source for the model, and whether its weights come from the golden's seed."""
    if not isinstance(model, (str, ModelSpec)):
        return open_source(model, Way(stack)), False
    spec = parse_spec(model) if isinstance(model, str) else model
    if spec.kind == "application" and spec.target != golden.name:
        raise FixtureError(f"{name}: recorded for {golden.name}, not for {spec.target}. Give the golden of that model.")
    seed, image_size = int(_of(golden, "seed") or 0), _of(golden, "image_size")
    check_packages((spec,), packages)
    if not packages and _runs_here(spec):
        from tracer.engine import host

        live = host.from_spec(
            spec, custom_objects=loading.custom_objects, seed=seed, image_size=image_size, trust=loading.trust
        )
        return closing(live, stack), spec.kind == "application"
    if progress is not None:
        progress(f"opening {spec.text}", 0, 0)
    worker = open_worker(spec, stack, packages, progress)
    worker.build(
        spec.target, custom_objects=loading.custom_objects, seed=seed, image_size=image_size, trust=loading.trust
    )
    worker.spec = spec.text
    return worker, spec.kind == "application"


def _runs_here(spec: ModelSpec) -> bool:
    """Whether this process's own environment is the one that is named: its Keras, on what a release runs on unasked."""
    if not is_elsewhere(spec):
        return True
    try:
        installed = importlib.metadata.version("keras")
    except importlib.metadata.PackageNotFoundError:  # a source checkout, or nightly
        return False
    if spec.release != installed or spec.backend is not None:
        return False
    try:
        from tracer.engine import compat

        ran = compat.environment()
    except ImportError:  # no backend here
        return False
    return not environment.mismatches(environment.Wanted(keras=installed, backend="tensorflow"), ran)


def _of(golden: Golden, key: str) -> Any:
    return golden.provenance.get("model", {}).get(key)


def _inputs(source: Host, golden: Golden, given: Any, name: str) -> Feed:
    """Those given, those in the golden, or seeded ones; always the ones that were recorded."""
    if given is not None:
        feed = feed_for(source, given, 0, None)
    elif golden.inputs:
        feed = source.fit_inputs(list(golden.inputs))
        feed = replace(feed, told=replace(feed.told, origin="file", source=name))
    elif _of(golden, "seed") is not None:
        feed = source.make_inputs(None, seed=int(_of(golden, "seed")), batch=int(_of(golden, "batch")))
    else:
        raise FixtureError(f"{name}: recorded with inputs that it doesn't hold; give the same ones (inputs=…).")
    if inputs_digest(feed.arrays) != golden.provenance.get("inputs"):
        raise FixtureError(
            f"{name}: recorded with other inputs than these. Give the inputs that were recorded, or record it again."
        )
    return feed


# --- the report


def _report(found: _Found, golden: Golden, name: str, source: Host, inputs: Arrays, timings: Timings) -> Report:
    held, faults, random = found.held, found.faults, found.random
    unmatched = _unmatched(found)
    masked = bool(faults) and faults[0].masked
    compared = sum(one.found is not None for one in held)
    lone = len(unmatched["candidate"])
    first = next((one.golden.path for one in held if one.beyond and one.golden.path not in random), None)
    says = conclusion(held, lone=lone, random=() if faults else sorted(random), inputs=inputs)
    recorded = golden.provenance.get("environment", {})
    return Report(
        status=says.status,
        reason=says.reason,
        compared=compared,
        coverage=compared / (len(held) + lone),
        first_divergence=first,
        faults=faults,
        layers=tuple(layer_report(one, masked=masked, random=one.golden.path in random) for one in held),
        unmatched=unmatched,
        environments={
            "reference": {key: str(value) for key, value in recorded.items()},
            "candidate": dict(source.environment),
        },
        specs={"reference": f"golden {name} ({golden.name})", "candidate": source.spec},
        timings={phase: round(seconds, 4) for phase, seconds in timings.seconds.items()},
        notes=tuple(_notes(found, golden, name)),
    )


def _unmatched(found: _Found) -> dict[str, tuple[str, ...]]:
    """Layer paths that only the golden has, and that only the model has."""
    recorded = {one.golden.path for one in found.held}
    return {
        "reference": tuple(one.golden.path for one in found.held if one.found is None),
        "candidate": tuple(site.path for site in found.sites if site.path not in recorded),
    }


def _notes(found: _Found, golden: Golden, name: str) -> list[str]:
    from tracer.store import goldens

    measure = "the float64 truth" if golden.is_double else "these"
    notes = [
        f"golden: {goldens.describe_origin(name, golden)}.",
        f"an error of 0 means the very numbers that were recorded; any other is the distance from {measure}, "
        "estimated from fingerprints, within ±30 % in 99 % of cases.",
    ]
    if found.faults:
        notes.append("no proof can be made from fingerprints: `tracer diff` against a model that is right makes one.")
    if not golden.is_double:
        notes.append(f"the golden holds float32 activations ({golden.provenance.get('why', 'no float64 model')}).")
    inherited = sum(one.passed_on for one in found.held)
    if inherited:
        notes.append(f"{inherited} layer outputs only pass on what came in.")
    return notes
