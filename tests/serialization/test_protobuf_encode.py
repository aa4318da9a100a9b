"""What a model returns, into a response message."""

import datetime
import math
from decimal import Decimal

import numpy
import pandas
import pyarrow
import pytest

from serialization import Codecs, EncodeError, NotAcceptable, ProtobufSchema
from tests.serialization import bodies
from tests.serialization.bodies import FIELD, PROTOBUF, descriptor_set, field, map_field

SCORES = f"{PROTOBUF}; messageType=ranking.Scores"
ROWS = [{"tail": "N1", "score": 0.5, "rank": 1}, {"tail": "N2", "score": 0.25, "rank": None}]


def answer(prediction, accept=PROTOBUF):
    body, content_type = bodies.codecs().encode(prediction, accept)
    return bodies.codecs().decode(
        body, content_type if "messageType" in content_type else f"{PROTOBUF}; messageType=ranking.Response"
    )


@pytest.mark.parametrize(
    "prediction",
    [
        ROWS,
        tuple(ROWS),
        {"items": ROWS},
        {"items": ROWS, "model": None},
        {"items": {"tail": ["N1", "N2"], "score": [0.5, 0.25], "rank": [1, None]}},
        {"tail": ["N1", "N2"], "score": numpy.array([0.5, 0.25]), "rank": [1, None]},
        pandas.DataFrame({"tail": ["N1", "N2"], "score": [0.5, 0.25], "rank": pandas.array([1, None], dtype="Int64")}),
        pyarrow.table({"tail": ["N1", "N2"], "score": [0.5, 0.25], "rank": [1, None]}),
        pyarrow.record_batch({"tail": ["N1", "N2"], "score": [0.5, 0.25], "rank": [1, None]}),
        {"items": pandas.DataFrame(ROWS).astype({"rank": "Int64"})},
    ],
)
def test_rows_and_columns_of_any_kind_fill_the_one_repeated_message(prediction):
    assert answer(prediction) == {"items": ROWS, "model": ""}


def test_a_structured_array_fills_the_one_repeated_message():
    array = numpy.array([("N1", 0.5, 1)], dtype=[("tail", "U2"), ("score", "f8"), ("rank", "i4")])
    assert answer(array)["items"] == [ROWS[0]]


def test_one_row_is_one_item():
    assert answer(ROWS[0])["items"] == [ROWS[0]]


@pytest.mark.parametrize(
    "prediction",
    [
        [0.25, 0.5],
        numpy.array([0.25, 0.5]),
        numpy.array([0.25, 0.5], dtype=numpy.float32),
        numpy.array([[0.25], [0.5]]),
        pandas.Series([0.25, 0.5]),
        pyarrow.array([0.25, 0.5]),
        {"scores": numpy.array([0.25, 0.5])},
        [numpy.float64(0.25), numpy.float32(0.5)],
    ],
)
def test_numbers_fill_the_one_repeated_field(prediction):
    assert answer(prediction, SCORES) == {"scores": [0.25, 0.5], "model": ""}


def test_one_number_is_a_list_of_one():
    assert answer(0.5, SCORES)["scores"] == [0.5]
    assert answer(numpy.float32(0.5), SCORES)["scores"] == [0.5]
    assert answer(3, SCORES)["scores"] == [3.0]


def test_the_accept_header_names_the_message_and_the_answer_says_so():
    body, content_type = bodies.codecs().encode([1.0], SCORES)
    assert content_type == SCORES
    assert body == b"\x0a\x08" + b"\x00\x00\x00\x00\x00\x00\xf0\x3f"
    with pytest.raises(NotAcceptable, match=r"no\.Such"):
        bodies.codecs().encode([1.0], f"{PROTOBUF}; messageType=no.Such")
    with pytest.raises(EncodeError, match="PROTOBUF_RESPONSE"):
        Codecs(protobuf=ProtobufSchema(descriptor_set(bodies.ranking_file()))).encode([1.0], PROTOBUF)


