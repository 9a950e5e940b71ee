"""The table of published advisories: which releases have which."""

from __future__ import annotations

import pytest

from tracer.core.releases import parse_release
from tracer.core.trust.advisories import Advisory, advisories, exposure, notes


def ids(release: str) -> set[str]:
    return {advisory.id for advisory in exposure(release)}


def test_the_table_is_whole() -> None:
    numbers = [advisory.id for advisory in advisories()]
    assert len(numbers) == len(set(numbers)) >= 16
    for advisory in advisories():
        assert advisory.title and advisory.url.endswith(advisory.id)
        for bad, fixed in advisory.affected:
            first, last = parse_release(bad), parse_release(fixed)
            assert first is not None and last is not None and first < last


@pytest.mark.parametrize(
    ("release", "has", "lacks"),
    [
        ("2.12.0", {"CVE-2024-3660"}, {"CVE-2025-1550"}),
        ("3.0.5", {"CVE-2025-1550", "CVE-2025-9905", "CVE-2026-12481"}, {"CVE-2024-3660", "CVE-2025-49655"}),
        ("3.9.0", {"CVE-2025-8747", "CVE-2025-9906"}, {"CVE-2025-1550"}),
        ("3.11.2", {"CVE-2025-49655", "CVE-2025-9905"}, {"CVE-2025-8747"}),
        ("3.12.2", {"CVE-2026-12479", "CVE-2026-12570"}, {"CVE-2026-12480", "CVE-2026-1669"}),
        ("3.12.3", set(), {"CVE-2026-12570"}),
        ("3.14.1", {"CVE-2026-12570"}, {"CVE-2026-12480"}),
        ("3.13.0", {"CVE-2026-12480", "CVE-2026-1669"}, {"CVE-2025-12058"}),
    ],
)
def test_what_a_release_is_exposed_to(release: str, has: set[str], lacks: set[str]) -> None:
    assert has <= ids(release)
    assert not lacks & ids(release)


@pytest.mark.parametrize("release", ["3.12.4", "3.15.0", "3.15.1"])
def test_the_newest_of_both_branches_have_none(release: str) -> None:
    assert not ids(release)


def test_the_fix_is_that_of_the_release_s_own_branch() -> None:
    (virtual,) = (advisory for advisory in advisories() if advisory.id == "CVE-2026-12480")
    assert [virtual.fixed_for(release) for release in ("3.12.1", "3.14.0", "3.14.1")] == ["3.12.2", "3.14.1", None]


def test_a_nightly_comes_before_its_release_and_what_is_no_release_has_nothing() -> None:
    advisory = Advisory(id="CVE-0", title="x", affected=(("3.0.0", "3.16.0"),))
    assert advisory.fixed_for("3.16.0.dev2026010100") == "3.16.0"
    assert advisory.fixed_for("mine") is None and not exposure("mine")


def test_a_report_names_those_of_each_release_that_ran_once() -> None:
    old, new = {"keras": "3.9.0"}, {"keras": "3.15.1"}
    (line,) = notes([old, new, old])
    assert line.startswith("Keras 3.9.0 has published security advisories (CVE-2025-8747, CVE-2025-9906")
    assert "CVE-2025-1550" not in line and list(notes([new, {}])) == []
