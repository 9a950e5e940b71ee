"""`tracer.envs.inherited`, `bootstrap`: another Python gets this package and the user's project, and nothing else."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Mapping
from pathlib import Path

import pytest

import tracer
from tracer.envs import inherited

_PACKAGE = Path(tracer.__file__).parent
_WHERE = "import {0}, sys; print({0}.__file__)"


def make_folder(place: Path, **modules: str) -> Path:
    place.mkdir(parents=True, exist_ok=True)
    for name, text in modules.items():
        (place / f"{name}.py").write_text(text, encoding="utf-8")
    return place


def run(*words: str | Path, variables: Mapping[str, str]) -> str:
    """What a program prints, started where nothing can be imported from."""
    done = subprocess.run(list(map(str, words)), env=variables, cwd="/", capture_output=True, text=True, check=False)
    return done.stdout.strip() or done.stderr


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A copy of this package as a wheel is installed: in `site-packages`, beside another Keras."""
    site = make_folder(
        tmp_path / "host" / "lib" / "site-packages", keras="__version__ = 'the host, not the environment'"
    )
    shutil.copytree(_PACKAGE, site / "tracer", ignore=shutil.ignore_patterns("__pycache__"))
    make_folder(site / "tracer", shown="import sys, keras; print(keras.__version__, sys.argv[1:])")
    return site


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of a virtual environment with a Keras of its own."""
    place = tmp_path_factory.mktemp("environment")
    venv.create(place, with_pip=False)
    (site,) = place.glob("lib/python*/site-packages")
    make_folder(site, keras="__version__ = '3.4.1'")
    return place / "bin" / "python"


def test_an_installed_package_doesnt_bring_the_keras_beside_it(installed: Path, environment: Path) -> None:
    words = [installed / "tracer" / "envs" / "bootstrap.py", "tracer.shown", "7", "8"]
    variables = {"PATH": os.defpath}
    assert run(environment, "-P", *words, variables=variables) == "3.4.1 ['7', '8']"
    # What this is for: with the folder on the path the other one would be imported.
    shadowed = run(environment, "-m", "tracer.shown", variables={**variables, "PYTHONPATH": str(installed)})
    assert shadowed.startswith("the host")


def test_the_package_that_asks_is_the_one_that_runs(installed: Path, environment: Path) -> None:
    """Also where the environment has a tracer of its own."""
    (site,) = environment.parents[1].glob("lib/python*/site-packages")
    make_folder(site / "tracer", __init__="", shown="print('another tracer')")
    try:
        words = [installed / "tracer" / "envs" / "bootstrap.py", "tracer.shown"]
        assert run(environment, "-P", *words, variables={"PATH": os.defpath}).startswith("3.4.1")
    finally:
        shutil.rmtree(site / "tracer")


def test_modules_beside_the_bootstrap_arent_importable_by_their_bare_names(installed: Path, environment: Path) -> None:
    make_folder(installed / "tracer", shown="import uv")
    said = run(environment, *inherited.start_module("tracer.shown"), variables={"PATH": os.defpath})
    assert "No module named" in said


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """`sys.path` of this process, with only what a test puts there."""
    found: list[str] = []
    monkeypatch.setattr("sys.path", found)
    monkeypatch.chdir(make_folder(tmp_path / "project"))
    return found


def test_the_users_project_is_what_the_other_environment_gets(tmp_path: Path, paths: list[str]) -> None:
    project = make_folder(tmp_path / "elsewhere", models="")
    paths += ["", str(project), str(tmp_path / "gone"), str(project)]
    assert inherited.project_folders() == (tmp_path / "project", project)
    variables = inherited.foreign_variables({"A": "b"})
    assert variables["PYTHONPATH"].split(os.pathsep) == [str(tmp_path / "project"), str(project)]
    assert (variables["A"], variables["PYTHONNOUSERSITE"]) == ("b", "1")


@pytest.mark.parametrize(
    "place",
    ["lib/python3.11/site-packages", "lib/python3/dist-packages", "home/.local/lib/python3.11/site-packages/inside"],
)
def test_what_is_installed_stays_here(tmp_path: Path, paths: list[str], place: str) -> None:
    paths.append(str(make_folder(tmp_path / place, keras="")))
    assert inherited.project_folders() == (tmp_path / "project",)


def test_a_folder_that_packages_were_installed_into_stays_here(tmp_path: Path, paths: list[str]) -> None:
    target = make_folder(tmp_path / "target", keras="")
    (target / "keras-3.15.1.dist-info").mkdir()
    paths.append(str(target))
    assert inherited.project_folders() == (tmp_path / "project",)


def test_the_folder_of_this_package_and_the_standard_library_stay_here(tmp_path: Path, paths: list[str]) -> None:
    paths += [str(_PACKAGE.parent), str(Path(os.__file__).parent), str(Path(os.__file__).parent / "lib-dynload")]
    assert inherited.project_folders() == (tmp_path / "project",)


def test_a_project_below_the_interpreters_prefix_is_a_project(
    tmp_path: Path, paths: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `/usr/src/app` is, where Python is in `/usr`."""
    monkeypatch.setattr("sys.prefix", str(tmp_path))
    project = make_folder(tmp_path / "src" / "app")
    paths.append(str(project))
    assert project in inherited.project_folders()


