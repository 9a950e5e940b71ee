"""The command that asks what one cell asks, alone and in full."""

from __future__ import annotations

import shlex

from tracer.core.matrix.cells import Cell, Kind


def command_of(cell: Cell) -> str:
    """As a shell takes it."""
    asked = cell.question
    withs = [word for package in asked.packages for word in ("--with", package)]
    if cell.kind is Kind.RUN:
        where = ["--keras", cell.release, "--backend", cell.backend]
        return shlex.join(["tracer", "matrix", "--run", str(asked.command), *where, *withs])
    custom = [word for module in asked.custom_objects for word in ("--custom-objects", module)]
    custom += ["--trust"] * asked.trust
    if cell.kind is Kind.CHECK:
        return shlex.join(["tracer", "check", cell.spec, "--fixture", str(asked.golden), *withs, *custom])
    sides = (
        [cell.spec, "--format", str(cell.format)] if cell.kind is Kind.ROUNDTRIP else [str(asked.baseline), cell.spec]
    )
    options = ["--as-called"] * (asked.training is None) + ["--training"] * bool(asked.training)
    options += ["--inputs", asked.inputs] if asked.inputs else []
    options += ["--seed", str(asked.seed)] * bool(asked.seed)
    options += [] if asked.batch is None else ["--batch", str(asked.batch)]
    verb = "roundtrip" if cell.kind is Kind.ROUNDTRIP else "diff"
    return shlex.join(["tracer", verb, *sides, *withs, *options, *custom])
