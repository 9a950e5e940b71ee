"""Plant, measure that the plant does something, compare, and hold what was said against what was planted."""

from __future__ import annotations

import contextlib
import dataclasses
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras.src.backend.common.masking import get_keras_mask
from plants import blamed, copy_of, walk

import tracer
from benchmarks.accuracy.faults import RAISED, Drawer, Fault
from benchmarks.accuracy.models import Made, build, inputs_of
from benchmarks.accuracy.parts import Change

# A layer's output has moved where it is further off than rounding: the bounds of one layer in docs/method.md.
ROUNDING = {"float32": 2e-6, "float16": 2**-9, "bfloat16": 2**-6}
_TRIES = 12


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a layer during a run of a model.

    Attributes:
        site: layer path, with calls.
        layer: that was called.
        args: as it was called.
        kwargs: likewise.
        output: of the call.
        masks: of its tensors as they were returned: a layer around it may hang others on the same tensors.
    """

    site: str
    layer: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    output: Any
    masks: tuple[Any, ...]


def calls_of(model: Any, inputs: Any, says: str = "") -> list[Call]:
    """Every layer call of a plain run, in the order in which they end; those before it where one raises.

    Args:
        model: what is run.
        inputs: as `inputs_of` makes them.
        says: words of what may raise; anything else that does is an error of the bench.
    """
    paths = {id(layer): path for path, layer in walk(model)}
    found: list[Call] = []
    running: list[str] = []  # the calls that a call is made within
    counts: Counter[str] = Counter()
    original = keras.layers.Layer.__call__

    def noted(self: Any, *args: Any, **kwargs: Any) -> Any:
        path = paths.get(id(self))
        if path is None:
            return original(self, *args, **kwargs)
        above, _, name = path.rpartition("/")
        site = f"{running[-1]}/{name}" if running and static(running[-1]) == above else path
        number, counts[site] = counts[site], counts[site] + 1
        running.append(f"{site}#{number}" if number else site)
        try:
            output = original(self, *args, **kwargs)
            found.append(Call(running[-1], self, args, kwargs, output, masks_of(output)))
        finally:
            running.pop()
        return output

    keras.layers.Layer.__call__ = noted
    try:
        model(_tensors(inputs), training=False)
    except ValueError as error:
        if not says or says not in str(error):
            raise
    finally:
        keras.layers.Layer.__call__ = original
    return found


def static(site: str) -> str:
    """The path of a call site's layer."""
    return re.sub(r"#\d+", "", site)


def _tensors(inputs: Any) -> Any:
    if isinstance(inputs, list):
        return [_tensors(each) for each in inputs]
    return keras.ops.convert_to_tensor(inputs.tolist() if inputs.dtype == object else inputs)


def arrays(output: Any) -> list[np.ndarray]:
    """The arrays of an output that are numbers."""
    flat = [a for a in keras.tree.flatten(output) if "string" not in str(getattr(a, "dtype", "string"))]
    return [np.asarray(keras.ops.convert_to_numpy(keras.ops.cast(a, "float64"))) for a in flat]


def masks_of(output: Any) -> tuple[Any, ...]:
    """The masks of an output's tensors."""
    return tuple(map(get_keras_mask, keras.tree.flatten(output)))


def moved(reference: Any, candidate: Any, masks: tuple[Any, ...] | None = None) -> float:
    """How far outputs are apart, in units of rounding in the reference's dtype; infinite for other masks or shapes.

    `masks` are the reference's, where they may have changed since.
    """
    worst = 0.0
    masks = masks_of(reference) if masks is None else masks
    if not all(_same_mask(*pair) for pair in zip(masks, masks_of(candidate), strict=True)):
        return float("inf")
    for a, b in zip(keras.tree.flatten(reference), keras.tree.flatten(candidate), strict=True):
        if tuple(a.shape) != tuple(b.shape):
            return float("inf")
        for x, y in zip(arrays(a), arrays(b), strict=True):
            scale = float(np.linalg.norm(x))
            error = float(np.linalg.norm(x - y)) / scale if scale else float(np.any(x != y))
            worst = max(worst, error / ROUNDING.get(keras.backend.standardize_dtype(a.dtype), 1e-300))
    return worst


def _same_mask(one: Any, other: Any) -> bool:
    if one is None or other is None:
        return one is other
    return bool(np.array_equal(keras.ops.convert_to_numpy(one), keras.ops.convert_to_numpy(other)))


