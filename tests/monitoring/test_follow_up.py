"""After a run: metrics, alarms, the message and retraining, from one monitor.toml; a failure of one stops no other."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from monitoring.errors import UsageError
from monitoring.follow_up import FollowUp
from monitoring.notify import deliverer as module
from monitoring.quality.maturity import Stage
from monitoring.retraining.decision import Verdict
from monitoring.settings import MonitorSettings
from tests.memory_directory import tmp_path
from tests.monitoring.alarms.examples import HOUR, START, cause
from tests.monitoring.alarms.results import result
from tests.monitoring.alarms.test_quality_observation import quality
from tests.monitoring.alarms.test_register import Collected
from tests.monitoring.notify.https_servers import https_servers
from tests.moto_server import aws, moto_address

__all__ = ["aws", "moto_address", "tmp_path"]


def test_one_run_is_published_announced_and_retrained_for(tmp_path, aws):
    topic, queue, _ = aws.topic_and_queue()
    rule = {"name": "risk", "causes": ["quality:*"], "command": [sys.executable, "-c", "print('trained')"]}
    settings = MonitorSettings(
        output=str(tmp_path),
        publish={"to": ["prometheus"], "textfile": str(tmp_path / "textfile")},
        alarms={"topic": topic},
        retraining={"rule": [rule]},
    )
    follow_up = FollowUp(settings, now=lambda: START + 3 * HOUR)
    assert follow_up.run(result(0), report="https://r").problems == []
    followed = follow_up.quality(quality(0, Stage.FINAL, cause("quality:auc")), manifest="s3://manifest")
    assert followed.problems == []
    assert [outcome.verdict for outcome in followed.outcomes] == [Verdict.START]
    assert followed.state is not None
    bodies = aws.client("sqs").receive_message(QueueUrl=queue, MaxNumberOfMessages=10)["Messages"]
    assert sorted("Retraining started" in message["Body"] for message in bodies) == [False, True]
    assert len(list((tmp_path / "textfile").iterdir())) == 1
    assert list((tmp_path / "retraining-runs").iterdir())


def test_without_a_topic_the_process_delivers_itself(tmp_path, monkeypatch):
    with https_servers() as servers:
        (tmp_path / "ca.pem").write_bytes(servers.authority.cert_pem.bytes())
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        monkeypatch.setenv("ROUTING", "0" * 31 + "1")
        monkeypatch.setenv("HOOK", servers.webhook)
        notify = {
            "pagerduty": {"oncall": {"routing_key": "env:ROUTING", "base_url": servers.address}},
            "slack": {"alerts": {"webhook": "env:HOOK"}},
        }
        follow_up = FollowUp(MonitorSettings(output=str(tmp_path / "out"), notify=notify))
        assert follow_up.run(result(0, cause())).problems == []
        assert len(servers.account.incidents) == 1
        servers.expired = True
        problems = follow_up.run(result(1, cause(), cause("data_type:b"))).problems
        assert len(problems) == 1
        assert "not done yet" in problems[0]
        servers.expired = False
        assert follow_up.run(result(2, cause(), cause("data_type:b"))).problems == []
    assert len(servers.workspace.posts) == 2
    assert module.LEASE


def test_a_topic_that_is_gone_is_a_problem_and_no_failure(tmp_path, aws):
    settings = MonitorSettings(output=str(tmp_path), alarms={"topic": "arn:aws:sns:us-east-1:123456789012:gone"})
    followed = FollowUp(settings).run(result(0, cause()))
    assert [problem.partition(":")[0] for problem in followed.problems] == ["alarms"]
    assert followed.state is not None
    assert len(followed.state.outbox) == 1


def test_a_version_that_serves_closes_the_old_ones_and_a_silent_monitor_opens(tmp_path):
    published = Collected()
    clock = [START + 2 * HOUR]
    follow_up = FollowUp(MonitorSettings(output=str(tmp_path)), publisher=published, now=lambda: clock[0])
    follow_up.run(result(0, cause("drift:temp")))
    follow_up.serves(result(0), "4")
    clock[0] += 5 * HOUR
    follow_up.heartbeats("flights", "AllTraffic")
    assert [str(message.items[0].change) for message in published.messages] == ["new", "superseded", "new"]


def test_alarms_without_a_place_are_refused():
    with pytest.raises(UsageError, match=r"set alarms\.store or output"):
        FollowUp(MonitorSettings(alarms={"quiet_hours": 2}))
    with pytest.raises(UsageError, match="quiet_hors"):
        FollowUp(MonitorSettings(output=str(Path("x")), alarms={"quiet_hors": 2}))
    assert FollowUp(MonitorSettings()).run(result(0)).state is None
