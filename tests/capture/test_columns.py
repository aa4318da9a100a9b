"""One object has one schema, and a column one type, whatever the records do (DESIGN section 5)."""

import datetime as dt
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from capture.record import ArrowBlock, Columns, Matrix, Ragged, Rows
from tests.capture.samples import encode, event, metadata, one_by_one, predictions, rescued, rows, table, types, values

AT_NINE = dt.datetime(2026, 3, 1, 9, tzinfo=dt.UTC)


def column(*cells: Any, **changes: Any) -> tuple[str | None, list[Any], list[Any]]:
    """The column `x` of one-row events: its type, its cells, and what was rescued of it row by row."""
    made = encode(*one_by_one({"x": cell} for cell in cells), **changes)
    if "x" not in types(made):
        return None, [], [row and row.get("x") for row in rescued(made)]
    return types(made)["x"], values(made, "x"), [row and row.get("x") for row in rescued(made)]


# --- the union of columns ---------------------------------------------------------------------------------------------


def test_an_optional_field_makes_one_object_with_the_union_of_columns() -> None:
    made = encode(event({"a": 1.0}, number=1), event({"b": "x", "a": 2.0}, number=2), event({"c": True}, number=3))
    assert types(made) == {"a": "double", "b": "string", "c": "bool", "prediction": "double"}
    assert values(made, "a") == [1.0, 2.0, None]
    assert values(made, "b") == [None, "x", None]
    assert values(made, "c") == [None, None, True]
    assert rescued(made) == [None, None, None]


def test_names_in_another_order_are_the_same_columns() -> None:
    made = encode(event({"a": 1, "b": 2}), event({"b": 20, "a": 10}), *[event({"b": 2, "a": 1})] * 40)
    assert values(made, "a")[:3] == [1, 10, 1]
    assert values(made, "b")[:3] == [2, 20, 2]


def test_a_column_without_any_value_is_left_out_unless_a_type_names_it() -> None:
    made = encode(event({"a": None, "b": None}), types={"b": "int64", "c": "string"})
    assert types(made) == {"b": "int64", "c": "string", "prediction": "double"}
    assert values(made, "b") == [None]
    assert values(made, "c") == [None]


def test_rows_of_an_event_may_differ_in_their_names() -> None:
    made = encode(event(Ragged([{"a": 1}, {"b": "x"}, {}, {"b": "y", "a": 2}])))
    assert values(made, "a") == [1, None, None, 2]
    assert values(made, "b") == [None, "x", None, "y"]


def test_every_block_of_an_object_meets_in_the_same_columns() -> None:
    arrow = pa.record_batch({"a": pa.array([7.0, None]), "b": pa.array(["v", "w"])})
    made = encode(
        event(rows({"a": 1.0, "b": "x"})),
        event(Ragged([{"b": "y"}])),
        event(Columns(("a", "b"), [np.array([3.0, 4.0]), ["z", None]], 2)),
        event(Matrix(("a",), np.array([[5.0], [6.0]], order="F"))),
        event(ArrowBlock(arrow)),
    )
    assert values(made, "a") == [1.0, None, 3.0, 4.0, 5.0, 6.0, 7.0, None]
    assert values(made, "b") == ["x", "y", "z", None, None, None, "v", "w"]
    assert values(made, "capture_item_index") == [0, 0, 0, 1, 0, 1, 0, 1]


def test_a_table_with_a_name_twice_keeps_both_columns() -> None:
    made = encode(event(Columns(("a", "a", "a.1"), [[1.0], [2.0], [3.0]], 1)))
    assert [values(made, name) for name in ("a", "a.2", "a.1")] == [[1.0], [2.0], [3.0]]


# --- levels -----------------------------------------------------------------------------------------------------------


def test_a_request_level_value_stands_in_every_row_of_its_event() -> None:
    made = encode(
        event(rows({"a": 1}, {"a": 2}), request={"city": "Rome", "wind": 3.5}),
        event(rows({"a": 3}), request={"city": "Oslo"}),
    )
    assert values(made, "city") == ["Rome", "Rome", "Oslo"]
    assert values(made, "wind") == [3.5, 3.5, None]
    assert str(table(made).schema.field("city").type) == "string"
    assert metadata(made)["capture.request_columns"] == ["city", "wind"]


