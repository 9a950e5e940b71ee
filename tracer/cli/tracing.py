"""demo, roundtrip, diff, fix, migrate: run models and say what differs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, TypedDict

import typer

from tracer import console
from tracer.cli.options import (
    MODEL,
    All,
    AsCalled,
    Batch,
    BatchSize,
    CustomObjects,
    Formats,
    HtmlFile,
    Inputs,
    JsonFile,
    JunitFile,
    MarkdownFile,
    MemoryLimit,
    Model,
    ModelExplorerFile,
    NoProve,
    Seed,
    Sequential,
    Strict,
    Tensorflow,
    Training,
    Trust,
    With,
    packages,
    training_argument,
)
from tracer.cli.output import Files, check_target, deliver
from tracer.cli.parsing import completion
from tracer.core.formats import ALL

if TYPE_CHECKING:
    from tracer.core.outcomes import Outcomes
    from tracer.records import Report


def demo(
    json_file: JsonFile = None,
    html_file: HtmlFile = None,
    markdown_file: MarkdownFile = None,
    show_all: All = False,
) -> None:
    """Find a real defect of the installed Keras, offline.

    It is found, explained and proved in under a minute.
    """
    files = Files(json=json_file, html=html_file, markdown=markdown_file)
    files.check()
    with console.work() as progress:
        from tracer import workflows

        report = workflows.demo(progress=progress)
    deliver(report, files, show_all)


class _Options(TypedDict):
    """What a round trip in one format and in several have in common."""

    seed: int
    batch: int | None
    batch_size: int | None
    training: bool | None
    prove: bool
    custom_objects: tuple[str, ...]
    same_process: bool
    verify_upgrade: bool
    packages: tuple[str, ...]
    memory_limit: str | None
    strict: bool
    trust: bool
    sequential: bool


def roundtrip(
    model: Model,
    formats: Formats = None,
    inputs: Inputs = None,
    seed: Seed = 0,
    batch: Batch = None,
    batch_size: BatchSize = None,
    training: Training = False,
    as_called: AsCalled = False,
    json_file: JsonFile = None,
    html_file: HtmlFile = None,
    markdown_file: MarkdownFile = None,
    junit_file: JunitFile = None,
    show_all: All = False,
    custom_objects: CustomObjects = None,
    same_process: Annotated[
        bool, typer.Option("--same-process", help="Reload in this process, not in a fresh one.")
    ] = False,
    no_prove: NoProve = False,
    verify_upgrade: Annotated[
        bool, typer.Option("--verify-upgrade", help="Repeat the round trip in the release that is advised.")
    ] = False,
    with_packages: With = None,
    tensorflow: Tensorflow = None,
    memory_limit: MemoryLimit = None,
    strict: Strict = False,
    trust: Trust = False,
    sequential: Sequential = False,
) -> None:
    """Save, reload and compare a model.

    MODEL is saved in each format and reloaded in a fresh process. The report names the layer at fault.
    """
    files = Files(json=json_file, html=html_file, markdown=markdown_file, junit=junit_file)
    files.check()
    options: _Options = {
        "seed": seed,
        "batch": batch,
        "batch_size": batch_size,
        "training": training_argument(training, as_called),
        "prove": not no_prove,
        "custom_objects": tuple(custom_objects or ()),
        "same_process": same_process,
        "verify_upgrade": verify_upgrade,
        "packages": packages(with_packages, tensorflow),
        "memory_limit": memory_limit,
        "strict": strict,
        "trust": trust,
        "sequential": sequential,
    }
    deliver(_roundtrip(model, list(dict.fromkeys(formats or ())), inputs, options), files, show_all)


def _roundtrip(model: str, formats: list[str], inputs: str | None, options: _Options) -> Report | Outcomes:
    """One format is a report of its own; several, or all of them, are a table."""
    with console.work() as progress:
        from tracer import workflows
        from tracer.core.formats import format_named

        if len(formats) == 1 and formats != [ALL]:
            return workflows.roundtrip(
                model, inputs, format=format_named(formats[0]).name, progress=progress, **options
            )
        return workflows.roundtrip_formats(model, formats or None, inputs, progress=progress, **options)


def diff(
    reference: Annotated[str, typer.Argument(metavar="REFERENCE", help=MODEL, autocompletion=completion.models)],
    candidate: Annotated[
        str,
        typer.Argument(
            metavar="CANDIDATE",
            help="The model to compare with it, named in the same way.",
            autocompletion=completion.models,
        ),
    ],
    inputs: Inputs = None,
    seed: Seed = 0,
    batch: Batch = None,
    batch_size: BatchSize = None,
    training: Training = False,
    as_called: AsCalled = False,
    json_file: JsonFile = None,
    html_file: HtmlFile = None,
    markdown_file: MarkdownFile = None,
    nodes_file: ModelExplorerFile = None,
    show_all: All = False,
    custom_objects: CustomObjects = None,
    no_prove: NoProve = False,
    with_packages: With = None,
    tensorflow: Tensorflow = None,
    memory_limit: MemoryLimit = None,
    strict: Strict = False,
    trust: Trust = False,
    sequential: Sequential = False,
) -> None:
    """Compare two models layer by layer.

    The report names the layer of CANDIDATE at fault, with the cause and the remedy.
    """
    files = Files(json=json_file, html=html_file, markdown=markdown_file, model_explorer=nodes_file)
    files.check()
    way_of_calling = training_argument(training, as_called)
    with console.work() as progress:
        from tracer import workflows

        report = workflows.diff(
            reference,
            candidate,
            inputs,
            seed=seed,
            batch=batch,
            batch_size=batch_size,
            training=way_of_calling,
            prove=not no_prove,
            custom_objects=tuple(custom_objects or ()),
            packages=packages(with_packages, tensorflow),
            memory_limit=memory_limit,
            strict=strict,
            trust=trust,
            sequential=sequential,
            progress=progress,
        )
    deliver(report, files, show_all)


def fix(
    file: Annotated[str, typer.Argument(metavar="FILE", help="The model file; it is never changed.")],
    output: Annotated[str, typer.Option("-o", "--output", metavar="FIXED", help="File to write, .keras or .h5.")],
    like: Annotated[
        str | None, typer.Option("--like", metavar="REFERENCE", help="Behave as this model; named as in `tracer diff`.")
    ] = None,
    as_trained: Annotated[
        bool, typer.Option("--as-trained", help="Behave as the model did while it was trained.")
    ] = False,
    as_loaded: Annotated[bool, typer.Option("--as-loaded", help="Behave as the loaded model does now.")] = False,
    inputs: Inputs = None,
    seed: Seed = 0,
    batch: Batch = None,
    json_file: JsonFile = None,
    custom_objects: CustomObjects = None,
    trust: Trust = False,
) -> None:
    """Write a model file whose loaded model behaves as wanted.

    The file is loaded in a fresh process and traced before it is kept; the changes are printed.
    """
    check_target(json_file)
    with console.work() as progress:
        from tracer import workflows

        fixed = workflows.fix(
            file,
            output,
            like=like,
            as_trained=as_trained,
            as_loaded=as_loaded,
            inputs=inputs,
            seed=seed,
            batch=batch,
            custom_objects=tuple(custom_objects or ()),
            trust=trust,
            progress=progress,
        )
    if json_file != "-":
        console.emit("".join([f"wrote {fixed.path}\n", *(f"  changed {line}\n" for line in fixed.changes), "\n"]))
    deliver(fixed.report, Files(json=json_file), show_all=False)


def migrate(
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE", help="The Keras 2 model, .h5 or .keras; append @2.13.1 to read it with that release."
        ),
    ],
    output: Annotated[str, typer.Option("-o", "--output", metavar="NEW.keras", help="File to write.")],
    inputs: Inputs = None,
    seed: Seed = 0,
    batch: Batch = None,
    trust: Trust = False,
    json_file: JsonFile = None,
    html_file: HtmlFile = None,
    markdown_file: MarkdownFile = None,
    show_all: All = False,
    custom_objects: CustomObjects = None,
    with_packages: With = None,
    model: Annotated[
        str | None,
        typer.Option("--model", metavar="MOD:NAME", help="What builds the model, if FILE holds its weights alone."),
    ] = None,
) -> None:
    """Write a Keras 2 model as a Keras 3 file.

    It is kept only if every layer of it, loaded in a fresh process, computes what Keras 2 computes.
    """
    files = Files(json=json_file, html=html_file, markdown=markdown_file)
    files.check()
    with console.work() as progress:
        from tracer import workflows

        report = workflows.migrate(
            file,
            output,
            inputs,
            trust,
            seed=seed,
            batch=batch,
            custom_objects=tuple(custom_objects or ()),
            packages=packages(with_packages, None),
            model=model,
            progress=progress,
        )
    deliver(report, files, show_all)
