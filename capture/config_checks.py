"""Checks one setting at a time, the same way for a variable, a key of `capture.toml` and an argument in code.

Each check takes a value and its origin (`CAPTURE_MAX_BYTES`, `capture.toml: max_bytes`, `CaptureConfig: max_bytes`) and
returns the value in its final type. It raises `ConfigError` with one line that names the origin, the value and what is
allowed. A checked value passes its check again unchanged.
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from capture.dataset import column_type
from capture.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

SEGMENT_BYTES = 4 * 1024 * 1024
MIN_SPOOL_BYTES = 8 * SEGMENT_BYTES
MIN_KEY_BYTES = 16
SECRET_ARN = re.compile(r"arn:aws[a-z-]*:secretsmanager:([a-z0-9-]+):\d{12}:secret:.+")
DESTINATION = re.compile(
    r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](?:/[^\0\n\r]*)?|file:///(?=[^\0\n\r]*[^/\0\n\r])[^\0\n\r]*"
)
LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,127})")
FORMATS = ("parquet", "jsonl")
_REFERENCE = re.compile(
    r"\s*(?:arn:|\{\{|\$[{(]|[a-z][a-z0-9+.-]*://|(?:aws[-_/]?)?(?:ssm|secretsmanager|vault)[:/])", re.I
)


def refusal(origin: str, value: object, allowed: str) -> ConfigError:
    """Returns the error for a value that is not allowed."""
    return ConfigError(f"{origin}={value!r} is not allowed: {allowed}")


def _number(kind: type[int] | type[float], low: float, high: float, allowed: str) -> Callable[[Any, str], Any]:
    def check(value: Any, origin: str) -> Any:
        try:
            number = kind(str(value))
        except ValueError:
            raise refusal(origin, value, allowed) from None
        if isinstance(value, bool) or math.isnan(number) or not low <= number <= high:
            raise refusal(origin, value, allowed)
        return number

    return check


def _text(pattern: re.Pattern[str], allowed: str) -> Callable[[Any, str], str]:
    def check(value: Any, origin: str) -> str:
        if not isinstance(value, str) or not pattern.fullmatch(value):
            raise refusal(origin, value, allowed)
        return value

    return check


def _spool_dir(value: Any, origin: str) -> Path:
    if not isinstance(value, str | Path) or not str(value).startswith("/"):
        raise refusal(origin, str(value), "give the absolute path of a directory on this machine")
    return Path(value)


def _patterns(value: Any, origin: str) -> tuple[str, ...]:
    parts = value.split(",") if isinstance(value, str) else value
    if not isinstance(parts, list | tuple | set | frozenset) or not all(isinstance(part, str) for part in parts):
        raise refusal(origin, value, "give feature names or globs: text separated by commas, or a list of names")
    return tuple(part.strip() for part in parts if part.strip())


def _feature_names(value: Any, origin: str) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not value or not all(isinstance(name, str) and name for name in value):
        raise refusal(origin, value, "give a list of names")
    if len(set(value)) != len(value):
        raise refusal(origin, value, "each name may stand once")
    return tuple(value)


def _types(value: Any, origin: str) -> dict[str, str]:
    if not hasattr(value, "items"):
        raise refusal(origin, value, 'give a table of feature names and Arrow types, as seats = "int64"')
    for name, text in value.items():
        if not isinstance(name, str) or not isinstance(text, str) or column_type(text) is None:
            raise refusal(
                f"{origin}.{name}", text, "give an Arrow type, as int64, double, string, bool or list<double>"
            )
    return dict(value)


def _key(value: Any, origin: str) -> str:
    """Checks the key of `hash`; its text is never repeated in a message unless it is a reference."""
    allowed = f"a secret text of at least {MIN_KEY_BYTES} bytes, or the ARN of a Secrets Manager secret"
    if not isinstance(value, str):
        raise ConfigError(f"{origin} is of type {type(value).__name__}: give {allowed}")
    if SECRET_ARN.fullmatch(value):
        return value
    if _REFERENCE.match(value):
        raise ConfigError(f"{origin}={value!r} is a reference that is not known here: give {allowed}")
    if len(value.encode("utf-8", "surrogatepass")) < MIN_KEY_BYTES:
        raise ConfigError(f"{origin} is too short: give {allowed}")
    return value


_LABEL = _text(LABEL, "letters, digits, '.', '_' and '-', at most 128, the first a letter or digit")

CHECKS: dict[str, Callable[[Any, str], Any]] = {
    "destination": _text(DESTINATION, "give s3://bucket/prefix or file:///directory"),
    "sampling_percentage": _number(float, 0, 100, "a number from 0 to 100"),
    "max_bytes": _number(int, 1, 1 << 40, "a whole number of bytes, 1 or more"),
    "max_records": _number(int, 1, 1 << 40, "a whole number of records, 1 or more"),
    "max_age_seconds": _number(float, 0.1, 86_400, "a number of seconds from 0.1 to 86400"),
    "format": _text(re.compile("|".join(FORMATS)), " or ".join(FORMATS)),
    "spool_dir": _spool_dir,
    "spool_max_bytes": _number(
        int, MIN_SPOOL_BYTES, 1 << 50, f"a whole number of bytes, {MIN_SPOOL_BYTES} (8 segments of 4 MiB) or more"
    ),
    "max_columns": _number(int, 1, 100_000, "a whole number from 1 to 100000"),
    "endpoint_name": _LABEL,
    "variant_name": _LABEL,
    "model_name": _LABEL,
    "model_version": _text(re.compile(r"[^\0\n\r]{1,256}"), "one line of at most 256 characters"),
    "kms_key_id": _text(re.compile(r"[A-Za-z0-9:/_-]{1,2048}"), "a key's id, ARN or alias"),
    "exclude": _patterns,
    "hash": _patterns,
    "hash_key": _key,
    "types": _types,
    "feature_names": _feature_names,
}
"""Setting → its check."""
