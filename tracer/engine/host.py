"""Models by specification, live: what a worker does on request, and the command line does without one."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import FunctionType
from typing import Any

import keras

from tracer.core.feed import Feed
from tracer.core.formats import FORMATS
from tracer.core.golden import fingerprint
from tracer.core.layer.holdings import Holding, Place
from tracer.core.layer.optimizer import Restored
from tracer.core.memory import Footprint
from tracer.core.source import Array, Arrays, Facts
from tracer.core.spec import ModelSpec
from tracer.engine import compat, losses
from tracer.engine.inputs import given, lengths
from tracer.engine.layer import facts, identity, needed, optimizer
from tracer.engine.layer.holdings import Holdings
from tracer.engine.model import build, footprint, health, places, precision, saving, seeded, shipping
from tracer.engine.run.live import LiveSource
from tracer.errors import ModelError, TracerError
from tracer.files import contents
from tracer.progress import Progress
from tracer.records import Finding
from tracer.system import installed


def _registered_in(layers: Iterable[keras.Operation]) -> Iterator[type | FunctionType]:
    """Functions, and classes of objects, that layers hold and that are known to Keras by being registered alone."""
    held = [value for layer in layers for value in vars(layer).values()]
    made: set[type | FunctionType] = {type(value) for value in held}
    made.update(value for value in held if type(value) is FunctionType)
    return (each for each in made if ">" in keras.saving.get_registered_name(each))


class LiveHost(LiveSource):
    """A live source that can also save its model and make inputs for it.

    Args:
        model: a Keras model.
        spec: what it is, in words.
        uncompiled: why it wasn't compiled in loading, where it should have been.
    """

    _held: Holdings | None = None

    def __init__(self, model: Any, spec: str, uncompiled: str = "") -> None:
        super().__init__(model, spec)
        self._uncompiled = uncompiled
        # A library that layers come from is a part of what computes, as Keras is.
        libraries = installed.distributions_of(module.partition(".")[0] for module in self.modules())
        self.environment = {**self.environment, **installed.versions(libraries)}

    @property
    def process(self) -> int:
        """Id of the process that the model is in."""
        return os.getpid()

    def footprint(self, batch: int) -> Footprint | None:
        """What a run with so many samples will need; None where that can't be foreseen."""
        return footprint.footprint(self._model, batch)

    def save(self, folder: str, format: str) -> None:
        """Write the model into an empty folder, in one of `formats()`."""
        saving.save(self._model, Path(folder), format)

    def formats(self) -> tuple[str, ...]:
        """Formats that the model can be saved in."""
        return saving.supported(self._model)

    def duplicate(self, format: str) -> LiveHost:
        """A source of a second model, made from this one without leaving the process."""
        made = saving.duplicate(self._model, format)
        return LiveHost(made, f"{self.spec}, by {FORMATS[format].words}")

    def seed(self, seed: int) -> None:
        """Fill the float weights with seeded values, which keep a signal alive."""
        seeded.seed_weights(self._model, seed)

    def configuration(self) -> Mapping[str, object]:
        """Class and configuration of the model, as plain JSON types.

        Raises:
            ModelError: if a layer of the user's can't say what it is made of.
        """
        try:
            return compat.dialect().serialize_model(self._model)
        except Exception as error:  # the user's own code, which may raise anything
            raise ModelError(f"{self.spec}: its configuration can't be read: {compat.reason(error)}") from error

    def modules(self) -> tuple[str, ...]:
        """Modules outside Keras that define layers, or register what these hold: who loads it must import them."""
        layers = self._tree.all_layers().values()
        registered = (made.__module__ for made in _registered_in(layers))
        found = {*(type(layer).__module__ for layer in layers), *registered}
        return tuple(sorted(name for name in found if name.split(".")[0] not in ("keras", "builtins")))

    def by_value(self) -> bytes:
        """What the model needs of `__main__`, packed for a fresh process; empty where it needs nothing of it.

        Raises:
            ModelError: if it can't be sent there.
        """
        return shipping.pack(self._tree)

    def deriving(self) -> tuple[str, ...]:
        """Layer paths of the layers that derive state from their weights (`finalize_state`)."""
        layers = self._tree.all_layers().items()
        return tuple(path for path, layer in layers if path and facts.derives_state(layer))

    def fresh_state(self, path: str) -> Mapping[str, object]:
        """What a layer's attributes are before it is given weights: of one made anew from its configuration."""
        layer = self._tree.find(path, {})
        if layer is None:
            raise ModelError(f"{self.spec}: no layer {path!r}.")
        fresh = type(layer).from_config(layer.get_config())
        fresh.build_from_config(layer.get_build_config())
        return facts.state(fresh)

    def make_inputs(self, path: str | None, *, seed: int, batch: int) -> Feed:
        """Inputs from a file, all of them, or seeded ones that the model can be run on."""
        if path is not None:
            return given.load_inputs(self._model, path)
        return lengths.feed_seeded(self._model, seed=seed, batch=batch, runs=self.runs)

    def fit_inputs(self, value: Arrays) -> Feed:
        """Arrays given by the caller, checked against the signature."""
        return given.fit_inputs(self._model, value)

    def fingerprints(
        self,
        inputs: Arrays,
        *,
        training: bool | None = False,
        detail: bool = False,
        digest_limit: int = fingerprint.DIGEST_LIMIT,
        progress: Progress | None = None,
    ) -> tuple[fingerprint.Site, ...]:
        """Run once and keep a fingerprint of every output; see `tracer.core.golden.fingerprint.collect`."""
        self.prepare(inputs, training=training)
        return fingerprint.collect(
            self, inputs, training=training, detail=detail, digest_limit=digest_limit, progress=progress
        )

    def compile(self, compiling: Mapping[str, object]) -> None:
        """Compile the model, for what it is saved with; see `tracer.engine.losses.compile_model`."""
        try:
            losses.compile_model(self._model, compiling)
        except Exception as error:  # whatever Keras says of a setting that it doesn't take
            raise ModelError(f"{self.spec}: it can't be compiled: {compat.reason(error)}") from error

    def losses(self, compiling: Mapping[str, object], inputs: Arrays) -> Mapping[str, float]:
        """The losses on one batch, by name; see `tracer.engine.losses.losses`.

        Raises:
            ModelError: if they can't be computed.
        """
        try:
            return losses.losses(self._model, compiling, inputs)
        except Exception as error:  # code of losses, which may raise anything
            raise ModelError(f"{self.spec}: its losses can't be computed: {compat.reason(error)}") from error

    def identities(self) -> Mapping[str, fingerprint.Identity]:
        """What every layer is, apart from what it computes: digest of its weights, and its settings, by layer path."""
        return identity.identities(self._tree, self._names)

    def holdings(self) -> Mapping[str, Holding]:
        """What every layer holds, by layer path: its variables, and a digest of how it is set."""
        self._held = Holdings(self._tree, self._names)
        return self._held.told()

    def weight_values(self, batches: Sequence[Sequence[Place]]) -> Iterator[tuple[Array, ...]]:
        """Elements of the variables that `holdings` told of, flat; views where the backend allows."""
        return map(self.values_at, batches)

    def values_at(self, places: Sequence[Place]) -> tuple[Array, ...]:
        """One batch of `weight_values`.

        Raises:
            ModelError: if nobody has asked for the holdings yet.
        """
        return self._known().values(places)

    def settings(self, paths: Sequence[str], *, rebuilt: bool = False) -> Mapping[str, Facts]:
        """Facts of layers that `holdings` told of; see `tracer.core.layer.holdings.Holder`."""
        return self._known().settings(paths, rebuilt=rebuilt)

    def optimizer(self) -> Restored:
        """The state of the model's optimizer; none of one that has made no step."""
        return Restored(reason=self._uncompiled) if self._uncompiled else optimizer.state_of(self._model)

    def training_modules(self) -> tuple[str, ...]:
        """Modules outside Keras that the optimizer, losses and metrics come from."""
        return optimizer.modules_of(self._model)

    def findings(self) -> tuple[Finding, ...]:
        """What can be said against the model without another one; derives the state of its layers anew."""
        return (*health.implausible(self._tree), *health.unadapted(self._tree), *health.stale(self._tree))

    def untrained(self) -> tuple[str, ...]:
        """A sentence for each class of layers that look untrained."""
        return tuple(health.untrained(self._tree))

    def stored(self) -> dict[str, contents.Stored]:
        """What stands for the values of the weights, by layer path and name."""
        return {
            f"{path}/{variable.path}": contents.stored(compat.to_numpy(variable.value))
            for path, layer in self._tree.all_layers().items()
            for variable in (*layer._trainable_variables, *layer._non_trainable_variables)
        }

    def described(self) -> dict[str, object]:
        """Values of the model's configuration, as a `.keras` file would have it, by path.

        Raises:
            ModelError: if Keras can't say it.
        """
        return contents.leaves(saving.configuration(self._model).decode())

    def owner(self, path: str) -> str:
        """Layer path of the layer whose array is at a path of a `.keras` file; "" where none can be told."""
        return places.owner(self._model, path)

    def classes(self) -> frozenset[str]:
        """Names of the classes of all layers."""
        return frozenset(type(layer).__name__ for layer in self._tree.all_layers().values())

    def _known(self) -> Holdings:
        if self._held is None:
            raise ModelError(f"{self.spec}: ask for its holdings first.")
        return self._held


