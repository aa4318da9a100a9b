"""RecordIO-protobuf: SageMaker's own record format, its framing and its tensors."""

import base64
import struct
from typing import Any

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from serialization import Codecs, DecodeError, EncodeError, Limits
from serialization.recordio.frames import frames
from serialization.recordio.record import record_class
from tests.serialization.bodies import RECORDIO, SPARSE, frame

CODECS: Any = Codecs()
MAGIC = struct.pack("<I", 0xCED7230A)


def record(features=None, label=None):
    """A record from {name: (tensor field, values, keys, shape)} or {name: [bytes]}."""
    made = record_class()(uid="1", metadata="{}")
    for entries, given_values in ((made.features, features or {}), (made.label, label or {})):
        for name, value in given_values.items():
            if isinstance(value, list):
                entries[name].bytes.value.extend(value)
                continue
            kind, values, keys, shape = (*value, (), ())[:4]
            tensor = getattr(entries[name], kind)
            tensor.SetInParent()
            tensor.values.extend(values)
            tensor.keys.extend(keys)
            tensor.shape.extend(shape)
    return made.SerializeToString()


def body(*records: bytes) -> bytes:
    return b"".join(frame(data) for data in records)


@given(
    arrays.arrays(
        st.sampled_from([numpy.float32, numpy.float64, numpy.int32]), arrays.array_shapes(min_dims=2, max_dims=2)
    )
)
def test_a_matrix_is_read_as_sagemaker_writes_it(matrix):
    kind = {"float32": "float32_tensor", "float64": "float64_tensor", "int32": "int32_tensor"}[matrix.dtype.name]
    decoded = CODECS.decode(body(*(record({"values": (kind, row.tolist())}) for row in matrix)), RECORDIO)
    assert decoded.dtype == matrix.dtype
    assert numpy.array_equal(decoded, matrix, equal_nan=True)


@given(st.lists(st.binary(max_size=40), min_size=1))
def test_frames_are_padded_to_four_bytes_and_cut_again(records):
    packed = body(*records)
    assert len(packed) % 4 == 0
    assert list(frames(memoryview(packed))) == records


def test_a_record_in_parts_is_joined_with_the_magic_that_parted_it():
    packed = frame(b"a", 1) + frame(b"b", 2) + frame(b"", 2) + frame(b"c", 3) + frame(b"whole")
    assert list(frames(memoryview(packed))) == [b"a" + MAGIC + b"b" + MAGIC + MAGIC + b"c", b"whole"]


@pytest.mark.parametrize(
    ("packed", "says"),
    [
        (b"\x00" * 8, "record 1 does not start with the RecordIO magic"),
        (frame(b"") + b"\x00" * 8, "record 2 does not start with the RecordIO magic 0xCED7230A, at byte 8"),
        (MAGIC, "ends within the header of record 1"),
        (frame(b"abcd")[:-1], "says it has 4 bytes, and 3 are left"),
        (frame(b"abc")[:-1], "says it has 3 bytes"),
        (MAGIC + struct.pack("<I", (1 << 29) - 1), "says it has 536870911 bytes"),
        (frame(b"a", 1), "last part is missing"),
        (frame(b"a", 2), "part flag 2 where none can be"),
        (frame(b"a", 3), "part flag 3"),
        (frame(b"a", 5), "part flag 5"),
        (frame(b"a", 1) + frame(b"b"), "part flag 0"),
        (frame(b"\xff\xff"), "not an aialgs.data.Record"),
        (frame(b"\x0a\x05\x0a\x01\xff\x12\x00"), "not UTF-8"),
    ],
)
def test_a_body_that_is_cut_off_or_out_of_order_is_refused(packed, says):
    with pytest.raises(DecodeError, match=says):
        CODECS.decode(packed, RECORDIO)


def test_a_sparse_tensor_is_unfolded_to_its_shape():
    assert CODECS.decode(frame(SPARSE), RECORDIO).tolist() == [[0.0, 1.0, 0.0, 2.0]]
    matrix = CODECS.decode(body(record({"values": ("int32_tensor", [7], [5], [2, 3])})), RECORDIO)
    assert matrix.tolist() == [[[0, 0, 0], [0, 0, 7]]]


@pytest.mark.parametrize(
    ("tensor", "says"),
    [
        (("float32_tensor", [1.0], [2**40], [2**41]), "unfold to more than"),
        (("float32_tensor", [1.0], [0], [2**63, 2**63, 2**63]), "unfold to more than"),
        (("float32_tensor", [1.0], [0], [1] * 9), "9 dimensions"),
        (("float32_tensor", [1.0], [0]), "a sparse tensor needs a shape"),
        (("float32_tensor", [1.0], [4], [4]), "key 4 lies outside the shape"),
        (("float32_tensor", [1.0], [0, 1], [4]), "2 keys and 1 values"),
        (("float32_tensor", [1.0], [], [2, 2]), "1 values do not fill the shape"),
    ],
)
def test_a_tensor_that_is_not_what_it_says_is_refused_with_its_place(tensor, says):
    with pytest.raises(DecodeError, match=says):
        CODECS.decode(body(record({"values": tensor})), RECORDIO)


