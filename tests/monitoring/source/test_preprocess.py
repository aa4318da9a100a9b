"""Scripts written for Model Monitor work: every signature, every return form, and their failures are named."""

import pytest

from monitoring.errors import MonitoringError, UsageError
from monitoring.source.managed import ManagedReader, ObjectOrigin
from monitoring.source.managed_columns import BaselineColumns
from monitoring.source.preprocess import handler_of, load_handler
from tests.monitoring.source.managed_lines_of import body, json_side, line


def read(handler, *lines, names=()):
    reader = ManagedReader(BaselineColumns(tuple(names)), handler_of(handler))
    found = reader.read(body(*lines), ObjectOrigin("o", hour=0))
    reader.report.verify()
    return found.table().to_pylist(), reader.report


def test_the_record_has_what_the_documentation_names():
    seen: dict[str, object] = {}

    def preprocess_handler(inference_record):
        seen.update(
            data=inference_record.endpoint_input.data,
            encoding=inference_record.endpoint_output.encoding,
            kind=inference_record.endpoint_input.observedContentType,
            mode=inference_record.endpoint_input.mode,
            id=inference_record.event_metadata.event_id,
            time=inference_record.event_metadata.event_time,
            attribute=inference_record.event_metadata.custom_attribute,
            old=inference_record.event_data.endpointInput.data,
            version=inference_record.event_dict["eventVersion"],
            same=inference_record.as_dict() == inference_record.event_dict,
            none=(inference_record.batch_transform_output, inference_record.ground_truth),
        )
        return {"a": 1}

    read(preprocess_handler, line("1,2", json_side([0.5]), customAttributes=["x"]))
    assert seen == {
        "data": "1,2", "encoding": "JSON", "kind": "text/csv", "mode": "INPUT", "id": "e1", "time": "2026-01-01T00:00:30Z",
        "attribute": ["x"], "old": "1,2", "version": "0", "same": True, "none": (None, None),
    }  # fmt: skip


def test_a_handler_may_take_a_logger():
    def one(record):
        return {"a": 1}

    def two(record, logger):
        logger.debug("seen")
        return {"a": 2}

    def optional(record, logger=None):
        return {"a": 3 if logger else 0}

    def tuned(record, factor=7):
        return {"a": factor}

    assert [read(handler, line("1"))[0][0]["a"] for handler in (one, two, optional, tuned)] == [1, 2, 3, 7]


@pytest.mark.parametrize("function", [lambda: None, lambda a, b, c: None, lambda a, b, *, c: None])
def test_a_handler_of_another_number_of_arguments_is_refused(function):
    with pytest.raises(UsageError, match="one argument, or two"):
        handler_of(function)


def test_every_return_form_is_taken():
    def preprocess_handler(record):
        return {
            "1": {"a": 1},
            "2": [{"a": 2}, {"a": 3}],
            "3": [],
            "4": None,
            "5": record,
        }[record.event_metadata.event_id]

    table, report = read(preprocess_handler, *(line("9", event_id=str(number)) for number in range(1, 6)), names=("a",))
    assert [(row["capture_event_id"], row["capture_item_index"], row["a"]) for row in table] == [
        ("1", 0, 1), ("2", 0, 2), ("2", 1, 3), ("5", 0, 9),
    ]  # fmt: skip
    assert report.notes() == ("2 of 5 events were left out by preprocess_handler",)


def test_integer_keys_are_taken_by_sorted_position():
    def preprocess_handler(record):
        return dict(enumerate(record.endpoint_input.data.split(",")))

    table, _ = read(preprocess_handler, line("x,y"), names=("a", "b"))
    assert (table[0]["a"], table[0]["b"]) == ("x", "y")


def test_names_that_the_baseline_does_not_have_are_taken_by_sorted_position_with_a_warning():
    def preprocess_handler(record):
        return {f"feature{number}": number for number in range(12)}

    names = [f"c{number}" for number in range(12)]
    table, report = read(preprocess_handler, line("1"), names=names)
    assert [table[0][name] for name in names] == [0, 1, 10, 11, 2, 3, 4, 5, 6, 7, 8, 9]
    [note] = report.notes()
    assert "12 names that the baseline does not have" in note
    assert "not in the order in which the script gives them" in note
    assert "feature10 → c2" in note


def test_names_of_the_baseline_are_taken_by_name_whatever_their_order():
    def preprocess_handler(record):
        return {"b": 2, "a": 1, "new": 3}

    table, report = read(preprocess_handler, line("1"), names=("a", "b"))
    assert (table[0]["a"], table[0]["b"], table[0]["new"]) == (1, 2, 3)
    assert report.notes() == ()


def test_names_and_columns_of_different_numbers_are_a_question():
    def preprocess_handler(record):
        return {"x": 1, "y": 2}

    with pytest.raises(UsageError, match=r"2 names .*'x', 'y'.* 3 columns .*return the names of the baseline"):
        read(preprocess_handler, line("1"), names=("a", "b", "c"))


def test_a_script_that_raises_on_one_record_is_counted_with_its_event():
    def preprocess_handler(record):
        return {"x": 1 / int(record.endpoint_input.data)}

    lines = [line(data, event_id=f"e{number}") for number, data in enumerate(["1", "2", "0", "4"])]
    table, report = read(preprocess_handler, *lines, names=("x",))
    assert [row["x"] for row in table] == [1.0, 0.5, 0.25]
    assert report.notes() == ("1 of 4 events: ZeroDivisionError in preprocess_handler, event e2",)


def test_a_script_that_always_raises_is_an_error():
    with pytest.raises(MonitoringError, match="2 of 2 events: KeyError in preprocess_handler, event e1"):
        read(lambda record: record.as_dict()["x"], line("1"), line("2"), names=("x",))


def test_a_script_that_returns_something_else_is_counted():
    with pytest.raises(MonitoringError, match="it returned str, not a dict"):
        read(lambda record: "1,2", line("1"))


def test_a_script_is_loaded_from_its_file(tmp_path):
    script = tmp_path / "record_preprocessor.py"
    script.write_text("def preprocess_handler(record):\n    return {'a': record.endpoint_input.data}\n")
    reader = ManagedReader(handler=load_handler(script))
    assert reader.read(body(line("z")), ObjectOrigin("o")).table()["a"].to_pylist() == ["z"]


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("x = 1\n", UsageError, "has no function preprocess_handler"),
        ("import not_there\n", MonitoringError, "fails to load: ModuleNotFoundError"),
        ("def preprocess_handler(: pass\n", MonitoringError, "fails to load: SyntaxError"),
    ],
)
def test_a_script_that_cannot_be_used_is_named(tmp_path, text, error, words):
    script = tmp_path / "script.py"
    script.write_text(text)
    with pytest.raises(error, match=words):
        load_handler(script)
    with pytest.raises(UsageError, match="there is no preprocess script"):
        load_handler(tmp_path / "none.py")
