"""Every input shape of DESIGN section 4: what was appended is what stands in the segment, value for value."""

from __future__ import annotations

import collections
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from capture import Features
from capture.record import ArrowBlock, Columns, Matrix, Ragged, Rows
from tests.capture.spools import Scribe, buffer, column, row, same

many = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
names = st.text(max_size=6)
cells = (
    st.none() | st.booleans() | st.integers(-(2**80), 2**80) | st.floats() | st.text(max_size=8) | st.binary(max_size=8)
)
KINDS = [
    "?",
    "i1",
    "u1",
    "i2",
    "u4",
    "i8",
    "u8",
    "f2",
    "f4",
    "f8",
    "g",
    "c8",
    "c16",
    "M8[ns]",
    "M8[D]",
    "m8[us]",
    ">f8",
    ">i4",
]


@pytest.fixture
def scribe(tmp_path: Path) -> Iterator[Scribe]:
    with buffer(tmp_path) as opened:
        yield Scribe(opened, tmp_path / "spool")


def table(block: Any) -> list[dict[str, Any]]:
    """Row after row, as a mapping."""
    found = block.batch.schema.names if isinstance(block, ArrowBlock) else block.names
    return [dict(zip(found, line, strict=True)) for line in zip(*(column(block, name) for name in found), strict=True)]


@many
@given(given_as=st.dictionaries(names, cells | st.lists(cells, max_size=2) | st.dictionaries(names, cells, max_size=2)))
def test_a_mapping_is_one_row(scribe: Scribe, given_as: dict[str, Any]) -> None:
    given_as["one value that is no list"] = 1
    event = scribe.write(given_as, 0.5)
    assert isinstance(event.items, Rows)
    assert set(event.items.names) == set(given_as)
    assert all(same(row(event.items)[name], value) for name, value in given_as.items())


@many
@given(rows=st.lists(st.fixed_dictionaries({"a": cells, "b": cells}), min_size=1, max_size=6), flip=st.booleans())
def test_mappings_with_the_same_names_share_them(scribe: Scribe, rows: list[dict[str, Any]], flip: bool) -> None:
    if flip:
        rows[-1] = dict(reversed(rows[-1].items()))
    event = scribe.write(rows, [0.5] * len(rows))
    assert isinstance(event.items, Rows)
    assert all(
        same(found, {name: one[name] for name in found}) for found, one in zip(table(event.items), rows, strict=True)
    )


@many
@given(rows=st.lists(st.dictionaries(st.sampled_from("abc"), cells), min_size=1, max_size=6))
def test_mappings_with_other_names_keep_their_own(scribe: Scribe, rows: list[dict[str, Any]]) -> None:
    event = scribe.write(rows, [0.5] * len(rows))
    found = event.items.rows if isinstance(event.items, Ragged) else table(event.items) if rows[0] else [{}] * len(rows)
    assert len(event.items) == len(rows)
    for one, other in zip(found, rows, strict=True):
        assert set(one) == set(other)
        assert all(same(one[name], other[name]) for name in other)


@pytest.mark.parametrize(
    "wrap",
    [dict, collections.OrderedDict, types.MappingProxyType, lambda mapping: collections.defaultdict(int, mapping)],
)
def test_mappings_of_any_class_are_mappings(scribe: Scribe, wrap: Any) -> None:
    assert row(scribe.write(wrap({"a": 1, "b": "x"})).items) == {"a": 1, "b": "x"}
    rows = [wrap({"a": 1, "b": 2}), wrap({"a": 3, "c": 4})]
    assert scribe.write(rows, [0, 1]).items == Ragged([{"a": 1, "b": 2}, {"a": 3, "c": 4}])
    assert rows[1] == {"a": 3, "c": 4}, "the caller's own mapping was changed"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("order", ["C", "F", "strided", "reversed", "transposed"])