def from_model(model: Any, spec: str = "") -> LiveHost:
    """A source of a model that is already there.

    Raises:
        ModelError: if it isn't a Keras model.
    """
    if not isinstance(model, keras.Model):
        raise ModelError(f"a Keras model is needed, or a specification of one; received {type(model).__name__}.")
    return LiveHost(model, spec or f"{type(model).__name__} {model.name!r}")


def from_spec(
    spec: ModelSpec,
    *,
    custom_objects: Sequence[str] = (),
    seed: int = 0,
    image_size: int | None = None,
    float64: bool | None = None,
    weights: str | None = None,
    trust: bool = False,
) -> LiveHost:
    """Build what a specification names, in this process.

    Args:
        spec: what to build.
        custom_objects: see `tracer.engine.model.build.build`.
        seed: of seeded weights.
        image_size: of an application's input; None for its native resolution.
        weights: see `tracer.engine.model.build.build`.
        float64: in float64 (True) or float32 (False), which then holds for this process; None for what it has.
        trust: see `tracer.engine.model.build.build`.
    """
    if float64 is not None:
        precision.use("float64" if float64 else "float32")
    model = build.build(
        spec, custom_objects=custom_objects, seed=seed, weights=weights, image_size=image_size, trust=trust
    )
    if float64:  # a file or a callable may say float32 by itself
        model = precision.sharpen(model) if spec.kind == "application" else precision.rebuilt(model)
    return LiveHost(model, spec.text)


