"""The page of a window that `watch` or `run --catch-up` judged, written again when ground truth has arrived."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitoring.outputs import RESULT, add_quality
from monitoring.schedule.windows import is_scheduled, prefix
from monitoring.window import Window

if TYPE_CHECKING:
    from monitoring.quality.result import QualityResult
    from monitoring.storage import Storage


def page_with_quality(storage: Storage, quality: QualityResult, zone: str = "UTC") -> str:
    """Adds the quality of a window to the page of the same window and version below a monitor's output. `zone` is that of the schedule's days.

    Returns the page's URI, "" where the schedule has not judged exactly this window.
    """
    window = Window(quality.start, quality.end)
    if not is_scheduled(window, zone):
        return ""
    subject = quality.subject
    place = prefix(subject.endpoint, subject.variant, window, zone)
    judged = {entry.key for entry in storage.list(place)}
    for below in (f"{place}version-{subject.model_version}/", place):
        if f"{below}{RESULT}" in judged:
            return add_quality(storage, quality, below)
    return ""
