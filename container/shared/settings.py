"""What the environment says about serving: the SageMaker toolkit's `SAGEMAKER_*` variables and our own few.

`Settings.from_env` reads everything at once and checks it, so that a wrong value stops the endpoint before a process
is started. A `SettingError` is one line: the variable, its value, and what is allowed. Capture has settings of its
own (`CAPTURE_*`, `capture.CaptureConfig`); they are no business of this module.

`docs/endpoint.md` lists every variable read here.
"""

from __future__ import annotations

import logging
import os
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import overload

MEBIBYTE = 1024 * 1024
DEFAULT_PAYLOAD = 6_291_456
"""SageMaker's limit for the body of a real-time request, in bytes."""

BATCH_VARIABLES = ("SAGEMAKER_MODEL_SERVER_BATCH_SIZE", "SAGEMAKER_TS_BATCH_SIZE", "MMS_BATCH_SIZE")
STORE_SCHEMES = ("sqlite", "sagemaker", "feast", "python")


INSTEAD = {
    "MMS_MAX_REQUEST_SIZE": "SAGEMAKER_MAX_PAYLOAD_IN_MB",
    "MMS_MAX_RESPONSE_SIZE": "SAGEMAKER_MAX_PAYLOAD_IN_MB",
    "MMS_DEFAULT_RESPONSE_TIMEOUT": "SAGEMAKER_MODEL_SERVER_TIMEOUT_SECONDS",
    "MMS_DEFAULT_WORKERS_PER_MODEL": "SAGEMAKER_MODEL_SERVER_WORKERS",
    "MMS_NUMBER_OF_NETTY_THREADS": "nothing: Multi Model Server chooses it",
    "MMS_VMARGS": "SAGEMAKER_MODEL_SERVER_VMARGS",
    "MMS_DEFAULT_SERVICE_HANDLER": "SAGEMAKER_PROGRAM",
    "TS_MAX_REQUEST_SIZE": "SAGEMAKER_MAX_PAYLOAD_IN_MB",
    "TS_MAX_RESPONSE_SIZE": "SAGEMAKER_MAX_PAYLOAD_IN_MB",
    "TS_DEFAULT_RESPONSE_TIMEOUT": "SAGEMAKER_MODEL_SERVER_TIMEOUT_SECONDS",
    "TS_DEFAULT_WORKERS_PER_MODEL": "SAGEMAKER_MODEL_SERVER_WORKERS",
    "TS_DEFAULT_STARTUP_TIMEOUT": "SAGEMAKER_STARTUP_TIMEOUT",
    "SAGEMAKER_HANDLER": "SAGEMAKER_PROGRAM",
    "SAGEMAKER_TS_RESPONSE_TIMEOUT": "SAGEMAKER_MODEL_SERVER_TIMEOUT_SECONDS",
    "SAGEMAKER_TS_MIN_WORKERS": "SAGEMAKER_MODEL_SERVER_WORKERS",
    "SAGEMAKER_TS_MAX_WORKERS": "SAGEMAKER_MODEL_SERVER_WORKERS",
}
"""What to set instead of a variable of Multi Model Server, TorchServe or the toolkit that has no effect here."""


def instead_of(name: str) -> str:
    """What the log advises for a variable that has no effect."""
    known = INSTEAD.get(name)
    if known is None:
        return "the endpoint writes Multi Model Server's settings itself"
    return known if known.startswith("nothing") else f"set {known}"


def _is_ignored(name: str) -> bool:
    ours = name in BATCH_VARIABLES or name == "MMS_CONFIG_FILE"
    return not ours and (name in INSTEAD or name.startswith(("MMS_", "TS_", "SAGEMAKER_TS_")))


class SettingError(ValueError):
    """A setting that cannot be: one line that names the variable, its value and what is allowed."""

    def __init__(self, variable: str, value: object, allowed: str) -> None:
        super().__init__(f"{variable}={value}: {allowed}")


@dataclass(frozen=True)
class StoreSettings:
    """Where online features come from, and what a slow or failing store may cost a request."""

    uri: str
    timeout: float
    """Seconds that all lookups of one request may take together."""
    fail_open: bool
    """A lookup that fails: null features (true), or the request is answered with 503 (false)."""
    cache_seconds: float
    """How long a found record may be served from memory; 0 asks the store every time."""
    cache_records: int


@dataclass(frozen=True)
class ProtobufSettings:
    """The descriptor set in the artefact, and the full names of the messages."""

    descriptor_set: str
    request: str | None
    response: str | None


