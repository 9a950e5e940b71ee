"""Save a model and hold the file against it before it takes its name."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tracer.errors import TracerError
from tracer.records import Report
from tracer.workflows.verifying import files
from tracer.workflows.verifying.files import Outcome
from tracer.workflows.verifying.holding import VerificationOptions, hold_live


def verified_save(
    model: Any,
    path: str | os.PathLike[str],
    inputs: Any = None,
    *,
    custom_objects: Sequence[str] = (),
    max_seconds: float | None = None,
) -> Report:
    """Save a model, load the file in a fresh process, and keep it only where it holds what is in memory.

    What was under the path before stays there until the new file has passed. A file that didn't pass is kept beside
    it, as `NAME.failed.keras` or `NAME.unverified.keras`; the verdict is in `FILE.verdict.json`.

    Args:
        model: a Keras model.
        path: of the file: `.keras`, `.h5`, or `.weights.h5` for the weights alone.
        inputs: array(s) in the structure that the model takes, a file, or None for seeded ones.
        custom_objects: modules to import in the fresh process first.
        max_seconds: that the verification may take.

    Returns:
        The report of the comparison; it matches.

    Raises:
        DivergenceError: if the file holds another model; the message names the layers, and why.
        TracerError: if the file can't be held against the model.
    """
    target = Path(path)
    new = files.beside(target, "unverified")
    _save(model, new)
    question = VerificationOptions(inputs=inputs, custom_objects=custom_objects, max_seconds=max_seconds)
    try:
        verdict = hold_live(model, new, question)
    except TracerError as error:
        raise type(error)(f"{error} The file is kept, unverified: {new}.") from error
    files.write_verdict(new, verdict)
    if verdict.outcome is Outcome.VERIFIED and verdict.report is not None:
        files.move(new, target)
        if verdict.reason:
            warnings.warn(f"{target}: {verdict.reason}", stacklevel=2)
        return verdict.report
    if verdict.outcome is Outcome.FAILED and verdict.report is not None:
        files.move(new, files.beside(target, "failed"))
        verdict.report.raise_for_divergence()
    raise TracerError(f"{verdict.reason} The file is kept, unverified: {new}.")


def _save(model: Any, path: Path) -> None:
    if files.suffix_of(path) == ".weights.h5":
        model.save_weights(path)
    else:
        model.save(path)