@pytest.mark.parametrize(
    ("prediction", "says"),
    [
        (
            [{"tail": "N1"}, {"tail": "N2", "score": "high"}],
            r"items\[1\]\.score is of type double and cannot hold the str 'high'",
        ),
        ([{"rank": 1.5}], r"items\[0\]\.rank is of type int32 and cannot hold the float '1.5'"),
        ([{"rank": 2**31}], r"items\[0\]\.rank is of type int32"),
        ([{"tail": 1}], r"items\[0\]\.tail is of type string and cannot hold the int '1'"),
        ([{"tial": "N1"}], r"items\[0\]\.tial is not a field of ranking\.Ranked, which has tail, score, rank"),
        ({"itms": []}, r"itms is not a field of ranking\.Response, which has items, model"),
        ({"items": 1}, "items takes a list of rows or a mapping of columns, not the int '1'"),
        ({"items": {"tail": ["a"], "score": [1.0, 2.0]}}, "items has columns of different lengths"),
        ([0.5], r"items\[0\] takes a mapping with tail, score, rank, not the float '0.5'"),
        ([None], r"items\[0\] takes a mapping"),
        ({"model": ["x"]}, "model is of type string and cannot hold a list of 1"),
    ],
)
def test_what_does_not_fit_is_refused_by_the_path_of_its_field(prediction, says):
    with pytest.raises(EncodeError, match=says):
        bodies.codecs().encode(prediction, PROTOBUF)


def test_a_list_without_a_repeated_field_to_hold_it_is_refused_with_what_to_return():
    with pytest.raises(EncodeError, match=r"no single repeated field to hold them; return a dict with seats, year"):
        bodies.codecs().encode([1], f"{PROTOBUF}; messageType=ranking.Plane")


@pytest.mark.parametrize("prediction", [[1.0, "x"], [1.0, None], [[1.0, 2.0]], ["NaN"]])
def test_a_value_in_a_list_is_refused_by_its_place(prediction):
    with pytest.raises(EncodeError, match=r"scores\[\d\]"):
        bodies.codecs().encode(prediction, SCORES)


def everything():
    """A schema with a response `test.M` that has a field of each kind."""
    from google.protobuf import descriptor_pb2

    file = descriptor_pb2.FileDescriptorProto(name="test.proto", package="test", syntax="proto3")
    file.dependency.extend(
        f"google/protobuf/{name}.proto" for name in ("timestamp", "duration", "wrappers", "struct", "field_mask")
    )
    colour = file.enum_type.add(name="Colour")
    for number, name in enumerate(("NONE", "RED")):
        colour.value.add(name=name, number=number)
    message = file.message_type.add(name="M")
    field(message, "integer", 1, FIELD.TYPE_INT64)
    field(message, "unsigned", 2, FIELD.TYPE_UINT32)
    field(message, "number", 3, FIELD.TYPE_FLOAT)
    field(message, "flag", 4, FIELD.TYPE_BOOL)
    field(message, "text", 5, FIELD.TYPE_STRING)
    field(message, "raw", 6, FIELD.TYPE_BYTES)
    field(message, "colour", 7, FIELD.TYPE_ENUM, of="test.Colour")
    field(message, "time", 8, FIELD.TYPE_MESSAGE, of="google.protobuf.Timestamp")
    field(message, "span", 9, FIELD.TYPE_MESSAGE, of="google.protobuf.Duration")
    field(message, "wrapped", 10, FIELD.TYPE_MESSAGE, of="google.protobuf.Int64Value")
    field(message, "struct", 11, FIELD.TYPE_MESSAGE, of="google.protobuf.Struct")
    field(message, "mask", 12, FIELD.TYPE_MESSAGE, of="google.protobuf.FieldMask")
    field(message, "bytes", 13, FIELD.TYPE_MESSAGE, of="google.protobuf.BytesValue")
    field(message, "value", 14, FIELD.TYPE_MESSAGE, of="google.protobuf.Value")
    field(message, "colours", 15, FIELD.TYPE_ENUM, FIELD.LABEL_REPEATED, of="test.Colour")
    map_field(message, "test.M", "by_flag", 16, FIELD.TYPE_BOOL, FIELD.TYPE_DOUBLE)
    map_field(message, "test.M", "by_number", 17, FIELD.TYPE_UINT32, FIELD.TYPE_MESSAGE, of="test.M")
    field(message, "vector", 18, FIELD.TYPE_MESSAGE, of="google.protobuf.ListValue")
    return ProtobufSchema(descriptor_set(file), "test.M", "test.M")


EVERYTHING = everything()


