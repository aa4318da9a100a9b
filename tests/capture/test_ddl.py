"""The Athena table lies over the writer's keys, in the data's types."""

import re
from pathlib import Path

import pytest
import sqlglot
from sqlglot import exp

from capture import dataset
from capture.__main__ import main
from capture.commands.ddl import PARTITIONS, AthenaTable, hive_type
from capture.sinks import open_sink
from tests.capture.samples import HOUR, NOON, event, write_objects


@pytest.fixture
def captured(tmp_path: Path) -> Path:
    place = open_sink(f"file://{tmp_path}")
    odd = {"O'Hare `x`": "a", "prediction": 1, "tags": [1.0], "Mixed Case": True}
    write_objects(
        place, [event(odd, request={"city": "Rome"}), event({"seats": 3}, time=NOON + HOUR)], types={"seats": "int64"}
    )
    return tmp_path


def ddl(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    assert main(["ddl", *map(str, arguments)]) == 0
    return capsys.readouterr().out


def parsed(sql: str) -> tuple[dict[str, str], exp.Create]:
    """The columns of the one statement that `sql` is, and the statement."""
    (statement,) = sqlglot.parse(sql, read="athena")
    assert isinstance(statement, exp.Create)
    columns = {column.name: column.args["kind"].sql("hive") for column in statement.this.expressions}
    return columns, statement


def test_the_statement_is_a_table_of_the_datas_columns(captured: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sql = ddl(capsys, captured, "--location", "s3://bucket/captured", "--table", "ml.flights")
    columns, statement = parsed(sql)
    assert statement.this.this.sql("hive") == "`ml`.`flights`"
    assert {name: columns[name] for name in ("capture_event_time", "capture_item_index", "capture_rescued_data", "seats",
                                            "city", "feature_prediction", "tags", "Mixed Case", "O'Hare `x`")} == {
        "capture_event_time": "TIMESTAMP", "capture_item_index": "INT", "capture_rescued_data": "STRING", "seats": "BIGINT",
        "city": "STRING", "feature_prediction": "DOUBLE", "tags": "ARRAY<DOUBLE>", "Mixed Case": "BOOLEAN",
        "O'Hare `x`": "STRING",
    }  # fmt: skip
    assert "STORED AS PARQUET" in sql
    assert "LOCATION 's3://bucket/captured/'" in sql


def test_the_projections_paths_are_the_writers_keys(captured: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sql = ddl(capsys, captured, "--location", "s3://bucket/captured")
    properties = dict(re.findall(r"'([\w.]+)' = '([^']*)'", sql))
    assert properties["projection.enabled"] == "true"
    assert properties["projection.capture_hour.format"] == "yyyy/MM/dd/HH"
    assert properties["projection.capture_hour.range"] == "2026/01/01/12,NOW"
    assert (properties["projection.capture_hour.interval"], properties["projection.capture_hour.interval.unit"]) == (
        "1",
        "HOURS",
    )
    keys = [str(path.relative_to(captured)) for path in captured.rglob("*.parquet")]
    assert len(keys) == 2
    for text in keys:
        key = dataset.parse_object_key(text)
        assert key is not None
        partition = {
            "capture_endpoint": properties["projection.capture_endpoint.values"],
            "capture_variant": properties["projection.capture_variant.values"],
            "capture_hour": f"{dataset.to_datetime(key.hour):%Y/%m/%d/%H}",
        }
        path = properties["storage.location.template"]
        for name, value in partition.items():
            path = path.replace(f"${{{name}}}", value)
        assert f"s3://bucket/captured/{text}" == f"{path}{key.batch}.parquet"


def test_partitions_stand_apart_from_the_columns(captured: Path, capsys: pytest.CaptureFixture[str]) -> None:
    columns, statement = parsed(ddl(capsys, captured))
    partitioned = statement.find(exp.PartitionedByProperty)
    assert partitioned is not None
    assert [column.name for column in partitioned.this.expressions] == list(PARTITIONS)
    assert set(columns).isdisjoint(PARTITIONS)


def test_injected_partitions_need_no_values(captured: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sql = ddl(capsys, captured, "--injected")
    assert "'projection.capture_endpoint.type' = 'injected'" in sql
    assert "projection.capture_endpoint.values" not in sql
    parsed(sql)


def test_json_lines_are_a_table_of_the_managed_schema(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_objects(open_sink(f"file://{tmp_path}"), [event({"a": 1})], format="jsonl")
    sql = ddl(capsys, tmp_path)
    columns, _ = parsed(sql)
    assert list(columns) == ["capturedata", "eventmetadata", "eventversion", "capture"]
    assert columns["eventmetadata"].startswith("STRUCT<eventid")
    assert "ROW FORMAT SERDE 'org.openx.data.jsonserde.JsonSerDe'" in sql


def test_columns_whose_types_differ_are_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = open_sink(f"file://{tmp_path}")
    write_objects(place, [event({"a": 1}), event({"a": 2}, time=NOON + HOUR)], "batch-1")
    write_objects(place, [event({"A": "x"})], "batch-2")
    assert main(["ddl", str(tmp_path), "--location", "s3://bucket"]) == 0
    out, err = capsys.readouterr()
    assert "`a` double" in out
    assert "`A`" not in out
    assert "column a is double in 2 objects and string in 1 objects: the table says double" in err


def test_what_is_no_s3_place_is_said(captured: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ddl", str(captured)]) == 0
    assert "Athena reads from S3 only" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [([], "there is no captured object under"), (["--table", "a b"], "--table='a b' is no name")],
)
def test_an_expected_error_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert main(["ddl", str(tmp_path), *arguments]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"capture ddl: {message}")
    assert err.count("\n") == 1


def test_both_formats_are_no_one_table(captured: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_objects(open_sink(f"file://{captured}"), [event({"a": 1})], format="jsonl", endpoint_name="other")
    assert main(["ddl", str(captured)]) == 1
    assert "narrow it by --endpoint or --variant" in capsys.readouterr().err
    parsed(ddl(capsys, captured, "--endpoint", "other"))


@pytest.mark.parametrize(
    ("kind", "hive"),
    [("bool", "BOOLEAN"), ("int8", "TINYINT"), ("int16", "SMALLINT"), ("int32", "INT"), ("int64", "BIGINT"),
     ("uint8", "SMALLINT"), ("uint16", "INT"), ("uint32", "BIGINT"), ("uint64", "BIGINT"), ("float", "FLOAT"),
     ("double", "DOUBLE"), ("string", "STRING"), ("json", "STRING"), ("date32[day]", "DATE"), ("time64[us]", "BIGINT"),
     ("timestamp[us]", "TIMESTAMP"), ("timestamp[us, tz=UTC]", "TIMESTAMP"), ("duration[us]", "BIGINT"),
     ("decimal128(10, 2)", "DECIMAL(10, 2)"), ("list<float>", "ARRAY<FLOAT>"), ("list<int64>", "ARRAY<BIGINT>")],
)  # fmt: skip
def test_every_type_of_a_captured_column_has_a_hive_type(kind: str, hive: str) -> None:
    table = AthenaTable("t", {"x": hive_type(kind)}, "parquet", "s3://b", ("e",), ("v",), "2026/01/01/12")
    assert parsed(table.statement())[0] == {"x": hive}


def test_an_endpoints_name_adds_no_property_of_its_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = "a\\', 'storage.location.template' = 's3:other', 'x' = '"
    write_objects(open_sink(f"file://{tmp_path}"), [event({"a": 1})], endpoint_name=name.replace(", ", " "))
    sql = ddl(capsys, tmp_path, "--location", "s3://bucket")
    literals = re.findall(r"'((?:[^'\\]|\\.)*)'", sql.partition("TBLPROPERTIES")[2])
    properties = dict(zip(literals[::2], literals[1::2], strict=True))
    assert properties["storage.location.template"].startswith("s3://bucket/")
    assert "x" not in properties
    parsed(sql)


def test_a_name_that_a_list_of_values_cannot_hold_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_objects(open_sink(f"file://{tmp_path}"), [event({"a": 1})], endpoint_name="a,\x1b[31mb")
    assert main(["ddl", str(tmp_path), "--location", "s3://bucket"]) == 1
    err = capsys.readouterr().err
    assert "cannot be a value of a partition" in err
    assert "\x1b" not in err
    parsed(ddl(capsys, tmp_path, "--location", "s3://bucket", "--injected"))


def test_a_column_with_a_terminal_escape_in_its_name_is_left_out_and_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_objects(open_sink(f"file://{tmp_path}"), [event({"a": 1, "b\x1b]0;x\x07": 2, "c\u202ed": 3})])
    assert main(["ddl", str(tmp_path), "--location", "s3://bucket"]) == 0
    out, err = capsys.readouterr()
    assert "`a`" in out
    assert (out + err).replace("\n", "").isprintable()
    assert r"column b\x1b]0;x\x07 is left out" in err
    assert r"column c\u202ed is left out" in err
