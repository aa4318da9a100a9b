"""Settings that one process resolves survive their way to another, without the secret."""

from __future__ import annotations

import dataclasses
import stat
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capture import CaptureConfig, ConfigError
from capture.config_checks import MIN_SPOOL_BYTES
from capture.handover import for_shipper, for_writer, hand_over

KEY = "a secret key of some bytes"
names = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True)
globs = st.lists(st.from_regex(r"[A-Za-z_*?]{1,8}", fullmatch=True), max_size=3).map(tuple)
configurations = st.builds(
    CaptureConfig,
    destination=st.sampled_from(["file:///tmp/x y", "s3://bucket/prefix/é"]),
    sampling_percentage=st.floats(0, 100),
    max_bytes=st.integers(1, 1 << 40),
    max_records=st.integers(1, 1 << 40),
    max_age_seconds=st.floats(0.1, 86_400),
    format=st.sampled_from(["parquet", "jsonl"]),
    spool_dir=st.sampled_from([None, Path("/tmp/spool of ours")]),
    spool_max_bytes=st.one_of(st.none(), st.integers(MIN_SPOOL_BYTES, 1 << 50)),
    max_columns=st.integers(1, 100_000),
    endpoint_name=names.filter(lambda name: name != "local"),
    variant_name=names,
    model_name=names,
    model_version=st.one_of(st.none(), st.just("2026/1 é")),
    kms_key_id=st.one_of(st.none(), st.just("arn:aws:kms:eu-central-1:1:key/12-ab")),
    exclude=globs,
    hash=globs,
    hash_key=st.just(KEY),
    types=st.dictionaries(names, st.sampled_from(["int64", "list<float>", "timestamp[us, tz=UTC]"]), max_size=3),
    feature_names=st.one_of(st.none(), st.lists(names, min_size=1, max_size=3, unique=True).map(tuple)),
)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("handover") / "settings.json"


@given(configurations)
def test_every_valid_configuration_survives_the_hand_over(file: Path, config: CaptureConfig) -> None:
    hand_over(config, file)
    assert KEY not in file.read_text()
    place = config.spool()
    resolved = dataclasses.replace(config, spool_dir=place.directory, spool_max_bytes=place.max_bytes)
    assert for_writer(file, KEY) == resolved
    assert for_writer(file, KEY).header() == config.header()
    shipper = for_shipper(file)
    wanted = ("max_bytes", "max_records", "max_age_seconds", "endpoint_name", "variant_name", "format", "destination")
    assert {name: getattr(shipper, name) for name in wanted} == {name: getattr(config, name) for name in wanted}
    assert shipper.spool() == place


def test_only_the_owner_can_read_the_file(tmp_path: Path) -> None:
    hand_over(CaptureConfig(destination="file:///tmp/x"), tmp_path / "settings.json")
    assert stat.S_IMODE((tmp_path / "settings.json").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["settings.json"]


def test_a_key_in_the_file_and_its_names_in_the_environment_ship(tmp_path: Path) -> None:
    toml = tmp_path / "capture.toml"
    toml.write_text(f'hash_key = "{KEY}"\ndestination = "file://{tmp_path}/captured"\n')
    config = CaptureConfig.from_env({"CAPTURE_HASH": "user"}, toml)
    hand_over(config, tmp_path / "settings.json")
    assert for_shipper(tmp_path / "settings.json").destination == config.destination
    assert for_writer(tmp_path / "settings.json", KEY).hash == ("user",)


@pytest.mark.parametrize("text", ["", "{", '{"format": "csv"}', '{"max_records": 0}'])
def test_a_damaged_file_is_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "settings.json").write_text(text)
    with pytest.raises(ConfigError) as caught:
        for_shipper(tmp_path / "settings.json")
    assert len(str(caught.value).splitlines()) == 1


WRONG: list[tuple[dict[str, Any], str]] = [
    (
        {"destination": "captured"},
        "destination='captured' is not allowed: give s3://bucket/prefix or file:///directory",
    ),
    ({"destination": "file:///"}, "give s3://bucket/prefix or file:///directory"),
    ({"destination": Path("/tmp/x")}, "give s3://bucket/prefix or file:///directory"),
    ({"destination": "s3://bucket/prefix"}, "CAPTURE_ENDPOINT_NAME is not set"),
    ({"sampling_percentage": 150}, "sampling_percentage=150 is not allowed: a number from 0 to 100"),
    ({"sampling_percentage": float("nan")}, "a number from 0 to 100"),
    ({"max_records": True}, "a whole number of records, 1 or more"),
    ({"max_bytes": 1.5}, "a whole number of bytes, 1 or more"),
    ({"max_age_seconds": None}, "a number of seconds"),
    ({"format": "csv"}, "format='csv' is not allowed: parquet or jsonl"),
    ({"endpoint_name": "a/b"}, "endpoint_name='a/b' is not allowed"),
    ({"endpoint_name": None}, "endpoint_name=None is not allowed"),
    ({"spool_dir": "spool"}, "give the absolute path of a directory"),
    ({"spool_max_bytes": 1}, "8 segments of 4 MiB"),
    ({"types": {"seats": "integer"}}, "types.seats='integer' is not allowed: give an Arrow type"),
    ({"exclude": 3}, "give feature names or globs"),
    ({"exclude": ["ssn", 3]}, "give feature names or globs"),
    ({"hash": ("ssn",)}, "CAPTURE_HASH_KEY is not set"),
    ({"feature_names": ["a", "a"]}, "each name may stand once"),
]


@pytest.mark.parametrize(("given", "told"), WRONG)
def test_settings_in_code_are_checked_as_those_of_the_environment(given: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        CaptureConfig(**given)
    assert told in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_text_in_code_means_what_it_means_in_the_environment() -> None:
    config = CaptureConfig(exclude="ssn, user_*", spool_dir="/tmp/spool", hash=["mail"], hash_key=KEY)  # type: ignore[arg-type]
    assert (config.exclude, config.hash) == (("ssn", "user_*"), ("mail",))
    assert config.spool_dir == Path("/tmp/spool")


REFERENCES = [
    "arn:aws:ssm:eu-central-1:123456789012:parameter/capture/key",
    "arn:aws:secretsmanager:eu-central-1:1234:secret:short-counters",
    "ARN:aws:secretsmanager:eu-central-1:123456789012:secret:name",
    "{{resolve:secretsmanager:capture:SecretString:key}}",
    "${CAPTURE_KEY_OF_THE_DAY}",
    "ssm:/capture/key/of/16/bytes",
    "vault:secret/data/capture#key",
    "https://vault.example/v1/secret/capture",
]


@pytest.mark.parametrize("key", REFERENCES)
def test_a_key_that_looks_like_an_unknown_reference_is_refused(key: str) -> None:
    for make in (
        lambda: CaptureConfig(hash=("user",), hash_key=key),
        lambda: CaptureConfig.from_env({"CAPTURE_HASH": "user", "CAPTURE_HASH_KEY": key}),
    ):
        with pytest.raises(ConfigError, match="is a reference that is not known here"):
            make()


@pytest.mark.parametrize("key", ["", "short", "15 bytes of key"])
def test_a_short_key_is_refused_and_not_repeated(key: str) -> None:
    with pytest.raises(ConfigError, match="at least 16 bytes") as caught:
        CaptureConfig(hash=("user",), hash_key=key)
    assert "too short: give a secret text" in str(caught.value)
    assert repr(key) not in str(caught.value)
