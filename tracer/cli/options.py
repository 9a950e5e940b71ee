"""Options and arguments that several commands have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, TypedDict

import typer

from tracer.cli.parsing import completion
from tracer.errors import SpecError

MODEL = (
    "keras.applications name, model file, or package.module:callable; append @3.4.1 or @3.4.1+jax for another Keras."
)

Model = Annotated[str, typer.Argument(metavar="MODEL", help=MODEL, autocompletion=completion.models)]
Inputs = Annotated[
    str | None,
    typer.Option(
        "--inputs",
        metavar="FILE",
        help="Input file (.npz, .npy or an image); every sample is used. Without it, inputs are made from the seed.",
    ),
]
Formats = Annotated[
    list[str] | None,
    typer.Option(
        "--format",
        metavar="F",
        autocompletion=completion.formats,
        help="Save format: keras, h5, weights, config (these four by default), … or all. Repeat for several.",
    ),
]
Seed = Annotated[int, typer.Option("--seed", metavar="N", min=0, max=2**32 - 1, help="Seed of weights and inputs.")]
Batch = Annotated[
    int | None,
    typer.Option(
        "--batch",
        metavar="N",
        min=1,
        help="Number of seeded samples (2 if not given). With --inputs, all samples are used.",
    ),
]
BatchSize = Annotated[
    int | None,
    typer.Option(
        "--batch-size", metavar="N", min=1, help="Compare --inputs in batches of N samples; the worst of all counts."
    ),
]
Training = Annotated[bool, typer.Option("--training", help="Call the models with training=True, not False.")]
AsCalled = Annotated[
    bool, typer.Option("--as-called", help="Call the models as model(x), without a training argument.")
]
JsonFile = Annotated[
    str | None,
    typer.Option(
        "--json", metavar="FILE", help="Write the report as JSON; - prints the JSON to stdout, instead of the text."
    ),
]
HtmlFile = Annotated[
    str | None, typer.Option("--html", metavar="FILE", help="Write a page to read in a browser; it loads nothing.")
]
MarkdownFile = Annotated[
    str | None, typer.Option("--markdown", metavar="FILE", help="Write a summary in GitHub's Markdown; - for stdout.")
]
ModelExplorerFile = Annotated[
    str | None,
    typer.Option("--model-explorer", metavar="FILE", help="Write errors by layer as node data for Model Explorer."),
]
JunitFile = Annotated[
    str | None, typer.Option("--junit", metavar="FILE", help="Write JUnit XML, for a CI service; - for stdout.")
]
All = Annotated[bool, typer.Option("--all", help="Show every layer and fault.")]
CustomObjects = Annotated[
    list[str] | None,
    typer.Option("--custom-objects", metavar="MOD", help="Module that registers custom objects; it is imported first."),
]
Trust = Annotated[
    bool,
    typer.Option(
        "--trust", help="Load a model file with all that it contains, Python code too. Without it, files are screened."
    ),
]
Strict = Annotated[
    bool, typer.Option("--strict", help="Fail on settings that differ, also where these inputs don't show it.")
]
NoProve = Annotated[bool, typer.Option("--no-prove", help="Skip the proof of the blame (healing and breaking).")]
Sequential = Annotated[
    bool,
    typer.Option(
        "--sequential", help="Load one model at a time: the memory of one, and more time where the two differ."
    ),
]
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


class CallingArguments(TypedDict):
    """What the workflows take for the options of `Calling`, the inputs aside."""

    seed: int
    batch: int | None
    batch_size: int | None
    training: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Calling:
    """What the models are called with, as options."""

    inputs: Inputs = None
    seed: Seed = 0
    batch: Batch = None
    batch_size: BatchSize = None
    training: Training = False
    as_called: AsCalled = False

    def arguments(self) -> CallingArguments:
        """As the workflows take them.

        Raises:
            SpecError: see `training_argument`.
        """
        return {
            "seed": self.seed,
            "batch": self.batch,
            "batch_size": self.batch_size,
            "training": training_argument(self.training, self.as_called),
        }


class LimitsArguments(TypedDict):
    """What the workflows take for the options of `Limits`."""

    packages: tuple[str, ...]
    memory_limit: str | None
    strict: bool
    trust: bool
    sequential: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Where a comparison runs, what it may take, and what it lets pass, as options."""

    with_packages: With = None
    tensorflow: Tensorflow = None
    memory_limit: MemoryLimit = None
    strict: Strict = False
    trust: Trust = False
    sequential: Sequential = False

    def arguments(self) -> LimitsArguments:
        """As the workflows take them."""
        return {
            "packages": packages(self.with_packages, self.tensorflow),
            "memory_limit": self.memory_limit,
            "strict": self.strict,
            "trust": self.trust,
            "sequential": self.sequential,
        }


def training_argument(training: bool, as_called: bool) -> bool | None:
    """What the models are called with: True, False as `predict` does, or None for nothing.

    Raises:
        SpecError: if both are asked for.
    """
    if training and as_called:
        raise SpecError("--training and --as-called exclude each other: a model is called with an argument or without.")
    return None if as_called else training


def packages(given: list[str] | None, tensorflow: str | None) -> tuple[str, ...]:
    """Requirements for the environments of other releases."""
    return (*(given or ()), *([f"tensorflow=={tensorflow}"] if tensorflow else []))
