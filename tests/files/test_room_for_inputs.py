"""`tracer.files.room`: inputs are refused before they take memory that isn't there."""

from __future__ import annotations

import pytest

from tracer.errors import InputError
from tracer.files import room
from tracer.system import room as memory


@pytest.fixture(autouse=True)
def small_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "available", lambda: 48_000)


def test_half_of_what_is_free_may_be_drawn() -> None:
    room.check_drawn("x", (1000,), text=False)  # 24 bytes for each number
    with pytest.raises(InputError, match=r"^input 'x' of shape \(1001,\) takes .+ to make, and .+ of memory are free"):
        room.check_drawn("x", (1001,), text=False)
    room.check_drawn("x", (200,), text=True)
    with pytest.raises(InputError, match=r"Ask for fewer samples"):
        room.check_drawn("x", (201,), text=True)


def test_half_of_what_is_free_may_be_read() -> None:
    room.check_claimed("x.npz", 24_000)
    with pytest.raises(InputError, match=r"^inputs file 'x\.npz' takes .+ when it is read.+or batches of them"):
        room.check_claimed("x.npz", 24_001)


def test_what_grows_a_hundredfold_is_a_trap_unless_it_is_small() -> None:
    room.check_growth("x.npz", (1 << 29) + 100, 1)
    with pytest.raises(InputError, match=r"has .+ If that is meant, write it without compression"):
        room.check_growth("x.npz", (1 << 29) + 101, 1)
