"""Arrow streams and Parquet: every type both ways, and bodies that unfold, lie or are cut off."""

import datetime
import io
from functools import partial
from typing import Any

import duckdb
import numpy
import pandas
import polars
import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serialization import Codecs, DecodeError, EncodeError, Limits
from tests.serialization import bodies
from tests.serialization.bodies import ARROW, PARQUET, arrow_stream, parquet

CODECS: Any = Codecs()
SMALL: Any = Codecs(limits=Limits(max_items=100_000, max_expanded_bytes=1_000_000))
COLUMNS = st.one_of(
    *(
        st.lists(st.none() | values, min_size=5, max_size=5).map(partial(pyarrow.array, type=kind))
        for values, kind in (
            (st.integers(-(2**63), 2**63 - 1), pyarrow.int64()),
            (st.integers(0, 255), pyarrow.uint8()),
            (st.floats(allow_nan=False), pyarrow.float64()),
            (st.booleans(), pyarrow.bool_()),
            (st.text(max_size=8), pyarrow.string()),
            (st.binary(max_size=8), pyarrow.binary()),
            (st.lists(st.none() | st.text(max_size=3), max_size=3), pyarrow.list_(pyarrow.string())),
            (st.fixed_dictionaries({"k": st.none() | st.text(max_size=3)}), pyarrow.struct([("k", pyarrow.string())])),
        )
    )
)
TABLES = st.lists(COLUMNS, min_size=1, max_size=4).map(
    lambda columns: pyarrow.table(columns, names=[f"c{at}" for at in range(len(columns))])
)


@given(TABLES, st.sampled_from([None, "zstd", "lz4"]))
def test_a_stream_is_read_back(table, compression):
    batch = CODECS.decode(arrow_stream(table, compression), ARROW)
    assert isinstance(batch, pyarrow.RecordBatch)
    assert batch.schema == table.schema
    assert batch.to_pylist() == table.to_pylist()


@given(TABLES, st.sampled_from(["none", "snappy", "zstd", "gzip"]), st.sampled_from(["1.0", "2.0"]), st.booleans())
def test_a_parquet_file_is_read_back(table, compression, version, dictionary):
    options = {
        "compression": compression,
        "data_page_version": version,
        "use_dictionary": dictionary,
        "row_group_size": 2,
    }
    batch = CODECS.decode(parquet(table, **options), PARQUET)
    assert batch.schema == table.schema
    assert batch.to_pylist() == table.to_pylist()


@pytest.mark.parametrize("accept", [ARROW, PARQUET, "application/vnd.apache.parquet"])
@given(TABLES)
def test_a_table_is_written_so_that_it_is_read_back(accept, table):
    body, content_type = CODECS.encode(table, accept)
    assert CODECS.decode(body, content_type).to_pylist() == table.to_pylist()


@pytest.mark.parametrize("name", bodies.table().column_names)
@pytest.mark.parametrize("write", [arrow_stream, parquet], ids=["arrow", "parquet"])
def test_every_type_of_column_keeps_its_values(write, name):
    table = bodies.table().select([name])
    batch = CODECS.decode(write(table), ARROW if write is arrow_stream else PARQUET)
    assert batch.to_pylist() == table.to_pylist()
    assert batch.schema.metadata is None


def test_a_stream_of_several_batches_and_dictionaries_is_one_batch():
    first = pyarrow.table({"a": pyarrow.array(["x", "y"]).dictionary_encode()})
    second = pyarrow.table({"a": pyarrow.array(["z", "y"]).dictionary_encode()})
    out = io.BytesIO()
    with pyarrow.ipc.new_stream(out, first.schema) as writer:
        writer.write(first)
        writer.write(second)
    assert CODECS.decode(out.getvalue(), ARROW).to_pydict() == {"a": ["x", "y", "z", "y"]}


@pytest.mark.parametrize("write", [arrow_stream, parquet], ids=["arrow", "parquet"])
def test_a_table_without_rows_keeps_its_columns(write):
    table = pyarrow.table({"a": pyarrow.array([], pyarrow.int32()), "b": pyarrow.array([], pyarrow.string())})
    batch = CODECS.decode(write(table), ARROW if write is arrow_stream else PARQUET)
    assert (batch.num_rows, batch.schema) == (0, table.schema)


