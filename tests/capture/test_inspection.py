"""`capture inspect` shows a person, or a program, what was captured, and says in a line what it cannot."""

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from capture import dataset
from capture.__main__ import main
from capture.ledger import Lost
from capture.sinks import open_sink
from tests.capture.samples import HOUR, NOON, SECOND, entry, event, predictions, rows, write_ledger, write_objects
from tests.s3_server import free_ports

FORMATS = ["parquet", "jsonl"]


def some_events() -> list[Any]:
    return [
        event(
            rows({"distance": 733, "carrier": "UA"}, {"distance": None, "carrier": "[bold]B6"}),
            request={"city": "Rome"},
        ),
        event({"distance": "far", "carrier": "DL"}, predictions(0.25), number=2, inference_id="call-9"),
        event({"distance": 1.5, "carrier": None}, number=3, time=NOON + HOUR),
    ]


@pytest.fixture(params=FORMATS)
def captured(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Four rows of three events in two objects, and a ledger that covers them."""
    place = open_sink(f"file://{tmp_path}")
    objects = write_objects(place, some_events(), format=request.param)
    write_ledger(place, objects, until=NOON + 2 * HOUR)
    return tmp_path


def inspect(*arguments: object) -> int:
    return main(["inspect", *map(str, arguments)])


def as_json(capsys: pytest.CaptureFixture[str], *arguments: object) -> Any:
    assert inspect(*arguments, "--json") == 0
    return json.loads(capsys.readouterr().out)


def test_a_program_gets_counts_times_schema_and_rows(captured: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = as_json(capsys, captured, "--rows", 2)
    assert {name: found[name] for name in ("events", "rows", "objects", "rescued_rows", "complete", "gaps", "share")} == {
        "events": 3, "rows": 4, "objects": 2, "rescued_rows": 1, "complete": True, "gaps": [], "share": 1.0,
    }  # fmt: skip
    assert found["bytes"] == sum(path.stat().st_size for path in captured.glob("flights/**/batch-1.*"))
    assert (found["first_event_time"], found["last_event_time"]) == ("2026-01-01T12:00:01Z", "2026-01-01T13:00:00Z")
    columns = {column["name"]: column for column in found["columns"]}
    assert columns["distance"] == {"name": "distance", "level": "item", "types": {"double": 2}, "null_share": 0.5}
    assert columns["city"]["level"] == "request"
    assert columns["city"]["null_share"] == 0.5
    assert columns["prediction"]["level"] == "prediction"
    assert [row["carrier"] for row in found["rows_sample"]] == ["UA", "[bold]B6"]


def test_a_person_gets_the_same_as_plain_text_in_a_pipe(captured: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert inspect(captured) == 0
    out = capsys.readouterr().out
    assert "\x1b" not in out
    lines = [" ".join(line.split()) for line in out.splitlines()]
    for expected in (
        "endpoints flights/AllTraffic",
        "events 3",
        "rows 4, 1 with rescued data",
        "event times 2026-01-01 12:00:01 – 2026-01-01 13:00:00 UTC",
        "complete yes",
        "distance item double 50.0%",
        "capture_event_time capture timestamp[us, tz=UTC] 0.0%",
        "carrier UA [bold]B6 DL",
    ):
        assert expected in lines


def test_a_window_and_a_variant_narrow_what_is_shown(captured: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = as_json(
        capsys, captured, "--from", "2026-01-01T13:00", "--to", "2026-01-01T14:00Z", "--endpoint", "flights"
    )
    assert (found["rows"], found["objects"], found["complete"]) == (1, 1, True)
    part = as_json(capsys, captured, "--to", "2026-01-01T12:00:02")
    assert (part["rows"], part["events"]) == (2, 1)


def test_gaps_are_named(captured: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = open_sink(f"file://{captured}")
    lost = Lost("spool_full", 1, 5, (NOON + SECOND, NOON + 2 * SECOND))
    write_ledger(place, until=NOON + 10 * SECOND, spool="spool-2", writers={"w-2": entry(5, 0, lost=[lost])})
    found = as_json(capsys, captured)
    assert found["complete"] is False
    assert [gap["kind"] for gap in found["gaps"]] == ["silent instance", "lost records"]
    assert found["gaps"][1]["reason"] == "spool_full"
    assert {entry["spool"]: entry["last_heard_of"] for entry in found["instances"]}["spool-2"] == "2026-01-01T12:00:10Z"
    assert inspect(captured) == 0
    out = capsys.readouterr().out
    assert "no: 2 gaps" in out
    assert "lost records: writer w-2 lost 5 records of 2026-01-01 12:00:01 – 12:00:02 UTC (spool_full)" in out
    assert "silent instance: instance spool-2 was last heard of at 2026-01-01 12:00:10 UTC" in out


def test_one_event_is_shown_with_its_rows(captured: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = as_json(capsys, captured, "--event", "event-1")
    assert [row["carrier"] for row in found["rows"]] == ["UA", "[bold]B6"]
    assert "capture_inference_id" not in found["rows"][0]
    assert inspect(captured, "--event", "event-1") == 0
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "city Rome" in lines
    assert "2 items" in lines
    assert "carrier UA [bold]B6" in lines
    assert as_json(capsys, captured, "--event", "call-9")["rows"][0]["capture_event_id"] == "event-2"


def test_a_terminal_gets_tables(
    captured: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "120")
    assert inspect(captured) == 0
    assert "\x1b[" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{}/none"], "there is no directory {}/none"),
        (["{}"], "there is no captured data under file://{}"),
        (["{}", "--endpoint", "f"], "there is no captured data of endpoint f under file://{}"),
        (["{}", "--event", "nobody"], "there is no event nobody under file://{}"),
        (["ftp://{}"], "'ftp://{}' is no place: give s3://bucket/prefix or file:///directory"),
    ],
)
def test_an_expected_error_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert inspect(*(argument.format(tmp_path) for argument in arguments)) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.removesuffix(": nothing lies there\n").strip() == f"capture inspect: {message.format(tmp_path)}"


@pytest.mark.parametrize(
    ("changes", "bucket", "message"),
    [
        ({"AWS_SECRET_ACCESS_KEY": "wrong"}, "", "the secret key is wrong (SignatureDoesNotMatch)"),
        ({"AWS_ACCESS_KEY_ID": "wrong"}, "", "the access key is unknown (InvalidAccessKeyId)"),
        ({}, "-none", "there is no such bucket (NoSuchBucket)"),
    ],
)
def test_a_bucket_that_cannot_be_read_is_one_line(
    s3_bucket: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    changes: dict[str, str],
    bucket: str,
    message: str,
) -> None:
    for name, value in changes.items():
        monkeypatch.setenv(name, value)
    uri = f"s3://{s3_bucket}{bucket}/captured"
    assert inspect(uri) == 1
    assert capsys.readouterr().err == f"capture inspect: cannot list {uri}: {message}\n"


def test_a_server_that_is_not_there_is_one_line(
    s3_bucket: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{free_ports(1)[0]}")
    monkeypatch.setattr("capture.sinks.READ_ATTEMPTS", 1)
    assert inspect(f"s3://{s3_bucket}/captured") == 1
    err = capsys.readouterr().err
    assert err.startswith(f"capture inspect: cannot list s3://{s3_bucket}/captured: Could not connect")
    assert err.count("\n") == 1


def test_the_bucket_is_inspected_as_the_directory_is(s3_bucket: str, capsys: pytest.CaptureFixture[str]) -> None:
    place = open_sink(f"s3://{s3_bucket}/captured")
    write_ledger(place, write_objects(place, some_events()), until=NOON + 2 * HOUR)
    found = as_json(capsys, f"s3://{s3_bucket}/captured/")
    assert (found["rows"], found["complete"], found["uri"]) == (4, True, f"s3://{s3_bucket}/captured")


def test_a_time_that_is_none_is_refused_with_an_example(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        inspect(tmp_path, "--from", "soon")
    assert caught.value.code == 2
    assert "'soon' is no time: give ISO 8601, as 2026-03-01T09:00" in capsys.readouterr().err


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Three events in two Parquet objects, and a ledger of a spool that is closed."""
    place = open_sink(f"file://{tmp_path}")
    objects = write_objects(place, some_events(), format="parquet")
    write_ledger(place, objects, until=NOON + 2 * HOUR, closed=True)
    return tmp_path


def newest(directory: Path) -> Path:
    return sorted(directory.glob("flights/**/*.parquet"))[-1]


def test_deleted_objects_are_missed_without_a_window(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    newest(directory).unlink()
    found = as_json(capsys, directory)
    assert not found["complete"]
    assert [gap["kind"] for gap in found["gaps"]] == ["missing object"]
    for path in directory.glob("flights/**/*.parquet"):
        path.unlink()
    found = as_json(capsys, directory)
    assert (found["complete"], found["share"]) == (False, 0.0)
    assert [gap["kind"] for gap in found["gaps"]] == ["missing object"] * 2


@pytest.mark.parametrize("damage", ["truncated", "middle", "foreign", "empty", "text"])
def test_an_object_that_cannot_be_read_is_a_gap(
    directory: Path, capsys: pytest.CaptureFixture[str], damage: str
) -> None:
    path = newest(directory)
    data = path.read_bytes()
    foreign = directory / "foreign"
    pq.write_table(pa.table({"x": [1]}), foreign)
    damaged = {
        "truncated": data[: len(data) // 2],
        "middle": data[:8] + bytes(400) + data[408:],
        "foreign": foreign.read_bytes(),
        "empty": b"",
        "text": b"not Parquet at all",
    }[damage]
    foreign.unlink()
    path.write_bytes(damaged)
    found = as_json(capsys, directory)
    assert len(found["unreadable"]) == 1
    assert (found["events"], found["objects"]) == (2, 2)
    if damage not in ("middle", "foreign"):
        assert [gap["kind"] for gap in found["gaps"]] == ["row count"]
    assert not found["complete"]
    event = json.loads(json.dumps(found["rows_sample"][0]))["capture_event_id"]
    assert inspect(directory, "--event", event) == 0
    capsys.readouterr()
    assert inspect(directory, "--event", "none-such") == 1
    assert "1 objects cannot be read" in capsys.readouterr().err


def test_a_live_endpoint_is_complete_until_its_last_word_and_no_alarm(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = open_sink(f"file://{tmp_path}")
    now = dataset.to_microseconds(dt.datetime.now(dt.UTC))
    events = [event({"a": 1}, time=now - 600 * SECOND), event({"a": 2}, number=2, time=now - 30 * SECOND)]
    objects = write_objects(place, events, format="parquet")
    for day in {now // dataset.DAY, (now - 600 * SECOND) // dataset.DAY}:
        write_ledger(place, objects, day * dataset.DAY, until=now - 60 * SECOND, as_of=now, next_by=now + 300 * SECOND)
    found = as_json(capsys, tmp_path)
    assert (found["complete"], found["gaps"]) == (True, [])
    assert found["instances"][0]["alive"]
    assert inspect(tmp_path) == 0
    out = capsys.readouterr().out
    assert "UTC, and the endpoint is alive" in out
    assert "silent" not in out


def test_an_instance_whose_next_ledger_is_overdue_is_silent(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = open_sink(f"file://{tmp_path}")
    objects = write_objects(place, [event({"a": 1}, time=NOON + 30 * SECOND)], format="parquet")
    write_ledger(place, objects, until=NOON, next_by=NOON + 600 * SECOND)
    found = as_json(capsys, tmp_path)
    assert [gap["kind"] for gap in found["gaps"]] == ["silent instance"]


@pytest.mark.parametrize(
    ("below", "said"),
    [
        ("flights", "it lies too deep: give file://{}"),
        ("flights/AllTraffic", "it lies too deep: give file://{}"),
        ("..", "captured data lies deeper: give file://{}"),
    ],
)
def test_a_wrong_level_says_which_is_right(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], below: str, said: str
) -> None:
    prefix = tmp_path / "team" / "captured"
    write_objects(open_sink(f"file://{prefix}"), some_events(), format="parquet")
    assert inspect((prefix / below).resolve()) == 1
    assert said.format(prefix) in capsys.readouterr().err


def test_a_prefix_with_other_things_says_what_lies_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "model.tar.gz").touch()
    (tmp_path / "notes.txt").touch()
    assert inspect(tmp_path) == 1
    assert "what lies there is models/, notes.txt" in capsys.readouterr().err


HOSTILE = ["\x1b[2J\x1b]0;title\x07", "\u202egnp.exe", "a\rb\nc", "\x9b31m", ":smile:", "\x7f", "\U000e0041"]
"""A terminal escape, text that reverses its direction, line breaks, a C1 control, an emoji code, DEL, an invisible tag."""


@pytest.mark.parametrize("options", [[], ["--rows", "9"], ["--event", "call-1"], ["--json"]])
def test_what_a_client_sent_cannot_steer_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str]
) -> None:
    features = {f"{text}{number}": text for number, text in enumerate(HOSTILE)}
    named = [event(features, number=number, inference_id=f"call-{number}") for number in range(1, 7)]
    write_objects(open_sink(f"file://{tmp_path}"), named, endpoint_name="flights\x1b[31m")
    assert inspect(tmp_path, *options) == 0
    out = capsys.readouterr().out
    assert out.replace("\n", "").isprintable()
    assert ":smile:" in out
    assert ("\\u001b]0;title\\u0007" if "--json" in options else "\\x1b]0;title\\x07") in "".join(out.split())
    if "--json" in options:
        assert set(features) <= {column["name"] for column in json.loads(out)["columns"]}
