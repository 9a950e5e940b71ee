"""envs: the environments that were made for other Keras releases."""

from __future__ import annotations

from typing import Annotated

import typer

from tracer import console

_DAY = 24 * 3600.0


def envs(
    clean: Annotated[bool, typer.Option("--clean", help="Remove them; environments in use are kept.")] = False,
    unused_for: Annotated[
        float,
        typer.Option("--unused-for", metavar="DAYS", min=0, help="With --clean: only those not used for this long."),
    ] = 0.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,
) -> None:
    """List or remove the environments of other Keras releases.

    They are made on first use and shared by all runs. Removed ones are made again when needed.
    """
    from tracer import report as reports
    from tracer.envs import environments

    removed, kept = environments.clean(unused_for * _DAY) if clean else ((), ())
    found = environments.listed()
    rows = [(cached.name, cached.requirements, cached.size, cached.used) for cached in found]
    told = {"removed": [cached.name for cached in removed], "in_use": [cached.name for cached in kept]}
    if as_json:
        console.emit(reports.environments_to_json(rows, told))
    else:
        console.emit(reports.render_environments(rows, told, str(environments.folder()), **console.look()))
