"""Golden fixtures on disk: safetensors with one JSON header, checked by a digest, written whole or not at all.

docs/fixture-format.md describes the format; nothing of it needs Keras to be read, and nothing is unpickled.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from tracer.core.golden.fingerprint import Fingerprint, Identity
from tracer.core.golden.golden import SCHEMA, Golden, GoldenSite
from tracer.core.golden.sketch import SUMS
from tracer.core.source import Array, Outline
from tracer.core.trust.json_text import MOST, memory_of
from tracer.errors import FixtureError, TracerError, printable
from tracer.records import JsonObject, JsonValue
from tracer.store.golden_header import check_types
from tracer.store.places import SUFFIX, all_fixtures
from tracer.system.leftovers import written_whole

_KEY: Final = "tracer"  # the only entry of the metadata: safetensors doesn't keep the order of several
_DIGEST_BYTES: Final = 16
_STATS: Final = ("minimum", "maximum", "mean", "rms")
_HOW: Final = "Record it again: `tracer record MODEL --yes`; in a clone, `git checkout` or `dvc repro` restores it."


# --- writing


def write_golden(path: str | os.PathLike[str], golden: Golden) -> None:
    """Writes a golden, whole or not at all; equal goldens become equal bytes.

    Raises:
        TracerError: if it can't be written; what was there before is untouched.
    """
    target = Path(path)
    data = to_bytes(golden)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with written_whole(target) as stream:
            stream.write(data)
    except OSError as error:
        reason = error.strerror or str(error)
        raise TracerError(f"can't write the golden to {target}: {reason}. Give another place.") from error


def to_bytes(golden: Golden) -> bytes:
    """The file's content."""
    from safetensors.numpy import save

    arrays = _arrays(golden)
    header = _header(golden)
    header["digest"] = _digest(header, arrays)
    return bytes(save(arrays, {_KEY: json.dumps(header, separators=(",", ":"), sort_keys=True)}))


def _arrays(golden: Golden) -> dict[str, Array]:
    truths = [site.truth for site in golden.sites]
    found: dict[str, Array] = {
        **_sketches([truth.sketch for truth in truths]),
        "stats": _statistics(truths),
        "floors": _table([site.floors for site in golden.sites]),
        "locals": _table([site.locals for site in golden.sites]),
        "digests": np.array([_bytes(t.digest) for t in truths], "u1").reshape(len(truths), _DIGEST_BYTES),
        **_ragged([t.samples for t in truths], [t.means for t in truths]),
    }
    found.update({f"input {i}": np.ascontiguousarray(array) for i, array in enumerate(golden.inputs)})
    return found


def _statistics(truths: Sequence[Fingerprint]) -> Array:
    rows = [[getattr(truth, name) for name in _STATS] for truth in truths]
    return np.array(rows, "<f8").reshape(len(rows), len(_STATS))


def _sketches(sketches: Sequence[Array]) -> dict[str, Array]:
    """In float32 where that loses nothing."""
    narrow = [sketch for sketch in sketches if not _is_wide(sketch)]
    wide = [sketch for sketch in sketches if _is_wide(sketch)]
    return {
        "sketch": np.array(narrow, "<f4").reshape(len(narrow), SUMS),
        "sketch64": np.array(wide, "<f8").reshape(len(wide), SUMS),
    }


def _ragged(samples: Sequence[Array], means: Sequence[Array]) -> dict[str, Array]:
    """Rows of many lengths, one after the other, and how long each is."""
    lengths = [[sampled.size, averaged.size] for sampled, averaged in zip(samples, means, strict=True)]
    return {
        "samples": _join(samples),
        "means": _join(means),
        "counts": np.array(lengths, "u1").reshape(len(lengths), 2),
    }


def _is_wide(sketch: Array) -> bool:
    """Whether float32 can't hold these sums without loss."""
    with np.errstate(over="ignore", under="ignore"):
        return not np.array_equal(sketch.astype(np.float32).astype(np.float64), sketch)


def _table(rows: list[tuple[float, ...]]) -> Array:
    """A row for each output, filled up with NaN."""
    found = np.full((len(rows), max(map(len, rows), default=0)), np.nan, "<f4")
    for row, values in zip(found, rows, strict=True):
        row[: len(values)] = values
    return found


def _bytes(digest: str) -> list[int]:
    return list(bytes.fromhex(digest)) or [0] * _DIGEST_BYTES


