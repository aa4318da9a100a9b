"""A power switch: kills the code under test at the Nth thing that it does to the world.

Counted are the calls that change files, the words that the shipper stores in segments and accounts, and the sink's
uploads, before and after each takes effect. A dead process does nothing more: every later call is killed as well, so
that no clean-up runs that a real death would not run. Descriptors may be closed; the kernel does that.
"""

from __future__ import annotations

import os
import pathlib
from collections.abc import Callable
from typing import Any

import pytest

from capture.journal.counters import WriterCounters
from capture.journal.segment import SegmentReader
from tests.capture.shipping.stage import MemorySink

_CALLS = [
    (os, "open"), (os, "write"), (os, "fsync"), (os, "rename"), (os, "replace"), (os, "unlink"), (os, "mkdir"), (os, "rmdir"),
    (pathlib.Path, "write_bytes"), (SegmentReader, "set_taken"), (SegmentReader, "seal"), (WriterCounters, "settle"), (WriterCounters, "correct"),
]  # fmt: skip
_OPEN, _MKDIR = os.open, os.mkdir


class Killed(BaseException):
    """Nothing catches this but the test."""


class Switch:
    """Counts calls, and kills at the call with the number `at` (from 1) if there is one."""

    def __init__(self, at: int | None = None) -> None:
        self.calls = 0
        self.at = at
        self.dead = False

    def __enter__(self) -> Switch:
        self._patch = pytest.MonkeyPatch()
        for owner, name in _CALLS:
            self._patch.setattr(owner, name, self._counted(getattr(owner, name)))
        put = MemorySink.put

        def counted_put(sink: MemorySink, key: str, body: bytes, content_type: str) -> None:
            self.count()
            put(sink, key, body, content_type)
            self.count()

        self._patch.setattr(MemorySink, "put", counted_put)
        return self

    def __exit__(self, *_: object) -> None:
        self._patch.undo()

    def count(self) -> None:
        self.calls += 1
        if self.dead or self.calls == self.at:
            self.dead = True
            raise Killed

    def _counted(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*args: Any, **kwargs: Any) -> Any:
            only_looks = call is _OPEN and (not args[1] & os.O_CREAT or str(args[0]).endswith("lock"))
            if not only_looks and not (call is _MKDIR and os.path.isdir(args[0])):  # noqa: PTH112
                self.count()
            return call(*args, **kwargs)

        return counted
