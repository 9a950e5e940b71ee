"""Models of the fake kind: a source that follows a script, without Keras, and honestly.

A script is a tuple of `Step`s, run in order.  What a step returns follows from what it is given, so that other outputs
put in at one step are seen in all behind it, and a replay on other inputs gives other outputs:

    model = (Step("a"), Step("b", gain=2.0), Step("c", ("a", "b")))          # c adds up what a and b return
    trace = lockstep(ScriptedSource(model), ScriptedSource(changed(model, "b", gain=3.0)), INPUTS)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Generator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from script_steps import Script, Step, changed, from_text, to_text

from tracer.core.comparison.alignment import all_paths, static_path, translated
from tracer.core.source import Array, Call, End, Facts, Outline, Patch, Replay, Value
from tracer.errors import ModelError

__all__ = [
    "INPUTS", "Script", "ScriptedSource", "Step", "StepError", "Tensor", "changed", "from_text", "paths_of", "to_text",
    "token", "value",
]  # fmt: skip

ROWS, COLUMNS = 3, 100  # more numbers than a glance falls on
INPUTS = np.linspace(-1.0, 2.0, ROWS * COLUMNS, dtype="float32").reshape(ROWS, COLUMNS)
Run = Generator[Call, Sequence[Value] | None, tuple[Value, ...]]


class Tensor:
    """A live tensor of this fake backend."""

    def __init__(self, array: Array) -> None:
        self.array = array


class StepError(Exception):
    """What a step raises."""


def value(array: Array, mask: Array | None = None, *, sparse: bool = False) -> Value:
    """A value of this process."""
    return Value(array=array, mask=mask, sparse=sparse, native=Tensor(array))


class ScriptedSource:
    """A script as a source; see the module's text, and `tracer.core.source.Source` for the way it is driven."""

    def __init__(self, script: Script, spec: str = "scripted", backend: str = "numpy") -> None:
        self.spec = spec
        self.environment: Mapping[str, str] = {"keras": "0.0.0", "backend": backend, backend: "1"}
        self.outline = _outline("scripted", script)
        self.asked: list[str] = []  # what was done with it, in order
        self._script = script
        self._names: Mapping[str, str] = {}
        self._run: Run | None = None
        self._put: Sequence[Value] | None = None
        self._stops: Collection[str] | None = None
        self._at: tuple[Step, str, tuple[Value, ...]] | None = None

    def rename(self, names: Mapping[str, str]) -> None:
        """Report layer paths in the other side's names."""
        self._names = dict(names)

    def seeds(self) -> Mapping[str, Array]:
        """A script draws nothing."""
        return {}

    def prepare(self, inputs: Any, *, training: bool) -> bool:
        """A script is always built."""
        del inputs, training
        return False

    def begin(
        self, inputs: Any, *, training: bool,
        seeds: Mapping[str, Array] | None = None, stops: Collection[str] | None = None,
    ) -> None:  # fmt: skip
        """Start a run."""
        del seeds
        self.rest()
        self.asked.append("begin")
        self._stops = stops
        self._training, self._evaluated = training, Counter[str]()
        self._run = self._model({"x": (value(np.asarray(inputs)),)})

    def receive(self) -> Call | End:
        """The next call, or the end."""
        if self._run is None:
            raise ModelError(f"{self.spec}: not running")
        put, self._put = self._put, None
        try:
            call = self._run.send(put)
            while self._stops is not None and call.path not in self._stops:
                call = self._run.send(None)
            return call
        except StopIteration as end:
            self._at = None
            wiring = tuple(self._label(name) for name in (self._last(),))
            return End(outputs=end.value, wiring=wiring)
        except StepError as error:
            self.rest()
            raise ModelError(f"the model failed: {error}") from error

    def proceed(self, outputs: Sequence[Value] | None = None) -> None:
        """Go on."""
        self._here("proceed")
        self.asked.append("proceed")
        self._at, self._put = None, outputs

    def replay(
        self, inputs: Sequence[Value], context: Mapping[str, str],
        inner: Mapping[str, tuple[Value, ...]] | None = None,
    ) -> Replay:  # fmt: skip
        """Evaluate the current step again."""
        step, path, _ = self._here("replay")
        self.asked.append(f"replay {path}")
        return self._again(step, path, tuple(inputs), context, inner)

    def attempt(self, mend: Patch, inputs: Sequence[Value], context: Mapping[str, str]) -> Replay:
        """Evaluate the current step again, with another weight or attribute."""
        step, path, _ = self._here("attempt")
        self.asked.append(f"attempt {path}")
        weights = {name: float(array) for name, array in mend.weights.items()}
        return self._again(replace(step, **weights, **mend.attributes), path, tuple(inputs), context, None)

    def facts(self, path: str) -> Facts | None:
        """Weight, attribute and configuration of a step."""
        step = self._find(path)
        if step is None:
            return None
        config = {
            "outputs": step.outputs,
            "mask": step.mask,
            "sparse": step.sparse,
            "training_gain": step.training_gain,
        }
        return Facts(
            class_name="scripted.Step", config=config, weights={"gain": np.float32(step.gain)},
            state={"offset": step.offset, "speck": step.speck, "hands": step.hands}, policy={}, arguments=tuple(config),
        )  # fmt: skip

    def rest(self) -> None:
        """End the run."""
        self._run = self._put = self._at = None

    def close(self) -> None:
        """`rest`."""
        self.rest()

    # ------------------------------------------------------------------ running

    def _here(self, what: str) -> tuple[Step, str, tuple[Value, ...]]:
        if self._at is None:
            raise ModelError(f"{self.spec}: {what} is asked of it, and it doesn't stand at a call site")
        return self._at

    def _model(self, env: dict[str, tuple[Value, ...]]) -> Run:
        previous, outputs = "x", env["x"]
        for step in self._script:
            outputs = yield from self._step(step, env, previous, box="")
            env[step.path], previous = outputs, step.path
        return outputs

    def _step(self, step: Step, env: Mapping[str, tuple[Value, ...]], previous: str, box: str) -> Run:
        raw = f"{box}/{step.path}" if box else step.path
        names = step.inputs or (previous,)
        inputs = tuple(_argument(i, name, env) for i, name in enumerate(names))
        path = translated(raw, self._names)
        context = {**step.context, **({"training": "true"} if self._training else {})}
        try:
            made = (yield from self._box(step, raw, inputs)) if step.inside else inputs
            outputs, error = self._compute(step, path, made, context), ""
        except StepError as raised:
            outputs, error = (), str(raised)
        self._training = self._training or step.leaks
        self._at = step, path, inputs
        wiring = None if box or step.tangled else tuple(self._label(name) for name in names)
        put = yield Call(
            path=path, class_name="Step", box=translated(box, self._names), is_box=bool(step.inside), inputs=inputs,
            outputs=outputs, context=context, training_after="true" if self._training else "", wiring=wiring,
            compute_dtype="float32", error=error,
        )  # fmt: skip
        if put is None and error:
            raise StepError(error)
        return outputs if put is None else tuple(replace(v, native=Tensor(v.array)) for v in put)

    def _box(self, step: Step, raw: str, inputs: tuple[Value, ...]) -> Run:
        env, previous, outputs = {"in": _handed(step, inputs)}, "in", inputs[:1]
        for inner in step.inside:
            outputs = yield from self._step(inner, env, previous, box=raw)
            env[inner.path], previous = outputs, inner.path
        return outputs[:1]

    def _compute(
        self, step: Step, path: str, inputs: tuple[Value, ...], context: Mapping[str, str]
    ) -> tuple[Value, ...]:
        self._evaluated[path] += 1
        if step.error:
            raise StepError(step.error)
        with np.errstate(all="ignore"):
            return self._numbers(step, path, inputs, context)

    def _numbers(
        self, step: Step, path: str, inputs: tuple[Value, ...], context: Mapping[str, str]
    ) -> tuple[Value, ...]:
        total = np.zeros_like(INPUTS) + sum(v.array for v in inputs)
        total = total * step.gain + step.offset + float(context.get("shift", 0)) + step.drift * self._evaluated[path]
        if context.get("training"):
            total = total * step.training_gain
        mask = inputs[0].mask if inputs else None
        if step.heeds_mask and mask is not None:
            total = total * mask[:, None]
        total = total.astype("float32")
        total[0, 1] += np.float32(step.speck)
        made = {"keep": mask, "drop": None, "make": total[:, 0] > 0, "other": total[:, 0] > 0.5}[step.mask]
        return tuple(value(total + np.float32(k), made, sparse=step.sparse) for k in range(step.outputs))

    def _again(
        self, step: Step, path: str, inputs: tuple[Value, ...], context: Mapping[str, str],
        inner: Mapping[str, tuple[Value, ...]] | None,
    ) -> Replay:  # fmt: skip
        seen: dict[str, tuple[tuple[Value, ...], Mapping[str, str]]] = {}
        try:
            made = self._box_again(step, path, inputs, context, inner or {}, seen) if step.inside else inputs
            return Replay(outputs=self._compute(step, path, made, context), inner=seen)
        except StepError as error:
            return Replay(outputs=(), inner=seen, error=str(error))

    def _box_again(
        self, step: Step, path: str, inputs: tuple[Value, ...], context: Mapping[str, str],
        forced: Mapping[str, tuple[Value, ...]], seen: dict[str, tuple[tuple[Value, ...], Mapping[str, str]]],
    ) -> tuple[Value, ...]:  # fmt: skip
        env, previous, outputs = {"in": _handed(step, inputs)}, "in", inputs[:1]
        for inner in step.inside:
            below = f"{path}/{inner.path}"
            given = tuple(_argument(i, name, env) for i, name in enumerate(inner.inputs or (previous,)))
            if below in forced:
                seen[below], outputs = (given, inner.context), forced[below]
            else:
                made = self._box_again(inner, below, given, context, forced, seen) if inner.inside else given
                outputs = self._compute(inner, below, made, {**context, **inner.context})
            env[inner.path], previous = outputs, inner.path
        return outputs[:1]

    # ------------------------------------------------------------------ names

    def _label(self, name: str) -> str:
        return "<input 0>" if name == "x" else translated(name, self._names)

    def _last(self) -> str:
        return self._script[-1].path if self._script else "x"

    def _find(self, path: str) -> Step | None:
        wanted, queue = static_path(path), [(step, step.path) for step in self._script]
        for step, raw in queue:  # grows as it goes
            if static_path(translated(raw, self._names)) == wanted:
                return step
            queue += [(inner, f"{raw}/{inner.path}") for inner in step.inside]
        return None


