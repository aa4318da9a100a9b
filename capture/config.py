"""The settings of capture: environment variables, below them the file `capture.toml`, below that the defaults.

`CAPTURE_MAX_BYTES` of the environment is `max_bytes` of the file; the file's `[types]` table gives columns their Arrow
types and its `feature_names` names the columns of CSV and NPY. `config_checks` checks a value the same way wherever it
comes from. A value that is not allowed raises `ConfigError` with one line that names it and what is allowed.
"""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from capture.config_checks import CHECKS, MIN_SPOOL_BYTES, SEGMENT_BYTES
from capture.errors import ConfigError
from capture.journal.location import SpoolPlace, choose_spool
from capture.record import Header, matches

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["MIN_SPOOL_BYTES", "SEGMENT_BYTES", "WRITER_VERSION", "CaptureConfig", "unknown_variables"]

WRITER_VERSION = "endpoint-capture 0.1.0"
DEFAULT_ENDPOINT = "local"

_ONLY_IN_THE_FILE = ("types", "feature_names")


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureConfig:
    """The settings of capture, each a field. `from_env` reads them from the environment and `capture.toml`.

    Sizes are in bytes, ages in seconds. `destination` None means that nothing is captured. `spool_dir` and
    `spool_max_bytes` are None where `spool()` chooses them. Raises `ConfigError` for a value that is not allowed.
    """

    destination: str | None = None
    sampling_percentage: float = 100.0
    max_bytes: int = 33_554_432
    max_records: int = 10_000
    max_age_seconds: float = 300.0
    format: str = "parquet"
    spool_dir: Path | None = None
    spool_max_bytes: int | None = None
    max_columns: int = 1000
    endpoint_name: str = DEFAULT_ENDPOINT
    variant_name: str = "AllTraffic"
    model_name: str = "model"
    model_version: str | None = None
    kms_key_id: str | None = None
    exclude: tuple[str, ...] = ()
    hash: tuple[str, ...] = ()
    hash_key: str | None = field(default=None, repr=False)
    types: Mapping[str, str] = field(default_factory=dict)
    feature_names: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        """Checks each field and what they say together."""
        for entry in fields(self):
            value = getattr(self, entry.name)
            if value is not None or entry.default is not None:
                object.__setattr__(self, entry.name, CHECKS[entry.name](value, f"CaptureConfig: {entry.name}"))
        self._check_together()

    @property
    def enabled(self) -> bool:
        """Whether anything is captured at all."""
        return self.destination is not None

    def spool(self) -> SpoolPlace:
        """The spool's directory and its limit, as set or as chosen for this machine (`capture.journal.location`)."""
        return choose_spool(self.spool_dir, self.spool_max_bytes, self._identity())

    def header(self) -> Header:
        """What every segment carries of these settings."""
        if self.destination is None:
            raise ConfigError("CAPTURE_DESTINATION is not set: nothing is captured, so there is no header to write")
        return Header(
            destination=self.destination.rstrip("/"),
            format=self.format,
            endpoint_name=self.endpoint_name,
            variant_name=self.variant_name,
            model_name=self.model_name,
            model_version=self.model_version,
            kms_key_id=self.kms_key_id,
            sampling_percentage=self.sampling_percentage,
            max_columns=self.max_columns,
            types={name: text for name, text in self.types.items() if not matches(name, self.exclude)},
            hashed=self.hash,
            writer_version=WRITER_VERSION,
        )

    def _identity(self) -> str:
        return "\0".join((self.destination or "", self.endpoint_name, self.variant_name))

    @classmethod
    def from_env(cls, env: Mapping[str, str] | None = None, toml: Path | None = None) -> CaptureConfig:
        """The settings of `env` (the process's environment where None), over those of the file `toml`.

        Raises `ConfigError` for an unknown key of the file and for a value that is not allowed.
        """
        env = os.environ if env is None else env
        values: dict[str, Any] = {}
        for source, raw in {**_from_file(toml), **_from_variables(env)}.items():
            name, value, origin = source, raw[0], raw[1]
            values[name] = CHECKS[name](value, origin)
        return cls(**values)

    def to_env(self) -> dict[str, str]:
        """The settings as environment variables, for a process of ours that starts beside this one.

        What only a writer needs stays out: `[types]`, the names of features and the key of `CAPTURE_HASH`.
        """
        out: dict[str, str] = {}
        for entry in fields(self):
            value = getattr(self, entry.name)
            if entry.name in ("types", "feature_names", "hash", "hash_key", "exclude") or value is None:
                continue
            out[f"CAPTURE_{entry.name.upper()}"] = repr(value) if isinstance(value, float) else str(value)
        return out

    def _check_together(self) -> None:
        destination = self.destination or ""
        if destination.startswith("s3://") and self.endpoint_name == DEFAULT_ENDPOINT:
            raise ConfigError(
                f"CAPTURE_ENDPOINT_NAME is not set, and CAPTURE_DESTINATION={destination!r} is shared: "
                f"set it to the endpoint's name (not {DEFAULT_ENDPOINT!r})"
            )
        if self.hash and not self.hash_key:
            raise ConfigError(
                f"CAPTURE_HASH_KEY is not set, and CAPTURE_HASH={','.join(self.hash)!r} needs it: set a secret key, or "
                "the ARN of a Secrets Manager secret"
            )


def unknown_variables(env: Mapping[str, str] | None = None) -> list[str]:
    """A line about each variable of `env` (the process's environment where None) that is called like ours and is none."""
    ours = [name.upper() for name in CHECKS if name not in _ONLY_IN_THE_FILE]
    found = []
    for variable in sorted(os.environ if env is None else env):
        name = variable.removeprefix("CAPTURE_")
        if name != variable and name not in ours:
            from difflib import get_close_matches  # 2 ms that few processes need

            close = get_close_matches(name, ours, 1)
            meant = f"; is CAPTURE_{close[0]} meant?" if close else ""
            found.append(f"{variable} is set and does nothing: capture knows no such variable{meant}")
    return found


def _from_variables(env: Mapping[str, str]) -> dict[str, tuple[Any, str]]:
    found: dict[str, tuple[Any, str]] = {}
    for name in CHECKS:
        variable = f"CAPTURE_{name.upper()}"
        if name not in _ONLY_IN_THE_FILE and env.get(variable, "").strip():
            found[name] = (env[variable].strip(), variable)
    return found


def _from_file(path: Path | None) -> dict[str, tuple[Any, str]]:
    if path is None or not path.exists():
        return {}
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path.name} cannot be read: {error}") from error
    for name in table:
        if name not in CHECKS:
            raise ConfigError(f"{path.name} has {name!r}; allowed are {', '.join(sorted(CHECKS))}")
    return {name: (value, f"{path.name}: {name}") for name, value in table.items()}
