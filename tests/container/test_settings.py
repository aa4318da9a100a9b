"""The environment, read and checked."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from container.shared.settings import DEFAULT_PAYLOAD, SettingError, Settings, instead_of


def test_an_empty_environment_gives_sagemaker_s_defaults():
    settings = Settings.from_env({})
    assert settings.model_dir == Path("/opt/ml/model")
    assert (settings.program, settings.port, settings.workers) == ("inference", 8080, None)
    assert (settings.time_limit, settings.startup_timeout) == (60, 600)
    assert settings.max_payload == DEFAULT_PAYLOAD == 6_291_456
    assert settings.default_accept == "application/json"
    assert not settings.multi_model
    assert settings.store is None
    assert settings.protobuf is None


def test_an_empty_value_is_an_unset_one():
    assert Settings.from_env({"SAGEMAKER_MODEL_SERVER_WORKERS": " "}) == Settings.from_env({})


def test_the_time_limit_is_in_minutes_or_in_seconds_and_seconds_win():
    assert Settings.from_env({"SAGEMAKER_MODEL_SERVER_TIMEOUT": "2"}).time_limit == 120
    assert Settings.from_env({"SAGEMAKER_MODEL_SERVER_TIMEOUT_SECONDS": "90"}).time_limit == 90
    both = {"SAGEMAKER_MODEL_SERVER_TIMEOUT": "2", "SAGEMAKER_MODEL_SERVER_TIMEOUT_SECONDS": "7"}
    assert Settings.from_env(both).time_limit == 7


def test_batch_transform_gets_its_hour_and_its_payload():
    settings = Settings.from_env({"SAGEMAKER_BATCH": "true", "SAGEMAKER_MAX_PAYLOAD_IN_MB": "0"})
    assert settings.time_limit == 3600
    assert settings.max_payload == 100 * 1024 * 1024
    assert Settings.from_env({"SAGEMAKER_MAX_PAYLOAD_IN_MB": "20"}).max_payload == 20 * 1024 * 1024


def test_a_program_may_be_a_file_or_a_module():
    assert Settings.from_env({"SAGEMAKER_PROGRAM": "serve.py"}).program == "serve"
    assert Settings.from_env({"SAGEMAKER_PROGRAM": "package.serve"}).program == "package.serve"


def test_a_log_level_is_a_name_or_python_s_number():
    assert Settings.from_env({"SAGEMAKER_CONTAINER_LOG_LEVEL": "debug"}).log_level == logging.DEBUG
    assert Settings.from_env({"SAGEMAKER_CONTAINER_LOG_LEVEL": "40"}).log_level == logging.ERROR


def test_the_feature_store_s_settings_have_defaults():
    store = Settings.from_env({"FEATURE_STORE_URI": "sqlite:planes.db"}).store
    assert store is not None
    assert (store.uri, store.timeout, store.fail_open, store.cache_seconds) == ("sqlite:planes.db", 0.5, True, 0)


def test_variables_of_multi_model_server_are_reported_as_ignored():
    assert Settings.from_env({"MMS_JOB_QUEUE_SIZE": "3", "OTHER": "x"}).ignored == ("MMS_JOB_QUEUE_SIZE",)


def test_a_batch_size_of_one_is_what_there_is():
    assert Settings.from_env({"SAGEMAKER_TS_BATCH_SIZE": "1"}) == Settings.from_env({})


@pytest.mark.parametrize(
    ("variable", "value", "allowed"),
    [
        ("SAGEMAKER_BIND_TO_PORT", "http", "65535"),
        ("SAGEMAKER_BIND_TO_PORT", "0", "65535"),
        ("SAGEMAKER_SAFE_PORT_RANGE", "2000", "1111-2222"),
        ("SAGEMAKER_SAFE_PORT_RANGE", "3000-2000", "1111-2222"),
        ("SAGEMAKER_MODEL_SERVER_WORKERS", "0", "1 to 1024"),
        ("SAGEMAKER_MODEL_SERVER_WORKERS", "2.5", "whole number"),
        ("SAGEMAKER_MODEL_SERVER_TIMEOUT", "0", "1 to 1440"),
        ("SAGEMAKER_MODEL_SERVER_TIMEOUT_SECONDS", "nan", "number"),
        ("SAGEMAKER_STARTUP_TIMEOUT", "-3", "number"),
        ("SAGEMAKER_MAX_PAYLOAD_IN_MB", "6MB", "whole number"),
        ("SAGEMAKER_MULTI_MODEL", "yes", "true or false"),
        ("SAGEMAKER_PROGRAM", "../serve.py", "code/"),
        ("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT", "json", "application/json"),
        ("SAGEMAKER_MODEL_SERVER_VMARGS", "-Da='x", "options"),
        ("SAGEMAKER_CONTAINER_LOG_LEVEL", "loud", "DEBUG"),
        ("SAGEMAKER_TS_BATCH_SIZE", "8", "only 1"),
        ("MMS_CONFIG_FILE", "/x", "unset"),
        ("FEATURE_STORE_URI", "weather.db", "sqlite"),
        ("FEATURE_STORE_URI", "sqlite:", "sqlite"),
        ("FEATURE_STORE_ON_FAILURE", "raise", "null or 503"),
        ("FEATURE_STORE_TIMEOUT_SECONDS", "0", "number"),
        ("FEATURE_STORE_CACHE_SECONDS", "-1", "number"),
        ("PROTOBUF_RESPONSE", "a.B", "PROTOBUF_DESCRIPTOR_SET"),
    ],
)
def test_a_wrong_value_is_refused_with_the_variable_the_value_and_what_is_allowed(
    variable: str, value: str, allowed: str
):
    with pytest.raises(SettingError) as refused:
        Settings.from_env({variable: value})
    message = str(refused.value)
    assert message.startswith(f"{variable}={value}: ")
    assert allowed in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("variable", "advice"),
    [
        ("MMS_MAX_REQUEST_SIZE", "set SAGEMAKER_MAX_PAYLOAD_IN_MB"),
        ("MMS_DEFAULT_RESPONSE_TIMEOUT", "set SAGEMAKER_MODEL_SERVER_TIMEOUT_SECONDS"),
        ("TS_DEFAULT_WORKERS_PER_MODEL", "set SAGEMAKER_MODEL_SERVER_WORKERS"),
        ("SAGEMAKER_HANDLER", "set SAGEMAKER_PROGRAM"),
        ("TS_UNHEARD_OF", "the endpoint writes Multi Model Server's settings itself"),
    ],
)
def test_what_has_no_effect_is_reported_with_what_to_set_instead(variable: str, advice: str):
    assert Settings.from_env({variable: "7"}).ignored == (variable,)
    assert instead_of(variable) == advice


@pytest.mark.parametrize("program", ["deploy-model.py", "2_inference.py", "serve-2.py", "package.serve-it"])
def test_a_program_may_have_a_name_that_no_import_statement_takes(program: str):
    assert Settings.from_env({"SAGEMAKER_PROGRAM": program}).program == program.removesuffix(".py")
