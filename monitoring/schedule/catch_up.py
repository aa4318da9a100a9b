"""Judges every window that its ledgers prove complete and that nobody has judged yet.

A window is ready when it is proved complete. One that is not proved is judged after `patience`: its report says what is missing
and gives no verdict on data that is not there. Data without ledgers is ready when `patience` is over.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from monitoring.outputs import PAGE, RESULT, write_pages, write_result
from monitoring.run_report import Report
from monitoring.schedule.claims import Claims
from monitoring.schedule.month import Month
from monitoring.schedule.windows import Schedule, prefix, windows
from monitoring.source.captured import CapturedSource

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from monitoring.monitor import Monitor
    from monitoring.result import RunResult
    from monitoring.source.part import RowSource
    from monitoring.states.profile import Profile
    from monitoring.storage import Storage
    from monitoring.window import Window

PATIENCE = dt.timedelta(hours=6)
HORIZON = dt.timedelta(days=14)


class Consequences(Protocol):
    """What follows a judged window: metrics, alarms, retraining. Called again for a window that a crash interrupted."""

    def after(self, result: RunResult, page: str, *, alone: bool = True) -> None:
        """Acts on one result. `page` is the URI of its report; `alone` says that the window has one model version only."""


class _Nothing:
    def after(self, result: RunResult, page: str, *, alone: bool = True) -> None:
        """Does nothing."""


@dataclass(frozen=True)
class Judgement:
    """A window that was judged, and the URI of its page."""

    report: Report
    page: str


class CatchUp:
    """Judges what is ready, once each time `run` is called.

    `patience` is how long a window may stay unproved, `horizon` how far back the search goes. An hour without data that lies
    further back is not judged, whatever `start` says. `stopped` is asked before each
    window.
    """

    def __init__(
        self,
        monitor: Monitor,
        storage: Storage,
        consequences: Consequences | None = None,
        *,
        schedule: Schedule = "hourly",
        patience: dt.timedelta = PATIENCE,
        horizon: dt.timedelta = HORIZON,
        now: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC),
        stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        self._monitor = monitor
        self._storage = storage
        self._consequences = consequences or _Nothing()
        self._schedule: Schedule = schedule
        self._patience = patience
        self._horizon = horizon
        self._now = now
        self._stopped = stopped
        self._claims = Claims(storage, now)
        self._month = Month(storage, zone=monitor.settings.time_zone)

    def run(self, start: dt.datetime | None = None) -> Iterator[Judgement]:
        """Yields a judgement for each window that was ready, in the order of time. `start` is the first window's time."""
        for endpoint, variant in self.subjects():
            source = self._monitor.open(endpoint=endpoint, variant=variant)
            for window in self._open_windows(source, endpoint, variant, start):
                if self._stopped():
                    return
                judged = self._judge(source, endpoint, variant, window)
                if judged is not None:
                    yield judged

    def subjects(self) -> list[tuple[str, str]]:
        """Returns the endpoints and variants that are judged."""
        source = self._monitor.open()
        if isinstance(source, CapturedSource):
            return source.variants()
        return [(self._monitor.settings.endpoint or "data", self._monitor.settings.variant or "all")]

    def _open_windows(
        self, source: RowSource, endpoint: str, variant: str, start: dt.datetime | None
    ) -> Iterator[Window]:
        now = self._now()
        span = source.span() if isinstance(source, CapturedSource) else None
        if span is None and start is None:
            return
        earliest = now - self._horizon
        first = start or max(span.start if span is not None else earliest, earliest)
        last = earliest if span is None else span.end
        done = {
            entry.key.removesuffix(RESULT)
            for entry in self._storage.list(f"runs/{endpoint}/{variant}/")
            if entry.key.endswith(f"/{RESULT}")
        }
        zone = self._monitor.settings.time_zone
        for window in windows(first, now, self._schedule, zone):
            silent_long_ago = window.start >= last and window.end <= earliest
            if prefix(endpoint, variant, window, zone) not in done and not silent_long_ago:
                yield window

    def _judge(self, source: RowSource, endpoint: str, variant: str, window: Window) -> Judgement | None:
        """Judges a window if it is ready and no other monitor holds it."""
        if not self._is_ready(source, window):
            return None
        place = prefix(endpoint, variant, window, self._monitor.settings.time_zone)
        if not self._claims.take(place):
            return None
        try:
            return self._judge_versions(source, window, place)
        except BaseException:
            self._claims.release(place)
            raise

    def _judge_versions(self, source: RowSource, window: Window, place: str) -> Judgement:
        """Judges the rows of each model version apart, against the version's own baseline. Returns the largest one's.

        Its files lie below `place`, those of other versions below `place` and their name. The largest one's `result.json` is
        written last.
        """
        profile = self._monitor.profile(source, window)
        events = _events_by_version(profile) or {"": 0}
        versions = sorted(events, key=lambda version: (-events[version], version))
        judged = [self._judge_version(source, window, place, version, versions) for version in reversed(versions)]
        return judged[-1]

    def _judge_version(
        self, source: RowSource, window: Window, place: str, version: str, versions: list[str]
    ) -> Judgement:
        alone = len(versions) == 1
        monitor = self._monitor.for_version(version)
        profile = monitor.profile(source, window)
        judged = monitor.judge(source, window, profile, model_version=None if alone else version)
        report = Report(self._month.apply(judged.result))
        below = place if version == versions[0] else f"{place}version-{version}/"
        page = write_pages(self._storage, report.result, monitor.baseline, profile, below)[PAGE]
        self._consequences.after(report.result, page, alone=alone)
        write_result(self._storage, report.result, below)
        return Judgement(report, page)

    def _is_ready(self, source: RowSource, window: Window) -> bool:
        if window.end + self._patience <= self._now():
            return True
        return bool(source.completeness(window).proved)


def _events_by_version(profile: Profile) -> dict[str, int]:
    """Returns the events of each model version of a profile."""
    events: dict[str, int] = {}
    for key, state in profile.slices.items():
        events[key.model_version] = events.get(key.model_version, 0) + state.events
    return events
