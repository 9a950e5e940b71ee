"""`tracer.store.goldens`: which folder of goldens is meant, and what is said where none is."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import tracer
from tracer.errors import FixtureError
from tracer.store import goldens
from tracer.store.fixtures import read_golden
from tracer.store.places import all_fixtures

_ROOT = Path(__file__).resolve().parents[2]
_SMALL = _ROOT / "fixtures" / "MobileNet.safetensors"

_LOOKUP = """
from tracer.errors import FixtureError
from tracer.store import goldens
try:
    print(goldens.find_folder(None).origin)
except FixtureError as error:
    print("FixtureError:", error)
"""


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_checkout_reads_its_own_fixtures_wherever_the_command_is_run(empty: Path) -> None:
    found = goldens.find_folder(None)
    assert found.path == _ROOT / "fixtures" and found.origin == str(found.path)
    assert goldens.find_folder("shipped") == found
    assert goldens.find_golden("MobileNet@3.4.1", None) == _SMALL


def test_the_folder_of_a_project_wins_as_a_whole(empty: Path) -> None:
    (empty / "fixtures").mkdir()
    assert goldens.find_folder(None).path == _ROOT / "fixtures", "a folder without goldens isn't one of goldens"
    shutil.copy(_SMALL, empty / "fixtures" / "Mine.safetensors")
    assert goldens.find_folder(None) == goldens.GoldenFolder(Path("fixtures"), "fixtures")
    # Not taken from elsewhere: a golden that was lost would go unnoticed.
    missing = goldens.find_golden("MobileNet", None)
    assert missing == Path("fixtures/MobileNet.safetensors")
    with pytest.raises(FixtureError, match=r"no such golden. The folder holds Mine\. Record it.*--fixtures shipped"):
        read_golden(missing)
    assert goldens.find_golden("MobileNet", "shipped") == _SMALL


def test_a_folder_that_is_named_has_to_be_there(empty: Path) -> None:
    (empty / "fixtures").mkdir()
    shutil.copy(_SMALL, empty / "fixtures")
    with pytest.raises(FixtureError, match="nowhere: there is no such folder of goldens"):
        goldens.find_folder("nowhere")
    (empty / "other").mkdir()
    assert goldens.find_folder("other").path == Path("other"), "also where it is empty: then nothing is checked"
    (empty / "shipped").mkdir()
    assert goldens.find_folder("shipped").path == Path("shipped"), "a folder of that name is what is named"


def test_a_file_is_taken_as_it_is_named(empty: Path) -> None:
    assert goldens.find_golden("MobileNet", "lost.safetensors") == Path("lost.safetensors")
    assert goldens.golden_named("lost.safetensors") == Path("lost.safetensors")
    assert goldens.golden_named("MobileNet") == _SMALL
    assert goldens.golden_named("NoSuch") is None
    (empty / "MobileNet").write_text("{}")
    assert goldens.golden_named("MobileNet") is None, "a report may have the name of a model"


def test_a_near_name_is_suggested() -> None:
    with pytest.raises(FixtureError, match=r"Did you mean MobileNetV2, .*\?"):
        read_golden(goldens.find_golden("MobilNetV2", "shipped"))


def installed(folder: Path, *, with_goldens: bool) -> Path:
    """This package as a wheel lays it out, without the checkout around it."""
    target = folder / "site-packages"
    shutil.copytree(_ROOT / "tracer", target / "tracer", ignore=shutil.ignore_patterns("__pycache__"))
    if with_goldens:
        (target / "tracer" / "goldens").mkdir()
        shutil.copy(_SMALL, target / "tracer" / "goldens")
    return target


def look(path: Path, folder: Path, code: str = _LOOKUP) -> str:
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(path)!r})\n{code}"],
        cwd=folder, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout.strip()


def test_an_installed_package_says_which_release_its_goldens_came_with(tmp_path: Path) -> None:
    site = installed(tmp_path, with_goldens=True)
    said = look(site, tmp_path)
    assert said == f"{site / 'tracer' / 'goldens'}, which came with keras-layer-tracer {tracer.__version__}"


def test_without_any_goldens_it_says_how_to_get_them(tmp_path: Path) -> None:
    said = look(installed(tmp_path, with_goldens=False), tmp_path)
    assert said.startswith(
        "FixtureError: there are no goldens: ./fixtures holds none, and none came with this package."
    )
    assert "from its wheel" in said and "dvc get REPOSITORY fixtures" in said and "tracer record MODEL" in said


def test_goldens_in_an_archive_are_no_riddle(tmp_path: Path) -> None:
    site = installed(tmp_path, with_goldens=True)
    with zipfile.ZipFile(tmp_path / "packed.zip", "w") as archive:
        for file in sorted(site.rglob("*")):
            archive.write(file, file.relative_to(site))
    said = look(tmp_path / "packed.zip", tmp_path)
    assert "packed.zip" in said and "can't be read inside an archive. Unpack it" in said


def test_nothing_is_recorded_into_an_installed_package(tmp_path: Path) -> None:
    site = installed(tmp_path, with_goldens=True)
    code = (
        "from tracer.errors import FixtureError\n"
        "from tracer.store.goldens import shipped_folder\n"
        "from tracer.workflows.goldens.recording import record\n"
        "try:\n    record('MobileNet', shipped_folder())\n"
        "except FixtureError as error:\n    print(error)"
    )
    assert "belong to the installed package and aren't written" in look(site, tmp_path, code)
    assert [path.name for path in all_fixtures(site / "tracer" / "goldens")] == [_SMALL.name]
    assert (site / "tracer" / "goldens" / _SMALL.name).read_bytes() == _SMALL.read_bytes()


def test_the_folder_of_a_checkout_can_be_recorded_into() -> None:
    goldens.check_recordable(_ROOT / "fixtures")
    goldens.check_recordable("fixtures")
