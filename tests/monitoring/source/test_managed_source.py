"""A team's history in the managed service's JSON Lines is counted like captured data, and what was lost is said."""

import datetime as dt
import json
from functools import reduce

import boto3
import msgspec
import pyarrow as pa
import pytest

from monitoring.__main__ import main
from monitoring.baseline.baseline import Baseline
from monitoring.engines.local import LocalEngine
from monitoring.errors import MonitoringError, UsageError
from monitoring.monitor import Monitor
from monitoring.source.managed_source import ManagedPart, baseline_columns, summed
from monitoring.source.open import open_rows
from monitoring.states.plan import CountingPlan
from monitoring.states.profile import Profile, merge_profiles
from monitoring.window import Window
from tests.monitoring.source.managed_lines_of import body, json_side, line

HOUR = "endpoint/AllTraffic/2026/01/01/03"


def put(folder, name, *lines):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(body(*lines))


@pytest.fixture(scope="module")
def baseline():
    return Baseline.from_training(
        pa.table({"a": [float(number % 7) for number in range(200)], "kind": ["x", "y"] * 100})
    )


def counted(folder, baseline, window=None, preprocess=None):
    columns = baseline_columns(baseline.binning)
    source = open_rows(str(folder), columns=columns, preprocess=None if preprocess is None else str(preprocess))
    plan = CountingPlan(baseline.id, baseline.binning, source.layout)
    groups = LocalEngine().count(source.groups(window), plan)
    return reduce(merge_profiles, (profile for _, profile in groups), Profile(baseline.id))


def test_managed_objects_are_counted_under_the_baselines_names(tmp_path, baseline):
    put(tmp_path, f"{HOUR}/05-12-345-one.jsonl", line("1,x\n2,z", "0.1\n0.2"), line("3,y", "0.3", event_id="e2"))
    put(tmp_path, f"{HOUR}/06-00-000-two.jsonl", line(json_side({"kind": "x", "a": 4}), event_id="e3"))
    profile = counted(tmp_path, baseline)
    total = profile.total()
    assert (profile.rows, profile.events) == (4, 3)
    assert total.columns["a"].sum1 + 4 * baseline.binning["a"].centre == pytest.approx(10)
    assert total.columns["kind"].unseen == {"z": 1}
    assert profile.predictions == {"prediction"}
    assert summed(profile) == ()


def test_numbers_among_categories_stay_text(tmp_path):
    baseline = Baseline.from_training(pa.table({"zip": ["01234", "56789"] * 50}))
    put(tmp_path, f"{HOUR}/05-12-345-one.jsonl", line("01234"))
    state = counted(tmp_path, baseline).total().columns["zip"]
    assert state.fine.tolist()[:2] == [1, 0]


def test_a_window_cuts_by_event_time_and_an_event_without_one_counts_by_its_hour(tmp_path, baseline):
    put(
        tmp_path,
        f"{HOUR}/05-12-345-one.jsonl",
        line("1,x", time="2026-01-01T03:10:00Z"),
        line("2,x", time="2026-01-01T03:40:00Z", event_id="e2"),
        line("3,x", time="{%s}", event_id="e3"),
    )
    window = Window(dt.datetime(2026, 1, 1, 3, tzinfo=dt.UTC), dt.datetime(2026, 1, 1, 3, 30, tzinfo=dt.UTC))
    profile = counted(tmp_path, baseline, window)
    assert profile.events == 2
    assert summed(profile) == ("1 of 2 events have no time: the hour of their object serves",)


def test_an_object_that_was_synced_twice_counts_once(tmp_path, baseline):
    for name in ("one", "copy"):
        put(tmp_path, f"{HOUR}/05-12-345-{name}.jsonl", line("1,x"), line("2,y", event_id="e2"))
    profile = counted(tmp_path, baseline)
    assert (profile.rows, profile.duplicates) == (2, 2)


def test_failures_of_a_script_are_added_up_over_the_window(tmp_path, baseline):
    script = tmp_path / "script.py"
    script.write_text(
        "def preprocess_handler(record):\n"
        "    a, kind = record.endpoint_input.data.split(',')\n"
        "    return {'a': 1 / int(a), 'kind': kind}\n"
    )
    put(tmp_path / "data", f"{HOUR}/05-12-345-one.jsonl", line("1,x"), line("0,x", event_id="e2"))
    put(tmp_path / "data", f"{HOUR}/06-12-345-two.jsonl", line("0,x", event_id="e3"), line("2,x", event_id="e4"))
    profile = counted(tmp_path / "data", baseline, preprocess=script)
    assert profile.events == 2
    assert summed(profile) == ("2 of 4 events: ZeroDivisionError in preprocess_handler, event e2",)


