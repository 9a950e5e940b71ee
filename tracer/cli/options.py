"""Options and arguments that several commands have."""

from __future__ import annotations

from typing import Annotated

import typer

MODEL = "keras.applications name, model file, or package.module:callable."

Inputs = Annotated[
    str | None,
    typer.Option("--inputs", metavar="FILE", help=".npz, .npy or image; seeded ones that fit when not given."),
]
Formats = Annotated[
    list[str] | None,
    typer.Option(
        "--format",
        metavar="F",
        help="Save format: keras, h5, weights, config (these four by default), … or all. Repeat for several.",
    ),
]
Seed = Annotated[int, typer.Option("--seed", min=0, max=2**32 - 1, help="Seed of weights and inputs.")]
Batch = Annotated[int, typer.Option("--batch", min=1, help="Samples in the seeded inputs.")]
Training = Annotated[bool, typer.Option("--training", help="Call the models with training=True.")]
JsonFile = Annotated[
    str | None,
    typer.Option(
        "--json", metavar="FILE", help="Write the report as JSON; - prints the JSON to stdout, instead of the text."
    ),
]
All = Annotated[bool, typer.Option("--all", help="Show every layer and fault.")]
CustomObjects = Annotated[
    list[str] | None,
    typer.Option("--custom-objects", metavar="MOD", help="Module that registers custom objects; it is imported first."),
]
NoProve = Annotated[bool, typer.Option("--no-prove", help="Skip the proof of the blame (healing and breaking).")]
MemoryLimit = Annotated[
    str | None,
    typer.Option(
        "--memory-limit",
        metavar="SIZE",
        help="Refuse to use more memory than this on top of the loaded models: 450MB, 2GB.",
    ),
]
With = Annotated[
    list[str] | None,
    typer.Option(
        "--with", metavar="PACKAGE", help="Also install it in the environments of other releases: PACKAGE==VERSION."
    ),
]
Tensorflow = Annotated[
    str | None,
    typer.Option("--tensorflow", metavar="V", help="TensorFlow release for the environments of other releases."),
]


def packages(given: list[str] | None, tensorflow: str | None) -> tuple[str, ...]:
    """Requirements for the environments of other releases."""
    return (*(given or ()), *([f"tensorflow=={tensorflow}"] if tensorflow else []))
