"""What the managed service captured becomes rows under the baseline's names, and nothing shifts without a word."""

import base64
import json

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from capture import dataset
from monitoring.errors import MonitoringError, UsageError
from monitoring.source.managed import ManagedReader, ObjectOrigin
from monitoring.source.managed_columns import BaselineColumns
from monitoring.source.managed_lines import is_managed
from tests.monitoring.source.managed_lines_of import body, json_side, line, side

HOUR = dataset.to_microseconds(dataset.parse_time("2026-01-01T03:00Z"))
SOURCE = ObjectOrigin("e/v/2026/01/01/03/05-12-345-x.jsonl", "e", "v", HOUR)


def read(*lines, names=(), handler=None, **columns):
    reader = ManagedReader(BaselineColumns(tuple(names), **columns), handler)
    found = reader.read(body(*lines), SOURCE)
    reader.report.verify()
    return found, reader.report


def rows(found, *names):
    return [tuple(row[name] for name in names) for row in found.table().to_pylist()]


def test_a_csv_event_is_one_row_with_its_ids_time_and_source():
    event = line("1,2.5,x", "0.7", inferenceId="i1", customAttributes=["a", "b"])
    found, report = read(event, names=("n", "f", "s"))
    [row] = found.table().to_pylist()
    assert {name: value for name, value in row.items() if value is not None} == {
        "capture_event_id": "e1", "capture_inference_id": "i1", "capture_custom_attributes": "a,b",
        "capture_event_time": dataset.parse_time("2026-01-01T00:00:30Z"),
        "capture_item_index": 0, "capture_item_count": 1, "capture_endpoint_name": "e", "capture_variant_name": "v",
        "n": 1.0, "f": 2.5, "s": "x", "prediction": 0.7,
    }  # fmt: skip
    assert found.prediction_columns == ("prediction",)
    assert report.notes() == ()


def test_a_body_of_several_rows_is_several_items_of_one_event():
    found, _ = read(line("1,2\n3,4\n", "0.1\n0.9\n"), line("5,6", "0.5", event_id="e2"), names=("a", "b"))
    assert rows(found, "capture_event_id", "capture_item_index", "capture_item_count", "a", "b", "prediction") == [
        ("e1", 0, 2, 1, 2, 0.1), ("e1", 1, 2, 3, 4, 0.9), ("e2", 0, 1, 5, 6, 0.5),
    ]  # fmt: skip


def test_scores_of_several_rows_in_one_line_belong_to_the_rows():
    found, _ = read(line("1,2\n3,4", "0.1,0.9"), names=("a", "b"))
    assert rows(found, "a", "prediction") == [(1, 0.1), (3, 0.9)]


@pytest.mark.parametrize(
    ("given", "output", "expected"),
    [
        ({"instances": [1.0, 2.0, 5.0]}, {"predictions": [3.5, 4.0, 5.5]}, [(1, 3.5), (2, 4), (5, 5.5)]),
        ({"instances": [[1.0], [2.0]]}, {"predictions": [[3.5], [4.0]]}, [(1, 3.5), (2, 4)]),
        ({"instances": [{"features": [1]}, {"features": [2]}]}, [0.1, 0.2], [(1, 0.1), (2, 0.2)]),
        ([[1], [2]], [[0.1], [0.2]], [(1, 0.1), (2, 0.2)]),
        ([1], 0.5, [(1, 0.5)]),
        ({"features": [1]}, [0.5], [(1, 0.5)]),
    ],
)
def test_positional_json_is_read_in_every_published_form(given, output, expected):
    found, _ = read(line(json_side(given), json_side(output)), names=("x",))
    assert rows(found, "x", "prediction") == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"a": 1, "b": "x"}, [(1, "x")]),
        ([{"a": 1, "b": "x"}, {"b": "y"}], [(1, "x"), (None, "y")]),
        ({"a": [1, 2], "b": ["x", "y"]}, [(1, "x"), (2, "y")]),
        ({"instances": [{"a": 1, "b": "x"}]}, [(1, "x")]),
        ({"columns": ["b", "a"], "data": [["x", 1], ["y", 2]]}, [(1, "x"), (2, "y")]),
        ({"dataframe_split": {"columns": ["a", "b"], "data": [[1, "x"]]}}, [(1, "x")]),
        ({"dataframe_records": [{"a": 1, "b": "x"}]}, [(1, "x")]),
        ('{"a": 1, "b": "x"}\n{"a": 2, "b": "y"}\n', [(1, "x"), (2, "y")]),
        ('{"a": 1,\n "b": "x"} {"a": 2, "b": "y"}', [(1, "x"), (2, "y")]),
    ],
)
def test_named_json_is_taken_by_name(given, expected):
    found, _ = read(line(json_side(given)), names=("b", "a"))
    assert rows(found, "a", "b") == expected
    assert found.schema.names[8:10] == ["b", "a"], "columns come in the baseline's order"


