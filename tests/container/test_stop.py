"""SIGTERM: every request that reached the endpoint is answered, everything captured is shipped, nothing is left."""

from __future__ import annotations

import io
import itertools
import socket
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pyarrow.dataset
import pyarrow.parquet
import pytest

from capture.shipping.stats import read_stats
from tests.container.artefacts import SLOW
from tests.container.endpoint import Endpoint, free_port, running, wait_for
from tests.container.traffic import outcomes, traffic
from tests.s3_server import S3Server


@pytest.fixture
def slow(tmp_path: Path) -> Iterator[Endpoint]:
    """Answers after as many seconds as the request says; captures into `captured`."""
    env = {
        "CAPTURE_DESTINATION": f"file://{tmp_path}/captured",
        "CAPTURE_SPOOL_DIR": str(tmp_path / "spool"),
    }
    with running(tmp_path, SLOW, env) as endpoint:
        yield endpoint


def captured_ids(directory: Path) -> list[str]:
    files = [str(path) for path in (directory / "captured").rglob("*.parquet")]
    return pyarrow.dataset.dataset(files).to_table(["capture_event_id"]).column(0).to_pylist() if files else []


def ids_in_s3(server: S3Server, bucket: str) -> list[str]:
    client = server.client()
    bodies = [client.get_object(Bucket=bucket, Key=key)["Body"].read() for key in server.keys(bucket)]
    tables = [pyarrow.parquet.read_table(io.BytesIO(body)) for body in bodies if body.startswith(b"PAR1")]
    return [event_id for table in tables for event_id in table.column("capture_event_id").to_pylist()]


def stop_in_mid_traffic(endpoint: Endpoint, keep_alive: bool, captured: Callable[[], list[str]]) -> None:
    with traffic(endpoint.port, clients=8, seconds=0.05, keep_alive=keep_alive) as clients:
        wait_for(lambda: sum(len(client.outcomes) for client in clients) > 24)
        told = time.monotonic()
        assert endpoint.terminate() == 0
        all_outcomes = outcomes(clients)
    lost = [outcome for outcome in all_outcomes if outcome.sent_at <= told and outcome.status != 200]
    assert not lost
    cut = [outcome for outcome in all_outcomes if outcome.status not in (200, None)]
    assert not cut
    assert not endpoint.processes()
    assert not list(endpoint.temporary.iterdir())
    answered = [outcome for outcome in all_outcomes if outcome.status == 200]
    assert all(outcome.answer == [outcome.number] for outcome in answered)
    assert sorted(captured()) == sorted(str(outcome.event_id) for outcome in answered)


@pytest.mark.parametrize("keep_alive", [True, False], ids=["keep-alive", "a connection for each request"])
def test_a_stop_in_mid_traffic_loses_no_request_and_no_record(slow: Endpoint, keep_alive: bool):
    stop_in_mid_traffic(slow, keep_alive, lambda: captured_ids(slow.directory))


@pytest.mark.long
@pytest.mark.parametrize("keep_alive", [True, False], ids=["keep-alive", "a connection for each request"])
def test_fifteen_stops_in_mid_traffic_lose_no_request_and_no_record(
    tmp_path: Path, keep_alive: bool, s3_server: S3Server
):
    for attempt in range(15):
        directory, bucket = tmp_path / str(attempt), s3_server.new_bucket()
        directory.mkdir()
        env = {
            "CAPTURE_DESTINATION": f"s3://{bucket}/captured",
            "CAPTURE_ENDPOINT_NAME": "stopped",
            "CAPTURE_SPOOL_DIR": str(directory / "spool"),
            **s3_server.environment,
        }
        with running(directory, SLOW, env) as endpoint:
            stop_in_mid_traffic(endpoint, keep_alive, partial(ids_in_s3, s3_server, bucket))


def test_ping_says_503_while_requests_are_still_served(slow: Endpoint):
    with traffic(slow.port, clients=1, seconds=1.5, keep_alive=True) as clients:
        wait_for(lambda: clients[0].outcomes)
        assert slow.process is not None
        slow.process.terminate()
        wait_for(lambda: slow.get("/ping").status == 503, 1.0)
        assert slow.invoke({"n": 7, "seconds": 0}).headers["connection"] == "close"
        assert slow.wait() == 0
        first = outcomes(clients)[0]
    assert first.status == 200


def test_an_upload_that_began_before_the_stop_is_answered(slow: Endpoint):
    body = b'{"n": 7, "seconds": 0.1}'
    head = f"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    with socket.create_connection(("127.0.0.1", slow.port), timeout=30) as connection:
        connection.sendall(head.encode() + b"\r\n\r\n" + body[:10])
        wait_for(lambda: slow.get("/ping").status == 200)
        assert slow.process is not None
        slow.process.terminate()
        wait_for(lambda: _refused(slow))
        connection.sendall(body[10:])
        received = b"".join(iter(lambda: connection.recv(65536), b""))
    assert received.startswith(b"HTTP/1.1 200")
    assert received.endswith(b"[7]")
    assert slow.wait() == 0
    assert len(captured_ids(slow.directory)) == 1


