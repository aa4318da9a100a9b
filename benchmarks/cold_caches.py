"""Walks code and memory that are larger than a processor's second-level cache, as a request does between two appends.

In a loop that does little else, `append` finds its own code and data in the nearest caches. In a served request the thread has
run the server, the decoder and the model since the last append, and the same call takes several times as long. `ColdCaches.walk`
makes that state without a server:

- *code*: it runs through machine code of its own, one jump for each line of 64 bytes, so that the instruction cache, the
  second-level cache, the translation buffer of code pages and the branch predictor hold these jumps;
- *memory*: it reads a word of each line of an array, in an order that the prefetcher does not know.

Machine code is that of x86-64 and of AArch64; on any other processor only memory is walked, and `walks_code` is False.
"""

from __future__ import annotations

import ctypes
import mmap
import platform

import numpy as np

LINE = 64
CODE_BYTES = 4 << 20
MEMORY_BYTES = 4 << 20
_JUMP_AND_RETURN = {
    "x86_64": (b"\xeb\x3e".ljust(LINE, b"\x90"), b"\xc3"),
    "aarch64": (b"\x10\x00\x00\x14".ljust(LINE, b"\x00"), b"\xc0\x03\x5f\xd6"),
}
"""A jump to the next line of 64 bytes, filled to the line's end, and a return."""


class ColdCaches:
    """Memory and code to walk: `code` and `memory` are their sizes in bytes."""

    def __init__(self, code: int = CODE_BYTES, memory: int = MEMORY_BYTES) -> None:
        self._numbers = np.ones(memory // 8)
        self._order = np.random.default_rng(3).permutation(memory // LINE) * (LINE // 8)
        known = _JUMP_AND_RETURN.get(platform.machine())
        self.walks_code = known is not None
        if known is not None:
            jump, back = known
            self._code = mmap.mmap(-1, code + LINE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
            self._code[:] = jump * (code // LINE) + back.ljust(LINE, b"\0")
            address = ctypes.addressof(ctypes.c_char.from_buffer(self._code))
            self._run = ctypes.CFUNCTYPE(None)(address)

    def walk(self) -> None:
        """Walks all of it once; about a millisecond."""
        if self.walks_code:
            self._run()
        self._numbers.take(self._order).sum()
