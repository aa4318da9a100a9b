"""Sets of numbers as ranges, and the entries that are made of them, against plain sets."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from capture.shipping import ranges
from capture.shipping.writer_state import WriterState

some_range = st.tuples(st.integers(1, 60), st.integers(0, 12)).map(lambda pair: (pair[0], pair[0] + pair[1]))


def numbers(given_ranges: Iterable[ranges.Range]) -> set[int]:
    return {number for first, last in given_ranges for number in range(first, last + 1)}


@given(st.lists(some_range))
def test_a_union_is_sorted_merged_and_whole(added: list[ranges.Range]) -> None:
    union: list[ranges.Range] = []
    for new in added:
        union = ranges.add(union, new)
    assert numbers(union) == numbers(added)
    assert all(one[1] + 1 < other[0] for one, other in pairwise(union))
    assert ranges.count(union) == len(numbers(added))


@given(some_range, st.lists(some_range))
def test_a_difference_holds_what_no_range_covers(whole: ranges.Range, taken: list[ranges.Range]) -> None:
    assert numbers(ranges.subtract(whole, taken)) == numbers([whole]) - numbers(taken)


steps = st.lists(st.tuples(st.sampled_from(["ship", "spool_limit", "corrupt"]), some_range, st.booleans()))


@given(steps)
def test_a_record_is_shipped_lost_or_waiting_and_never_two_of_these(
    taken: list[tuple[str, ranges.Range, bool]],
) -> None:
    """What was thought lost and arrives is shipped; what is shipped is never lost."""
    entry = WriterState()
    shipped: set[int] = set()
    lost: set[int] = set()
    for what, (first, last), timed in taken:
        if what == "ship":
            entry = entry.with_shipped(first, last)
            shipped |= set(range(first, last + 1))
            lost -= shipped
        else:
            entry = entry.with_lost(what, first, last, (first, last) if timed else None)
            lost |= set(range(first, last + 1)) - shipped
        assert _lost(entry) == lost
        assert numbers(entry.shipped) == shipped
        assert entry.kept == max(shipped | lost, default=0)
        assert entry.waiting == entry.kept - len(shipped) - len(lost)
        assert entry.settled == len(shipped) + len(lost)


def _lost(entry: WriterState) -> set[int]:
    found = [(item.first, item.last) for item in entry.lost]
    assert sum(last - first + 1 for first, last in found) == len(numbers(found)), "no number is lost twice"
    return numbers(found)