def test_a_name_that_any_event_has_item_by_item_is_not_request_level() -> None:
    made = encode(event({"a": 1}, request={"x": 1}), event(rows({"x": 2}, {"x": None})))
    assert metadata(made)["capture.request_columns"] == []
    assert values(made, "x") == [1, 2, None]


def test_where_a_name_stands_at_both_levels_the_items_value_wins() -> None:
    made = encode(event(rows({"x": 1}, {"x": None}), request={"x": 9}))
    assert values(made, "x") == [1, 9]
    assert rescued(made) == [None, None]


def test_ages_and_missing_ids_are_request_level_and_null_where_nothing_was_looked_up() -> None:
    made = encode(
        event(rows({"a": 1}, {"a": 2}), ages={"weather": 12.5, "plane": None}, missing={"weather": 0, "plane": 2}),
        event({"a": 3}),
    )
    schema = table(made).schema
    assert [str(schema.field(name).type) for name in ("capture_age_weather", "capture_missing_plane")] == [
        "double",
        "int32",
    ]
    assert values(made, "capture_age_weather") == [12.5, 12.5, None]
    assert values(made, "capture_age_plane") == [None, None, None]
    assert values(made, "capture_missing_plane") == [2, 2, None]
    assert "capture_age_weather" in metadata(made)["capture.request_columns"]


# --- types of values --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cells", "kind", "found"),
    [
        ([1, 2, 3], "double", [1.0, 2.0, 3.0]),
        ([1, 1.5, None], "double", [1.0, 1.5, None]),
        (["a", None, ""], "string", ["a", None, ""]),
        ([True, None, False], "bool", [True, None, False]),
        ([b"\x00\xff", None], "string", ["AP8=", None]),
        ([AT_NINE, None], "timestamp[us, tz=UTC]", [AT_NINE, None]),
        ([[1, 2.5], [], None, [None]], "list<element: double>", [[1.0, 2.5], [], None, [None]]),
        ([["a", "b"], None], "string", ['["a","b"]', None]),
        ([{"k": [1, {"n": None}]}], "string", ['{"k":[1,{"n":null}]}']),
        ([[True, False]], "string", ["[true,false]"]),
        ([[[1, 2], [3]]], "string", ["[[1,2],[3]]"]),
        ([{"k": float("nan")}], "string", ['{"k":"NaN"}']),
        ([np.float32(0.1), None], "float", [float(np.float32(0.1)), None]),
        ([np.int64(7), np.int64(2**60)], "int64", [7, 2**60]),
        ([np.uint8(7)], "uint8", [7]),
        ([np.float16(0.5)], "float", [0.5]),
        ([np.datetime64("2026-03-01T09:00:00.000001")], "timestamp[us]", [dt.datetime(2026, 3, 1, 9, 0, 0, 1)]),  # noqa: DTZ001
        ([np.datetime64("2026-03-01")], "date32[day]", [dt.date(2026, 3, 1)]),
        ([np.timedelta64(5, "s")], "duration[us]", [dt.timedelta(seconds=5)]),
        ([np.timedelta64(5, "s"), np.timedelta64(5, "ms"), None], "duration[us]",
         [dt.timedelta(seconds=5), dt.timedelta(milliseconds=5), None]),
        ([np.float32(0.5)] * 20 + [None], "float", [0.5] * 20 + [None]),
        ([np.complex128(1 + 2j)], "string", ["(1+2j)"]),
        ([np.array([1, 2], np.int32)], "list<element: int32>", [[1, 2]]),
        ([np.array([0.5], np.float32), None], "list<element: float>", [[0.5], None]),
        ([np.array([[1.0], [2.0]])], "string", ["[[1.0],[2.0]]"]),
        ([float("inf"), float("-inf")], "double", [float("inf"), float("-inf")]),
    ],
)  # fmt: skip
def test_a_value_has_its_documented_representation(cells: list[Any], kind: str, found: list[Any]) -> None:
    assert column(*cells) == (kind, found, [None] * len(cells))


def test_nan_stays_nan_and_none_is_null() -> None:
    made = encode(*one_by_one({"x": cell} for cell in (1.0, float("nan"), None)))
    array = table(made).column("x").combine_chunks()
    assert array.null_count == 1
    assert np.isnan(array[1].as_py())