def test_one_row_of_list_features_is_no_set_of_columns_where_there_is_one_output():
    found, _ = read(line(json_side({"u": [1, 2], "v": [3, 4]}), json_side([0.5])))
    assert rows(found, "u", "v") == [([1, 2], [3, 4])]
    assert found.schema.field("u").type == pa.list_(pa.float64())


def test_base64_of_a_web_framework_columns_and_one_prediction_column():
    answer = base64.b64encode(json.dumps({"price": [478046.66, 206551.01]}).encode()).decode()
    event = line(
        json_side({f"c{number}": [number, number + 1] for number in range(8)}),
        side(answer, "BASE64", "text/html; charset=utf-8", "OUTPUT"),
    )
    found, _ = read(event, names=[f"c{number}" for number in range(8)])
    assert found.prediction_columns == ("prediction_price",)
    assert rows(found, "c0", "c7", "prediction_price") == [(0, 7, 478046.66), (1, 8, 206551.01)]


def test_base64_of_csv_is_read_and_base64_of_bytes_is_named():
    text = base64.b64encode(b"1,2").decode()
    found, report = read(
        line(side(text, "BASE64", "text/plain")),
        line(side(base64.b64encode(b"\xff\xfe").decode(), "BASE64", "application/x-npy"), event_id="e2"),
        names=("a", "b"),
    )
    assert rows(found, "a", "b") == [(1, 2)]
    assert report.notes() == ("1 of 2 events: base64 of application/x-npy is not text, first e2",)


def test_an_unquoted_empty_cell_is_missing_and_nothing_else_is():
    found, _ = read(line('nan,"",,None,"a,""b"""\nx,"y\nz",w,,'), names=list("abcde"))
    assert rows(found, *"abcde") == [("nan", "", None, "None", 'a,"b"'), ("x", "y\nz", "w", None, None)]


def test_numbers_of_csv_stay_text_where_the_baseline_says_string():
    found, _ = read(line("01234,01234"), names=("zip", "n"), text=frozenset({"zip"}))
    assert rows(found, "zip", "n") == [("01234", 1234)]


def test_a_value_that_does_not_fit_its_column_is_rescued():
    found, _ = read(
        *(line(cell, event_id=str(number)) for number, cell in enumerate(["1", "2", "x", "true"])), names=("a",)
    )
    assert rows(found, "a", "capture_rescued_data") == [(1, None), (2, None), (None, '{"a":"x"}'), (None, '{"a":true}')]


def test_numbers_that_a_double_cannot_hold_are_integers_or_rescued():
    big = 2**60 + 1
    found, _ = read(line(json_side({"a": [1, big], "b": [0.5, big]})))
    assert rows(found, "a", "b") == [(1, 0.5), (big, None)]
    assert rows(found, "capture_rescued_data")[1] == (json.dumps({"b": big}, separators=(",", ":")),)


def test_nested_values_are_json_text_and_numbers_that_are_not_finite_stay():
    found, _ = read(line(json_side('{"o": {"k": [1, NaN]}, "x": NaN, "l": ["a"]}')))
    assert rows(found, "o", "l") == [('{"k":[1,"nan"]}', '["a"]')]
    assert found.table()["x"].to_pylist()[0] != found.table()["x"].to_pylist()[0]


def test_a_time_that_is_a_template_is_the_hour_of_the_key_and_counted():
    found, report = read(line("1", time="{%s}"), line("2", event_id="e2", time=None), names=("a",))
    assert rows(found, "capture_event_time") == [(dataset.to_datetime(HOUR),)] * 2
    assert report.notes() == ("2 of 2 events have no time: the hour of their object serves",)


