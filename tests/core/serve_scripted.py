"""The real serving loop of a worker, for scripted sources: a process of its own that needs no Keras."""

from __future__ import annotations

from typing import Any

from scripted import ScriptedSource, from_text, token

from tracer.worker import Opening, serve


def _build(spec: str, **_: Any) -> ScriptedSource:
    return ScriptedSource(from_text(spec))


if __name__ == "__main__":
    serve(Opening(build=_build, load=_build, rebuild=_build, token=token))
