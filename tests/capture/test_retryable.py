"""Which answers of S3 the shipper repeats by itself, and which wait for a person: the rule, code by code."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError

from capture.sinks import MissingObject, SinkError
from capture.sinks.s3 import Bucket


def refused(error: Exception) -> SinkError:
    with pytest.raises(SinkError) as caught:
        Bucket("bucket", "captured")._refuse("put_object", "write", "key", error)
    return caught.value


def answer(code: str, status: int) -> ClientError:
    response: Any = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(response, "PutObject")


@pytest.mark.parametrize(
    ("code", "status", "retryable"),
    [
        ("InternalError", 500, True),
        ("ServiceUnavailable", 503, True),
        ("Unheard", 599, True),
        ("Unheard", 429, True),
        ("Unheard", 408, True),
        ("SlowDown", 400, True),
        ("RequestTimeout", 400, True),
        ("BadDigest", 400, True),
        ("KMS.ThrottlingException", 400, True),
        ("Unheard", 400, False),
        ("Unheard", 499, False),
        ("AccessDenied", 403, False),
        ("ExpiredToken", 400, False),
        ("NoSuchBucket", 404, False),
    ],
)
def test_an_answer_is_repeated_by_its_code_or_status(code: str, status: int, retryable: bool) -> None:
    assert refused(answer(code, status)).retryable == retryable


def test_a_connection_is_repeated_and_missing_credentials_are_not() -> None:
    assert refused(EndpointConnectionError(endpoint_url="http://x")).retryable
    assert not refused(NoCredentialsError()).retryable
    assert isinstance(refused(answer("NoSuchKey", 404)), MissingObject)