def test_many_small_records_cannot_unfold_past_the_limit_together():
    one = record({"values": ("float32_tensor", [1.0], [0], [1000])})
    codecs: Any = Codecs(limits=Limits(max_items=20_000))
    assert codecs.decode(body(*[one] * 10), RECORDIO).shape == (10, 1000)
    with pytest.raises(DecodeError, match="more than 5000 values"):
        Codecs(limits=Limits(max_items=5000)).decode(body(*[one] * 10), RECORDIO)
    with pytest.raises(DecodeError, match="or 5000 bytes"):
        Codecs(limits=Limits(max_expanded_bytes=5000)).decode(body(*[one] * 10), RECORDIO)


def test_several_features_and_labels_are_columns():
    first = record(
        {
            "a": ("float32_tensor", [1.5]),
            "v": ("float64_tensor", [1.0, 2.0]),
            "raw": [b"\x00\xff"],
            "x": ("int32_tensor", [1]),
        },
        {"values": ("int32_tensor", [1]), "x": ("int32_tensor", [9])},
    )
    second = record(
        {"a": ("float32_tensor", [2.5]), "v": ("float64_tensor", [3.0, 4.0])}, {"values": ("int32_tensor", [0])}
    )
    columns = CODECS.decode(body(first, second), RECORDIO)
    assert columns["a"].tolist() == [1.5, 2.5]
    assert columns["a"].dtype == numpy.float32
    assert columns["v"].tolist() == [[1.0, 2.0], [3.0, 4.0]]
    assert columns["raw"] == [base64.b64encode(b"\x00\xff").decode(), None]
    assert columns["x"] == [1, None]
    assert columns["label"].tolist() == [1, 0]
    assert columns["label_x"] == [9, None]


def test_vectors_of_different_lengths_are_lists():
    rows = body(record({"values": ("float32_tensor", [1.0])}), record({"values": ("float32_tensor", [1.0, 2.0])}))
    assert CODECS.decode(rows, RECORDIO) == {"values": [[1.0], [1.0, 2.0]]}


@pytest.mark.parametrize(
    ("prediction", "columns"),
    [
        (numpy.array([0.25, 0.5], dtype=numpy.float32), {"label": [0.25, 0.5]}),
        (numpy.array([[1, 2], [3, 4]]), {"label": [[1, 2], [3, 4]]}),
        ([True, False], {"label": [1, 0]}),
        ({"score": [0.5, 0.25], "predicted_label": [1, 0]}, {"predicted_label": [1, 0], "score": [0.5, 0.25]}),
        ([{"name": "ü", "score": 1.0}, {"name": None, "score": None}], {"name": ["ü", None], "score": [1.0, None]}),
        ([2**40, -(2**40)], {"label": [2.0**40, -(2.0**40)]}),
        ([numpy.nan], {"label": [numpy.nan]}),
    ],
)
def test_a_prediction_is_a_record_for_each_row_with_its_outputs_as_labels(prediction, columns):
    packed, content_type = CODECS.encode(prediction, RECORDIO)
    decoded = CODECS.decode(packed, content_type)
    plain = {name: column.tolist() if hasattr(column, "tolist") else column for name, column in decoded.items()}
    assert str(plain) == str(columns)


@pytest.mark.parametrize("prediction", [[2**60], [[[1], [1, 2]]], {"a": object()}, [{"a": {"b": 1}}]])
def test_what_no_tensor_holds_is_refused_with_its_place(prediction):
    with pytest.raises(EncodeError, match="prediction"):
        CODECS.encode(prediction, RECORDIO)


def test_a_sparse_row_of_zeros_is_a_row_of_zeros_as_sagemakers_sdk_writes_it():
    rows = [
        record({"values": ("float32_tensor", [1.5], [2], [4])}),
        record({"values": ("float32_tensor", [], [], [4])}),
    ]
    decoded = CODECS.decode(body(*rows), RECORDIO)
    assert decoded.dtype == numpy.float32
    assert decoded.tolist() == [[0, 0, 1.5, 0], [0, 0, 0, 0]]


@pytest.mark.parametrize("shape", [[3], [1], [2, 2], [0]])
def test_dense_values_that_contradict_their_shape_are_refused(shape):
    with pytest.raises(DecodeError, match="2 values do not fill the shape"):
        CODECS.decode(body(record({"values": ("float64_tensor", [1, 2], [], shape)})), RECORDIO)


@pytest.mark.parametrize("shape", [[2**62], [2**20, 2**20], [0, 2**63]])
def test_a_shape_without_values_takes_no_more_than_the_limits_allow(shape):
    with pytest.raises(DecodeError, match="unfold to more than"):
        CODECS.decode(body(record({"values": ("float64_tensor", [], [], shape)})), RECORDIO)
