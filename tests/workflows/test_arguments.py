"""Mistakes in arguments, found before Keras is imported; and nothing refused that would have worked."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tracer.core.spec import parse_spec
from tracer.engine.model.build import application_names
from tracer.errors import InputError, SpecError, TracerError
from tracer.system import sources
from tracer.workflows.arguments import check_arguments, check_round_trip

_ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder as users have one, in which they are."""
    package = tmp_path / "my_package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "models.py").write_text(
        "import os as system\nlimit: int = 3\ndef build():\n    pass\nclass Net:\n    pass\n"
    )
    (package / "anything.py").write_text("from .models import *\n")
    (package / "lazy.py").write_text("def __getattr__(name):\n    return None\n")
    (package / "made.py").write_text("globals()['build'] = 1\n")
    (package / "broken.py").write_text("def build(:\n")
    (tmp_path / "best_model.keras").write_bytes(b"PK")
    (tmp_path / "batch.npz").write_bytes(b"PK")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("best_modle.keras", r"'best_modle\.keras' does not exist .* Did you mean best_model\.keras"),
        ("nowhere/m.keras", r"'nowhere/m\.keras' does not exist"),
        ("m.keras@3.4.1", r"'m\.keras' does not exist"),
        ("EffcientNetB0", r"not in keras\.applications .* Did you mean EfficientNetB"),
        ("my_pakage.models:build", r"no module 'my_pakage'\. Run from .* Did you mean my_package"),
        ("my_package.model:build", r"no module 'my_package\.model'\. .* Did you mean models"),
        ("my_package.models:biuld", r"my_package\.models has no 'biuld'\. Did you mean build"),
        ("my_package.models:Nett.make", r"has no 'Nett'\. Did you mean Net"),
    ],
)
def test_a_model_that_is_not_there_is_said_with_what_is_near(project: Path, model: str, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        check_arguments(model)


@pytest.mark.parametrize(
    "model",
    [
        "best_model.keras",
        "EfficientNetB0",
        "OfAnotherRelease@3.0.5",
        "my_package.models:build",
        "my_package.models:Net.make",
        "my_package.models:limit",
        "my_package.models:system",
        "my_package.anything:whatever",
        "my_package.lazy:whatever",
        "my_package.made:build",
        "my_package.broken:build",  # importing it says where it is broken
        "elsewhere.only:build@3.4.1",
        "os.path:join",
        "tracer.zoo:tiny_nested",
        "collections.abc:Mapping",
        object(),
        None,
    ],
)
def test_what_may_be_right_is_left_alone(project: Path, model: object) -> None:
    check_arguments(model)


def test_a_package_that_finds_its_modules_itself_is_left_alone(project: Path) -> None:
    (project / "my_package" / "__init__.py").write_text("__path__.append('/somewhere/else')\n")
    check_arguments("my_package.model:build")


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"formats": ["keras", "kears"]}, SpecError, r"unknown format 'kears'; .*Did you mean keras"),
        ({"memory_limit": "2GX"}, SpecError, "no size"),
        ({"inputs": "bacth.npz"}, InputError, r"does not exist; .* Did you mean batch\.npz"),
        ({"custom_objects": ["my_pakage.models"]}, SpecError, "--custom-objects my_pakage.models: there is no module"),
    ],
)
def test_options_are_checked_as_well(project: Path, options: dict, error: type[TracerError], message: str) -> None:  # type: ignore[type-arg]
    with pytest.raises(error, match=message):
        check_arguments("best_model.keras", **options)
    check_arguments("best_model.keras", formats=["all", "h5"], memory_limit=2**30, inputs="batch.npz")


_TYPOS = (
    ["roundtrip", "best_modle.keras"],
    ["roundtrip", "tracer.zoo:tiny_nestd"],
    ["roundtrip", "EffcientNetB0", "--format", "h5"],
    ["roundtrip", "EfficientNetB0", "--format", "keras", "--format", "kears"],
    ["diff", "EfficientNetB0", "best_modle.keras"],
    ["fix", "best_modle.keras", "--as-trained", "-o", "new.keras"],
    ["audit", "best_modle.keras"],
)
_SAID = """
import json, sys
from tracer.cli import app
for words in json.loads(sys.argv[1]):
    try: app(words)
    except SystemExit as end: print(words[0], end.code, sorted({"keras", "tensorflow"} & set(sys.modules)))
"""


def test_a_typo_on_the_command_line_imports_no_keras(project: Path) -> None:
    command = [sys.executable, "-c", _SAID, json.dumps(_TYPOS)]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": str(_ROOT)}, capture_output=True, text=True)
    assert done.stdout.splitlines() == [f"{words[0]} 2 []" for words in _TYPOS], done.stderr
    assert done.stderr.count("Did you mean") == len(_TYPOS), done.stderr


def test_the_applications_are_known_without_keras() -> None:
    assert sources.application_names() == application_names()


def test_a_module_that_ends_the_process_is_left_to_its_import(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ends.py").write_text("import sys\nsys.exit(0)\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    check_arguments("ends:make")


@pytest.mark.parametrize("model", ["m.keras@2.15.0", "MobileNetV2@2.11.0+tensorflow", parse_spec("m.h5@2.13.1")])
def test_a_round_trip_in_keras_2_is_refused(model: object) -> None:
    with pytest.raises(SpecError, match=r"@2\.1\d\.\d.*: round trips are made in Keras 3 alone.*`tracer migrate`"):
        check_round_trip(model)


@pytest.mark.parametrize("model", ["m.keras@3.0.0", "m.keras@latest", "MobileNetV2", object()])
def test_a_round_trip_elsewhere_is_left_alone(model: object) -> None:
    check_round_trip(model)