class Bench:
    """One model and its copy, in which faults are planted one after the other."""

    def __init__(self, seed: int, number: int) -> None:
        self.seed, self.number = seed, number
        self.at = seed * 100_003 + number
        self.made, self.twin = build(self.at), build(self.at)
        self.inputs = inputs_of(self.made, self.at)
        self.reference = calls_of(self.made.model, self.inputs)
        self.drawer = Drawer(self.made, np.random.RandomState(self.at + 2))
        self.redrawn: Counter[str] = Counter()

    def results(self, singles: int, several: int) -> Iterator[dict[str, Any]]:
        """What came of all of them; the last one counts what was drawn again."""
        yield self._innocent("built twice", self.twin)
        yield from self._innocents()
        for count in [1] * singles + [2 + k % 2 for k in range(several)]:
            found = self._planted(count)
            if found is not None:
                yield found
        yield self._innocent("after all plants", self.twin)
        yield {"what": "redrawn", "counts": dict(self.redrawn)}

    # --- plants

    def _planted(self, count: int) -> dict[str, Any] | None:
        for _ in range(_TRIES):
            faults = self._draw(count)
            if faults is None:
                continue
            result = self._tried(faults)
            if result is not None:
                return result
            self.redrawn["several" if count > 1 else faults[0].kind] += 1
        return None

    def _draw(self, count: int) -> tuple[Fault, ...] | None:
        """So many faults in layers of their own, none of which raises or is too small where there are several."""
        faults: list[Fault] = []
        for _ in range(8 * count):
            fault = self.drawer.draw()
            taken = {path for each in faults for path in each.causes}
            if fault is None or taken & fault.causes.keys():
                continue
            if count > 1 and (fault.kind == "raises" or (fault.size or 1.0) < 1e-4):
                continue
            faults.append(fault)
            if len(faults) == count:
                return tuple(faults)
        return None

    def _tried(self, faults: tuple[Fault, ...]) -> dict[str, Any] | None:
        """None where one of the faults changes nothing."""
        changes = {name: change for fault in faults for name, change in fault.changes.items()}
        candidate = build(self.at, changes).model if changes else self.twin.model
        if set(dict(walk(candidate))) != self.drawer.layers.keys():
            return None  # the other wiring leaves a layer out of the graph
        if changes:  # a graph that is wired otherwise has its weights in another order
            for path, layer in walk(candidate):
                if path in self.drawer.weighted:
                    layer.set_weights(self.drawer.layers[path].get_weights())
                    if hasattr(layer, "finalize_state"):  # what it normalizes by is derived from its weights
                        layer.finalize_state()
        with contextlib.ExitStack() as stack:
            for fault in faults:
                if fault.planting is not None:
                    stack.enter_context(fault.planting(candidate))
            run = calls_of(candidate, self.inputs, RAISED)
            if any(f.sees_all for f in faults) and {c.site for c in run} != {c.site for c in self.reference}:
                return None  # or a call
            guilty = [self._guilty(fault, candidate, run) for fault in faults]
            if not all(each and max(each.values()) > 0 for each in guilty):
                return None
            report = tracer.diff(self.made.model, candidate, self.inputs)
        return self._judged(faults, guilty, report, run)

    def _guilty(self, fault: Fault, candidate: Any, run: list[Call]) -> dict[str, float]:
        """How far each call site of the fault's layers is off, in units of rounding; empty where one layer isn't."""
        found: dict[str, float] = {}
        mine = dict(walk(candidate))
        for path in fault.causes:
            here = {c.site: self._off(fault, c, mine[path], run) for c in self.reference if static(c.site) == path}
            outer, _, name = path.rpartition("/")
            if not here and type(mine.get(outer)).__name__ == "TimeDistributed":  # runs it unseen, and is nothing else
                calls = [call for call in self.reference if static(call.site) == outer]
                here = {f"{call.site}/{name}": self._off(fault, call, mine[outer], run) for call in calls}
            # Of several calls, the first alone gets another input; those behind it inherit that.
            here = {site: off for site, off in here.items() if off > 0 and (not fault.sees_all or site == path)}
            if not here:
                return {}
            found.update(here)
        return found

    def _off(self, fault: Fault, call: Call, layer: Any, run: list[Call]) -> float:
        if fault.sees_all:
            other = next((c.output for c in run if c.site == call.site), None)
            return moved(call.output, other) if other is not None else 0.0
        kwargs = {**call.kwargs, "training": False} if layer._call_has_training_arg else call.kwargs
        if fault.kind == "raises":
            return float("inf") if _raises(layer, call, kwargs) else 0.0
        return moved(call.output, layer(*call.args, **kwargs), call.masks)

    def _judged(
        self, faults: tuple[Fault, ...], guilty: list[dict[str, float]], report: Any, run: list[Call]
    ) -> dict[str, Any]:
        expected = {site for each in guilty for site in each}
        causes = {site: f.causes[static(site)] for f, each in zip(faults, guilty, strict=True) for site in each}
        sides = {site: f.side for f, each in zip(faults, guilty, strict=True) for site in each}
        said = blamed(report)
        clear = min(off for each in guilty for off in each.values()) > 1
        return {
            "what": "plant", "model": self.number, "form": self.made.form, "start": self.made.start,
            "policy": self.made.policy, "kinds": [f.kind for f in faults], "sizes": [f.size for f in faults],
            "clear": clear, "found": expected <= set(said), "layer": expected == set(said),
            "others": sorted(set(said) - expected),
            "cause": expected == set(said) and all(_cause_fits(causes, faults, f) for f in report.faults),
            "side": expected == set(said) and all(str(f.side) == sides[f.layer] for f in report.faults),
            "proof": bool(said) and all(f.proof is not None and f.proof.holds for f in report.faults),
            "unproved": sum(f.proof is None for f in report.faults),
            "expected": sorted(expected), "off": min(off for each in guilty for off in each.values()),
            "said": [f"{f.layer}: {f.cause} ({f.side})" for f in report.faults],
            **{f"rival {name}": site in expected for name, site in self._rivals(run).items()},
        }  # fmt: skip

    def _rivals(self, run: list[Call]) -> dict[str, str]:
        """The layer that each of the two usual ways would name; "" for none."""
        theirs = {call.site: call.output for call in run}
        first, largest, named = "", 0.0, ""
        for call in self.reference:
            if call.site not in theirs:
                continue
            for a, b in zip(arrays(call.output), arrays(theirs[call.site]), strict=False):
                same_shape = a.shape == b.shape
                if not first and not (same_shape and np.allclose(b, a)):
                    first = call.site
                apart = float(np.max(np.abs(a - b), initial=0.0)) if same_shape else float("inf")
                if apart > largest:
                    largest, named = apart, call.site
        return {"allclose": first, "largest": named}

    # --- innocents

    def _innocents(self) -> Iterator[dict[str, Any]]:
        yield self._innocent("other inputs", self.twin, inputs_of(self.made, self.at + 1, batch=2))
        names = [p for p in self.drawer.layers if "/" not in p and p in self.made.options]
        named = names[self.at % len(names)]
        yield self._innocent("a layer renamed", build(self.at, {named: Change(renamed=f"layer_of_{named}")}))
        yield self._innocent("a layer without its name", build(self.at, {named: Change(renamed="")}))
        if self._copies():
            copied = dataclasses.replace(self.made, model=copy_of(self.made.model))
            yield self._innocent("copied by its configuration", copied)

    def _copies(self) -> bool:
        standard = all(type(layer).__module__.startswith("keras.") for layer in self.drawer.layers.values())
        return standard and self.made.form != "subclassed"

    def _innocent(self, what: str, candidate: Made, inputs: Any = None) -> dict[str, Any]:
        report = tracer.diff(self.made.model, candidate.model, self.inputs if inputs is None else inputs)
        named = [f"{fault.layer}: {fault.cause}" for fault in (*report.faults, *report.hidden)]
        # Nothing is paired by resemblance: another name that somebody gave is told, and is no fault.
        accused = not report.matches or bool(report.faults) or (bool(named) and what != "a layer renamed")
        found = {"what": "innocent", "kind": what, "model": self.number, "accused": accused, "said": named}
        return {**found, "form": self.made.form, "start": self.made.start, "policy": self.made.policy,
                "status": str(report.status)}  # fmt: skip


def _raises(layer: Any, call: Call, kwargs: Mapping[str, Any]) -> bool:
    try:
        layer(*call.args, **kwargs)
    except ValueError:
        return True
    return False


def _cause_fits(causes: Mapping[str, str], faults: tuple[Fault, ...], fault: Any) -> bool:
    """A layer that raises has to be told as such, whatever the cause."""
    if any(f.kind == "raises" and static(fault.layer) in f.causes for f in faults):
        return any("can't run here" in e.detail for e in fault.evidence)
    return str(fault.cause) == causes[fault.layer]
