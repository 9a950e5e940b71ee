"""From results to figures, and from figures to the page."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

ASKED = ("found", "layer", "cause", "side", "proof")
RIVALS = ("rival allclose", "rival largest")
_MISSES = 60  # that the page lists


def wilson(right: int, total: int, z: float = 1.96) -> tuple[float, float]:
    """The 95 % interval of a rate: Wilson's, which holds near 0 and 1 as well."""
    if not total:
        return 0.0, 1.0
    rate, square = right / total, z * z / total
    middle = (rate + square / 2) / (1 + square)
    half = z / (1 + square) * math.sqrt(rate * (1 - rate) / total + square / (4 * total))
    return max(0.0, middle - half), min(1.0, middle + half)


def summed(results: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The figures: counts by row, all misses, and everybody who was accused."""
    plants = [r for r in results if r["what"] == "plant"]
    innocents = [r for r in results if r["what"] == "innocent"]
    rows: dict[str, dict[str, Counter[str]]] = defaultdict(lambda: defaultdict(Counter))
    for plant in plants:
        for section, name in _rows_of(plant):
            rows[section][name]["total"] += 1
            rows[section][name]["proofs"] += bool(plant["said"]) and not plant["unproved"]
            rows[section][name].update({key: int(plant[key]) for key in (*ASKED, *RIVALS)})
    return {
        "models": len({(r["seed"], r["number"]) for r in results if r["what"] != "failed"}),
        "failed": [_picked(r, "seed", "number", "error") for r in results if r["what"] == "failed"],
        "plants": len(plants),
        "rows": {section: {name: dict(row) for name, row in sorted(named.items())} for section, named in rows.items()},
        "redrawn": dict(sum((Counter(r["counts"]) for r in results if r["what"] == "redrawn"), Counter())),
        "innocents": dict(Counter(r["kind"] for r in innocents)),
        "accused": [_picked(r, "seed", "number", "kind", "said", "status") for r in innocents if _is_accused(r)],
        "inconclusive": sum(r["status"] == "inconclusive" for r in innocents),
        "misses": [_missed(plant) for plant in plants if _is_missed(plant)],
    }


def _is_accused(innocent: Mapping[str, Any]) -> bool:
    """A comparison that shows nothing, as of a dead signal, says so, and blames nobody."""
    return bool(innocent["accused"]) and innocent["status"] != "inconclusive"


def _picked(result: Mapping[str, Any], *keys: str) -> dict[str, Any]:
    return {key: result[key] for key in keys}


def _rows_of(plant: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    kinds, (size, *_) = plant["kinds"], plant["sizes"]
    if not plant["clear"]:
        yield "below", "moves less than rounding"
        return
    if len(kinds) > 1:
        yield "together", "two faults" if len(kinds) == 2 else "three faults"
        yield "together", "two or three faults"
        return
    yield "kind", kinds[0]
    if size is not None:
        yield "size", f"{size:.0e}"
    if size is None or size >= 1e-4:
        yield "kind", "all single faults, weights from 1e-4"
    yield "form", plant["form"]
    yield "start", plant["start"]
    yield "policy", plant["policy"]


def _is_missed(plant: Mapping[str, Any]) -> bool:
    if not plant["clear"]:
        return bool(plant["others"])
    proved = plant["proof"] or plant["unproved"]
    return not (all(plant[key] for key in ASKED[:-1]) and proved)


def _missed(plant: Mapping[str, Any]) -> dict[str, Any]:
    wrong = [key for key in ASKED if not plant[key]]
    return {**_picked(plant, "seed", "number", "kinds", "expected", "said"), "wrong": wrong}


# --- the page

_HEAD = """# Accuracy

Is the right layer blamed? This page is generated from a run on random models:

```sh
python -m benchmarks.accuracy                    # measure; a run that was stopped goes on
python -m benchmarks.accuracy --render RAW…      # write this page from what was measured
python -m benchmarks.accuracy --seed N --model K # one model again, with all that was planted in it
```

Small Keras models are drawn from a seed: graphs, `Sequential`, subclassed models, models and layers within models,
shared layers, several inputs and outputs, masks, recurrent layers, attention, text and normalization, half
precision, and custom layers with state in a number, an array, an object and a `tf.Variable`. Faults are planted one
after the other in a copy, and `tracer.diff` compares the two. Before it does, the bench calls the layer with the
fault on the inputs that it gets in the reference. **A fault that doesn't change what its layer returns there
(output or mask) proves nothing: it is drawn again**, and that is counted. A fault that changes it by less than
rounding (2e-6 in float32, two units in the last place in half precision) has a row of its own, and in it only a
blame of another layer is wrong.
"""
_COLUMNS = """
| | plants | found | exactly these | 95 % | cause, too | side, too | proof holds | first not `allclose` | largest |
|---|---|---|---|---|---|---|---|---|---|"""
_MEANING = """
*Found*: the guilty layers are among those blamed. *Exactly these*: and no others; its 95 % interval is Wilson's.
*Cause* and *side*: right for every one of them. *Proof holds*: where each of them could be proved; no proof can be
made where a layer raises or returns another shape. The last two columns are what is usually done instead, on the
same runs: the first layer, in the order in which they run, whose output fails `np.allclose`, and the layer with the
largest absolute difference; right where that is one of the guilty.
"""
_NOT_COVERED = """
## How these figures came about

They are of one run with a seed that hadn't been used before: every model was drawn and compared once, and nothing was
run again, whatever came of it. What a model and its faults are follows from the seed and the number alone.

While the bench was written, with other seeds, it found defects of the tracer, which are mended: a layer that is called
on its own output and came back under another name was told as two layers; a model inside another one that gets a mask
from the graph ended the comparison in an internal error; text was refused as the input of a subclassed model that also
has a layer for ids; a right blame of a mask that isn't handed on wasn't proved; what a layer of layers does to the call
context was blamed on the first layer that it calls; layers inside a `Bidirectional` weren't paired under other numbers;
the dtype of a layer inside a `TimeDistributed` was told as its weights. Whatever else was missed then were wrong
plants, such as weights that moved with the wiring, or a layer that was to raise and isn't called.

Four of the five misses of this run are of one kind: a layer of layers calls what is inside in training, and one of the
layers that this changes is wrong by itself as well. That one was blamed, and who calls it so wasn't. The fifth is a
right blame whose proof didn't hold, of a layer that is called twice. All five were the tracer's; they have been mended
since, and these plants are told and proved now.

## What isn't covered

TensorFlow, eagerly, on a CPU, in one process and one release of Keras: no files, no two releases, no quantization. The
models are small, of 4 to 25 layers, with 3 samples of random inputs. Beside this run, with another seed: on JAX 128
plants in 8 models and 43 innocent pairs, on torch 400 plants in 25 models and 133 innocent pairs; no miss, and nobody
was accused.
"""


def rendered(figures: Mapping[str, Any]) -> str:
    """The page."""
    innocents, accused = figures["innocents"], figures["accused"]
    low, high = wilson(len(accused), sum(innocents.values()))
    parts = [
        _HEAD,
        f"\n{figures['plants']} plants in {figures['models']} models; {sum(innocents.values())} innocent pairs, "
        f"of which {len(accused)} were accused (95 %: {low:.2%} … {high:.2%}) and {figures.get('inconclusive', 0)} "
        "inconclusive, since their signal is dead.\n",
        "\n## By kind\n", _COLUMNS, *_table(figures, "kind"), "\n", _MEANING,
    ]  # fmt: skip
    for section, title in (
        ("size", "By relative size of the change in weights"), ("together", "Several at once"),
        ("form", "By form of the model"), ("start", "By what the model takes"), ("policy", "By dtype policy"),
        ("below", "Less than rounding"),
    ):  # fmt: skip
        if section in figures["rows"]:
            parts += [f"\n## {title}\n", _COLUMNS, *_table(figures, section), "\n"]
    parts += ["\n## Innocent pairs\n", *_innocents(innocents, accused), "\n## Misses\n", *_misses(figures["misses"])]
    parts += ["\n## Drawn again\n\n", _redrawn(figures), _NOT_COVERED]
    return "".join(parts)


def _table(figures: Mapping[str, Any], section: str) -> Iterator[str]:
    for name, row in figures["rows"][section].items():
        total = row["total"]
        low, high = wilson(row["layer"], total)
        of = {key: row["proofs"] if key == "proof" else total for key in (*ASKED, *RIVALS)}
        rates = [f"{row[key] / of[key]:.1%}" if of[key] else "–" for key in of]
        cells = [name, str(total), *rates[:2], f"{low:.1%} … {high:.1%}", *rates[2:]]
        yield f"\n| {' | '.join(cells)} |"


def _innocents(innocents: Mapping[str, int], accused: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    yield "\nA layer that somebody renamed is reported as present on one side only, which is no fault.\n"
    yield "\n| pair | compared |\n|---|---|\n"
    yield from (f"| {kind} | {count} |\n" for kind, count in sorted(innocents.items()))
    for each in accused:
        said = ", ".join(each["said"]) or each["status"]
        yield f"\nAccused: seed {each['seed']}, model {each['number']}, {each['kind']}: {said}\n"


def _misses(misses: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    if not misses:
        yield "\nNone.\n"
        return
    count = f"{len(misses)}, all of them" if len(misses) <= _MISSES else f"{len(misses)}, the first {_MISSES} of them"
    yield f"\n{count}:\n\n| seed, model | planted | guilty | blamed | wrong |\n|---|---|---|---|---|\n"
    for miss in misses[:_MISSES]:
        cells = [f"{miss['seed']}, {miss['number']}", ", ".join(miss["kinds"]), ", ".join(miss["expected"]),
                 "; ".join(miss["said"]) or "nobody", ", ".join(miss["wrong"])]  # fmt: skip
        yield f"| {' | '.join(cells)} |\n"


def _redrawn(figures: Mapping[str, Any]) -> str:
    redrawn = figures["redrawn"]
    text = f"{sum(redrawn.values())} draws changed nothing, or left a layer out of the graph, and were drawn again: "
    text += ", ".join(f"{kind} {count}" for kind, count in sorted(redrawn.items())) + ".\n"
    for each in figures["failed"]:
        text += (
            f"\nModel {each['number']} of seed {each['seed']} couldn't be compared: `{each['error'].splitlines()[0]}`\n"
        )
    return text
