"""What follows a run: metrics, the message, retraining; with a topic, or delivered by the process itself."""

from __future__ import annotations

import sys

import pytest

from monitoring.alarms.policy import Policy
from monitoring.alarms.register import AlarmRegister
from monitoring.errors import MonitoringError
from monitoring.publish.destination import PublishSettings
from monitoring.quality.maturity import LabelStage
from monitoring.schedule.consequences import Acting, acting
from monitoring.settings import MonitorSettings
from monitoring.storage import open_storage
from tests.monitoring.alarms.examples import HOUR, START, cause
from tests.monitoring.alarms.results import result
from tests.monitoring.alarms.test_quality_observation import quality
from tests.monitoring.alarms.test_register import Collected
from tests.monitoring.notify.https_servers import https_servers


def test_a_fall_of_quality_is_published_announced_and_retrained_for(tmp_path, aws, monkeypatch):
    monkeypatch.chdir(tmp_path)
    topic, queue, _ = aws.topic_and_queue()
    rule = {"name": "risk", "causes": ["quality:*"], "command": [sys.executable, "-c", "print('trained')"]}
    settings = MonitorSettings(
        output=str(tmp_path),
        publish={"to": ["prometheus"], "textfile": str(tmp_path / "textfile")},
        alarms={"topic": topic},
        retraining={"rule": [rule]},
    )
    made = acting(settings, "s3://manifest")
    made.after(result(0), "https://reports.example/1")
    made.after_quality(quality(0, LabelStage.PROVISIONAL, cause("quality:auc")))
    made.after_quality(quality(0, LabelStage.FINAL, cause("quality:auc")))
    made.after_quality(quality(0, LabelStage.FINAL, cause("quality:auc")))
    bodies = aws.client("sqs").receive_message(QueueUrl=queue, MaxNumberOfMessages=10)["Messages"]
    assert sorted("Retraining started" in message["Body"] for message in bodies) == [False, True]
    assert len(list((tmp_path / "textfile").iterdir())) == 1


def test_without_a_topic_the_process_delivers_itself_and_tries_again(tmp_path, monkeypatch):
    with https_servers() as servers:
        (tmp_path / "ca.pem").write_bytes(servers.authority.cert_pem.bytes())
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        monkeypatch.setenv("ROUTING", "0" * 31 + "1")
        monkeypatch.setenv("HOOK", servers.webhook)
        notify = {
            "pagerduty": {"oncall": {"routing_key": "env:ROUTING", "base_url": servers.address}},
            "slack": {"alerts": {"webhook": "env:HOOK"}},
        }
        made = acting(MonitorSettings(output=str(tmp_path / "out"), notify=notify))
        made.after(result(0, cause()), "")
        servers.expired = True
        with pytest.raises(MonitoringError, match="not done yet"):
            made.after(result(1, cause(), cause("data_type:b")), "")
        servers.expired = False
        made.after(result(1, cause(), cause("data_type:b")), "")
    assert len(servers.account.pages()) >= 2
    assert len(servers.workspace.posts) == 2


def test_the_only_version_that_serves_closes_the_others_and_a_silent_monitor_opens(tmp_path):
    published, clock = Collected(), [START + 2 * HOUR]
    register = AlarmRegister(open_storage(str(tmp_path)), Policy(), published)
    made = Acting(register, PublishSettings(), now=lambda: clock[0])
    made.after(result(0, cause("drift:temp")), "")
    made.after(result(1, version="4"), "")
    made.after(result(0, version="3"), "")
    clock[0] += 5 * HOUR
    made.check_heartbeats("flights", "AllTraffic")
    assert [str(message.items[0].change) for message in published.messages] == ["new", "superseded", "new"]
