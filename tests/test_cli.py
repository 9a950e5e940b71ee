"""The command line, in processes of its own: exit codes, what goes to stdout, what goes to stderr."""

from __future__ import annotations

import os
import pty
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tracer.records import Difference, Fault, LayerReport, Report, Status, Verdict
from tracer.report import to_json

TRACER = (sys.executable, "-m", "tracer")
ROOT = Path(__file__).parent.parent


def environment(**extra: str) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if k not in ("TRACER_DEBUG", "NO_COLOR", "FORCE_COLOR")}
    paths = (str(ROOT), kept.get("PYTHONPATH", ""))
    return {**kept, "PYTHONPATH": os.pathsep.join(filter(None, paths)), "TERM": "xterm", **extra}


def run(*args: str | Path, cwd: Path | None = None, **extra: str) -> subprocess.CompletedProcess[str]:
    command = [*TRACER, *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, env=environment(**extra), cwd=cwd, timeout=300)


def report(status: Status = Status.DIVERGED, layer: str = "dense") -> Report:
    diverged = status is Status.DIVERGED
    verdict = Verdict.INTRODUCED if diverged else Verdict.IDENTICAL
    error = 0.5 if diverged else 0.0
    return Report(
        status=status,
        compared=0 if status is Status.INCONCLUSIVE else 1,
        coverage=1.0,
        first_divergence=layer if diverged else None,
        faults=(Fault(layer=layer, class_name="Dense"),) if diverged else (),
        layers=(
            LayerReport(
                layer=layer,
                class_name="Dense",
                verdict=verdict,
                difference=Difference(rel_error=error, max_abs=error, max_ulp=0.0, cosine=1.0),
                local_error=error,
                tolerance=2e-6,
            ),
        ),
    )


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "r.json"
    path.write_text(to_json(report()), encoding="utf-8")
    return path


# ---- without Keras


_NO_BACKEND = """
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "tensorflow":
            raise ModuleNotFoundError("No module named 'tensorflow'", name="tensorflow")

sys.meta_path.insert(0, Blocker())
sys.argv = ["tracer", "roundtrip", "tracer.zoo:tiny_functional"]
from tracer.__main__ import main
main()
"""


def test_without_a_backend_it_says_how_to_get_one() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _NO_BACKEND], capture_output=True, text=True, env=environment(KERAS_BACKEND="tensorflow")
    )
    assert done.returncode == 2 and "internal error" not in done.stderr
    assert "tensorflow isn't installed" in done.stderr and "keras-layer-tracer[tensorflow]" in done.stderr


def test_help_is_fast_and_names_every_command() -> None:
    took = []
    for _ in range(3):
        before = os.times()
        result = run("--help")
        after = os.times()
        took.append(sum(after[2:4]) - sum(before[2:4]))
    assert result.returncode == 0
    for command in ("demo", "roundtrip", "diff", "show", "doctor"):
        assert re.search(rf"^  {command}  ", result.stdout, re.MULTILINE)
    assert "Exit codes: 0 the same, 1 diverged, 2 trouble" in result.stdout
    # Seconds of the processor, not of the clock: the machine that tests is rarely quiet.  0.2 when it is.
    assert min(took) < 0.5


@pytest.mark.parametrize("arguments", [["--help"], ["show", "r.json"], ["show", "r.json", "dense"]])
def test_reading_imports_neither_keras_nor_rich(arguments: list[str], saved: Path) -> None:
    code = (
        "import sys; from tracer.cli import app\n"
        "try: app(sys.argv[1:])\n"
        "except SystemExit: pass\n"
        "print(sorted({'keras', 'tensorflow', 'rich', 'numpy'} & set(sys.modules)), file=sys.stderr)"
    )
    command = [sys.executable, "-c", code, *arguments]
    result = subprocess.run(command, capture_output=True, text=True, env=environment(), cwd=saved.parent, timeout=60)
    assert result.stderr == "[]\n"


