"""The table of Keras' published security advisories: which of them a release is exposed to."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from tracer.core.releases import parse_release, read_table
from tracer.records import JsonObject

_TABLE = "advisories.toml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Advisory:
    """One published advisory.

    Attributes:
        id: its CVE number.
        title: what a file can do, in one line.
        affected: pairs of releases, the first bad and the first fixed one, one pair for each branch of Keras.
    """

    id: str
    title: str
    affected: tuple[tuple[str, str], ...]

    @property
    def url(self) -> str:
        """The public record."""
        return f"https://www.cve.org/CVERecord?id={self.id}"

    def fixed_for(self, release: str) -> str | None:
        """The first release on the branch of `release` that is mended; None for a release that isn't affected."""
        version = parse_release(release)
        if version is None:  # a build of one's own: nothing is known of it
            return None
        for first_bad, fixed in self.affected:
            lower, upper = parse_release(first_bad), parse_release(fixed)
            if lower is not None and upper is not None and lower <= version < upper:
                return fixed
        return None


@functools.cache
def advisories() -> tuple[Advisory, ...]:
    """The table, in its own order.

    Raises:
        TracerError: if the table that was installed is damaged.
    """
    return read_table(__package__, _TABLE, "advisory", _advisory)


def _advisory(entry: JsonObject) -> Advisory:
    return Advisory(id=entry["id"], title=entry["title"], affected=tuple((bad, fix) for bad, fix in entry["affected"]))


def exposure(release: str) -> tuple[Advisory, ...]:
    """What a Keras release is exposed to, in the order of the table."""
    return tuple(advisory for advisory in advisories() if advisory.fixed_for(release) is not None)


def notes(environments: Iterable[Mapping[str, object]]) -> Iterator[str]:
    """What a report says of the Keras releases that ran: a line for each that has published advisories."""
    for release in dict.fromkeys(str(environment.get("keras", "")) for environment in environments):
        found = [advisory.id for advisory in exposure(release)]
        if found:
            yield (
                f"Keras {release} has published security advisories ({', '.join(found)}): load only files that you "
                "trust with it. What tracer screens and what it doesn't: docs/security.md."
            )
