"""record and check: write goldens, and hold this Keras, or another one, against them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from tracer import console
from tracer.cli.options import (
    All,
    CustomObjects,
    HtmlFile,
    JsonFile,
    JunitFile,
    MarkdownFile,
    MemoryLimit,
    Seed,
    Strict,
    Tensorflow,
    Trust,
    With,
    packages,
)
from tracer.cli.output import Files, all_stamped, check_target, write_files
from tracer.cli.parsing import completion
from tracer.core.outcomes import ending_of
from tracer.errors import TracerError

if TYPE_CHECKING:
    from tracer.core.golden.golden import Golden
    from tracer.core.outcomes import Outcomes
    from tracer.records import JsonObject
    from tracer.workflows.goldens.recording import Recorded, Setting

Fixtures = Annotated[
    str | None,
    typer.Option(
        "--fixtures",
        metavar="DIR",
        help="Folder of the goldens, or `shipped`. Default: ./fixtures if it has any, else the installed ones.",
    ),
]
Folder = Annotated[
    str | None,
    typer.Option("--fixtures", metavar="DIR", help="Folder to write to; ./fixtures by default."),
]
Fixture = Annotated[
    str | None, typer.Option("--fixture", metavar="FILE", help="The file of the golden, if a single MODEL is given.")
]
Models = Annotated[
    list[str],
    typer.Argument(
        metavar="MODEL",
        help="keras.applications name, or module:callable.",
        autocompletion=completion.models,
    ),
]
MaybeModels = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="MODEL",
        help="Models with a golden; append @RELEASE or @RELEASE+BACKEND for another Keras.",
        autocompletion=completion.models,
    ),
]
ImageSize = Annotated[
    int | None,
    typer.Option(
        "--image-size", metavar="N", min=32, help="Input height and width in pixels; the native resolution by default."
    ),
]
Reference = Annotated[
    str | None,
    typer.Option("--reference", metavar="ENV", help="Environment that computes the truth: KERAS+BACKEND==VERSION."),
]
Witnesses = Annotated[
    list[str] | None,
    typer.Option("--witness", metavar="ENV", help="Environment that must agree in float64; repeat for several."),
]
NoWitness = Annotated[bool, typer.Option("--no-witness", help="Record without witnesses; the golden says so.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Replace a golden without asking.")]
Batch = Annotated[int, typer.Option("--batch", metavar="N", min=1, help="Samples in the seeded inputs.")]
Release = Annotated[
    str | None, typer.Option("--keras", metavar="RELEASE", help="Check all models in this release, or RELEASE+BACKEND.")
]
Factor = Annotated[
    float | None,
    typer.Option("--factor", metavar="X", min=1.0, help="Tolerance, in units of each layer's noise floor."),
]
Metrics = Annotated[
    str | None,
    typer.Option(
        "--metrics", metavar="FILE", help="Write the error of the worst layer as JSON, in units of the tolerance."
    ),
]
Plot = Annotated[
    str | None,
    typer.Option("--plot", metavar="FILE.svg", help="Draw the error of each layer, in units of the tolerance."),
]
Tensors = Annotated[
    str | None,
    typer.Option("--tensors", metavar="FILE", help="Write the activations of an existing golden, and record nothing."),
]
_CHANGES = 12  # layers named, of those that changed


def record(
    context: typer.Context,
    models: Models,
    fixtures: Folder = None,
    seed: Seed = 0,
    batch: Batch = 1,
    image_size: ImageSize = None,
    reference: Reference = None,
    witnesses: Witnesses = None,
    no_witness: NoWitness = False,
    yes: Yes = False,
    tensors: Tensors = None,
    json_file: JsonFile = None,
    custom_objects: CustomObjects = None,
    trust: Trust = False,
) -> None:
    """Record the goldens of models.

    A golden is accepted only if independent witnesses agree with it, in float64, at every layer.
    """
    check_target(json_file)
    if tensors is not None:
        _check_alone(context)
        _record_tensors(models, fixtures, tensors, reference, tuple(custom_objects or ()))
        return
    from tracer.workflows.goldens.recording import Setting

    own = tuple(custom_objects or ())
    setting = Setting(seed=seed, batch=batch, image_size=image_size, custom_objects=own, trust=trust)
    if reference is not None:
        setting = replace(setting, reference=reference)
    if no_witness:
        setting = replace(setting, witnesses=())
    elif witnesses:
        setting = replace(setting, witnesses=tuple(witnesses))
    recorded = [_record(model, fixtures or "fixtures", setting, yes) for model in models]
    _deliver_recorded(recorded, json_file)


def _record(model: str, folder: str, setting: Setting, yes: bool) -> Recorded:
    with console.work() as progress:
        from tracer.workflows.goldens import recording

        found = recording.record(model, folder, setting=setting, agree=lambda new: yes, progress=progress)
    if found.changed and not yes:
        # Asked here, outside the work: its progress and its redirection of stdout would garble a question.
        typer.echo(_told(found, waiting=True), err=True)
        if not typer.confirm("Replace it?", err=True):
            raise TracerError(f"{found.path} was left as it is. Give --yes to replace it.")
        from tracer.store import fixtures

        fixtures.write_golden(found.path, found.golden)
        return replace(found, written=True)
    return found


_WITH_TENSORS = frozenset({"models", "fixtures", "tensors", "reference", "custom_objects"})


def _check_alone(context: typer.Context) -> None:
    """What a golden has by itself can't be chosen once more."""
    given = [name for name in context.params if getattr(context.get_parameter_source(name), "name", "") != "DEFAULT"]
    wrong = [f"--{name.replace('_', '-')}" for name in given if name not in _WITH_TENSORS]
    if wrong:
        raise typer.BadParameter(f"{', '.join(wrong)}: --tensors uses the golden that is there, as it was recorded.")


