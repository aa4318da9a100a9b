"""What an endpoint answers: routes, errors, headers, logs, metrics. All tests ask one endpoint."""

from __future__ import annotations

import contextlib
import functools
import json
import re
import socket
from pathlib import Path

import pyarrow.dataset
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.container.artefacts import TINY
from tests.container.endpoint import Endpoint, running, wait_for


def error_of(body: bytes) -> dict[str, str | None]:
    error: dict[str, str | None] = json.loads(body)
    assert set(error) == {"type", "message", "event_id"}
    assert b"Traceback" not in body
    return error


def test_a_ready_endpoint_answers_ping(endpoint: Endpoint):
    assert endpoint.get("/ping").status == 200


def test_an_invocation_is_answered_with_predictions_and_the_event_id_of_its_record(endpoint: Endpoint):
    answer = endpoint.invoke([[1, 2], [3, 4]])
    assert (answer.status, answer.json) == (200, [2, 2])
    assert answer.headers["content-type"] == "application/json"
    assert answer.event_id is not None


def test_accept_decides_the_format_of_the_answer(endpoint: Endpoint):
    answer = endpoint.invoke([[1], [2]], Accept="text/csv")
    assert answer.headers["content-type"].startswith("text/csv")
    assert [float(value) for value in answer.body.split()] == [2, 2]