def from_config(config: Mapping[str, Any], *, custom_objects: Sequence[str] = (), trust: bool = False) -> LiveHost:
    """A model as a configuration of Keras 3 says, with fresh weights; see `tracer.engine.model.saving.rebuild`."""
    return LiveHost(saving.rebuild(config, custom_objects=custom_objects, trust=trust), "the migrated model")


def from_configuration(file: str, *, custom_objects: Sequence[str] = ()) -> LiveHost:
    """A model as its file describes it, with fresh weights.

    Raises:
        ModelError: if Keras can't make it.
    """
    with compat.dialect().custom_objects_scope(build.custom_objects_in(custom_objects)), compat.dialect().fresh_names():
        description, format = contents.description(Path(file))
        return LiveHost(saving.made_of(description, format), f"{file}, without its weights")


def missing_settings(file: str, *, custom_objects: Sequence[str] = ()) -> tuple[Finding, ...]:
    """Settings that a file doesn't have, and that the classes of its layers can't be made without.

    Raises:
        ModelError: if the file is damaged.
    """
    return tuple(needed.missing(contents.description(Path(file))[0], build.custom_objects_in(custom_objects)))


def from_saved(
    folder: str,
    format: str,
    *,
    custom_objects: Sequence[str] = (),
    by_value: bytes = b"",
    trust: bool = False,
    training: Sequence[str] | None = None,
) -> LiveHost:
    """Load what `LiveHost.save` wrote.

    Args:
        folder: that it is in.
        format: that it was saved in.
        custom_objects: modules to import first.
        by_value: comes from the process that started this one, and from no file.
        trust: also the Python code of Lambda layers.
        training: load it with its optimizer, where that can be; to that end, modules to import where they can be.
    """
    # A process loads several models, one after the other, and none may see the names of those before it.
    known = {**build.custom_objects_in(custom_objects), **shipping.unpack(by_value)}
    words = f"the same, saved as {format} and loaded"
    with compat.dialect().custom_objects_scope(known), compat.dialect().fresh_names():
        if training is None:
            return LiveHost(saving.load(Path(folder), format, trust=trust), words)
        with compat.dialect().custom_objects_scope(_importable(training)):
            model, uncompiled = saving.load_compiled(Path(folder), format, trust=trust)
        return LiveHost(model, words, uncompiled)


def _importable(modules: Sequence[str]) -> dict[str, object]:
    """What the modules define that can be imported; of what is missing, loading speaks by itself."""
    found: dict[str, object] = {}
    for name in modules:
        with contextlib.suppress(TracerError):
            found.update(build.custom_objects_in((name,)))
    return found
