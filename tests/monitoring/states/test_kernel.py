"""The kernel counts what a plain loop over the rows counts, however the rows are cut into batches and files."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from functools import reduce
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.states.column import ColumnState, ExampleReason, ValueKind
from monitoring.states.hashing import hash_texts
from monitoring.states.kernel import Kernel
from monitoring.states.layout import FileFacts, captured_layout
from monitoring.states.plan import CountingPlan
from monitoring.states.profile import Profile, SliceState, merge_profiles
from monitoring.states.units import UnitKind, UnitTable, canonical, merge_units
from tests.monitoring.states import oracle
from tests.monitoring.states.oracle import Row
from tests.monitoring.states.worlds import BINNING, HOUR, batch_of, binning_of, rows

PLAN = CountingPlan("bins", BINNING, captured_layout())


def profile_of(*batches: pa.RecordBatch, plan: CountingPlan = PLAN, facts: FileFacts | None = None) -> Profile:
    kernel = Kernel(plan, facts or FileFacts(), "file")
    for batch in batches:
        kernel.add(batch)
    return kernel.profile()


def cut(found: list[Row], places: list[int]) -> list[list[Row]]:
    bounds = sorted({0, len(found), *(place % (len(found) + 1) for place in places)})
    return [found[low:high] for low, high in itertools.pairwise(bounds)]


@given(rows(), st.lists(st.integers(0, 200), max_size=4))
def test_the_kernel_counts_what_a_loop_over_the_rows_counts(found: list[Row], places: list[int]) -> None:
    whole = batch_of(found)
    state = profile_of(*(whole.slice(found.index(part[0]), len(part)) for part in cut(found, places))).total()
    assert state.rows == len(found)
    assert state.events == sum(row.item == 0 for row in found)
    sizes = Counter(row.event for row in found)
    assert state.square_rows == sum(count**2 for count in sizes.values())
    if not found:
        return
    assert (state.first, state.last) == (min(row.time for row in found), max(row.time for row in found))
    for name, binning in BINNING.items():
        check_column(state.columns[name], found, name)
        assert state.columns[name].fine.tolist() == oracle.fine_counts(found, binning)
    check_units(state, found)


def check_column(column: ColumnState, found: list[Row], name: str) -> None:
    binning = BINNING[name]
    values = [row.cells.get(name) for row in oracle.counted(found, binning)]
    present: list[Any] = [value for value in values if not oracle.is_missing(value)]
    assert column.rows == len(values)
    assert column.missing == len(values) - len(present)
    assert column.nans == sum(isinstance(value, float) and math.isnan(value) for value in values)
    assert column.absent == (len(values) if name == "gone" else 0)
    kinds = Counter(oracle.kind_of(value) for value in present)
    assert column.kinds.tolist() == [kinds[kind] for kind in ValueKind]
    if name in ("real", "whole", "wind"):
        assert column.zero_one == sum(value in (0, 1) for value in present)
        assert column.negatives == sum(value < 0 for value in present)
        assert column.infinities == (present.count(-math.inf), present.count(math.inf))
        assert column.below == sum(value <= binning.edges[0] for value in present)
        assert column.above == sum(value > binning.edges[-1] for value in present)
        check_moments(column, oracle.numbers(found, binning), binning.centre)
        expected = oracle.clipped_sums(found, binning)
        assert column.sums == pytest.approx(expected, rel=1e-12, abs=1e-3)
        far = [value for value in oracle.numbers(found, binning) if not binning.edges[0] < value <= binning.edges[-1]]
        assert sorted(column.far.values) == sorted(far)
    if name == "word":
        texts = Counter(value for value in present)
        assert column.unseen == {text: count for text, count in texts.items() if text not in binning.domain}
        assert column.distinct == len(texts)


def check_moments(column: ColumnState, numbers: list[float], centre: float) -> None:
    assert column.finite == len(numbers)
    if not numbers:
        return
    assert (column.minimum, column.maximum) == (min(numbers), max(numbers))
    moved = [number - centre for number in numbers]
    largest = max(abs(value) for value in moved)
    assert column.sum1 == pytest.approx(math.fsum(moved), rel=1e-12, abs=1e-12 * largest)
    if largest < 1e150:
        assert column.sum2 == pytest.approx(math.fsum(value**2 for value in moved), rel=1e-12)


def check_units(state: SliceState, found: list[Row]) -> None:
    hashes = dict(zip([row.event for row in found], hash_texts(pa.array([row.event for row in found])), strict=True))
    assert state.requests.ids.tolist() == sorted({int(key) for key in hashes.values()})
    for name, binning in BINNING.items():
        by_request = oracle.by_unit(found, binning, lambda row: int(hashes[row.event]))
        counts = state.requests.counts[name]
        assert {int(key): row.tolist() for key, row in zip(state.requests.ids, counts, strict=True)} == by_request
        by_hour = oracle.by_unit(found, binning, lambda row: row.time // HOUR)
        hours = zip(state.hours.ids, state.hours.counts[name], strict=True)
        assert {int(key): row.tolist() for key, row in hours if row.any()} == by_hour


@given(rows(most=12), rows(most=12), rows(most=12))
def test_merging_is_associative_and_equals_one_pass(one: list[Row], two: list[Row], three: list[Row]) -> None:
    parts = (one, two, three)
    for number, part in enumerate(parts):
        for row in part:
            row.event = f"{row.event}-of-{number}"
    first, second, third = (profile_of(batch_of(part)) for part in parts)
    left = merge_profiles(merge_profiles(first, second), third)
    right = merge_profiles(first, merge_profiles(second, third))
    whole = profile_of(*(batch_of(part) for part in parts))
    assert_equal(left.total(), right.total())
    assert_equal(left.total(), whole.total())


def assert_equal(ours: SliceState, theirs: SliceState) -> None:
    """Counts are equal, floats to 1e-12 relative."""
    for field in ("rows", "events", "square_rows", "first", "last", "duplicates"):
        assert getattr(ours, field) == getattr(theirs, field)
    assert ours.columns.keys() == theirs.columns.keys()
    for name, column in ours.columns.items():
        other = theirs.columns[name]
        for field in ("rows", "missing", "nans", "absent", "zero_one", "negatives", "below", "above", "finite"):
            assert getattr(column, field) == getattr(other, field), (name, field)
        assert column.fine.tolist() == other.fine.tolist()
        assert column.kinds.tolist() == other.kinds.tolist()
        assert column.hashes.tolist() == other.hashes.tolist()
        assert (column.unseen, column.infinities, column.types) == (other.unseen, other.infinities, other.types)
        assert column.examples == other.examples
        assert column.far.hashes.tolist() == other.far.hashes.tolist()
        assert column.far.values.tolist() == other.far.values.tolist()
        assert (column.minimum, column.maximum) == (other.minimum, other.maximum)
        scale = 1e-12 * max(1.0, abs(column.minimum), abs(column.maximum)) if column.finite else 0.0
        assert column.sum1 == pytest.approx(other.sum1, rel=1e-12, abs=scale)
        assert column.sums == pytest.approx(other.sums, rel=1e-12, abs=1e-3)
    for table, other_table in (
        (ours.requests, theirs.requests),
        (ours.hours, theirs.hours),
        (ours.groups, theirs.groups),
    ):
        assert table.ids.tolist() == other_table.ids.tolist()
        assert table.requests.tolist() == other_table.requests.tolist()
        assert table.rows.tolist() == other_table.rows.tolist()
        for name, counts in table.counts.items():
            assert np.array_equal(counts, other_table.counts[name])
    assert ours.sample.ids == theirs.sample.ids
    assert {name: bins.tolist() for name, bins in ours.sample.bins.items()} == {
        name: bins.tolist() for name, bins in theirs.sample.bins.items()
    }


def table(**columns: Any) -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict(columns)


def captured(items: list[tuple[str, int]], **columns: Any) -> pa.RecordBatch:
    ids, numbers = [event for event, _ in items], [item for _, item in items]
    return table(capture_event_id=ids, capture_item_index=pa.array(numbers, pa.int32()), **columns)


def test_a_window_of_many_requests_has_blocks_and_of_few_single_requests() -> None:
    few = [(f"e{number}", 0) for number in range(500)]
    many = [(f"e{number}", 0) for number in range(501)]
    assert len(profile_of(captured(few, real=[1.0] * 500)).total().requests) == 500
    state = profile_of(captured(many, real=[1.0] * 501)).total()
    assert state.requests.bits == 9
    assert state.requests.requests.sum() == 501
    assert state.requests.counts["real"].sum() == 501


@given(st.lists(st.integers(0, 2**64 - 1), unique=True, max_size=1200), st.integers(0, 1200))
def test_requests_become_the_same_blocks_in_any_order_of_merging(hashes: list[int], place: int) -> None:
    def requests(part: list[int]) -> UnitTable:
        ids = np.sort(np.array(part, np.uint64))
        ones = np.ones(len(ids))
        counts = {"a": np.stack((ids % np.uint64(2), ids % np.uint64(3)), axis=1).astype(np.float64).reshape(-1, 2)}
        return UnitTable(UnitKind.REQUEST, ids, ones, ones, counts)

    whole = canonical(requests(hashes))
    merged = merge_units(canonical(requests(hashes[:place])), canonical(requests(hashes[place:])))
    assert merged.bits == whole.bits or not hashes
    assert merged.ids.tolist() == whole.ids.tolist()
    assert np.array_equal(merged.counts.get("a", np.zeros(0)), whole.counts.get("a", np.zeros(0))) or not hashes


def test_a_request_level_column_counts_once_an_event_though_a_batch_splits_it() -> None:
    batch = captured([("a", 0), ("a", 1), ("a", 2), ("b", 0), ("b", 1)], wind=[5.0, 5.0, 5.0, None, None])
    state = profile_of(batch.slice(0, 2), batch.slice(2)).total()
    assert (state.columns["wind"].rows, state.columns["wind"].missing) == (2, 1)
    assert state.requests.counts["wind"].sum() == 2


def test_rows_of_another_type_are_counted_by_kind_and_stand_in_the_last_bin() -> None:
    state = profile_of(captured([("a", 0), ("b", 0)], real=["12", None], word=[1.5, 2.0])).total()
    real, word = state.columns["real"], state.columns["word"]
    assert (real.kinds[ValueKind.STRING], real.missing, real.fine[-1], real.finite) == (1, 1, 2, 0)
    assert (word.kinds[ValueKind.FRACTIONAL], word.kinds[ValueKind.INTEGRAL]) == (1, 1)
    assert word.unseen == {"1.5": 1, "2": 1}
    assert real.types == {"string": 2}


def test_a_number_meets_the_category_of_its_text() -> None:
    binning = {"zip": binning_of("zip", BINNING["word"].kind, domain=["10", "20"])}
    plan = CountingPlan("bins", binning, captured_layout())
    state = profile_of(table(zip=[10.0, 20.0, 30.0, None]), table(zip=["10", None, None, None]), plan=plan)
    assert state.total().columns["zip"].fine.tolist() == [2, 1, 1, 4]


def test_rescued_cells_count_towards_the_types_and_not_as_missing() -> None:
    rescued = [None, '{"real": "abc", "word": true}', '{"gone": 3.5, "other": [1]}', "not JSON"]
    batch = captured([(name, 0) for name in "abcd"], real=[1.0, None, None, 2.0], word=["a", None, "b", None])
    batch = batch.append_column("capture_rescued_data", pa.array(rescued))
    columns = profile_of(batch).total().columns
    assert (columns["real"].missing, columns["real"].rescued, columns["real"].kinds[ValueKind.STRING]) == (1, 1, 1)
    assert (columns["word"].missing, columns["word"].kinds[ValueKind.BOOLEAN]) == (1, 1)
    assert (columns["gone"].missing, columns["gone"].kinds[ValueKind.FRACTIONAL]) == (3, 1)
    assert columns["real"].examples[ExampleReason.TYPE][0][1] == "b"


def test_a_rescued_request_level_cell_counts_once_an_event() -> None:
    batch = captured([("a", 0), ("a", 1), ("b", 0)], wind=[None, None, 0.5])
    batch = batch.append_column("capture_rescued_data", pa.array(['{"wind": "gale"}', '{"wind": "gale"}', None]))
    wind = profile_of(batch).total().columns["wind"]
    assert (wind.rows, wind.missing, wind.rescued) == (2, 0, 1)


def test_model_versions_and_sampling_percentages_are_kept_apart_and_weighed() -> None:
    batch = captured(
        [(f"e{number}", 0) for number in range(1000)],
        word=["a"] * 900 + ["b"] * 100,
        capture_sampling_percentage=[100.0] * 900 + [10.0] * 100,
        capture_model_version=["1"] * 500 + ["2"] * 500,
    )
    profile = profile_of(batch)
    assert [(key.model_version, key.sampling_percentage) for key in sorted(profile.slices)] == [
        ("1", 100.0),
        ("2", 10.0),
        ("2", 100.0),
    ]
    state = profile.total()
    assert state.columns["word"].fine.tolist() == [900, 1000, 0, 0, 0, 0]
    assert state.requests.counts["word"].sum() == 1900
    assert profile.rows == 1000
    assert profile.only(lambda key: key.model_version == "1").total().rows == 500


def test_duplicate_rows_count_once() -> None:
    batch = captured([("a", 0), ("a", 1), ("b", 0)], real=[1.0, 2.0, 3.0])
    first = Kernel(PLAN, FileFacts(), "one")
    first.add(batch)
    again = Kernel(PLAN, FileFacts(), "two", excluded=first.keys(), exact=True)
    again.add(captured([("a", 1), ("c", 0), ("c", 0), ("b", 0)], real=[2.0, 4.0, 4.0, 3.0]))
    state = again.profile().total()
    assert (state.rows, state.duplicates, state.columns["real"].fine.sum()) == (1, 3, 1)


def test_events_without_an_item_index_count_at_their_first_row_wherever_it_stands() -> None:
    batch = table(capture_event_id=["a", "b", "a", "b", "c"], wind=[1.0, 2.0, 1.0, 2.0, 3.0])
    state = profile_of(batch.slice(0, 2), batch.slice(2)).total()
    assert (state.events, state.columns["wind"].rows, state.square_rows) == (3, 3, 4 + 4 + 1)


def test_rows_without_ids_are_events_of_their_own() -> None:
    state = profile_of(table(real=[1.0, 2.0, 3.0])).total()
    assert (state.events, state.square_rows, len(state.requests)) == (3, 3, 3)
    assert state.sample.ids == ()


def test_units_may_be_the_values_of_a_column() -> None:
    plan = CountingPlan("bins", BINNING, captured_layout(unit="word"))
    state = profile_of(table(real=[0.4, 0.6, 0.7], word=["x", "y", None]), plan=plan).total()
    assert sorted(state.groups.labels.values()) == ["x", "y"]
    assert state.groups.counts["real"].sum(axis=0).sum() == 2


def test_store_health_counts_once_an_event() -> None:
    batch = captured(
        [("a", 0), ("a", 1), ("b", 0)],
        capture_age_weather=[60.0, 60.0, None],
        capture_missing_weather=pa.array([0, 0, 2], pa.int32()),
    )
    state = profile_of(batch).total()
    store = state.stores["weather"]
    assert (store.events, store.missing_ids, store.events_with_missing) == (2, 2, 1)
    assert store.age_quantile(0.5) == 60.0
    assert "capture_age_weather" not in state.columns


def test_examples_are_the_events_with_the_smallest_hashes() -> None:
    names = [f"event-{number}" for number in range(3000)]
    values = [None if number % 2 else float(number) for number in range(3000)]
    state = profile_of(captured([(name, 0) for name in names], whole=values)).total()
    hashes = hash_texts(pa.array(names))
    expected = sorted(zip(hashes.tolist(), names, strict=True))
    missing = [(key, name) for key, name in expected if int(name[6:]) % 2]
    above = [(key, name) for key, name in expected if not int(name[6:]) % 2 and int(name[6:]) > 3]
    assert list(state.columns["whole"].examples[ExampleReason.MISSING]) == missing[:5]
    assert list(state.columns["whole"].examples[ExampleReason.ABOVE]) == above[:5]
    missing_bin = int(BINNING["whole"].coarse_of_fine[-1])
    assert state.sample.events_in("whole", {missing_bin}) == tuple(name for _, name in missing[:5])


def test_a_window_keeps_rows_inside_and_notes_rows_without_a_time() -> None:
    batch = table(capture_event_time=pa.array([10, 20, 30, None], pa.timestamp("us", "UTC")), real=[1.0, 2.0, 3.0, 4.0])
    plan = CountingPlan("bins", BINNING, captured_layout(), start=20, end=30)
    profile = profile_of(batch, plan=plan)
    assert profile.total().columns["real"].sum1 == 2.0 - 0.75
    assert profile.notes == ("1 rows have no time in capture_event_time: they belong to no window",)


def test_long_texts_are_shortened_alike_on_both_sides() -> None:
    long = "x" * 10_000
    state = profile_of(table(word=[long, long + "y", long])).total()
    assert sorted(state.columns["word"].unseen.values()) == [1, 2]
    assert all(len(name.encode()) < 256 for name in state.columns["word"].unseen)


def test_dates_times_and_decimals_have_a_place() -> None:
    import datetime as dt
    from decimal import Decimal

    batch = table(
        real=pa.array([Decimal("1.50"), None]),
        whole=pa.array([dt.time(0, 0, 2), None]),
        word=pa.array([dt.date(2026, 1, 1), None]),
    )
    columns = profile_of(batch).total().columns
    assert (columns["real"].sum1, columns["real"].missing) == (0.75, 1)
    assert columns["whole"].maximum == 2.0
    assert (columns["word"].kinds[ValueKind.OTHER], columns["word"].missing) == (1, 1)


def test_many_parts_merge_to_the_state_of_the_whole() -> None:
    generator = np.random.default_rng(3)
    count = 4000
    whole = captured(
        [(f"e{number // 3}", number % 3) for number in range(count)],
        real=generator.standard_cauchy(count),
        word=generator.choice(["a", "b", "c", "d"], count),
        wind=np.repeat(generator.normal(size=count), 3)[:count],
    )
    parts = [profile_of(whole.slice(start, 300)) for start in range(0, count, 300)]
    merged = reduce(merge_profiles, parts).total()
    # The rows of an event stand in two files here, so only the sums over requests of squared rows differ.
    direct = profile_of(whole).total()
    merged.square_rows = direct.square_rows
    assert_equal(merged, direct)