@pytest.mark.parametrize(
    ("name", "value", "read"),
    [
        ("integer", 3.0, 3),
        ("integer", True, 1),
        ("integer", numpy.int8(-3), -3),
        ("integer", numpy.float64(3), 3),
        ("integer", numpy.bool_(True), 1),
        ("unsigned", 2**32 - 1, 2**32 - 1),
        ("number", 1, 1.0),
        ("number", numpy.float16(0.5), 0.5),
        ("number", math.inf, math.inf),
        ("number", 3.4028234663852886e38, 3.4028234663852886e38),
        ("number", Decimal("1.5"), 1.5),
        ("integer", Decimal("3.00"), 3),
        ("wrapped", Decimal(3), 3),
        ("text", Decimal("1.50"), "1.50"),
        ("struct", {"a": Decimal("1.50")}, {"a": "1.50"}),
        ("value", Decimal("1.50"), "1.50"),
        ("by_flag", {True: Decimal("0.25")}, {True: 0.25}),
        ("flag", numpy.bool_(True), True),
        ("text", numpy.str_("x"), "x"),
        ("raw", b"\x00\xff", "AP8="),
        ("raw", "AP8=", "AP8="),
        ("colour", "RED", "RED"),
        ("colour", 1, "RED"),
        ("colour", 5, 5),
        ("colour", 1.0, "RED"),
        ("colours", ["RED", 0, 7], ["RED", "NONE", 7]),
        ("time", "2013-07-01T05:00:00Z", "2013-07-01T05:00:00Z"),
        ("time", "2013-07-01t07:00:00.000000001+02:00", "2013-07-01T05:00:00.000000001Z"),
        ("time", datetime.datetime(2013, 7, 1, 5, tzinfo=datetime.UTC), "2013-07-01T05:00:00Z"),
        (
            "time",
            datetime.datetime(2013, 7, 1, 7, tzinfo=datetime.timezone(datetime.timedelta(hours=2))),
            "2013-07-01T05:00:00Z",
        ),
        ("time", numpy.datetime64("2013-07-01T05:00:00.000000001"), "2013-07-01T05:00:00.000000001Z"),
        ("time", pandas.Timestamp("2013-07-01T05:00:00.000000001Z"), "2013-07-01T05:00:00.000000001Z"),
        ("time", numpy.datetime64("2013-07-01"), "2013-07-01T00:00:00Z"),
        ("time", datetime.date(2013, 7, 1), "2013-07-01T00:00:00Z"),
        ("time", 1372654800.5, "2013-07-01T05:00:00.500Z"),
        ("time", -1.5, "1969-12-31T23:59:58.500Z"),
        ("span", datetime.timedelta(seconds=-1.5), -1.5),
        ("span", numpy.timedelta64(1500, "ms"), 1.5),
        ("span", 0, 0.0),
        ("wrapped", 0, 0),
        ("wrapped", 3.0, 3),
        ("struct", {"a": [None, True, 1, "x", {}]}, {"a": [None, True, 1.0, "x", {}]}),
        ("struct", {}, {}),
        ("mask", "a,b.c", "a,b.c"),
        ("bytes", b"\x00", "AA=="),
        ("value", [1, "x"], [1.0, "x"]),
        ("value", "x", "x"),
        ("vector", [1.5, [2]], [1.5, [2.0]]),
        ("by_flag", {True: 1, "false": 0.5}, {False: 0.5, True: 1.0}),
        ("by_number", {1: {"integer": 1}}, {1: EVERYTHING.decode(b"\x08\x01")}),
    ],
)
def test_a_value_is_converted_where_nothing_is_lost(name, value, read):
    body = EVERYTHING.encode({name: value, "text": "some"} if name != "text" else {name: value})
    decoded = EVERYTHING.decode(body)[name]
    assert decoded == read
    assert type(decoded) is type(read)


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("integer", 3.5, "integer is of type int64"),
        ("integer", "3", "cannot hold the str '3'"),
        ("integer", 2**63, "integer is of type int64"),
        ("unsigned", -1, "unsigned is of type uint32"),
        ("number", "1", "number is of type float"),
        ("number", 1e39, "past the range of a float"),
        ("number", numpy.float64(-1e300), "past the range of a float"),
        ("number", 10**39, "past the range of a float"),
        ("number", Decimal("1e39"), "past the range of a float"),
        ("integer", Decimal("3.5"), "integer is of type int64"),
        ("integer", Decimal("NaN"), "integer is of type int64"),
        ("number", {"a": 1}, "cannot hold a dict of 1"),
        ("raw", "no base64!", "raw is of type bytes"),
        ("raw", 1, "neither bytes nor base64"),
        ("colour", "BLUE", "its values are NONE, RED"),
        ("time", "yesterday", "is no RFC 3339 time"),
        ("time", "2013-02-30T00:00:00Z", "time is of type"),
        ("time", True, "bool is no time"),
        ("span", "1s", "str is no duration"),
        ("span", 1e15, "beyond what a Duration holds"),
        ("time", 1e15, "outside the years"),
        ("wrapped", "x", "wrapped is of type google.protobuf.Int64Value"),
        ("struct", [1], "no mapping, which a Struct is"),
        ("vector", {"a": 1}, "no list, which a ListValue is"),
        ("mask", ["a"], "no text of paths"),
        ("by_flag", {"maybe": 1.0}, r"by_flag\['maybe'\] has a key that is no bool"),
        ("by_number", {"x": {}}, r"by_number\['x'\] has a key that is no uint32"),
        ("by_number", {"-1": {}}, "by_number"),
        ("by_number", {1: {"integer": "x"}}, r"by_number\['1'\]\.integer is of type int64"),
        ("by_flag", [1], "by_flag takes a mapping, not a list of 1"),
        ("text", "\ud800", "text"),
        ("colours", "RED", "colours takes a list of values"),
    ],
)
def test_a_value_that_would_lose_something_is_refused_by_its_field(name, value, says):
    with pytest.raises(EncodeError, match=says):
        EVERYTHING.encode({name: value})