def _record_tensors(
    models: list[str], folder: str | None, target: str, reference: str | None, custom_objects: tuple[str, ...]
) -> None:
    if len(models) != 1:
        raise typer.BadParameter(f"--tensors FILE goes with one MODEL; received {len(models)}.")
    with console.work() as progress:
        from tracer.store.goldens import find_golden
        from tracer.workflows.goldens import tensors

        fixture = find_golden(models[0], folder)
        found = tensors.record_tensors(
            models[0], fixture, target, reference=reference, custom_objects=custom_objects, progress=progress
        )
    left = f"; not numbers, left out: {', '.join(found.left_out)}" if found.left_out else ""
    console.emit(
        f"wrote {found.tensors} activations, {found.size / 1e6:.0f} MB → {found.path}, as in {fixture}{left}\n"
    )


def _told(found: Recorded, *, waiting: bool = False) -> str:
    """What was recorded, in a few lines."""
    worst = max(found.golden.sites, key=lambda site: site.floor)
    size = f"{len(found.golden.sites)} layer outputs, widest noise floor {worst.floor:.1e} ({worst.path})"
    agreed = _agreed(found.golden)
    if found.changed is None:
        return "\n".join([f"recorded {found.spec} → {found.path}: {size}", *agreed])
    if not found.changed:
        renewed = " (its provenance was renewed)" if found.written else ""
        return "\n".join([f"unchanged {found.spec}: {found.path}{renewed}; {size}", *agreed])
    verb = "would change" if waiting else "changed"
    lines = [f"{verb} {found.spec} → {found.path}: {len(found.changed)} of {len(found.golden.sites)} layer outputs"]
    lines += agreed
    lines += [f"  {layer}: {what}" for layer, what in found.changed[:_CHANGES]]
    if len(found.changed) > _CHANGES:
        lines.append(f"  … and {len(found.changed) - _CHANGES} more")
    return "\n".join(lines)


def _agreed(golden: Golden) -> list[str]:
    from tracer import report as reports

    return [f"  witness {line}" for line in reports.witness_words(golden)]


def _deliver_recorded(recorded: list[Recorded], json_file: str | None) -> None:
    if json_file != "-":
        console.emit("".join(f"{_told(found)}\n" for found in recorded))
    if json_file is not None:
        from tracer import report as reports
        from tracer.store import reports as store

        text = reports.recorded_to_json([_entry(found) for found in recorded])
        console.emit(text) if json_file == "-" else store.write_report(json_file, text)


def _entry(found: Recorded) -> JsonObject:
    return {
        "model": found.spec,
        "fixture": str(found.path),
        "written": found.written,
        "layers": len(found.golden.sites),
        "changed": None if found.changed is None else dict(found.changed),
        "provenance": dict(found.golden.provenance),
        "local_errors": [found.golden.local_errors(i) for i in range(len(found.golden.provenance["witnesses"]))],
    }


def check(
    models: MaybeModels = None,
    fixtures: Fixtures = None,
    fixture: Fixture = None,
    release: Release = None,
    factor: Factor = None,
    metrics: Metrics = None,
    plot: Plot = None,
    json_file: JsonFile = None,
    html_file: HtmlFile = None,
    markdown_file: MarkdownFile = None,
    junit_file: JunitFile = None,
    show_all: All = False,
    custom_objects: CustomObjects = None,
    with_packages: With = None,
    tensorflow: Tensorflow = None,
    memory_limit: MemoryLimit = None,
    strict: Strict = False,
    trust: Trust = False,
) -> None:
    """Check models against their goldens.

    Without MODEL, all goldens are checked. The report says where an error enters, and why.
    """
    files = Files(json=json_file, html=html_file, markdown=markdown_file, junit=junit_file)
    files.check()
    for target in (metrics, plot):
        check_target(target)
    from tracer.core.golden.golden import FACTOR

    with console.work() as progress:
        from tracer.workflows.goldens import checks

        folder, goldens = checks.find_goldens(fixtures, fixture)
        outcomes = checks.check_all(
            models or (),
            folder,
            fixture=fixture,
            release=release,
            factor=FACTOR if factor is None else factor,
            custom_objects=tuple(custom_objects or ()),
            packages=packages(with_packages, tensorflow),
            memory_limit=memory_limit,
            strict=strict,
            trust=trust,
            progress=progress,
        )
    _deliver_checked(outcomes, goldens, files, show_all)
    _save_figures(outcomes, metrics, plot)
    raise typer.Exit(ending_of(outcomes))


def _deliver_checked(outcomes: Outcomes, goldens: str, files: Files, show_all: bool) -> None:
    from tracer import report as reports

    told = all_stamped(outcomes)
    body = next(iter(told.values())) if len(told) == 1 else told
    if isinstance(body, TracerError):
        raise body
    write_files(
        files,
        body,
        lambda: reports.render_checked(told, goldens=goldens, show_all=show_all, saved_as=files.json, **console.look()),
    )


def _save_figures(outcomes: Outcomes, metrics: str | None, plot: str | None) -> None:
    from tracer import report as reports
    from tracer.store import reports as store

    if metrics is not None:
        store.write_report(metrics, reports.metrics(outcomes))
    if plot is not None:
        store.write_report(plot, reports.depth_plot(outcomes))