@pytest.mark.parametrize(
    ("array", "kind", "found"),
    [
        (pa.array([1, None], pa.int16()), "int16", [1, None]),
        (pa.array([0.5, None], pa.float16()), "float", [0.5, None]),
        (pa.array(["a", None], pa.large_string()), "string", ["a", None]),
        (pa.array(["a", "b"]).dictionary_encode(), "string", ["a", "b"]),
        (pa.array([b"\x00\xff", None]), "string", ["AP8=", None]),
        (pa.array([AT_NINE, None], pa.timestamp("ms", "Europe/Rome")), "timestamp[us, tz=UTC]", [AT_NINE, None]),
        (pa.array([0, None], pa.date64()), "date32[day]", [dt.date(1970, 1, 1), None]),
        (pa.array([dt.time(9, 30), None], pa.time32("s")), "time64[us]", [dt.time(9, 30), None]),
        (pa.array([Decimal("1.10"), None]), "decimal128(3, 2)", [Decimal("1.10"), None]),
        (pa.array([[1, 2], None], pa.large_list(pa.int8())), "list<element: int8>", [[1, 2], None]),
        (pa.array([[1.0, 2.0], None], pa.list_(pa.float64(), 2)), "list<element: double>", [[1.0, 2.0], None]),
        (pa.array([{"a": 1}, None]), "string", ['{"a":1}', None]),
        (pa.array([["a"], None]), "string", ['["a"]', None]),
        (pa.array([True, None]), "bool", [True, None]),
    ],
)
def test_arrow_values_keep_their_types(array: pa.Array, kind: str, found: list[Any]) -> None:
    made = encode(event(ArrowBlock(pa.record_batch({"x": array}))))
    assert types(made)["x"] == kind
    assert values(made, "x") == found


def test_a_column_of_nulls_in_an_arrow_batch_is_a_column_without_values() -> None:
    made = encode(event(ArrowBlock(pa.record_batch({"x": pa.nulls(2), "y": pa.array([1.0, 2.0])}))))
    assert "x" not in types(made)


@pytest.mark.parametrize("dtype", ["f8", "f4", "i8", "i4", "i2", "u2", "?", ">f8", "<i4"])
def test_a_matrix_keeps_its_type_in_every_order_of_bytes(dtype: str) -> None:
    array = np.array([[0, 1], [1, 0], [1, 1]], dtype)
    made = encode(event(Matrix(("x", "y"), array)), event(Matrix(("x", "y"), np.asfortranarray(array))))
    assert types(made)["x"] == str(pa.from_numpy_dtype(array.dtype.newbyteorder("=")))
    assert values(made, "x") == array[:, 0].tolist() * 2
    assert values(made, "y") == array[:, 1].tolist() * 2


def test_times_finer_than_a_microsecond_are_rescued_as_text() -> None:
    times = np.array(["2026-03-01T09:00:00.000000001", "2026-03-01T09:00:00.000001", "NaT"], "M8[ns]")
    made = encode(event(Columns(("x",), [times], 3)))
    assert values(made, "x") == [None, dt.datetime(2026, 3, 1, 9, 0, 0, 1), None]  # noqa: DTZ001
    assert rescued(made) == [{"x": "2026-03-01T09:00:00.000000001"}, None, None]
    arrow = encode(event(ArrowBlock(pa.record_batch({"x": pa.array([1, 2000, None], pa.timestamp("ns", "UTC"))}))))
    assert rescued(arrow) == [{"x": "1970-01-01T00:00:00.000000001Z"}, None, None]


# --- where kinds meet -------------------------------------------------------------------------------------------------


def test_a_string_where_numbers_are_is_rescued() -> None:
    assert column(1, "two", 3.5) == ("double", [1.0, None, 3.5], [None, "two", None])


def test_a_number_where_strings_are_is_rescued() -> None:
    assert column("a", 2, "c") == ("string", ["a", None, "c"], [None, 2, None])


def test_a_boolean_is_no_number() -> None:
    assert column(1, True, 0) == ("double", [1.0, None, 0.0], [None, True, None])
    assert column(True, 1, False) == ("bool", [True, None, False], [None, 1, None])


def test_at_a_tie_a_number_stands_before_a_string_and_a_string_before_a_boolean() -> None:
    assert column("a", 1)[0] == "double"
    assert column(True, "a")[0] == "string"
    assert column(AT_NINE, True)[0] == "bool"


