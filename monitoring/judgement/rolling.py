"""The days before a window, as the reference of its drift decision."""

from __future__ import annotations

import datetime as dt
from functools import reduce
from typing import TYPE_CHECKING

from monitoring.states.profile import Profile, merge_profiles
from monitoring.window import TIMELESS, Window

if TYPE_CHECKING:
    from collections.abc import Callable

    from monitoring.source.part import RowSource

_DAY = dt.timedelta(days=1)


def days_before(window: Window, days: int) -> tuple[Window, ...]:
    """Returns the `days` whole days of UTC before the day in which the window starts, ascending."""
    end = window.start.replace(hour=0, minute=0, second=0, microsecond=0)
    return tuple(Window(end - (back + 1) * _DAY, end - back * _DAY) for back in reversed(range(days)))


class RollingReference:
    """The profiles of the days before each window of one monitor.

    Days that are not proved complete are left out. A day that is proved complete is read once, and kept in memory until it
    lies before the reference.
    """

    def __init__(self, baseline_id: str, days: int) -> None:
        self._baseline_id = baseline_id
        self._days = days
        self._kept: dict[tuple[str, str, str], dict[Window, Profile]] = {}

    def before(
        self, source: RowSource, name: tuple[str, str], window: Window, read: Callable[[RowSource, Window], Profile]
    ) -> Profile | None:
        """Returns the profile of the days before `window`; None where there is no rolling reference, or no time.

        `name`: endpoint and variant of the source. `read` counts the rows of a day.
        """
        if not self._days or window == TIMELESS:
            return None
        days = days_before(window, self._days)
        known = self._kept.get((source.uri, *name), {})
        kept, profiles = {}, []
        for day in days:
            proved = True if day in known else source.completeness(day).proved
            if proved is False:
                continue
            profile = known[day] if day in known else read(source, day)
            profiles.append(profile)
            if proved:
                kept[day] = profile
        self._kept[(source.uri, *name)] = kept
        return reduce(merge_profiles, profiles, Profile(self._baseline_id))