def test_what_polars_writes_is_read():
    frame = polars.DataFrame(
        {"a": ["x", None], "b": [1, 2], "c": [[1.5], None], "d": [datetime.date(2013, 7, 1), None]}
    )
    for write, kind in ((frame.write_ipc_stream, ARROW), (frame.write_parquet, PARQUET)):
        out = io.BytesIO()
        write(out)
        if kind == ARROW:
            frame.drop("c").write_ipc_stream(out := io.BytesIO())
        assert (
            CODECS.decode(out.getvalue(), kind).to_pylist() == (frame.drop("c") if kind == ARROW else frame).to_dicts()
        )


@pytest.mark.parametrize("version", ["V1", "V2"])
def test_what_duckdb_writes_is_read(tmp_path, version):
    path = tmp_path / "rows.parquet"
    rows: Any = duckdb.sql(
        "select i, 'text ' || i as s, [i] as l, {'k': i} as st, i::decimal(10, 2) as d from range(1000) t(i)"
    )
    duckdb.sql(f"copy (from rows) to '{path}' (format parquet, parquet_version {version})")
    assert CODECS.decode(path.read_bytes(), PARQUET).to_pylist() == rows.to_arrow_table().to_pylist()


@pytest.mark.parametrize("encoding", ["DELTA_LENGTH_BYTE_ARRAY", "PLAIN"])
def test_text_is_read_in_every_encoding_that_cannot_unfold(encoding):
    table = pyarrow.table({"a": ["x", "y" * 9, None] * 9})
    body = parquet(table, use_dictionary=False, column_encoding=encoding)
    assert CODECS.decode(body, PARQUET).to_pylist() == table.to_pylist()


def test_nested_text_with_more_values_than_a_dictionary_holds_is_read():
    table = pyarrow.table({"a": [[f"{row}-{at}" * 20 for at in range(60)] for row in range(300)]})
    assert CODECS.decode(parquet(table, dictionary_pagesize_limit=10_000), PARQUET).to_pylist() == table.to_pylist()


def one_long_text_often(rows=10_000, length=100_000):
    indices = pyarrow.array(numpy.zeros(rows, numpy.int32))
    return pyarrow.DictionaryArray.from_arrays(indices, ["x" * length])


def one_long_view_often(rows=5000, length=1000):
    views = numpy.array([[length, 2021161080, 0, 0]] * rows, numpy.int32)  # the second word: "xxxx"
    buffers = [None, pyarrow.py_buffer(views), pyarrow.py_buffer(b"x" * length)]
    return pyarrow.Array.from_buffers(pyarrow.string_view(), rows, buffers)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (ARROW, arrow_stream(pyarrow.table({"a": numpy.zeros(1_000_000)}), "zstd")),
        (ARROW, arrow_stream(pyarrow.table({"a": pyarrow.nulls(2**20)}))),
        (ARROW, arrow_stream(pyarrow.table({"a": one_long_text_often()}), "zstd")),
        (ARROW, arrow_stream(pyarrow.table({"a": one_long_view_often()}), "zstd")),
        (PARQUET, parquet(pyarrow.table({"a": numpy.zeros(1_000_000)}))),
        (PARQUET, parquet(pyarrow.table({"a": numpy.zeros(1_000_000)}), compression="zstd", use_dictionary=False)),
        (PARQUET, parquet(pyarrow.table({"a": pyarrow.nulls(10_000_000, pyarrow.int8())}))),
        (PARQUET, parquet(pyarrow.table({"a": one_long_text_often()}), compression="zstd")),
        (
            PARQUET,
            parquet(pyarrow.table({"a": pyarrow.array([[b"x" * 999] * 99] * 99, pyarrow.list_(pyarrow.binary()))})),
        ),
        (PARQUET, parquet(pyarrow.table({"a": pyarrow.array([b"x" * 9999] * 999, pyarrow.binary(9999))}))),
        (PARQUET, parquet(pyarrow.table({"a": [[1] * 200_000]}))),
    ],
)
def test_a_body_that_unfolds_past_the_limit_is_refused(kind, body):
    assert len(body) < 200_000
    with pytest.raises(DecodeError, match="unfolds to"):
        SMALL.decode(body, kind)


