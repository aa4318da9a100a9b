"""Writes a baseline into SageMaker's model registry: into a version that is created, or into one that exists.

`DriftCheckBaselines` can be given only when a version is created. A version that exists gets keys in its customer metadata.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from monitoring.baseline.registry import (
    CONSTRAINTS,
    DIGEST_PREFIX,
    DIRECTORY_KEY,
    ID_KEY,
    MEMBERS,
    OWN_FILES,
    STATISTICS,
    TRAINING_DIGEST_KEY,
    TRAINING_KEY,
    call_registry,
    describe,
    digest_of,
    parse_arn,
    registry_client,
)
from monitoring.errors import MonitoringError, UsageError
from monitoring.storage import MissingKey, StorageError, key_in_storage, open_storage

_VALUE = re.compile(r"[\w\s.:/=+@-]{1,256}")


@dataclass(frozen=True, slots=True)
class BaselineFiles:
    """A baseline's directory, ready to be registered: the digests of its files by name."""

    directory: str
    digests: Mapping[str, str]
    baseline_id: str = ""
    training_data: str = ""
    training_digest: str = ""

    def uri(self, name: str) -> str:
        """Returns the URI of a file."""
        return f"{self.directory.rstrip('/')}/{name}"


def files_of(
    directory: str, *, baseline_id: str = "", training_data: str = "", training_digest: str = ""
) -> BaselineFiles:
    """Reads a baseline's directory and returns the digests of its files.

    Raises UsageError where `directory` is not in S3 or has no statistics and constraints.
    """
    if not directory.startswith("s3://"):
        raise UsageError(
            f"a model version can name a baseline in S3 only, not {directory!r}: write it to s3://bucket/prefix"
        )
    storage = open_storage(directory)
    digests = {}
    for name in (*MEMBERS.values(), *OWN_FILES):
        try:
            digests[name] = digest_of(storage.get(name).body)
        except MissingKey as error:
            if name in (STATISTICS, CONSTRAINTS):
                raise UsageError(f"{directory} has no {name}: write a baseline there first") from error
    return BaselineFiles(directory, digests, baseline_id, training_data, training_digest)


def digest_of_object(uri: str) -> str:
    """Returns the digest of one file or object, "" where `uri` names none: a directory, a prefix."""
    storage, key = key_in_storage(uri)
    try:
        return digest_of(storage.get(key).body)
    except StorageError:
        return ""


def drift_check_baselines(files: BaselineFiles) -> dict[str, Any]:
    """Returns `DriftCheckBaselines` for CreateModelPackage; `ModelMetrics` takes the same members."""
    found: dict[str, dict[str, Any]] = {}
    for (kind, member), name in MEMBERS.items():
        if name in files.digests:
            source = {"ContentType": "application/json", "ContentDigest": files.digests[name], "S3Uri": files.uri(name)}
            found.setdefault(kind, {})[member] = source
    return found


def customer_metadata(files: BaselineFiles) -> dict[str, str]:
    """Returns our keys of the customer metadata.

    Raises UsageError where a value is longer than 256 characters or holds one that the registry does not allow.
    """
    values = {
        DIRECTORY_KEY: files.directory,
        ID_KEY: files.baseline_id,
        TRAINING_KEY: files.training_data,
        TRAINING_DIGEST_KEY: files.training_digest,
        **{f"{DIGEST_PREFIX}{name}": digest for name, digest in files.digests.items()},
    }
    for key, value in values.items():
        if value and not _VALUE.fullmatch(value):
            raise UsageError(
                f"the model registry cannot hold {value!r} as {key}: at most 256 letters, digits, spaces and _.:/=+-@"
            )
    return {key: value for key, value in values.items() if value}


def create_version(files: BaselineFiles, group: str, *, client: Any = None, **request: Any) -> str:
    """Creates a version of the group with the baseline in it, and returns its ARN.

    `request` holds the other members of CreateModelPackage: InferenceSpecification, ModelApprovalStatus, …
    """
    metadata = {**request.pop("CustomerMetadataProperties", {}), **customer_metadata(files)}
    baselines = {**request.pop("DriftCheckBaselines", {}), **drift_check_baselines(files)}
    answer = call_registry(
        registry_client(client).create_model_package,
        f"create a version of {group}",
        ModelPackageGroupName=group,
        DriftCheckBaselines=baselines,
        CustomerMetadataProperties=metadata,
        **request,
    )
    return str(answer["ModelPackageArn"])


def add_to_version(files: BaselineFiles, model_package: str, *, client: Any = None) -> None:
    """Writes the baseline into the customer metadata of a version that exists. Its other keys and its approval stay.

    Raises MonitoringError where the version has a baseline in `DriftCheckBaselines`, which cannot be changed and which
    readers take first.
    """
    model_package = parse_arn(model_package)
    client = registry_client(client, model_package)
    described = describe(client, model_package)
    if (described.get("DriftCheckBaselines") or {}).get("ModelDataQuality"):
        raise MonitoringError(
            f"{model_package} was created with a baseline, which the registry does not change: create a new version"
        )
    kept = {
        key: value
        for key, value in (described.get("CustomerMetadataProperties") or {}).items()
        if not key.startswith(DIGEST_PREFIX)
    }
    request: dict[str, Any] = {"CustomerMetadataProperties": {**kept, **customer_metadata(files)}}
    stale = [
        key
        for key in described.get("CustomerMetadataProperties") or {}
        if key not in request["CustomerMetadataProperties"]
    ]
    if stale:  # The registry merges the keys that an update gives with those that it has.
        request["CustomerMetadataPropertiesToRemove"] = stale
    if "ModelApprovalStatus" in described:  # An update without it may clear it.
        request["ModelApprovalStatus"] = described["ModelApprovalStatus"]
    call_registry(client.update_model_package, f"update {model_package}", ModelPackageArn=model_package, **request)
