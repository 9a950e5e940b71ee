"""The table of goldens, from the fixtures alone. `python tests/quality/goldens_table.py` writes the document."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tracer.core.golden.golden import Golden
from tracer.store.fixtures import read_golden
from tracer.store.places import all_fixtures

_ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = _ROOT / "docs" / "goldens.md"
_FIXTURES = _ROOT / "fixtures"
_HEAD = """# The goldens

Read from `fixtures/` by `python tests/quality/goldens_table.py`; `tests/quality/test_goldens_table.py` holds this page
against them. What the columns mean: [method.md](method.md), the files: [fixture-format.md](fixture-format.md).

The truth is Keras {keras} on TensorFlow {tensorflow} in float64. *Widest tolerance*: four times the widest noise floor
of the recorded environments, at least 2e-6, and the layer that has it. The two witnesses: how far each is from the
truth in float64, at its worst layer. *By themselves*: how many layer outputs of the last one differ on the truth's own
inputs, beyond 1e-10, and the worst of them; the others only pass on. *Whole*: all activations as float32
(`tracer record --tensors`).

| model | pixels | seed | layer outputs | file, kB | widest tolerance | {same} | {other} | by themselves | whole, MB |
|---|---|---|---|---|---|---|---|---|---|
"""


def document() -> str:
    """The whole page."""
    goldens = [(path, read_golden(path)) for path in all_fixtures(_FIXTURES)]
    told = goldens[0][1].provenance
    same, other = (_words(witness["environment"]) for witness in told["witnesses"])
    versions = {key: told["environment"][key] for key in ("keras", "tensorflow")}
    rows = "".join(_row(path, golden) for path, golden in goldens)
    return _HEAD.format(same=same, other=other, **versions) + rows + "".join(_sums(goldens))


def _words(environment: dict[str, str]) -> str:
    return f"{environment['keras']}, {environment['backend']} {environment[environment['backend']]}"


def _row(path: Path, golden: Golden) -> str:
    model, sites = golden.provenance["model"], golden.sites
    widest = max(sites, key=golden.tolerance)
    same, other = golden.provenance["witnesses"]
    local = other.get("local beyond 1e-10")
    cells = (
        golden.name, model["image_size"], model["seed"], len(sites), f"{path.stat().st_size / 1e3:.0f}",
        f"{golden.tolerance(widest):.1e}" + (f" `{widest.path}`" if widest.floor > 5e-7 else ""), _agreed(same),
        _agreed(other), "not taken" if local is None else _local(local),
        f"{sum(site.truth.count for site in sites) * 4 / 1e6:.0f}",
    )  # fmt: skip
    return f"| {' | '.join(map(str, cells))} |\n"


def _agreed(witness: dict[str, Any]) -> str:
    return f"{witness['worst']:.1e} `{witness['layer']}`" if witness["worst"] else "bit for bit"


def _local(told: dict[str, Any]) -> str:
    return f"{told['layers']}, {told['error']:.1e} `{told['worst']}`" if told["layers"] else "none"


def _sums(goldens: list[tuple[Path, Golden]]) -> Iterator[str]:
    sizes = {path.stem: path.stat().st_size / 1e6 for path, _ in goldens}
    nets = [size for name, size in sizes.items() if name.startswith("EfficientNet")]
    sites = sum(len(golden.sites) for _, golden in goldens)
    yield f"\n{len(goldens)} goldens, {sites} layer outputs, {sum(sizes.values()):.1f} MB, "
    yield f"of which the {len(nets)} EfficientNets {sum(nets):.1f} MB.\n"


if __name__ == "__main__":
    DOCUMENT.write_text(document(), encoding="utf-8")
