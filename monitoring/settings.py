"""The description of a monitor: `monitor.toml`, and flags above it.

    captured = "s3://bucket/captured"
    baseline = "s3://bucket/baseline"
    output = "s3://bucket/monitoring"
    endpoint = "flights"

    [columns.wind_gust]
    completeness = 0.3

Every key of the top level is a flag too (`min_complete` is `--min-complete`), and a flag wins. The tables `publish`, `alarms`,
`notify` and `retraining` are read by the parts of this room that bear these names. A wrong key or value raises UsageError with one
line that names the file, the key and what is allowed.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from msgspec import Meta

from monitoring.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

Share = Annotated[float, Meta(ge=0, le=1)]
Positive = Annotated[int, Meta(ge=1)]


class ColumnSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one column is allowed. What is None comes from the constraints of the baseline."""

    ignore: bool = False
    completeness: Share | None = None
    datatype_check_threshold: Share | None = None
    domain_content_threshold: Share | None = None
    floor: Share | None = None


class MonitorSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A monitor. URIs may be `s3://bucket/prefix`, `file:///directory` or a path.

    `unit` is `auto`, `request`, `hour`, `day` or a column's name; `level` is the false-alarm rate of a run over all its columns;
    `floor` the smallest L-infinity that counts as drift; `min_complete` the share of a window's records that must be proved
    for a verdict; `stale_after` seconds by feature group after which a store is stale. `feature_names` names the values of
    captured requests in order, where the managed service captured them without names. `time_zone` is the IANA name of the zone of
    days, weekdays and hours of day; `rolling_days` the days before a window that are its reference instead of the baseline's
    days, 0 for none.
    """

    name: str = "monitor"
    captured: str = ""
    baseline: str = ""
    output: str = ""
    endpoint: str | None = None
    variant: str | None = None
    id_column: str | None = None
    time_column: str | None = None
    preprocess: str | None = None
    feature_names: tuple[str, ...] = ()
    engine: Literal["local", "spark"] = "local"
    spark_master: str | None = None
    threads: Annotated[int, Meta(ge=0)] = 0
    unit: str = "auto"
    level: Annotated[float, Meta(gt=0, lt=1)] = 0.05
    floor: Share = 0.02
    shuffles: Annotated[int, Meta(ge=99, le=100_000)] = 999
    min_complete: Share = 0.95
    schedule: Literal["hourly", "daily"] = "hourly"
    time_zone: str = "UTC"
    rolling_days: Annotated[int, Meta(ge=0, le=366)] = 0
    ignore: tuple[str, ...] = ()
    stale_after: dict[str, float] = {}
    columns: dict[str, ColumnSettings] = {}
    publish: dict[str, Any] = {}
    alarms: dict[str, Any] = {}
    notify: dict[str, Any] = {}
    retraining: dict[str, Any] = {}

    def __post_init__(self) -> None:
        """Raises ValueError where the time zone is unknown, which msgspec gives back as a ValidationError."""
        try:
            if self.time_zone != "UTC":
                ZoneInfo(self.time_zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(
                f"time_zone {self.time_zone!r} is unknown: give an IANA name such as Europe/Madrid, or UTC"
            ) from None

    def column(self, name: str) -> ColumnSettings:
        """Returns the settings of a column; the defaults where it has none. `ignore` holds the top level's list too."""
        found = self.columns.get(name, _DEFAULT)
        if name in self.ignore and not found.ignore:
            return msgspec.structs.replace(found, ignore=True)
        return found


_DEFAULT = ColumnSettings()


def load_settings(path: str | Path | None, flags: Mapping[str, Any] | None = None) -> MonitorSettings:
    """Returns the settings of a file with `flags` above them; flags that are None do not count.

    Raises UsageError where the file cannot be read, or a key or value is not allowed.
    """
    given: dict[str, Any] = {}
    where = "the flags"
    if path is not None:
        where = str(path)
        try:
            given = tomllib.loads(Path(path).read_text(encoding="utf-8"))
        except OSError as error:
            raise UsageError(f"cannot read {path}: {error.strerror or error}") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise UsageError(f"{path} is not TOML: {error}") from error
    given |= {name: value for name, value in (flags or {}).items() if value is not None}
    try:
        return msgspec.convert(given, MonitorSettings, str_keys=True)
    except msgspec.ValidationError as error:
        raise UsageError(f"{where}: {_explain(str(error))}") from error


def _explain(message: str) -> str:
    """Returns msgspec's message with the key in front, and the known keys where one is unknown."""
    text, _, place = message.partition(" - at ")
    if "unknown field" in text:
        known = ColumnSettings if ".columns" in place else MonitorSettings
        text = f"{text}; the keys are {', '.join(sorted(known.__struct_fields__))}"
    key = place.strip("`").removeprefix("$").removeprefix(".")
    return f"{key}: {text}" if key else text
