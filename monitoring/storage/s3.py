"""An S3 bucket as a storage, through boto3. Tags are ETags; conditional writes are S3's `If-None-Match` and `If-Match`.

Credentials, region and endpoint (`AWS_ENDPOINT_URL_S3`) come from where boto3 looks for them. boto3 retries a call four
times within its time limits. A conditional write that S3 carried out and whose answer was lost is refused when boto3
repeats it; so `create` and `replace` read the object before they raise Conflict, and succeed where it holds their bytes.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, NoReturn

from monitoring.storage import JSON, Conflict, Listed, MissingKey, StorageError, Stored

if TYPE_CHECKING:
    from collections.abc import Iterator

_MISSING = {"NoSuchKey", "NotFound", "404"}
_REFUSED = {"PreconditionFailed", "ConditionalRequestConflict", "412", "409"}
_EXPLAINED = {
    "AccessDenied": "access is denied: the role needs s3:GetObject, s3:PutObject and s3:ListBucket there",
    "InvalidAccessKeyId": "the access key is unknown",
    "SignatureDoesNotMatch": "the secret key is wrong",
    "ExpiredToken": "the credentials have expired",
    "NoSuchBucket": "there is no such bucket",
}


class S3Storage:
    """The objects below a prefix of a bucket."""

    def __init__(self, bucket: str, prefix: str = "", client: Any = None) -> None:
        self._bucket = bucket
        self._prefix = f"{prefix}/" if prefix else ""
        self._made = client
        self.uri = f"s3://{bucket}/{prefix}".rstrip("/")

    def get(self, key: str) -> Stored:
        """Returns an object. Raises MissingKey where there is none."""
        answer = self._call("get_object", "read", key)
        try:
            return Stored(bytes(answer["Body"].read()), str(answer["ETag"]))
        except Exception as error:
            self._refuse("read", key, error)

    def put(self, key: str, body: bytes, content_type: str = JSON) -> str:
        """Writes an object, replaces one of the same key, and returns the new tag."""
        return str(self._call("put_object", "write", key, Body=body, ContentType=content_type)["ETag"])

    def create(self, key: str, body: bytes, content_type: str = JSON) -> str:
        """Writes an object if the key is free. Raises Conflict where it is taken."""
        return self._write_if(key, body, content_type, IfNoneMatch="*")

    def replace(self, key: str, body: bytes, tag: str, content_type: str = JSON) -> str:
        """Writes an object if its tag still is `tag`. Raises Conflict where it is not."""
        return self._write_if(key, body, content_type, IfMatch=tag)

    def delete(self, key: str) -> None:
        """Removes an object. Does nothing where there is none."""
        self._call("delete_object", "remove", key)

    def list(self, prefix: str = "") -> Iterator[Listed]:
        """Yields the objects whose key begins with `prefix`, in the order of their keys."""
        token: dict[str, str] = {}
        while True:
            page = self._call("list_objects_v2", "list", "", Prefix=self._prefix + prefix, **token)
            for entry in page.get("Contents", ()):
                key, modified = entry["Key"][len(self._prefix) :], entry["LastModified"].astimezone(dt.UTC)
                yield Listed(key, int(entry["Size"]), str(entry.get("ETag", "")), modified)
            if not page.get("IsTruncated"):
                return
            token = {"ContinuationToken": page["NextContinuationToken"]}

    def _write_if(self, key: str, body: bytes, content_type: str, **condition: str) -> str:
        try:
            answer = self._call("put_object", "write", key, Body=body, ContentType=content_type, **condition)
        except (Conflict, MissingKey) as refused:
            try:
                found = self.get(key)
            except MissingKey:
                raise Conflict(f"{self._uri(key)} was removed by another writer") from refused
            if found.body != body:
                raise Conflict(str(refused)) from refused
            return found.tag
        return str(answer["ETag"])

    def _call(self, operation: str, verb: str, key: str, **arguments: Any) -> dict[str, Any]:
        if operation != "list_objects_v2":
            arguments["Key"] = self._prefix + key
        try:
            if self._made is None:
                self._made = _client()
            answer: dict[str, Any] = getattr(self._made, operation)(Bucket=self._bucket, **arguments)
        except Exception as error:
            self._refuse(verb, key, error)
        return answer

    def _refuse(self, verb: str, key: str, error: Exception) -> NoReturn:
        from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, PartialCredentialsError

        what = f"cannot {verb} {self._uri(key)}"
        if isinstance(error, NoCredentialsError | PartialCredentialsError):
            raise StorageError(f"{what}: no credentials were found", retryable=False) from error
        if not isinstance(error, ClientError):
            if isinstance(error, BotoCoreError | OSError):
                raise StorageError(f"{what}: {str(error).rstrip('.')}", retryable=True) from error
            raise error
        code = error.response.get("Error", {}).get("Code", "")
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        if code in _MISSING:
            raise MissingKey(f"{what}: there is no such object") from error
        if code in _REFUSED or status == 412:
            raise Conflict(f"{what}: another writer was first") from error
        why = _EXPLAINED.get(code) or error.response.get("Error", {}).get("Message") or f"status {status}"
        raise StorageError(f"{what}: {why} ({code})", retryable=status >= 500 or status in (408, 429)) from error

    def _uri(self, key: str) -> str:
        return f"{self.uri}/{key}" if key else self.uri


def _client() -> Any:
    import boto3
    from botocore.config import Config

    config = Config(
        connect_timeout=5,
        read_timeout=30,
        retries={"total_max_attempts": 4, "mode": "standard"},
        max_pool_connections=16,
        user_agent_extra="endpoint-capture",
    )
    return boto3.Session().client("s3", config=config)
