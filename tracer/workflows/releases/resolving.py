"""Releases as a user writes them → real ones: `3.4.1`, `latest`, `nightly`, `minors`, `all`, `3.4.0..3.8.0`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from tracer.core.environment import NIGHTLY
from tracer.core.releases import TF_KERAS, parse_release, release_order
from tracer.errors import SpecError
from tracer.progress import Progress

# The distributions of which the newest release is meant.
NEWEST: Final[Mapping[str, str]] = MappingProxyType({"latest": "keras", "nightly": NIGHTLY, TF_KERAS: TF_KERAS})


def resolve(texts: Sequence[str], progress: Progress | None = None, *, pre: bool = False) -> tuple[str, ...]:
    """Keras releases, in the order given, each once.

    `minors` are the last releases of each minor version from 3.0 on, `all` is every release from 3.0.0 on.

    Raises:
        SpecError: if a text names no release, or a range none at all.
        WorkerError: if the package registry can't be asked and never was.
    """
    found: dict[str, None] = {}
    for text in texts:
        found.update(dict.fromkeys(_resolve(text.strip(), progress, pre)))
    return tuple(found)


def _resolve(text: str, progress: Progress | None, pre: bool) -> Sequence[str]:
    from tracer.envs import registry

    if text in NEWEST:
        return [registry.newest(NEWEST[text], progress)]
    if text == "all":
        return span("3.0.0", None, progress, pre=pre)
    if text == "minors":
        last = {release_order(v)[:2]: v for v in span("3.0.0", None, progress)}
        return list(last.values())
    if ".." in text:
        first, _, last_one = text.partition("..")
        return span(first, last_one or None, progress, pre=pre)
    if parse_release(text) is None:
        raise SpecError(
            f"{text!r} is no release. Examples: 3.4.1, latest, nightly, minors, all, 3.4.0..3.8.0, tf-keras."
        )
    return [text]


def span(
    first: str, last: str | None, progress: Progress | None = None, *, distribution: str = "keras", pre: bool = False
) -> tuple[str, ...]:
    """All releases of a distribution from one to another, oldest first; both ends are in it, whatever they are.

    Of Keras, those that only tf-keras has are among them where an end is one.

    Raises:
        SpecError: if an end is no release, or they are in the wrong order.
    """
    ends = (first,) if last is None else (first, last)
    orders = [_parse(end, distribution) for end in ends]
    if orders[-1] < orders[0]:
        raise SpecError(f"{last} is older than {first}: write the older one first.")
    listed = _listed(distribution, ends, progress, pre)
    between = [v for v in listed if orders[0] <= release_order(v) and (last is None or release_order(v) <= orders[-1])]
    present = set(map(release_order, between))
    missing = [end for end in ends if release_order(end) not in present]
    return tuple(sorted([*between, *missing], key=release_order))


def _listed(distribution: str, ends: Sequence[str], progress: Progress | None, pre: bool) -> list[str]:
    """What the registry has; of Keras, with the releases that only tf-keras has, where an end is one of them."""
    from tracer.envs import registry

    listed = list(registry.releases(distribution, progress).usable(pre=pre))
    if distribution == "keras" and any(map(_is_of_tf_keras, ends)):
        listed += filter(_is_of_tf_keras, registry.releases(TF_KERAS, progress).usable(pre=pre))
    return listed


def _is_of_tf_keras(release: str) -> bool:
    """Whether `keras` has no such release: its last 2 is 2.15."""
    return (2, 16) <= release_order(release) < (3,)


def _parse(text: str, distribution: str) -> tuple[int, ...]:
    release = parse_release(text)
    if release is None:
        raise SpecError(f"{text!r} is no release of {distribution}. Example: 3.4.1.")
    return release
