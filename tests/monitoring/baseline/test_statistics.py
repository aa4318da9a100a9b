"""statistics.json: what Model Monitor wrote is read with its exact counts, and what is written keeps the CDF at the bins."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.baseline import sketch, statistics, statistics_reader
from monitoring.baseline.constraints import DataType
from monitoring.baseline.rebinning import binned
from monitoring.errors import MonitoringError
from monitoring.states.binning import ColumnKind
from monitoring.states.column import ValueKind
from tests.monitoring.baseline.columns import categories, numbers, numeric_binning, state_of, unknown_binning

finite = st.floats(allow_nan=False, allow_infinity=False, width=32)


def document(*features, rows=None):
    return {"version": 0.0, "dataset": {"item_count": rows or 10}, "features": list(features)}


def numeric(data, present=None, buckets=(), **keys):
    present = sum(len(level) << power for power, level in enumerate(data)) if present is None else present
    return {
        "name": "x",
        "inferred_type": "Fractional",
        "numerical_statistics": {
            "common": {"num_present": present, "num_missing": 2},
            "mean": 2.0, "sum": 14.0, "std_dev": 1.0, "min": 1.0, "max": 9.0,
            "distribution": {"kll": {"buckets": list(buckets), "sketch": {"parameters": {"c": 0.64, "k": 2048.0}, "data": data}}},
            **keys,
        },
    }  # fmt: skip


def read(*features, **more):
    return statistics_reader.read(json.dumps(document(*features, **more)).encode())


@given(st.lists(st.tuples(finite, st.integers(0, 2**40)), max_size=40, unique_by=lambda entry: entry[0]))
def test_a_sketch_gives_back_the_items_and_counts_that_were_written(entries):
    items = np.array(sorted(entries), float).reshape(-1, 2)
    values, counts = items[:, 0], np.array([count for _, count in sorted(entries)], np.int64)
    found, weights = sketch.weighted_items(sketch.levels_of(values, counts))
    assert found.tolist() == values[counts > 0].tolist()
    assert weights.tolist() == counts[counts > 0].tolist()


@given(st.lists(finite, min_size=1, max_size=60), st.integers(1, 12))
def test_a_written_column_has_the_cdf_of_its_bins_and_the_moments_of_its_values(values, step):
    edges = np.unique(values)[::step]
    binning, state = numbers("x", [*values, None], edges)
    [feature] = statistics_reader.read(statistics.write([(binning, state)], len(values) + 1)).features
    assert (feature.present, feature.missing) == (len(values), 1)
    assert feature.counts.sum() == len(values)
    cdf = [feature.counts[feature.items <= edge].sum() for edge in edges]
    assert cdf == [(np.array(values) <= edge).sum() for edge in edges]
    assert (feature.minimum, feature.maximum) == (min(values), max(values))
    scale = max(1e-9, float(np.abs(values).max()))
    assert feature.mean == pytest.approx(np.mean(values), abs=1e-6 * scale)
    assert feature.std_dev == pytest.approx(np.std(values), abs=1e-6 * scale)


@given(st.lists(finite, min_size=1, max_size=60))
def test_the_buckets_are_the_sketch_counted_again_in_ten_equal_widths(values):
    [entry] = json.loads(statistics.write([numbers("x", values)], len(values)))["features"]
    buckets = entry["numerical_statistics"]["distribution"]["kll"]["buckets"]
    assert sum(bucket["count"] for bucket in buckets) == len(values)
    assert len(buckets) == (1 if min(values) == max(values) else 10)
    assert (buckets[0]["lower_bound"], buckets[-1]["upper_bound"]) == (min(values), max(values))


def test_each_item_of_a_level_stands_for_a_power_of_two_and_levels_need_no_order():
    [feature] = read(numeric([[9.0, 1.0], [], [3.0, 2.0]])).features
    assert feature.items.tolist() == [1.0, 2.0, 3.0, 9.0]
    assert feature.counts.tolist() == [1, 4, 4, 1]
    binning, state = binned(feature)
    assert state.fine.tolist() == [0, 1, 4, 4, 1, 0, 2]
    assert (binning.minimum, binning.maximum, binning.centre) == (1.0, 9.0, 2.0)
    assert state.completeness == pytest.approx(10 / 12)


def test_a_sketch_of_more_items_than_bins_keeps_its_cdf_to_one_part_in_five_hundred():
    values = np.random.default_rng(3).lognormal(size=6000)
    [feature] = read(numeric([values.tolist()], min=float(values.min()), max=float(values.max()))).features
    binning, state = binned(feature)
    assert binning.fine <= 512
    assert state.fine[:-1].max() <= 6000 / 500
    cdf = np.cumsum(state.fine[:-1])[:-1]
    assert cdf.tolist() == [(values <= edge).sum() for edge in binning.edges]
    assert state.fine[0] == state.fine[-2] == 0, "what lies outside the baseline's range has bins of its own"


def test_coarse_bins_are_unions_of_neighbouring_fine_bins_with_about_equal_shares():
    values = np.random.default_rng(4).normal(size=4000)
    [feature] = read(numeric([values.tolist()], min=float(values.min()), max=float(values.max()))).features
    binning, state = binned(feature)
    coarse = binning.coarse_of_fine
    assert (np.diff(coarse) >= 0).all()
    assert (np.diff(coarse) <= 1).all()
    shares = np.bincount(coarse, state.fine)[:-1] / 4000
    assert len(shares) == 20
    assert shares.max() < 0.06


def test_a_constant_column_can_still_show_a_change():
    [feature] = read(numeric([[], [5.0, 5.0]], min=5.0, max=5.0, mean=5.0, std_dev=0.0)).features
    binning, state = binned(feature)
    assert state.fine.tolist() == [0, 4, 0, 2]
    assert len(set(binning.coarse_of_fine[:3])) == 3
    assert np.searchsorted(binning.edges, [4.999, 5.0, 5.001]).tolist() == [0, 1, 2]


def test_numbers_as_strings_are_read_and_what_is_not_finite_is_unknown():
    [feature] = read(numeric([[1.0]], std_dev="NaN", mean="2.5")).features
    assert (feature.std_dev, feature.mean) == (None, 2.5)


def test_buckets_serve_where_the_sketch_does_not_hold_the_column():
    buckets = [
        {"lower_bound": 0.0, "upper_bound": 0.5, "count": 30.0},
        {"lower_bound": 0.5, "upper_bound": 1.0, "count": 70.0},
    ]
    found = read(numeric([[0.0, 1.0]], present=100, buckets=buckets, min=0.0, max=1.0))  # fmt: skip
    binning, state = binned(found.features[0])
    assert state.fine.tolist() == [0, 30, 70, 0, 2]
    assert np.searchsorted(binning.edges, [0.0, 0.499, 0.5, 1.0]).tolist() == [1, 1, 2, 2], (
        "a bucket is open to the right"
    )
    assert "buckets" in found.notes[0]


def test_a_distribution_that_counts_other_rows_is_scaled_and_said():
    found = read(numeric([[1.0, 2.0, 2.5]], present=10))
    assert found.features[0].counts.sum() == 10
    assert "scaled" in found.notes[0]


def test_a_string_column_of_the_service_is_a_domain():
    entry = {
        "name": "kind",
        "inferred_type": "String",
        "completeness": 1.0,
        "approximate_num_distinct_values": 3,
        "string_statistics": {
            "common": {"num_present": 10, "num_missing": 1},
            "distinct_count": 3.0,
            "distribution": {"categorical": {"buckets": [{"value": "b", "count": 3}, {"value": "a", "count": 6.0}]}},
        },
    }
    binning, state = binned(read(entry).features[0])
    assert (binning.kind, binning.domain) == (ColumnKind.CATEGORICAL, ("a", "b"))
    assert state.fine.tolist() == [6, 3, 1, 1]
    assert state.kinds[ValueKind.STRING] == 10


def test_a_column_without_a_distribution_is_not_binned():
    entry = {
        "name": "id",
        "inferred_type": "String",
        "string_statistics": {"common": {"num_present": 9, "num_missing": 0}},
    }
    binning, state = binned(read(entry).features[0])
    assert binning.kind is ColumnKind.UNKNOWN
    assert (binning.fine, state.fine.tolist()) == (0, [0])


def test_infinities_count_as_present_and_never_reach_the_file():
    binning = numeric_binning("r", [0.0, 1.0])
    state = state_of(binning, [0.0, 1.0, float("inf"), float("-inf"), float("nan")])
    written = statistics.write([(binning, state)], 5)
    assert b"nf" not in written.replace(b"inferred", b"").replace(b"infinities", b"")
    [feature] = statistics_reader.read(written).features
    assert (feature.present, feature.missing, feature.infinities, feature.maximum) == (4, 1, (1, 1), 1.0)


def test_every_kind_of_column_is_written_and_read_back():
    unknown = unknown_binning("none")
    columns = [numbers("n", [1, 2, 2]), categories("c", ["a", "b", "a"]), (unknown, state_of(unknown, [None] * 3))]
    found = statistics_reader.read(statistics.write(columns, 3))
    assert found.rows == 3
    assert [feature.data_type for feature in found.features] == [DataType.INTEGRAL, DataType.STRING, DataType.UNKNOWN]
    assert found.features[1].categories == {"a": 2, "b": 1}
    assert [feature.missing for feature in found.features] == [0, 0, 3]


def test_a_boolean_column_is_integral_for_model_monitor_and_boolean_for_us():
    binning = numeric_binning("flag", [0, 1])
    state = state_of(binning, [0, 1, 1])
    state.kinds[ValueKind.INTEGRAL], state.kinds[ValueKind.BOOLEAN] = 0, 3
    written = statistics.write([(binning, state)], 3)
    entry = json.loads(written)["features"][0]
    assert entry["inferred_type"] == "Integral"
    assert entry["numerical_statistics"]["mean"] == pytest.approx(2 / 3)
    [feature] = statistics_reader.read(written).features
    assert feature.data_type is DataType.BOOLEAN
    assert binned(feature)[1].kinds[ValueKind.BOOLEAN] == 3


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"[1]", "not a JSON object"),
        (b"{", "not JSON"),
        (b'{"regression_metrics": {}}', "model quality"),
        (b'{"features": [], "monitoring_config": {}}', "constraints.json"),
        (b'{"features": [{}]}', "features[0]"),
        (json.dumps(document(numeric([[1.0]]), numeric([[1.0]]))).encode(), "twice"),
        (json.dumps(document(numeric([["one"]]))).encode(), "'x'"),
        (json.dumps(document(numeric([[1.0]], present=-1))).encode(), "num_present -1"),
    ],
)
def test_a_wrong_file_is_named_with_what_is_wrong(content, words):
    with pytest.raises(MonitoringError) as failure:
        statistics_reader.read(content, "s3://b/statistics.json")
    assert words in str(failure.value)
    assert "s3://b/statistics.json" in str(failure.value)
