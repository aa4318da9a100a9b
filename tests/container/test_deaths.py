"""Whatever is killed: what is lost is known, what can go on goes on, and no process is left behind."""

from __future__ import annotations

import http.client
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow.dataset
import pytest

from tests.container.artefacts import OBEDIENT
from tests.container.endpoint import Answer, Endpoint, running, wait_for


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Endpoint]:
    """Serves OBEDIENT and captures."""
    env = {
        "CAPTURE_DESTINATION": f"file://{tmp_path}/captured",
        "CAPTURE_SPOOL_DIR": str(tmp_path / "spool"),
        "SAGEMAKER_MODEL_SERVER_TIMEOUT_SECONDS": "2",
    }
    with running(tmp_path, OBEDIENT, env) as endpoint:
        yield endpoint


def captured_ids(directory: Path) -> set[str]:
    files = [str(path) for path in (directory / "captured").rglob("*.parquet")]
    return set(pyarrow.dataset.dataset(files).to_table(["capture_event_id"]).column(0).to_pylist()) if files else set()


def in_background(call: Callable[[], Answer | None]) -> tuple[threading.Thread, list[Answer | None]]:
    answers: list[Answer | None] = []
    thread = threading.Thread(target=lambda: answers.append(call()), daemon=True)
    thread.start()
    return thread, answers


def test_a_worker_killed_in_mid_request_loses_that_request_alone(served: Endpoint):
    acknowledged = {served.invoke([[n]]).event_id for n in range(10)}
    before = served.workers
    answer = served.invoke({"kill": signal.SIGKILL})
    assert (answer.status, answer.json["type"]) == (500, "WorkerDied")
    acknowledged |= {served.invoke([[n]]).event_id for n in range(10)}
    wait_for(lambda: len(served.workers) == 2 and served.workers != before, 10.0)
    wait_for(lambda: served.metric("endpoint_workers{") == {'endpoint_workers{model="model"}': 2})
    assert served.metric("endpoint_workers_ended_total") == {"endpoint_workers_ended_total": 1}
    assert served.get("/ping").status == 200
    line = wait_for(lambda: served.log_with(level="ERROR", message="which is lost"))
    assert line["event_id"] not in acknowledged
    assert served.terminate() == 0
    assert captured_ids(served.directory) == acknowledged


@pytest.mark.long
def test_the_replacement_of_a_killed_worker_answers_within_three_seconds(tmp_path: Path):
    """The median of three: one may meet a busy machine."""
    seconds = []
    with running(tmp_path, OBEDIENT, {"SAGEMAKER_MODEL_SERVER_WORKERS": "1"}) as endpoint:
        for _ in range(3):
            (worker,) = wait_for(lambda: endpoint.workers)
            os.kill(worker, signal.SIGKILL)
            begun = time.monotonic()
            answer = wait_for(lambda: _answered(endpoint))
            seconds.append(time.monotonic() - begun)
            assert answer.json != worker
    assert sorted(seconds)[1] < 3.0, seconds


def test_all_workers_killed_at_once_are_replaced(served: Endpoint):
    before = set(served.workers)
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    answer = wait_for(lambda: _answered(served), 5.0)
    assert answer.json not in before


def test_a_handler_that_hangs_is_ended_at_its_limit_and_leaks_no_process(served: Endpoint):
    before = set(served.workers)
    answer = served.invoke({"sleep": 600})
    assert (answer.status, answer.json["type"]) == (500, "WorkerDied")
    wait_for(lambda: len(before & set(served.workers)) == 1)
    wait_for(lambda: served.metric("endpoint_workers{") == {'endpoint_workers{model="model"}': 2})
    wait_for(lambda: len(served.workers) == 2)
    # Where it hung is in the log.
    assert wait_for(lambda: served.log_with(source="worker", message="in predict_fn"))


def test_an_endpoint_that_was_frozen_between_requests_answers_the_next_one(served: Endpoint):
    before = served.workers
    pids = served.processes()
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    wait_for(lambda: all(_state(pid) == "T" for pid in pids))
    for pid in pids:
        os.kill(pid, signal.SIGCONT)
    assert served.invoke([[1]]).status == 200
    assert served.workers == before


def test_what_a_handler_had_started_ends_with_its_worker(served: Endpoint):
    answer = served.invoke({"run": "sleep 600"})
    assert (answer.status, answer.json["type"]) == (500, "WorkerDied")
    wait_for(lambda: not served.pids("sleep 600"))


def test_what_a_handler_made_independent_ends_with_the_endpoint(served: Endpoint):
    assert served.invoke({"run": "setsid sleep 601 >/dev/null 2>&1 &"}).status == 200
    wait_for(lambda: served.pids("sleep 601"))
    assert served.terminate() == 0
    assert not served.processes()


def test_a_request_within_the_limit_is_not_ended(served: Endpoint):
    before = served.workers
    assert served.invoke({"sleep": 1.2}).status == 200
    assert served.invoke({"sleep": 1.2}).status == 200
    assert served.workers == before


def test_the_shipper_is_started_again_and_ships_what_waits(served: Endpoint):
    acknowledged = {served.invoke([[n]]).event_id for n in range(5)}
    (shipper,) = served.pids("shipper_entry ship")
    os.kill(shipper, signal.SIGKILL)
    acknowledged |= {served.invoke([[n]]).event_id for n in range(5)}
    wait_for(lambda: served.pids("shipper_entry ship") not in ([], [shipper]))
    assert served.metric("capture_shipper_restarts_total") == {"capture_shipper_restarts_total": 1}
    assert served.terminate() == 0
    assert captured_ids(served.directory) == acknowledged


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_model_server_that_ends_ends_the_endpoint_and_loses_no_acknowledged_record(
    served: Endpoint, number: signal.Signals
):
    acknowledged = {served.invoke([[n]]).event_id for n in range(10)}
    (java,) = served.pids("com.amazonaws.ml.mms.ModelServer")
    os.kill(java, number)
    assert served.wait() == 1
    assert served.stderr.startswith("endpoint: Multi Model Server ended with ")
    assert not served.processes()
    assert captured_ids(served.directory) == acknowledged


