"""SageMaker Feature Store as an HTTP server, for no real one can be had here.

It speaks for the two operations that the store uses, and is held to the service's own model: each request is checked
against the input shape of botocore's description (required members, lengths, patterns, types), each answer against the
output shape; what does not fit fails the test that asked.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import boto3
import botocore.session
from botocore.config import Config
from botocore.model import Shape
from botocore.validate import ParamValidator

_MODELS = botocore.session.get_session()
_RUNTIME = _MODELS.get_service_model("sagemaker-featurestore-runtime").operation_model("BatchGetRecord")
_DESCRIBE = _MODELS.get_service_model("sagemaker").operation_model("DescribeFeatureGroup")


@dataclass
class FeatureStoreFake:
    """What it holds, how it misbehaves, and what it was asked."""

    definitions: dict[str, str]
    """Feature name to its type: Integral, Fractional, String."""
    records: dict[str, dict[str, Any]]
    """Record id to features; a list is a ValueAsStringList."""
    seconds: float = 0.0
    """How long an answer takes."""
    awake: threading.Event = field(default_factory=threading.Event)
    """Clear it, and no answer comes until it is set."""
    unprocessed: int = 0
    """How many answers leave all ids but the first unprocessed."""
    failures: list[tuple[int, str]] = field(default_factory=list)
    """HTTP errors to answer with before anything else."""
    describe_failures: list[tuple[int, str]] = field(default_factory=list)
    """The same for the definitions."""
    record_error: str | None = None
    """An error code for every record."""
    asked: list[list[str]] = field(default_factory=list)
    described: int = 0
    connections: set[object] = field(default_factory=set)
    faults: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.awake.set()

    def batch_get_record(self, request: dict[str, Any]) -> dict[str, Any]:
        (wanted,) = request["Identifiers"]
        group, ids, names = wanted["FeatureGroupName"], wanted["RecordIdentifiersValueAsString"], wanted["FeatureNames"]
        self.asked.append(ids)
        left: list[str] = []
        if self.unprocessed and len(ids) > 1:
            self.unprocessed -= 1
            ids, left = ids[:1], ids[1:]
        if self.record_error is not None:
            error = {"ErrorCode": self.record_error, "ErrorMessage": "as the test wants"}
            errors = [{"FeatureGroupName": group, "RecordIdentifierValueAsString": key, **error} for key in ids]
            return {"Records": [], "Errors": errors, "UnprocessedIdentifiers": []}
        records = [
            {
                "FeatureGroupName": group,
                "RecordIdentifierValueAsString": key,
                "Record": [_value(name, self.records[key][name]) for name in names if name in self.records[key]],
            }
            for key in ids
            if key in self.records
        ]
        again = {"FeatureGroupName": group, "RecordIdentifiersValueAsString": left, "FeatureNames": names}
        return {"Records": records, "Errors": [], "UnprocessedIdentifiers": [again] if left else []}

    def describe(self, request: dict[str, Any]) -> dict[str, Any]:
        self.described += 1
        names = list(self.definitions)
        first = int(request.get("NextToken", "0"))
        page = names[first : first + 2]
        more = {"NextToken": str(first + 2)} if first + 2 < len(names) else {"NextToken": ""}
        return {
            "FeatureGroupArn": "arn:aws:sagemaker:us-east-1:123456789012:feature-group/" + request["FeatureGroupName"],
            "FeatureGroupName": request["FeatureGroupName"],
            "RecordIdentifierFeatureName": names[0],
            "EventTimeFeatureName": names[-1],
            "FeatureDefinitions": [{"FeatureName": name, "FeatureType": self.definitions[name]} for name in page],
            "CreationTime": 1_700_000_000,
            **more,
        }


def _value(name: str, value: Any) -> dict[str, Any]:
    if isinstance(value, list):
        return {"FeatureName": name, "ValueAsStringList": [str(entry) for entry in value]}
    return {"FeatureName": name, "ValueAsString": str(value)}


def _check(fake: FeatureStoreFake, what: str, value: dict[str, Any], shape: Shape) -> None:
    report = ParamValidator().validate(value, shape)
    if report.has_errors():
        fake.faults.append(f"{what}: {report.generate_report()}")
    for entry in value.get("Identifiers", []):
        if len(entry["RecordIdentifiersValueAsString"]) > 100:
            fake.faults.append(f"{what}: more than 100 identifiers")


@contextmanager
def served(fake: FeatureStoreFake, read_timeout: float = 0.5) -> Iterator[tuple[Any, Any]]:
    """The fake behind a port of 127.0.0.1; gives the two clients that the store wants."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            fake.connections.add(self.client_address)
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            time.sleep(fake.seconds)
            fake.awake.wait(60)
            failures = fake.failures if self.path == "/BatchGetRecord" else fake.describe_failures
            if failures:
                status, code = failures.pop(0)
                self._answer(status, {"message": code}, code)
                return
            if self.path == "/BatchGetRecord":
                assert _RUNTIME.input_shape is not None
                assert _RUNTIME.output_shape is not None
                _check(fake, "request", body, _RUNTIME.input_shape)
                answer = fake.batch_get_record(body)
                _check(fake, "answer", answer, _RUNTIME.output_shape)
            else:
                assert self.headers["X-Amz-Target"] == "SageMaker.DescribeFeatureGroup"
                assert _DESCRIBE.input_shape is not None
                _check(fake, "request", body, _DESCRIBE.input_shape)
                answer = fake.describe(body)
            self._answer(200, answer)

        def _answer(self, status: int, value: dict[str, Any], error: str | None = None) -> None:
            content = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            if error is not None:
                self.send_header("x-amzn-ErrorType", error)
            self.end_headers()
            try:
                self.wfile.write(content)
            except OSError:
                self.close_connection = True

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    config = Config(
        connect_timeout=0.5, read_timeout=read_timeout, retries={"total_max_attempts": 1}, region_name="us-east-1"
    )
    try:
        runtime = boto3.client("sagemaker-featurestore-runtime", endpoint_url=endpoint, config=config)
        yield runtime, boto3.client("sagemaker", endpoint_url=endpoint, config=config)
        assert not fake.faults, fake.faults
    finally:
        fake.awake.set()
        server.shutdown()
        server.server_close()
        thread.join()
