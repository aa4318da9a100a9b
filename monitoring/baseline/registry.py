"""A baseline in SageMaker's model registry: `--baseline model-package:ARN` and `baseline --register`.

A model version names its baseline in two places. `DriftCheckBaselines` is the registry's own, holds the URIs and SHA-256
digests of `statistics.json` and `constraints.json`, and can be given only when a version is created. The version's customer
metadata holds keys of ours (`endpoint-capture:…`), which can be added later: the URI of the baseline's directory, the digest
of each file in it, and the training data, which no member of the registry names.

A reader takes `DriftCheckBaselines` first. `registration` writes both. Each file is compared with its digest, so that a baseline that was overwritten in
place is noticed.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from monitoring.errors import MonitoringError, UsageError
from monitoring.storage import MissingKey, key_in_storage

if TYPE_CHECKING:
    from collections.abc import Callable

SCHEME = "model-package:"
STATISTICS, CONSTRAINTS = "statistics.json", "constraints.json"
QUALITY_STATISTICS, QUALITY_CONSTRAINTS = "model_quality/statistics.json", "model_quality/constraints.json"
OWN_FILES = ("baseline.arrow", "units.arrow", "model_quality/baseline.json", "model_quality/rows.parquet")
"""Files of a baseline's directory that the registry has no member for."""

_KEY = "endpoint-capture:"
DIRECTORY_KEY, ID_KEY = f"{_KEY}baseline", f"{_KEY}baseline-id"
DIGEST_PREFIX = f"{_KEY}digest:"
TRAINING_KEY, TRAINING_DIGEST_KEY = f"{_KEY}training-data", f"{_KEY}training-data-digest"
_ARN = re.compile(r"arn:aws[a-z-]*:sagemaker:([a-z0-9-]{9,16}):\d{12}:model-package/\S+")
MEMBERS = {
    ("ModelDataQuality", "Statistics"): STATISTICS,
    ("ModelDataQuality", "Constraints"): CONSTRAINTS,
    ("ModelQuality", "Statistics"): QUALITY_STATISTICS,
    ("ModelQuality", "Constraints"): QUALITY_CONSTRAINTS,
}


@dataclass(frozen=True, slots=True)
class RegisteredFile:
    """One file of a registered baseline. `digest` is `sha256:` and 64 hexadecimal digits, empty where none is known."""

    uri: str
    digest: str = ""

    def read(self) -> bytes:
        """Returns the content. Raises MonitoringError where it is gone or is not what was registered."""
        storage, key = key_in_storage(self.uri)
        try:
            content = storage.get(key).body
        except MissingKey as error:
            raise MonitoringError(
                f"{self.uri} is registered as a baseline and is not there: register it again"
            ) from error
        found = digest_of(content)
        if self.digest and found != self.digest.lower():
            raise MonitoringError(
                f"{self.uri} is not what was registered ({found}, registered {self.digest}): it was overwritten. Register the "
                "new baseline, or restore the old file"
            )
        return content


@dataclass(frozen=True, slots=True)
class RegisteredBaseline:
    """The baseline of a model version: its files by their name in a baseline's directory.

    `directory` is the directory that holds all of them, empty where the version names single files only. `source` says where
    in the registry the baseline stands.
    """

    model_package: str
    files: Mapping[str, RegisteredFile]
    source: str
    directory: str = ""
    baseline_id: str = ""
    training_data: str = ""
    training_digest: str = ""

    def verify(self) -> None:
        """Reads every file and compares it with its digest. Raises MonitoringError where one differs."""
        for file in self.files.values():
            file.read()