def test_a_label_in_front_of_the_baseline_is_mapped_to_the_output_and_said():
    found, report = read(line("0.1,20.5", "1"), names=("label", "crim", "lstat"))
    assert rows(found, "label", "crim", "lstat") == [(1, 0.1, 20.5)]
    assert found.prediction_columns == ("label",)
    assert "1 output and 2 input values, the baseline has 3 columns: mapped in that order" in report.notes()[0]
    assert "'label' now holds predictions" in report.notes()[0]


def test_columns_that_cannot_be_mapped_are_a_question():
    with pytest.raises(UsageError, match=r"2 input values \(event e1\).*3 columns.*'label', the label\?"):
        read(line("0.1,20.5"), names=("label", "crim", "lstat"))
    with pytest.raises(UsageError, match=r"2 input values"):
        read(line("0.1,20.5", "1"), names=("label", "crim", "lstat", "more"))


def test_names_that_the_user_gives_map_the_values_in_order():
    found, _ = read(line("0.1,20.5"), names=("label", "crim", "lstat"), given=("crim", "lstat"))
    assert rows(found, "crim", "lstat") == [(0.1, 20.5)]
    with pytest.raises(UsageError, match="feature_names has 1 names"):
        read(line("0.1,20.5"), given=("crim",))


def test_predictions_of_the_baseline_are_not_expected_among_the_inputs():
    found, _ = read(line("0.1", "0.5"), names=("x", "prediction"), predictions=frozenset({"prediction"}))
    assert rows(found, "x", "prediction") == [(0.1, 0.5)]


def test_a_row_of_another_width_is_counted_and_never_shifted():
    found, report = read(line("1,2"), line("3,4", event_id="e2"), line("5", event_id="e3"), names=("a", "b"))
    assert rows(found, "a", "b") == [(1, 2), (3, 4)]
    assert report.notes() == ("1 of 3 events: 1 input values where others have 2, first e3",)


def test_another_number_of_outputs_than_of_rows_leaves_the_predictions_out():
    found, report = read(line("1\n2", "0.1\n0.2\n0.3"), line("3", "0.3", event_id="e2"), names=("a",))
    assert rows(found, "a", "prediction") == [(1, None), (2, None), (3, 0.3)]
    assert "1 of 2 events have another number of outputs than of rows" in report.notes()[0]


def test_joined_batch_transform_has_inputs_and_outputs_without_a_time():
    joined = {
        "SageMakerOutput": {"predictions": [{"score": 0.9}, {"score": 0.1}]},
        "instances": [{"features": [1]}, {"features": [2]}],
    }
    event = {
        "captureData": {"batchTransformOutput": {"data": json.dumps(joined), "encoding": "JSON"}},
        "groundTruthData": {"data": '{"instances": [{"label": 0}]}', "encoding": "JSON"},
        "eventMetadata": {"eventId": "b1"},
    }  # fmt: skip
    found, _ = read(event, names=("x",))
    assert rows(found, "x", "prediction_score") == [(1, 0.9), (2, 0.1)]


def test_several_outputs_are_named_by_position_or_by_their_own_names():
    positional, _ = read(line("1", "0.2,0.8"), names=("a",))
    assert positional.prediction_columns == ("prediction_0", "prediction_1")
    named, _ = read(line("1", json_side({"predictions": [{"score": 0.5, "predicted_label": 1}]})), names=("a",))
    assert named.prediction_columns == ("prediction_score", "prediction_predicted_label")


def test_a_feature_with_a_name_of_ours_is_renamed():
    found, _ = read(line(json_side({"prediction": 1, "Capture_Event_Id": "x"})))
    assert rows(found, "feature_prediction", "feature_Capture_Event_Id") == [(1, "x")]


def test_broken_lines_are_counted_and_the_others_are_read():
    found, report = read("\n{broken\n", line("1"), '{"captureData": 5}\n', names=("a",))
    assert rows(found, "a") == [(1,)]
    assert report.notes()[0].startswith("2 of 3 events: not a line of data capture, first e/v/2026/01/01/03/")


def test_an_object_without_a_readable_event_is_an_error():
    with pytest.raises(MonitoringError, match="none of 1 captured events could be read"):
        read("nothing\n")
    assert read("\n")[0].rows == 0


def test_lines_of_ours_are_not_taken_for_managed_ones():
    assert is_managed(body("\n", line("1")))
    assert not is_managed(body({**line("1"), "capture": {}}))
    assert not is_managed(b"a,b\n1,2\n")
    assert not is_managed(b"")


