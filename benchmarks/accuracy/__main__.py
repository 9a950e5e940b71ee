"""Whether the right layer is blamed, on random models: `python -m benchmarks.accuracy`; `--help` says the rest.

What is planted follows from the seed and the number of the model alone: `--seed N --model K` repeats a single model.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(_ROOT / "tests" / "quality"))  # how faults are planted is shared with the tests


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.accuracy", description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--model", type=int, help="this model alone; what came of it is printed, and nothing written")
    parser.add_argument("--first", type=int, default=0, help="number of the first model")
    parser.add_argument("--models", type=int, default=300, help="how many")
    parser.add_argument("--singles", type=int, default=10, help="single faults in each")
    parser.add_argument("--several", type=int, default=4, help="two or three faults at once, in each")
    parser.add_argument(
        "--raw", default="accuracy.jsonl", help="where results are kept; a run goes on where it stopped"
    )
    parser.add_argument("--render", nargs="*", metavar="RAW", help="measure nothing; write the page from such files")
    parser.add_argument("--out", default=str(_ROOT / "docs"))
    chosen = parser.parse_args()
    if chosen.render is not None:
        return render([Path(raw) for raw in chosen.render], Path(chosen.out))
    if chosen.model is not None:
        for result in _results(chosen, chosen.model):
            print(json.dumps(result))
        return None
    return _run(chosen)


def _run(chosen: argparse.Namespace) -> None:
    raw = Path(chosen.raw)
    done = {r["number"] for r in read([raw])} if raw.exists() else set()
    for number in range(chosen.first, chosen.first + chosen.models):
        if number not in done:
            results = _results(chosen, number)
            with raw.open("a", encoding="utf-8") as file:
                file.write("".join(json.dumps(r) + "\n" for r in results))


def _results(chosen: argparse.Namespace, number: int) -> list[dict[str, Any]]:
    from benchmarks.accuracy.judging import Bench

    said = {"seed": chosen.seed, "number": number}
    try:
        return [{**said, **r} for r in Bench(chosen.seed, number).results(chosen.singles, chosen.several)]
    except Exception as error:  # a model that can't be compared is told as one, and the others go on
        if chosen.model is not None:
            raise
        return [{**said, "what": "failed", "error": f"{type(error).__name__}: {error}"[:300]}]


def read(paths: list[Path]) -> list[dict[str, Any]]:
    """Results that were kept."""
    return [json.loads(line) for path in paths for line in path.read_text(encoding="utf-8").splitlines()]


def render(raw: list[Path], out: Path) -> None:
    """The page, from results or, where none are named, from the figures that are there."""
    from benchmarks.accuracy import table

    figures = out / "accuracy.json"
    if raw:
        figures.write_text(json.dumps(table.summed(read(raw)), indent=1) + "\n", encoding="utf-8")
    page = table.rendered(json.loads(figures.read_text(encoding="utf-8")))
    (out / "accuracy.md").write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
