"""bisect: the release in which it changed, either way round, and the layer and cause that changed it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from tracer.core.environment import pins_for
from tracer.core.matrix import bisection
from tracer.core.matrix.bisection import Bisection, Outcome
from tracer.core.matrix.cells import Answer, CellTemplate, Kind
from tracer.core.releases import parse_release
from tracer.core.spec import parse_spec
from tracer.errors import SpecError
from tracer.workflows.arguments import check_round_trip
from tracer.workflows.releases.matrix import ExecutionOptions, cells_of, run_cells
from tracer.workflows.releases.reproducing import command_of
from tracer.workflows.releases.resolving import resolve, span

_KERAS = "keras"


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """Between which releases, and what is held.

    Attributes:
        good: the end that is right: a release, `latest` or `nightly`.
        bad: the end that is wrong.
        vary: `keras`, or `tensorflow`, `jax` or `torch`: whose releases `good` and `bad` are.
        keras: the Keras release that is held while a backend varies.
        backend: that the model runs on.
        pre: try pre-releases as well.
        layer: only a fault of this layer counts as bad; None for any.
    """

    good: str
    bad: str
    vary: str = _KERAS
    keras: str | None = None
    backend: str | None = None
    pre: bool = False
    layer: str | None = None


def bisect(
    model: str, within: Range, *, question: CellTemplate | None = None, running: ExecutionOptions | None = None
) -> Bisection:
    """Find where it changed, between two releases of Keras with the backend held, or the other way round.

    Args:
        model: a specification; "" where the question is a command.
        within: the releases, and what is held.
        question: a round trip as `.keras` by default; bad is what diverges.
        running: where and how; every answer is kept, so that a second run tests only what is missing.

    Raises:
        SpecError: if the ends are equal, or something can't be understood.
        WorkerError: if the registry, uv or the cluster can't be reached.
    """
    running, question = running or ExecutionOptions(), question or CellTemplate()
    if not model and question.command is None:
        raise SpecError("nothing to ask: name a model, or a command with --run.")
    target, backend = _target(model, within)
    releases, rising = _releases(within, running)
    _check_oldest(target, releases[0], question, within)
    question = replace(question, packages=_held(within, backend, releases[0], question.packages))
    tester = _Tester(
        model=target, backend=backend, within=within, question=question, running=running, releases=releases
    )
    found = bisection.bisect(releases, Outcome.GOOD if rising else Outcome.BAD, tester.test)
    wrong = tester.answers.get((found.after if rising else found.before) or "")
    return Bisection(
        model=model or str(question.command),
        vary=within.vary,
        releases=releases,
        found=found,
        bad=wrong,
        held=tester.held,
        direction="introduced" if rising else "fixed",
        answers=tuple(tester.answers.items()),
        reproduce=command_of(wrong.cell) if wrong is not None else "",
    )


def _check_oldest(target: str, oldest: str, question: CellTemplate, within: Range) -> None:
    """Before anything is tested: a round trip can't be made in every release."""
    if question.kind is Kind.ROUNDTRIP and within.vary == _KERAS:
        check_round_trip(f"{target}@{oldest}")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tester:
    """Asks about one release after the other: each answer decides which is next.

    Attributes:
        model: what is asked about; "" where the question is a command.
        backend: that it runs on.
        within: see `bisect`.
        question: see `bisect`.
        running: see `bisect`.
        releases: all from one end to the other.
        answers: those so far, by release.
    """

    model: str
    backend: str
    within: Range
    question: CellTemplate
    running: ExecutionOptions
    releases: tuple[str, ...]
    answers: dict[str, Answer] = field(default_factory=dict)

    @property
    def held(self) -> str:
        """What doesn't vary, as requirements."""
        return ", ".join(self.question.packages) if self.within.vary == _KERAS else f"keras=={self.within.keras}"

    def test(self, release: str) -> Outcome:
        """Whether a release is good or bad, as far as it can be tested."""
        self._tell(release)
        self.answers[release] = self._ask(release)
        return _outcome(self.answers[release], self.within.layer)

    def _tell(self, release: str) -> None:
        """What is tested next, between which releases, and how many tests it still takes at most."""
        if self.running.progress is None:
            return
        known = {name: _outcome(answer, self.within.layer) for name, answer in self.answers.items()}
        *_, now = None, *bisection.narrowing(self.releases, tuple(known.items()))
        where, left = f"an end of {len(self.releases)} releases", 2 - len(known) + (len(self.releases) - 2).bit_length()
        if now is not None:
            where, left = f"between {now.low} ({known[now.low]}) and {now.high} ({known[now.high]})", now.steps
        self.running.progress(f"{self.within.vary} {release}, {where}", len(known), len(known) + left)

    def _ask(self, release: str) -> Answer:
        question, vary = self.question, self.within.vary
        if vary != _KERAS:
            question = replace(question, packages=(*question.packages, f"{vary}=={release}"))
            release = str(self.within.keras)
        cell = next(iter(cells_of(self.model, release, self.backend, question)))
        return run_cells([cell], replace(self.running, progress=None)).answers[0]


def _target(model: str, within: Range) -> tuple[str, str]:
    """The model without its environment, "" for none, and its backend: a given one, the one that varies, TensorFlow."""
    usual = "tensorflow" if within.vary == _KERAS else within.vary
    if not model:
        return "", within.backend or usual
    spec = parse_spec(model)
    return spec.target, within.backend or spec.backend or usual


def _releases(within: Range, running: ExecutionOptions) -> tuple[tuple[str, ...], bool]:
    """All from the older end to the newer one, and whether the older one is the good one."""
    if within.vary != _KERAS and not within.keras:
        raise SpecError(f"say which Keras is held while {within.vary} varies: --keras RELEASE.")
    good, bad = (_real(end, within.vary, running) for end in (within.good, within.bad))
    rising = _before(good, bad)
    ends = (good, bad) if rising else (bad, good)
    return span(*ends, running.progress, distribution=within.vary, pre=within.pre), rising


def _real(end: str, vary: str, running: ExecutionOptions) -> str:
    from tracer.envs import registry

    if vary == _KERAS:
        return resolve([end], running.progress)[0]
    return registry.newest(vary, running.progress) if end == "latest" else end


def _before(good: str, bad: str) -> bool:
    left, right = parse_release(good), parse_release(bad)
    if left is None or right is None or left == right:
        raise SpecError(f"--good {good} --bad {bad}: two different releases are needed, such as 3.5.0 and 3.6.0.")
    return left < right


def _held(within: Range, backend: str, oldest: str, packages: Sequence[str]) -> tuple[str, ...]:
    """The backend of the oldest release runs all newer ones (measured for TensorFlow 2.16.2 from 3.0.0 to 3.15.1)."""
    from tracer.envs.requirements import backend_for

    if within.vary != _KERAS or backend in pins_for(backend, packages):
        return tuple(packages)
    version = backend_for(backend, oldest)
    return (*packages, f"{backend}=={version}") if version else tuple(packages)


def _outcome(answer: Answer, layer: str | None) -> Outcome:
    if not answer.answered:
        return Outcome.UNTESTABLE
    if answer.same or (layer is not None and all(fault["layer"] != layer for fault in answer.faults)):
        return Outcome.GOOD
    return Outcome.BAD