def test_a_window_of_which_no_event_can_be_read_is_an_error(tmp_path, baseline):
    put(
        tmp_path,
        f"{HOUR}/05-12-345-one.jsonl",
        line({"data": "/w==", "encoding": "BASE64", "observedContentType": "x"}),
    )
    with pytest.raises(MonitoringError, match="none of 1 captured events could be read: 1 of 1 events: base64 of x"):
        summed(counted(tmp_path, baseline))


def test_columns_that_cannot_be_mapped_stop_the_run_with_a_question(tmp_path, baseline):
    put(tmp_path, f"{HOUR}/05-12-345-one.jsonl", line("1,x,5"))
    with pytest.raises(UsageError, match=r"3 input values .* 2 columns"):
        counted(tmp_path, baseline)


def test_a_wrong_script_is_an_error_before_any_object_is_read(tmp_path, baseline):
    put(tmp_path, f"{HOUR}/05-12-345-one.jsonl", line("1,x"))
    with pytest.raises(UsageError, match="there is no preprocess script"):
        counted(tmp_path, baseline, preprocess=tmp_path / "none.py")


def test_a_broken_object_is_named_and_the_others_are_counted(tmp_path, baseline):
    put(tmp_path, f"{HOUR}/05-12-345-one.jsonl", line("1,x"))
    (tmp_path / HOUR / "06-00-000-two.jsonl").write_bytes(b"\xff\xfe\x00")
    profile = counted(tmp_path, baseline)
    assert profile.events == 1
    assert "06-00-000-two.jsonl" in " ".join(profile.notes)


def test_a_baseline_can_be_made_from_what_the_managed_service_captured(tmp_path):
    put(tmp_path, f"{HOUR}/05-12-345-one.jsonl", *(line(f"{n % 5},x", "0.5", event_id=f"e{n}") for n in range(60)))
    found = Baseline.from_captured(str(tmp_path))
    assert list(found.binning) == ["feature_0", "feature_1", "prediction"]
    assert found.predictions == ("prediction",)


def test_a_monitor_judges_what_the_managed_service_captured(tmp_path, baseline):
    put(tmp_path, f"{HOUR}/05-12-345-one.jsonl", *(line(f"{n % 7},z", "0.5", f"e{n}", None) for n in range(50)))
    report = Monitor(baseline).run(str(tmp_path))
    assert [violation.constraint_check_type for violation in report.violations] == [
        "categorical_values_check",
        "baseline_drift_check",
    ]
    assert "50 of 50 events have no time: the hour of their object serves" in report.result.notes
    assert {cause.query for cause in report.result.causes} == {""}, "a query over Parquet would find nothing"


def test_a_monitors_script_names_the_values(tmp_path, baseline):
    script = tmp_path / "script.py"
    script.write_text("def preprocess_handler(record):\n    return [{'kind': 'x', 'a': 3}, {'kind': 'y', 'a': 4}]\n")
    put(tmp_path / "data", f"{HOUR}/05-12-345-one.jsonl", *(line("anything", event_id=f"e{n}") for n in range(20)))
    result = Monitor(baseline, preprocess=str(script)).run(str(tmp_path / "data")).result
    assert (result.rows, result.events) == (40, 20)


def test_names_of_the_captured_values_are_a_flag(tmp_path, capsys):
    table = pa.table({"label": [0, 1] * 60, "a": [float(number % 7) for number in range(120)], "kind": ["x", "y"] * 60})
    Baseline.from_training(table).save(str(tmp_path / "baseline"))
    put(tmp_path / "data", f"{HOUR}/05-12-345-one.jsonl", *(line(f"x,{n % 7}", event_id=f"e{n}") for n in range(40)))
    flags = ["run", "--captured", str(tmp_path / "data"), "--baseline", str(tmp_path / "baseline"), "--json"]
    assert main(flags) == 2
    assert "feature_names" in capsys.readouterr().err
    main([*flags, "--feature-names", "kind,a"])
    violations = json.loads(capsys.readouterr().out)["violations"]
    assert {(entry["feature_name"], entry["constraint_check_type"]) for entry in violations} == {
        ("label", "missing_column_check"),
        ("kind", "baseline_drift_check"),
    }


def test_a_part_can_be_sent_to_another_process(tmp_path, baseline):
    put(tmp_path, f"{HOUR}/05-12-345-one.jsonl", line("1,x"))
    [group] = open_rows(str(tmp_path), columns=baseline_columns(baseline.binning)).groups(None)
    [part] = group.parts
    sent = msgspec.json.decode(msgspec.json.encode(part), type=ManagedPart)
    assert sent == part
    assert next(iter(sent.fetch().batches())).num_rows == 1


def test_managed_objects_are_read_from_s3(aws, baseline):
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket="managed-captures")
    s3.put_object(
        Bucket="managed-captures",
        Key=f"data/{HOUR}/05-12-345-one.jsonl",
        Body=body(line("1,x"), line("2,y", event_id="e2")),
    )
    assert counted("s3://managed-captures/data", baseline).rows == 2
