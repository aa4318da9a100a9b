"""The check of the demo finds a lost row, a doubled one, a wrong value and a row that nobody was served."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from examples.flights import traffic
from examples.flights.replay import Answer, Prediction
from examples.flights.verify import Verdict, compare

RISKS = np.linspace(0.0, 0.9, 10, dtype=np.float32).tolist()
SCHEMA = pa.schema(
    {
        "capture_event_id": pa.string(),
        "capture_item_index": pa.int32(),
        "capture_inference_id": pa.string(),
        "prediction_risk": pa.float32(),
        "prediction_rank": pa.int64(),
        "carrier": pa.string(),
    }
)
ANSWERS = [
    Answer(request, f"event-{number}", tuple(Prediction(RISKS[rank], rank) for rank in range(1, 4)), 0.001)
    for number, request in enumerate(traffic.july_requests(2))
]


@pytest.fixture
def rows():
    return [
        {
            "capture_event_id": answer.event_id,
            "capture_item_index": item,
            "capture_inference_id": answer.request.inference_id,
            "prediction_risk": prediction.risk,
            "prediction_rank": prediction.rank,
            "carrier": "B6",
        }
        for answer in ANSWERS
        for item, prediction in enumerate(answer.predictions)
    ]


@pytest.fixture
def compared(tmp_path):
    def compare_with(rows):
        for hour, part in (("08", rows[:2]), ("09", rows[2:])):
            (tmp_path / hour).mkdir()
            pq.write_table(pa.Table.from_pylist(part, SCHEMA), tmp_path / hour / "batch.parquet")
        return compare(tmp_path, ANSWERS)

    return compare_with


def test_all_rows_once_and_equal_hold(rows, compared):
    verdict = compared(rows)

    assert verdict == Verdict(served=6, captured=6, equal=6, missing=0, unexpected=0)
    assert verdict.holds


def test_a_lost_row_is_missing(rows, compared):
    verdict = compared(rows[:-1])

    assert (verdict.captured, verdict.missing, verdict.unexpected, verdict.holds) == (5, 1, 0, False)


def test_a_row_that_stands_twice_is_unexpected(rows, compared):
    verdict = compared([*rows, rows[-1]])

    assert (verdict.captured, verdict.missing, verdict.unexpected, verdict.holds) == (7, 0, 1, False)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("prediction_risk", float(np.nextafter(np.float32(RISKS[1]), np.float32(1)))),
        ("prediction_rank", 9),
        ("capture_inference_id", "JFK|2013-07-01T05"),
        ("capture_item_index", 7),
    ],
)
def test_a_row_with_one_wrong_value_is_not_the_row_that_was_served(rows, compared, column, value):
    verdict = compared([rows[0] | {column: value}, *rows[1:]])

    assert (verdict.captured, verdict.missing, verdict.unexpected, verdict.holds) == (6, 1, 1, False)


def test_nothing_captured_is_everything_missing(tmp_path):
    assert compare(tmp_path / "captured", ANSWERS) == Verdict(served=6, captured=0, equal=0, missing=6, unexpected=0)
