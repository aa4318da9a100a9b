"""The flags that commands share: every top-level key of `monitor.toml` is one."""

from __future__ import annotations

import argparse
import types
import typing
from typing import TYPE_CHECKING, Any

from capture.dataset import parse_time
from monitoring.errors import UsageError
from monitoring.result import Outcome
from monitoring.settings import MonitorSettings, load_settings

if TYPE_CHECKING:
    import datetime as dt

_HELP = {
    "name": "the monitor's name",
    "captured": "captured data, or any Parquet or CSV: s3://bucket/prefix, a directory, a file",
    "baseline": "a baseline, Model Monitor's files, model-package:ARN, or the training data itself",
    "output": "where the files of a run go",
    "endpoint": "only this endpoint's rows",
    "variant": "only this variant's rows",
    "id_column": "column that names the request of a row, in data that is not ours",
    "time_column": "column with the time of a row, in data that is not ours",
    "preprocess": "script with preprocess_handler, for what the managed service captured",
    "feature_names": "names of the captured values in order, A,B,C, where requests have no names",
    "engine": "threads of this machine, or Spark",
    "spark_master": "master URL of a Spark cluster",
    "threads": "threads that count; 0 is one a processor",
    "unit": "auto (days or hours where the baseline has them), request, hour, day, or a column whose values are units",
    "level": "false-alarm rate of a run, over all its columns",
    "floor": "smallest L-infinity that counts as drift",
    "shuffles": "permutations of the drift decision",
    "min_complete": "share of the records that must be proved for a verdict",
    "schedule": "how long a window of `watch` and `--catch-up` is",
    "time_zone": "IANA name of the zone of days, weekdays and hours of day, such as Europe/Madrid (default UTC)",
    "rolling_days": "hold hours and days against this many days before the window, at least 28, instead of the baseline's",
    "ignore": "column that is not monitored; may be given several times",
}
_HINTS = typing.get_type_hints(MonitorSettings, include_extras=True)
_KEYS = tuple(name for name in MonitorSettings.__struct_fields__ if typing.get_origin(_HINTS[name]) is not dict)
"""The keys of the top level; tables have no flag."""
EXIT_CODES = {Outcome.OK: 0, Outcome.VIOLATIONS: 3, Outcome.NOT_JUDGED: 4}


def add_settings(parser: argparse.ArgumentParser, *, only: tuple[str, ...] | None = None) -> None:
    """Adds `--config` and a flag for each key of `monitor.toml`, or for the keys `only`."""
    parser.add_argument("--config", metavar="FILE", help="monitor.toml; flags win over it")
    for name in _KEYS if only is None else only:
        flag, kind = f"--{name.replace('_', '-')}", _HINTS[name]
        if name == "ignore":
            parser.add_argument(flag, action="append", metavar="COLUMN", help=_HELP[name])
        elif name == "feature_names":
            parser.add_argument(flag, type=_names, metavar="A,B,C", help=_HELP[name])
        elif typing.get_origin(kind) is typing.Literal:
            parser.add_argument(flag, choices=typing.get_args(kind), help=_HELP[name])
        else:
            parser.add_argument(flag, type=_plain_type(kind), metavar=name.rpartition("_")[2].upper(), help=_HELP[name])


def add_window(parser: argparse.ArgumentParser) -> None:
    """Adds `--start` and `--end`."""
    parser.add_argument("--start", type=time_of, metavar="TIME", help="first event time, ISO 8601 (UTC without a zone)")
    parser.add_argument("--end", type=time_of, metavar="TIME", help="end of the event times, not included")


def settings_of(args: argparse.Namespace) -> MonitorSettings:
    """Returns the settings of the file and the flags. Raises UsageError where one is wrong."""
    return load_settings(args.config, {name: getattr(args, name, None) for name in _KEYS})


def required(settings: MonitorSettings, *names: str) -> None:
    """Raises UsageError where a setting that a command needs is empty."""
    for name in names:
        if not getattr(settings, name):
            raise UsageError(f"--{name.replace('_', '-')} is missing: give the flag, or `{name}` in monitor.toml")


def time_of(text: str) -> dt.datetime:
    """Returns the time of a flag. Raises argparse's error with what is allowed."""
    try:
        return parse_time(text)
    except ValueError as error:
        message = f"{text!r} is not a time: write it as 2026-01-31T08:00 (UTC) or 2026-01-31T08:00+01:00"
        raise argparse.ArgumentTypeError(message) from error


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(","))


def _plain_type(kind: Any) -> type:
    """Returns str, int or float for an annotation."""
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        kind = next(entry for entry in typing.get_args(kind) if entry is not type(None))
    if typing.get_origin(kind) is typing.Annotated:
        kind = kind.__origin__
    return kind if kind in (str, int, float) else str
