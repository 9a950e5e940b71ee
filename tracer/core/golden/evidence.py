"""What two fingerprints say of how an activation has changed, in words: scaled, flipped, one channel, another order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from tracer.core.golden.fingerprint import GROUPS, Fingerprint, Identity
from tracer.core.releases import is_keras_2
from tracer.core.source import Array
from tracer.records import Evidence, EvidenceKind, JsonValue

_FEW_GROUPS = 8  # named, of those that differ
_SHARE = 0.9  # of the squared difference of all channel means, in the groups that are named
_EXACTLY = 1e-3  # relative: what counts as "the same but for a factor"


def output_evidence(path: str, truth: Fingerprint, found: Fingerprint) -> tuple[Evidence, ...]:
    """What the statistics, samples and channel means of two fingerprints of one shape say."""
    told = tuple(_describe(truth, found))
    return (
        Evidence(
            kind=EvidenceKind.OUTPUT,
            name=path,
            reference=_numbers(truth),
            candidate=_numbers(found),
            detail="; ".join(told),
        ),
    )


def _numbers(one: Fingerprint) -> str:
    return f"mean {one.mean:.4g}, rms {one.rms:.4g}, min {one.minimum:.4g}, max {one.maximum:.4g}"


def _describe(truth: Fingerprint, found: Fingerprint) -> Iterator[str]:
    if found.nonfinite:
        yield f"{found.nonfinite} of {found.count} values are NaN or infinite"
        return
    if not found.rms and truth.rms:
        yield "every value is zero"
        return
    if truth.samples.shape != found.samples.shape or truth.means.shape != found.means.shape:
        return
    factor = _factor(truth.samples, found.samples)
    if factor is not None and abs(factor - 1.0) > 1e-5:
        yield "the sign is flipped" if abs(factor + 1.0) < _EXACTLY else f"all samples are {factor:.6g} times the truth"
        return
    yield from _told_of_channels(truth, found)


def _factor(truth: Array, found: Array) -> float | None:
    """The one factor between all samples, or None."""
    scale = float(np.abs(truth).max(initial=0.0))
    kept = np.abs(truth) > 1e-3 * scale
    if scale == 0.0 or kept.sum() < 3:
        return None
    ratios = found[kept] / truth[kept]
    middle = float(np.median(ratios))
    spread = float(np.abs(ratios - middle).max())
    return middle if spread < min(_EXACTLY, 0.1 * abs(middle - 1.0)) else None


def _told_of_channels(truth: Fingerprint, found: Fingerprint) -> Iterator[str]:
    gaps = (found.means - truth.means) ** 2
    total = float(gaps.sum())
    if not total or len(gaps) < 4:
        return
    order = np.argsort(-gaps, kind="stable")
    needed = int(np.searchsorted(np.cumsum(gaps[order]), _SHARE * total)) + 1
    if needed <= min(_FEW_GROUPS, len(gaps) // 4):
        yield f"mostly in {_channels(sorted(int(i) for i in order[:needed]), truth)}"
        same = np.allclose(np.sort(found.means), np.sort(truth.means), rtol=_EXACTLY, atol=_EXACTLY * truth.rms)
        if same and needed > 1:
            yield "with the means of these channels exchanged"


def _channels(groups: list[int], truth: Fingerprint) -> str:
    channels = truth.shape[-1] if truth.shape else 1
    size = -(-channels // GROUPS)
    if size == 1:
        return f"channel{'s' if len(groups) > 1 else ''} {', '.join(map(str, groups))} of {channels}"
    ranges = ", ".join(f"{g * size}-{min((g + 1) * size, channels) - 1}" for g in groups)
    return f"channels {ranges} of {channels}"


def in_the_same_words(
    identities: Mapping[str, Identity], recorded: Mapping[str, str], now: Mapping[str, str]
) -> Mapping[str, Identity]:
    """What layers are now, without settings where a Keras 2 is held against a Keras 3: they are written otherwise.

    Args:
        identities: by layer path.
        recorded: environment of the golden.
        now: environment of what is held against it.
    """
    if is_keras_2(recorded.get("keras", "")) is is_keras_2(now.get("keras", "")):
        return identities
    return {path: replace(identity, settings={}) for path, identity in identities.items()}


def identity_evidence(path: str, recorded: Identity | None, now: Identity | None) -> tuple[Evidence, ...]:
    """What of a layer's weights and settings isn't what was recorded; keys that one side lacks say nothing."""
    if recorded is None or now is None:
        return ()
    found = []
    if recorded.weights != now.weights:
        detail = "its weights aren't those that were recorded"
        found.append(
            Evidence(
                kind=EvidenceKind.WEIGHT,
                name=path,
                reference=recorded.weights[:8],
                candidate=now.weights[:8],
                detail=detail,
            )
        )
    for key, value in recorded.settings.items():
        if key in now.settings and not _alike(value, now.settings[key]):
            found.append(
                Evidence(
                    kind=EvidenceKind.CONFIG,
                    name=key,
                    reference=str(value),
                    candidate=str(now.settings[key]),
                    detail="configured otherwise than when it was recorded",
                )
            )
    return tuple(found)


def _alike(a: JsonValue, b: JsonValue) -> bool:
    """Releases write one number, or a list of equal ones, for the same thing; and a class or its name."""
    widened = [x if isinstance(x, list) else [x] for x in (a, b)]
    if len(widened[0]) != len(widened[1]):
        short, long = sorted(widened, key=len)
        widened = [short * len(long), long]
    return widened[0] == widened[1]
