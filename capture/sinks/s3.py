"""An S3 bucket as a place for captured objects, through boto3.

The client is made at the first call: credentials, region and endpoint (`AWS_ENDPOINT_URL_S3`) come from where boto3
looks for them. It is made anew after an error of credentials, so that a rotated or repaired credential works without a
restart. Time-outs bound every call, so that a server that does not answer costs 20 seconds and not forever.
"""

from __future__ import annotations

import base64
import zlib
from typing import TYPE_CHECKING, Any, NoReturn

from capture.sinks import MissingObject, SinkError

if TYPE_CHECKING:
    from collections.abc import Iterator

CONNECT_TIMEOUT = 5.0
READ_TIMEOUT = 15.0
"""Seconds to wait for a connection, and for the next bytes of an answer."""

_CREDENTIALS = {
    "AccessDenied", "AuthorizationHeaderMalformed", "ExpiredToken", "ExpiredTokenException", "Forbidden", "InvalidAccessKeyId",
    "InvalidClientTokenId", "InvalidToken", "SignatureDoesNotMatch", "UnrecognizedClientException", "403",
}  # fmt: skip
_MISSING = {"NoSuchKey", "NotFound", "404"}
_PASSING = {
    "BadDigest", "KMS.ThrottlingException", "RequestTimeout", "SlowDown", "Throttling", "ThrottlingException",
    "XAmzContentChecksumMismatch",
}  # fmt: skip
_DENIED = ("AccessDenied", "Forbidden", "403")
_RIGHTS = {
    "put_object": "s3:PutObject there, and kms:GenerateDataKey for a key of yours",
    "get_object": "s3:GetObject there, and kms:Decrypt for a key of yours",
    "head_object": "s3:GetObject there",
    "list_objects_v2": "s3:ListBucket there",
}
"""What the policies in `deploy/iam` allow for each call."""
_EXPLAINED = {
    "InvalidAccessKeyId": "the access key is unknown",
    "SignatureDoesNotMatch": "the secret key is wrong",
    "ExpiredToken": "the credentials have expired",
    "NoSuchBucket": "there is no such bucket",
}


class Bucket:
    """The objects below a prefix of a bucket."""

    def __init__(self, bucket: str, prefix: str, kms_key_id: str | None = None, attempts: int = 1) -> None:
        self._bucket = bucket
        self._prefix = f"{prefix}/" if prefix else ""
        self._encryption = {} if kms_key_id is None else {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": kms_key_id}
        self._attempts = attempts
        self._client: Any = None
        self.uri = f"s3://{bucket}/{prefix}".rstrip("/")

    def put(self, key: str, body: bytes, content_type: str) -> None:
        """Uploads `body`; S3 verifies its checksum and says so."""
        checksum = base64.b64encode(zlib.crc32(body).to_bytes(4, "big")).decode()
        answer = self._call(
            "put_object",
            "write",
            key,
            Body=body,
            ContentType=content_type,
            ChecksumCRC32=checksum,
            **self._encryption,
        )
        if answer.get("ChecksumCRC32", checksum) != checksum:
            raise SinkError(f"cannot write {self._uri(key)}: it arrived with another checksum", retryable=True)

    def exists(self, key: str) -> bool:
        """Whether there is an object under this key."""
        try:
            self._call("head_object", "read", key)
        except MissingObject:
            return False
        return True

    def list(self, prefix: str = "") -> Iterator[tuple[str, int]]:
        """Keys that begin with `prefix`, and their sizes."""
        for page in self._pages(prefix, {}):
            for entry in page.get("Contents", ()):
                yield entry["Key"][len(self._prefix) :], entry["Size"]

    def folders(self, prefix: str = "") -> Iterator[str]:
        """The names that follow `prefix` up to the next slash."""
        for page in self._pages(prefix, {"Delimiter": "/"}):
            for entry in page.get("CommonPrefixes", ()):
                yield entry["Prefix"][len(self._prefix) + len(prefix) : -1]

    def get(self, key: str, last: int | None = None) -> bytes:
        """An object's bytes, or its `last` ones."""
        part = {} if last is None else {"Range": f"bytes=-{last}"}
        answer = self._call("get_object", "read", key, **part)
        try:
            return bytes(answer["Body"].read())
        except Exception as error:
            self._refuse("get_object", "read", key, error)

    def _pages(self, prefix: str, more: dict[str, str]) -> Iterator[dict[str, Any]]:
        token: dict[str, str] = {}
        while True:
            page = self._call("list_objects_v2", "list", "", Prefix=self._prefix + prefix, **more, **token)
            yield page
            if not page.get("IsTruncated"):
                return
            token = {"ContinuationToken": page["NextContinuationToken"]}

    def _call(self, operation: str, verb: str, key: str, **arguments: Any) -> dict[str, Any]:
        if operation != "list_objects_v2":
            arguments["Key"] = self._prefix + key
        try:
            if self._client is None:
                self._client = _client(self._attempts)
            answer: dict[str, Any] = getattr(self._client, operation)(Bucket=self._bucket, **arguments)
        except Exception as error:
            self._refuse(operation, verb, key, error)
        return answer

    def _refuse(self, operation: str, verb: str, key: str, error: Exception) -> NoReturn:
        """Raises what a caller can act on for an error of botocore; any other error is a mistake of ours."""
        from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, PartialCredentialsError

        what = f"cannot {verb} {self._uri(key)}"
        if isinstance(error, NoCredentialsError | PartialCredentialsError):
            self._client = None
            raise SinkError(f"{what}: no credentials were found", retryable=False) from error
        if not isinstance(error, ClientError):
            if isinstance(error, BotoCoreError | OSError):
                raise SinkError(f"{what}: {str(error).rstrip('.')}", retryable=True) from error
            raise error
        answer = error.response
        code = answer.get("Error", {}).get("Code", "")
        status = answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        if code in _MISSING:
            raise MissingObject(f"{what}: there is no such object") from error
        if code in _CREDENTIALS:
            self._client = None
        denied = f"access is denied: the role needs {_RIGHTS[operation]}" if code in _DENIED else None
        why = denied or _EXPLAINED.get(code) or answer.get("Error", {}).get("Message") or f"status {status}"
        passing = code in _PASSING or status >= 500 or status in (408, 429)
        raise SinkError(f"{what}: {why} ({code})", retryable=passing) from error

    def _uri(self, key: str) -> str:
        return f"{self.uri}/{key}" if key else self.uri


def _client(attempts: int) -> Any:
    """A new client of a new session, so that credentials are looked up again."""
    import boto3
    from botocore.config import Config

    config = Config(
        connect_timeout=CONNECT_TIMEOUT,
        read_timeout=READ_TIMEOUT,
        retries={"total_max_attempts": attempts, "mode": "standard"},
        max_pool_connections=8,
        user_agent_extra="endpoint-capture",
    )
    return boto3.Session().client("s3", config=config)
