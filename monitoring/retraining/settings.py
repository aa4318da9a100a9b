"""The rules of `[retraining]` in monitor.toml.

[[retraining.rule]]
name = "risk"
causes = ["quality:*", "concept:*"]        # globs of cause keys
at_least = "large"
for_hours = 6                              # how long the cause must last
rest_hours = 24                            # rest after a start, before the next one of this rule
attempts = 2                               # starts for one cause; after that a person decides
pipeline = "flights-train"                 # or: event_bus = "default", or: command = ["python", "train.py"]
cause_parameter = "CauseUri"
manifest_parameter = "ManifestUri"
"""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import Any

import msgspec

from monitoring.alarms.policy import grade_rank
from monitoring.errors import UsageError
from monitoring.result import Cause, Grade

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,39}")
_PARAMETER = re.compile(r"[A-Za-z0-9_-]{1,256}")


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which causes start what, after how long, and how often. Times are in hours."""

    name: str
    causes: tuple[str, ...]
    at_least: Grade = Grade.LARGE
    for_hours: float = 0.0
    rest_hours: float = 24.0
    attempts: int = 2
    memory_days: float = 30.0
    pipeline: str = ""
    event_bus: str = ""
    command: tuple[str, ...] = ()
    cause_parameter: str = "CauseUri"
    manifest_parameter: str = "ManifestUri"
    parameters: dict[str, str] = {}

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise UsageError(f"retraining.rule {self.name!r}: a name has 1 to 40 letters, digits and hyphens")
        targets = [bool(self.pipeline), bool(self.event_bus), bool(self.command)]
        if sum(targets) != 1:
            raise UsageError(f"retraining.rule {self.name!r} needs exactly one of pipeline, event_bus and command")
        if not self.causes:
            raise UsageError(f'retraining.rule {self.name!r} names no cause: give causes = ["quality:*"]')
        if not 1 <= self.attempts <= 10:
            raise UsageError(f"retraining.rule {self.name!r}: attempts is {self.attempts}, give 1 to 10")
        if self.for_hours < 0 or self.rest_hours < 0:
            raise UsageError(f"retraining.rule {self.name!r}: for_hours and rest_hours cannot be negative")
        for parameter in (self.cause_parameter, self.manifest_parameter, *self.parameters):
            if parameter and not _PARAMETER.fullmatch(parameter):
                raise UsageError(f"retraining.rule {self.name!r}: {parameter!r} is not a name of a pipeline parameter")

    def matches(self, cause: Cause, grade: Grade) -> bool:
        """Returns whether the rule applies to a cause whose highest grade in this episode is `grade`."""
        return grade_rank(grade) >= grade_rank(self.at_least) and any(
            fnmatchcase(cause.key, pattern) for pattern in self.causes
        )


class RetrainingSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The table `[retraining]`."""

    rule: tuple[Rule, ...] = ()


def parse(table: dict[str, Any], where: str = "monitor.toml") -> tuple[Rule, ...]:
    """Returns the rules in the table `[retraining]`. Raises UsageError where a key is wrong or two rules have one name."""
    try:
        rules = msgspec.convert(table, RetrainingSettings).rule
    except msgspec.ValidationError as error:
        raise UsageError(f"{where}, [retraining]: {error}") from None
    names = [rule.name for rule in rules]
    if len(set(names)) < len(names):
        raise UsageError(f"{where}, [retraining]: two rules have the same name among {', '.join(names)}")
    return rules