def test_a_proxy_that_ends_ends_the_endpoint(served: Endpoint):
    acknowledged = served.invoke([[1]]).event_id
    (proxy,) = served.pids("haproxy -db")
    os.kill(proxy, signal.SIGKILL)
    assert served.wait() == 1
    assert served.stderr == "endpoint: HAProxy ended with signal SIGKILL\n"
    assert not served.processes()
    assert captured_ids(served.directory) == {acknowledged}


def test_a_log_collector_that_ends_ends_the_endpoint_and_loses_neither_request_nor_record(served: Endpoint):
    acknowledged = {served.invoke([[n]]).event_id for n in range(10)}
    thread, answers = in_background(lambda: served.invoke({"sleep": 0.5, "print": "unheard"}))
    wait_for(lambda: _busy(served))
    (pump,) = served.pids("container.logs.collector")
    os.kill(pump, signal.SIGKILL)
    assert served.wait() == 1
    assert served.stderr == "endpoint: the log collector ended with signal SIGKILL: nothing that runs can log\n"
    thread.join(10)
    assert [answer.status for answer in answers if answer is not None] == [200]
    acknowledged |= {answer.event_id for answer in answers if answer is not None}
    assert not served.processes()
    assert captured_ids(served.directory) == acknowledged
    # How it stopped is in the log all the same.
    assert served.log_with(source="supervisor", level="CRITICAL", message="stopping: the log collector ended with")
    assert served.log_with(source="supervisor", message="stopped")


def test_a_log_collector_that_ends_together_with_the_shipper_loses_no_record(served: Endpoint):
    acknowledged = {served.invoke([[n]]).event_id for n in range(10)}
    for name in ("shipper_entry ship", "container.logs.collector"):
        (pid,) = served.pids(name)
        os.kill(pid, signal.SIGKILL)
    assert served.wait() == 1
    assert not served.processes()
    assert captured_ids(served.directory) == acknowledged


def test_the_end_of_the_process_that_starts_workers_ends_the_endpoint(served: Endpoint):
    workers = served.workers
    (parent,) = set(served.pids("container.worker.process")) - set(workers)
    os.kill(parent, signal.SIGKILL)
    assert served.wait() == 1
    assert "starts the workers" in served.stderr
    assert not served.processes()


def test_kill_9_of_the_supervisor_leaves_no_process_and_the_records_in_the_spool(served: Endpoint):
    acknowledged = {served.invoke([[n]]).event_id for n in range(10)}
    thread, answers = in_background(lambda: _or_none(served, {"sleep": 600}))
    wait_for(lambda: _busy(served))
    os.kill(served.pid, signal.SIGKILL)
    wait_for(lambda: not served.processes(), 25.0)
    thread.join(10)
    assert answers == [None]
    # The shipper got SIGTERM from the kernel, and shipped.
    assert captured_ids(served.directory) == acknowledged


def test_workers_that_stay_dead_end_the_endpoint_with_their_reason(tmp_path: Path):
    code = (
        "import os, pathlib\n"
        "flag = pathlib.Path(__file__).with_name('flag')\n"
        "def model_fn(d):\n"
        "    if flag.exists(): raise RuntimeError('the weights are gone')\n"
        "def predict_fn(f, m): flag.touch(); os._exit(1)\n"
    )
    with running(tmp_path, code, {"SAGEMAKER_MODEL_SERVER_WORKERS": "1"}) as endpoint:
        assert endpoint.invoke([1]).status == 500
        wait_for(lambda: endpoint.get("/ping").status == 503, 30.0)
        assert endpoint.wait(120) == 1
        assert endpoint.stderr.startswith("endpoint: no worker has been alive for ")
        assert "the weights are gone" in endpoint.stderr
        assert not endpoint.processes()


def test_a_full_queue_refuses_with_503_and_answers_all_that_it_took(tmp_path: Path):
    with running(tmp_path, OBEDIENT, {"SAGEMAKER_MODEL_SERVER_WORKERS": "1"}) as endpoint:
        calls = [in_background(lambda: endpoint.invoke({"sleep": 3}))]
        wait_for(lambda: _busy(endpoint))
        calls += [in_background(lambda: endpoint.invoke({"sleep": 0.01})) for _ in range(120)]
        for thread, _ in calls:
            thread.join(60)
        answers = [answer for _, given in calls for answer in given if answer is not None]
        assert len(answers) == 121
        assert {answer.status for answer in answers} == {200, 503}
        refused = [answer for answer in answers if answer.status == 503]
        assert {answer.json["type"] for answer in refused} == {"Overloaded"}


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def _answered(endpoint: Endpoint) -> Answer | None:
    answer = endpoint.invoke({"pid": 1})
    return answer if answer.status == 200 else None


def _or_none(endpoint: Endpoint, value: object) -> Answer | None:
    try:
        return endpoint.invoke(value)
    except (OSError, http.client.HTTPException):
        return None


def _busy(endpoint: Endpoint) -> bool:
    (directory,) = endpoint.temporary.glob("endpoint-*")
    return any(path.read_bytes().strip(b"\0") for path in (directory / "busy").iterdir())
