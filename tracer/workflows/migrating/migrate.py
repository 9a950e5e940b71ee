"""migrate: a model file of Keras 2 as a file of Keras 3, kept only if every layer was seen to compute the same."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from tracer.core.comparison.alignment import align
from tracer.core.comparison.conclusion import conclude
from tracer.core.feed import Feed
from tracer.core.host import Host, Needed
from tracer.core.migration.compiling import Compiling
from tracer.core.migration.translate import Translation, translate
from tracer.core.releases import TF_KERAS, is_keras_2
from tracer.core.spec import ModelSpec, parse_spec
from tracer.errors import ModelError, SpecError
from tracer.progress import Progress, silent
from tracer.records import Report, Status, Verdict
from tracer.system.leftovers import temporary_folder
from tracer.workflows.comparing import Options, Timings, clocked
from tracer.workflows.feeding import compare_fed, feed_for
from tracer.workflows.migrating.losses import compiled, with_losses
from tracer.workflows.migrating.weights import carry_weights, share_weights
from tracer.workflows.opening import open_worker

if TYPE_CHECKING:
    import os

    from tracer.envs.remote import RemoteHost

_KERAS_2: Final = "2.15.0"
_ITS_PYTHON: Final = "3.11"
_MODEL: Final = "model.keras"
# oneDNN rounds otherwise in every TensorFlow, and a deep model makes much of it; without it most layers agree exactly.
_VARIABLES: Final = MappingProxyType({"TF_ENABLE_ONEDNN_OPTS": "0"})
_SEEDED: Final = "Compared with seeded weights too, because those of the file let the signal die:"


@clocked
def migrate(
    file: str | os.PathLike[str],
    output: str | os.PathLike[str],
    inputs: Any = None,
    trust: bool = False,
    *,
    seed: int = 0,
    batch: int | None = None,
    custom_objects: Sequence[str] = (),
    packages: Sequence[str] = (),
    model: str | None = None,
    pictures: bool = False,
    progress: Progress | None = None,
) -> Report:
    """Write a model of Keras 2 as a file of Keras 3, and prove layer by layer that it computes the same.

    The original runs in Keras 2, in an environment of its own; the new file is loaded by this Keras in a fresh process,
    as anybody would load it. It is kept only if the report matches.

    Args:
        file: the model file (`.h5`, `.keras`), or another specification of a Keras 2 model; `@2.13.1` behind it: the
            release that reads it; else it is 2.15.0, or tf-keras where Python 3.11 isn't there.
        output: the `.keras` file to write; must not exist.
        inputs: see `diff`.
        trust: run the Python code that Lambda layers in the file hold, and carry it over.
        seed: see `diff`.
        batch: see `diff`.
        custom_objects: see `diff`; the modules are imported in both Keras.
        packages: see `diff`; for the environment of Keras 2.
        model: what builds the model, where the file holds its weights alone: `package.module:callable`, called in Keras
            2, or the name of an application.
        pictures: see `diff`.
        progress: see `diff`.

    Returns:
        The report of the original against the new file.

    Raises:
        SpecError: if the output can't be written there, or the file is to be read by a Keras 3.
        ModelError: if a part of the model has no equivalent in Keras 3; names each with its place.
        TracerError: when a model can't be loaded or run, or the inputs don't fit.
    """
    target = _check_output(Path(output))
    spec = _spec_of(str(file))
    with contextlib.ExitStack() as stack:
        original = open_worker(spec, stack, packages, progress, _VARIABLES)
        # Started now: it imports its Keras while the original is read.
        new = _New(stack, target.name, tuple(custom_objects), trust)
        new.start()
        built, weights = _built_by(spec, model)
        say = progress or silent
        say(f"reading {Path(spec.target).name} in Keras {original.versions()['keras']}", 0, 0)
        original.build(built, custom_objects=custom_objects, seed=seed, weights=weights, trust=trust)
        original.spec = str(spec)
        translation = _translate(original, trust=trust)
        feed = feed_for(original, inputs, seed, batch)
        folder = stack.enter_context(temporary_folder(beside=target))
        say(f"writing {target.name}", 0, 0)
        with new.writer() as writer:
            writer.rebuild(translation.config, custom_objects=new.custom_objects, trust=trust)
            new.start()
            carry_weights(original, writer)
            compiling = compiled(writer, Path(built), original, feed)
            writer.save(str(folder), "keras")
        say(f"loading {target.name} in a fresh process", 0, 0)
        proof = _Proof(original, new, feed, compiling, Options(progress=progress, pictures=pictures))
        report = proof.of(folder / _MODEL)
        if report.status is Status.INCONCLUSIVE:
            report = _proved_with_seeded_weights(report, folder, proof)
        if report.matches:
            (folder / _MODEL).replace(target)
    return replace(report, notes=(*report.notes, *compiling.left, *_notes(translation, target, kept=report.matches)))


def _check_output(target: Path) -> Path:
    if target.exists():
        raise SpecError(f"{target} exists already; name another file.")
    if target.suffix != ".keras":
        raise SpecError(f"{target}: a migrated model is written as .keras; received {target.suffix!r}.")
    if not target.parent.is_dir():
        raise SpecError(f"{target}: the folder {target.parent} doesn't exist.")
    return target


def _spec_of(file: str) -> ModelSpec:
    """What is to be migrated, with the release of Keras 2 that reads it."""
    spec = parse_spec(file)
    if spec.release is not None and not is_keras_2(spec.release):
        raise SpecError(f"{file}: migrate reads a model with Keras 2, and {spec.release} isn't one; leave it out.")
    return spec if spec.release is not None else replace(spec, release=_reader())


def _reader() -> str:
    """The Keras 2 that reads files of all of them: 2.15.0, or tf-keras, which runs on newer Pythons."""
    from tracer.envs.uv import has_python

    return _KERAS_2 if has_python(_ITS_PYTHON) else TF_KERAS


def _built_by(spec: ModelSpec, model: str | None) -> tuple[str, str | None]:
    """What is built in Keras 2, and the file with its weights, where it has none by itself."""
    if model is None:
        return spec.target, None
    found = parse_spec(model)
    if found.kind == "file" or found.release is not None:
        raise SpecError(f"--model {model}: a callable (package.module:callable) or an application builds the model.")
    if spec.kind != "file":
        raise SpecError(f"--model {model} builds the model of a file of weights; {spec.target} is none.")
    return found.target, str(Path(spec.target).absolute())


def _translate(original: Host, *, trust: bool) -> Translation:
    """The configuration in Keras 3.

    Raises:
        ModelError: if a part of it has no equivalent.
    """
    translation = translate(dict(original.configuration()), trust=trust)
    if translation.problems:
        listed = "\n".join(f"  {problem}" for problem in translation.problems)
        raise ModelError(f"{original.spec} can't be carried over to Keras 3. What has no equivalent:\n{listed}")
    return translation


@dataclass(slots=True)
class _New:
    """Fresh processes with this Keras, each for one model: one writes the new file, another one loads it.

    Attributes:
        stack: ends them.
        name: of the file to write.
        custom_objects: see `migrate`.
        trust: see `migrate`.
    """

    stack: contextlib.ExitStack
    name: str
    custom_objects: tuple[str, ...]
    trust: bool
    _started: RemoteHost | None = None

    def start(self) -> None:
        """Start the next one, which imports its Keras meanwhile."""
        self._started = self._started or open_worker(None, self.stack, (), None, _VARIABLES)

    def _take(self) -> RemoteHost:
        self.start()
        worker, self._started = self._started, None
        assert worker is not None
        return worker

    @contextlib.contextmanager
    def writer(self) -> Iterator[RemoteHost]:
        """One that makes and writes a model, and ends: its memory is needed by two others."""
        with contextlib.closing(self._take()) as worker:
            yield worker

    def load(self, file: Path) -> RemoteHost:
        """The model in a file, as anybody would load it, with plain Keras."""
        worker = self._take()
        worker.build(str(file), custom_objects=self.custom_objects, seed=0, trust=self.trust)
        worker.spec = f"{self.name}, loaded in a fresh process"
        return worker


def _write_seeded(folder: Path, aside: Path, proof: _Proof) -> None:
    """Write the new model with other weights, and give these to the original, too."""
    known, trust = proof.new.custom_objects, proof.new.trust
    with proof.new.writer() as writer:
        writer.load(str(folder), "keras", needed=Needed(modules=known, trust=trust))
        proof.new.start()
        writer.rename(align(proof.original.outline, writer.outline).names)
        writer.seed(0)
        share_weights(writer, proof.original)
        if proof.compiling.new:
            writer.compile(proof.compiling.new)
        writer.save(str(aside), "keras")


@dataclass(frozen=True, slots=True)
class _Proof:
    """All that a new file is held against."""

    original: Host
    new: _New
    feed: Feed
    compiling: Compiling
    options: Options

    def of(self, file: Path) -> Report:
        """The original against what a fresh process makes of a file."""
        with contextlib.closing(self.new.load(file)) as loaded:
            report = compare_fed(self.original, loaded, self.feed, self.options, Timings())
            return with_losses(report, self.original, loaded, file, self.compiling, self.feed)


def _proved_with_seeded_weights(report: Report, folder: Path, proof: _Proof) -> Report:
    """The report of a file whose own weights show too little, with what other weights show.

    The weights of both sides are equal: that was compared by value. Where the layers also compute the same with weights
    that keep the signal alive, they compute the same with these.
    """
    aside = folder / "seeded"
    aside.mkdir()
    _write_seeded(folder, aside, proof)
    seeded = proof.of(aside / _MODEL)
    if not seeded.matches:
        return replace(seeded, notes=(*seeded.notes, f"{_SEEDED} {report.reason}"))
    exact = seeded.status is Status.PASS and all(layer.verdict is Verdict.IDENTICAL for layer in report.layers)
    note = f"{_SEEDED} {report.reason} With these, {seeded.compared} layer outputs were compared: {seeded.status}."
    return replace(report, status=conclude(same=exact).status, reason="", notes=(*report.notes, note))


def _notes(translation: Translation, target: Path, *, kept: bool) -> Iterator[str]:
    yield f"{target} was written." if kept else f"{target} was not written: it would not compute the same."
    told = ", ".join(f"{subject} ({count}×)" for subject, count in translation.applied.items())
    if told:
        yield f"changed from Keras 2 to Keras 3: {told}."
