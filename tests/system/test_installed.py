"""`tracer.system.installed`: versions of what is installed, and whether that is what gets imported."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from tracer.system import installed


def install(site: Path, name: str, version: str, *, listed: str = "", record: str = "", direct_url: str = "") -> None:
    """A distribution as an installer leaves it; its module is called as the distribution is, with underscores."""
    about = site / f"{name}-{version}.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    for file, text in (("top_level.txt", listed), ("RECORD", record), ("direct_url.json", direct_url)):
        if text:
            (about / file).write_text(text)


def make_module(folder: Path, name: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.py").write_text("")
    return folder / f"{name}.py"


def asked(*names: str, paths: list[Path]) -> dict[str, str]:
    """What the script says, run by a Python with these folders first on its path."""
    done = subprocess.run(
        [sys.executable, "-P", str(installed.__file__), *names], capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths))},
    )  # fmt: skip
    return dict(json.loads(done.stdout))


@pytest.mark.parametrize(
    "kept",
    [{"listed": "some_hub\n"}, {"record": "some_hub.py,,\n../../bin/hub,,\nsome_hub-1.0.dist-info/METADATA,,\n"}],
)
def test_a_folder_that_comes_first_is_told_in_place_of_the_version(tmp_path: Path, kept: dict[str, str]) -> None:
    site, clone = tmp_path / "site-packages", tmp_path / "clone"
    install(site, "some_hub", "1.0", **kept)
    make_module(site, "some_hub")
    first = make_module(clone, "some_hub")
    assert asked("some-hub", "nothing-of-the-kind", paths=[site, clone])["some-hub"] == "1.0"
    said = asked("some-hub", "nothing-of-the-kind", paths=[clone, site])
    assert said["some-hub"] == f"another one in {first}"
    assert said.keys() == {"python", "some-hub"}


def test_a_package_is_found_by_the_files_that_were_installed(tmp_path: Path) -> None:
    site = tmp_path / "site-packages"
    install(site, "some_hub", "1.0", record="some_hub/__init__.py,,\n")
    make_module(site / "some_hub", "__init__")
    first = make_module(tmp_path / "clone" / "some_hub", "__init__")
    assert asked("some-hub", paths=[tmp_path / "clone", site])["some-hub"] == f"another one in {first}"


def test_an_editable_installation_lies_in_its_project(tmp_path: Path) -> None:
    site, project = tmp_path / "site-packages", tmp_path / "project"
    install(site, "some_hub", "1.0", listed="some_hub", direct_url='{"url": "", "dir_info": {"editable": true}}')
    make_module(project, "some_hub")
    assert asked("some-hub", paths=[site, project])["some-hub"] == "1.0"


def test_links_into_a_cache_are_installed_all_the_same(tmp_path: Path) -> None:
    site = tmp_path / "site-packages"
    install(site, "some_hub", "1.0", listed="some_hub")
    (site / "some_hub.py").symlink_to(make_module(tmp_path / "cache", "some_hub"))
    assert asked("some-hub", paths=[site])["some-hub"] == "1.0"


def test_what_is_installed_here_is_told_by_version_and_by_module() -> None:
    assert installed.versions(["numpy", "nothing-of-the-kind"]) == {"numpy": metadata.version("numpy")}
    assert installed.strays(["numpy", "keras", "tensorflow"]) == {}
    assert installed.distributions_of(["yaml", "numpy", "my_models"]) == ("PyYAML", "numpy")
    assert installed.distributions_of([]) == ()


def test_what_is_installed_is_read_once_until_something_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every comparison asks, and an answer reads the records of all distributions; a notebook may install another."""
    site = tmp_path / "site-packages"
    install(site, "some_hub", "1.0", listed="some_hub")
    monkeypatch.syspath_prepend(str(site))
    real, asked_for = metadata.packages_distributions, []
    monkeypatch.setattr(metadata, "packages_distributions", lambda: asked_for.append(1) or real())
    assert installed.distributions_of(["some_hub", "other_hub"]) == ("some_hub",)
    (site / "checkpoint.txt").write_text("a script writes beside itself, which installs nothing")
    assert installed.distributions_of(["other_hub"]) == ()
    assert len(asked_for) == 1
    install(site, "other_hub", "2.0", listed="other_hub")
    assert installed.distributions_of(["some_hub", "other_hub"]) == ("other_hub", "some_hub")
    assert len(asked_for) == 2
    second = tmp_path / "more"
    install(second, "third_hub", "1.0", listed="third_hub")
    monkeypatch.syspath_prepend(str(second))
    assert installed.distributions_of(["third_hub"]) == ("third_hub",)
    assert len(asked_for) == 3
