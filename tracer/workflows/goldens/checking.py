"""check: hold a model against its golden, say where the error enters, and try there what is known to help."""

from __future__ import annotations

import contextlib
import importlib.metadata
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tracer.core import environment
from tracer.core.comparison.alignment import align, static_path
from tracer.core.comparison.soundness import check_factor, check_inputs
from tracer.core.diagnosis import known_issues
from tracer.core.drive import running
from tracer.core.feed import Feed
from tracer.core.golden import evidence
from tracer.core.golden.fingerprint import Site, fingerprint
from tracer.core.golden.golden import FACTOR, Golden, GoldenSite
from tracer.core.golden.match import LIKENESS, Held, conclusion, hold, layer_report, likeness, reaches_output
from tracer.core.host import Host, Identities
from tracer.core.layer.patches import instruction
from tracer.core.source import Arrays, Call, Facts, Mend, Run, Source, Value
from tracer.core.spec import ModelSpec, parse_spec
from tracer.errors import FixtureError
from tracer.progress import Progress, under
from tracer.records import Evidence, Fault, Report, Side
from tracer.workflows.budgeting import limit_of, within
from tracer.workflows.comparing import Timings
from tracer.workflows.feeding import feed_for
from tracer.workflows.goldens.recording import inputs_digest, weights_digest
from tracer.workflows.opening import closing, open_source, open_worker
from tracer.workflows.unseen import unlike_recorded, with_hidden

_EXPLAINED = 8  # faults that are looked at in a second run; behind more than these one usually is the cause
_FINALIZE = Mend(action="finalize_state", finalize=True)


