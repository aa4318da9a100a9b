"""Multi-model endpoints: SageMaker's contract for loading, listing, invoking and unloading, and whose rows are captured."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow.dataset
import pytest

from tests.container.artefacts import OBEDIENT, TINY
from tests.container.endpoint import Answer, Endpoint, wait_for, write_artefact


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    """A multi-model endpoint without a model, and three artefacts on its disk: alpha, beta, broken."""
    directory = tmp_path_factory.mktemp("many")
    for name, code in (
        ("alpha", OBEDIENT),
        ("beta", OBEDIENT.replace('"factor": 2', '"factor": 3')),
        ("broken", "raise RuntimeError('no weights')"),
        ("hungry", "def model_fn(d): raise MemoryError\ndef predict_fn(f, m): pass"),
        ("shadow", TINY),
    ):
        write_artefact(directory / "models" / name / "model", code)
    (directory / "models" / "shadow" / "model" / "code" / "capture.py").touch()
    env = {
        "SAGEMAKER_MULTI_MODEL": "true",
        "SAGEMAKER_MODEL_SERVER_WORKERS": "1",
        "CAPTURE_DESTINATION": f"file://{directory}/captured",
        "CAPTURE_SPOOL_DIR": str(directory / "spool"),
        "CAPTURE_MAX_AGE_SECONDS": "0.5",
    }
    endpoint = Endpoint(directory, env)
    try:
        yield endpoint.start().wait_until_ready()
    finally:
        endpoint.remove()


@pytest.fixture(autouse=True)
def nothing_loaded(many: Endpoint) -> Iterator[None]:
    """Every test begins with no model."""
    yield
    for model in many.get("/models").json["models"]:
        assert many.request("DELETE", f"/models/{model['modelName']}").status == 200


def url_of(many: Endpoint, name: str) -> str:
    return str(many.directory / "models" / name / "model")


def load(many: Endpoint, name: str, **more: object) -> Answer:
    import json

    body = json.dumps({"model_name": name, "url": url_of(many, name), **more})
    return many.request("POST", "/models", body, {"Content-Type": "application/json"})


def invoke(many: Endpoint, name: str, body: str = "[[1]]", **headers: str) -> Answer:
    named = {"Content-Type": "application/json"} | {key.replace("_", "-"): value for key, value in headers.items()}
    return many.request("POST", f"/models/{name}/invoke", body, named)


def test_a_model_that_is_loaded_answers_under_its_name_and_by_the_target_header(many: Endpoint):
    assert load(many, "alpha").status == 200
    assert load(many, "beta").status == 200
    assert invoke(many, "alpha").json == [2]
    assert invoke(many, "beta").json == [3]
    assert many.invoke([[1]], X_Amzn_SageMaker_Target_Model="beta").json == [3]


def test_models_are_listed_page_by_page_and_described(many: Endpoint):
    load(many, "alpha")
    load(many, "beta")
    alpha, beta = ({"modelName": name, "modelUrl": url_of(many, name)} for name in ("alpha", "beta"))
    assert many.get("/models").json == {"models": [alpha, beta]}
    assert many.get("/models?limit=1").json == {"models": [alpha], "nextPageToken": "1"}
    assert many.get("/models?limit=1&next_page_token=1").json == {"models": [beta]}
    assert many.get("/models/alpha").json == alpha


def test_an_unloaded_model_answers_404_and_leaves_no_process(many: Endpoint):
    load(many, "alpha")
    assert many.request("DELETE", "/models/alpha").status == 200
    answer = invoke(many, "alpha")
    assert (answer.status, answer.json["type"]) == (404, "ModelNotFound")
    wait_for(lambda: not many.pids("container.worker.process"))
    assert load(many, "alpha").status == 200
    assert invoke(many, "alpha").status == 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/models/absent", 404),
        ("DELETE", "/models/absent", 404),
        ("POST", "/models/absent/invoke", 404),
        ("PUT", "/models/absent", 405),
        ("GET", "/models?limit=many", 400),
    ],
)
def test_what_is_not_there_is_404(many: Endpoint, method: str, path: str, status: int):
    answer = many.request(method, path, "[1]", {"Content-Type": "application/json"})
    assert answer.status == status
    assert set(answer.json) == {"type", "message", "event_id"}


def test_a_model_that_is_loaded_already_is_409(many: Endpoint):
    load(many, "alpha")
    assert load(many, "alpha").status == 409


@pytest.mark.parametrize(
    ("name", "status", "words"),
    [
        ("absent", 404, "absent"),
        ("broken", 500, "no weights"),
        ("hungry", 507, "memory"),
        ("shadow", 400, "capture.py"),
    ],
)
def test_a_model_that_cannot_be_loaded_says_why_and_the_endpoint_goes_on(
    many: Endpoint, name: str, status: int, words: str
):
    answer = load(many, name)
    assert answer.status == status
    assert words in answer.json["message"]
    assert load(many, "alpha").status == 200
    assert many.get("/ping").status == 200


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("{", "model_name"),
        ('{"model_name": "a"}', "url"),
        ('{"model_name": "../a", "url": "/"}', "model_name"),
        ('{"model_name": "a b", "url": "/"}', "model_name"),
    ],
)
def test_a_load_that_is_no_load_is_400(many: Endpoint, body: str, words: str):
    answer = many.request("POST", "/models", body, {"Content-Type": "application/json"})
    assert answer.status == 400
    assert words in answer.json["message"]


def test_batches_are_refused_with_the_reason(many: Endpoint):
    answer = load(many, "alpha", batch_size=4)
    assert answer.status == 400
    assert "fail together" in answer.json["message"]


def test_without_a_target_there_is_no_model_to_ask(many: Endpoint):
    assert many.invoke([[1]]).status == 400
    assert many.invoke([[1]], X_Amzn_SageMaker_Target_Model="../x").status == 404


def test_a_request_in_hand_is_answered_before_its_model_is_unloaded(many: Endpoint):
    load(many, "alpha")
    answers: list[Answer] = []
    threads = [
        threading.Thread(target=lambda: answers.append(invoke(many, "alpha", '{"sleep": 0.4}'))) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    (directory,) = many.temporary.glob("endpoint-*")
    wait_for(lambda: any(path.read_bytes().strip(b"\0") for path in (directory / "busy").iterdir()))
    assert many.request("DELETE", "/models/alpha").status == 200
    for thread in threads:
        thread.join()
    assert [answer.status for answer in answers] == [200, 200, 200]


def test_rows_are_captured_under_the_name_of_the_target_model(many: Endpoint):
    load(many, "alpha")
    named = invoke(many, "alpha", '{"a": 1.5}', X_Amzn_SageMaker_Target_Model="folder/alpha.tar.gz")
    plain = invoke(many, "alpha", '{"a": 1.5}')
    wanted = {named.event_id: "folder/alpha.tar.gz", plain.event_id: "alpha"}
    assert wait_for(lambda: _names(many.directory, wanted)) == wanted


def test_a_log_line_names_its_model(many: Endpoint):
    load(many, "alpha")
    invoke(many, "alpha", '{"print": ["who speaks"]}')
    line = wait_for(lambda: many.log_with(message="who speaks"))
    assert line["model"] == "alpha"


def _names(directory: Path, events: dict[str | None, str]) -> dict[str, str] | None:
    files = [str(path) for path in (directory / "captured").rglob("*.parquet")]
    if not files:
        return None
    table = pyarrow.dataset.dataset(files).to_table(["capture_event_id", "capture_model_name"])
    found = dict(zip(table.column(0).to_pylist(), table.column(1).to_pylist(), strict=True))
    return {str(event): found[str(event)] for event in events} if set(events) <= set(found) else None


def test_two_target_model_headers_are_refused_whatever_they_say(many: Endpoint):
    load(many, "alpha")
    load(many, "beta")
    for path in ("/invocations", "/models/alpha/invoke"):
        with socket.create_connection(("127.0.0.1", many.port)) as connection:
            head = (
                f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 5\r\n"
                "X-Amzn-SageMaker-Target-Model: alpha\r\nX-Amzn-SageMaker-Target-Model: beta/invoke?a=b#\r\n"
                "Connection: close\r\n\r\n[[1]]"
            )
            connection.sendall(head.encode())
            answer = b"".join(iter(lambda: connection.recv(65536), b""))
        assert answer.startswith(b"HTTP/1.1 400 "), answer


@pytest.mark.parametrize("name", ["..", ".", "-x", ".hidden", "a%2fb", "x" * 257])
def test_what_is_no_name_is_refused_at_once(many: Endpoint, name: str):
    import json

    body = json.dumps({"model_name": name, "url": url_of(many, "alpha")})
    assert many.request("POST", "/models", body, {"Content-Type": "application/json"}).status == 400
    assert many.request("POST", f"/models/{name}/invoke", "[[1]]", {"Content-Type": "application/json"}).status in (
        400,
        404,
    )


@pytest.mark.parametrize("name", ["x" * 256, "a.b-c_d", "0"])
def test_every_name_of_the_allowed_form_can_be_loaded(many: Endpoint, name: str):
    import json

    body = json.dumps({"model_name": name, "url": url_of(many, "alpha")})
    assert many.request("POST", "/models", body, {"Content-Type": "application/json"}).status == 200
    assert invoke(many, name).status == 200


@pytest.mark.parametrize("url", ["/" + "x" * 300, "x" * 5000, "\0", "/etc", "/opt/ml/models/../../../etc"])
def test_code_is_loaded_from_sagemaker_s_directory_alone(many: Endpoint, url: str):
    import json

    answer = many.request(
        "POST", "/models", json.dumps({"model_name": "a", "url": url}), {"Content-Type": "application/json"}
    )
    assert answer.status in (400, 404), answer.body


@pytest.mark.parametrize(
    ("end", "says"),
    [("os.kill(os.getpid(), 9)", "signal SIGKILL"), ("os._exit(3)", "exit code 3"), ("os.abort()", "signal SIGABRT")],
)
def test_a_worker_that_dies_while_it_loads_says_how_and_is_no_507(many: Endpoint, end: str, says: str):
    write_artefact(many.directory / "models" / "dying" / "model", f"import os\n{end}\n" + TINY)
    answer = load(many, "dying")
    assert answer.status == 500
    assert says in answer.json["message"]


def test_a_load_does_not_wait_for_another_model_s(many: Endpoint, tmp_path: Path):
    flag = tmp_path / "go"
    code = f"import pathlib, time\nwhile not pathlib.Path({str(flag)!r}).exists(): time.sleep(0.01)\n" + TINY
    write_artefact(many.directory / "models" / "slow" / "model", code)
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(load, many, "slow")
        assert load(many, "beta").status == 200  # while the other one waits for the flag
        assert not slow.done()
        flag.touch()
        assert slow.result().status == 200
