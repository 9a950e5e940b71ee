"""`tracer.core.matrix.bisection`: the boundary is found in log-many tests, whatever can't be tested."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracer.core.matrix.bisection import Found, Outcome, bisect, narrowing

G, B, S = Outcome.GOOD, Outcome.BAD, Outcome.UNTESTABLE


def search(text: str, first: Outcome = G) -> Found:
    """Items are numbered; `G`, `B` and `s` say what each is."""
    outcomes = {str(i): {"G": G, "B": B, "s": S}[c] for i, c in enumerate(text)}
    asked: list[str] = []

    def test(item: str) -> Outcome:
        assert item not in asked
        asked.append(item)
        return outcomes[item]

    found = bisect(list(outcomes), first, test)
    assert [item for item, _ in found.tested] == asked
    return found


@pytest.mark.parametrize(
    ("text", "first", "before", "after", "between"),
    [
        ("GB", G, "0", "1", ()),
        ("BG", B, "0", "1", ()),
        ("GGGGGBB", G, "4", "5", ()),
        ("BBGGGGG", B, "1", "2", ()),
        ("GsssB", G, "0", "4", ("1", "2", "3")),
        ("GGsBB", G, "1", "3", ("2",)),
        ("GsGsBsB", G, "2", "4", ("3",)),
    ],
)
def test_the_boundary_is_found(text: str, first: Outcome, before: str, after: str, between: tuple[str, ...]) -> None:
    found = search(text, first)
    assert (found.before, found.after, found.between, found.reason) == (before, after, between, "")


@pytest.mark.parametrize(
    ("text", "reason", "tests"),
    [
        ("GGG", "2 was expected to be bad, and is good", 2),
        ("BGB", "0 was expected to be good, and is bad", 1),
        ("sGB", "0 was expected to be good, and is untestable", 1),
        ("GBs", "2 was expected to be bad, and is untestable", 2),
    ],
)
def test_ends_that_are_not_as_said_end_it(text: str, reason: str, tests: int) -> None:
    found = search(text)
    assert found.reason == reason
    assert (found.before, found.after) == (None, None)
    assert len(found.tested) == tests


@given(st.integers(2, 200), st.data())
def test_it_takes_log_many_tests(count: int, data: st.DataObject) -> None:
    boundary = data.draw(st.integers(1, count - 1))
    found = search("G" * boundary + "B" * (count - boundary))
    assert (found.before, found.after) == (str(boundary - 1), str(boundary))
    assert len(found.tested) <= 2 + math.ceil(math.log2(count))


@given(st.lists(st.sampled_from("Gs"), max_size=12), st.lists(st.sampled_from("Bs"), max_size=12))
def test_what_can_not_be_tested_never_hides_the_boundary(left: list[str], right: list[str]) -> None:
    text = "G" + "".join(left) + "".join(right) + "B"
    found = search(text)
    last_good, first_bad = text.rindex("G"), text.index("B")
    assert (found.before, found.after) == (str(last_good), str(first_bad))
    assert found.between == tuple(str(i) for i in range(last_good + 1, first_bad))
    assert set(found.skipped) >= set(found.between)


def places(text: str, first: Outcome = G) -> list[tuple[str, str, int] | None]:
    """Where the change could be after each test, and the steps left."""
    told = narrowing([str(i) for i in range(len(text))], search(text, first).tested)
    return [None if now is None else (now.low, now.high, now.steps) for now in told]


def test_the_place_of_the_change_narrows_with_every_test() -> None:
    assert places("GGGGGBB") == [None, ("0", "6", 3), ("3", "6", 2), ("4", "6", 1), ("4", "5", 0)]
    assert places("BBGGGGG", B) == [None, ("0", "6", 3), ("0", "3", 2), ("1", "3", 1), ("1", "2", 0)]
    assert places("GsssB")[1:] == [("0", "4", n) for n in (2, 2, 1, 0)]  # what can't be tested narrows nothing
    assert places("GGG") == [None, None] and places("BGB") == [None]  # the ends aren't as they were said to be


@given(st.integers(2, 200), st.data())
def test_it_never_takes_more_steps_than_it_says(count: int, data: st.DataObject) -> None:
    boundary = data.draw(st.integers(1, count - 1))
    _, *told = places("G" * boundary + "B" * (count - boundary))
    left = len(told) - 1
    for now in told:
        assert now is not None and int(now[0]) < boundary <= int(now[1])
        assert now[2] >= left
        left -= 1
    assert told[-1] == (str(boundary - 1), str(boundary), 0)


def test_nothing_to_search_is_a_mistake() -> None:
    for items, first in ((["1"], G), (["1", "2"], S)):
        with pytest.raises(ValueError, match="two items"):
            bisect(items, first, lambda item: G)
