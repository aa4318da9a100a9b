"""Event ids: UUIDv7 (RFC 9562) with the microseconds of their millisecond in `rand_a`, and the time that an id carries.

The random bits come from a generator of this module's own: a user's `random.seed(42)` must not repeat ids, and
`os.urandom` releases the GIL, which can cost a request 5 ms. The generator is seeded from the operating system at
import and again in every forked child, also in one whose fork Python did not see.
"""

from __future__ import annotations

import os
import random
import struct
import time
from typing import TYPE_CHECKING

from capture.fork_guard import fork_guard

if TYPE_CHECKING:
    from collections.abc import Callable

_random = random.Random()
_bits = _random.getrandbits

_pack = struct.Struct(">QQ").pack
_VERSION, _VARIANT = 7 << 12, 2 << 62
_YEAR_10000 = 253_402_300_800_000
_here = fork_guard()
_last_made: tuple[str, int] = "", 0
"""The last id of `new_event_id` and its time: whoever captures the request asks for the time of this very text."""


def reseed() -> None:
    """Seeds the generator again in a forked child, so that its ids are not those of its parent."""
    global _here
    _here = fork_guard()
    _random.seed()


os.register_at_fork(after_in_child=reseed)


def event_id_bytes(microseconds: int) -> bytes:
    """A new id as 16 bytes, for an event at `microseconds` since 1970 UTC."""
    return _pack(microseconds // 1000 << 16 | _VERSION | (microseconds % 1000 << 12) // 1000 + 1, _VARIANT | _bits(62))


def event_id_text(raw: bytes) -> str:
    """The canonical text of an id of 16 bytes."""
    text = raw.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def new_event_id(clock: Callable[[], int] = time.time_ns) -> str:
    """A UUIDv7 for a request that arrives now; its time becomes the record's `capture_event_time`.

    >>> event_time_of(new_event_id(lambda: 1_700_000_000_123_456_000))
    1700000000123456
    """
    if not _here[0]:
        reseed()
    global _last_made
    microseconds = clock() // 1000
    text = event_id_text(event_id_bytes(microseconds))
    _last_made = text, microseconds
    return text


def event_time_of(event_id: str) -> int | None:
    """Microseconds since 1970 UTC that a UUIDv7 carries; None where `event_id` is none, or its time past the year 9999.

    Ids of another maker have random bits below their millisecond: their time is right to the millisecond.
    """
    made, microseconds = _last_made
    if event_id is made:
        return microseconds
    if len(event_id) != 36 or event_id[14] != "7" or event_id[8:24:5] != "----":
        return None
    digits = event_id[:8] + event_id[9:13] + event_id[15:18]
    if not (digits.isascii() and digits.isalnum()):
        return None
    try:
        milliseconds, fraction = divmod(int(digits, 16), 4096)
    except ValueError:
        return None
    return milliseconds * 1000 + (fraction * 1000 >> 12) if milliseconds < _YEAR_10000 else None
