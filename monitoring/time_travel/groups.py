"""Which feature groups a request asked, by which ids, and in which columns their features stand.

[[group]]
name = "weather"
source = "s3://bucket/…/offline-store/weather-1700000000/data"
record_id = "id"
event_time = "event_time"
id = "{origin}|{hour}"
ttl_seconds = 86400
[group.features]
temp = "temp"            # the store's name = the captured column
"""

from __future__ import annotations

import string
import tomllib
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from monitoring.errors import UsageError

Name = Annotated[str, Meta(min_length=1)]


class OfflineGroup(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One feature group of the offline store.

    `id` is a template over columns of the request: `"{origin}|{hour}"`. `features` maps the store's feature names to the
    columns of the dataset. `ttl_seconds` is the group's time to live, None where records do not expire.
    """

    name: Name
    source: Name
    id: Name
    features: Annotated[dict[str, str], Meta(min_length=1)]
    record_id: Name = "record_id"
    event_time: Name = "event_time"
    ttl_seconds: Annotated[float, Meta(gt=0)] | None = None

    @property
    def id_columns(self) -> tuple[str, ...]:
        """The columns of the request that the id needs."""
        return tuple(field for _, field, _, _ in string.Formatter().parse(self.id) if field)


class _File(msgspec.Struct, forbid_unknown_fields=True):
    group: Annotated[tuple[OfflineGroup, ...], Meta(min_length=1)]


def load_groups(path: str | Path) -> tuple[OfflineGroup, ...]:
    """Returns the groups of a TOML file. Raises UsageError with the key and what is allowed."""
    try:
        given = tomllib.loads(Path(path).read_text(encoding="utf-8"))
        groups = msgspec.convert(given, _File).group
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror or error}") from error
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise UsageError(f"{path}: {error}") from error
    for group in groups:
        check_template(group)
    columns = [column for group in groups for column in group.features.values()]
    twice = sorted({column for column in columns if columns.count(column) > 1})
    if twice:
        raise UsageError(f"{path}: two groups fill the column {twice[0]!r}: give one of them another name")
    return groups


def check_template(group: OfflineGroup) -> None:
    """Raises UsageError where the id is no template of column names."""
    try:
        parts = list(string.Formatter().parse(group.id))
    except ValueError as error:
        raise UsageError(f"the id {group.id!r} of group {group.name} is not a template: {error}") from error
    if not any(field for _, field, _, _ in parts):
        raise UsageError(f"the id {group.id!r} of group {group.name} names no column: write it as '{{column}}'")
    if any(spec or conversion for _, field, spec, conversion in parts if field):
        raise UsageError(f"the id {group.id!r} of group {group.name} has a format: only plain {{column}} is allowed")
