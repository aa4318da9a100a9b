"""NPY: arrays both ways, without pickle and without trust in the header."""

import io
import struct
from typing import Any

import numpy
import pandas
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from serialization import Codecs, DecodeError, EncodeError, Limits
from tests.serialization.bodies import NPY, npy

CODECS: Any = Codecs()
PLAIN = st.one_of(
    arrays.boolean_dtypes(), arrays.integer_dtypes(), arrays.unsigned_integer_dtypes(), arrays.floating_dtypes(),
    arrays.datetime64_dtypes(), arrays.timedelta64_dtypes(),
)  # fmt: skip


def body(header: str, data: bytes = b"", version: int = 1) -> bytes:
    """A file with this header, as it stands."""
    length = struct.pack("<H" if version == 1 else "<I", len(header))
    return b"\x93NUMPY" + bytes([version, 0]) + length + header.encode() + data


def described(descr="'<f8'", order="False", shape="(1,)") -> str:
    return f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}"


@given(arrays.arrays(PLAIN, arrays.array_shapes(min_dims=0, max_dims=4, min_side=0)), st.booleans())
def test_an_array_is_read_as_it_was_saved_in_native_order_and_may_be_changed(array, fortran):
    array = numpy.asfortranarray(array) if fortran else array
    decoded = CODECS.decode(npy(array), NPY)
    assert decoded.dtype == array.dtype.newbyteorder("=")
    assert decoded.shape == array.shape
    assert decoded.astype(array.dtype).tobytes() == array.tobytes()
    assert decoded.flags.writeable
    assert decoded.flags.f_contiguous or not array.flags.f_contiguous


@given(arrays.arrays(PLAIN, arrays.array_shapes(max_dims=3)))
def test_an_array_is_written_as_numpy_writes_it(array):
    assert CODECS.encode(array, NPY) == (npy(array), NPY)


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_every_version_of_the_format_is_read(version):
    out = io.BytesIO()
    numpy.lib.format.write_array(out, numpy.arange(3), version=version)
    assert CODECS.decode(out.getvalue(), NPY).tolist() == [0, 1, 2]


def test_names_of_a_structured_array_are_kept():
    array = numpy.array(
        [(1, "ü", b"x", [1.0, 2.0])], dtype=[("a", ">i8"), ("b b", "<U2"), ("c", "S1"), ("d", "<f8", (2,))]
    )
    decoded = CODECS.decode(npy(array), NPY)
    assert decoded.dtype.names == ("a", "b b", "c", "d")
    assert str(decoded.tolist()) == str(array.tolist())


#: A pickle that ends the process where it is loaded.
PICKLE = b"c__builtin__\nexit\n(tR."


def test_pickled_objects_are_refused_and_never_loaded():
    loaded = body(described("'|O'"), PICKLE)
    for trap in (loaded, body(described("[('a', '|O')]"), PICKLE), PICKLE):
        with pytest.raises(DecodeError):
            CODECS.decode(trap, NPY)
    with pytest.raises(DecodeError, match="would need pickle"):
        CODECS.decode(loaded, NPY)


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        (b"PK\x03\x04" + bytes(100), "does not start with its magic"),
        (b"\x93NUMPY\x01", "magic"),
        (b"\x93NUMPY\x09\x00" + bytes(100), "version 9"),
        (b"\x93NUMPY\x02\x00\x01\x00", "ends within its header"),
        (b"\x93NUMPY\x02\x00\xff\xff\xff\x7f" + bytes(100), "header says it has 2147483647 bytes"),
        (body(described(), bytes(7)), "8 bytes, and the body has 7"),
        (body(described(), bytes(9)), "8 bytes, and the body has 9"),
        (body(described(shape="(99999999999, 99999999999)"), bytes(8)), "the body has 8"),
        (body(described(shape="(9223372036854775807, 9223372036854775807, 0)")), "beyond the limit"),
        (body(described(shape="(" + "1, " * 40 + ")"), bytes(8)), "40 dimensions"),
        (body(described("'<U0'", shape="(99999999999,)")), "no bytes"),
        (body(described("'<i3'"), bytes(3)), "dtype is not known"),
        (body(described("'<M8[xx]'"), bytes(8)), "dtype is not known"),
        (body(described("[('a', '<f8'), ('a', '<f8')]"), bytes(16)), "dtype is not known"),
        (body(described("'<U1'"), b"\xff\xff\xff\x00"), "not Unicode"),
        (body(described("'<U1'"), b"\x00\xd8\x00\x00"), "not Unicode"),
        (body(described("'|b1'"), b"\x02"), "neither 0 nor 1"),
        (body(described("__import__('os').system('true')")), "not as numpy.save writes it"),
        (body("{'descr': '<f8'}", bytes(8)), "not as numpy.save writes it"),
        (body("-" * 60_000), "not as numpy.save writes it"),
        (body("(" * 60_000), "not as numpy.save writes it"),
        (b"\x93NUMPY\x03\x00\x01\x00\x00\x00\xff", "not UTF-8"),
    ],
)
def test_a_header_that_lies_is_refused_before_memory_is_taken(broken, says):
    with pytest.raises(DecodeError, match=says):
        CODECS.decode(broken, NPY)