def test_a_matrix_comes_back_with_its_type_in_every_order_of_memory(scribe: Scribe, kind: str, order: str) -> None:
    values = (
        np.arange(12).reshape(4, 3) % 2 if kind == "?" else np.arange(12).reshape(4, 3) * 3 - (0 if "u" in kind else 7)
    )
    made = values.astype(kind)
    given_as = {
        "C": made,
        "F": np.asfortranarray(made),
        "strided": np.repeat(np.repeat(made, 2, 0), 2, 1)[::2, ::2],
        "reversed": made[::-1, ::-1].copy()[::-1, ::-1],
        "transposed": made.T.copy().T,
    }[order]
    event = scribe.write(given_as, np.zeros(4), feature_names=["a", "b", "c"])
    assert isinstance(event.items, Matrix)
    assert event.items.names == ("a", "b", "c")
    assert event.items.array.dtype == np.dtype(kind)
    assert event.items.array.tolist() == made.tolist()


@many
@given(data=st.data(), kind=hnp.scalar_dtypes(), order=st.sampled_from("CF"))
def test_a_matrix_of_any_type_comes_back_bit_by_bit(scribe: Scribe, data: Any, kind: Any, order: Any) -> None:
    shape = data.draw(hnp.array_shapes(min_dims=2, max_dims=2, min_side=0, max_side=5))
    array = np.asarray(data.draw(hnp.arrays(kind, shape)), order=order)
    items = scribe.write(array, np.zeros(len(array))).items
    if isinstance(items, Matrix):
        assert same(np.ascontiguousarray(items.array), np.ascontiguousarray(array))
    else:
        assert same([list(line) for line in items.rows], array.tolist())  # type: ignore[union-attr]


def test_a_matrix_of_text_or_objects_is_rows(scribe: Scribe) -> None:
    given_as = np.array([["a", 1, None], ["b", 2**70, b"x"]], dtype=object)
    assert scribe.write(given_as, [0, 1]).items == Rows(
        ("feature_0", "feature_1", "feature_2"),
        [["a", 1, None], ["b", 2**70, b"x"]],  # type: ignore[list-item]
    )
    assert column(scribe.write(np.array([["a"], ["\ud800"]]), [0, 1]).items, "feature_0") == ["a", "\\ud800"]


def test_masked_cells_are_missing(scribe: Scribe) -> None:
    given_as = np.ma.array([[1.5, 2.5], [3.5, 4.5]], mask=[[False, True], [False, False]])
    assert table(scribe.write(given_as, [0, 1], feature_names=["a", "b"]).items) == [
        {"a": 1.5, "b": None},
        {"a": 3.5, "b": 4.5},
    ]


def test_an_array_of_records_has_a_column_for_each_field(scribe: Scribe) -> None:
    given_as = np.array([(1, 2.5, "x"), (3, 4.5, "y")], dtype=[("a", "i4"), ("b", "f8"), ("c", "U1")])
    items = scribe.write(given_as, given_as[["b"]]).items
    assert (items.names, len(items)) == (("a", "b", "c"), 2)  # type: ignore[union-attr]
    assert column(items, "a")[0].dtype == np.int32
    assert table(items) == [{"a": 1, "b": 2.5, "c": "x"}, {"a": 3, "b": 4.5, "c": "y"}]
    assert row(scribe.write(given_as[0:1]).items) == {"a": 1, "b": 2.5, "c": "x"}


