"""What a cause asks of a person, and how often: urgency by kind, quiet time, confirmation, pages a month.

Urgency is not size. What is broken now pages. Drift of the inputs alone is a message, however large it is.
"""

from __future__ import annotations

import datetime as dt
from fnmatch import fnmatchcase

import msgspec

from monitoring.errors import UsageError
from monitoring.result import Cause, CauseKind, Grade, Urgency

_RANK = {Urgency.NOTE: 0, Urgency.MESSAGE: 1, Urgency.PAGE: 2}
_GRADES = {grade: rank for rank, grade in enumerate(Grade)}

QUALITY_SUFFIX = "/quality"
"""Ends the name of a monitor's lane of model quality."""
MAX_BY_DEFAULT = {
    CauseKind.DRIFT: Urgency.MESSAGE,
    CauseKind.EXTRA_COLUMN: Urgency.MESSAGE,
    CauseKind.CATEGORICAL_VALUES: Urgency.MESSAGE,
    CauseKind.RANGE: Urgency.MESSAGE,
    CauseKind.RENAMED_COLUMN: Urgency.PAGE,
}
"""The highest urgency that a kind may have without a rule of the user. Kinds that are not listed may page."""


class Policy(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The rules of `[alarms]` in monitor.toml. Times are in hours.

    `urgency` maps a kind or a glob of cause keys to "page", "message" or "note"; the first that matches wins over the
    run's own urgency. `confirm` is the number of consecutive windows that must show a cause before it opens, 1 by default because the
    drift decision already bounds false alarms.
    """

    quiet_hours: float = 6.0
    confirm: int = 1
    reminder_hours: float = 24.0
    heartbeat_hours: float = 3.0
    quality_heartbeat_hours: float = 0.0
    pages_per_month: int = 8
    urgency: dict[str, Urgency] = {}

    def __post_init__(self) -> None:
        for name, lowest in (
            ("quiet_hours", 0),
            ("confirm", 1),
            ("reminder_hours", 1),
            ("heartbeat_hours", 0.25),
            ("quality_heartbeat_hours", 0),
        ):
            value = getattr(self, name)
            if not lowest <= value < 10_000:
                raise UsageError(f"alarms.{name} is {value}: give a number from {lowest} to 10000")
        if self.pages_per_month < 1:
            raise UsageError(f"alarms.pages_per_month is {self.pages_per_month}: give at least 1")

    def urgency_of(self, cause: Cause) -> Urgency:
        """Returns the urgency of a cause: the user's rule, else the run's own, up to the highest of its kind."""
        for pattern, urgency in self.urgency.items():
            if pattern == cause.kind or fnmatchcase(cause.key, pattern):
                return urgency
        highest = MAX_BY_DEFAULT.get(cause.kind, Urgency.PAGE)
        return min(cause.urgency, highest, key=_RANK.__getitem__)

    def heartbeat(self, monitor: str) -> dt.timedelta | None:
        """Returns how long a monitor may be silent, None where it has no schedule."""
        hours = self.quality_heartbeat_hours if monitor.endswith(QUALITY_SUFFIX) else self.heartbeat_hours
        return dt.timedelta(hours=hours) if hours else None

    def quiet(self, kind: CauseKind) -> dt.timedelta:
        """Returns how long a cause must stay away before its episode closes. A monitor that runs again is proof at once."""
        return dt.timedelta() if kind is CauseKind.HEARTBEAT else dt.timedelta(hours=self.quiet_hours)


def urgency_rank(urgency: Urgency) -> int:
    """Returns 0 for a note, 1 for a message, 2 for a page."""
    return _RANK[urgency]


def grade_rank(grade: Grade) -> int:
    """Returns 0 for no change up to 3 for a large one."""
    return _GRADES[grade]
