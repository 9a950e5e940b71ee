"""What a shell completes: asked as bash asks, of the command as it is installed; and nothing long is done for it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tracer.cli.parsing import completion
from tracer.system.sources import application_names, functions_in

_ROOT = Path(__file__).resolve().parents[3]
_KNOWN = {"versions": ["2.9.0", "2.15.0", "3.4.1", "3.5.0", "3.15.1", "3.16.0rc1"], "yanked": ["3.5.0"], "asked": 0.0}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a user is: two models and a report; what the registry said long ago is remembered."""
    cache = tmp_path / "cache"
    (cache / "releases").mkdir(parents=True)
    (cache / "releases" / "keras.json").write_text(json.dumps(_KNOWN))
    here = tmp_path / "here"
    (here / "models").mkdir(parents=True)
    for name in ("net.keras", "net.h5", "notes.txt", "models/deep.keras"):
        (here / name).write_text("")
    layers = [{"layer": "inner/norm"}, {"layer": "head#1:1"}]
    (here / "report.json").write_text(json.dumps({"layers": layers}))
    (here / "mine.py").write_text("import nothing_that_exists\ndef build(): ...\ndef _help(): ...\nclass Net: ...\n")
    monkeypatch.setenv("TRACER_CACHE", str(cache))
    monkeypatch.chdir(here)
    return here


# --- what may stand in a place


def test_names_of_models(folder: Path) -> None:
    assert completion.models("EfficientNetB") == [f"EfficientNetB{n}" for n in range(8)]
    assert completion.models("ne") == ["net.h5", "net.keras"]
    assert completion.models("mod") == ["models/"] and completion.models("models/") == ["models/deep.keras"]
    assert set(completion.models("")) == {*application_names(), "net.keras", "net.h5", "models/"}
    assert completion.models("no_such/") == completion.models("mine.py:x") == []


def test_functions_of_a_module_that_isnt_imported(folder: Path) -> None:
    assert completion.models("mine:") == ["mine:build", "mine:Net"]
    assert completion.models("tracer.z") == ["tracer.zoo:"]
    assert "tracer.zoo:tiny_nested" in completion.models("tracer.zoo:tiny")
    assert functions_in("tracer.no_such") == functions_in("a..b") == functions_in("sys") == functions_in("") == ()
    (folder / "broken.py").write_text("def build(:")
    assert functions_in("broken") == ()


def test_releases_behind_a_model_and_as_options_take_them(folder: Path) -> None:
    assert completion.models("Net@3") == ["Net@3.4.1", "Net@3.15.1"]  # neither withdrawn nor unfinished ones
    assert completion.models("Net@") == [
        f"Net@{each}" for each in ("2.15.0", "3.4.1", "3.15.1", "latest", "nightly", "tf-keras")
    ]
    assert completion.models("Net@3.4.1+j") == ["Net@3.4.1+jax"]
    assert completion.releases("3.4.1,la") == ["3.4.1,latest"] and "minors" in completion.releases("")
    assert "minors" not in completion.one_release("") and completion.one_release("3.1") == ["3.15.1"]


