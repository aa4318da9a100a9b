"""Asynchronous capture of what a model saw and said: one row for each prediction, in S3 as Parquet.

`CaptureBuffer.append` copies a record into memory-mapped journal segments within microseconds; the shipper, another
process, makes Parquet of what is committed and uploads it. `docs/capture.md` has the tour, `docs/dataset.md` the data.
"""

from __future__ import annotations

from capture.buffer import CaptureBuffer, Prepared
from capture.config import CaptureConfig
from capture.errors import CaptureError, ConfigError, SpoolError
from capture.event_id import new_event_id
from capture.record import Features, Lookup

__all__ = [
    "CaptureBuffer",
    "CaptureConfig",
    "CaptureError",
    "ConfigError",
    "Features",
    "Lookup",
    "Prepared",
    "SpoolError",
    "new_event_id",
]
