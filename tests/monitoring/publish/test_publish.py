"""Metrics for CloudWatch, EMF, Prometheus and OpenTelemetry: what each of them takes, whatever the columns are called."""

from __future__ import annotations

import datetime as dt
import gzip
import http.server
import io
import json
import math
import threading
from contextlib import contextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from prometheus_client.parser import text_string_to_metric_families

from monitoring.errors import MonitoringError, UsageError
from monitoring.publish import metrics_file
from monitoring.publish.cloudwatch import CloudWatchPublisher
from monitoring.publish.destination import NAMES, PublishSettings, parse, publish, publisher_of
from monitoring.publish.emf import EmfPublisher, documents
from monitoring.publish.names import metric_name
from monitoring.publish.otlp import OtlpPublisher
from monitoring.publish.prometheus import PushgatewayPublisher, TextFilePublisher, text
from monitoring.publish.samples import of_quality, of_run
from monitoring.publish.table import TABLE, MetricLevel
from monitoring.quality.maturity import LabelStage
from monitoring.quality.metric import Metric
from monitoring.result import Subject, WindowCompleteness
from monitoring.window import TIMELESS
from tests.monitoring.alarms.examples import HOUR, START, cause
from tests.monitoring.alarms.results import column, result
from tests.monitoring.alarms.test_quality_observation import quality
from tests.monitoring.publish.cloudwatch_rules import Refused, check_datum, check_request

ODD_NAMES = ["Phone No.", "größe", "<img src=x>", 'a"b\n', "x" * 255, "\ud800", "😀", " "]


def requests_of(batch, **more):
    return list(CloudWatchPublisher(**more).requests(batch))


def test_cloudwatch_gets_model_monitors_names_with_its_dimensions(aws):
    seen = replace(result(0, cause()), created=dt.datetime.now(dt.UTC))
    seen = replace(seen, end=seen.created - HOUR, start=seen.created - 2 * HOUR)
    assert publish(seen, PublishSettings(to=("cloudwatch",))) == []
    found = aws.client("cloudwatch").list_metrics(Namespace="aws/sagemaker/Endpoints/data-metrics")["Metrics"]
    names = {entry["MetricName"] for entry in found}
    assert {"feature_baseline_drift_temp", "feature_non_null_temp", "feature_data_temp", "monitor_heartbeat"} <= names
    assert "feature_baseline_drift_weekday" not in names
    assert {tuple(sorted(d["Name"] for d in entry["Dimensions"])) for entry in found} == {
        ("Endpoint", "MonitoringSchedule")
    }


def test_a_features_values_are_a_statistic_set():
    [(_, data)] = requests_of(of_run(result(0)))
    [datum] = [entry for entry in data if entry["MetricName"] == "feature_data_temp"]
    assert datum["StatisticValues"] == {"SampleCount": 900, "Sum": 900 * 71.5, "Minimum": 50.0, "Maximum": 101.0}
    assert datum["Timestamp"] == START + HOUR


@pytest.mark.parametrize(
    ("age", "old", "expected"), [(1, False, True), (4, False, False), (4, True, True), (400, True, False)]
)
def test_a_windows_metric_is_published_while_cloudwatch_shows_it_and_the_runs_always(age, old, expected):
    seen = result(0, created=START + HOUR + age * HOUR)
    [(_, data)] = requests_of(of_run(seen), old_windows=old)
    names = {datum["MetricName"]: datum["Timestamp"] for datum in data}
    assert names["monitor_heartbeat"] == seen.created
    assert ("feature_baseline_drift_temp" in names) is expected
    check_request("n", data, seen.created)


def test_rows_without_times_are_published_at_the_time_of_the_run_and_have_no_window_end():
    batch = of_run(replace(result(0), start=TIMELESS.start, end=TIMELESS.end))
    [(_, data)] = requests_of(batch)
    assert {datum["Timestamp"] for datum in data} == {batch.created}
    assert "monitor_window_end_timestamp" not in {datum["MetricName"] for datum in data}
    assert b"1970" not in metrics_file.encode(batch)
    assert "endpoint_monitor_window_end_timestamp_seconds" not in text(batch).decode()


