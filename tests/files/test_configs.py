"""`tracer.files.configs`: a configuration is read within bounds of memory, or one sentence says why not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tracer.errors import ModelError
from tracer.files import configs


def test_what_a_file_says_is_read(tmp_path: Path) -> None:
    file = tmp_path / "m.json"
    file.write_text('{"class_name": "Dense", "config": {"units": 3}}')
    assert configs.read(file) == {"class_name": "Dense", "config": {"units": 3}}


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"{", r"m\.json': its configuration isn't JSON: "),
        (b"[" * 100_000 + b"]" * 100_000, r"its configuration (is nested too deeply|takes \d+ MB)"),
        (b"\xff\xfe{}", r"its configuration isn't JSON: "),
    ],
)
def test_what_is_no_configuration_is_refused(data: bytes, why: str) -> None:
    with pytest.raises(ModelError, match=why):
        configs.parsed(data, Path("m.json"))


def test_one_that_is_larger_than_any_model_s_is_not_even_read(tmp_path: Path) -> None:
    configs.check_size(256 << 20, tmp_path)
    with pytest.raises(ModelError, match=r"has 268435457 bytes, which no model needs"):
        configs.check_size((256 << 20) + 1, tmp_path)


def test_small_text_that_would_fill_memory_is_refused() -> None:
    with pytest.raises(ModelError, match=r"its configuration takes \d+ MB to read, which no model needs"):
        configs.parsed(b"[" + b"{}," * 30_000_000 + b"{}]", Path("m.json"))


def test_a_file_that_is_not_there_is_an_error_of_the_system(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        configs.read(tmp_path / "none.json")
