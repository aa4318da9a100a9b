"""The memory of a batch while it is encoded, so that no records, whatever they hold, take the shipper more than a batch may.

What a record takes as objects does not follow from its bytes in the spool: an empty list has one byte there and 64 bytes in
Python, a row without features has none and a line of some hundred bytes in JSON Lines. `flush_policy.py` weighs what it
can know without decoding. Here the process is asked for its own memory while the records of a batch are added, and a
batch that has grown too much is given up. The shipper then halves it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from capture.errors import CaptureError

if TYPE_CHECKING:
    from collections.abc import Callable

    from capture.record import Event

MAX_GROWTH = 96 << 20
"""Bytes by which the process may grow before all records of a batch are added. The table and its file take up to as much
again."""
_LOOK_EVERY = 512 << 10
"""Bytes of frames, and of what each row takes beside them, between two looks."""
_ROW = 100
_PAGE = os.sysconf("SC_PAGE_SIZE")


class BatchTooLarge(CaptureError):
    """The batch takes more memory than a batch may: halve it."""


def anonymous_memory() -> int:
    """Returns the bytes of this process's memory that belong to no file."""
    _, resident, shared, *_ = Path("/proc/self/statm").read_text().split()
    return (int(resident) - int(shared)) * _PAGE


class BatchMemory:
    """Looks at the process's memory while a batch is encoded."""

    def __init__(self, memory: Callable[[], int] = anonymous_memory) -> None:
        self._memory = memory
        self._begun = memory()
        self._since = 0

    def took(self, event: Event, size: int) -> None:
        """Notes that an event whose frame has `size` bytes was added.

        Raises BatchTooLarge where the process has grown by more than `MAX_GROWTH`.
        """
        ids = 2 * len(event.inference_id or "") + len(event.custom_attributes or "")
        self._since += size + len(event.items) * (_ROW + ids)
        if self._since < _LOOK_EVERY:
            return
        self._since = 0
        grown = self._memory() - self._begun
        if grown > MAX_GROWTH:
            raise BatchTooLarge(f"a batch takes {grown >> 20} MiB before it is encoded: it goes on as two halves")