def test_the_checker_refuses_what_moto_lets_through():
    good = {"MetricName": "m", "Unit": "None", "Timestamp": START, "Value": 1.0, "Dimensions": []}
    check_datum(good, START)
    for wrong in (
        {"Value": math.inf},
        {"Value": math.nan},
        {"MetricName": "é"},
        {"MetricName": "m" * 256},
        {"Timestamp": START - dt.timedelta(days=21)},
        {"Unit": "Furlongs"},
        {"Dimensions": [{"Name": "Endpoint", "Value": "größe"}]},
        {"Dimensions": [{"Name": "Endpoint", "Value": " "}]},
    ):
        with pytest.raises(Refused):
            check_datum({**good, **wrong}, START)
    with pytest.raises(Refused):
        check_request("n", [good] * 1_001, START)


def test_infinite_and_missing_numbers_reach_no_service():
    seen = column().window
    assert seen is not None
    odd = column("r", linf=math.inf, window=replace(seen, mean=math.nan, infinities=(4, 6)))
    batch = of_run(result(0, columns=(odd,), completeness=WindowCompleteness(None, 0, None)))
    assert {sample.spec.key for sample in batch.samples if sample.name == "r"} == {
        "non_null", "null", "completeness", "unique",
    }  # fmt: skip
    assert "complete" not in {sample.spec.key for sample in batch.samples}
    for _, data in requests_of(batch):
        check_request("n", data, batch.created)


@settings(max_examples=50)
@given(
    st.lists(st.one_of(st.sampled_from(ODD_NAMES), st.text(st.characters(codec=None))), min_size=1, unique=True),
    st.text(),
)
def test_whatever_the_columns_are_called_every_service_takes_them_and_none_collide(names, endpoint):
    columns = tuple(column(name, linf=1e300) for name in names)
    batch = of_run(result(0, columns=columns))
    batch = type(batch)(Subject(endpoint, "v", "m", None, endpoint), batch.created, batch.window_end, batch.samples)
    published = []
    for namespace, data in requests_of(batch):
        check_request(namespace, data, batch.created)
        published += [datum["MetricName"] for datum in data]
    assert len(set(published)) == len(published)
    families = list(text_string_to_metric_families(text(batch).decode()))
    drift = next(family for family in families if family.name == "endpoint_monitor_feature_drift_linf")
    assert len(drift.samples) == len(names)
    for document in documents(batch):
        check_emf(document)


def check_emf(document):
    assert len(json.dumps(document).encode()) <= 256 * 1024
    [directive] = document["_aws"]["CloudWatchMetrics"]
    assert len(directive["Metrics"]) <= 100
    for name in directive["Dimensions"][0]:
        assert document[name].strip()
    for entry in directive["Metrics"]:
        assert isinstance(document[entry["Name"]], int | float)
        assert math.isfinite(document[entry["Name"]])


def test_names_that_do_not_fit_end_with_a_digest():
    first, second = (metric_name("feature_data_{name}", "é" * count) for count in (1, 2))
    assert first != second
    assert len(metric_name("feature_estimated_unique_values_{name}", "x" * 255)) == 255
    assert metric_name("feature_data_{name}", "temp") == "feature_data_temp"


def test_emf_is_a_line_a_document():
    stream = io.StringIO()
    EmfPublisher(stream).publish(of_run(result(0, columns=tuple(column(f"c{n}") for n in range(60)))))
    found = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert len(found) > 3
    for document in found:
        check_emf(document)
    assert found[0]["Endpoint"] == "flights"


def test_prometheus_has_the_feature_as_a_label_and_no_time(tmp_path):
    publisher = TextFilePublisher(str(tmp_path / "textfile"))
    for hour in (0, 1):
        publisher.publish(of_run(result(hour, columns=(column('a"b\\c\nd'),))))
    [path] = (tmp_path / "textfile").iterdir()
    assert path.name == "endpoint_monitor_flights_AllTraffic_hourly.prom"
    families = {family.name: family.samples for family in text_string_to_metric_families(path.read_text())}
    [drift] = families["endpoint_monitor_feature_drift_linf"]
    assert drift.labels == {
        "endpoint": "flights", "variant": "AllTraffic", "monitor": "hourly", "feature": 'a"b\\c\nd'
    }  # fmt: skip
    assert drift.value == 0.998
    assert {sample.timestamp for samples in families.values() for sample in samples} == {None}


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(MonitoringError, match="cannot write"):
        TextFilePublisher(str(tmp_path / "file" / "x")).publish(of_run(result(0)))


