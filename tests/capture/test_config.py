"""The settings: each variable of DESIGN section 4, its default, what it takes, and the one line where it is wrong."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capture import CaptureConfig, ConfigError
from capture.config import unknown_variables

MIB = 1 << 20
DEFAULTS: dict[str, Any] = {
    "destination": None,
    "sampling_percentage": 100.0,
    "max_bytes": 33_554_432,
    "max_records": 10_000,
    "max_age_seconds": 300.0,
    "format": "parquet",
    "spool_dir": None,
    "spool_max_bytes": None,
    "max_columns": 1000,
    "endpoint_name": "local",
    "variant_name": "AllTraffic",
    "model_name": "model",
    "model_version": None,
    "kms_key_id": None,
    "exclude": (),
    "hash": (),
    "hash_key": None,
    "types": {},
    "feature_names": None,
}
GOOD = [
    ("CAPTURE_DESTINATION", "file:///tmp/captured", "file:///tmp/captured"),
    ("CAPTURE_DESTINATION", "file:///tmp/with a space", "file:///tmp/with a space"),
    ("CAPTURE_SAMPLING_PERCENTAGE", "0", 0.0),
    ("CAPTURE_SAMPLING_PERCENTAGE", "100", 100.0),
    ("CAPTURE_SAMPLING_PERCENTAGE", "12.5", 12.5),
    ("CAPTURE_MAX_BYTES", "1", 1),
    ("CAPTURE_MAX_BYTES", " 1048576 ", 1_048_576),
    ("CAPTURE_MAX_RECORDS", "1", 1),
    ("CAPTURE_MAX_AGE_SECONDS", "0.1", 0.1),
    ("CAPTURE_MAX_AGE_SECONDS", "86400", 86_400.0),
    ("CAPTURE_FORMAT", "parquet", "parquet"),
    ("CAPTURE_FORMAT", "jsonl", "jsonl"),
    ("CAPTURE_SPOOL_DIR", "/var/spool/capture", Path("/var/spool/capture")),
    ("CAPTURE_SPOOL_MAX_BYTES", str(32 * MIB), 32 * MIB),
    ("CAPTURE_MAX_COLUMNS", "1", 1),
    ("CAPTURE_ENDPOINT_NAME", "flights-2026.v1_b", "flights-2026.v1_b"),
    ("CAPTURE_VARIANT_NAME", "canary", "canary"),
    ("CAPTURE_MODEL_NAME", "7", "7"),
    ("CAPTURE_MODEL_VERSION", "a b/c", "a b/c"),
    ("CAPTURE_KMS_KEY_ID", "arn:aws:kms:eu-central-1:1:key/12-ab", "arn:aws:kms:eu-central-1:1:key/12-ab"),
    ("CAPTURE_EXCLUDE", "card, user_*,", ("card", "user_*")),
]
BAD = [
    ("CAPTURE_DESTINATION", "bucket/prefix", "s3://bucket/prefix or file:///directory"),
    ("CAPTURE_DESTINATION", "https://bucket", "s3://bucket/prefix or file:///directory"),
    ("CAPTURE_DESTINATION", "file://host/directory", "s3://bucket/prefix or file:///directory"),
    ("CAPTURE_DESTINATION", "s3://Bucket_1", "s3://bucket/prefix or file:///directory"),
    ("CAPTURE_DESTINATION", "s3://a", "s3://bucket/prefix or file:///directory"),
    ("CAPTURE_DESTINATION", "s3://bucket/a\nb", "s3://bucket/prefix or file:///directory"),
    ("CAPTURE_SAMPLING_PERCENTAGE", "-1", "0 to 100"),
    ("CAPTURE_SAMPLING_PERCENTAGE", "100.1", "0 to 100"),
    ("CAPTURE_SAMPLING_PERCENTAGE", "nan", "0 to 100"),
    ("CAPTURE_SAMPLING_PERCENTAGE", "10%", "0 to 100"),
    ("CAPTURE_MAX_BYTES", "0", "1 or more"),
    ("CAPTURE_MAX_BYTES", "32MiB", "whole number of bytes"),
    ("CAPTURE_MAX_BYTES", "1.5", "whole number of bytes"),
    ("CAPTURE_MAX_RECORDS", "-5", "1 or more"),
    ("CAPTURE_MAX_RECORDS", "many", "whole number of records"),
    ("CAPTURE_MAX_AGE_SECONDS", "soon", "0.1 to 86400"),
    ("CAPTURE_MAX_AGE_SECONDS", "0", "0.1 to 86400"),
    ("CAPTURE_MAX_AGE_SECONDS", "inf", "0.1 to 86400"),
    ("CAPTURE_FORMAT", "csv", "parquet or jsonl"),
    ("CAPTURE_FORMAT", "Parquet", "parquet or jsonl"),
    ("CAPTURE_SPOOL_DIR", "spool", "absolute path"),
    ("CAPTURE_SPOOL_MAX_BYTES", str(32 * MIB - 1), str(32 * MIB)),
    ("CAPTURE_MAX_COLUMNS", "0", "1 to 100000"),
    ("CAPTURE_MAX_COLUMNS", "100001", "1 to 100000"),
    ("CAPTURE_ENDPOINT_NAME", "a/b", "letters, digits"),
    ("CAPTURE_ENDPOINT_NAME", "_ledger", "letters, digits"),
    ("CAPTURE_VARIANT_NAME", "a b", "letters, digits"),
    ("CAPTURE_VARIANT_NAME", "x" * 129, "at most 128"),
    ("CAPTURE_MODEL_NAME", "Straße", "letters, digits"),
    ("CAPTURE_MODEL_VERSION", "1\n2", "one line"),
    ("CAPTURE_KMS_KEY_ID", "a key", "a key's id, ARN or alias"),
]


def field_of(variable: str) -> str:
    return variable.removeprefix("CAPTURE_").lower()


def refusal(env: dict[str, str], toml: Path | None = None) -> str:
    """The one line with which these settings are refused."""
    with pytest.raises(ConfigError) as caught:
        CaptureConfig.from_env(env, toml)
    told = str(caught.value)
    assert "\n" not in told
    return told


def test_without_any_setting_the_defaults_hold_and_capture_is_off() -> None:
    config = CaptureConfig.from_env({})
    assert dataclasses.asdict(config) == DEFAULTS
    assert config == CaptureConfig()
    assert not config.enabled
    with pytest.raises(ConfigError, match="CAPTURE_DESTINATION is not set"):
        config.header()


def test_the_processs_environment_is_read_where_none_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAPTURE_MAX_RECORDS", "17")
    assert CaptureConfig.from_env().max_records == 17


@pytest.mark.parametrize(("variable", "text", "value"), GOOD)
def test_a_setting_takes_what_it_allows(variable: str, text: str, value: Any) -> None:
    config = CaptureConfig.from_env({variable: text})
    assert dataclasses.asdict(config) == DEFAULTS | {field_of(variable): value}


@pytest.mark.parametrize(("variable", "text", "allowed"), BAD)
def test_a_wrong_setting_is_one_line_with_the_variable_the_value_and_what_is_allowed(
    variable: str, text: str, allowed: str
) -> None:
    told = refusal({variable: text})
    assert told.startswith(f"{variable}={text!r} is not allowed: ")
    assert allowed in told


@pytest.mark.parametrize("variable", [f"CAPTURE_{name.upper()}" for name in DEFAULTS])
@pytest.mark.parametrize("blank", ["", "  "])
def test_a_blank_variable_is_no_setting(variable: str, blank: str) -> None:
    assert CaptureConfig.from_env({variable: blank}) == CaptureConfig()


@given(st.dictionaries(st.sampled_from([f"CAPTURE_{name.upper()}" for name in DEFAULTS]), st.text(max_size=40)))
def test_any_text_is_taken_or_refused_with_one_line(env: dict[str, str]) -> None:
    told = "CAPTURE_"
    try:
        CaptureConfig.from_env(env)
    except ConfigError as error:
        told = str(error)
    assert len(told.splitlines()) == 1
    assert "CAPTURE_" in told


@pytest.mark.parametrize("named", [{}, *({"CAPTURE_ENDPOINT_NAME": name} for name in ("", "  ", "local"))])
def test_s3_asks_for_the_endpoints_name(named: dict[str, str]) -> None:
    told = refusal({"CAPTURE_DESTINATION": "s3://bucket/prefix", **named})
    assert told.startswith("CAPTURE_ENDPOINT_NAME is not set")


@pytest.mark.parametrize("destination", ["s3://bucket", "s3://bucket/", "s3://my.bucket-1/a/b c"])
def test_s3_with_a_name_is_a_destination(destination: str) -> None:
    config = CaptureConfig.from_env({"CAPTURE_DESTINATION": destination, "CAPTURE_ENDPOINT_NAME": "flights"})
    assert config.enabled
    assert config.header().destination == destination.rstrip("/")


def test_hashing_asks_for_a_key_and_never_shows_it() -> None:
    assert refusal({"CAPTURE_HASH": "user, mail"}).startswith(
        "CAPTURE_HASH_KEY is not set, and CAPTURE_HASH='user,mail'"
    )
    config = CaptureConfig.from_env({"CAPTURE_HASH": "user", "CAPTURE_HASH_KEY": "pepper of 16 bytes"})
    assert (config.hash, config.hash_key) == (("user",), "pepper of 16 bytes")
    assert "pepper of 16 bytes" not in repr(config)


def test_the_file_sets_what_the_environment_does_not(tmp_path: Path) -> None:
    toml = tmp_path / "capture.toml"
    toml.write_text(
        'max_bytes = 4096\nmax_age_seconds = 2\nformat = "jsonl"\nexclude = ["card", "user_*"]\n'
        'feature_names = ["seats", "day"]\n[types]\nseats = "int64"\nday = "date32"\n'
    )
    config = CaptureConfig.from_env({"CAPTURE_MAX_BYTES": "8192"}, toml)
    assert (config.max_bytes, config.max_age_seconds, config.format) == (8192, 2.0, "jsonl")
    assert config.exclude == ("card", "user_*")
    assert config.feature_names == ("seats", "day")
    assert config.types == {"seats": "int64", "day": "date32"}


def test_a_file_that_is_not_there_sets_nothing(tmp_path: Path) -> None:
    assert CaptureConfig.from_env({}, tmp_path / "capture.toml") == CaptureConfig()


def test_a_name_in_the_file_is_a_name_for_s3(tmp_path: Path) -> None:
    toml = tmp_path / "capture.toml"
    toml.write_text('endpoint_name = "flights"')
    config = CaptureConfig.from_env({"CAPTURE_DESTINATION": "s3://bucket/prefix"}, toml)
    assert config.endpoint_name == "flights"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("max_byte = 1", "capture.toml has 'max_byte'; allowed are destination, "),
        ("max_bytes = ", "capture.toml cannot be read: "),
        ("max_bytes = 1.5", "capture.toml: max_bytes=1.5 is not allowed: "),
        ("max_bytes = true", "capture.toml: max_bytes=True is not allowed: "),
        ('max_bytes = "many"', "capture.toml: max_bytes='many' is not allowed: "),
        ("destination = 1", "capture.toml: destination=1 is not allowed: "),
        ("spool_dir = 1", "capture.toml: spool_dir='1' is not allowed: "),
        ("model_name = 3", "capture.toml: model_name=3 is not allowed: "),
        ("exclude = 3", "capture.toml: exclude=3 is not allowed: give feature names or globs"),
        ("exclude = [3]", "capture.toml: exclude=[3] is not allowed: give feature names or globs"),
        ("hash = true", "capture.toml: hash=True is not allowed: give feature names or globs"),
        ("feature_names = []", "capture.toml: feature_names=[] is not allowed: give a list of names"),
        ('feature_names = "a"', "capture.toml: feature_names='a' is not allowed: give a list of names"),
        ('feature_names = ["a", "a"]', "each name may stand once"),
        ('feature_names = ["a", ""]', "give a list of names"),
        ("types = 3", "capture.toml: types=3 is not allowed: give a table"),
        ('[types]\nseats = "integer"', "capture.toml: types.seats='integer' is not allowed: give an Arrow type"),
        ("[types]\nseats = 64", "capture.toml: types.seats=64 is not allowed: give an Arrow type"),
    ],
)
def test_a_wrong_file_is_one_line_that_says_where(tmp_path: Path, text: str, told: str) -> None:
    toml = tmp_path / "capture.toml"
    toml.write_text(text)
    assert told in refusal({}, toml)


def test_a_secret_of_a_wrong_type_is_not_repeated(tmp_path: Path) -> None:
    toml = tmp_path / "capture.toml"
    toml.write_text('hash = ["user"]\nhash_key = 4711')
    told = refusal({}, toml)
    assert "capture.toml: hash_key is of type int: give a secret text" in told
    assert "4711" not in told


def test_a_file_that_is_no_text_is_said(tmp_path: Path) -> None:
    toml = tmp_path / "capture.toml"
    toml.write_bytes(b'model_name = "\xff"')
    assert "capture.toml cannot be read" in refusal({}, toml)


names = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True)
configs = st.builds(
    CaptureConfig,
    destination=st.none() | st.just("file:///tmp/captured") | st.just("s3://bucket/a b"),
    sampling_percentage=st.floats(0, 100),
    max_bytes=st.integers(1, 1 << 40),
    max_records=st.integers(1, 1 << 40),
    max_age_seconds=st.floats(0.1, 86_400),
    format=st.sampled_from(["parquet", "jsonl"]),
    spool_dir=st.none() | st.just(Path("/var/spool/a b")),
    spool_max_bytes=st.none() | st.integers(32 * MIB, 1 << 50),
    max_columns=st.integers(1, 100_000),
    endpoint_name=names,
    variant_name=names,
    model_name=names,
    model_version=st.none() | names,
    kms_key_id=st.none() | st.just("alias/capture"),
)


@given(configs)
def test_settings_survive_the_way_through_the_environment(config: CaptureConfig) -> None:
    assert CaptureConfig.from_env(config.to_env()) == config


def test_what_only_a_writer_needs_does_not_stand_in_the_shippers_environment() -> None:
    config = CaptureConfig(
        destination="file:///tmp/x",
        exclude=("card",),
        hash=("user",),
        hash_key="pepper of 16 bytes",
        types={"seats": "int64"},
    )
    assert not {"CAPTURE_EXCLUDE", "CAPTURE_HASH", "CAPTURE_HASH_KEY", "CAPTURE_TYPES"} & set(config.to_env())
    assert "pepper of 16 bytes" not in "".join(config.to_env().values())


def test_the_header_holds_all_that_keys_and_bytes_depend_on() -> None:
    config = CaptureConfig(
        destination="s3://bucket/prefix/",
        format="jsonl",
        endpoint_name="flights",
        variant_name="canary",
        model_name="ranker",
        model_version="3",
        kms_key_id="alias/capture",
        sampling_percentage=12.5,
        max_columns=7,
        types={"seats": "int64"},
        hash=("user",),
        hash_key="pepper of 16 bytes",
    )
    header = config.header()
    told = {name: getattr(header, name) for name in header.__struct_fields__ if name != "writer_version"}
    assert told == {
        "destination": "s3://bucket/prefix",
        "format": "jsonl",
        "endpoint_name": "flights",
        "variant_name": "canary",
        "model_name": "ranker",
        "model_version": "3",
        "kms_key_id": "alias/capture",
        "sampling_percentage": 12.5,
        "max_columns": 7,
        "types": {"seats": "int64"},
        "hashed": ("user",),
    }


def test_a_variable_that_is_none_of_ours_is_said_with_the_one_that_may_be_meant() -> None:
    env = {
        "CAPTURE_DESTINATION": "file:///x",
        "CAPTURE_SAMPLING_PERCENT": "5",
        "CAPTURE_XYZ": "1",
        "CAPTURE_TYPES": "stand in the file alone",
        "OTHER_SAMPLING_PERCENTAGE": "5",
    }
    percent, types, xyz = sorted(unknown_variables(env))
    assert percent == (
        "CAPTURE_SAMPLING_PERCENT is set and does nothing: capture knows no such variable; "
        "is CAPTURE_SAMPLING_PERCENTAGE meant?"
    )
    assert types.startswith("CAPTURE_TYPES is set and does nothing")
    assert xyz == "CAPTURE_XYZ is set and does nothing: capture knows no such variable"
    assert unknown_variables(dict.fromkeys(CaptureConfig(destination="file:///x").to_env(), "x")) == []