def test_version() -> None:
    result = run("--version")
    assert result.returncode == 0
    assert result.stdout.startswith("tracer ")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "Usage:"),
        (["rondtrip", "x"], "Did you mean 'roundtrip'?"),
        (["diff", "only_one"], "Missing argument 'CANDIDATE'"),
        (["diff", "a", "b", "--seed", "x"], "'--seed'"),
        (["diff", "a", "b", "--batch", "0"], "'--batch'"),
        (["roundtrip", "a", "--frmat", "h5"], "--format"),
        (["show", "none.json"], "tracer: none.json: no such file."),
        (["show", "r.json", "dens"], "tracer: no layer 'dens' in this report of 1; the nearest: dense."),
        (["show", "r.json", "--format", "h5"], "tracer: r.json holds no report of format 'h5'."),
        (["diff", "a", "b", "--json", "none/r.json"], "tracer: can't write the report to none/r.json"),
        (["demo", "--json", "."], "tracer: can't write the report to .: it is a folder"),
    ],
)
def test_trouble_is_2_and_one_clear_message(arguments: list[str], says: str, saved: Path) -> None:
    result = run(*arguments, cwd=saved.parent)
    assert result.returncode == 2
    assert says in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""
    if says.startswith("tracer:"):
        assert result.stderr.count("\n") == 1
    assert os.listdir(saved.parent) == ["r.json"]