@pytest.mark.parametrize(
    ("given_as", "rows"),
    [
        ([[1, "a"], [2, "b"]], [[1, "a"], [2, "b"]]),
        ([(1, "a"), (2, "b")], [[1, "a"], [2, "b"]]),
        (((1, "a"), [2, "b"]), [[1, "a"], [2, "b"]]),
        ([np.array([1.5, 2.5]), np.array([3.5, 4.5])], [[1.5, 2.5], [3.5, 4.5]]),
        ([1, "a"], [[1, "a"]]),
        ((1, "a"), [[1, "a"]]),
        (np.array([1.5, 2.5]), [[1.5, 2.5]]),
        (pd.Series([1.5, 2.5]), [[1.5, 2.5]]),
        (pd.Series(["x", None]), [["x", None]]),
    ],
    ids=repr,
)
def test_sequences_are_rows_and_one_sequence_of_scalars_is_one_row(scribe: Scribe, given_as: Any, rows: Any) -> None:
    for more, found in (({}, ("feature_0", "feature_1")), ({"feature_names": ["seats", "day"]}, ("seats", "day"))):
        items = scribe.write(given_as, [0] * len(rows), **more).items
        assert items.names == found  # type: ignore[union-attr]
        assert [list(line.values()) for line in table(items)] == rows


def test_a_series_with_names_is_one_row_under_them(scribe: Scribe) -> None:
    frame = pd.DataFrame({"seats": [180, 90], "day": ["Mon", None]})
    assert row(scribe.write(frame.iloc[1]).items) == {"seats": 90, "day": None}


@pytest.mark.parametrize(
    ("given_as", "value"), [(3, 3), ("abc", "abc"), (np.float32(1.5), np.float32(1.5)), (b"x", b"x")]
)
def test_one_scalar_is_one_row(scribe: Scribe, given_as: Any, value: Any) -> None:
    assert row(scribe.write(given_as).items) == {"feature_0": value}


def test_sequences_of_different_lengths_lose_nothing(scribe: Scribe) -> None:
    assert scribe.write([[1, 2, 3], [4]], [0, 1], feature_names=["a", "b", "c", "d"]).items == Ragged(
        [{"a": 1, "b": 2, "c": 3}, {"a": 4}]
    )
    assert scribe.write([[1, 2, 3], [4]], [0, 1], feature_names=["a", "b"]).items == Ragged(
        [{"feature_0": 1, "feature_1": 2, "feature_2": 3}, {"feature_0": 4}]
    )


def test_names_that_do_not_fit_the_width_are_not_used(scribe: Scribe) -> None:
    items = scribe.write(np.zeros((1, 3)), feature_names=["a", "b"]).items
    assert items.names == ("feature_0", "feature_1", "feature_2")  # type: ignore[union-attr]


def test_the_settings_name_the_columns_of_arrays_and_the_callers_names_win(tmp_path: Path) -> None:
    with buffer(tmp_path, feature_names=("seats", "day")) as opened:
        scribe = Scribe(opened, tmp_path / "spool")
        for given_as in (np.zeros((2, 2)), [[0, 0], [0, 0]]):
            assert scribe.write(given_as, [0, 1]).items.names == ("seats", "day")  # type: ignore[union-attr]
            found = scribe.write(given_as, [0, 1], feature_names=("a", "b")).items
            assert found.names == ("a", "b")  # type: ignore[union-attr]
            assert scribe.write(given_as, [0, 1]).items.names == ("seats", "day")  # type: ignore[union-attr]


COLUMNS: dict[str, tuple[Any, list[Any]]] = {
    "list": ([1, "x"], [1, "x"]),
    "tuple": ((1.5, None), [1.5, None]),
    "float64": (np.array([1.5, 2.5]), [1.5, 2.5]),
    "int8": (np.array([1, 2], "i1"), [1, 2]),
    "strided": (np.arange(4.0)[::2], [0.0, 2.0]),
    "text": (np.array(["a", "b"]), ["a", "b"]),
    "objects": (np.array([1, None], dtype=object), [1, None]),
    "matrix": (np.array([[1.0, 2.0], [3.0, 4.0]]), [[1.0, 2.0], [3.0, 4.0]]),
    "series": (pd.Series([1.5, 2.5]), [1.5, 2.5]),
    "series of text": (pd.Series(["a", None]), ["a", None]),
    "nullable series": (pd.Series([1, None], dtype="Int64"), [1, None]),
    "arrow": (pa.array([1, None]), [1, None]),
    "chunked arrow": (pa.chunked_array([["a"], [None]]), ["a", None]),
    "arrow times": (
        pa.array([0, None], pa.timestamp("us", "UTC")),
        pa.array([0, None], pa.timestamp("us", "UTC")).to_pylist(),
    ),
}