def test_missing_values_have_no_vote() -> None:
    assert column(None, None, float("nan"), "a") == ("string", [None, None, None, "a"], [None] * 4)
    assert column([], [], ["a"])[0] == "string"


def test_an_integer_over_2_to_the_53_is_rescued_with_all_its_digits() -> None:
    assert column(1, 2**53, 2**53 + 1, -(2**60), 2**64 - 1, 2**80, 0.5) == (
        "double",
        [1.0, float(2**53), None, None, None, None, 0.5],
        [None, None, 2**53 + 1, -(2**60), 2**64 - 1, 2**80, None],
    )
    assert column([1, 2**60], [0.5]) == ("list<element: double>", [None, [0.5]], [[1, 2**60], None])


def test_integers_of_several_widths_become_the_narrowest_that_holds_them() -> None:
    assert column(np.int8(1), np.int32(2))[0] == "int32"
    assert column(np.uint8(1), np.int8(2))[0] == "int16"
    assert column(np.uint64(2**63), np.int8(2), np.int8(1)) == ("int64", [None, 2, 1], [2**63, None, None])


def test_typed_and_untyped_numbers_meet_in_a_double() -> None:
    assert column(np.int64(2**60), 1.5, np.float32(0.5)) == ("double", [None, 1.5, 0.5], [2**60, None, None])


def test_lists_and_nested_values_do_not_mix() -> None:
    assert column([1.0], [2.0], {"a": 1}) == ("list<element: double>", [[1.0], [2.0], None], [None, None, {"a": 1}])
    assert column({"a": 1}, ["b"], [1]) == ("string", ['{"a":1}', '["b"]', "[1.0]"], [None, None, None])
    assert column({"a": 1}, {"b": 2}, "text") == ("string", ['{"a":1}', '{"b":2}', None], [None, None, "text"])


def test_a_request_level_value_that_does_not_fit_is_rescued_in_every_row() -> None:
    made = encode(
        event(rows({"a": 1}, {"a": 2}), request={"wind": "calm"}, number=1),
        *[event({"a": 1}, request={"wind": 3.0}, number=number) for number in range(2, 5)],
    )
    assert rescued(made) == [{"wind": "calm"}] * 2 + [None] * 3
    assert made.counts.rescued_cells == 2


def test_what_is_rescued_is_counted_by_cell() -> None:
    made = encode(*one_by_one([{"x": 1, "y": "a"}, {"x": "one", "y": 2}, {"x": 1, "y": "b"}]))
    assert made.counts.rescued_cells == 2
    assert rescued(made)[1] == {"x": "one", "y": 2}


# --- [types] ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "cells", "found", "left"),
    [
        ("int64", [1, 1.0, 1.5, "1", True, None], [1, 1, None, None, None, None], [None, None, 1.5, "1", True, None]),
        ("int64", [2**60, 2**63, float("nan"), float("inf")], [2**60, None, None, None], [None, 2**63, None, "Infinity"]),
        ("int8", [127, 128, -128, -129, 1e30], [127, None, -128, None, None], [None, 128, None, -129, 1e30]),
        ("uint64", [2**64 - 1, -1, 2**64], [2**64 - 1, None, None], [None, -1, 2**64]),
        ("uint8", [np.int64(255), np.int64(-1), np.float64(3.0)], [255, None, 3], [None, -1, None]),
        ("float", [0.1, 1e39, 2**24 + 1, 1e30], [float(np.float32(0.1)), None, None, float(np.float32(1e30))],
         [None, 1e39, 2**24 + 1, None]),
        ("float", [2**24, 2**24 + 1], [2.0**24, None], [None, 2**24 + 1]),
        ("halffloat", [0.5], [0.5], [None]),
        ("double", [1, "1", 2**60], [1.0, None, None], [None, "1", 2**60]),
        ("string", ["a", 1, {"k": 1}, [1.0], b"\x00"], ["a", None, None, None, "AA=="], [None, 1, {"k": 1}, [1.0], None]),
        ("bool", [True, 1, 0.0, "true"], [True, None, None, None], [None, 1, 0.0, "true"]),
        ("list<item: string>", [["a"], {"k": 1}, "a"], ['["a"]', '{"k":1}', None], [None, None, "a"]),
        ("list<int64>", [[1, 2.0], [1.5], [], [None]], [[1, 2], None, [], [None]], [None, [1.5], None, None]),
        ("list<int64>", [np.array([2**60]), np.array([0.5])], [[2**60], None], [None, [0.5]]),
        ("timestamp[us, tz=UTC]", [AT_NINE, "2026-03-01"], [AT_NINE, None], [None, "2026-03-01"]),
        ("decimal128(4, 2)", [1.25, 12, 1.005, 100], [Decimal("1.25"), Decimal(12), None, None], [None, None, 1.005, 100]),
    ],
)  # fmt: skip
def test_a_value_that_is_not_of_the_settings_type_is_rescued_and_never_coerced(
    kind: str, cells: list[Any], found: list[Any], left: list[Any]
) -> None:
    _, actual, kept = column(*cells, types={"x": kind})
    assert (actual, kept) == (found, left)