def test_quality_is_published_when_its_window_is_final():
    metrics = (Metric("auc", 0.71), Metric("recall", None, reason="one class"))
    batch = of_quality(replace(quality(0, LabelStage.PROVISIONAL), metrics=metrics))
    assert [sample.name for sample in batch.samples if sample.spec.level is MetricLevel.QUALITY] == []
    batch = of_quality(replace(quality(0, LabelStage.FINAL), metrics=metrics))
    requests = dict(requests_of(batch, old_windows=True))
    [datum] = requests["aws/sagemaker/Endpoints/model-metrics"]
    assert (datum["MetricName"], datum["Value"]) == ("auc", 0.71)


class Collector(http.server.BaseHTTPRequestHandler):
    """An OpenTelemetry collector over HTTP that keeps what it receives."""

    received: list[ExportMetricsServiceRequest]
    status = 200

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        self.received.append(ExportMetricsServiceRequest.FromString(body))
        self.send_response(self.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *arguments):
        """Keeps a green run quiet."""


@contextmanager
def collector(status=200):
    received: list[ExportMetricsServiceRequest] = []
    handler = type("Handler", (Collector,), {"received": received, "status": status})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1/metrics", received
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_opentelemetry_gets_gauges_with_the_feature_as_an_attribute():
    with collector() as (url, received):
        OtlpPublisher(url).publish(of_run(result(0)))
    [request] = received
    [metrics] = [scope.metrics for scope in request.resource_metrics[0].scope_metrics]
    gauges = {entry.name: entry.gauge.data_points for entry in metrics}
    assert set(gauges) == {spec.prometheus for spec in TABLE if spec.level is not MetricLevel.QUALITY}
    [point] = gauges["endpoint_monitor_feature_drift_linf"]
    assert point.as_double == 0.998
    assert {entry.key: entry.value.string_value for entry in point.attributes} == {
        "feature": "temp",
        "monitor": "hourly",
    }


def test_a_destination_that_refuses_stops_neither_the_others_nor_the_run(tmp_path):
    with collector(400) as (url, _):
        chosen = PublishSettings(
            to=("otlp", "pushgateway", "prometheus"), otlp=url, pushgateway="http://127.0.0.1:1", textfile=str(tmp_path)
        )
        problems = publish(result(0), chosen)
    assert [problem.partition(":")[0] for problem in problems] == ["otlp", "pushgateway"]
    assert len(list(tmp_path.iterdir())) == 1


def test_features_can_be_chosen(tmp_path):
    chosen = PublishSettings(to=("prometheus",), textfile=str(tmp_path), features=("wind_*",))
    publish(result(0, columns=(column("temp"), column("wind_gust"))), chosen)
    [path] = tmp_path.iterdir()
    assert 'feature="wind_gust"' in path.read_text()
    assert 'feature="temp"' not in path.read_text()


@pytest.mark.parametrize(
    ("table", "named"),
    [
        ({"to": ["graphite"]}, "graphite"),
        ({"namespace": "AWS/SageMaker"}, "not starting with"),
        ({"namespace": ""}, "1 to 255"),
        ({"too": []}, "too"),
    ],
)
def test_a_mistake_is_named(table, named):
    with pytest.raises(UsageError, match=named):
        parse(table)


def test_a_destination_without_its_address_is_named():
    for name in ("prometheus", "pushgateway"):
        with pytest.raises(UsageError, match=f"publish.{name}"):
            publish(result(0), PublishSettings(to=(name,)))
    with pytest.raises(UsageError, match="pushgateway"):
        PushgatewayPublisher("gateway:9091")
    assert [type(publisher_of(name, PublishSettings(textfile="x", pushgateway="http://x"))) for name in NAMES]


def test_cloudwatch_that_does_not_answer_is_named(monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(MonitoringError, match="cannot publish metrics to CloudWatch"):
        CloudWatchPublisher(client=quick_client).publish(of_run(result(0)))


def quick_client():
    import boto3
    from botocore.config import Config

    return boto3.client("cloudwatch", config=Config(retries={"total_max_attempts": 1}))


def test_the_table_has_each_name_once():
    for names in (
        [spec.key for spec in TABLE],
        [spec.cloudwatch for spec in TABLE],
        [spec.prometheus for spec in TABLE],
    ):
        assert len(set(names)) == len(names)