def test_all_that_wait_in_the_queue_are_answered(slow: Endpoint):
    with traffic(slow.port, clients=40, seconds=0.15, keep_alive=False) as clients:
        wait_for(lambda: all(client.outcomes for client in clients))
        told = time.monotonic()
        assert slow.terminate() == 0
        waited = [outcome for outcome in outcomes(clients) if outcome.sent_at <= told]
    assert len(waited) >= 40
    assert {outcome.status for outcome in waited} == {200}


def test_a_full_queue_is_answered_to_the_last_request(tmp_path: Path):
    """The model server has no room left when the stop begins: who was refused has 503, everybody else is answered."""
    env = {
        "CAPTURE_DESTINATION": f"file://{tmp_path}/captured",
        "CAPTURE_SPOOL_DIR": str(tmp_path / "spool"),
        "SAGEMAKER_MODEL_SERVER_WORKERS": "1",
        "SAGEMAKER_MAX_PAYLOAD_IN_MB": "1",  # so that the queue has its full length whatever this machine's memory
    }
    with running(tmp_path, SLOW, env) as endpoint:
        with traffic(endpoint.port, clients=106, seconds=0.05, keep_alive=False) as clients:
            wait_for(lambda: sum(outcome.status == 503 for client in clients for outcome in client.outcomes) > 20)
            told = time.monotonic()
            assert endpoint.terminate() == 0
            all_outcomes = outcomes(clients)
        before = [outcome for outcome in all_outcomes if outcome.sent_at <= told]
        assert {outcome.status for outcome in before} == {200, 503}
        refused = [outcome for outcome in all_outcomes if outcome.status == 503]
        assert {outcome.answer["type"] for outcome in refused if isinstance(outcome.answer, dict)} == {"Overloaded"}
        answered = [outcome for outcome in all_outcomes if outcome.status == 200]
        assert sum(outcome.sent_at <= told for outcome in answered) >= 90
        assert sorted(captured_ids(tmp_path)) == sorted(str(outcome.event_id) for outcome in answered)


def test_a_hanging_handler_and_an_s3_that_is_gone_cost_no_more_than_the_time_and_are_counted(tmp_path: Path):
    """All that can hold up a stop at once: it ends in time all the same, says what is left, and leaves it in the spool."""
    env = {
        "CAPTURE_DESTINATION": "s3://bucket/captured",
        "CAPTURE_ENDPOINT_NAME": "stopped",
        "CAPTURE_SPOOL_DIR": str(tmp_path / "spool"),
        "AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{free_port()}",
        "AWS_ACCESS_KEY_ID": "nobody",
        "AWS_SECRET_ACCESS_KEY": "nothing",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    with running(tmp_path, SLOW, env) as endpoint:
        with traffic(endpoint.port, clients=1, seconds=300, keep_alive=False) as clients:
            wait_for(lambda: clients[0].outcomes)
            assert endpoint.invoke({"n": 1, "seconds": 0}).event_id is not None
            begun = time.monotonic()
            assert endpoint.terminate(timeout=30) == 0
            assert time.monotonic() - begun < 25
        assert not endpoint.processes()
        said = [line["message"] for line in endpoint.logs() if "1 records" in line["message"]]
        assert said, endpoint.logs()[-5:]
    assert read_stats(tmp_path / "spool").waiting == 1


def test_a_handler_that_hangs_cannot_hold_up_the_stop(slow: Endpoint):
    with traffic(slow.port, clients=1, seconds=300, keep_alive=False) as clients:
        wait_for(lambda: slow.metric("endpoint_responses_total") and clients[0].outcomes)
        answered = slow.invoke({"n": 1, "seconds": 0}).event_id
        begun = time.monotonic()
        assert slow.terminate(timeout=26) == 0
        assert time.monotonic() - begun < 25
    assert not slow.processes()
    assert captured_ids(slow.directory) == [answered]


def test_a_stop_while_the_model_is_loading_is_prompt_and_clean(tmp_path: Path):
    code = "import time\nprint('loading')\ndef model_fn(d): time.sleep(600)\ndef predict_fn(f, m): pass"
    (tmp_path / "model" / "code").mkdir(parents=True)
    (tmp_path / "model" / "code" / "inference.py").write_text(code)
    endpoint = Endpoint(tmp_path)
    try:
        endpoint.start()
        wait_for(lambda: endpoint.output.exists() and endpoint.log_with(source="worker", message="loading"))
        assert endpoint.terminate(timeout=10) == 0
        assert not endpoint.processes()
        assert not list(endpoint.temporary.iterdir())
        assert not endpoint.stderr
    finally:
        endpoint.remove()


def test_a_second_sigterm_changes_nothing(slow: Endpoint):
    assert slow.process is not None
    slow.process.terminate()
    for _ in itertools.repeat(None, 3):
        slow.process.terminate()
    assert slow.wait() == 0
    assert not slow.processes()


def _refused(endpoint: Endpoint) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", endpoint.port), timeout=5):
            return False
    except ConnectionRefusedError:
        return True
