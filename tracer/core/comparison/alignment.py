"""Align two models by their layers' names, before anything runs."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from tracer.core.source import Outline


@dataclass(frozen=True, slots=True)
class Alignment:
    """Which layers two models have in common, before anything runs.

    Attributes:
        names: the candidate's names in the reference's words: layer path there, without calls → name here; "" is the
            model.
        reference: layer paths of the reference's layers, without calls.
        candidate: those of the candidate's, in the reference's words.
        renamed: layers that came back under another name: layer path in the reference, name in the candidate.
    """

    names: Mapping[str, str]
    reference: frozenset[str]
    candidate: frozenset[str]
    renamed: tuple[tuple[str, str], ...] = ()

    def is_in_both(self, path: str) -> bool:
        """Whether both models have the layer of a call."""
        name = static_path(path)
        return name in self.reference and name in self.candidate

    def is_only_in_reference(self, path: str) -> bool:
        """Whether the reference alone has the layer of a call."""
        name = static_path(path)
        return name in self.reference and name not in self.candidate

    def is_only_in_candidate(self, path: str) -> bool:
        """Whether the candidate alone has the layer of a call."""
        name = static_path(path)
        return name in self.candidate and name not in self.reference


def align(reference: Outline, candidate: Outline) -> Alignment:
    """Pair the layers of two models by name.

    Names that Keras numbered by itself (`dense_3`, after whatever else the process had built) are renumbered by rule:
    when the auto-numbered layers of one class, in one container, have other numbers on the two sides but are equally
    many, they are paired in the order of their numbers.  A layer that lost the name that somebody gave it, and got one
    from Keras instead, is paired by its class and its place, where no other fits.  Nothing is paired by similarity.
    """
    # What somebody called the model is no layer path: two that are called otherwise are the same.
    names = {"": reference.name} if reference.name != candidate.name else {}
    renamed: list[tuple[str, str]] = []
    _align(reference, candidate, ("", ""), names, renamed)
    return Alignment(MappingProxyType(names), all_paths(reference), all_paths(candidate, names), tuple(renamed))


def _align(
    reference: Outline,
    candidate: Outline,
    above: tuple[str, str],
    names: dict[str, str],
    renamed: list[tuple[str, str]],
) -> None:
    if not candidate.children:
        return
    paired = _pair(reference, candidate)
    partners = {child.name: child for child in reference.children}
    bases = _numbers(reference), _numbers(candidate)
    for child in candidate.children:
        name = paired.get(child.name, child.name)
        here, there = f"{above[0]}{name}", f"{above[1]}{child.name}"
        if name != child.name:
            names[there] = name
            if not (name in bases[0] and child.name in bases[1]):
                renamed.append((here, child.name))
        if name in partners:
            _align(partners[name], child, (f"{here}/", f"{there}/"), names, renamed)


def _pair(reference: Outline, candidate: Outline) -> dict[str, str]:
    """Names of the candidate's layers that have a partner → the partner's."""
    settled = _renumber(reference, candidate)
    ours = {child.name for child in reference.children}
    shifted = _shifted(reference, candidate)
    by_name = [child.name for child in candidate.children if child.name not in settled and child.name in ours]
    settled.update((name, name) for name in by_name if name not in shifted)
    _pair_by_place(reference, candidate, settled)
    taken = set(settled.values())
    settled.update((name, name) for name in by_name if name not in settled and name not in taken)
    return settled


def _shifted(reference: Outline, candidate: Outline) -> set[str]:
    """Auto-numbered names that may be another layer's: where some were lost, those behind them have other numbers."""
    here, there = _auto_numbered(reference), _auto_numbered(candidate)
    unequal = {base for base in here.keys() & there.keys() if len(here[base]) != len(there[base])}
    return {name for base in unequal for name in (*here[base], *there[base])}


# --- by place

_Key = tuple[object, ...]


def _pair_by_place(reference: Outline, candidate: Outline, settled: dict[str, str]) -> None:
    """Pair what has lost its name: first by all that is known of the place, then by one end and the configuration."""
    while new := _new_pairs(reference, candidate, settled):
        settled.update(new)


def _new_pairs(reference: Outline, candidate: Outline, settled: Mapping[str, str]) -> dict[str, str]:
    """What the first kind of place that pairs anything pairs; one of the two names has to be Keras'."""
    taken = set(settled.values())
    here = [child for child in reference.children if child.name not in taken]
    there = [child for child in candidate.children if child.name not in settled]
    if not here or not there:
        return {}
    ours, theirs = _numbers(reference), _numbers(candidate)
    every = (_only_fits(here, there, settled, key) for key in _KEYS)
    lost = ({b: a for b, a in found.items() if a in ours or b in theirs} for found in every)
    return next(filter(None, lost), {})


def _only_fits(
    here: Sequence[Outline],
    there: Sequence[Outline],
    settled: Mapping[str, str],
    key: Callable[[Outline, Mapping[str, str]], _Key | None],
) -> dict[str, str]:
    """Pairs that agree in a key that no other layer has."""
    ours, theirs = _alone(here, {name: name for name in settled.values()}, key), _alone(there, settled, key)
    return {theirs[k]: ours[k] for k in theirs if k in ours}