def test_a_folder_that_is_gone_is_said(tmp_path: Path) -> None:
    command = f"mkdir gone && cd gone && rmdir ../gone && {sys.executable} -m tracer diff a b"
    done = subprocess.run(
        command, shell=True, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr == "tracer: the current folder has been removed; change into another one.\n"


def test_debug_shows_the_traceback() -> None:
    result = run("show", "none.json", TRACER_DEBUG="1")
    assert result.returncode == 2
    assert "Traceback" in result.stderr
    assert "FixtureError: none.json: no such file" in result.stderr


@pytest.mark.parametrize(
    ("status", "code"),
    [(Status.PASS, 0), (Status.WITHIN_TOLERANCE, 0), (Status.DIVERGED, 1), (Status.INCONCLUSIVE, 2)],
)
def test_show_exits_as_the_run_did(status: Status, code: int, tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    path.write_text(to_json(report(status)), encoding="utf-8")
    result = run("show", path)
    assert result.returncode == code
    assert result.stdout.startswith(status.name.replace("WITHIN_TOLERANCE", "PASS within"))
    assert result.stderr == ""
    assert "\x1b" not in result.stdout


def test_show_one_layer_and_one_format(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    path.write_text(to_json({"keras": report(Status.PASS), "h5": report()}), encoding="utf-8")
    result = run("show", path)
    assert result.returncode == 1
    assert result.stdout.startswith("DIVERGED in 1 of 2 formats: h5\n")
    assert f"tracer show {path} dense --format h5" in result.stdout
    assert run("show", path, "--format", "keras").returncode == 0
    assert "choose one with --format: keras, h5" in run("show", path, "dense").stderr
    drilled = run("show", path, "dense", "--format", "h5")
    assert drilled.returncode == 1
    assert drilled.stdout.startswith("dense (Dense)\n")


def test_the_next_command_that_is_printed_works(saved: Path) -> None:
    printed = run("show", saved.name, cwd=saved.parent).stdout
    command = re.search(r"tracer (show .*)", printed)
    assert command is not None
    assert run(*command.group(1).split(), cwd=saved.parent).stdout.startswith("dense (Dense)")


def on_terminal(command: list[str], **extra: str) -> str:
    master, slave = pty.openpty()
    with subprocess.Popen(command, stdout=slave, stderr=slave, env=environment(**extra)) as process:
        os.close(slave)
        output = b""
        while True:
            try:
                piece = os.read(master, 65536)
            except OSError:  # Linux says so that the other end is closed
                break
            if not piece:
                break
            output += piece
        process.wait(60)
    os.close(master)
    return output.decode()


def test_colour_on_terminals_only_and_never_against_the_will(saved: Path) -> None:
    show = [*TRACER, "show", str(saved)]
    assert "\x1b[1;31mDIVERGED" in on_terminal(show)
    assert "\x1b" not in on_terminal(show, NO_COLOR="1")
    assert "\x1b" not in on_terminal(show, TERM="dumb")
    assert "\x1b[1;31mDIVERGED" in run("show", saved, FORCE_COLOR="1").stdout
    assert "\x1b" not in run("show", saved, FORCE_COLOR="0").stdout
    assert "\x1b" not in run("show", saved, FORCE_COLOR="1", NO_COLOR="1").stdout


def test_a_long_verdict_is_wrapped_on_terminals_only(saved: Path) -> None:
    """Whoever reads the first line of a file or a pipe gets the whole verdict."""
    name = "/".join(["a_model_in_a_model"] * 6)
    saved.write_text(to_json(report(layer=name)), encoding="utf-8")
    whole = f"DIVERGED: 1 layer is at fault: {name} (which side is wrong is not known)"
    assert run("show", saved).stdout.splitlines()[0] == whole
    drawn = on_terminal([*TRACER, "show", str(saved)], NO_COLOR="1").splitlines()
    assert drawn[:3] == ["DIVERGED: 1 layer is at fault:", f"  {name} (which side is wrong", "  is not known)"] or (
        " ".join(map(str.strip, drawn[:3])).startswith(whole) and drawn[0] != whole
    )


@pytest.mark.parametrize("command", ["roundtrip", "diff", "fix", "record", "check", "matrix", "bisect", "show"])
def test_help_of_a_command_is_for_people(command: str) -> None:
    result = run(command, "-h")
    assert result.returncode == 0 and result.stdout == run(command, "--help").stdout
    assert not re.search(r"<\w|\]\]|\{|list\[", result.stdout)
    usage = {
        "matrix": "[MODEL...]",
        "check": "[MODEL...]",
        "record": "MODEL...",
        "bisect": "[MODEL]",
        "show": "FILE [LAYER]",
    }
    assert (
        result.stdout.splitlines()[0].endswith(f"[OPTIONS] {usage.get(command, '')}".rstrip()) or command not in usage
    )
    examples = result.stdout.partition("\nExamples:\n")[2].splitlines()
    assert examples and all(line.startswith(f"  tracer {command}") for line in examples)


def test_the_examples_of_help_are_command_lines_that_parse() -> None:
    from typer.main import get_command

    from tracer.cli import app
    from tracer.cli.examples import EXAMPLES

    group = get_command(app)
    for name, lines in EXAMPLES.items():
        for line in lines.splitlines():
            words = shlex.split(line)
            assert words[:2] == ["tracer", name]
            assert group.commands[name].make_context(name, words[2:]) is not None


PROGRESS = """
import time
from tracer import console
console._PROGRESS_AFTER = {after}
with console.work() as progress:
    progress("replaying [bold] layers", 3, 240)
    time.sleep(0.3)
print("the result")
"""


def test_progress_of_long_work_only_and_on_terminals_only() -> None:
    long = [sys.executable, "-c", PROGRESS.format(after=0)]
    drawn = on_terminal(long)
    assert "replaying [bold] layers" in drawn
    assert "3/240" in drawn
    assert drawn.endswith("the result\r\n")
    assert on_terminal([sys.executable, "-c", PROGRESS.format(after=60)]) == "the result\r\n"
    piped = subprocess.run(long, capture_output=True, text=True, env=environment(), timeout=60)
    assert (piped.stdout, piped.stderr) == ("the result\n", "")


def test_a_poor_encoding_does_not_crash(saved: Path) -> None:
    saved.write_text(to_json(report(layer="größe")), encoding="utf-8")
    result = run("show", saved, PYTHONIOENCODING="ascii")
    assert result.returncode == 1
    assert "gr??e" in result.stdout


def test_a_reader_that_leaves_is_not_a_divergence(saved: Path) -> None:
    with subprocess.Popen(
        [*TRACER, "show", str(saved)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()
    ) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == b""
    assert process.returncode == 2


# ---- the terminal around the work
