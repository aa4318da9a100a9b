"""Asynchronous capture of what a model saw and said: one row for each prediction, in S3 as Parquet.

`CaptureBuffer.append` copies a record into memory-mapped journal segments within microseconds; the shipper, another
process, makes Parquet of what is committed and uploads it. `docs/capture.md` has the tour, `docs/dataset.md` the data.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from capture.buffer import CaptureBuffer, Prepared
from capture.config import CaptureConfig
from capture.errors import CaptureError, ConfigError, SpoolError
from capture.event_id import new_event_id
from capture.record import Features, Lookup

if TYPE_CHECKING:
    from capture.reading.table import read

__version__ = "0.1.0"
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
    "read",
]


def __getattr__(name: str) -> Any:
    """Imports `read` when it is asked for: it brings pyarrow, which a process that only captures does not need."""
    if name == "read":
        from capture.reading.table import read

        return read
    raise AttributeError(f"module 'capture' has no attribute {name!r}")
