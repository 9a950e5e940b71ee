"""The table of known Keras defects: which fault is one of them, and what a release is exposed to."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from types import MappingProxyType

from tracer.core.layer.differences import Setting
from tracer.core.releases import parse_release, read_table
from tracer.core.source import Call, Facts, Patch, PatchAction
from tracer.records import Cause, Evidence, Fault, JsonObject, Side

ACTIONS = frozenset({"finalize_state", "set_attribute", "copy_weights", "upgrade", "save_as_keras", "none"})
UPGRADE = "upgrade"
_TABLE = "known_issues.toml"
_NOTHING: Mapping[str, Setting] = MappingProxyType({})
_NO_BACKENDS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """What must be among the evidence of a fault: one piece that fits in every way that is given.

    Attributes:
        kinds: kinds of evidence, any of them; none: nothing is asked for.
        names: glob patterns for its name, any of them; none: any name.
        values: glob patterns for the reference's or the candidate's value, any of them; none: any value.
        details: glob patterns for its detail, any of them; none: any detail.
    """

    kinds: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    details: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownIssue:
    """A Keras defect with a public thread or commit.

    Attributes:
        id: `keras#20147`, `keras@<commit>`, or with `/variant` behind it where one thread has several faces.
        title: one line.
        url: the thread.
        symptom: what a user sees.
        classes: layer classes; none: any.
        cause: the cause that the tracer finds.
        side: who is wrong; `unknown` where either may be.
        evidence: see `Pattern`.
        settings: what the layer has to be set to, or called with, to have the defect at all: by key, glob patterns for
            its text, any of them. What two releases compute otherwise leaves no other evidence.
        formats: file formats; none: any. `upgrade`: two releases or backends differ, nothing is saved.
        backends: those that have it; none: all.
        nested: only inside another model or layer (True), only at the top level (False), or either (None).
        first_bad: the first release that has it.
        fixed_in: the first release without it; empty: none yet.
        remedy: what helps, in words.
        otherwise: what is to be said beside the same remedy for the very layer, which was tried there; "" where
            `remedy` doesn't repeat it.
        remedy_action: what helps, as code: one of `ACTIONS`.
        verified: it was run on the releases at both sides of every boundary.
    """

    id: str
    title: str
    url: str
    symptom: str
    classes: tuple[str, ...]
    cause: Cause
    side: Side
    evidence: Pattern
    settings: tuple[tuple[str, tuple[str, ...]], ...]
    formats: tuple[str, ...]
    backends: tuple[str, ...]
    nested: bool | None
    first_bad: str
    fixed_in: str
    remedy: str
    remedy_action: str
    otherwise: str = ""
    verified: bool = False

    @property
    def thread(self) -> str:
        """The id without its variant: what to look for in public."""
        return self.id.partition("/")[0]

    def remedy_beside(self, tried: Patch | None) -> str:
        """What helps, without what a change that was tried on the layer does already."""
        does = {PatchAction.PERSIST_STATE: PatchAction.SET_ATTRIBUTE}.get(tried.action, tried.action) if tried else None
        return self.otherwise if self.otherwise and does == self.remedy_action else self.remedy


@functools.cache
def known_issues() -> tuple[KnownIssue, ...]:
    """The table, in its own order.

    Raises:
        TracerError: if the table that was installed is damaged.
    """
    return read_table(__package__, _TABLE, "issue", _issue)


def _issue(entry: JsonObject) -> KnownIssue:
    known: JsonObject = {k: tuple(v) if isinstance(v, list) else v for k, v in entry.items()}
    pattern = {key: tuple(value) for key, value in known.pop("evidence").items()}
    if known["remedy_action"] not in ACTIONS:
        raise ValueError(f"{known['id']}: remedy_action {known['remedy_action']!r} is none of {sorted(ACTIONS)}")
    return KnownIssue(
        cause=Cause(known.pop("cause")),
        side=Side(known.pop("side")),
        evidence=Pattern(**pattern),
        settings=tuple((key, tuple(globs)) for key, globs in known.pop("settings", {}).items()),
        backends=known.pop("backends", ()),
        nested=known.pop("nested", None),
        **known,
    )


# --- releases


def affects(issue: KnownIssue, release: str, backend: str = "") -> bool:
    """Whether a release has the defect: first_bad ≤ release < fixed_in. False for what is no release number.

    Args:
        issue: the defect.
        release: of Keras.
        backend: what it runs on; "" for any: then a defect of a single one counts.
    """
    if backend and issue.backends and backend not in issue.backends:
        return False
    here, first, fixed = parse_release(release), parse_release(issue.first_bad), parse_release(issue.fixed_in)
    return here is not None and first is not None and first <= here and (fixed is None or here < fixed)


def exposure(release: str, backend: str = "") -> tuple[KnownIssue, ...]:
    """The known defects of a release on a backend (on any, if it is ""), in the order of the table."""
    return tuple(issue for issue in known_issues() if affects(issue, release, backend))


# --- matching


def settings_of(facts: Facts, call: Call | None) -> Mapping[str, Setting]:
    """What a layer is set to and called with, by key: configuration, dtype policy, arguments, `mask` if it got one."""
    found: dict[str, Setting] = {**facts.config, **facts.policy}
    if call is not None:
        found |= call.context
        if any(value.mask is not None or value.array.dtype.kind == "b" for value in call.inputs):
            found["mask"] = "given"
    return found


def match(
    fault: Fault,
    *,
    releases: Mapping[str, str],
    format: str | None,
    nested: bool,
    settings: Mapping[str, Setting] = _NOTHING,
    backends: Mapping[str, str] = _NO_BACKENDS,
) -> KnownIssue | None:
    """The known defect that a fault is, by its evidence; the most specific one where several fit.

    Args:
        fault: with its cause, side and evidence.
        releases: Keras release by side, `reference` and `candidate`.
        format: file format between the two sides; None where it isn't known or nothing was saved.
        nested: the layer sits inside another model or layer.
        settings: what `settings_of` says of the reference's layer; without it no defect that asks for some fits.
        backends: backend by side, as the releases; "" or missing where it isn't known.

    Returns:
        None where nothing fits, and where two defects fit equally well: then neither is known to be the one.
    """
    fitting = [
        issue
        for issue in known_issues()
        if _fits_fault(issue, fault)
        and _fits_settings(issue, settings)
        and _fits_place(issue, releases, backends, format, nested)
    ]
    fitting.sort(key=_specificity, reverse=True)
    if len(fitting) > 1 and _specificity(fitting[0]) == _specificity(fitting[1]):
        return None
    return fitting[0] if fitting else None


def recognize(fault: Fault, release: str, format: str) -> Fault:
    """A fault outside of the layers, with the known defect that it is, and what helps, if it is one.

    Args:
        fault: with its cause, side and evidence.
        release: of the Keras that wrote the file.
        format: of the file.
    """
    issue = match(fault, releases={"reference": release}, format=format, nested=False)
    if issue is None:
        return fault
    return replace(fault, known_issue=issue.thread, fixed_in=issue.fixed_in or None, remedy=issue.remedy)


def _fits_fault(issue: KnownIssue, fault: Fault) -> bool:
    sides = {issue.side, fault.side}
    return (
        fault.cause is issue.cause
        and (len(sides) == 1 or Side.UNKNOWN in sides)
        and (not issue.classes or fault.class_name.rpartition(".")[2] in issue.classes)
        and (not issue.evidence.kinds or any(_fits_evidence(issue.evidence, e) for e in fault.evidence))
    )


def _fits_settings(issue: KnownIssue, settings: Mapping[str, Setting]) -> bool:
    return all(key in settings and _fits_glob(str(settings[key]), globs) for key, globs in issue.settings)


def _fits_glob(text: str, globs: tuple[str, ...]) -> bool:
    return any(fnmatchcase(text, glob) for glob in globs)


def _fits_evidence(pattern: Pattern, evidence: Evidence) -> bool:
    wanted = (
        (pattern.names, (evidence.name,)),
        (pattern.values, (evidence.reference, evidence.candidate)),
        (pattern.details, (evidence.detail,)),
    )
    return evidence.kind in pattern.kinds and all(
        not globs or any(_fits_glob(text, globs) for text in texts) for globs, texts in wanted
    )


def _fits_place(
    issue: KnownIssue,
    releases: Mapping[str, str],
    backends: Mapping[str, str],
    format: str | None,
    nested: bool,
) -> bool:
    """Format, nesting and releases. Where nothing is saved, the boundary of the defect must lie between the two."""
    if issue.nested is not None and issue.nested is not nested:
        return False
    bad = [affects(issue, release, backends.get(side, "")) for side, release in releases.items()]
    if UPGRADE in issue.formats:
        return any(bad) and not all(bad)
    return any(bad) and (format is None or not issue.formats or format in issue.formats)


def _specificity(issue: KnownIssue) -> int:
    """In how many ways it could have failed to fit; evidence counts most."""
    pattern = issue.evidence
    return sum(
        (
            4 * bool(pattern.values or pattern.details),
            4 * bool(pattern.names),
            4 * len(issue.settings),
            2 * bool(pattern.kinds),
            2 * bool(issue.classes),
            bool(issue.formats),
            bool(issue.backends),
            issue.nested is not None,
            issue.side is not Side.UNKNOWN,
        )
    )