def test_nothing_points_the_other_python_at_this_ones_library(monkeypatch: pytest.MonkeyPatch) -> None:
    names = {"PYTHONHOME", "PYTHONPLATLIBDIR", "PYTHONSTARTUP", "PYTHONINSPECT", "PYTHONUSERBASE", inherited.NOTES}
    for name in names:
        monkeypatch.setenv(name, "somewhere")
    assert not names & inherited.foreign_variables({}).keys()


def test_a_user_site_isnt_seen_there(tmp_path: Path, environment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    make_folder(tmp_path / "base" / "lib" / version / "site-packages", leaked="")
    monkeypatch.setenv("PYTHONUSERBASE", str(tmp_path / "base"))
    monkeypatch.setenv("HOME", str(tmp_path))
    said = run(sys.executable, "-c", _WHERE.format("leaked"), variables=inherited.foreign_variables({}))
    assert "No module named 'leaked'" in said


def test_a_second_process_of_this_environment_imports_what_this_one_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also from a folder that packages were installed into."""
    target = make_folder(tmp_path / "target", only_here="")
    (target / "only_here-1.dist-info").mkdir()
    monkeypatch.syspath_prepend(str(target))
    said = run(sys.executable, "-c", _WHERE.format("only_here"), variables=inherited.own_variables({}))
    assert said == str(target / "only_here.py")


def test_a_command_of_the_users_gets_a_folder_with_this_package_alone(environment: Path) -> None:
    with inherited.folders_for_command() as folders:
        assert [path.name for path in folders.last.iterdir()] == ["tracer"]
        assert [path.name for path in folders.first.glob("*.*")] == ["sitecustomize.py"]
        said = run(environment, "-c", _WHERE.format("tracer"), variables={"PYTHONPATH": str(folders.last)})
        assert said == str(folders.last / "tracer" / "__init__.py")
    assert not folders.last.exists() and not folders.notes.exists()
    assert _PACKAGE.is_dir() and folders.first.is_dir()


def test_the_keras_that_a_command_imports_is_noted_once_a_process(tmp_path: Path, environment: Path) -> None:
    """In whatever Python it is; a Python that has no Keras notes nothing, and fails as ever."""
    other = make_folder(tmp_path / "other", keras="__version__ = 'another one'")
    (keras,) = environment.parents[1].glob("lib/python*/site-packages/keras.py")
    asked = "try:\n    import keras\n    import keras as again\nexcept ModuleNotFoundError as e:\n    print(e)"
    with inherited.folders_for_command() as folders:
        for python, path, said in (
            (environment, None, ""),
            (environment, other, ""),
            (sys._base_executable, None, "No module named 'keras'"),  # type: ignore[attr-defined]
        ):
            paths = os.pathsep.join(map(str, filter(None, (folders.first, path))))
            variables = {"PYTHONPATH": paths, inherited.NOTES: str(folders.notes), "PYTHONNOUSERSITE": "1"}
            assert run(python, "-B", "-c", asked, variables=variables) == said
        assert folders.notes.read_text().split() == [str(keras), str(other / "keras.py")]


def test_the_folder_that_lies_first_shadows_nothing_of_the_users(tmp_path: Path, environment: Path) -> None:
    own = make_folder(tmp_path / "own", startup="", local="")
    asked = "import startup, local; print(startup.__file__, local.__file__)"
    with inherited.folders_for_command() as folders:
        paths = os.pathsep.join([str(folders.first), str(own), str(folders.last)])
        said = run(environment, "-c", asked, variables={"PYTHONPATH": paths})
    assert said.split() == [str(own / "startup.py"), str(own / "local.py")]


def test_a_sitecustomize_of_the_users_runs_all_the_same(tmp_path: Path, environment: Path) -> None:
    own = make_folder(tmp_path / "own", sitecustomize="import sys; sys.own = 7")
    with inherited.folders_for_command() as folders:
        paths = os.pathsep.join([str(folders.first), str(own)])
        assert run(environment, "-c", "import sys; print(sys.own)", variables={"PYTHONPATH": paths}) == "7"