def test_no_limit_on_items_binds_what_the_body_really_has():
    codecs: Any = Codecs(limits=Limits(max_items=10))
    assert codecs.decode(npy(numpy.zeros(100)), NPY).shape == (100,)


@pytest.mark.parametrize(
    ("prediction", "array"),
    [
        (0.5, numpy.array(0.5)),
        ([1, 2], numpy.array([1, 2])),
        ([1, None], numpy.array([1, numpy.nan])),
        ([[1.0, None], [2.0, 3.0]], numpy.array([[1.0, numpy.nan], [2.0, 3.0]])),
        (["a", "bc"], numpy.array(["a", "bc"])),
        ({"a": [1, 2], "b": ["x", "y"]}, numpy.array([(1, "x"), (2, "y")], dtype=[("a", "i8"), ("b", "U1")])),
        (pandas.DataFrame({"a": [1.5]}), numpy.array([(1.5,)], dtype=[("a", "f8")])),
        (numpy.ma.masked_array([1.0, 2.0], mask=[True, False]), numpy.array([numpy.nan, 2.0])),
        (numpy.ma.masked_array([1, 2], mask=[True, False]), numpy.array([numpy.nan, 2.0])),
    ],
)
def test_a_prediction_is_an_array_with_its_names(prediction, array):
    assert CODECS.encode(prediction, NPY)[0] == npy(array)


@pytest.mark.parametrize(
    "prediction", [["a", None], numpy.array([{}], dtype=object), [[1], [1, 2]], {"a": [[1], [1, 2]]}]
)
def test_what_would_need_pickle_is_refused(prediction):
    with pytest.raises(EncodeError):
        CODECS.encode(prediction, NPY)


@pytest.mark.parametrize(
    "dtype",
    [
        numpy.dtype([("a", "i1"), ("b", "<f8"), ("c", "<U2")], align=True),
        numpy.dtype({"names": ["a", "c"], "formats": ["<i4", "<f4"], "offsets": [4, 16], "itemsize": 24}),
        numpy.dtype([("a", "<f8", (2,)), ("b", "i1")], align=True),
    ],
)
def test_bytes_of_no_field_are_left_out(dtype):
    """`numpy.save` writes them for aligned types, and for a view of some columns."""
    array = numpy.zeros(3, dtype)
    array["a"] = [[1], [2], [3]] if dtype["a"].shape else [1, 2, 3]
    decoded = CODECS.decode(npy(array), NPY)
    assert decoded.dtype.names == dtype.names
    assert str(decoded.tolist()) == str(array.tolist())
    assert decoded.dtype.itemsize == sum(dtype[name].itemsize for name in dtype.names)


def test_some_columns_of_a_structured_array_go_both_ways_in_any_order():
    table = numpy.array([(1.0, 2, "x"), (3.0, 4, "y")], [("a", "f8"), ("b", "i4"), ("c", "U1")])
    decoded = CODECS.decode(npy(table[["a", "c"]]), NPY)
    assert decoded.tolist() == [(1.0, "x"), (3.0, "y")]
    body, _ = CODECS.encode(table[["c", "a"]], NPY)
    assert numpy.load(io.BytesIO(body)).tolist() == [("x", 1.0), ("y", 3.0)]


@pytest.mark.parametrize(
    "fields",
    ["[('', '|V4')]", "[('', '|V4'), ]", "[('a', '<f4')('', '|V4')]", "[('a', '|V4')]", "[('a', '<f4'), ('a', '<f4')]"],
)
def test_fields_that_numpy_does_not_write_are_refused(fields):
    header = f"{{'descr': {fields}, 'fortran_order': False, 'shape': (1,), }}".encode()
    body = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(8)
    with pytest.raises(DecodeError):
        CODECS.decode(body, NPY)
