"""Prometheus, Pushgateway and Alertmanager as Debian ships them: a push is scraped, a rule fires, a silent monitor rings."""

from __future__ import annotations

import datetime as dt
import json
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from msgspec.structs import replace
from prometheus_client import CollectorRegistry, generate_latest

from capture import CaptureBuffer, CaptureConfig
from capture.prometheus import CaptureCollector
from monitoring.publish.prometheus import PushgatewayPublisher, text
from monitoring.publish.samples import of_run
from tests.container import endpoint
from tests.container.artefacts import OBEDIENT
from tests.monitoring.alarms.examples import cause
from tests.monitoring.alarms.results import column, result
from tests.s3_server import free_ports
from tests.system.debian_programs import LIMIT, running, templates_of_alertmanager, unpack

RULES = Path(__file__).resolve().parents[2] / "deploy/prometheus/endpoint-monitor.rules.yml"
SUBJECT = 'endpoint="flights", variant="AllTraffic", monitor="hourly"'


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unpack(tmp_path_factory.mktemp("debian"))


def promtool(programs: Path, *arguments: str, given: bytes = b"") -> str:
    ended = subprocess.run([programs / "promtool", *arguments], input=given, capture_output=True, check=False)
    output = (ended.stdout + ended.stderr).decode()
    assert ended.returncode == 0, output
    return output


def test_the_rules_are_valid_and_fire_when_they_should(programs: Path, tmp_path: Path) -> None:
    promtool(programs, "check", "rules", str(RULES))
    alert: dict[str, Any] = {"endpoint": "flights", "variant": "AllTraffic", "monitor": "hourly", "severity": "page"}
    summary = "The monitor hourly of flights/AllTraffic did not run for 2 hours"
    todo = "Look at the log of the last job and at the schedule. Start one run by hand with --catch-up."
    tests = {
        "rule_files": [str(RULES)],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": [
                    {"series": f"endpoint_monitor_last_run_timestamp_seconds{{{SUBJECT}}}", "values": "0x200"},
                    {"series": f"endpoint_monitor_urgent_causes{{{SUBJECT}}}", "values": "0x60 2x200"},
                ],
                "alert_rule_test": [
                    {"eval_time": "1h", "alertname": "EndpointMonitorSilent", "exp_alerts": []},
                    {
                        "eval_time": "130m",
                        "alertname": "EndpointMonitorSilent",
                        "exp_alerts": [
                            {"exp_labels": alert, "exp_annotations": {"summary": summary, "description": todo}}
                        ],
                    },
                    {"eval_time": "30m", "alertname": "EndpointMonitorUrgentCause", "exp_alerts": []},
                    {
                        "eval_time": "70m",
                        "alertname": "EndpointMonitorUrgentCause",
                        "exp_alerts": [
                            {
                                "exp_labels": alert,
                                "exp_annotations": {
                                    "summary": "flights/AllTraffic: 2 causes ask for a page",
                                    "description": "Open the report of the last run. It says what to do tonight.",
                                },
                            }
                        ],
                    },
                ],
            }
        ],
    }
    path = tmp_path / "rules_test.yml"
    path.write_text(yaml.safe_dump(tests))
    promtool(programs, "test", "rules", str(path))


def test_the_text_is_what_promtool_takes(programs: Path) -> None:
    promtool(programs, "check", "metrics", given=text(of_run(result(0, columns=(column('a"b\n'), column("größe"))))))


def test_promtool_finds_nothing_in_the_metrics_of_an_endpoint_and_of_a_buffer(programs: Path, tmp_path: Path) -> None:
    env = {"CAPTURE_DESTINATION": f"file://{tmp_path}/captured", "CAPTURE_SPOOL_DIR": str(tmp_path / "spool")}
    with endpoint.running(tmp_path, OBEDIENT, env) as started:
        assert started.invoke([1, 2]).status == 200
        assert started.invoke({"raise": "ValueError"}).status == 500
        page = started.get("/metrics").body
    assert b"capture_append_seconds_bucket" in page
    assert promtool(programs, "check", "metrics", given=page) == ""
    config = CaptureConfig(destination=f"file://{tmp_path}/own", spool_dir=tmp_path / "own-spool")
    buffer = CaptureBuffer(config, start_shipper=False)
    assert buffer.append({"a": 1.0}, 0.5)
    registry = CollectorRegistry()
    registry.register(CaptureCollector(buffer))
    assert promtool(programs, "check", "metrics", given=generate_latest(registry)) == ""
    buffer.close(0)


def wait_for(condition: Callable[[], Any], what: str) -> Any:
    deadline = time.monotonic() + LIMIT
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < deadline, f"no {what} after {LIMIT} s"
        time.sleep(0.2)


def asked(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return json.load(answer)


def test_a_push_is_scraped_replaced_and_its_alert_reaches_alertmanager(programs: Path, tmp_path: Path) -> None:
    gateway, server, manager = (f"http://127.0.0.1:{port}" for port in free_ports(3))
    (tmp_path / "alertmanager.yml").write_text("route: {receiver: none}\nreceivers: [{name: none}]\n")
    rules = yaml.safe_load(RULES.read_text())
    for rule in rules["groups"][0]["rules"]:
        rule["for"] = "0s"
    (tmp_path / "rules.yml").write_text(yaml.safe_dump(rules))
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(tmp_path / "rules.yml")],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [manager.removeprefix("http://")]}]}]},
        "scrape_configs": [
            {
                "job_name": "gateway",
                "honor_labels": True,
                "static_configs": [{"targets": [gateway.removeprefix("http://")]}],
            }
        ],
    }
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(config))
    listen = {
        name: address.removeprefix("http://") for name, address in (("g", gateway), ("s", server), ("m", manager))
    }
    commands = [
        ([str(programs / "prometheus-pushgateway"), f"--web.listen-address={listen['g']}"], gateway),
        (
            [
                str(programs / "prometheus-alertmanager"), f"--web.listen-address={listen['m']}",
                f"--config.file={tmp_path / 'alertmanager.yml'}", f"--storage.path={tmp_path / 'am'}",
                "--cluster.listen-address=",
            ],
            manager,
        ),
        (
            [
                str(programs / "prometheus"), f"--web.listen-address={listen['s']}",
                f"--config.file={tmp_path / 'prometheus.yml'}", f"--storage.tsdb.path={tmp_path / 'tsdb'}",
            ],
            server,
        ),
    ]  # fmt: skip
    with (
        templates_of_alertmanager(programs),
        running(commands[0][0], commands[0][1], tmp_path),
        running(commands[1][0], commands[1][1], tmp_path),
        running(commands[2][0], commands[2][1], tmp_path),
    ):
        publisher = PushgatewayPublisher(gateway)
        first = result(0, cause(), created=dt.datetime.now(dt.UTC))
        publisher.publish(of_run(replace(first, columns=(column("gone"), column("kept")))))
        publisher.publish(of_run(replace(first, columns=(column("kept"),))))
        query = f"{server}/api/v1/query?query=" + urllib.parse.quote("endpoint_monitor_feature_drift_linf")
        found = wait_for(lambda: asked(query)["data"]["result"], "sample")
        assert [entry["metric"]["feature"] for entry in found] == ["kept"]
        alerts = wait_for(lambda: asked(f"{manager}/api/v2/alerts"), "alert")
        assert {alert["labels"]["alertname"] for alert in alerts} == {"EndpointMonitorUrgentCause"}