class Away(ScriptedSource):
    """The same as if it ran in another process: what comes of it are arrays alone."""

    def receive(self) -> Call | End:
        """See there."""
        message = super().receive()
        if isinstance(message, End):
            return replace(message, outputs=_sent(message.outputs))
        return replace(message, inputs=_sent(message.inputs), outputs=_sent(message.outputs))

    def replay(
        self, inputs: Sequence[Value], context: Mapping[str, str],
        inner: Mapping[str, tuple[Value, ...]] | None = None,
    ) -> Replay:  # fmt: skip
        """See there."""
        replay = super().replay(inputs, context, inner)
        return replace(replay, outputs=_sent(replay.outputs))


def _sent(values: Sequence[Value]) -> tuple[Value, ...]:
    return tuple(replace(each, native=None) for each in values)


def _argument(position: int, name: str, env: Mapping[str, tuple[Value, ...]]) -> Value:
    """An earlier output, as an argument; where there is none (yet), the last there is, or what came in."""
    path, _, index = name.partition(":")
    found = env.get(path) or env["x" if "x" in env else "in"]
    return replace(found[min(int(index or 0), len(found) - 1)], name=f"args[{position}]")


def _handed(step: Step, inputs: tuple[Value, ...]) -> tuple[Value, ...]:
    first = inputs[0]
    if not step.hands:
        return (first,)
    return (value((first.array + np.float32(step.hands)).astype("float32"), first.mask, sparse=first.sparse),)


def _outline(name: str, script: Script) -> Outline:
    layers: dict[str, Script] = {}
    for step in script:
        layers.setdefault(static_path(step.path), step.inside)
    children = tuple(_outline(path, inside) for path, inside in layers.items())
    return Outline(name=name, class_name="Step", base="step", children=children)


def token(tensor: object) -> tuple[int, int] | None:
    """See `tracer.worker.Opening`."""
    return (id(tensor), 0) if isinstance(tensor, Tensor) else None


def paths_of(script: Script) -> frozenset[str]:
    """Layer paths of all steps, without calls."""
    return all_paths(_outline("scripted", script))