@pytest.mark.parametrize("sort", COLUMNS)
@pytest.mark.parametrize("other", ["list", "float64", "arrow"])
def test_a_mapping_of_columns_has_a_row_for_each_value(scribe: Scribe, sort: str, other: str) -> None:
    items = scribe.write({"a": COLUMNS[sort][0], "b": COLUMNS[other][0]}, [0, 1]).items
    assert isinstance(items, Columns)
    assert [value.tolist() if isinstance(value, np.ndarray) else value for value in column(items, "a")] == COLUMNS[
        sort
    ][1]
    assert column(items, "b") == COLUMNS[other][1]


@pytest.mark.parametrize(
    "given_as",
    [
        {"a": [1, 2], "b": [1, 2, 3]},
        {"a": [1, 2], "b": 3},
        {"a": np.array([1, 2]), "b": "xy"},
        {"a": np.array(1.5), "b": np.array(2.5)},
        {"a": np.str_("abc"), "b": np.str_("xyz")},
        {"a": np.bytes_(b"abc")},
        {"a": "abc", "b": "xyz"},
        {"a": {"x": 1}, "b": {"x": 2}},
    ],
    ids=repr,
)
def test_a_mapping_whose_values_are_no_columns_of_one_length_is_one_row(
    scribe: Scribe, given_as: dict[str, Any]
) -> None:
    assert same(row(scribe.write(given_as).items), {name: plain(value) for name, value in given_as.items()})


def plain(value: Any) -> Any:
    without_dimensions = isinstance(value, np.ndarray) and not value.ndim
    return value.item() if without_dimensions or isinstance(value, np.str_ | np.bytes_) else value


def arrow_table() -> pa.Table:
    return pa.table(
        {
            "i": pa.array([1, None, 3], pa.int32()),
            "s": ["a", "ü", None],
            "t": pa.array([0, 1, None], pa.timestamp("ms", "Europe/Berlin")),
            "d": pa.array(["x", None, "x"]).dictionary_encode(),
            "l": [[1.5], None, []],
            "n": [{"x": 1}, {"x": None}, None],
            "m": pa.array([1, 2, 3], pa.decimal128(9, 2)),
        }
    )


@pytest.mark.parametrize(
    "given_as",
    [
        arrow_table(),
        arrow_table().to_batches()[0],
        arrow_table().slice(1, 2),
        arrow_table().to_batches()[0].slice(2, 1),
        pa.concat_tables([arrow_table(), arrow_table().slice(1)]),
        arrow_table().slice(0, 0),
    ],
    ids=["table", "batch", "slice", "slice of a batch", "chunks", "empty"],
)
def test_an_arrow_table_comes_back_with_its_types(scribe: Scribe, given_as: Any) -> None:
    items = scribe.write(given_as, [0] * given_as.num_rows).items
    assert isinstance(items, ArrowBlock)
    assert items.batch.schema.equals(given_as.schema)
    assert items.batch.to_pylist() == given_as.to_pylist()


def test_a_slice_of_a_large_table_takes_only_its_own_bytes(scribe: Scribe) -> None:
    large = pa.table({"a": np.arange(1_000_000.0)})
    assert scribe.write(large.slice(500_000, 1)).items.batch.to_pylist() == [{"a": 500_000.0}]  # type: ignore[union-attr]


def test_rows_without_columns_are_counted_all_the_same(scribe: Scribe) -> None:
    shapes: list[Any] = [
        pd.DataFrame(index=[1, 2]),
        pa.table({"a": [1, 2]}).select([]),
        np.empty((2, 0)),
        [{}, {}],
        [[], []],
    ]
    for given_as in shapes:
        assert len(scribe.write(given_as, [0, 1]).items) == 2


