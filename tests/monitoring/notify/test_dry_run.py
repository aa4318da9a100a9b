"""`notify --dry-run` says what a month of runs would have sent, and sends nothing."""

import json

import pytest

from monitoring.__main__ import main
from monitoring.quality.maturity import LabelStage
from monitoring.quality.result import encode as encode_quality
from monitoring.result import Urgency, encode
from tests.monitoring.alarms.examples import cause
from tests.monitoring.alarms.results import result
from tests.monitoring.alarms.test_quality_observation import quality

TOML = """
[notify]
state = "/nowhere"
[notify.pagerduty.oncall]
routing_key = "env:NOT_SET"
[notify.slack.alerts]
webhook = "env:NOT_SET"
"""


@pytest.fixture
def month(tmp_path):
    (tmp_path / "monitor.toml").write_text(TOML)
    for hour in range(60):
        causes = [cause("completeness:a")] if 10 <= hour < 15 else []
        causes += [cause("drift:b", urgency=Urgency.MESSAGE)] if hour >= 20 else []
        folder = tmp_path / "history" / f"{hour:03}"
        folder.mkdir(parents=True)
        (folder / "result.json").write_bytes(encode(result(hour, *causes)))
    return tmp_path


def test_a_rehearsal_shows_pages_messages_and_reminders(month, capsys):
    arguments = ["notify", "--config", str(month / "monitor.toml"), "--dry-run", str(month / "history")]
    assert main([*arguments, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["runs"] == 60
    assert found["counts"] == {"page": 1, "resolve": 1, "slack": 3}
    assert main(arguments) == 0
    text = capsys.readouterr().out.splitlines()
    assert text[0] == "2026-11-02 11:00  page      flights / AllTraffic: completeness:a is wrong (large)"
    assert text[-1] == "60 runs: 1 page, 1 resolve, 3 slack"


def test_a_fall_of_quality_in_the_history_pages(month, capsys):
    fell = quality(3, LabelStage.FINAL, cause("quality:auc"))
    (month / "history" / "quality.json").write_bytes(encode_quality(fell))
    assert main(["notify", "--config", str(month / "monitor.toml"), "--dry-run", str(month / "history"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["runs"], found["counts"]["page"]) == (61, 2)


def test_a_folder_without_results_is_named(month, capsys):
    (month / "empty").mkdir()
    assert main(["notify", "--config", str(month / "monitor.toml"), "--dry-run", str(month / "empty")]) == 2
    assert "holds no result.json" in capsys.readouterr().err


def test_a_file_that_is_not_a_result_is_named(month, capsys):
    (month / "history" / "000" / "result.json").write_text("{}")
    assert main(["notify", "--config", str(month / "monitor.toml"), "--dry-run", str(month / "history")]) == 1
    assert "000/result.json is not the result of a run" in capsys.readouterr().err