def test_a_decimal_among_floats_becomes_a_double_where_that_is_exact() -> None:
    decimals = ArrowBlock(pa.record_batch({"x": pa.array([Decimal("0.5"), Decimal("0.1234567890123456789")])}))
    made = encode(event(decimals), event({"x": 2.5}))
    assert values(made, "x") == [0.5, None, 2.5]
    assert rescued(made)[1] == {"x": "0.1234567890123456789"}


def test_a_settings_type_holds_for_predictions_too() -> None:
    made = encode(event({"a": 1}, predictions(1)), types={"prediction": "int64"})
    assert types(made)["prediction"] == "int64"


# --- names ------------------------------------------------------------------------------------------------------------


def test_a_feature_with_a_name_of_the_datasets_own_is_renamed_and_counted() -> None:
    made = encode(event({"prediction": 0.25, "capture_event_id": "mine", "a": 1}))
    assert values(made, "feature_prediction") == [0.25]
    assert values(made, "feature_capture_event_id") == ["mine"]
    assert values(made, "prediction") == [0.5]
    assert made.counts.renamed == ("prediction", "capture_event_id")
    assert metadata(made)["capture.renamed_features"]["feature_prediction"] == "prediction"


def test_a_renamed_feature_that_meets_its_new_name_is_rescued() -> None:
    made = encode(event({"feature_prediction": 1, "prediction": 2}))
    assert values(made, "feature_prediction") == [1]
    assert rescued(made) == [{"feature_feature_prediction": 2}]


def test_a_feature_called_prediction_is_never_taken_for_a_prediction() -> None:
    one, other = event({"prediction": 1}, predictions("late")), event({"prediction": "x"}, predictions(0.5))
    made = encode(one, event({"prediction": 2}, predictions(0.1)), event({"prediction": 2}, predictions(0.1)), other)
    assert rescued(made) == [{"prediction": "late"}, None, None, {"feature_prediction": "x"}]


def test_names_that_are_too_long_or_empty_are_rescued() -> None:
    long, longest = "é" * 128, "é" * 127 + "x"
    made = encode(event({long: 1, longest: 2, "": 3, "a": 4}))
    assert set(types(made)) == {longest, "a", "prediction"}
    assert rescued(made) == [{long: 1, "": 3}]
    assert made.counts.refused_names == 2
    assert made.counts.rescued_cells == 2


def test_names_that_differ_only_by_case_share_no_column() -> None:
    made = encode(event({"Age": 1, "age": 2, "AGE": 3}), event({"age": 4}))
    assert values(made, "Age") == [1, None]
    assert rescued(made) == [{"age": 2, "AGE": 3}, {"age": 4}]


def test_names_beyond_the_limit_are_rescued_in_the_order_of_their_appearance() -> None:
    made = encode(*one_by_one({f"f{number}": number} for number in range(30)), max_columns=10)
    assert [name for name in types(made) if name != "prediction"] == [f"f{number}" for number in range(10)]
    assert rescued(made)[10:] == [{f"f{number}": number} for number in range(10, 30)]
    assert made.counts.refused_names == 20


def test_typed_names_come_first_under_the_limit() -> None:
    made = encode(event({"a": 1, "b": 2, "c": 3}), max_columns=2, types={"c": "int64"})
    assert types(made) == {"c": "int64", "a": "double", "prediction": "double"}