def check(
    model: Any,
    fixture: str | Path,
    inputs: Any = None,
    *,
    factor: float = FACTOR,
    custom_objects: Sequence[str] = (),
    packages: Sequence[str] = (),
    memory_limit: str | int | None = None,
    strict: bool = False,
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
        progress: called with (phase, done, total).

    Raises:
        FixtureError: if there is no such golden, it is damaged, or was recorded for another model, seed or inputs.
        TracerError: if the model can't be built or run, or the factor makes no bound.
    """
    from tracer.store import fixtures

    timings, name = Timings(), str(fixture)
    with contextlib.ExitStack() as stack:
        with timings.of("open"):
            golden = fixtures.read_golden(fixture)
            source, seeded = _opened(model, golden, name, stack, custom_objects, packages, progress)
            feed = _inputs(source, golden, inputs, name)
        (source,) = within(limit_of(memory_limit), feed.arrays, source)
        report = held_against(
            source, golden, feed.arrays, name, timings, seeded=seeded, factor=factor, progress=progress
        )
        return replace(with_hidden(report, report.hidden, strict=strict), inputs=feed.told)


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
    if seeded and weights_digest(identities) != golden.provenance.get("weights"):
        raise FixtureError(
            f"{name}: recorded with other weights than seed {_of(golden, 'seed')} gives here; the golden belongs to "
            "another seed or another version of the seeding. Record it again: `tracer record MODEL --yes`."
        )
    with timings.of("run"):
        told = None if progress is None else under(progress, f"checking {source.spec}")
        sites = source.fingerprints(inputs, progress=told)
    alike = likeness(golden, sites)
    if alike < LIKENESS:
        raise FixtureError(
            f"{name}: recorded for another model: {golden.name}, of whose {len(golden.sites)} layer outputs "
            f"{source.spec} has {alike:.0%}. Give the golden of this model, or record it."
        )
    held = hold(golden, sites, factor=factor)
    random: frozenset[str] = frozenset()
    faults: tuple[Fault, ...] = ()
    if any(one.entered for one in held):
        with timings.of("explain"):
            random = _random(source, inputs, golden, sites, factor)
            culprits = [one for one in held if one.entered and one.golden.path not in random]
            faults = _faults(source, inputs, golden, culprits, masked=not reaches_output(held))
    hidden = unlike_recorded(golden, source, identities, names, faults)
    report = _report(source, golden, held, sites, faults, random, timings, name, inputs)
    return with_hidden(report, hidden, strict=False)


# --- opening


def _opened(
    model: Any,
    golden: Golden,
    name: str,
    stack: contextlib.ExitStack,
    custom_objects: Sequence[str],
    packages: Sequence[str],
    progress: Progress | None,
) -> tuple[Host, bool]:
    """A source for the model, and whether its weights come from the golden's seed."""
    if not isinstance(model, (str, ModelSpec)):
        return open_source(model, stack), False
    spec = parse_spec(model) if isinstance(model, str) else model
    if spec.kind == "application" and spec.target != golden.name:
        raise FixtureError(f"{name}: recorded for {golden.name}, not for {spec.target}. Give the golden of that model.")
    seed, image_size = int(_of(golden, "seed") or 0), _of(golden, "image_size")
    if spec.release in (None, _installed()) and spec.backend is None and not packages:
        from tracer.engine import host

        return closing(
            host.from_spec(spec, custom_objects=custom_objects, seed=seed, image_size=image_size), stack
        ), spec.kind == "application"
    if progress is not None:
        progress(f"opening {spec.text}", 0, 0)
    worker = open_worker(spec, stack, packages, progress)
    worker.build(spec.target, custom_objects=custom_objects, seed=seed, image_size=image_size)
    worker.spec = spec.text
    return worker, spec.kind == "application"


def _installed() -> str:
    """The Keras release of this process's own environment."""
    try:
        return importlib.metadata.version("keras")
    except importlib.metadata.PackageNotFoundError:  # a source checkout, or nightly
        return ""


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


# --- why


def _random(source: Host, inputs: Arrays, golden: Golden, sites: Sequence[Site], factor: float) -> frozenset[str]:
    """Layer paths where the model differs from itself, beyond tolerance, when run twice."""
    again = {site.path: site.fingerprint for site in source.fingerprints(inputs)}
    found = set()
    recorded = {site.path: site for site in golden.sites}
    for site in sites:
        other, mine = again.get(site.path), site.fingerprint
        if mine is None or other is None or site.path not in recorded:
            continue
        gap = abs(mine.sketch - other.sketch).max(initial=0.0)
        if gap > golden.tolerance(recorded[site.path], mine.dtype, factor) * float((mine.sketch**2).sum()) ** 0.5:
            found.add(site.path)
    return frozenset(found)


def _faults(
    source: Host, inputs: Arrays, golden: Golden, culprits: Sequence[Held], *, masked: bool
) -> tuple[Fault, ...]:
    """The call sites where an error enters, explained: run once more, and stopped at each."""
    wanted = {one.golden.path.partition(":")[0]: one for one in culprits[:_EXPLAINED]}
    looked: dict[str, tuple[tuple[Evidence, ...], Facts | None, bool]] = {}
    with running(source, Run(inputs=inputs, seeds=source.seeds())) as calls:
        for call in calls:
            if call.path in wanted:
                looked[call.path] = _looked_at(source, call, wanted[call.path], golden)
            if len(looked) == len(wanted):
                break
    identities, ran = source.identities(), source.environment
    nothing: tuple[tuple[Evidence, ...], Facts | None, bool] = ((), None, False)
    return tuple(
        replace(
            _fault(one, looked.get(one.golden.path.partition(":")[0], nothing), golden, identities, ran), masked=masked
        )
        for one in culprits
    )


def _looked_at(
    source: Source, call: Call, one: Held, golden: Golden
) -> tuple[tuple[Evidence, ...], Facts | None, bool]:
    """What the statistics say, what the layer is, and whether deriving its state anew puts it right."""
    index = _output_index(one.golden)
    if call.error or index >= len(call.outputs):
        return (), source.facts(call.path), False
    found = fingerprint(call.outputs[index], digest_limit=0)
    told = evidence.output_evidence(one.golden.path, one.golden.truth, found)
    facts = source.facts(call.path)
    helps = False
    if facts is not None and facts.derives:
        mended = source.attempt(_FINALIZE, call.inputs, call.context)
        helps = not mended.error and _is_right(mended.outputs[index], one, golden)
    return told, facts, helps


def _output_index(site: GoldenSite) -> int:
    tail = site.path.rpartition(":")[2]
    return int(tail) if tail.isdigit() and ":" in site.path else 0


def _is_right(value: Value, one: Held, golden: Golden) -> bool:
    site = Site(
        path=one.golden.path,
        class_name="",
        box="",
        is_box=False,
        wiring=None,
        fingerprint=fingerprint(value, detail=False),
    )
    alone = replace(golden, sites=(one.golden,))
    return not hold(alone, [site])[0].beyond


def _fault(
    one: Held,
    looked: tuple[tuple[Evidence, ...], Facts | None, bool],
    golden: Golden,
    identities: Identities,
    ran: Mapping[str, str],
) -> Fault:
    told, facts, helps = looked
    layer = one.golden.path.partition(":")[0]
    static = static_path(layer)
    found = [*evidence.identity_evidence(static, golden.identities.get(static), identities.get(static)), *told]
    if helps:
        detail = "deriving the layer's state anew from its own weights gives what was recorded"
        found.insert(0, Evidence(kind="stale", name="finalize_state()", candidate="stale", detail=detail))
    if one.note:
        found.append(Evidence(kind="output", name=one.golden.path, detail=one.note))
    kinds = {evidence.kind: True for evidence in found}
    recorded = golden.provenance.get("environment", {})
    cause = evidence.cause_of(kinds, same_environment=environment.is_same(recorded, ran))
    fault = Fault(
        layer=layer, class_name=one.golden.class_name, side=Side.CANDIDATE, cause=cause, evidence=tuple(found)
    )
    return _known(fault, facts, ran.get("keras", ""), recorded.get("keras", ""), helps)


def _known(fault: Fault, facts: Facts | None, release: str, recorded: str, helps: bool) -> Fault:
    """With the known Keras defect that it is, if it is one, and what helps."""
    issue = known_issues.match(
        fault,
        releases={"reference": recorded, "candidate": release},
        format=None,
        nested="/" in fault.layer,
        settings=known_issues.settings_of(facts, None) if facts is not None else {},
    )
    parts = []
    if helps:
        seen = "verified here: with it the layer returns what was recorded"
        parts.append(f"{instruction(_FINALIZE, fault.layer)} ({seen})")
    if issue is not None:
        parts.append(issue.remedy)
        fault = replace(fault, known_issue=issue.thread, fixed_in=issue.fixed_in or None)
    return replace(fault, remedy=". ".join(part.rstrip(".") for part in parts) + "." if parts else None)


# --- the report


def _report(
    source: Host,
    golden: Golden,
    held: Sequence[Held],
    sites: Sequence[Site],
    faults: tuple[Fault, ...],
    random: frozenset[str],
    timings: Timings,
    name: str,
    inputs: Arrays,
) -> Report:
    recorded = {one.golden.path for one in held}
    extra = tuple(site.path for site in sites if site.path not in recorded)
    missing = tuple(one.golden.path for one in held if one.found is None)
    masked = bool(faults) and faults[0].masked
    compared = [one for one in held if one.found is not None]
    first = next((one.golden.path for one in held if one.beyond and one.golden.path not in random), None)
    says = conclusion(held, lone=len(extra), random=() if faults else sorted(random), inputs=inputs)
    return Report(
        status=says.status,
        reason=says.reason,
        compared=len(compared),
        coverage=len(compared) / (len(held) + len(extra)),
        first_divergence=first,
        faults=faults,
        layers=tuple(layer_report(one, masked=masked, random=one.golden.path in random) for one in held),
        unmatched={"reference": missing, "candidate": extra},
        environments={
            "reference": {k: str(v) for k, v in golden.provenance.get("environment", {}).items()},
            "candidate": dict(source.environment),
        },
        specs={"reference": f"golden {name} ({golden.name})", "candidate": source.spec},
        timings={phase: round(seconds, 4) for phase, seconds in timings.seconds.items()},
        notes=tuple(_notes(golden, held, faults, name)),
    )


def _notes(golden: Golden, held: Sequence[Held], faults: Sequence[Fault], name: str) -> list[str]:
    from tracer.store import goldens

    measure = "the float64 truth" if golden.is_double else "these"
    notes = [
        f"golden: {goldens.describe_origin(name, golden)}.",
        f"an error of 0 means the very numbers that were recorded; any other is the distance from {measure}, "
        "estimated from fingerprints, within ±30 % in 99 % of cases.",
    ]
    if faults:
        notes.append("no proof can be made from fingerprints: `tracer diff` against a model that is right makes one.")
    if not golden.is_double:
        notes.append(f"the golden holds float32 activations ({golden.provenance.get('why', 'no float64 model')}).")
    inherited = sum(one.passed_on for one in held)
    if inherited:
        notes.append(f"{inherited} layer outputs only pass on what came in.")
    return notes
