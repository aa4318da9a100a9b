"""The settings of capture: environment variables, below them the file `capture.toml`, below that the defaults.

`CAPTURE_MAX_BYTES` of the environment is `max_bytes` of the file; the file's `[types]` table gives columns their Arrow
types and its `feature_names` names the columns of CSV and NPY. A value that is not allowed raises `ConfigError` with
one line that names the variable, the value and what is allowed.
"""

from __future__ import annotations

import os
import re
import tomllib
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from capture.dataset import column_type
from capture.errors import ConfigError
from capture.journal.location import SpoolPlace, choose_spool
from capture.record import Header
from capture.writing.column_names import matches

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

WRITER_VERSION = "endpoint-capture 0.1.0"
SEGMENT_BYTES = 4 * 1024 * 1024
SMALLEST_SPOOL = 8 * SEGMENT_BYTES

_ONLY_IN_THE_FILE = ("types", "feature_names")
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,127})")


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureConfig:
    """What DESIGN section 4 calls the settings, each a field; `from_env` reads them.

    Sizes are in bytes, ages in seconds. `destination` None means that nothing is captured. `spool_dir` and
    `spool_max_bytes` are None where they are to be chosen: `spool()` chooses.
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
    endpoint_name: str = "local"
    variant_name: str = "AllTraffic"
    model_name: str = "model"
    model_version: str | None = None
    kms_key_id: str | None = None
    exclude: tuple[str, ...] = ()
    hash: tuple[str, ...] = ()
    hash_key: str | None = field(default=None, repr=False)
    types: Mapping[str, str] = field(default_factory=dict)
    feature_names: tuple[str, ...] | None = None

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
            values[name] = _PARSERS[name](value, origin)
        config = cls(**values)
        config._check_together(env)
        return config

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

    def _check_together(self, env: Mapping[str, str]) -> None:
        destination = self.destination or ""
        named = env.get("CAPTURE_ENDPOINT_NAME", "").strip()
        if destination.startswith("s3://") and self.endpoint_name == "local" and not named:
            raise ConfigError(
                f"CAPTURE_ENDPOINT_NAME is not set, and CAPTURE_DESTINATION={destination!r} is shared: "
                "set it to the endpoint's name"
            )
        if self.hash and not self.hash_key:
            raise ConfigError(
                f"CAPTURE_HASH_KEY is not set, and CAPTURE_HASH={','.join(self.hash)!r} needs it: set a secret key, or "
                "the ARN of a Secrets Manager secret"
            )


def unknown_variables(env: Mapping[str, str] | None = None) -> list[str]:
    """A line about each variable of `env` (the process's environment where None) that is called like ours and is none."""
    from difflib import get_close_matches  # 2 ms that no worker needs

    ours = [name.upper() for name in _PARSERS if name not in _ONLY_IN_THE_FILE]
    found = []
    for variable in sorted(os.environ if env is None else env):
        name = variable.removeprefix("CAPTURE_")
        if name != variable and name not in ours:
            close = get_close_matches(name, ours, 1)
            meant = f"; is CAPTURE_{close[0]} meant?" if close else ""
            found.append(f"{variable} is set and does nothing: capture knows no such variable{meant}")
    return found


def _from_variables(env: Mapping[str, str]) -> dict[str, tuple[Any, str]]:
    found: dict[str, tuple[Any, str]] = {}
    for name in _PARSERS:
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
        if name not in _PARSERS:
            raise ConfigError(f"{path.name} has {name!r}; allowed are {', '.join(sorted(_PARSERS))}")
    return {name: (value, f"{path.name}: {name}") for name, value in table.items()}


def _refuse(origin: str, value: object, allowed: str) -> ConfigError:
    return ConfigError(f"{origin}={value!r} is not allowed: {allowed}")


def _number(kind: type[int] | type[float], low: float, high: float, allowed: str) -> Callable[[Any, str], Any]:
    def parse(value: Any, origin: str) -> Any:
        try:
            number = kind(str(value))
        except ValueError:
            raise _refuse(origin, value, allowed) from None
        if isinstance(value, bool) or not low <= number <= high:
            raise _refuse(origin, value, allowed)
        return number

    return parse


def _text(pattern: re.Pattern[str], allowed: str) -> Callable[[Any, str], str]:
    def parse(value: Any, origin: str) -> str:
        if not isinstance(value, str) or not pattern.fullmatch(value):
            raise _refuse(origin, value, allowed)
        return value

    return parse


def _destination(value: Any, origin: str) -> str:
    allowed = "give s3://bucket/prefix or file:///directory"
    if not isinstance(value, str):
        raise _refuse(origin, value, allowed)
    if re.fullmatch(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](?:/[^\0\n\r]*)?", value):
        return value
    if re.fullmatch(r"file:///[^\0\n\r]*", value):
        return value
    raise _refuse(origin, value, allowed)


def _spool_dir(value: Any, origin: str) -> Path:
    if not isinstance(value, str) or not value.startswith("/"):
        raise _refuse(origin, value, "give the absolute path of a directory on this machine")
    return Path(value)


def _patterns(value: Any, origin: str) -> tuple[str, ...]:
    parts = value.split(",") if isinstance(value, str) else value
    if not isinstance(parts, list) or not all(isinstance(part, str) for part in parts):
        raise _refuse(origin, value, "give feature names or globs, separated by commas")
    return tuple(part.strip() for part in parts if part.strip())


def _feature_names(value: Any, origin: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not value or not all(isinstance(name, str) and name for name in value):
        raise _refuse(origin, value, "give a list of names")
    if len(set(value)) != len(value):
        raise _refuse(origin, value, "each name may stand once")
    return tuple(value)


def _types(value: Any, origin: str) -> dict[str, str]:
    if not isinstance(value, dict):
        raise _refuse(origin, value, 'give a table of feature names and Arrow types, as seats = "int64"')
    for name, text in value.items():
        if not isinstance(text, str) or column_type(text) is None:
            raise _refuse(
                f"{origin}.{name}", text, "give an Arrow type, as int64, double, string, bool or list<double>"
            )
    return dict(value)


def _secret(value: Any, origin: str) -> str:
    if not isinstance(value, str):
        raise ConfigError(f"{origin} must be text: a key, or the ARN of a Secrets Manager secret")
    return value


_LABEL = _text(_NAME, "letters, digits, '.', '_' and '-', at most 128, the first a letter or digit")

_PARSERS: dict[str, Callable[[Any, str], Any]] = {
    "destination": _destination,
    "sampling_percentage": _number(float, 0, 100, "a number from 0 to 100"),
    "max_bytes": _number(int, 1, 1 << 40, "a whole number of bytes, 1 or more"),
    "max_records": _number(int, 1, 1 << 40, "a whole number of records, 1 or more"),
    "max_age_seconds": _number(float, 0.1, 86_400, "a number of seconds from 0.1 to 86400"),
    "format": _text(re.compile("parquet|jsonl"), "parquet or jsonl"),
    "spool_dir": _spool_dir,
    "spool_max_bytes": _number(
        int, SMALLEST_SPOOL, 1 << 50, f"a whole number of bytes, {SMALLEST_SPOOL} (8 segments of 4 MiB) or more"
    ),
    "max_columns": _number(int, 1, 100_000, "a whole number from 1 to 100000"),
    "endpoint_name": _LABEL,
    "variant_name": _LABEL,
    "model_name": _LABEL,
    "model_version": _text(re.compile(r"[^\0\n\r]{1,256}"), "one line of at most 256 characters"),
    "kms_key_id": _text(re.compile(r"[A-Za-z0-9:/_-]{1,2048}"), "a key's id, ARN or alias"),
    "exclude": _patterns,
    "hash": _patterns,
    "hash_key": _secret,
    "types": _types,
    "feature_names": _feature_names,
}