def test_a_clients_free_keys_make_no_wide_table_and_take_no_long_time() -> None:
    made = encode(*one_by_one({f"k{n}-{i}": i for i in range(40)} for n in range(500)), max_columns=50)
    assert len(types(made)) == 51
    assert sum(len(row) for row in rescued(made) if row) == 40 * 500 - 50


def test_outputs_have_a_limit_of_their_own() -> None:
    outputs = Rows(tuple(f"id{number}" for number in range(5)), [(0.5,) * 5])
    made = encode(event({"a": 1, "b": 2}, outputs), max_columns=2)
    assert list(types(made)) == ["a", "b", "prediction_id0", "prediction_id1"]
    assert rescued(made) == [{f"prediction_id{number}": 0.5 for number in range(2, 5)}]


def test_hashed_features_are_text_whatever_the_settings_say() -> None:
    made = encode(event({"user_id": "ab12", "n": 1}), types={"user_id": "int64"}, hashed=("user_*",))
    assert types(made)["user_id"] == "string"
    assert metadata(made)["capture.hashed_columns"] == ["user_id"]


# --- predictions ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("outputs", "columns"),
    [
        (predictions(0.1, 0.2), {"prediction": [0.1, 0.2]}),
        (Matrix(("",), np.array([[0.1], [0.2]])), {"prediction": [0.1, 0.2]}),
        (Matrix(("0", "1"), np.array([[1, 2], [3, 4]])), {"prediction_0": [1, 3], "prediction_1": [2, 4]}),
        (rows({"risk": 0.1, "label": "late"}, {"risk": 0.2, "label": None}),
         {"prediction_risk": [0.1, 0.2], "prediction_label": ["late", None]}),
    ],
)  # fmt: skip
def test_predictions_stand_in_the_columns_of_their_outputs(outputs: Any, columns: dict[str, list[Any]]) -> None:
    made = encode(event(rows({"a": 1}, {"a": 2}), outputs))
    assert {name: values(made, name) for name in columns} == columns
    assert metadata(made)["capture.prediction_columns"] == list(columns)


def test_predictions_without_rows_stand_in_the_first_row_and_are_counted() -> None:
    made = encode(
        event(rows({"a": 1}, {"a": 2}, {"a": 3}), predictions(7, "x")),
        event({"a": 4}, rows({"id": "q", "score": 0.5}, {"id": "r", "score": 0.4})),
    )
    assert values(made, "a") == [1, 2, 3, 4]
    assert rescued(made) == [
        {"prediction": [7, "x"]},
        None,
        None,
        {"prediction_id": ["q", "r"], "prediction_score": [0.5, 0.4]},
    ]
    assert made.counts.row_mismatches == 2
    assert made.counts.rescued_cells == 0


def test_undecided_columns_with_one_prediction_are_one_row_of_lists() -> None:
    """As segments that were written until 0.1.0 hold them."""
    made = encode(event(Columns(("x", "tag"), [np.array([1.0, 2.0]), ["a", "b"]], 2, True), predictions(0.5)))
    assert values(made, "x") == [[1.0, 2.0]]
    assert values(made, "tag") == ['["a","b"]']
    assert values(made, "capture_item_count") == [1]
    assert made.counts.row_mismatches == 0


def test_an_event_without_items_has_no_row_but_counts() -> None:
    made = encode(event(Rows((), []), Rows(("",), []), request={"city": "Rome"}), event({"a": 1}))
    assert (made.rows, made.events) == (1, 2)
    assert metadata(made)["capture.events"] == "2"


def test_an_object_of_events_without_items_is_an_empty_table() -> None:
    made = encode(event(Rows((), []), Rows(("",), [])))
    assert table(made).num_rows == 0
    assert "capture_event_id" in table(made).schema.names


def test_predictions_of_an_event_without_items_are_not_lost() -> None:
    made = encode(event(Rows((), []), predictions(0.5), request={"city": "Rome"}))
    assert values(made, "city") == ["Rome"]
    assert rescued(made) == [{"prediction": [0.5]}]
    assert values(made, "capture_item_count") == [0]


def test_a_model_without_item_level_features_is_captured() -> None:
    made = encode(event(Rows((), [()]), predictions(0.5), request={"city": "Rome"}))
    assert values(made, "city") == ["Rome"]
    assert values(made, "prediction") == [0.5]
