"""Makes Multi Model Server read the headers of a response in one go, because it fails where it does not.

Multi Model Server 1.1.11 takes a response apart while it arrives, and waits where something is missing, but not within
the headers (`CodecUtils.readMap`): a read that ends there is a `CorruptedFrameException`, the caller gets a 500 for
what was answered, and the worker is killed. How much Netty reads at once follows from what came before: after a few
small responses (left out by sampling, say) it takes little, and the next one with longer headers is cut in them.

So every response gets a long text in a field that no caller sees, `PADDING` bytes before the headers:
- no response is smaller than `PADDING`, and Netty goes down by one size when two reads need no more than the next smaller
  one; its sizes are powers of two, so it goes on to read 2 × `PADDING`, all headers included;
- the first response of a worker is cut at 2,048 bytes, or 1,024, in the padding; that read was full, so the next is 16
  times as large, and takes the headers whole.
"""

from __future__ import annotations

import socket
import struct
from typing import Any

PADDING = 8192
"""Bytes; a power of two. Headers may have about as many."""

_SUCCESS = 200
_END_OF_LIST = 4
_HEAD = struct.Struct("!ii")
_NOTHING_MORE = struct.pack("!i", -1)


class WholeReads:
    """A worker's connection to Multi Model Server, whose `send` sends all of a message, padded."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def send(self, message: bytes | bytearray) -> None:
        """Send a message. Blocks until the last byte is sent."""
        self._connection.sendall(padded(message))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


def padded(message: bytes | bytearray) -> bytes | bytearray:
    """The message with a longer text, if headers follow: the answer to a load has none, and Java reads a number from its
    text; that of a failure is read by people.

    A message begins with a status and the length of its text, both of 4 bytes, big-endian, and its text. What follows is
    a list of answers, that ends with 4 bytes.
    """
    status, length = _HEAD.unpack_from(message)
    end = _HEAD.size + length
    if status != _SUCCESS or len(message) <= end + _END_OF_LIST:
        return message
    return b"".join((_HEAD.pack(status, length + PADDING), message[_HEAD.size : end], b" " * PADDING, message[end:]))