@dataclass(frozen=True)
class Settings:
    """Hold the checked settings of `python -m container serve`."""

    base_dir: Path
    """SageMaker's directory, `/opt/ml` by default."""
    program: str
    """Name of the user's module: `inference` for `inference.py`."""
    multi_model: bool
    port: int
    workers: int | None
    """Worker processes for each model; None: as many as the container has CPUs."""
    time_limit: float
    """Seconds that the handler may take for one request."""
    startup_timeout: float
    """Seconds from start until the model must be loaded in every worker."""
    max_payload: int
    """Bytes a request or a response may have."""
    default_accept: str
    java_options: tuple[str, ...]
    log_level: int
    store: StoreSettings | None
    protobuf: ProtobufSettings | None
    ignored: tuple[str, ...]
    """Variables that are set and have no effect here, each worth a line in the log."""

    @property
    def model_dir(self) -> Path:
        """Where the artefact lies (single model)."""
        return self.base_dir / "model"

    @classmethod
    def from_env(cls, env: Mapping[str, str] = os.environ) -> Settings:
        """Read and check the environment.

        Raises:
            SettingError: one line about the first setting that cannot be.
        """
        reader = _EnvironmentReader(env)
        reader.refuse_batches()
        reader.port_range("SAGEMAKER_SAFE_PORT_RANGE")
        seconds = reader.number("SAGEMAKER_MODEL_SERVER_TIMEOUT_SECONDS", None, 1, 86400)
        minutes = reader.number("SAGEMAKER_MODEL_SERVER_TIMEOUT", None, 1, 1440)
        batch_transform = reader.flag("SAGEMAKER_BATCH")
        default_limit = 3600.0 if batch_transform else 60.0
        payload = reader.integer("SAGEMAKER_MAX_PAYLOAD_IN_MB", None, 0, 1024)
        return cls(
            base_dir=Path(reader.text("SAGEMAKER_BASE_DIR") or "/opt/ml").absolute(),
            program=reader.program("SAGEMAKER_PROGRAM", "inference.py"),
            multi_model=reader.flag("SAGEMAKER_MULTI_MODEL"),
            port=reader.integer("SAGEMAKER_BIND_TO_PORT", 8080, 1, 65535),
            workers=reader.integer("SAGEMAKER_MODEL_SERVER_WORKERS", None, 1, 1024),
            time_limit=seconds or (minutes * 60 if minutes else default_limit),
            startup_timeout=reader.number("SAGEMAKER_STARTUP_TIMEOUT", 600, 1, 86400),
            # 0 is what batch transform sends for "no limit": the server still has one, to bound its memory.
            max_payload={None: DEFAULT_PAYLOAD, 0: 100 * MEBIBYTE}.get(payload, (payload or 0) * MEBIBYTE),
            default_accept=reader.media_type("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT", "application/json"),
            java_options=reader.words("SAGEMAKER_MODEL_SERVER_VMARGS"),
            log_level=reader.level("SAGEMAKER_CONTAINER_LOG_LEVEL", logging.INFO),
            store=reader.store(),
            protobuf=reader.protobuf(),
            ignored=tuple(sorted(name for name in env if env[name].strip() and _is_ignored(name))),
        )


