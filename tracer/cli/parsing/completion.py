"""What a shell completes: names of models, releases and formats, from what lies on this machine.

Nothing is imported or asked for it that takes long: no Keras, no registry.  Whatever goes wrong, nothing is completed.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import typer

if TYPE_CHECKING:
    from tracer.cli.door import Door

VARIABLE: Final = "_TRACER_COMPLETE"  # set by the script that `tracer --completion` prints
SHELLS: Final = ("bash", "zsh", "fish")
_PROGRAM: Final = "tracer"
_BREAKS: Final = "@:="  # bash takes these for the ends of words
_SUFFIXES: Final = (".keras", ".h5", ".hdf5")
_WORDS: Final = ("latest", "nightly", "tf-keras")
_RANGES: Final = ("minors", "all")
_EXAMPLES: Final = "tracer.zoo:"  # those of this package
_OLDEST: Final = (2, 11)  # release of Keras that can be traced


# --- what may stand in a place


def models(incomplete: str) -> list[str]:
    """Names of `keras.applications`, model files, functions of a module behind a colon, releases behind an `@`."""
    from tracer.system.sources import application_names, functions_in

    name, at, release = incomplete.rpartition("@")
    if at and name:
        return [f"{name}@{each}" for each in _beginning(release, _one_release(release))]
    module, colon, function = incomplete.partition(":")
    if colon:
        return [f"{module}:{each}" for each in _beginning(function, functions_in(module))]
    names = (*application_names(), *([_EXAMPLES] if incomplete else []))
    return [*_beginning(incomplete, names), *_files(incomplete)]


def layers(ctx: typer.Context, incomplete: str) -> list[str]:
    """Layer paths of the report that was named before."""
    data = json.loads(Path(ctx.params["path"]).read_text(encoding="utf-8"))
    reports = [data, *data.get("reports", {}).values()]
    return _beginning(incomplete, dict.fromkeys(layer["layer"] for each in reports for layer in each.get("layers", ())))


def shells(incomplete: str) -> list[str]:
    """Shells that can be taught to complete."""
    return _beginning(incomplete, SHELLS)


def releases(incomplete: str) -> list[str]:
    """Releases of Keras as `--keras` takes them, the last of several behind a comma."""
    return _last_of(incomplete, [*_known_releases(), *_WORDS, *_RANGES])


def one_release(incomplete: str) -> list[str]:
    """Releases of Keras, where only one can stand."""
    return _beginning(incomplete, [*_known_releases(), *_WORDS])


def formats(incomplete: str) -> list[str]:
    """Save formats, the last of several behind a comma."""
    from tracer.core.formats import ALL, FORMATS

    return _last_of(incomplete, [*FORMATS, ALL])


def backends(incomplete: str) -> list[str]:
    """Backends of Keras, the last of several behind a comma."""
    from tracer.core.environment import BACKENDS

    return _last_of(incomplete, BACKENDS)


def _last_of(incomplete: str, names: Iterable[str]) -> list[str]:
    before, comma, last = incomplete.rpartition(",")
    return [f"{before}{comma}{each}" for each in _beginning(last, names)]


def _beginning(text: str, names: Iterable[str]) -> list[str]:
    return [name for name in names if name.startswith(text)]


def _files(incomplete: str) -> Iterator[str]:
    """Model files of a folder, and the folders in it."""
    folder, slash, _ = incomplete.rpartition("/")
    with contextlib.suppress(OSError):
        for path in sorted(Path(folder or slash or ".").iterdir()):
            text = f"{folder}{slash}{path.name}"
            if text.startswith(incomplete) and not path.name.startswith("."):
                if path.is_dir():
                    yield f"{text}/"
                elif path.suffix in _SUFFIXES:
                    yield text


def _one_release(release: str) -> Iterator[str]:
    from tracer.core.environment import BACKENDS

    number, plus, _ = release.partition("+")
    yield from (f"{number}+{backend}" for backend in BACKENDS) if plus else (*_known_releases(), *_WORDS)


def _known_releases() -> Sequence[str]:
    """Those that the registry named when it was asked last; none if it never was."""
    from tracer.core.releases import release_order
    from tracer.envs import registry

    return [each for each in registry.remembered("keras") if release_order(each) >= _OLDEST]


# --- the answer to a shell


def script(shell: str) -> str:
    """What a shell has to read to complete this command."""
    from typer._completion_shared import get_completion_script

    return get_completion_script(prog_name=_PROGRAM, complete_var=VARIABLE, shell=shell) + "\n"


def answer(door: Door) -> int:
    """Prints what completes the words that a shell has put into the environment; the exit code."""
    from typer._completion_classes import completion_init
    from typer.completion import shell_complete

    completion_init()
    instruction = os.environ.get(VARIABLE, "")
    if instruction != "complete_bash":
        return shell_complete(door, {}, _PROGRAM, VARIABLE, instruction)
    words, place = joined(os.environ.get("COMP_WORDS", "").split(), int(os.environ.get("COMP_CWORD", "0")))
    os.environ.update(COMP_WORDS=" ".join(words), COMP_CWORD=str(place))
    done = words[place] if place < len(words) else ""
    # Bash replaces what stands behind the last of its breaks, and nothing before it.
    kept = max(done.rfind(each) for each in _BREAKS) + 1
    with contextlib.redirect_stdout(io.StringIO()) as told:
        code = shell_complete(door, {}, _PROGRAM, VARIABLE, instruction)
    for line in told.getvalue().splitlines():
        print(line[kept:])
    return code


def joined(words: Sequence[str], place: int) -> tuple[list[str], int]:
    """Words that bash took apart, put together again, and the place of the one that is being written.

    `diff Net @ 3.4` is `diff Net@3.4`: none of these characters is a word of its own in a command of ours.
    """
    found: list[str] = []
    now = place
    for number, word in enumerate(words):
        glued = found and (word in _BREAKS or (number and words[number - 1] in _BREAKS))
        if glued:
            found[-1] += word
        else:
            found.append(word)
        if number == place:
            now = len(found) - 1
    return found, now if place < len(words) else len(found)
