"""Keras callbacks: `VerifiedCheckpoint`, a `keras.callbacks.ModelCheckpoint` that looks whether the file is right.

Importing this module imports Keras, which who trains has imported already; `import tracer` doesn't import it.
"""

from __future__ import annotations

import math
import threading
import warnings
from collections.abc import Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, get_args

import keras

from tracer.errors import DivergenceError, SpecError, TracerError
from tracer.workflows.verifying import files
from tracer.workflows.verifying.files import Outcome, Verdict
from tracer.workflows.verifying.holding import Recording, VerificationOptions, hold_live, hold_recorded, record
from tracer.workflows.verifying.untouched import random_state_kept

OnFailure = Literal["raise", "warn", "keep-last-good"]
_CODES = MappingProxyType({Outcome.VERIFIED: 1.0, Outcome.FAILED: 0.0, Outcome.UNVERIFIED: math.nan})


class VerifiedCheckpoint(keras.callbacks.ModelCheckpoint):  # type: ignore[misc]
    """Saves as `keras.callbacks.ModelCheckpoint` does, and holds every file that it writes against the model in memory.

    The file is loaded, as it was written, in a fresh process; its weights and the state of its optimizer are compared
    by value, and its activations on a few inputs. Training is the same with it and without it. The verdict is in
    `FILE.verdict.json`, in `verdicts`, and in the logs and the History of `fit` as `verified`: 1 verified, 0 failed,
    NaN no verdict.

    A verification that is killed, hangs or can't be made is a warning: it neither ends the training nor costs a file.

    Args:
        filepath: see `keras.callbacks.ModelCheckpoint`, as all arguments that aren't named here.
        *arguments: see there.
        inputs: array(s) in the structure that the model takes, a few samples; None for seeded ones.
        on_failure: `raise` ends the training with a `tracer.DivergenceError`; `warn` doesn't; `keep-last-good` warns,
            and lets only a file that was verified take the place of one that was. Others are kept beside it, as
            `NAME.failed.keras` and `NAME.unverified.keras`.
        every: verify the first file, and then one of so many.
        max_seconds: that one verification may take.
        background: verify while the training goes on. The verdict is delivered at a later save, or at the end. One file
            is verified at a time and one waits; where a third comes, the one that waited isn't verified.
        custom_objects: modules to import in the fresh process first; those that layers come from are imported anyway.
        **options: see there.

    Attributes:
        verdicts: by file, what is known of it; the last word where a file was written more than once.
    """

    def __init__(
        self,
        filepath: Any,
        *arguments: Any,
        inputs: Any = None,
        on_failure: OnFailure = "raise",
        every: int = 1,
        max_seconds: float = 600.0,
        background: bool = False,
        custom_objects: Sequence[str] = (),
        **options: Any,
    ) -> None:
        super().__init__(filepath, *arguments, **options)
        files.check_place(str(self.filepath))
        if on_failure not in get_args(OnFailure):
            raise SpecError(f"on_failure={on_failure!r}: choose one of {', '.join(get_args(OnFailure))}.")
        if every < 1 or not max_seconds > 0:
            raise SpecError(f"every={every!r}, max_seconds={max_seconds!r}: both have to be positive.")
        self.verdicts: dict[str, Verdict] = {}
        self._question = VerificationOptions(
            inputs=inputs, custom_objects=tuple(custom_objects), max_seconds=max_seconds
        )
        self._on_failure, self._every, self._background = on_failure, every, background
        self._count = 0
        self._aside = False
        self._job: _Job | None = None
        self._next: _Job | None = None
        self._news: list[Outcome] = []
        self._cautioned: set[str] = set()

    # ------------------------------------------------------------------ what Keras calls

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Saves where that is due, and enters what is known since the last epoch into the logs."""
        super().on_epoch_end(epoch, logs)
        self._collect(wait=False)
        if logs is not None:
            logs["verified"] = min((_CODES[one] for one in self._news), key=_worst_first, default=math.nan)
        self._news.clear()

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Waits for a verification that is still being made."""
        super().on_train_end(logs)
        self._collect(wait=True)

    def _get_file_path(self, epoch: int, batch: int | None, logs: Any) -> str:
        path: str = super()._get_file_path(epoch, batch, logs)
        return str(files.beside(Path(path), "unverified")) if self._aside else path

    def _save_model(self, epoch: int, batch: int | None, logs: Any) -> None:
        """Keras' own way to save, with a look at what it wrote."""
        self._collect(wait=False)
        target = Path(self._get_file_path(epoch, batch, logs))
        keeps = self._on_failure == "keep-last-good"
        written = files.beside(target, "unverified") if keeps else target
        before = files.stamp(written)
        self._aside = keeps
        try:
            super()._save_model(epoch, batch, logs)
        finally:
            self._aside = False
        if files.stamp(written) != before:
            self._look_at(written, target)

    # ------------------------------------------------------------------ verification

    def _look_at(self, written: Path, target: Path) -> None:
        due = self._count % self._every == 0
        self._count += 1
        if not due:
            self._settle(
                written, target, Verdict(outcome=Outcome.UNVERIFIED, reason="not its turn (every=)"), quiet=True
            )
        elif self._background:
            self._begin(written, target)
        else:
            with random_state_kept():
                verdict = _tried(lambda: hold_live(self.model, written, self._question))
            self._settle(written, target, verdict)

    def _begin(self, written: Path, target: Path) -> None:
        """What has to be seen of the model is recorded now; the file is moved or copied out of the next save's way."""
        found: list[Recording] = []
        with random_state_kept():
            failed = _tried(lambda: found.append(record(self.model, written, self._question)))
        if not found:
            self._settle(written, target, failed)
            return
        waited, self._next = self._next, None
        if waited is not None:
            self._finish(waited, Verdict(outcome=Outcome.UNVERIFIED, reason="a later file came first"), quiet=True)
        held = self._free_place(target)
        try:
            (files.copy if written == target else files.move)(written, held)
        except OSError as error:  # a full disk must not end the training
            reason = f"it can't be put aside for the verification: {error}"
            self._settle(written, target, Verdict(outcome=Outcome.UNVERIFIED, reason=reason))
            return
        self._next = _Job(found[0], held, target, self._question)
        self._collect(wait=False)

    def _free_place(self, target: Path) -> Path:
        """Where a file is held until it is verified, and not where the one is that is being verified."""
        first, second = (files.beside(target, f"verifying-{place}") for place in range(2))
        return second if self._job is not None and self._job.held == first else first

    def _collect(self, *, wait: bool) -> None:
        """Deliver the verdicts of the background that there are, and go on with the file that waits."""
        while (job := self._job) is not None and (wait or job.is_done):
            self._job = None
            verdict = job.wait()
            self._start_next()
            self._finish(job, verdict)
        self._start_next()

    def _start_next(self) -> None:
        if self._job is None and self._next is not None:
            self._job, self._next = self._next, None
            self._job.start()

    def _finish(self, job: _Job, verdict: Verdict, *, quiet: bool = False) -> None:
        """Give the file of a job its place, or let its copy go, and deliver the verdict."""
        if self._on_failure == "keep-last-good":
            later = files.beside(job.target, "unverified")
            is_current = verdict.outcome is not Outcome.UNVERIFIED or not later.exists()  # as unknown, and newer
        else:
            is_current = files.is_copy(job.held, job.target)
        if not is_current:
            job.held.unlink(missing_ok=True)
            self._deliver(job.target, verdict, quiet=quiet, since="as it was before it was written again")
        elif self._on_failure == "keep-last-good":
            self._settle(job.held, job.target, verdict, quiet=quiet)
        else:
            job.held.unlink(missing_ok=True)
            self._settle(job.target, job.target, verdict, quiet=quiet)

    def _settle(self, written: Path, target: Path, verdict: Verdict, *, quiet: bool = False) -> None:
        """Give the file its name, write the verdict beside it, and deliver it."""
        place = written
        try:
            files.write_verdict(written, verdict)
            if written != target:
                place = files.placed(written, target, verdict.outcome)
        except (OSError, TracerError) as error:  # a full disk: the file is where it was written
            warnings.warn(f"{written}: its verdict could not be kept: {error}", stacklevel=2)
        self._deliver(place, verdict, quiet=quiet)

    def _deliver(self, place: Path, verdict: Verdict, *, quiet: bool = False, since: str = "") -> None:
        self.verdicts[str(place)] = verdict
        self._news.append(verdict.outcome)
        if verdict.outcome is Outcome.VERIFIED:
            self._caution(place, verdict.reason)
            return
        if quiet:
            return
        name = f"{place}, {since}," if since else str(place)
        if verdict.outcome is Outcome.UNVERIFIED:
            warnings.warn(f"{name} could not be verified: {verdict.reason}", stacklevel=2)
            return
        message = f"{name} doesn't hold the model in memory: {files.layers_of(verdict)}.\n{verdict.reason}"
        if self._on_failure == "raise" and verdict.report is not None:
            self._abandon()
            raise DivergenceError(message, verdict.report)
        warnings.warn(message, stacklevel=2)

    def _caution(self, place: Path, reason: str) -> None:
        """What has to be said of a file that is right, once in a training."""
        if reason and reason not in self._cautioned:
            self._cautioned.add(reason)
            warnings.warn(f"{place}: {reason}", stacklevel=3)

    def _abandon(self) -> None:
        """The training ends here: nobody asks for what is still being verified, and its copies are let go."""
        for job in (self._job, self._next):
            if job is not None:
                job.held.unlink(missing_ok=True)
        self._job = self._next = None


