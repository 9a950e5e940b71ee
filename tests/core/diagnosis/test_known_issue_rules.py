"""How a fault is matched against known defects: each rule by itself, on a table of defects that don't exist."""

from __future__ import annotations

from dataclasses import replace
from importlib import resources
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from makers import fault

from tracer.core.diagnosis import known_issues as known
from tracer.core.diagnosis.known_issues import UPGRADE, KnownIssue, Pattern, affects, match
from tracer.core.releases import parse_release
from tracer.core.source import Patch, PatchAction
from tracer.errors import TracerError
from tracer.records import Cause, Evidence, Fault, Side

_PLAIN = KnownIssue(
    id="keras#1", title="", url="", symptom="", classes=(), cause=Cause.CONFIG, side=Side.CANDIDATE, evidence=Pattern(),
    settings=(), formats=(), backends=(), nested=None, first_bad="3.2.0", fixed_in="3.5.0", remedy="",
    remedy_action="none",
)  # fmt: skip
_RATE = Evidence(kind="config", name="layer.rate", reference="0.1", candidate="0.25", detail="lost on the way")
_FAULT = fault("a", cause=Cause.CONFIG, side=Side.CANDIDATE, evidence=(_RATE,))


def issue(**changes: Any) -> KnownIssue:
    return replace(_PLAIN, **changes)