def test_required_fields_that_are_missing_are_named():
    from google.protobuf import descriptor_pb2

    file = descriptor_pb2.FileDescriptorProto(name="test.proto", package="test", syntax="proto2")
    message = file.message_type.add(name="M")
    field(message, "needed", 1, FIELD.TYPE_INT32, FIELD.LABEL_REQUIRED)
    field(message, "other", 2, FIELD.TYPE_INT32)
    with pytest.raises(EncodeError, match="needed"):
        ProtobufSchema(descriptor_set(file), response="test.M").encode({"other": 1})


def test_a_score_past_a_floats_range_is_refused_in_a_list_and_in_items():
    from google.protobuf import descriptor_pb2

    file = descriptor_pb2.FileDescriptorProto(name="floats.proto", package="floats", syntax="proto3")
    item = file.message_type.add(name="Item")
    field(item, "score", 1, FIELD.TYPE_FLOAT)
    for name, kind, of in (("Items", FIELD.TYPE_MESSAGE, "floats.Item"), ("Scores", FIELD.TYPE_FLOAT, None)):
        message = file.message_type.add(name=name)
        field(message, "scores", 1, kind, FIELD.LABEL_REPEATED, **({"of": of} if of else {}))
    files = descriptor_set(file)
    items, scores = (ProtobufSchema(files, f"floats.{name}", f"floats.{name}") for name in ("Items", "Scores"))
    with pytest.raises(EncodeError, match=r"scores\[1\]\.score .*past the range of a float"):
        items.encode([{"score": 1.0}, {"score": 1e39}])
    with pytest.raises(EncodeError, match=r"scores\[1\] .*past the range of a float"):
        scores.encode(numpy.array([1.0, 1e39]))
    assert scores.decode(scores.encode([math.inf, -math.inf, 1.5]))["scores"] == [math.inf, -math.inf, 1.5]


def test_an_extension_is_written_by_its_full_name_as_it_is_read():
    from google.protobuf import descriptor_pb2

    file = descriptor_pb2.FileDescriptorProto(name="extended.proto", package="extended", syntax="proto2")
    message = file.message_type.add(name="M")
    message.extension_range.add(start=100, end=200)
    field(message, "x", 1, FIELD.TYPE_INT32)
    one, many = FIELD.LABEL_OPTIONAL, FIELD.LABEL_REPEATED
    for name, number, kind, label in (
        ("note", 100, FIELD.TYPE_STRING, one), ("tags", 101, FIELD.TYPE_STRING, many), ("ratio", 102, FIELD.TYPE_FLOAT, one),
    ):  # fmt: skip
        file.extension.add(name=name, number=number, type=kind, label=label, extendee=".extended.M")
    schema = ProtobufSchema(descriptor_set(file), "extended.M", "extended.M")
    value = {"x": 1, "[extended.note]": "n", "[extended.tags]": ["a", "b"], "[extended.ratio]": 0.5}
    assert schema.decode(schema.encode(value)) == value
    with pytest.raises(EncodeError, match=r"\[extended.ratio\] .*past the range"):
        schema.encode({"[extended.ratio]": 1e39})
    with pytest.raises(EncodeError, match=r"\[extended.none\] is not a field"):
        schema.encode({"[extended.none]": 1})
