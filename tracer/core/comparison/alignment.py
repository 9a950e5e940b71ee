"""Align two models by their layers' names, before anything runs."""

from __future__ import annotations

import re
from collections.abc import Mapping
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
    """

    names: Mapping[str, str]
    reference: frozenset[str]
    candidate: frozenset[str]

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
    many, they are paired in the order of their numbers.  Nothing is paired by similarity.
    """
    # What somebody called the model is no layer path: two that are called otherwise are the same.
    names = {"": reference.name} if reference.name != candidate.name else {}
    _align(reference, candidate, "", names)
    return Alignment(MappingProxyType(names), all_paths(reference), all_paths(candidate, names))


def _align(reference: Outline, candidate: Outline, path: str, names: dict[str, str]) -> None:
    renamed = _renumber(reference, candidate)
    partners = {child.name: child for child in reference.children}
    for child in candidate.children:
        below = f"{path}/{child.name}" if path else child.name
        name = renamed.get(child.name, child.name)
        if name != child.name:
            names[below] = name
        if name in partners:
            _align(partners[name], child, below, names)


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
    for child in outline.children:
        found = re.fullmatch(rf"{re.escape(child.base)}(?:_(\d+))?", child.name)
        if found:
            groups.setdefault(child.base, []).append((int(found[1] or 0), child.name))
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
