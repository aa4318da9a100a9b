"""A monitor: a baseline and settings, run over windows of data."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import TYPE_CHECKING, Any

import msgspec

from monitoring.baseline.baseline import STATES_FILE, Baseline
from monitoring.baseline.monitor_overrides import with_settings
from monitoring.baseline.registry import CONSTRAINTS, STATISTICS, find_baseline, is_registered
from monitoring.engines.window import count_groups, count_window
from monitoring.errors import MonitoringError, UsageError
from monitoring.findings import QuerySource, captured_rows
from monitoring.judgement.judge import Judged, judge
from monitoring.judgement.rolling import RollingReference
from monitoring.result import Subject, WindowCompleteness
from monitoring.run_report import Report
from monitoring.settings import MonitorSettings, load_settings
from monitoring.source.captured import CapturedSource
from monitoring.source.managed_source import ManagedSource, baseline_columns, summed
from monitoring.source.open import open_rows
from monitoring.source.part import UnreadablePart
from monitoring.states.profile import Profile
from monitoring.states.store import StateStore
from monitoring.storage import open_storage
from monitoring.window import TIMELESS, Window

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from monitoring.engines.counting import Engine
    from monitoring.source.part import PartGroup, RowSource

VERSION = "{version}"
"""In `baseline`: the version of the model that the baseline belongs to."""
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


class Monitor:
    """Judges windows of data against one baseline.

    `baseline` is a `Baseline`, the URI of one, or training data (a path, a table). `settings` describe the monitor; keyword
    arguments are single settings above them, as flags are.

    >>> import pyarrow as pa
    >>> training = pa.table({"wind": [float(number % 50) for number in range(2000)]})
    >>> report = Monitor(training, name="wind").run(pa.table({"wind": [float(number % 50) for number in range(500)]}))
    >>> str(report.outcome), report.drifted
    ('ok', ())
    """

    def __init__(
        self,
        baseline: Baseline | Any,
        settings: MonitorSettings | None = None,
        *,
        engine: Engine | None = None,
        now: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC),
        **given: Any,
    ) -> None:
        base = {} if settings is None else msgspec.structs.asdict(settings)
        if isinstance(baseline, str):
            base["baseline"] = baseline
        self.settings = load_settings(None, base | given)
        self.baseline = baseline if isinstance(baseline, Baseline) else open_baseline(baseline, self.settings)
        self.constraints = with_settings(self.baseline.constraints, self.settings)
        self._engine = engine or _engine(self.settings)
        self._now = now
        self._versions: dict[str, Monitor] = {}
        self._rolling = RollingReference(self.baseline.id, self.settings.rolling_days)

    @classmethod
    def from_file(cls, path: str | Path, **given: Any) -> Monitor:
        """Returns the monitor that a `monitor.toml` describes. Raises UsageError where it is wrong or names no baseline."""
        settings = load_settings(path, given)
        if not settings.baseline:
            raise UsageError(f'{path} names no baseline: add baseline = "URI"')
        return cls(settings.baseline, settings)

    def run(
        self,
        data: Any = None,
        *,
        start: dt.datetime | None = None,
        end: dt.datetime | None = None,
        endpoint: str | None = None,
        variant: str | None = None,
        model_version: str | None = None,
        progress: Callable[[PartGroup], None] = lambda group: None,
    ) -> Report:
        """Judges one window and returns its report.

        `data` is a captured data set's URI, any Parquet or CSV, or a table in memory; the settings' `captured` where None. The
        window is [start, end); an open side takes all that the data has. `model_version` narrows captured data to rows of one
        version. Raises UsageError for wrong arguments, MonitoringError where the data cannot be read.
        """
        source = self.open(data, endpoint, variant)
        window = self.window(source, start, end)
        profile = self.profile(source, window, progress)
        return self.judge(source, window or spanned(profile), profile, model_version=model_version)

    def for_version(self, version: str) -> Monitor:
        """Returns the monitor of a model version: this one, but where `baseline` names a place for each `{version}`."""
        if VERSION not in self.settings.baseline or not version:
            return self
        if version not in self._versions:
            uri = self.settings.baseline.replace(VERSION, version)
            self._versions[version] = Monitor(Baseline.load(uri), self.settings, engine=self._engine, now=self._now)
        return self._versions[version]

    def open(self, data: Any = None, endpoint: str | None = None, variant: str | None = None) -> RowSource:
        """Returns the source of `data`, or of what the settings call `captured`."""
        given = self.settings.captured if data is None else data
        if isinstance(given, str) and not given:
            raise UsageError("there is no data: give --captured URI, or `captured` in monitor.toml")
        return open_rows(
            given,
            endpoint=endpoint or self.settings.endpoint,
            variant=variant or self.settings.variant,
            id_column=self.settings.id_column,
            time_column=self.settings.time_column,
            unit_column="" if self.settings.unit in ("auto", "request", "hour", "day") else self.settings.unit,
            columns=baseline_columns(self.baseline.binning, self.settings.feature_names),
            preprocess=self.settings.preprocess,
            strict=True,
        )

    def profile(
        self, source: RowSource, window: Window | None, progress: Callable[[PartGroup], None] = lambda group: None
    ) -> Profile:
        """Returns the state of the window's rows, counted in the baseline's bins. Whole hours come from kept states."""
        return count_window(source, window, self.baseline, self._engine, self._store(source), progress)

    def hours(self, source: RowSource, window: Window) -> Iterator[tuple[dt.datetime, Profile]]:
        """Yields the hours of the window that have rows, each with its profile, in order."""
        for counted in count_groups(source, window, self.baseline, self._engine, self._store(source)):
            if counted.group.hour is not None:
                yield counted.group.hour, counted.profile

    def _store(self, source: RowSource) -> StateStore | None:
        """Returns where states of captured data are kept; None without an output."""
        if not self.settings.output or not isinstance(source, CapturedSource):
            return None
        return StateStore(open_storage(self.settings.output), self.baseline.id, source.layout.unit)

    def judge(self, source: RowSource, window: Window, profile: Profile, *, model_version: str | None = None) -> Report:
        """Returns the report of a profile. Reads the ledgers of captured data, and rows only for a rolling reference."""
        if model_version is not None:
            profile = profile.only(lambda key: key.model_version == model_version)
        profile = dataclasses.replace(profile, notes=summed(profile))
        completeness = self._completeness(source, window, profile)
        endpoint, variant = self._names(source)
        judged = Judged(
            subject=subject_of(profile, endpoint, variant, self.settings.name),
            window=window,
            profile=profile,
            completeness=completeness,
            source=source.uri,
            rows=query_rows(source, endpoint, variant, window),
        )
        before = self._rolling.before(source, (endpoint, variant), window, self.profile)
        if before is not None and model_version is not None:
            before = before.only(lambda key: key.model_version == model_version)
        return Report(judge(self.baseline, self.constraints, judged, self.settings, self._now(), before))

    def window(self, source: RowSource, start: dt.datetime | None, end: dt.datetime | None) -> Window | None:
        """Returns the window of the given sides; open sides are those of the data, None stands for all of it."""
        for name, time in (("start", start), ("end", end)):
            if time is not None and time.tzinfo is None:
                raise UsageError(f"{name} has no zone: {time}; write {time.isoformat()}+00:00 for UTC")
        if start is not None and end is not None:
            return Window(start, end)
        span = source.span() if isinstance(source, CapturedSource) else None
        if span is not None:
            first, last = start or span.start, end or span.end
            return Window(first, last) if first < last else Window(first, first + dt.timedelta(hours=1))
        if start is None and end is None:
            return None
        return Window(start or _EPOCH, end or dt.datetime.max.replace(tzinfo=dt.UTC))

    def _completeness(self, source: RowSource, window: Window, profile: Profile) -> WindowCompleteness:
        found = source.completeness(window)
        if found.proved is None:
            found = msgspec.structs.replace(found, found=profile.events)
        return msgspec.structs.replace(found, duplicates=profile.duplicates)

    def _names(self, source: RowSource) -> tuple[str, str]:
        """Returns endpoint and variant: those of the settings, else the only ones that captured data has."""
        endpoint, variant = self.settings.endpoint, self.settings.variant
        if isinstance(source, CapturedSource) and (endpoint is None or variant is None):
            found = source.variants()
            if len(found) > 1:
                listed = ", ".join("/".join(entry) for entry in found)
                raise UsageError(f"{source.uri} holds {listed}: name one with --endpoint and --variant")
            if found:
                endpoint, variant = found[0]
        return endpoint or "data", variant or "all"


def open_baseline(given: Any, settings: MonitorSettings | None = None) -> Baseline:
    """Returns the baseline at a URI, or the baseline of training data that is given or stands there.

    The id and time column of the settings are those of the training data too, where it has them.
    """
    from monitoring.source.files import is_file

    if isinstance(given, str) or hasattr(given, "__fspath__"):
        text = str(given)
        if is_registered(text):
            return _registered(text)
        if VERSION in text:
            return Baseline.load(text.replace(VERSION, newest_version(text)))
        if not is_file(text) and not _is_training(text):
            return Baseline.load(text)
    known = _first_columns(given) if settings is not None and (settings.id_column or settings.time_column) else set()
    return Baseline.from_training(
        given,
        id_column=settings.id_column if settings is not None and settings.id_column in known else None,
        time_column=settings.time_column if settings is not None and settings.time_column in known else None,
    )


def _is_training(uri: str) -> bool:
    """Returns True if a directory or prefix holds Parquet or CSV files and no baseline."""
    from monitoring.source.files import is_file

    storage = open_storage(uri)
    if any(next(storage.list(name), None) is not None for name in (STATES_FILE, STATISTICS)):
        return False
    return any(is_file(entry.key) for entry in storage.list())


def _first_columns(data: Any) -> set[str]:
    """Returns the columns of the first rows of training data."""
    group = next(iter(open_rows(data).groups(None)))
    try:
        batch = next(iter(group.parts[0].fetch().batches()), None)
    except UnreadablePart:
        return set()
    return set() if batch is None else set(batch.schema.names)


def newest_version(template: str) -> str:
    """Returns the last version, by name, that has a baseline. Raises UsageError where there is none."""
    head, _, tail = template.partition(VERSION)
    parent, _, start = head.rpartition("/")
    marker = f"{tail}/{STATES_FILE}"
    found = [
        entry.key[len(start) : -len(marker)]
        for entry in open_storage(parent or "/").list(start)
        if entry.key.endswith(marker)
    ]
    if not found:
        raise UsageError(f"there is no baseline of any version at {template}: make one with `monitoring baseline`")
    return max(found)


def _registered(uri: str) -> Baseline:
    """Returns the baseline that a model version of the registry names, after its digests were compared."""
    found = find_baseline(uri)
    found.verify()
    if found.directory:
        return Baseline.load(found.directory)
    files = found.files
    return Baseline.from_model_monitor(files[STATISTICS].read(), files[CONSTRAINTS].read(), found.model_package)


def subject_of(profile: Profile, endpoint: str, variant: str, monitor: str) -> Subject:
    """Returns whom a profile is about: the model and version that most of its events name."""
    events: dict[tuple[str, str], int] = {}
    for key, state in profile.slices.items():
        name = (key.model_name, key.model_version)
        events[name] = events.get(name, 0) + state.events
    model, version = max(sorted(events), key=events.__getitem__, default=("", ""))
    return Subject(endpoint, variant, model, version or None, monitor)


def spanned(profile: Profile) -> Window:
    """Returns the window of a profile's event times; TIMELESS where rows have no times."""
    firsts = [state.first for state in profile.slices.values() if state.first is not None]
    lasts = [state.last for state in profile.slices.values() if state.last is not None]
    if not firsts or not lasts:
        return TIMELESS
    microsecond = dt.timedelta(microseconds=1)
    return Window(_EPOCH + min(firsts) * microsecond, _EPOCH + (max(lasts) + 1) * microsecond)


def query_rows(source: RowSource, endpoint: str, variant: str, window: Window) -> QuerySource | None:
    """Returns where the report's queries find the rows; None where they do not: in memory, and in JSON Lines."""
    if isinstance(source, ManagedSource) and source.has_lines:
        return None
    if isinstance(source, CapturedSource):
        return captured_rows(source.uri, endpoint, variant, window)
    keys = tuple(name for name in (source.layout.event_id,) if name and not name.startswith("capture_"))
    return QuerySource((source.uri,), keys) if "://" in source.uri else None


def _engine(settings: MonitorSettings) -> Engine:
    if settings.engine == "spark":
        from monitoring.engines.spark import SparkEngine

        return SparkEngine(settings.spark_master)
    from monitoring.engines.local import LocalEngine

    return LocalEngine(settings.threads)


__all__ = ["Monitor", "MonitoringError", "open_baseline"]
