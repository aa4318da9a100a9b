"""A column's sentences, and its query: it runs in DuckDB and shows the rows."""

from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from monitoring.findings.columns import describe_columns, status_sentence
from monitoring.findings.query import QuerySource, captured_rows, rescued, select
from monitoring.result import Bin, Grade, Status
from monitoring.window import HOUR, Window
from tests.monitoring.findings.samples import END, START, column, summary

NAMES = ["temp", "select", 'a"b', "it's", "Phone No.", "<img>", "größe", "a\nb", "count"]


@pytest.fixture
def captured(tmp_path: Path) -> Path:
    table = {
        "capture_event_id": ["e1", "e2", "e3", "e4"],
        "capture_event_time": pa.array([START, START, START, END], pa.timestamp("us", "UTC")),
        "capture_item_index": [0, 1, 0, 0],
        "capture_rescued_data": [None, '{"seats": "149"}', None, None],
    }
    table |= {name: [1.0, None, 3.0, None] for name in NAMES}
    table["text"] = ["x", "it's", None, "long " * 100]
    folder = tmp_path / f"flights/AllTraffic/{START:%Y/%m/%d/%H}"
    folder.mkdir(parents=True)
    pq.write_table(pa.table(table), folder / "a.parquet")
    return tmp_path


def ids(query: str) -> list[str]:
    return [row[0] for row in duckdb.connect().execute(query).fetchall()]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("days", [1, 20])
def test_the_query_of_any_name_shows_the_rows_that_lack_it(captured: Path, name: str, days: int) -> None:
    window = Window(START, START + (END - START) * days)
    source = captured_rows(f"file://{captured}", "flights", "AllTraffic", window)
    moved = column(name, Grade.LARGE, linf=0.3, baseline=summary(4), window=summary(4, 2))
    [described] = describe_columns((moved,), {}, source)
    assert ids(described.query) == (["e2"] if days == 1 else ["e2", "e4"])


@pytest.mark.parametrize(
    ("hours", "pattern"),
    [
        (1, "2026/11/29/11/*.parquet"),
        (2, "2026/11/29/*/*.parquet"),
        (24, "2026/11/*/*/*.parquet"),
        (72, "2026/*/*/*/*.parquet"),
    ],
)
def test_a_query_reads_what_the_hours_of_its_window_share(hours: int, pattern: str) -> None:
    found = captured_rows("s3://bucket/prefix/", "flights", "AllTraffic", Window(START, START + hours * HOUR))
    assert found.objects == (f"s3://bucket/prefix/flights/AllTraffic/{pattern}",)


def test_the_queries_of_values_compare_text_and_its_start(captured: Path) -> None:
    source = captured_rows(str(captured), "flights", "AllTraffic", Window(START, END + (END - START)))
    long = "long " * 40
    new = column("text", kind="categorical", unseen=(("it's", 1), (long, 1)))
    [described] = describe_columns((new,), {}, source)
    assert ids(described.query) == ["e2", "e4"]
    bins = (Bin("x", 0.0, 0.95), Bin("y", 1.0, 0.05))
    [one] = describe_columns((column("text", Grade.LARGE, kind="categorical", bins=bins),), {}, source)
    assert ids(one.query) == ["e1"]


def test_the_query_of_a_type_looks_into_the_rescued_data(captured: Path) -> None:
    source = captured_rows(str(captured), "flights", "AllTraffic", Window(START, END))
    assert ids(select(source, "capture_rescued_data", rescued("seats"))) == ["e2"]


def test_a_table_in_memory_is_queried_by_its_name() -> None:
    table = pa.table({"id": ["a", "b"], "x": [1.0, None]})
    query = select(QuerySource((), ("id",), table="table"), "x", '"x" IS NULL')
    assert query.startswith('SELECT "id", "x"\nFROM "table"\nWHERE "x" IS NULL')
    connection = duckdb.connect()
    connection.register("table", table)
    assert connection.execute(query).fetchall() == [("b", None)]


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        (column("a", Grade.LARGE, linf=0.998), "Large drift: L∞ 0.998, p ≤ 0.001."),
        (
            column("a", linf=0.048, p_value=0.48, detectable=0.15),
            "No drift: L∞ 0.048, p 0.48. This window could have shown a change of 0.15 or more.",
        ),
        (
            column("a", linf=0.004, p_value=0.001),
            "No drift: the difference is real (p ≤ 0.001) but too small to matter (L∞ 0.004).",
        ),
        (
            column("a", status=Status.NOT_JUDGED, linf=0.17, detectable=0.34),
            "Not judged: could only have seen 0.34, observed 0.17.",
        ),
        (column("a", status=Status.NOT_JUDGED, reason="8 requests"), "Not judged: 8 requests."),
    ],
)
def test_what_was_decided_is_said_in_words(found, sentence: str) -> None:
    assert status_sentence(found) == sentence


def test_a_moved_mean_and_a_changed_spread_are_sentences() -> None:
    moved = column(
        "a",
        Grade.LARGE,
        baseline=summary(mean=10.0, std_dev=2.0),
        window=summary(mean=12.0, std_dev=3.0),
        cdf=((11.0, 0.7, 0.4),),
    )
    [described] = describe_columns((moved,), {"a": "weather"}, None)
    assert described.sentence == (
        "40.0 % of rows are at or below 11 in `a`; 70.0 % in training. The mean moved by +1.00 standard deviations. "
        "The standard deviation is 1.50 times that of training."
    )
    assert (described.group, described.query) == ("weather", "")


def test_what_a_caller_has_filled_in_stays() -> None:
    given = column("a", Grade.LARGE, sentence="Ours.", query="SELECT 1", condition="x", affected=3)
    [described] = describe_columns((given,), {}, None)
    assert (described.sentence, described.query, described.condition, described.affected) == (
        "Ours.",
        "SELECT 1",
        "x",
        3,
    )