class _Job:
    """One verification in a thread; the work is done in the process that it speaks with.

    Args:
        recording: of the model when it was saved.
        held: the file.
        target: the name that it was saved under.
        question: how it is verified.
    """

    def __init__(self, recording: Recording, held: Path, target: Path, question: VerificationOptions) -> None:
        self.held, self.target = held, target
        self._verdict = Verdict(outcome=Outcome.UNVERIFIED, reason="the verification was given up")
        self._thread = threading.Thread(
            target=self._run, args=(recording, question), name="tracer: verifies a checkpoint", daemon=True
        )

    def start(self) -> None:
        """Begin to verify."""
        self._thread.start()

    def _run(self, recording: Recording, question: VerificationOptions) -> None:
        self._verdict = _tried(lambda: hold_recorded(recording, self.held, question))

    @property
    def is_done(self) -> bool:
        """Whether there is a verdict."""
        return not self._thread.is_alive()

    def wait(self) -> Verdict:
        """The verdict; its process is ended when its time is up."""
        self._thread.join()
        return self._verdict


def _worst_first(code: float) -> float:
    """Failed, then unknown, then verified."""
    return 0.5 if math.isnan(code) else code


def _tried(verify: Any) -> Verdict:
    """The verdict; whatever keeps a file from being verified is one, and must not end days of training."""
    try:
        found = verify()
    except TracerError as error:
        return Verdict(outcome=Outcome.UNVERIFIED, reason=str(error))
    except Exception as error:  # see above: out of memory, a layer that raises, a bug of ours
        return Verdict(outcome=Outcome.UNVERIFIED, reason=f"{type(error).__name__}: {error}")
    return found if isinstance(found, Verdict) else Verdict(outcome=Outcome.UNVERIFIED)