@pytest.mark.parametrize(
    ("method", "path", "body", "headers", "status", "kind"),
    [
        ("POST", "/invocations", "{", {"Content-Type": "application/json"}, 400, "DecodeError"),
        ("POST", "/invocations", "x", {"Content-Type": "application/x-unknown"}, 415, "UnsupportedMediaType"),
        ("POST", "/invocations", "[1]", {"Content-Type": "application/json", "Accept": "image/png"}, 406, "NotAcceptable"),
        ("POST", "/invocations", "a=1", {"Content-Type": "application/x-www-form-urlencoded"}, 415, "UnsupportedMediaType"),
        ("POST", "/invocations", "--x", {"Content-Type": "multipart/form-data; boundary=x"}, 415, "UnsupportedMediaType"),
        ("POST", "/invocations", b"x" * 1_048_577, {"Content-Type": "text/csv"}, 413, "PayloadTooLarge"),
        ("GET", "/invocations", None, {}, 405, "MethodNotAllowed"),
        ("OPTIONS", "/invocations", None, {}, 405, "MethodNotAllowed"),
        ("GET", "/", None, {}, 404, "NotFound"),
        ("GET", "/models", None, {}, 404, "NotFound"),
        ("POST", "/models", '{"url": "http://evil"}', {"Content-Type": "application/json"}, 404, "NotFound"),
        ("POST", "/models/model/invoke", "[1]", {"Content-Type": "application/json"}, 404, "NotFound"),
        ("POST", "/predictions/model", "[1]", {"Content-Type": "application/json"}, 404, "NotFound"),
        ("GET", "/api-description", None, {}, 404, "NotFound"),
        ("POST", "/metrics", "", {}, 404, "NotFound"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_request_is_said_in_status_and_json(
    endpoint: Endpoint,
    method: str,
    path: str,
    body: bytes | str | None,
    headers: dict[str, str],
    status: int,
    kind: str,
):
    answer = endpoint.request(method, path, body, headers)
    assert (answer.status, error_of(answer.body)["type"]) == (status, kind)
    assert endpoint.invoke([[1]]).status == 200


def test_a_body_over_the_limit_that_comes_in_chunks_is_refused(endpoint: Endpoint):
    chunks = (b"1," * 32_768 for _ in range(20))
    answer = endpoint.request("POST", "/invocations", chunks, {"Content-Type": "text/csv"})
    assert (answer.status, error_of(answer.body)["type"]) == (413, "PayloadTooLarge")


def test_a_body_of_exactly_the_limit_is_taken(endpoint: Endpoint):
    body = b"[" + b"1," * 524_286 + b"1 ]"
    assert len(body) == 1_048_576
    answer = endpoint.request("POST", "/invocations", body, {"Content-Type": "application/json"})
    assert answer.status == 200


def test_a_malformed_request_never_reaches_the_model_server(endpoint: Endpoint):
    before = endpoint.metric("endpoint_responses_total")
    smuggled = b"POST /invocations HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, xchunked\r\n\r\n0\r\n\r\n"
    with socket.create_connection(("127.0.0.1", endpoint.port), timeout=10) as connection:
        connection.sendall(smuggled)
        assert connection.recv(65536).startswith(b"HTTP/1.1 400 ")
    assert endpoint.metric("endpoint_responses_total") == before


@pytest.mark.parametrize("raised", ["ValueError", "SystemExit", "MemoryError"])
def test_an_exception_in_the_handler_is_a_500_that_leaks_nothing_and_the_next_request_is_served(
    endpoint: Endpoint, raised: str
):
    answer = endpoint.invoke({"raise": raised})
    error = error_of(answer.body)
    assert answer.status == 500
    assert "secret" not in str(error)
    assert endpoint.invoke([[1]]).status == 200
    logged = wait_for(lambda: endpoint.log_with(event_id=error["event_id"], level="ERROR"))
    assert "a secret" in logged["traceback"]
    assert logged["stage"] == "predict"


def test_a_failed_request_is_not_captured(endpoint: Endpoint):
    before = endpoint.metric("capture_records_appended_total")
    assert endpoint.invoke({"raise": "ValueError"}).event_id is None
    assert endpoint.metric("capture_records_appended_total") == before


def test_a_response_that_is_too_large_is_an_error_and_not_the_end_of_the_worker(endpoint: Endpoint):
    workers = endpoint.workers
    answer = endpoint.invoke({"bytes": 1_100_000})
    assert (answer.status, error_of(answer.body)["type"]) == (500, "ResponseTooLarge")
    assert endpoint.invoke({"bytes": 1_000_000}).status == 200
    assert endpoint.workers == workers


def test_what_a_handler_sets_in_headers_and_status_is_passed_on_but_can_break_nothing(endpoint: Endpoint):
    workers = endpoint.workers
    odd = {
        "X-Good": "yes",
        "X-Injected": "a\r\nSet-Cookie: b",
        "X-Unicode": "naïve ☃",
        "X-Number": 7,
        "Bad Name": "x",
        "Transfer-Encoding": "chunked",
        "Content-Length": "3",
        "x-endpoint-handler": "no",
    }
    answer = endpoint.invoke({"headers": odd, "status": 202, "phrase": "Schön\r\nX: y"})
    assert (answer.status, answer.json) == (202, [2])
    assert answer.headers["x-good"] == "yes"
    assert answer.headers["x-injected"] == "a Set-Cookie: b"
    assert answer.headers["x-number"] == "7"
    assert not {"set-cookie", "x", "bad name", "x-endpoint-handler"} & set(answer.headers)
    assert endpoint.workers == workers


def test_a_status_that_the_handler_makes_an_error_is_passed_on_and_not_captured(endpoint: Endpoint):
    answer = endpoint.invoke({"status": 418})
    assert (answer.status, answer.json, answer.event_id) == (418, [2], None)


@pytest.mark.parametrize("status", [204, 205, 304])
def test_a_status_without_a_body_has_none_and_the_next_answer_is_its_own(endpoint: Endpoint, status: int):
    ask = b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
    bodies = [json.dumps({"status": status}).encode(), b"[[1]]"]
    received = b""
    with socket.create_connection(("127.0.0.1", endpoint.port), timeout=10) as connection:
        connection.sendall(b"".join(ask % (len(body), body) for body in bodies))
        while not received.endswith(b"[2]"):
            data = connection.recv(65536)
            assert data, received
            received += data
    assert received.startswith(b"HTTP/1.1 %d" % status)
    assert received.count(b"[2]") == 1


@pytest.mark.parametrize("status", [0, 100, 199, 600, 1000, "200", None, [1]])
def test_a_status_that_is_none_is_an_error_of_the_handler(endpoint: Endpoint, status: object):
    workers = endpoint.workers
    answer = endpoint.invoke({"status": status})
    assert (answer.status, error_of(answer.body)["type"]) == (500, "EncodeError")
    assert endpoint.workers == workers


def test_headers_that_are_too_many_are_dropped_and_said(endpoint: Endpoint):
    workers = endpoint.workers
    many = {f"X-{number}": "x" * 1000 for number in range(30)}
    answer = endpoint.invoke({"headers": many})
    assert answer.status == 200
    assert answer.event_id is not None
    assert 5 <= sum(name.startswith("x-") and len(value) == 1000 for name, value in answer.headers.items()) <= 7
    assert wait_for(lambda: endpoint.log_with(event_id=answer.event_id, message="X-29"))
    assert endpoint.workers == workers


def test_nothing_of_the_caller_s_headers_comes_back(endpoint: Endpoint):
    answer = endpoint.invoke([[1]], X_Amzn_SageMaker_Custom_Attributes="from-caller", X_Endpoint_Handler="1")
    assert "from-caller" not in str(answer.headers)
    assert answer.headers["x-amzn-sagemaker-custom-attributes"] == f"event-id={answer.event_id}"


HOSTILE = '../../up\t%2e%2e/{"_aws": {}, "injected": 1}'


def test_what_a_caller_sends_in_a_header_gets_into_no_response_no_key_and_no_log_line_of_its_own(endpoint: Endpoint):
    ids = {"X_Amzn_SageMaker_Inference_Id": HOSTILE, "X_Amzn_SageMaker_Custom_Attributes": HOSTILE}
    named = {**ids, "X_Amzn_SageMaker_Target_Model": HOSTILE, "X_Amzn_SageMaker_Session_Id": HOSTILE}
    kept = endpoint.invoke([[1]], **named)
    types = (HOSTILE, f"application/x-{HOSTILE}", f"text/csv; charset={HOSTILE}")
    refused = [endpoint.request("POST", "/invocations", "1", {"Content-Type": media_type}) for media_type in types]
    refused.append(endpoint.invoke([[1]], Accept=HOSTILE))
    assert kept.status == 200
    assert {answer.status for answer in refused} == {406, 415}
    assert not [answer for answer in [kept, *refused] if "up" in str(answer.headers)]

    def captured() -> list[Path]:
        # A hidden file is being written, and gets its name when it is whole.
        found = (endpoint.directory / "captured").rglob("*")
        return sorted(path for path in found if path.is_file() and not path.name.startswith("."))

    def there() -> bool:
        objects = [str(path) for path in captured() if path.suffix == ".parquet"]
        columns = ["capture_inference_id", "capture_custom_attributes", "capture_model_name"]
        rows = pyarrow.dataset.dataset(objects).to_table(columns).to_pylist() if objects else []
        return dict(zip(columns, (HOSTILE, HOSTILE, "model"), strict=True)) in rows

    wait_for(there)
    key = r"(_ledger/)?local/AllTraffic/\d{4}/\d\d/\d\d/(\d\d/)?[0-9A-Za-z-]+\.(parquet|json)"
    names = [str(path.relative_to(endpoint.directory / "captured")) for path in captured()]
    assert [name for name in names if not re.fullmatch(key, name)] == []
    for answer in refused:
        assert wait_for(functools.partial(endpoint.log_with, event_id=error_of(answer.body)["event_id"]))
    assert [line for line in endpoint.logs() if "injected" in line] == []


def test_the_event_id_is_appended_to_the_custom_attributes_of_the_handler(endpoint: Endpoint):
    answer = endpoint.invoke({"headers": {"X-Amzn-SageMaker-Custom-Attributes": "model=7"}})
    assert answer.headers["x-amzn-sagemaker-custom-attributes"] == f"model=7; event-id={answer.event_id}"


def test_query_strings_do_not_reach_the_handler(endpoint: Endpoint):
    answer = endpoint.request("POST", "/invocations?body=1", "[[1]]", {"Content-Type": "application/json"})
    assert (answer.status, answer.json) == (200, [2])


def test_execution_parameters_say_what_batch_transform_asks(endpoint: Endpoint):
    assert endpoint.get("/execution-parameters").json == {
        "MaxConcurrentTransforms": 2,
        "BatchStrategy": "MULTI_RECORD",
        "MaxPayloadInMB": 1,
    }


def test_every_print_is_a_json_line_with_the_event_id_and_breaks_nothing(endpoint: Endpoint):
    hard = ["[PID] x", "[METRICS]", 'a "quote" and a \\', "ünïcode ☃", "{not json", "x" * 100_000]
    answer = endpoint.invoke({"print": hard, "stderr": "to stderr", "log": "to logging", "thread": "from a thread"})
    assert answer.status == 200
    for text in [*hard, "to stderr", "to logging", "from a thread"]:
        line = wait_for(functools.partial(endpoint.log_with, message=text))
        assert line["event_id"] == answer.event_id
        assert line["source"] == "worker"
    assert endpoint.invoke({"print": ["again"]}).status == 200


def test_what_bypasses_python_is_a_json_line_too(endpoint: Endpoint):
    endpoint.invoke({"write": "written by C\n", "run": "echo written by a child"})
    assert wait_for(lambda: endpoint.log_with(message="written by C"))["source"] == "worker"
    assert wait_for(lambda: endpoint.log_with(message="written by a child"))["source"] == "worker"


def test_what_java_and_the_supervisor_say_are_json_lines_too(endpoint: Endpoint):
    assert wait_for(lambda: endpoint.log_with(source="java", message="Model server started"))["level"] == "INFO"
    assert endpoint.log_with(source="supervisor", message="ready after")


def test_a_json_object_for_cloudwatch_is_passed_with_who_printed_it(endpoint: Endpoint):
    endpoint.invoke({"print": ['{"_aws": {}, "Loads": 7, "source": "supervisor", "level": "CRITICAL"}']})
    line = wait_for(lambda: next((line for line in endpoint.logs() if line.get("Loads") == 7), None))
    assert {"_aws": {}, "Loads": 7, "source": "worker", "level": "INFO"}.items() <= line.items()


def test_metrics_are_valid_and_added_up_over_the_workers(endpoint: Endpoint):
    before = endpoint.metric("endpoint_requests_total").get('endpoint_requests_total{status="200"}', 0)
    pids: list[int] = []
    while len(set(pids)) < 2 or len(pids) < 20:
        assert len(pids) < 1000, "one worker answers everything"
        pids.append(endpoint.invoke({"pid": 1}).json)
    answer = endpoint.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    families = {family.name: family for family in text_string_to_metric_families(answer.body.decode())}
    requests = {sample.labels["status"]: sample.value for sample in families["endpoint_requests"].samples}
    assert requests["200"] == before + len(pids)
    assert {"endpoint_stage_seconds", "capture_records_appended", "endpoint_workers", "endpoint_ready"} <= set(families)
    stages = {sample.labels["stage"] for sample in families["endpoint_stage_seconds"].samples}
    assert {"decode", "features", "predict", "encode", "capture"} <= stages


def test_a_user_s_own_metrics_are_there_too(endpoint: Endpoint):
    before = endpoint.metric("users_widgets_total").get("users_widgets_total", 0)
    endpoint.invoke({"count": 3})
    assert endpoint.metric("users_widgets_total") == {"users_widgets_total": before + 3}


def test_answers_that_no_handler_made_are_counted_too(endpoint: Endpoint):
    before = endpoint.metric("endpoint_responses_total")['endpoint_responses_total{class="4xx"}']
    endpoint.request("POST", "/invocations", "a=1", {"Content-Type": "application/x-www-form-urlencoded"})
    endpoint.request("GET", "/invocations")
    after = endpoint.metric("endpoint_responses_total")['endpoint_responses_total{class="4xx"}']
    assert after == before + 2


def test_capture_counters_balance(endpoint: Endpoint):
    endpoint.invoke([[1]])

    def settled() -> bool:
        shown = endpoint.metric("capture_records_")
        lost = sum(value for name, value in shown.items() if name.startswith("capture_records_dropped_total"))
        return (
            shown["capture_records_appended_total"]
            == (shown["capture_records_shipped_total"] + shown["capture_records_waiting"] + lost)
            and shown["capture_records_shipped_total"] > 0
        )

    wait_for(settled)


def test_the_management_api_is_on_no_port(endpoint: Endpoint):
    inodes = set()
    for pid in endpoint.processes():
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                inodes.add(str(descriptor.readlink()).removeprefix("socket:[").removesuffix("]"))
    listening = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in inodes:
                listening.add(int(fields[1].rpartition(":")[2], 16))
    assert listening == {endpoint.port}


def test_two_requests_on_one_connection_each_get_their_answer(endpoint: Endpoint):
    one = b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 5\r\n\r\n[[1]]"
    received = b""
    with socket.create_connection(("127.0.0.1", endpoint.port), timeout=10) as connection:
        connection.sendall(one + one)
        while received.count(b"[2]") < 2:
            data = connection.recv(65536)
            assert data, received
            received += data
    assert received.count(b"HTTP/1.1 200") == 2


def test_counters_stand_at_zero_from_the_start_and_metrics_follow_prometheus_s_rules(tmp_path: Path):
    env = {"CAPTURE_DESTINATION": f"file://{tmp_path}/captured", "CAPTURE_SPOOL_DIR": str(tmp_path / "spool")}
    with running(tmp_path, TINY, env) as fresh:
        families = {
            family.name: family for family in text_string_to_metric_families(fresh.get("/metrics").body.decode())
        }
    values = {(sample.name, *sorted(sample.labels.items())): sample.value for family in families.values() for sample in family.samples}  # fmt: skip
    for status in ("200", "400", "500", "503"):
        assert values["endpoint_requests_total", ("status", status)] == 0
    for reason in ("too_large", "unencodable", "spool_full", "corrupt"):
        assert values["capture_records_dropped_total", ("reason", reason)] == 0
    assert values["endpoint_request_seconds_count",] == 0
    for family in families.values():
        assert family.documentation, family.name
        for sample in family.samples:
            assert "quantile" not in sample.labels or family.type == "summary", sample
            assert "le" not in sample.labels or family.type == "histogram", sample
            assert (family.type == "counter") == sample.name.endswith("_total"), sample
