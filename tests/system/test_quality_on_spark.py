"""The join of ground truth on Spark finds what DuckDB finds: the same rows, labels and counts."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from monitoring.quality.predictions import Captured
from monitoring.quality.problem import Problem, Question
from monitoring.quality.run import Judged, QualityRun, judge_quality
from tests.monitoring.quality.captured import (
    LATER,
    WINDOW,
    binary_events,
    event_id,
    label_line,
    write_captured,
    write_labels,
)

pytestmark = [
    pytest.mark.filterwarnings("ignore:PySpark does not yet fully support pandas:FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]
QUESTION = Question(Problem.BINARY, probability="prediction_risk")


@pytest.fixture(scope="module")
def session() -> Iterator[Any]:
    pyspark = pytest.importorskip("pyspark.sql")
    builder = pyspark.SparkSession.builder.master("local[2]").config("spark.sql.session.timeZone", "UTC")
    made = builder.config("spark.ui.enabled", "false").config("spark.sql.shuffle.partitions", "2").getOrCreate()
    yield made
    made.stop()


def rows(judged: Judged) -> list[tuple[float, ...]]:
    state = judged.state
    columns = (state.unit, state.time, state.score, state.label, state.delay)
    return sorted(zip(*(column.tolist() for column in columns), strict=True))


def test_both_engines_join_the_same_labels(tmp_path: Path, session: Any) -> None:
    import ibis

    events, labels = binary_events(80, np.random.default_rng(1))
    write_captured(f"{tmp_path}/c", events, "prediction_risk")
    lines = [label_line(entry.id, found) for entry, found in zip(events, labels, strict=True)]
    lines += [label_line(events[0].id, [1, 0]), label_line(events[1].id, 1), label_line("stranger", 0)]
    lines += [label_line(f"{events[2].id}#3", 1), label_line(event_id(LATER, 1), 0)]
    write_labels(f"{tmp_path}/g", lines)
    write_labels(f"{tmp_path}/g", [label_line(events[3].id, [1] * 6)], LATER + dt.timedelta(hours=1), "late.jsonl")
    now = LATER + dt.timedelta(hours=2)
    run = QualityRun(Captured(f"{tmp_path}/c"), f"{tmp_path}/g", WINDOW, QUESTION)
    local = judge_quality(run, now)
    spark = judge_quality(
        QualityRun(run.captured, run.ground_truth, WINDOW, QUESTION, backend=lambda: ibis.pyspark.connect(session)), now
    )
    assert rows(spark) == rows(local)
    assert spark.result.set_aside == local.result.set_aside
    assert (spark.result.corrected, spark.result.copies) == (local.result.corrected, local.result.copies)
