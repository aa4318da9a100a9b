"""`watch` and `run --catch-up`: metrics, alarms and files follow each window; versions are judged apart."""

from __future__ import annotations

import datetime as dt
import json

import pytest

from monitoring import Baseline, Monitor
from monitoring.__main__ import main
from monitoring.alarms.policy import Policy
from monitoring.alarms.register import AlarmRegister
from monitoring.publish.destination import PublishSettings
from monitoring.schedule.catch_up import CatchUp
from monitoring.schedule.consequences import Acting
from monitoring.storage import open_storage
from tests.monitoring.samples import START, captured, training

HOUR = dt.timedelta(hours=1)


class Published:
    """Remembers messages."""

    def __init__(self):
        self.messages = []

    def publish(self, message):
        self.messages.append(message)


@pytest.fixture(scope="module")
def baseline(tmp_path_factory):
    place = str(tmp_path_factory.mktemp("baseline"))
    Baseline.from_training(training(600), id_column="request").save(place)
    return place


def test_one_message_follows_what_opened_and_none_what_lasts(baseline, tmp_path):
    uri = f"file://{tmp_path}/captured"
    for hour in range(3):
        captured(tmp_path, 80, seed=hour, shift=3.0 if hour else 0.0, start=START + hour * HOUR)
    storage, published = open_storage(str(tmp_path / "out")), Published()
    register = AlarmRegister(storage, Policy(), published)
    monitor = Monitor(baseline, captured=uri, output=str(tmp_path / "out"), shuffles=99)
    run = CatchUp(monitor, storage, Acting(register, PublishSettings()), now=lambda: START + 3 * HOUR).run()
    assert [judged.report.drifted for judged in run] == [(), ("wind",), ("wind",)]
    [message] = published.messages
    assert message.start == START + HOUR
    assert ["wind"] in [list(held.cause.columns) for held in register.state("flights", "AllTraffic").open_causes()]


def test_versions_of_a_model_are_judged_apart(baseline, tmp_path):
    captured(tmp_path, 80, seed=1, model_version="v1", minutes=30)
    uri = captured(tmp_path, 60, seed=2, shift=3.0, model_version="v2", start=START + HOUR / 2, minutes=29)
    monitor = Monitor(baseline, captured=uri, output=str(tmp_path / "out"), shuffles=99)
    storage = open_storage(str(tmp_path / "out"))
    [judged] = CatchUp(monitor, storage, now=lambda: START + HOUR).run()
    assert (judged.report.result.subject.model_version, judged.report.drifted) == ("v1", ())
    other = json.loads(storage.get("runs/flights/AllTraffic/2026/07/01/08/version-v2/result.json").body)
    assert other["subject"]["model_version"] == "v2"
    assert [c["name"] for c in other["columns"] if c["status"] == "drift"] == ["wind"]


def test_each_version_has_its_own_baseline(baseline, tmp_path):
    Baseline.load(baseline).save(str(tmp_path / "baselines" / "v1"))
    shifted = training(600, seed=9)
    wind = shifted.column_names.index("wind")
    moved = shifted.set_column(wind, "wind", [[value + 3.0 for value in shifted["wind"].to_pylist()]])
    Baseline.from_training(moved, id_column="request").save(str(tmp_path / "baselines" / "v2"))
    uri = captured(tmp_path, 80, seed=2, shift=3.0, model_version="v2")
    place = str(tmp_path / "baselines" / "{version}")
    monitor = Monitor(place, captured=uri, output=str(tmp_path / "out"), shuffles=99)
    [judged] = CatchUp(monitor, open_storage(str(tmp_path / "out")), now=lambda: START + HOUR).run()
    assert judged.report.drifted == ()
    assert monitor.for_version("v1").run(uri).drifted == ("wind",)


def test_watch_judges_publishes_and_ends(baseline, tmp_path, capsys):
    start = dt.datetime.now(dt.UTC).replace(minute=0, second=0, microsecond=0) - 2 * HOUR
    uri = captured(tmp_path, 80, shift=3.0, start=start)
    config = tmp_path / "monitor.toml"
    config.write_text(
        f'captured = "{uri}"\nbaseline = "{baseline}"\noutput = "{tmp_path}/out"\nshuffles = 99\n'
        f'[publish]\nto = ["prometheus"]\ntextfile = "{tmp_path}"\n'
    )
    assert main(["watch", str(config), "--once"]) == 0
    first = capsys.readouterr().out.splitlines()[0]
    assert f"{start:%Y-%m-%d %H:%M} flights/AllTraffic: violations. `wind` is unlike training." in first
    assert list(tmp_path.glob("*.prom"))
    assert main(["run", "--config", str(config), "--catch-up"]) == 0
    assert "Every complete window is judged already." in capsys.readouterr().out


def test_catching_up_without_captured_data_says_so_and_judges_nothing(baseline, tmp_path, capsys, caplog):
    argv = ["--captured", str(tmp_path / "none"), "--baseline", baseline, "--output", str(tmp_path / "out")]
    assert main(["run", *argv, "--catch-up"]) == 4
    said = capsys.readouterr()
    assert said.out == ""
    assert f"There is no captured data below {tmp_path}/none yet" in said.err
    config = tmp_path / "monitor.toml"
    config.write_text(f'captured = "{tmp_path}/none"\nbaseline = "{baseline}"\noutput = "{tmp_path}/out"\n')
    assert main(["watch", str(config), "--once"]) == 0
    assert "There is no captured data" in caplog.text


def test_one_file_is_not_watched(baseline, tmp_path, capsys):
    argv = ["--captured", "week.parquet", "--baseline", baseline, "--output", str(tmp_path / "out")]
    assert main(["run", *argv, "--catch-up"]) == 2
    assert "week.parquet is one file" in capsys.readouterr().err
