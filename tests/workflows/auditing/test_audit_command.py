"""`tracer audit`: exit codes, what is printed, what is saved."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import test_audit
from test_audit import edited, layer_of

file = test_audit.file
_ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def said(file: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Exit code and JSON of the command for an innocent file and for one with a planted loss, in one process."""
    folder = tmp_path_factory.mktemp("command")
    spoiled = edited(file, folder, config=lambda c: layer_of(c, "bn").pop("epsilon"))
    script = (
        "import json, sys\n"
        "from tracer.cli import app\n"
        "for path, target in json.loads(sys.argv[1]):\n"
        "    try: app(['audit', path, '--json', target, '--custom-objects', 'audited_layers'])\n"
        "    except SystemExit as end: print('ended with', end.code, flush=True)\n"
    )
    layer = (
        "import keras\n"
        "@keras.saving.register_keras_serializable('audited')\n"
        "class Swallows(keras.layers.Layer):\n"
        "    def __init__(self, factor=1.0, **options):\n"
        "        super().__init__(**options)\n"
        "    def call(self, x):\n"
        "        return x\n"
        "    def get_config(self):\n"
        "        return super().get_config()\n"
    )
    (folder / "audited_layers.py").write_text(layer)
    asked = [(str(file), "good.json"), (str(spoiled), "bad.json"), ("nothing.keras", "none.json")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(_ROOT), str(folder)]), "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [sys.executable, "-c", script, json.dumps(asked)],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    reports = {name: json.loads((folder / name).read_text()) for name in ("good.json", "bad.json")}
    return {"codes": re.findall(r"ended with (\d)", done.stdout), "text": done.stdout, "errors": done.stderr, **reports}


@pytest.mark.slow
def test_the_command_ends_with_0_1_and_2(said: dict[str, Any]) -> None:
    assert said["codes"] == ["0", "1", "2"], said["errors"]


@pytest.mark.slow
def test_the_command_prints_the_finding_and_saves_it(said: dict[str, Any]) -> None:
    assert "comes back whole" in said["text"] and re.search(r"LOST: \S+: 1 finding;", said["text"])
    assert (said["good.json"]["ok"], said["bad.json"]["ok"]) == (True, False)
    assert said["bad.json"]["findings"][0]["place"].endswith(".epsilon")


@pytest.mark.slow
def test_a_file_that_is_not_there_is_trouble(said: dict[str, Any]) -> None:
    assert "model file 'nothing.keras' does not exist" in said["errors"]