def test_without_an_answer_of_the_registry_words_are_left(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACER_CACHE", str(folder / "empty"))
    assert completion.one_release("") == ["latest", "nightly", "tf-keras"]
    assert not (folder / "empty").exists()


def test_formats_and_backends() -> None:
    assert completion.formats("ker") == ["keras", "keras-compiled", "keras-dir"]
    assert completion.formats("keras,cl") == ["keras,clone"]
    assert completion.backends("") == ["tensorflow", "jax", "torch"]
    assert completion.shells("z") == ["zsh"]


@pytest.mark.parametrize(
    ("words", "place", "joined", "now"),
    [
        ("tracer diff Net @ 3.4", 4, "tracer diff Net@3.4", 2),
        ("tracer diff Net @", 3, "tracer diff Net@", 2),
        ("tracer diff a.b : c @ 3", 6, "tracer diff a.b:c@3", 2),
        ("tracer diff a.b : c d", 5, "tracer diff a.b:c d", 3),
        ("tracer roundtrip --format = k", 4, "tracer roundtrip --format=k", 2),
        ("tracer diff a ", 3, "tracer diff a", 3),
        ("tracer", 0, "tracer", 0),
        ("", 0, "", 0),
    ],
)
def test_words_that_bash_took_apart_are_joined(words: str, place: int, joined: str, now: int) -> None:
    assert completion.joined(words.split(), place) == (joined.split(), now)


# --- as a shell asks


@pytest.fixture
def program(tmp_path: Path) -> dict[str, str]:
    """The environment of a shell in which the command `tracer` is found."""
    place = tmp_path / "bin"
    place.mkdir()
    script = place / "tracer"
    script.write_text(f'#!/bin/sh\nexec {sys.executable} -m tracer "$@"\n')
    script.chmod(0o755)
    return {**os.environ, "PATH": f"{place}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(_ROOT)}


def completed(environment: dict[str, str], *lines: str) -> list[list[str]]:
    """What bash offers where each line ends, a word of it is `words[-1]`, with what `tracer --completion` prints."""
    asked = "\n".join(
        f"COMP_WORDS=({line}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); _tracer_completion tracer; "
        'printf "%s\\n" "${COMPREPLY[@]}" --'
        for line in lines
    )
    script = f'eval "$(tracer --completion bash)"\n{asked}\n'
    done = subprocess.run(
        ["bash", "--norc", "-c", script], env=environment, capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stderr == ""
    return [part.split() for part in done.stdout.split("--\n")[:-1]]


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash here")
def test_bash_completes(folder: Path, program: dict[str, str]) -> None:
    told = completed(
        program, "tracer rou", "tracer roundtrip net", "tracer diff net.keras Net @ 3.4", "tracer show report.json in",
        "tracer matrix net.h5 --format keras,cl", "tracer check --no-such-option x",
    )  # fmt: skip
    assert told == [["roundtrip"], ["net.h5", "net.keras"], ["3.4.1"], ["inner/norm"], ["keras,clone"], []]


def test_nothing_that_takes_long_is_imported_or_written(folder: Path, program: dict[str, str]) -> None:
    code = (
        "import sys; from tracer.cli import app\n"
        "try: app([])\n"
        "except SystemExit as end: print(end.code, file=sys.stderr)\n"
        "print(sorted({'keras', 'tensorflow', 'rich', 'numpy'} & set(sys.modules)), file=sys.stderr)"
    )
    asked = {"_TRACER_COMPLETE": "complete_bash", "COMP_WORDS": "tracer roundtrip Effi", "COMP_CWORD": "2"}
    before = time.process_time()
    done = subprocess.run(
        [sys.executable, "-c", code], env={**program, **asked}, capture_output=True, text=True, timeout=60
    )
    assert done.stderr == "0\n[]\n" and "EfficientNetB0" in done.stdout.split()
    assert time.process_time() - before < 5


@pytest.mark.parametrize("instruction", ["complete_no_shell", "nonsense", "complete_bash"])
def test_what_cant_be_completed_is_silence(instruction: str, folder: Path, program: dict[str, str]) -> None:
    asked = {"_TRACER_COMPLETE": instruction, "COMP_WORDS": "tracer show no_such.json x", "COMP_CWORD": "3"}
    done = subprocess.run(["tracer"], env={**program, **asked}, capture_output=True, text=True, timeout=60)
    assert done.stdout == "" and "Traceback" not in done.stderr
    assert list(folder.parent.glob("here/*.html")) == []


@pytest.mark.parametrize("shell", completion.SHELLS)
def test_each_shell_has_a_script(shell: str) -> None:
    told = completion.script(shell)
    assert "_TRACER_COMPLETE=complete_" + shell in told and "tracer" in told


def test_an_unknown_shell_is_said(program: dict[str, str]) -> None:
    done = subprocess.run(["tracer", "--completion", "tcsh"], env=program, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and "choose one of bash, zsh, fish" in done.stderr
