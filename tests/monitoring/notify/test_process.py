"""`monitoring notify` as a process: over HTTPS, killed with SIGKILL in the middle of its calls, stopped with SIGTERM."""

import datetime as dt
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from monitoring.alarms.message import encode
from monitoring.notify.deliverer import LEASE, Deliverer
from monitoring.notify.pagerduty import PagerDutyChannel
from monitoring.notify.secrets import Secrets
from monitoring.notify.settings import load
from monitoring.notify.slack import SlackChannel
from monitoring.storage import open_storage
from tests.monitoring.alarms.examples import cause, window
from tests.monitoring.notify.messages import conversation
from tests.moto_server import Aws

LIMIT = 60.0
KEY = "0" * 31 + "1"


class Notifier:
    """The process, its settings, and the queue that it reads."""

    def __init__(self, folder: Path, servers, aws: Aws) -> None:
        self.folder, self.servers, self.aws = folder, servers, aws
        _, self.queue, _ = aws.topic_and_queue(receives=50)
        (folder / "ca.pem").write_bytes(servers.authority.cert_pem.bytes())
        (folder / "monitor.toml").write_text(
            f'[notify]\nstate = "{folder}/state"\nqueue = "{self.queue}"\n'
            f'[notify.pagerduty.oncall]\nrouting_key = "env:ROUTING"\nbase_url = "{servers.address}"\n'
            '[notify.slack.alerts]\nwebhook = "env:HOOK"\n'
        )

    def start(self) -> subprocess.Popen:
        environment = {
            **os.environ,
            "ROUTING": KEY,
            "HOOK": self.servers.webhook,
            "SSL_CERT_FILE": str(self.folder / "ca.pem"),
        }
        command = [
            sys.executable,
            "-m",
            "monitoring",
            "notify",
            "--config",
            str(self.folder / "monitor.toml"),
            "--json",
        ]
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=log, text=True)

    def send(self, message) -> None:
        self.aws.client("sqs").send_message(QueueUrl=self.queue, MessageBody=encode(message).decode())

    def left(self) -> int:
        found = self.aws.client("sqs").get_queue_attributes(QueueUrl=self.queue, AttributeNames=["All"])["Attributes"]
        return int(found["ApproximateNumberOfMessages"]) + int(found["ApproximateNumberOfMessagesNotVisible"])


def wait_for(condition, what: str) -> None:
    deadline = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < deadline, f"no {what} after {LIMIT} s"
        time.sleep(0.05)


@pytest.fixture
def notifier(tmp_path, servers, aws):
    return Notifier(tmp_path, servers, aws)


def test_the_process_delivers_and_stops_with_what_it_counted(notifier, servers):
    opened, closed = conversation(window(0, cause()), *(window(hour) for hour in range(1, 8)))
    notifier.send(opened)
    process = notifier.start()
    try:
        wait_for(lambda: notifier.left() == 0, "empty queue")
        notifier.send(closed)
        wait_for(lambda: notifier.left() == 0, "empty queue")
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=LIMIT)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0
    assert output == '{"delivered": 2}\n'
    assert [entry.is_open for entry in servers.account.incidents] == [False]
    assert len(servers.workspace.posts) == 2
    log = (notifier.folder / "log").read_text()
    assert KEY not in log
    assert "secret-part" not in log


def test_a_process_that_is_killed_inside_its_call_is_taken_over_and_pages_once(notifier, servers):
    """The service took the call; the process dies before it hears of it."""
    reached, free = threading.Event(), threading.Event()
    trigger = servers.account.trigger

    def held(*arguments):
        trigger(*arguments)
        reached.set()
        free.wait(LIMIT)

    servers.account.trigger = held
    [opened] = conversation(window(0, cause()))
    notifier.send(opened)
    process = notifier.start()
    try:
        assert reached.wait(LIMIT)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        free.set()
    servers.account.trigger = trigger
    assert servers.account.pages() == {opened.items[0].page_key: 1}

    settings, _ = load(notifier.folder / "monitor.toml")
    context = servers.client_context()
    later = Deliverer(
        open_storage(settings.state), settings, Secrets({"ROUTING": KEY, "HOOK": servers.webhook}),
        PagerDutyChannel(context), SlackChannel(context), lambda: dt.datetime.now(dt.UTC) + LEASE,
    )  # fmt: skip
    later.deliver(opened)
    assert servers.account.pages() == {opened.items[0].page_key: 1}
    assert servers.account.incidents[0].updates == 1
    [posted] = servers.workspace.posts
    assert not posted.text.startswith("(may be a repeat)")
