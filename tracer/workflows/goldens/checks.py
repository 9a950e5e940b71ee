"""check, of several models: each against its golden; a failure is one's result."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tracer.core.golden.golden import FACTOR
from tracer.core.outcomes import Outcomes
from tracer.core.soundness.limits import check_factor
from tracer.core.spec import parse_spec
from tracer.errors import FixtureError, SpecError, TracerError
from tracer.progress import Progress
from tracer.records import Report
from tracer.workflows.goldens.checking import check


def check_all(
    models: Sequence[str],
    folder: str | Path,
    *,
    fixture: str | Path | None = None,
    release: str | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> Outcomes:
    """Hold models against their goldens, all of a folder when none is named.

    Args:
        models: specifications.
        folder: of the goldens, as `find_goldens` chose it.
        fixture: the golden of the one model.
        release: check in this Keras, `3.4.1` or `3.15.1+jax`.
        progress: called with (phase, models done, models in all).
        **options: see `tracer.workflows.goldens.checking.check`.

    Raises:
        FixtureError: if there is nothing to check.
        SpecError: if a specification can't be understood.
    """
    check_factor(options.get("factor", FACTOR))  # before anything is built
    start, pairs = time.perf_counter(), _pairs(models, folder, fixture)
    found: dict[str, Report | TracerError] = {}
    for number, (model, path) in enumerate(pairs):
        text = model if release is None or "@" in model else f"{model}@{release}"
        if progress is not None:
            progress(f"checking {text}", number, len(pairs))
        try:
            found[text] = check(text, path, **options)
        except TracerError as error:
            found[text] = error
    return Outcomes(found, of="model", seconds=time.perf_counter() - start)


def find_goldens(given: str | Path | None, fixture: str | Path | None = None) -> tuple[Path, str]:
    """The folder of goldens to check against, and which goldens these are, in words.

    Args:
        given: a folder, or `shipped`; None: `./fixtures` where it holds goldens, else those of this package.
        fixture: the golden of one model, wherever it lies: then no folder is needed.

    Raises:
        FixtureError: if there is no such folder, or no goldens at all.
    """
    from tracer.store import goldens

    if fixture is not None:
        return Path(fixture).parent, str(fixture)
    found = goldens.find_folder(given)
    return found.path, found.origin


def _pairs(models: Sequence[str], folder: str | Path, fixture: str | Path | None) -> list[tuple[str, Path]]:
    from tracer.store import places

    if fixture is not None:
        if len(models) != 1:
            raise SpecError(f"--fixture goes with one MODEL; received {len(models)}.")
        return [(models[0], Path(fixture))]
    if models:
        return [(model, places.fixture_path(folder, parse_spec(model).target)) for model in models]
    paths = places.all_fixtures(folder)
    if not paths:
        raise FixtureError(
            f"{folder}: there are no goldens, so nothing was checked. Write some: `tracer record MODEL`; those that "
            "come with this package: `--fixtures shipped`."
        )
    return [(_recorded_name(path), path) for path in paths]


def _recorded_name(path: Path) -> str:
    """The model of a golden; of one that can't be read, what its file is called, so that checking it says why."""
    from tracer.store import fixtures, places

    try:
        return fixtures.read_golden(path).name
    except FixtureError:
        return path.name.removesuffix(places.SUFFIX)