def test_text_that_repeats_a_prefix_is_refused_by_its_encodings_name():
    table = pyarrow.table({"name": ["x" * 100_000 + str(at) for at in range(10)]})
    body = parquet(table, use_dictionary=False, column_encoding="DELTA_BYTE_ARRAY")
    with pytest.raises(DecodeError, match="column 'name' is encoded as DELTA_BYTE_ARRAY; write it plain"):
        CODECS.decode(body, PARQUET)


@pytest.mark.parametrize(("kind", "body"), [(kind, body) for kind, body in bodies.valid() if kind in (ARROW, PARQUET)])
def test_a_body_that_is_cut_off_is_refused(kind, body):
    for end in (5, 9, len(body) // 3, len(body) // 2, len(body) - 9):
        with pytest.raises(DecodeError):
            CODECS.decode(body[:end], kind)


def test_a_footer_that_contradicts_itself_does_not_end_the_process():
    """pyarrow's accessors call std::terminate where sizes of a level histogram differ from the schema's."""
    body = bytearray(parquet(pyarrow.table({"a": pyarrow.array([[1, None]])})))
    tail = len(body) - 8 - int.from_bytes(body[-8:-4], "little")
    for at in range(tail, len(body) - 8):
        for change in (1, 0x10, 0x20):
            mutated = bytearray(body)
            mutated[at] ^= change
            try:
                CODECS.decode(bytes(mutated), PARQUET)
            except DecodeError as error:
                assert str(error)  # noqa: PT017 - some of the mutations are read, and none ends the process


def test_what_is_another_format_is_told_so():
    table = pyarrow.table({"a": [1]})
    out = io.BytesIO()
    with pyarrow.ipc.new_file(out, table.schema) as writer:
        writer.write(table)
    with pytest.raises(DecodeError, match="is an Arrow file; send the stream format"):
        CODECS.decode(out.getvalue(), ARROW)
    with pytest.raises(DecodeError, match="is not Parquet"):
        CODECS.decode(out.getvalue(), PARQUET)
    with pytest.raises(DecodeError, match="not a valid Arrow stream"):
        CODECS.decode(b'{"a": 1}', ARROW)


@pytest.mark.parametrize(
    ("table", "says"),
    [
        (pyarrow.Table.from_arrays([pyarrow.array([1]), pyarrow.array([2])], names=["a", "a"]), "two columns 'a'"),
        (
            pyarrow.table(
                {"a": pyarrow.UnionArray.from_sparse(pyarrow.array([0], pyarrow.int8()), [pyarrow.array([1])])}
            ),
            "not read",
        ),
        (pyarrow.table({"a": pyarrow.array([[1]], pyarrow.list_view(pyarrow.int64()))}), "not read"),
        (
            pyarrow.table({"a": pyarrow.array([[["x"]]], pyarrow.list_(pyarrow.list_(pyarrow.string_view())))}),
            "not read",
        ),
        (pyarrow.table({"a": pyarrow.array([(1, 2, 3)], pyarrow.month_day_nano_interval())}), "not read"),
    ],
)
def test_a_column_without_a_plain_form_is_refused_by_its_name(table, says):
    with pytest.raises(DecodeError, match=says):
        CODECS.decode(arrow_stream(table), ARROW)


def test_nesting_beyond_the_limit_is_refused():
    kind = pyarrow.int8()
    for _ in range(6):
        kind = pyarrow.list_(kind)
    with pytest.raises(DecodeError, match="nested too deeply"):
        Codecs(limits=Limits(max_depth=5)).decode(arrow_stream(pyarrow.table({"a": pyarrow.array([], kind)})), ARROW)


def test_an_extension_type_is_read_as_what_it_is_stored_as():
    table = pyarrow.table(
        {"a": pyarrow.ExtensionArray.from_storage(pyarrow.uuid(), pyarrow.array([bytes(16)], pyarrow.binary(16)))}
    )
    for body, kind in ((arrow_stream(table), ARROW), (parquet(table), PARQUET)):
        assert CODECS.decode(body, kind).to_pydict() == {"a": [bytes(16)]}


def test_offsets_that_point_elsewhere_are_found_before_they_are_followed():
    array = pyarrow.Array.from_buffers(
        pyarrow.string(),
        2,
        [None, pyarrow.py_buffer(numpy.array([0, 1_000_000, 2], numpy.int32)), pyarrow.py_buffer(b"ab")],
    )
    with pytest.raises(DecodeError, match="not a valid Arrow stream"):
        CODECS.decode(arrow_stream(pyarrow.table({"a": array})), ARROW)


def test_views_of_nulls_are_not_followed():
    """pyarrow's cast ends the process there, though the array is valid."""
    views = numpy.array([[1, 97, 0, 0], [-788529152, 0, 77, 2**30]], numpy.int32)
    array = pyarrow.Array.from_buffers(
        pyarrow.string_view(), 2, [pyarrow.py_buffer(b"\x01"), pyarrow.py_buffer(views), pyarrow.py_buffer(b"data")]
    )
    assert CODECS.decode(arrow_stream(pyarrow.table({"a": array})), ARROW).to_pydict() == {"a": ["a", None]}


@pytest.mark.parametrize(
    ("prediction", "columns"),
    [
        (0.5, {"prediction": [0.5]}),
        (["a", None], {"prediction": ["a", None]}),
        (numpy.array([1, 2], dtype=numpy.int8), {"prediction": [1, 2]}),
        (numpy.array([[1.0, 2.0], [3.0, 4.0]]), {"prediction_0": [1.0, 3.0], "prediction_1": [2.0, 4.0]}),
        (numpy.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f4")]), {"a": [1], "b": [2.0]}),
        ({"a": numpy.array([1, 2]), "b": numpy.array([0.5, 1.5])}, {"a": [1, 2], "b": [0.5, 1.5]}),
        ({"a": 1, "b": "x"}, {"a": [1], "b": ["x"]}),
        ([{"a": 1}, {"a": None}], {"a": [1, None]}),
        (pandas.DataFrame({"a": [1, 2]}, index=[5, 6]), {"a": [1, 2]}),
        (polars.DataFrame({"a": [1, 2]}), {"a": [1, 2]}),
        (pyarrow.array([1, 2]), {"prediction": [1, 2]}),
        (pyarrow.record_batch({"a": [1]}), {"a": [1]}),
        ([], {}),
    ],
)
@pytest.mark.parametrize("accept", [ARROW, PARQUET])
def test_a_prediction_is_a_table_with_its_types(accept, prediction, columns):
    assert CODECS.decode(CODECS.encode(prediction, accept)[0], accept).to_pydict() == columns


@pytest.mark.parametrize("accept", [ARROW, PARQUET])
@pytest.mark.parametrize(
    "prediction", [[1, "a"], {"a": [1, {"b": 2}]}, {"a": numpy.array([1]), "b": numpy.array([1, 2])}]
)
def test_columns_of_no_one_type_are_refused(accept, prediction):
    with pytest.raises(EncodeError, match="no table of typed columns"):
        CODECS.encode(prediction, accept)


@pytest.mark.parametrize("write", [bodies.parquet, bodies.arrow_stream])
@pytest.mark.parametrize("rows", [0, 3])
def test_the_nameless_index_of_pandas_is_no_feature(write, rows):
    frame = pandas.DataFrame({"a": numpy.arange(6.0), "b": list("uvwxyz")}).iloc[::2].iloc[:rows]
    written = write(pyarrow.Table.from_pandas(frame, preserve_index=True))
    media = PARQUET if write is bodies.parquet else ARROW
    assert CODECS.decode(written, media).schema.names == ["a", "b"]


@pytest.mark.parametrize(
    "about", [b"no json", b"[]", b'{"index_columns": 5}', b'{"index_columns": [["a"], {}, "a"]}', b"[" * 9999]
)
def test_a_column_is_dropped_only_where_pandas_says_that_it_is_a_nameless_index(about):
    table = pyarrow.table({"a": [1], "__index_level_0__": [2]}, metadata={"pandas": about})
    assert CODECS.decode(parquet(table), PARQUET).schema.names == ["a", "__index_level_0__"]