def _join(arrays: Sequence[Array]) -> Array:
    return np.concatenate(arrays).astype("<f4") if arrays else np.empty(0, "<f4")


def _header(golden: Golden) -> JsonObject:
    places = {site.path: index for index, site in enumerate(golden.sites)}
    # Most layers share their settings with many others: each is written once.
    settings = {json.dumps(dict(i.settings), sort_keys=True): dict(i.settings) for i in golden.identities.values()}
    rows = {text: row for row, text in enumerate(sorted(settings))}
    return {
        "format": "keras-layer-tracer golden",
        "schema": SCHEMA,
        "provenance": dict(golden.provenance),
        "sites": [_site_entry(site, places, place) for place, site in enumerate(golden.sites)],
        "outline": _outline_entry(golden.outline),
        "bases": dict(_bases(golden.outline)),
        "settings": [settings[text] for text in sorted(settings)],
        "layers": {
            path: [i.weights, rows[json.dumps(dict(i.settings), sort_keys=True)]]
            for path, i in golden.identities.items()
        },
    }


def _site_entry(site: GoldenSite, places: Mapping[str, int], place: int) -> JsonObject:
    """What isn't said is the usual: one input, the output before. A source is told by its place among the sites."""
    truth = site.truth
    entry: JsonObject = {"path": site.path, "class": site.class_name, "shape": list(truth.shape)}
    optional = {
        "box": site.box,
        "is_box": site.is_box,
        "mask": truth.mask,
        "nonfinite": truth.nonfinite,
        "dtype": "" if truth.dtype == "float32" else truth.dtype,
        "wide": _is_wide(truth.sketch),
    }
    entry.update({key: value for key, value in optional.items() if value})
    inputs = None if site.wiring is None else [places.get(path, path) for path in site.wiring]
    if inputs != [place - 1]:
        entry["inputs"] = inputs
    return entry


def _outline_entry(outline: Outline) -> list[JsonValue]:
    inside = [_outline_entry(child) for child in outline.children]
    return [outline.name, outline.class_name, *([inside] if inside else [])]


def _bases(outline: Outline) -> Iterator[tuple[str, str]]:
    """What Keras makes the names of unnamed layers from, by class."""
    yield outline.class_name, outline.base
    for child in outline.children:
        yield from _bases(child)


def _digest(header: JsonObject, arrays: Mapping[str, Array]) -> str:
    """BLAKE2b, 128 bits, of the header without its digest, and of every array by name."""
    state = hashlib.blake2b(digest_size=16)
    plain = {key: value for key, value in header.items() if key != "digest"}
    state.update(json.dumps(plain, separators=(",", ":"), sort_keys=True).encode())
    for name, array in sorted(arrays.items()):
        state.update(f"{name} {array.dtype.str} {array.shape}".encode())
        state.update(np.ascontiguousarray(array).tobytes())
    return state.hexdigest()


# --- reading


def read_golden(path: str | os.PathLike[str]) -> Golden:
    """One golden.

    Raises:
        FixtureError: if there is no such file, it is damaged, or of another schema; says which, and what to do.
    """
    name = printable(os.fspath(path))
    header, arrays = _parsed(Path(path), name)
    if header.get("schema") != SCHEMA:
        raise FixtureError(
            f"{name}: its schema is {header.get('schema')!r}, and this tracer reads schema {SCHEMA}. Use the tracer "
            f"that wrote it ({_tool(header.get('provenance'))}), or record it again."
        )
    if header.get("digest") != _digest(header, arrays):
        raise FixtureError(f"{name}: damaged: its content doesn't have the digest that it was written with. {_HOW}")
    try:
        check_types(header, arrays)
        return _golden(header, arrays)
    except (KeyError, TypeError, ValueError, IndexError, OverflowError) as error:
        raise FixtureError(f"{name}: damaged: {type(error).__name__}: {error}. {_HOW}") from error


def _tool(provenance: object) -> str:
    return str(provenance.get("tool", "unknown")) if isinstance(provenance, dict) else "unknown"