class _EnvironmentReader:
    """Typed reads of one environment; an empty value is an unset one."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._env = env

    def text(self, name: str) -> str | None:
        return self._env.get(name, "").strip() or None

    @overload
    def integer(self, name: str, default: int, low: int, high: int) -> int: ...

    @overload
    def integer(self, name: str, default: None, low: int, high: int) -> int | None: ...

    def integer(self, name: str, default: int | None, low: int, high: int) -> int | None:
        value = self.text(name)
        if value is None:
            return default
        allowed = f"a whole number from {low} to {high}"
        if not re.fullmatch(r"[0-9]{1,12}", value) or not low <= int(value) <= high:
            raise SettingError(name, value, allowed)
        return int(value)

    @overload
    def number(self, name: str, default: float, low: float, high: float) -> float: ...

    @overload
    def number(self, name: str, default: None, low: float, high: float) -> float | None: ...

    def number(self, name: str, default: float | None, low: float, high: float) -> float | None:
        value = self.text(name)
        if value is None:
            return default
        allowed = f"a number from {low:g} to {high:g}"
        if not re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,6})?", value) or not low <= float(value) <= high:
            raise SettingError(name, value, allowed)
        return float(value)

    def flag(self, name: str) -> bool:
        value = (self.text(name) or "false").lower()
        if value not in ("true", "false"):
            raise SettingError(name, value, "true or false")
        return value == "true"

    def choice(self, name: str, default: str, choices: tuple[str, ...]) -> str:
        value = self.text(name) or default
        if value not in choices:
            raise SettingError(name, value, " or ".join(choices))
        return value

    def words(self, name: str) -> tuple[str, ...]:
        value = self.text(name) or ""
        try:
            return tuple(shlex.split(value))
        except ValueError as error:
            raise SettingError(name, value, f"options separated by spaces ({error})") from error

    def program(self, name: str, default: str) -> str:
        value = self.text(name) or default
        module = value.removesuffix(".py")
        if not re.fullmatch(r"[\w-]+(\.[\w-]+)*", module):
            raise SettingError(name, value, "a module or file name in the artefact's code/, such as inference.py")
        return module

    def media_type(self, name: str, default: str) -> str:
        value = self.text(name) or default
        if not re.fullmatch(r"[\x21-\x7e]+/[\x21-\x7e]+(;[\x20-\x7e]*)?", value):
            raise SettingError(name, value, "a media type, such as application/json")
        return value

    def level(self, name: str, default: int) -> int:
        value = self.text(name)
        if value is None:
            return default
        named = logging.getLevelNamesMapping().get(value.upper())
        if named is None and not re.fullmatch(r"[0-9]{1,3}", value):
            raise SettingError(name, value, "DEBUG, INFO, WARNING, ERROR, CRITICAL, or Python's number for one of them")
        return int(value) if named is None else named

    def port_range(self, name: str) -> None:
        """The ports the platform leaves to us. We open none beside the endpoint's own: only the form can be wrong."""
        value = self.text(name)
        if value is None:
            return
        match = re.fullmatch(r"([0-9]{1,5})-([0-9]{1,5})", value)
        if match is None or not 1 <= int(match[1]) <= int(match[2]) <= 65535:
            raise SettingError(name, value, "two ports, the lower first, such as 1111-2222")

    def refuse_batches(self) -> None:
        for name in BATCH_VARIABLES:
            value = self.text(name)
            if value not in (None, "1"):
                raise SettingError(
                    name,
                    value,
                    "only 1: in a batch of Multi Model Server one request that fails takes the others and the worker "
                    "with it; send many rows in one request instead",
                )
        value = self.text("MMS_CONFIG_FILE")
        if value is not None:
            raise SettingError("MMS_CONFIG_FILE", value, "unset: the endpoint writes this file itself")

    def store(self) -> StoreSettings | None:
        uri = self.text("FEATURE_STORE_URI")
        timeout = self.number("FEATURE_STORE_TIMEOUT_SECONDS", 0.5, 0.001, 60)
        on_failure = self.choice("FEATURE_STORE_ON_FAILURE", "null", ("null", "503"))
        cache_seconds = self.number("FEATURE_STORE_CACHE_SECONDS", 0, 0, 86400)
        cache_records = self.integer("FEATURE_STORE_CACHE_RECORDS", 10_000, 1, 10_000_000)
        if uri is None:
            return None
        scheme, colon, rest = uri.partition(":")
        if not colon or scheme not in STORE_SCHEMES or (scheme != "sagemaker" and not rest.strip("/")):
            raise SettingError(
                "FEATURE_STORE_URI",
                uri,
                "sqlite:///absolute/path, sqlite:name.db (in the artefact's code/), sagemaker:, feast:///repository "
                "or python:module:function",
            )
        return StoreSettings(uri, timeout, on_failure == "null", cache_seconds, cache_records)

    def protobuf(self) -> ProtobufSettings | None:
        path = self.text("PROTOBUF_DESCRIPTOR_SET")
        request, response = self.text("PROTOBUF_REQUEST"), self.text("PROTOBUF_RESPONSE")
        if path is None:
            for name, value in (("PROTOBUF_REQUEST", request), ("PROTOBUF_RESPONSE", response)):
                if value is not None:
                    raise SettingError(name, value, "only together with PROTOBUF_DESCRIPTOR_SET")
            return None
        for name, value in (("PROTOBUF_REQUEST", request), ("PROTOBUF_RESPONSE", response)):
            if value is not None and not all(part.isidentifier() for part in value.split(".")):
                raise SettingError(name, value, "the full name of a message, such as my.package.Request")
        return ProtobufSettings(path, request, response)
