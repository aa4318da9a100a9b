"""Protobuf over random schemas: the fast reading is the slow one, and what is read is written back."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from serialization import ProtobufSchema
from serialization.protobuf.flatten import flatten, split
from tests.serialization.bodies import descriptor_set
from tests.serialization.schemas import PACKAGE, files, messages, read_slowly, same

WITH_MESSAGE = files().flatmap(lambda file: st.tuples(st.just(file), messages(file)))
LARGE = settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large], max_examples=80)


def schema_of(file):
    return ProtobufSchema(descriptor_set(file), f"{PACKAGE}.M0", f"{PACKAGE}.M0")


@LARGE
@given(WITH_MESSAGE)
def test_every_message_is_read_as_reflection_reads_it(given_message):
    file, message = given_message
    body = type(message).SerializeToString(message)
    if body:
        read = schema_of(file).decode(body)
        assert same(dict(read), read_slowly(message))
        assert read.unknown_fields == 0


@LARGE
@given(WITH_MESSAGE)
def test_what_is_read_is_written_back_to_the_same_message(given_message):
    file, message = given_message
    body = type(message).SerializeToString(message, deterministic=True)
    if body:
        schema = schema_of(file)
        assert schema.encode(schema.decode(body)) == body


@LARGE
@given(WITH_MESSAGE)
def test_columns_hold_what_rows_hold(given_message):
    file, message = given_message
    body = type(message).SerializeToString(message)
    if not body:
        return
    schema = schema_of(file)
    rows, columns = schema.decode(body), schema.decode(body, columns=True)
    assert same(flatten(rows), flatten(columns))
    assert columns.types == rows.types
    # Items of a message without fields are nothing in columns, not even their number.
    repeated = [field.name for field in rows.plan.fields if field.nests and field.repeated and field.child.fields]
    for name in repeated:
        assert same([list(item) for item in split(rows, name)], [list(item) for item in split(columns, name)])
        assert same(split(rows, name)[1], split(columns, name)[1])


@LARGE
@given(files().flatmap(lambda file: st.tuples(st.just(file), st.lists(messages(file), min_size=2, max_size=3))))
def test_the_columns_of_a_message_are_the_same_for_every_body(given_messages):
    file, several = given_messages
    schema = schema_of(file)
    bodies = [type(message).SerializeToString(message) for message in several]
    names = {tuple(flatten(schema.decode(body))) for body in bodies if body}
    assert len(names) <= 1
    for columns in names:
        assert len(set(columns)) == len(columns)