def _parsed(path: Path, name: str) -> tuple[JsonObject, dict[str, Array]]:
    """The JSON header and the arrays, or a word about what is wrong with the file."""
    from safetensors import SafetensorError, safe_open

    if path.is_dir():
        raise FixtureError(f"{name}: a folder, where a golden is needed. Give a {SUFFIX} file in it.")
    if not path.is_file():
        raise FixtureError(f"{name}: no such golden. {_beside(path)}")
    try:
        with safe_open(str(path), framework="numpy") as file:
            text = (file.metadata() or {}).get(_KEY)
            arrays = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - not a dict
    except (SafetensorError, OSError, ValueError, TypeError) as error:
        raise FixtureError(f"{name}: not a golden, or cut off: {error}. {_HOW}") from error
    if text is None:
        raise FixtureError(f"{name}: safetensors, but no golden of tracer: it has no {_KEY!r} entry. {_HOW}")
    if memory_of(text) > MOST:
        raise FixtureError(f"{name}: damaged: its header would take more memory than any golden's. {_HOW}")
    try:
        header = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FixtureError(f"{name}: damaged: its header isn't JSON. {_HOW}") from error
    if not isinstance(header, dict):
        raise FixtureError(f"{name}: damaged: its header is a {type(header).__name__}. {_HOW}")
    return header, arrays


def _beside(path: Path) -> str:
    """What to do where a golden isn't: which others are there, and how to make it."""
    names = [other.name.removesuffix(SUFFIX) for other in all_fixtures(path.parent)]
    near = difflib.get_close_matches(path.name.removesuffix(SUFFIX), names, n=3)
    there = f"Did you mean {', '.join(near)}? " if near else ""
    there = there or (f"The folder holds {', '.join(names)}. " if names else "")
    return (
        f"{there}Record it: `tracer record MODEL`. `--fixtures` names another folder, `--fixtures shipped` the goldens "
        "that come with this package."
    )


def _golden(header: JsonObject, arrays: Mapping[str, Array]) -> Golden:
    entries = header["sites"]
    count = len(arrays["sketch"]) + len(arrays["sketch64"])
    if not entries or len(entries) != count:
        raise ValueError(f"{len(entries)} call sites and {count} sketches")
    narrow, wide = iter(arrays["sketch"].astype(np.float64)), iter(arrays["sketch64"])
    ends = np.cumsum(arrays["counts"].astype(np.int64), axis=0)
    starts = ends - arrays["counts"]
    sites = tuple(
        _site(
            row,
            entries,
            {
                "sketch": next(wide if entry.get("wide") else narrow),
                **{name: arrays[name][row] for name in ("stats", "floors", "locals", "digests")},
            },
            arrays["samples"][starts[row, 0] : ends[row, 0]],
            arrays["means"][starts[row, 1] : ends[row, 1]],
        )
        for row, entry in enumerate(entries)
    )
    return Golden(
        sites=sites,
        outline=_outline(header["outline"], header["bases"]),
        identities={
            path: Identity(weights=weights, settings=header["settings"][row])
            for path, (weights, row) in header["layers"].items()
        },
        provenance=header["provenance"],
        inputs=tuple(arrays[f"input {i}"] for i in range(sum(name.startswith("input ") for name in arrays))),
        digest=header["digest"],
    )


def _site(place: int, entries: Any, row: Mapping[str, Array], samples: Array, means: Array) -> GoldenSite:
    entry = entries[place]
    digest = row["digests"].tobytes().hex() if row["digests"].any() else ""
    truth = Fingerprint(
        shape=tuple(entry["shape"]),
        dtype=entry.get("dtype", "float32"),
        sketch=row["sketch"],
        mask=entry.get("mask", ""),
        digest=digest,
        nonfinite=entry.get("nonfinite", 0),
        samples=samples.astype(np.float64),
        means=means.astype(np.float64),
        **{name: float(value) for name, value in zip(_STATS, row["stats"], strict=True)},
    )
    wiring = entry.get("inputs", [place - 1])
    return GoldenSite(
        path=entry["path"],
        class_name=entry["class"],
        box=entry.get("box", ""),
        is_box=entry.get("is_box", False),
        wiring=None if wiring is None else tuple(entries[i]["path"] if isinstance(i, int) else i for i in wiring),
        truth=truth,
        floors=_known(row["floors"]),
        locals=_known(row["locals"]),
    )


def _known(row: Array) -> tuple[float, ...]:
    return tuple(float(value) for value in row if not np.isnan(value))


def _outline(entry: Sequence[Any], bases: Mapping[str, str]) -> Outline:
    name, class_name, *inside = entry
    children = tuple(_outline(child, bases) for child in (inside[0] if inside else ()))
    return Outline(name=name, class_name=class_name, base=bases[class_name], children=children)
