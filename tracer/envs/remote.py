"""A source in another process, driven over two pipes (see `tracer.worker` for its other end)."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import NoReturn

from tracer.core.environment import DISTRIBUTIONS, Wanted, mismatches
from tracer.core.feed import Feed
from tracer.core.golden.fingerprint import DIGEST_LIMIT, Identity, Site
from tracer.core.host import Needed
from tracer.core.layer.holdings import Holding, Place
from tracer.core.layer.optimizer import Restored
from tracer.core.memory import Footprint
from tracer.core.source import Array, Arrays, Call, End, Facts, Outline, Patch, Replay, Value
from tracer.envs.conversation import Conversation
from tracer.errors import SpecError, WorkerError
from tracer.progress import Progress

_IN_THE_WAY = (
    "A folder or a file called keras, or as another of these packages is, comes before those of the environment where "
    "it lies in the current folder or in PYTHONPATH: look for one. Else make the environment anew (`tracer envs "
    "--clean`)."
)


class RemoteHost:
    """Starts a worker and speaks with it: a `tracer.core.host.Host` over the wire.

    Args:
        command: what starts a Python that has Keras, without its arguments; by default this one, in this environment.
        environment: variables to set for it.
        wanted: what it has to run; held against what it says before a model is built or loaded there.
        module: what that Python runs; it serves as `tracer.worker.serve` does.

    Raises:
        WorkerError: from every method, when the worker dies, hangs or talks nonsense; with its last words.
    """

    def __init__(
        self,
        command: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        wanted: Wanted | None = None,
        *,
        module: str = "tracer.worker",
    ) -> None:
        self._worker = Conversation(command, environment, module)
        self._wanted = wanted or Wanted()
        # In an environment of its own, what is imported has to lie in there; beside this process, where it does here.
        self._located = (*self._wanted.packages, *(DISTRIBUTIONS if command else ()))
        self._versions: Mapping[str, str] = {}

    # ------------------------------------------------------------------ opening

    def build(
        self,
        spec: str,
        *,
        custom_objects: Sequence[str],
        seed: int,
        image_size: int | None = None,
        float64: bool | None = None,
        weights: str | None = None,
        trust: bool = False,
    ) -> None:
        """Build what a specification names, there; see `tracer.engine.host.from_spec`."""
        self.versions()
        options = {"custom_objects": tuple(custom_objects), "seed": seed, "image_size": image_size, "float64": float64}
        self._worker.ask("build", spec=spec, weights=weights, trust=trust, **options)
        self._about()

    def load(self, folder: str, format: str, *, needed: Needed, training: Sequence[str] | None = None) -> None:
        """Load there what another host saved; with `training`, as `tracer.engine.host.from_saved` says."""
        self.versions()
        by_value = {"by_value": needed.by_value} if needed.by_value else {}
        trained = {} if training is None else {"training": tuple(training)}
        options = {"custom_objects": needed.modules, "trust": needed.trust, **by_value, **trained}
        self._worker.ask("load", folder=folder, format=format, **options)
        self._about()

    def rebuild(self, config: Mapping[str, object], *, custom_objects: Sequence[str], trust: bool = False) -> None:
        """Make there what a configuration of Keras 3 says, with fresh weights; see `tracer.engine.host.from_config`."""
        self.versions()
        self._worker.ask("rebuild", config=dict(config), custom_objects=tuple(custom_objects), trust=trust)
        self._about()

    def _about(self) -> None:
        about = self._worker.ask("about")
        self.spec: str = about["spec"]
        self.environment: Mapping[str, str] = {**self._versions, **about["environment"]}
        self.outline: Outline = about["outline"]

    def versions(self) -> Mapping[str, str]:
        """Versions of Keras, backend, Python, NumPy and what else was asked for, also before anything is built.

        Raises:
            WorkerError: if they aren't those that were asked for, or the worker can't tell them.
        """
        if not self._versions:
            try:
                found = dict(self._worker.ask("versions", packages=self._located))
            except WorkerError as error:
                raise WorkerError(
                    f"the worker can't say what it runs: {str(error).rstrip('.')}. {_IN_THE_WAY}"
                ) from error
            told = mismatches(self._wanted, found)
            if told:
                raise WorkerError(f"the worker doesn't run what was asked for: {'; '.join(told)}. {_IN_THE_WAY}")
            self._versions = found
        return self._versions

    # ------------------------------------------------------------------ host

    @property
    def process(self) -> int:
        """Id of the process that the model is in."""
        return self._worker.pid

    def footprint(self, batch: int) -> Footprint | None:
        """What a run with so many samples will need; None where that can't be foreseen."""
        found: Footprint | None = self._worker.ask("footprint", batch=batch)
        return found

    def seed(self, seed: int) -> None:
        """Fill the float weights with seeded values, which keep a signal alive."""
        self._worker.ask("seed", seed=seed)

    def compile(self, compiling: Mapping[str, object]) -> None:
        """Compile the model, for what it is saved with; see `tracer.engine.losses.compile_model`."""
        self._worker.ask("compile", compiling=dict(compiling))

    def save(self, folder: str, format: str) -> None:
        """Write the model into an empty folder."""
        self._worker.ask("save", folder=folder, format=format)

    def formats(self) -> tuple[str, ...]:
        """Formats that the model can be saved in."""
        return tuple(self._worker.ask("formats"))

    def duplicate(self, format: str) -> NoReturn:
        """A worker serves one model: what never leaves its process can't be compared from here.

        Raises:
            SpecError: always.
        """
        raise SpecError(
            f"--format {format} happens within one process, and {self.spec} runs in a worker: install tracer beside "
            "that Keras, and name the model without @RELEASE."
        )

    def configuration(self) -> Mapping[str, object]:
        """Class and configuration of the model, as plain JSON types."""
        return dict(self._worker.ask("configuration"))

    def modules(self) -> tuple[str, ...]:
        """Modules outside Keras that define layers of the model."""
        return tuple(self._worker.ask("modules"))

    def by_value(self) -> bytes:
        """Nothing: whatever that process has, it has imported."""
        return b""

    def deriving(self) -> tuple[str, ...]:
        """Layer paths of the layers that derive state from their weights."""
        return tuple(self._worker.ask("deriving"))

    def fresh_state(self, path: str) -> Mapping[str, object]:
        """What a layer's attributes are before it is given weights."""
        return dict(self._worker.ask("fresh_state", path=path))

    def make_inputs(self, path: str | None, *, seed: int, batch: int) -> Feed:
        """Inputs from a file, all of them, or seeded ones that the model can be run on."""
        found: Feed = self._worker.ask("make_inputs", path=path, seed=seed, batch=batch)
        return found

    def fit_inputs(self, value: Arrays) -> Feed:
        """Arrays given by the caller, checked against the signature."""
        found: Feed = self._worker.ask("fit_inputs", value=value)
        return found

    def fingerprints(
        self,
        inputs: Arrays,
        *,
        training: bool | None = False,
        detail: bool = False,
        digest_limit: int = DIGEST_LIMIT,
        progress: Progress | None = None,
    ) -> tuple[Site, ...]:
        """Run once, there, and keep a fingerprint of every output: the activations themselves don't travel."""
        options = {"training": training, "detail": detail, "digest_limit": digest_limit}
        self._worker.finish_waiting()
        self._worker.send("fingerprints", inputs=inputs, **options)
        return tuple(self._worker.reply(progress))

    def losses(self, compiling: Mapping[str, object], inputs: Arrays) -> Mapping[str, float]:
        """The losses on one batch, by name."""
        return dict(self._worker.ask("losses", compiling=dict(compiling), inputs=inputs))

    def identities(self) -> Mapping[str, Identity]:
        """Digest of the weights, and settings, of every layer, by layer path."""
        return dict(self._worker.ask("identities"))

    def holdings(self) -> Mapping[str, Holding]:
        """What every layer holds, by layer path."""
        return dict(self._worker.ask("holdings"))

    def weight_values(self, batches: Sequence[Sequence[Place]]) -> Iterator[Sequence[Array]]:
        """Elements of variables, flat; the next batch is being made there while this one is looked at here."""
        self._worker.finish_waiting()
        for number, places in enumerate(batches):
            if not number:
                self._worker.send("values_at", places=tuple(places))
            values: Sequence[Array] = self._worker.reply()
            if number + 1 < len(batches):
                self._worker.send("values_at", places=tuple(batches[number + 1]))
            yield values

    def optimizer(self) -> Restored:
        """The state of the optimizer that the model came with."""
        found: Restored = self._worker.ask("optimizer")
        return found

    def settings(self, paths: Sequence[str], *, rebuilt: bool = False) -> Mapping[str, Facts]:
        """Facts of layers without their weights."""
        return dict(self._worker.ask("settings", paths=tuple(paths), rebuilt=rebuilt))

    # ------------------------------------------------------------------ source

    def rename(self, names: Mapping[str, str]) -> None:
        """Report layer paths in the other side's names."""
        self._worker.ask("rename", names=dict(names))

    def seeds(self) -> Mapping[str, Array]:
        """State of every random-seed generator."""
        return dict(self._worker.ask("seeds"))

    def prepare(self, inputs: Arrays, *, training: bool | None) -> bool:
        """Let the model build what it builds only when it is run; whether the outline is another one since."""
        changed: bool = self._worker.ask("prepare", inputs=inputs, training=training)
        if changed:
            self.outline = self._worker.ask("about")["outline"]
        return changed

    def begin(
        self,
        inputs: Arrays,
        *,
        training: bool | None,
        seeds: Mapping[str, Array] | None = None,
        stops: Collection[str] | None = None,
    ) -> None:
        """Start a run."""
        self._worker.finish_waiting()
        named = None if stops is None else sorted(stops)
        self._worker.send("begin", inputs=inputs, training=training, seeds=seeds, stops=named)

    def receive(self) -> Call | End:
        """Wait for the next call site to have run, or the end."""
        if not self._worker.waiting:
            raise WorkerError(
                "nothing was asked that another call site could answer; `begin` or `proceed` comes first."
            )
        message: Call | End = self._worker.reply()
        return message

    def proceed(self, outputs: Sequence[Value] | None = None) -> None:
        """Go on, with `outputs` in place of the layer's own where given."""
        self._worker.send("proceed", outputs=None if outputs is None else tuple(outputs))

    def replay(
        self,
        inputs: Sequence[Value],
        context: Mapping[str, str],
        inner: Mapping[str, tuple[Value, ...]] | None = None,
    ) -> Replay:
        """Call the layer of the current call site again."""
        reply: Replay = self._worker.ask("replay", inputs=tuple(inputs), context=dict(context), inner=inner)
        return reply

    def attempt(self, mend: Patch, inputs: Sequence[Value], context: Mapping[str, str]) -> Replay:
        """Call the layer of the current call site again, changed for the time of this call."""
        reply: Replay = self._worker.ask("attempt", mend=mend, inputs=tuple(inputs), context=dict(context))
        return reply

    def mend(self, path: str, mend: Patch) -> None:
        """Change a layer for good, there."""
        self._worker.ask("mend", path=path, mend=mend)

    def facts(self, path: str) -> Facts | None:
        """What can be said of a layer without running it."""
        reply: Facts | None = self._worker.ask("facts", path=path)
        return reply

    def rest(self) -> None:
        """End the run and restore every variable, there."""
        self._worker.ask("rest")

    def close(self) -> None:
        """End the process and all that it started; safe to call twice."""
        self._worker.close()
