"""The page of a window that `watch` or `run --catch-up` judged, written again when ground truth has arrived."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitoring.outputs import RESULT, add_quality
from monitoring.schedule.windows import LENGTH, prefix
from monitoring.window import Window

if TYPE_CHECKING:
    from monitoring.quality.result import QualityResult
    from monitoring.storage import Storage


def page_with_quality(storage: Storage, quality: QualityResult) -> str:
    """Adds the quality of a window to the page of the same window and version below a monitor's output.

    Returns the page's URI, "" where the schedule has not judged exactly this window.
    """
    window = Window(quality.start, quality.end)
    if window.end - window.start not in LENGTH.values():
        return ""
    subject = quality.subject
    place = prefix(subject.endpoint, subject.variant, window)
    judged = {entry.key for entry in storage.list(place)}
    for below in (f"{place}version-{subject.model_version}/", place):
        if f"{below}{RESULT}" in judged:
            return add_quality(storage, quality, below)
    return ""