@pytest.mark.parametrize(
    "given_as",
    [[], (), np.empty((0, 3)), {"a": [], "b": np.array([])}, pd.DataFrame({"a": [], "b": []}), pa.table({"a": []})],
    ids=lambda given_as: type(given_as).__name__,
)
def test_a_request_without_items_is_an_event_without_rows(scribe: Scribe, given_as: Any) -> None:
    shapes: list[Any] = [[], np.empty(0), np.empty((0, 2)), pd.Series([], dtype=float)]
    for predictions in shapes:
        event = scribe.write(given_as, predictions)
        assert (len(event.items), len(event.predictions)) == (0, 0)


def test_a_model_without_item_level_features_has_one_row(scribe: Scribe) -> None:
    event = scribe.write(Features(request={"hour": 7}), 0.5)
    assert event.request is not None
    assert (row(event.request), len(event.items), row(event.predictions)) == ({"hour": 7}, 1, {"": 0.5})
    assert len(scribe.write(None, 0.5).items) == 1


@many
@given(request=st.dictionaries(names, cells | st.lists(cells, max_size=3), min_size=1))
def test_request_level_features_are_always_one_row(scribe: Scribe, request: dict[str, Any]) -> None:
    for event in (
        scribe.write({"a": 1}, 0.5, request_features=request),
        scribe.write(Features(request=request, items=np.zeros((2, 1))), [0, 1]),
        scribe.write(Features(request=types.MappingProxyType(request), items=[{"a": 1}]), [0]),
    ):
        assert event.request is not None
        assert all(same(row(event.request)[name], value) for name, value in request.items())
        assert len(row(event.request)) == len(request)


def test_request_level_features_of_both_ways_are_joined_and_the_callers_win(scribe: Scribe) -> None:
    event = scribe.write(Features(request={"a": 1, "b": 2}, items={"c": 3}), 0.5, request_features={"b": 4, "d": 5})
    assert event.request is not None
    assert row(event.request) == {"a": 1, "b": 4, "d": 5}


@pytest.mark.parametrize(
    "features", [{"a": [1]}, {"a": np.array([1.5])}, [[1]], np.zeros((1, 1)), pd.DataFrame({"a": [1]})]
)
@pytest.mark.parametrize("request_level", [{"tags": ["x"]}, {"embedding": np.array([0.5])}])
def test_a_list_of_one_stays_a_list_at_request_level(
    scribe: Scribe, features: Any, request_level: dict[str, Any]
) -> None:
    event = scribe.write(features, 0.5, request_features=request_level)
    assert event.request is not None
    assert same(row(event.request), request_level)


def test_every_block_of_a_record_finds_its_own_buffers(scribe: Scribe) -> None:
    items = {"x": np.arange(3.0), "y": pa.array(["a", "b", None]), "z": np.array([1, 2, 3], "i1")}
    event = scribe.write(
        items, {"p": np.array([0.25, 0.5, 0.75]), "q": ["u", "v", "w"]}, request_features={"r": np.arange(5)}
    )
    assert event.request is not None
    assert same(row(event.request)["r"], np.arange(5))
    assert table(event.items) == [{"x": 0, "y": "a", "z": 1}, {"x": 1, "y": "b", "z": 2}, {"x": 2, "y": None, "z": 3}]
    assert table(event.predictions) == [{"p": 0.25, "q": "u"}, {"p": 0.5, "q": "v"}, {"p": 0.75, "q": "w"}]


@pytest.mark.parametrize(
    "features", [np.zeros((1, 2, 3)), {"a": object()}, [object()], [[1], [object()]], pd.Index([1]).map]
)
def test_what_has_no_rows_or_holds_what_no_record_can_is_refused(scribe: Scribe, features: Any) -> None:
    assert scribe.refused(features) == {"unencodable": 1}
    assert row(scribe.write({"a": 1}).items) == {"a": 1}