def digest_of(content: bytes) -> str:
    """Returns the digest as the registry writes it."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def is_registered(uri: str) -> bool:
    """Returns True if `uri` names a model version."""
    return uri.startswith(SCHEME)


def find_baseline(uri: str, *, client: Any = None) -> RegisteredBaseline:
    """Returns the baseline of `model-package:ARN`. Digests are compared when its files are read.

    Raises UsageError where `uri` is not an ARN of a model version, MonitoringError where it cannot be read or names no
    baseline.
    """
    model_package = parse_arn(uri)
    described = describe(registry_client(client, model_package), model_package)
    metadata = described.get("CustomerMetadataProperties") or {}
    official = _official(described.get("DriftCheckBaselines") or {})
    own = _own(metadata)
    if not {STATISTICS, CONSTRAINTS} <= official.keys():
        if not own:
            raise MonitoringError(
                f"{model_package} names no baseline, neither in DriftCheckBaselines nor in its customer metadata: register one "
                "with `monitoring baseline --register`"
            )
        return _registered(model_package, own, "CustomerMetadataProperties", metadata, metadata[DIRECTORY_KEY])
    # Our directory holds more than the registry's two files; it counts only where it holds these very files.
    same = own.get(STATISTICS) == official[STATISTICS] and own.get(CONSTRAINTS) == official[CONSTRAINTS]
    files = {**own, **official} if same else official
    return _registered(model_package, files, "DriftCheckBaselines", metadata, metadata[DIRECTORY_KEY] if same else "")


def parse_arn(uri: str) -> str:
    """Returns the ARN in `model-package:ARN` or in an ARN. Raises UsageError where there is none."""
    arn = uri.removeprefix(SCHEME)
    if not _ARN.fullmatch(arn):
        raise UsageError(
            f"{uri!r} is not a model version: give model-package:arn:aws:sagemaker:…:model-package/NAME/VERSION"
        )
    return arn


def _registered(
    model_package: str, files: Mapping[str, RegisteredFile], source: str, metadata: Mapping[str, str], directory: str
) -> RegisteredBaseline:
    return RegisteredBaseline(
        model_package=model_package,
        files=files,
        source=source,
        directory=directory,
        baseline_id=metadata.get(ID_KEY, ""),
        training_data=metadata.get(TRAINING_KEY, ""),
        training_digest=metadata.get(TRAINING_DIGEST_KEY, ""),
    )


def _official(baselines: Mapping[str, Any]) -> dict[str, RegisteredFile]:
    found = {}
    for (kind, member), name in MEMBERS.items():
        source = (baselines.get(kind) or {}).get(member)
        if source:
            found[name] = RegisteredFile(source["S3Uri"], source.get("ContentDigest", "").lower())
    return found


def _own(metadata: Mapping[str, str]) -> dict[str, RegisteredFile]:
    directory = metadata.get(DIRECTORY_KEY, "").rstrip("/")
    if not directory:
        return {}
    names = [key.removeprefix(DIGEST_PREFIX) for key in metadata if key.startswith(DIGEST_PREFIX)]
    return {name: RegisteredFile(f"{directory}/{name}", metadata[f"{DIGEST_PREFIX}{name}"]) for name in names}


def registry_client(client: Any, model_package: str = "") -> Any:
    """Returns `client`, or a new one for the region of the model version."""
    if client is not None:
        return client
    import boto3

    found = _ARN.fullmatch(model_package)
    return boto3.client("sagemaker", region_name=found[1] if found else None)


def describe(client: Any, model_package: str) -> dict[str, Any]:
    """Returns what the registry knows of a model version. Raises MonitoringError where it cannot be read."""
    return dict(call_registry(client.describe_model_package, f"read {model_package}", ModelPackageName=model_package))


def call_registry(call: Callable[..., Any], what: str, **request: Any) -> Any:
    """Returns the answer of a call. Raises MonitoringError, which says what could not be done."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        return call(**request)
    except ClientError as error:
        message = error.response.get("Error", {}).get("Message", str(error))
        raise MonitoringError(f"cannot {what} in the model registry: {message}") from error
    except BotoCoreError as error:
        raise MonitoringError(f"cannot {what} in the model registry: {error}") from error
