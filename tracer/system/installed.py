"""What is installed for this Python, and whether it is what gets imported: a folder of the same name may come first.

`python -P installed.py NAME…` prints the answer as JSON, also in an environment that doesn't have this package.

Standard library only, and nothing of this package.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import json
import os
import platform
import sys
from collections.abc import Iterable, Iterator, Mapping
from importlib import metadata

_STRAY = "another one in"


def versions(names: Iterable[str]) -> dict[str, str]:
    """Versions of distributions by name; what isn't installed isn't in it.

    Where importing a module of a distribution would give another one, that is said in place of the version.
    """
    found = {}
    for name in names:
        try:
            distribution = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue
        place = _imported_from_elsewhere(distribution)
        found[name] = f"{_STRAY} {place}" if place else distribution.version
    return found


def strays(names: Iterable[str]) -> dict[str, str]:
    """Those of `versions` that aren't what is imported."""
    return {name: told for name, told in versions(names).items() if told.startswith(_STRAY)}


def distributions_of(modules: Iterable[str]) -> tuple[str, ...]:
    """Names of the distributions that top-level modules belong to; the user's own modules mostly belong to none."""
    wanted = sorted(set(modules))
    known = _distributions_by_module(tuple(map(_records_in, sys.path))) if wanted else {}
    return tuple(sorted({name for module in wanted for name in known.get(module, ())}))


@functools.lru_cache(maxsize=1)
def _distributions_by_module(records: tuple[frozenset[str], ...]) -> Mapping[str, list[str]]:
    """Read once as long as these records are there and no others: everything that is installed is looked through."""
    del records
    return metadata.packages_distributions()


def _records_in(place: str) -> frozenset[str]:
    """Paths of what installers have left in a folder, which hold names and versions; none where it can't be read."""
    with contextlib.suppress(OSError), os.scandir(place or ".") as found:
        return frozenset(entry.path for entry in found if entry.name.endswith((".dist-info", ".egg-info", ".egg")))
    return frozenset()


def _imported_from_elsewhere(distribution: metadata.Distribution) -> str:
    """The file of a module of this distribution that lies outside of it, "" where there is none."""
    if _is_editable(distribution):
        return ""
    root = os.path.join(os.path.abspath(str(distribution.locate_file(""))), "")  # noqa: PTH100, PTH118 - links stay
    for module in _modules(distribution):
        places = list(_places(module))
        if places and not any(os.path.abspath(place).startswith(root) for place in places):  # noqa: PTH100
            return places[0]
    return ""


def _is_editable(distribution: metadata.Distribution) -> bool:
    """Its modules lie in the project that it was installed from."""
    try:
        told = json.loads(distribution.read_text("direct_url.json") or "{}")
    except ValueError:  # written by something else than an installer
        return False
    return bool(told.get("dir_info", {}).get("editable"))


def _modules(distribution: metadata.Distribution) -> tuple[str, ...]:
    """Top-level modules, as it lists them, or else by its files."""
    listed = (distribution.read_text("top_level.txt") or "").split()
    if not listed:
        files = (distribution.read_text("RECORD") or "").splitlines()
        firsts = (line.partition(",")[0].partition("/") for line in files)
        listed = [name if below else name.partition(".py")[0] for name, below, _ in firsts if below or ".py" in name]
    return tuple(sorted({name for name in listed if name.isidentifier() and name != "__pycache__"}))


def _places(module: str) -> Iterator[str]:
    """Where a module is, or would be imported from."""
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError):  # ValueError: it is imported, and somebody took its spec away
        return
    if spec is not None and spec.origin and spec.has_location:
        yield spec.origin
    elif spec is not None:
        yield from spec.submodule_search_locations or ()


if __name__ == "__main__":
    print(json.dumps({"python": platform.python_version(), **versions(sys.argv[1:])}))
