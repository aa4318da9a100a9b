"""A wrong setting stops the start: one line that names the variable, the value and what is allowed, and nothing is left."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.container.endpoint import Endpoint
from tests.integration.models import PLAIN, write_model

S3 = {"CAPTURE_DESTINATION": "s3://bucket/prefix", "CAPTURE_ENDPOINT_NAME": "chain"}


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"CAPTURE_MAX_AGE_SECONDS": "soon"}, ["CAPTURE_MAX_AGE_SECONDS", "soon", "number of seconds"]),
        ({"CAPTURE_DESTINATION": "captured/here"}, ["CAPTURE_DESTINATION", "captured/here", "s3://", "file:///"]),
        ({"CAPTURE_DESTINATION": "s3:/bucket"}, ["CAPTURE_DESTINATION", "s3:/bucket", "s3://", "file:///"]),
        ({"CAPTURE_ENDPOINT_NAME": ""}, ["CAPTURE_ENDPOINT_NAME", "CAPTURE_DESTINATION", "s3://bucket/prefix"]),
        ({"CAPTURE_SAMPLING_PERCENTAGE": "101"}, ["CAPTURE_SAMPLING_PERCENTAGE", "101", "0 to 100"]),
        ({"CAPTURE_MAX_RECORDS": "0"}, ["CAPTURE_MAX_RECORDS", "0", "1 or more"]),
        ({"CAPTURE_MAX_BYTES": "4MB"}, ["CAPTURE_MAX_BYTES", "4MB", "whole number of bytes"]),
        ({"CAPTURE_FORMAT": "csv"}, ["CAPTURE_FORMAT", "csv", "parquet or jsonl"]),
        ({"FEATURE_STORE_URI": "store.db"}, ["FEATURE_STORE_URI", "store.db", "sqlite:"]),
        ({"PROTOBUF_REQUEST": "flights.Flight"}, ["PROTOBUF_REQUEST", "flights.Flight", "PROTOBUF_DESCRIPTOR_SET"]),
    ],
)
def test_a_wrong_setting_stops_the_start_with_one_line(settings: Mapping[str, str], said: list[str], tmp_path: Path):
    write_model(tmp_path, PLAIN)

    assert_refused(Endpoint(tmp_path, {**S3, **settings}), said)


def test_a_wrong_setting_of_the_artefacts_own_file_stops_the_start_too(tmp_path: Path):
    folder = write_model(tmp_path, PLAIN)
    (folder / "capture.toml").write_text('[types]\nseats = "integer"\n')

    assert_refused(Endpoint(tmp_path, S3), ["capture.toml", "seats", "integer", "int64"])


def assert_refused(endpoint: Endpoint, said: list[str]) -> None:
    try:
        code = endpoint.start().wait()
        left = [path.name for path in endpoint.temporary.iterdir()]
        processes = endpoint.processes()
    finally:
        endpoint.remove()
    [line] = endpoint.stderr.splitlines()

    assert code not in (0, None)
    assert [part for part in said if part not in line] == []
    assert "Traceback" not in endpoint.stderr
    assert endpoint.output.read_text() == ""
    assert (left, processes) == ([], {})