def test_batches_hold_the_rows_in_order():
    found, _ = read(*(line(str(number), event_id=str(number)) for number in range(10)), names=("a",))
    assert [batch.num_rows for batch in found.batches(["a"], rows=4)] == [4, 4, 2]


cells = st.one_of(st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(), st.text(max_size=5))


@given(st.lists(st.fixed_dictionaries({}, optional={"a": cells, "b": cells}), min_size=1, max_size=8))
def test_no_value_of_json_is_lost_or_changed(items):
    found, _ = read(line(json_side(json.dumps(items))))
    table = found.table().to_pylist()
    assert len(table) == len(items)
    for item, row in zip(items, table, strict=True):
        rescued = json.loads(row["capture_rescued_data"] or "{}")
        for name, value in item.items():
            back = rescued.get(name, row.get(name))
            same = back == value or (back != back and value != value) or str(back) == str(value)
            assert same, (name, value, back)


texts = st.text(st.characters(codec=None), max_size=30) | st.sampled_from(
    ["{", "[1,", '"a', "1,2\n3", "[[[[1]]]]", '{"\\ud800": 1}']
)


@given(
    st.lists(
        st.tuples(texts, st.sampled_from(["CSV", "JSON", "BASE64", "", "x"]), texts, texts), min_size=1, max_size=4
    )
)
def test_whatever_was_captured_is_read_or_counted(events):
    lines = [
        line(side(data, kind, media), side(answer, kind, media), "e\ud800") for data, kind, media, answer in events
    ]
    reader = ManagedReader()
    try:
        found = reader.read(body(*lines), SOURCE)
    except UsageError:
        return
    assert reader.report.events == len(events)
    found.table().validate(full=True)


@given(st.binary(max_size=60))
def test_bytes_that_are_no_lines_are_counted(content):
    reader = ManagedReader()
    assert reader.read(content, SOURCE).rows == 0
    is_managed(content)


def test_a_deeply_nested_body_is_counted():
    _, report = read(line("1,2"), line(json_side("[" * 100_000 + "]" * 100_000), event_id="e2"), "[" * 100_000 + "\n")
    assert report.rows == 1


def test_keys_of_a_client_cannot_make_the_table_explode():
    lines = [line(json_side({"a": number, f"key{number}": 1}), event_id=str(number)) for number in range(1500)]
    found, report = read(*lines, names=("a",))
    assert len(found.schema) < 1100
    assert found.rows == 1500
    assert json.loads(rows(found, "capture_rescued_data")[-1][0]) == {"key1499": 1}
    assert "columns beyond the first 1,000" in " ".join(report.notes())


@pytest.mark.parametrize("label_first", [True, False])
def test_a_label_that_is_the_last_column_is_a_question_and_no_shift(label_first):
    ranges = {"label": (0.0, 1.0), "age": (18.0, 90.0), "fare": (100.0, 900.0)}
    names = ("label", "age", "fare") if label_first else ("age", "fare", "label")
    lines = [line(f"{20 + number},{150 + number}", "1", str(number)) for number in range(30)]
    if label_first:
        found, _ = read(*lines, names=names, ranges=ranges)
        assert rows(found, "label", "age", "fare")[0] == (1, 20, 150)
        return
    with pytest.raises(
        UsageError, match=r"100% of the values .* if the outputs are the last columns, 'label', and 0% if"
    ):
        read(*lines, names=names, ranges=ranges)


def test_a_stray_row_of_another_width_does_not_stop_a_mapping_that_is_verified():
    ranges = {"label": (0.0, 1.0), "age": (18.0, 90.0), "fare": (100.0, 900.0)}
    lines = [line("20,150", "1", str(number)) for number in range(9)]
    found, report = read(line("5", "1", "stray"), *lines, names=("label", "age", "fare"), ranges=ranges)
    assert found.rows == 9
    assert "1 of 10 events: 1 input values where others have 2, first stray" in report.notes()


def test_an_event_without_an_answer_does_not_stop_a_mapping_that_needs_the_outputs():
    lines = [line("20,150", "1", str(number)) for number in range(9)]
    found, report = read(
        line("30,250", None, "failed"), line("3,4", "1,2,3", "odd"), *lines, names=("label", "age", "fare")
    )
    assert rows(found, "label", "age", "fare")[:3] == [(None, 30, 250), (None, 3, 4), (1, 20, 150)]
    assert "1 of 11 events have another number of outputs than of rows" in " ".join(report.notes())