def _alone(
    children: Sequence[Outline],
    names: Mapping[str, str],
    key: Callable[[Outline, Mapping[str, str]], _Key | None],
) -> dict[_Key, str]:
    """Names of the layers whose key no other one has, by that key."""
    keys = [key(child, names) for child in children]
    counts = Counter(keys)
    return {k: child.name for k, child in zip(keys, children, strict=True) if k is not None and counts[k] == 1}


def _whole_place(child: Outline, names: Mapping[str, str]) -> _Key | None:
    sources, takers = _in_words(child.sources, child.name, names), _in_words(child.takers, child.name, names)
    return None if sources is None or takers is None or not sources else (child.class_name, sources, takers)


def _inner_end(child: Outline, names: Mapping[str, str]) -> _Key | None:
    sources = _in_words(child.sources, child.name, names)
    return (child.class_name, child.config, sources) if sources else None


def _outer_end(child: Outline, names: Mapping[str, str]) -> _Key | None:
    takers = _in_words(child.takers, child.name, names)
    return (child.class_name, child.config, takers) if takers else None


_KEYS = (_whole_place, _inner_end, _outer_end)


def _in_words(labels: Sequence[str], own: str, names: Mapping[str, str]) -> tuple[str, ...] | None:
    """A place in the reference's words; None where a neighbour has no partner yet.

    A layer that is called on what it returned itself is its own neighbour, under whatever name it has (`own`).
    """
    found = []
    for label in labels:
        name, _, index = label.rpartition(":")
        if name == own:
            found.append(f"<itself>:{index}")
            continue
        if not label.startswith("<") and name not in names:
            return None
        found.append(label if label.startswith("<") else f"{names[name]}:{index}")
    return tuple(found)


def _numbers(outline: Outline) -> set[str]:
    """Names that Keras gave."""
    return {name for numbered in _auto_numbered(outline).values() for name in numbered}


# --- by number


def _renumber(reference: Outline, candidate: Outline) -> dict[str, str]:
    here, there = _auto_numbered(reference), _auto_numbered(candidate)
    renamed: dict[str, str] = {}
    for base in here.keys() & there.keys():
        ours, theirs = here[base], there[base]
        if ours != theirs and len(ours) == len(theirs):
            renamed.update(zip(theirs, ours, strict=True))
    # A name that the candidate gives to a layer that keeps it isn't free.
    kept = {child.name for child in candidate.children} - renamed.keys()
    return {old: new for old, new in renamed.items() if new not in kept}


def _auto_numbered(outline: Outline) -> dict[str, list[str]]:
    """Auto-numbered names by base name, in the order of their numbers."""
    groups: dict[str, list[tuple[int, str]]] = {}
    # Keras names both ways after the one layer that it was given: `forward_lstm_2`.
    before = "forward_|backward_" if outline.class_name == "Bidirectional" else ""
    for child in outline.children:
        found = re.fullmatch(rf"((?:{before})?{re.escape(child.base)})(?:_(\d+))?", child.name)
        if found:
            groups.setdefault(found[1], []).append((int(found[2] or 0), child.name))
    return {base: [name for _, name in sorted(numbered)] for base, numbered in groups.items()}


def translated(path: str, names: Mapping[str, str]) -> str:
    """A layer path of the candidate in the reference's words; calls and outputs stay."""
    raw: list[str] = []
    done: list[str] = []
    for part in path.split("/") if path else ():
        name = bare(part)
        raw.append(name)
        done.append(names.get("/".join(raw), name) + part[len(name) :])
    return "/".join(done)


def static_path(path: str) -> str:
    """A layer path without call and output indices."""
    return "/".join(bare(part) for part in path.split("/"))


def bare(part: str) -> str:
    """One name of a layer path, without call and output index; a name may hold either mark itself."""
    return re.sub(r"(#\d+)?(:\d+)?$", "", part, count=1)


def call_named(label: str) -> str:
    """Layer path, with calls, of the call that a label names an output of: `encoder/dense#1:0` → `encoder/dense#1`."""
    return re.sub(r":\d+$", "", label)


def all_paths(outline: Outline, names: Mapping[str, str] = MappingProxyType({})) -> frozenset[str]:
    """Layer paths, without calls, of everything below; in the other side's words where `names` says how."""
    found: set[str] = set()
    _collect(outline, "", "", names, found)
    return frozenset(found)


def _collect(outline: Outline, raw: str, path: str, names: Mapping[str, str], found: set[str]) -> None:
    for child in outline.children:
        below = f"{raw}{child.name}"
        here = f"{path}{names.get(below, child.name)}"
        found.add(here)
        _collect(child, f"{below}/", f"{here}/", names, found)


def classes_of(outline: Outline, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Layer path and class of every layer inside, each before those that it holds."""
    for child in outline.children:
        yield prefix + child.name, child.class_name
        yield from classes_of(child, f"{prefix}{child.name}/")