class Table:
    """Puts other defects in the place of the known ones."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch

    def found(self, *issues: KnownIssue, of: Fault = _FAULT, **asked: Any) -> str | None:
        numbered = tuple(replace(one, id=f"keras#{number}") for number, one in enumerate(issues, 1))
        self._monkeypatch.setattr(known, "known_issues", lambda: numbered)
        releases = asked.pop("releases", ("3.4.0", "3.4.0"))
        sides = dict(zip(("reference", "candidate"), releases, strict=True))
        given_ = {"format": "h5", "nested": False, **asked}
        one = match(of, releases=sides, **given_)
        return None if one is None else one.id


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> Table:
    return Table(monkeypatch)


# --- which faults


@pytest.mark.parametrize(
    ("changes", "fits"),
    [
        ({}, True),
        ({"cause": Cause.WEIGHTS}, False),
        ({"side": Side.REFERENCE}, False),
        ({"side": Side.UNKNOWN}, True),  # either side may be wrong
        ({"classes": ("Dense",)}, True),
        ({"classes": ("Conv2D", "Dense")}, True),
        ({"classes": ("Conv2D",)}, False),
        ({"evidence": Pattern(kinds=("config",))}, True),
        ({"evidence": Pattern(kinds=("state",))}, False),
        ({"evidence": Pattern(kinds=("config",), names=("*.rate",))}, True),
        ({"evidence": Pattern(kinds=("config",), names=("rate", "layer.*"))}, True),  # any of them
        ({"evidence": Pattern(kinds=("config",), names=("rate",))}, False),
        ({"evidence": Pattern(kinds=("config",), values=("0.1",))}, True),  # of either side
        ({"evidence": Pattern(kinds=("config",), values=("0.2?",))}, True),
        ({"evidence": Pattern(kinds=("config",), values=("0.3",))}, False),
        ({"evidence": Pattern(kinds=("config",), details=("lost *",))}, True),
        ({"evidence": Pattern(kinds=("config",), names=("*.rate",), details=("kept",))}, False),  # all ways at once
        ({"formats": ("h5", "weights")}, True),
        ({"formats": ("keras",)}, False),
        ({"nested": False}, True),
        ({"nested": True}, False),
    ],
)
def test_every_field_of_a_defect_counts(changes: dict[str, Any], fits: bool, table: Table) -> None:
    assert table.found(issue(**changes)) == ("keras#1" if fits else None)


def test_one_piece_of_evidence_has_to_fit_in_every_way(table: Table) -> None:
    pattern = Pattern(kinds=("config",), names=("*.rate",), values=("7",))
    apart = (_RATE, replace(_RATE, name="other", reference="7"))
    assert table.found(issue(evidence=pattern), of=replace(_FAULT, evidence=apart)) is None
    assert table.found(issue(evidence=pattern), of=replace(_FAULT, evidence=(replace(_RATE, reference="7"),)))


def test_a_fault_of_which_the_side_isnt_known_may_be_either(table: Table) -> None:
    unknown = replace(_FAULT, side=Side.UNKNOWN)
    assert all(table.found(issue(side=side), of=unknown) for side in Side)


@pytest.mark.parametrize(
    ("settings", "fits"),
    [
        ({"axis": -1, "mask": "given"}, True),
        ({"axis": 2, "mask": "given"}, True),
        ({"axis": 3, "mask": "given"}, False),
        ({"axis": -1}, False),  # every one that is asked for
        ({}, False),
    ],
)
def test_settings_have_to_be_as_the_defect_needs_them(settings: dict[str, Any], fits: bool, table: Table) -> None:
    asked = issue(settings=(("axis", ("-1", "2")), ("mask", ("given",))))
    assert bool(table.found(asked, settings=settings)) is fits


# --- which releases


@pytest.mark.parametrize(
    ("release", "bad"),
    [
        ("3.1.0", False), ("3.2.0.dev2024010101", False), ("3.2.0rc1", False), ("3.2.0", True), ("3.4.9", True),
        ("3.5.0.dev2024070101", True), ("3.5.0rc1", True), ("3.5.0", False), ("3.10.0", False), ("", False),
        ("nightly", False),
    ],
)  # fmt: skip
def test_a_release_is_bad_from_the_first_to_the_one_before_the_fix(release: str, bad: bool) -> None:
    assert affects(_PLAIN, release) is bad


def test_what_isnt_fixed_stays_bad() -> None:
    assert affects(issue(fixed_in=""), "99.0.0")


numbers = st.builds(
    "{}.{}.{}{}".format, st.just(3), st.integers(0, 11), st.integers(0, 3), st.sampled_from(["", "rc1"])
)


@given(numbers, numbers, numbers)
def test_a_defect_is_an_interval_of_releases(first: str, fixed: str, release: str) -> None:
    order = [parse_release(text) for text in (first, release, fixed)]
    expected = order[0] <= order[1] < order[2]  # type: ignore[operator]
    assert affects(issue(first_bad=first, fixed_in=fixed), release) is expected


@pytest.mark.parametrize(
    ("formats", "releases", "format", "fits"),
    [
        ((), ("3.4.0", "3.4.0"), "h5", True),
        ((), ("3.6.0", "3.4.0"), "h5", True),  # one side has it
        ((), ("3.6.0", "3.6.0"), "h5", False),
        (("h5",), ("3.4.0", "3.4.0"), None, True),  # nobody knows in which format it was saved
        ((UPGRADE,), ("3.4.0", "3.6.0"), None, True),
        ((UPGRADE,), ("3.6.0", "3.4.0"), None, True),
        ((UPGRADE,), ("3.4.0", "3.3.0"), None, False),  # no boundary between them
        ((UPGRADE,), ("3.6.0", "3.7.0"), None, False),
        ((UPGRADE,), ("3.4.0", "3.4.0"), "h5", False),
    ],
)
def test_a_release_that_ran_has_to_have_it(
    formats: tuple[str, ...], releases: tuple[str, str], format: str | None, fits: bool, table: Table
) -> None:
    assert bool(table.found(issue(formats=formats), releases=releases, format=format)) is fits


@pytest.mark.parametrize(
    ("backends", "releases", "fits"),
    [
        (("torch", "tensorflow"), ("3.4.0", "3.4.0"), True),
        (("jax", "torch"), ("3.4.0", "3.4.0"), True),
        (("jax", "tensorflow"), ("3.4.0", "3.4.0"), False),  # neither has it
        (("torch", "torch"), ("3.4.0", "3.4.0"), False),  # both have it
        (("torch", "torch"), ("3.4.0", "3.6.0"), True),
        (("torch", "torch"), ("3.6.0", "3.7.0"), False),
        (("torch", "tensorflow"), ("3.6.0", "3.4.0"), False),  # fixed where it was
        (("tensorflow", "tensorflow"), ("3.4.0", "3.6.0"), False),
    ],
)
def test_a_defect_of_one_backend_lies_between_two_or_between_two_releases_on_it(
    backends: tuple[str, str], releases: tuple[str, str], fits: bool, table: Table
) -> None:
    sides = dict(zip(("reference", "candidate"), backends, strict=True))
    one = issue(formats=(UPGRADE,), backends=("torch",))
    assert bool(table.found(one, releases=releases, format=None, backends=sides)) is fits


def test_a_release_is_exposed_to_what_its_backend_has(monkeypatch: pytest.MonkeyPatch) -> None:
    on_torch = issue(backends=("torch", "jax"))
    monkeypatch.setattr(known, "known_issues", lambda: (on_torch, _PLAIN))
    assert known.exposure("3.4.0", "torch") == (on_torch, _PLAIN)
    assert known.exposure("3.4.0", "tensorflow") == (_PLAIN,)
    assert known.exposure("3.4.0") == (on_torch, _PLAIN)


# --- which of several

_NARROWER: tuple[dict[str, Any], ...] = (
    {"formats": ("h5",)},
    {"nested": False},
    {"classes": ("Dense",)},
    {"side": Side.CANDIDATE},
    {"evidence": Pattern(kinds=("config",))},
    {"evidence": Pattern(kinds=("config",), names=("layer.rate",))},
    {"settings": (("axis", ("1",)),)},
    {"backends": ("torch",)},
)


@pytest.mark.parametrize("changes", _NARROWER, ids=str)
def test_the_one_that_asks_for_more_wins_in_any_order(changes: dict[str, Any], table: Table) -> None:
    wide, narrow = issue(side=Side.UNKNOWN), issue(**{"side": Side.UNKNOWN, **changes})
    asked = {"settings": {"axis": 1}, "backends": {"candidate": "torch"}}
    assert table.found(wide, narrow, **asked) == "keras#2"
    assert table.found(narrow, wide, **asked) == "keras#1"


def test_evidence_outweighs_where_it_was_seen(table: Table) -> None:
    by_evidence = issue(evidence=Pattern(kinds=("config",), names=("layer.rate",)))
    by_place = issue(classes=("Dense",), formats=("h5",), nested=False)
    assert table.found(by_place, by_evidence) == "keras#2"


def test_two_that_fit_equally_well_are_neither(table: Table) -> None:
    twins = issue(formats=("h5",)), issue(nested=False)
    assert table.found(*twins) is None
    assert table.found(*twins, issue(classes=("Dense",))) == "keras#3"  # a better one settles it


# --- what helps


@pytest.mark.parametrize(
    ("action", "tried", "says"),
    [
        ("finalize_state", PatchAction.FINALIZE_STATE, "or save"),
        ("finalize_state", PatchAction.COPY_WEIGHTS, "call it, or save"),
        ("set_attribute", PatchAction.SET_ATTRIBUTE, "or save"),
        ("set_attribute", PatchAction.PERSIST_STATE, "or save"),  # the attribute's value, kept as a weight
        ("none", PatchAction.SET_ATTRIBUTE, "call it, or save"),
    ],
)
def test_what_was_tried_on_the_layer_is_not_said_again(action: str, tried: PatchAction, says: str) -> None:
    entry = issue(remedy="call it, or save", otherwise="or save", remedy_action=action)
    assert entry.remedy_beside(Patch(action=tried)) == says
    assert entry.remedy_beside(None) == "call it, or save"
    assert replace(entry, otherwise="").remedy_beside(Patch(action=tried)) == "call it, or save"


# --- a damaged table


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("[[issue]]", "[[issues]]", "KeyError"),
        ("[[issue]]", "[[issue", "TOMLDecodeError"),
        ('remedy_action = "', 'remedy_action = "pray-', "'pray-"),
        ('cause = "', 'cause = "no-', "is not a valid Cause"),
        ("first_bad", "first_bed", "TypeError"),
    ],
)
def test_a_damaged_table_is_said_to_be_one(old: str, new: str, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (resources.files(known.__package__) / known._TABLE).read_text(encoding="utf-8")

    class Folder:
        def __truediv__(self, name: str) -> Folder:
            return self

        def read_text(self, **_: Any) -> str:
            return text.replace(old, new)

    monkeypatch.setattr(resources, "files", lambda _: Folder())
    with pytest.raises(TracerError, match=rf"(?s)known_issues\.toml is damaged.*{says}.*Reinstall"):
        known.known_issues.__wrapped__()
