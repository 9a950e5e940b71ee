"""Which releases there are: asked of the package registry that pip is set up for, remembered for a day.

Without a network the remembered answer is used, however old.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tracer.core.releases import parse_release, release_order
from tracer.envs import uv
from tracer.envs.folders import cache_folder, write_whole
from tracer.errors import WorkerError
from tracer.progress import Progress
from tracer.records import JsonObject

_DAY = 24 * 3600.0
_FINAL = re.compile(r"\d+(\.\d+)*(\.post\d+)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Releases:
    """The releases of one distribution.

    Attributes:
        versions: oldest first, pre-releases included.
        yanked: those of them that were withdrawn.
        asked: when the registry was asked, in seconds since the epoch.
    """

    versions: tuple[str, ...]
    yanked: frozenset[str]
    asked: float

    def usable(self, *, pre: bool = False) -> tuple[str, ...]:
        """Without what was withdrawn, and without pre-releases unless wanted."""
        return tuple(v for v in self.versions if v not in self.yanked and (pre or is_final(v)))


def is_final(version: str) -> bool:
    """Whether it is no pre-release."""
    return _FINAL.fullmatch(version) is not None


def newest(distribution: str, progress: Progress | None = None) -> str:
    """The newest release that isn't withdrawn; of a nightly distribution the newest build.

    Raises:
        WorkerError: if the registry can't be asked and never was.
    """
    known = releases(distribution, progress)
    usable = known.usable() or known.usable(pre=True)
    if not usable:
        raise WorkerError(f"the package registry has no release of {distribution} for this Python.")
    return usable[-1]


def releases(distribution: str, progress: Progress | None = None, *, max_age: float = _DAY) -> Releases:
    """All releases that can be installed here.

    Raises:
        WorkerError: if the registry can't be asked and never was.
    """
    file = cache_folder() / "releases" / f"{distribution}.json"
    known = _remembered(file)
    if known is not None and time.time() - known.asked < max_age:
        return known
    try:
        found = _ask(distribution, progress)
    except WorkerError:
        if known is None:
            raise
        return known  # no network: yesterday's answer is better than none
    # Where it can't be kept, it is asked anew; whoever needs the cache for more says what is wrong with it.
    with contextlib.suppress(OSError):
        write_whole(
            file, json.dumps({"versions": found.versions, "yanked": sorted(found.yanked), "asked": found.asked})
        )
    return found


def remembered(distribution: str) -> tuple[str, ...]:
    """The final releases that were named when the registry was asked last; none if it never was.  Asks nobody."""
    known = _remembered(cache_folder() / "releases" / f"{distribution}.json")
    return () if known is None else known.usable()


def _remembered(file: Path) -> Releases | None:
    try:
        data: JsonObject = json.loads(file.read_text(encoding="utf-8"))
        return Releases(
            versions=tuple(map(str, data["versions"])), yanked=frozenset(data["yanked"]), asked=float(data["asked"])
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None  # asked anew


def _ask(distribution: str, progress: Progress | None) -> Releases:
    what = f"asking the package registry for the releases of {distribution}"
    python = uv.find_python()
    start = [uv.find_uv(), "run", "--quiet", "--isolated", "--no-project", "--python", python, "--with", "pip>=25.1"]
    asked = ["python", "-m", "pip", *_index(), "index", "versions", distribution, "--pre", "--json"]
    said = uv.run([*start, *asked], what, progress)
    try:
        listed = json.loads(said[said.index("{") :])["versions"]
    except (ValueError, KeyError) as error:
        raise WorkerError(f"{what} failed: pip answered {said[:200]!r}.") from error
    versions = sorted((v for v in listed if parse_release(v) is not None), key=release_order)
    return Releases(versions=tuple(versions), yanked=_yanked(distribution, versions, progress), asked=time.time())


def _index() -> list[str]:
    """Where only uv was told of an index, pip, which has settings of its own, is told of it too."""
    told = os.environ.get("UV_DEFAULT_INDEX") or os.environ.get("UV_INDEX_URL")
    return ["--index-url", told] if told and "PIP_INDEX_URL" not in os.environ else []


def _yanked(distribution: str, versions: Sequence[str], progress: Progress | None) -> frozenset[str]:
    """Withdrawn Keras releases.  A resolver takes such a one when it is pinned, and never from a range."""
    if distribution != "keras":
        return frozenset()
    found = set()
    for version in versions:
        if not is_final(version) or release_order(version) < (3,):
            continue
        try:
            words = ["pip", "compile", "--quiet", "--no-deps", "--no-header", "--python", uv.find_python(), "-"]
            uv.run_uv(
                words, f"is {distribution} {version} withdrawn?", progress, f"{distribution}>={version},<={version}"
            )
        except WorkerError as error:
            if "unsatisfiable" not in str(error):
                raise
            found.add(version)
    return frozenset(found)
