"""What is alive when, and sizes as text."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracer.core.memory import FIXED, Footprint, Step, footprint, needed, parse_size, size_text
from tracer.errors import SpecError


def _chain(sizes: list[int]) -> list[Step]:
    return [Step(takes=(i,), gives={i + 1: size}) for i, size in enumerate(sizes)]


@given(st.lists(st.integers(1, 1000), min_size=2, max_size=50))
def test_a_chain_needs_its_widest_pair_whatever_its_depth(sizes: list[int]) -> None:
    found = footprint(_chain(sizes[1:]), {0: sizes[0]}, [len(sizes) - 1], complete=True)
    # What comes in is alive while the layer runs; the layer works with as much again as it returns.
    assert found.peak == max(a + 2 * b for a, b in itertools.pairwise(sizes))
    assert found.widest == max(sizes[1:])


def test_a_skip_connection_is_kept_until_it_is_used() -> None:
    add = Step(takes=(1, 3), gives={4: 10})
    found = footprint([*_chain([100, 10, 10]), add], {0: 1}, [4], complete=True)
    assert found.peak == 1 + 2 * 100
    kept = footprint([*_chain([100, 60, 60]), add], {0: 1}, [4], complete=True)
    assert kept.peak == 100 + 60 + 2 * 60


def test_an_output_is_kept_to_the_end() -> None:
    steps = _chain([50, 10, 10])
    assert footprint(steps, {0: 1}, [1, 3], complete=True).peak == 1 + 2 * 50
    assert footprint(_chain([50, 40, 40]), {0: 1}, [1, 3], complete=True).peak == 50 + 40 + 2 * 40


def test_a_graph_inside_needs_what_it_needs() -> None:
    steps = [Step(takes=(0,), gives={1: 10}, inside=500)]
    assert footprint(steps, {0: 7}, [1], complete=True).peak == 507


def test_two_sides_and_a_replay() -> None:
    side = Footprint(peak=1000, widest=100)
    assert needed(side) == 1000 + FIXED
    assert needed(side, side) == 2000 + 300 + FIXED


@pytest.mark.parametrize(
    ("text", "count"),
    [("450MB", 450_000_000), ("2GB", 2 * 10**9), ("1.5GiB", 3 << 29), ("64k", 64_000), ("12", 12), (" 1 tb ", 10**12)],
)
def test_sizes_are_read(text: str, count: int) -> None:
    assert parse_size(text) == count


@pytest.mark.parametrize("text", ["", "GB", "0", "-1GB", "1 PB", "lots", "1e9"])
def test_what_is_no_size_is_said(text: str) -> None:
    with pytest.raises(SpecError, match="is no size"):
        parse_size(text)


@given(st.integers(1, 10**14))
def test_a_size_in_words_is_enough_and_not_much_more(count: int) -> None:
    read = parse_size(size_text(count))
    assert count <= read <= 1.01 * count + 10


@pytest.mark.parametrize(
    ("count", "text"), [(80_000_000, "80MB"), (1_234_000, "1.24MB"), (999, "1KB"), (2 * 10**9, "2GB")]
)
def test_sizes_are_short(count: int, text: str) -> None:
    assert size_text(count) == text
