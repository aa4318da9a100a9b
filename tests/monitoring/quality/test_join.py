"""Labels find their rows, the latest wins, and whatever fits nowhere is named and counted. In a directory and in S3."""

import datetime as dt
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from monitoring.errors import UsageError
from monitoring.quality.predictions import CapturedPredictions
from monitoring.quality.problem import Problem, Question
from monitoring.quality.run import JudgedQuality, QualityRun, judge_quality
from monitoring.storage import open_storage
from tests.monitoring.quality.captured import (
    LATER,
    NOON,
    WINDOW,
    Event,
    event_id,
    label_line,
    write_captured,
    write_labels,
)

QUESTION = Question(Problem.REGRESSION, prediction="prediction")
HOUR = dt.timedelta(hours=1)


@pytest.fixture(params=["directory", "s3"])
def uri(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "directory":
        return f"file://{tmp_path}"
    return f"s3://{request.getfixturevalue('s3_bucket')}/data"


def judge(uri: str, question: Question = QUESTION, now: dt.datetime = LATER + HOUR, **more: Any) -> JudgedQuality:
    return judge_quality(QualityRun(CapturedPredictions(f"{uri}/c"), f"{uri}/g", WINDOW, question, **more), now)


def pairs(judged: JudgedQuality) -> list[tuple[float, float]]:
    """(prediction, label) of each labelled row."""
    return sorted(zip(judged.state.predicted.tolist(), judged.state.label.tolist(), strict=True))


def given(uri: str, events: Sequence[Event], lines: Sequence[str]) -> None:
    write_captured(f"{uri}/c", events)
    write_labels(f"{uri}/g", lines)


def test_labels_find_their_rows_by_each_name_that_a_row_has(uri: str) -> None:
    events = [
        Event([1.0], inference_id="mine", number=1),
        Event([2.0], inference_id="yours", number=2),
        Event([3.0], number=3),
        Event([4.0, 5.0], number=4),
        Event([6.0, 7.0], number=5),
        Event([8.0], inference_id="odd#7", number=6),
    ]
    lines = [
        label_line("mine", 10),
        label_line(events[1].id, 20),  # its event id, though it has an inference id
        label_line(events[2].id, 30),
        label_line(f"{events[3].id}#1", 50),
        label_line(events[4].id, 60, itemIndex=0),
        label_line("odd#7", 80),  # the caller's own id ends like an item
    ]
    given(uri, events, lines)
    judged = judge(uri)
    assert pairs(judged) == [(1, 10), (2, 20), (3, 30), (5, 50), (6, 60), (8, 80)]
    assert judged.result.set_aside == {}
    assert (judged.result.rows, judged.result.labelled) == (8, 6)


def test_the_latest_upload_wins_copies_count_once_and_corrections_are_counted(tmp_path: Path) -> None:
    write_captured(f"{tmp_path}/c", [Event([0.5], inference_id="e1")])
    uploads = [(0, "02T17"), (1, "03T21"), (1, "03T21"), (0, "02T19")]
    for number, (value, hour) in enumerate(uploads):
        arrived = dt.datetime.fromisoformat(f"2026-03-{hour}:00:00+00:00")
        write_labels(f"{tmp_path}/g", [label_line("e1", value)], arrived, f"{number}.jsonl")
    judged = judge(str(tmp_path))
    assert pairs(judged) == [(0.5, 1.0)]
    assert (judged.result.corrected, judged.result.copies) == (1, 1)


def test_a_label_that_arrives_after_now_is_not_known_yet(tmp_path: Path) -> None:
    write_captured(f"{tmp_path}/c", [Event([0.5], inference_id="e1")])
    write_labels(f"{tmp_path}/g", [label_line("e1", 0)], NOON + 5 * HOUR, "a.jsonl")
    write_labels(f"{tmp_path}/g", [label_line("e1", 1)], NOON + 50 * HOUR, "b.jsonl")
    assert pairs(judge(str(tmp_path), now=NOON + 49 * HOUR)) == [(0.5, 0.0)]
    assert pairs(judge(str(tmp_path), now=NOON + 50 * HOUR)) == [(0.5, 1.0)]


def test_what_fits_nowhere_is_named_counted_and_does_not_stop_the_rest(tmp_path: Path) -> None:
    events = [Event([1.0, 2.0], number=n) for n in range(5)]
    lines = [
        label_line(events[0].id, [10, 20]),
        label_line(events[1].id, [10, 20, 30]),
        label_line(events[1].id, [10]),
        label_line(events[2].id, 10),
        label_line(f"{events[3].id}#9", 10),
        label_line("stranger", 1),
        label_line(event_id(WINDOW.end + HOUR, 1), 1),
        label_line(events[3].id, [{"label": "high"}, {"label": 4}]),
        "{'not': 'json'}",
    ]
    given(str(tmp_path), events, lines)
    judged = judge(str(tmp_path))
    assert pairs(judged) == [(1, 10), (2, 4), (2, 20)]
    assert judged.result.set_aside == {
        "array of the wrong length": 2,
        "names no item of an event with several": 1,
        "unknown item": 1,
        "unknown event": 1,
        "event of another window": 1,
        "wrong type": 1,
        "Python's repr instead of JSON": 1,
    }
    assert "stranger" in judged.result.examples["unknown event"][0]


def test_items_are_found_by_a_feature_and_an_ambiguous_one_is_set_aside(tmp_path: Path) -> None:
    events = [
        Event([1.0, 2.0], {"sku": ["A", "B"]}, number=1),
        Event([3.0, 4.0], {"sku": ["A", "A"]}, number=2),
    ]
    lines = [
        label_line(events[0].id, {"instances": [{"label": 20, "sku": "B"}, {"label": 10, "sku": "A"}]}),
        label_line(events[1].id, {"label": 30, "sku": "A"}),
    ]
    given(str(tmp_path), events, lines)
    judged = judge(str(tmp_path), Question(Problem.REGRESSION, prediction="prediction", item_key="sku"))
    assert pairs(judged) == [(1, 10), (2, 20)]
    assert judged.result.set_aside == {"item key stands in several rows": 1}


@pytest.mark.parametrize("form", ["parquet", "csv"])
def test_tables_of_labels_are_read_and_bad_rows_are_counted(tmp_path: Path, form: str) -> None:
    events = [Event([1.0, 2.0], number=1), Event([3.0], inference_id="x", number=2)]
    write_captured(f"{tmp_path}/c", events)
    table = pa.table(
        {
            "event_id": [events[0].id, events[0].id, None, None],
            "inference_id": [None, None, "x", None],
            "item_index": pa.array([0, 1, None, 0], pa.int32()),
            "label": ["10", "many", "30", "40"],
        }
    )
    sink = io.BytesIO()
    if form == "parquet":
        pq.write_table(table, sink)
    else:
        import pyarrow.csv

        pyarrow.csv.write_csv(table, sink)
    open_storage(f"{tmp_path}/g").put(f"{LATER:%Y/%m/%d/%H}/labels.{form}", sink.getvalue())
    judged = judge(str(tmp_path))
    assert pairs(judged) == [(1, 10), (3, 30)]
    assert judged.result.set_aside == {"wrong type": 1, "no id": 1}


def test_an_unreadable_file_does_not_stop_the_others(tmp_path: Path) -> None:
    given(str(tmp_path), [Event([1.0], inference_id="a")], [label_line("a", 1)])
    open_storage(f"{tmp_path}/g").put(f"{LATER:%Y/%m/%d/%H}/broken.parquet", b"PAR1 nothing")
    judged = judge(str(tmp_path))
    assert judged.result.labelled == 1
    assert judged.result.set_aside == {"unreadable file": 1}


def test_a_label_of_an_id_that_several_events_share_counts_for_each(tmp_path: Path) -> None:
    events = [Event([1.0], inference_id="again", number=1), Event([2.0], inference_id="again", number=2)]
    given(str(tmp_path), events, [label_line("again", 5)])
    judged = judge(str(tmp_path))
    assert pairs(judged) == [(1, 5), (2, 5)]
    assert any("share an inference id" in note for note in judged.result.notes)


def test_an_object_that_was_copied_twice_counts_once(tmp_path: Path) -> None:
    events = [Event([1.0, 2.0], number=n) for n in range(3)]
    write_captured(f"{tmp_path}/c", events, batch="b0")
    write_captured(f"{tmp_path}/c", events, batch="copy")
    write_labels(f"{tmp_path}/g", [label_line(entry.id, [1, 2]) for entry in events])
    judged = judge(str(tmp_path))
    assert (judged.result.rows, judged.result.labelled) == (6, 6)
    assert any("stand twice" in note for note in judged.result.notes)


def test_any_parquet_with_named_columns_can_be_judged(tmp_path: Path) -> None:
    times = [NOON, NOON + HOUR, NOON + 5 * HOUR]
    table = pa.table({"id": ["a", "b", "c"], "at": times, "score": [0.9, 0.2, 0.5]})
    (tmp_path / "c").mkdir()
    pq.write_table(table, tmp_path / "c" / "part.parquet")
    write_labels(f"{tmp_path}/g", [label_line("a", 1), label_line("b", 0), label_line("c", 0)])
    question = Question(Problem.BINARY, probability="score")
    captured = CapturedPredictions(f"{tmp_path}/c", id_column="id", time_column="at")
    judged = judge_quality(QualityRun(captured, f"{tmp_path}/g", WINDOW, question), LATER + HOUR)
    assert pairs(judged) == [(0, 0), (1, 1)]


def test_class_names_are_compared_as_text_whatever_their_type(tmp_path: Path) -> None:
    events = [Event(["3"], number=1), Event(["cat"], number=2)]
    given(str(tmp_path), events, [label_line(events[0].id, 3.0), label_line(events[1].id, {"label": "dog"})])
    judged = judge(str(tmp_path), Question(Problem.MULTICLASS, prediction="prediction"))
    accuracy = judged.result.metric("accuracy")
    assert accuracy is not None
    assert accuracy.value == 0.5
    assert judged.state.classes == ("3", "cat", "dog")


def test_a_prediction_column_that_is_not_there_is_named_with_those_that_are(tmp_path: Path) -> None:
    given(str(tmp_path), [Event([1.0], inference_id="a")], [label_line("a", 1)])
    with pytest.raises(UsageError, match=r"'risk'.*prediction columns: prediction"):
        judge(str(tmp_path), Question(Problem.REGRESSION, prediction="risk"))
