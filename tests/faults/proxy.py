"""A TCP proxy between a shipper and the S3 server, which fails in the ways in which networks and servers do."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

_RESET = struct.pack("ii", 1, 0)
_ERROR = b"HTTP/1.1 %s\r\nContent-Type: application/xml\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s"


def answer(status: str, code: str) -> bytes:
    """A whole answer of S3 that refuses."""
    body = f"<Error><Code>{code}</Code><Message>told to</Message></Error>".encode()
    return _ERROR % (status.encode(), len(body), body)


class Proxy:
    """Passes connections on to `port` until told otherwise. `mode` is asked when a request begins:

    pass             as if it were not there
    busy, forbid     reads the request, answers 503 SlowDown, or 403 AccessDenied
    gone             accepts, and resets at once: as near to a dead host as one process can be
    reset            passes a part of the request on, and resets both sides: an upload that ends in its midst
    lost answer      passes the request on, and resets before the answer: the object is there, and nobody says so
    hang             takes the request and never answers
    slow             passes the answer on after `delay` seconds
    """

    def __init__(self, port: int) -> None:
        self.mode = "pass"
        self.delay = 0.0
        self.requests = 0
        self.choose: Callable[[], str] = lambda: self.mode
        self._target = port
        self._stop = threading.Event()
        self._open: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def close(self) -> None:
        self._stop.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for one in list(self._open):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while not self._stop.is_set():
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        """One connection, request after request; the mode may change between two."""
        self._open.add(client)
        try:
            with contextlib.ExitStack() as stack:
                stack.enter_context(client)
                server: socket.socket | None = None
                while not self._stop.is_set():
                    mode = self.choose() if self.mode != "gone" else "gone"
                    if mode == "gone":
                        _reset(client)
                        return
                    first = client.recv(65_536)
                    if not first:
                        return
                    mode = self.choose()
                    self.requests += 1
                    if server is None and mode in ("pass", "slow", "lost answer", "reset"):
                        server = stack.enter_context(socket.create_connection(("127.0.0.1", self._target)))
                        self._open.add(server)
                    if not self._one(mode, client, server, first):
                        return
        except OSError:
            pass
        finally:
            self._open.discard(client)

    def _one(self, mode: str, client: socket.socket, server: socket.socket | None, first: bytes) -> bool:
        """One request and its answer; whether the connection goes on."""
        if mode == "hang":
            self._stop.wait(60)
            return False
        request = _message(client, first)
        if mode in ("busy", "forbid"):
            for _ in request:
                pass
            refusal = ("503 Slow Down", "SlowDown") if mode == "busy" else ("403 Forbidden", "AccessDenied")
            client.sendall(answer(*refusal))
            return False
        assert server is not None
        if mode == "reset":
            whole = b"".join(request)
            server.sendall(whole[: len(whole) * 2 // 3])
            _reset(server)
            _reset(client)
            return False
        for data in request:
            server.sendall(data)
        reply = b"".join(_message(server, server.recv(65_536)))
        if mode == "lost answer":
            _reset(client)
            return False
        if mode == "slow":
            self._stop.wait(self.delay)
        client.sendall(reply)
        return True


def _message(source: socket.socket, data: bytes) -> Iterator[bytes]:
    """The bytes of one HTTP message that begins with `data`, as they come. `100-continue` is answered here."""
    head = data
    while b"\r\n\r\n" not in head:
        more = source.recv(65_536)
        if not more:
            raise ConnectionError("a message that ends in its head")
        head += more
    lines, _, body = head.partition(b"\r\n\r\n")
    fields = {
        name.strip().lower(): value.strip()
        for name, _, value in (line.partition(b":") for line in lines.split(b"\r\n")[1:])
    }
    if fields.get(b"expect") == b"100-continue" and not body:
        source.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        lines = b"\r\n".join(line for line in lines.split(b"\r\n") if not line.lower().startswith(b"expect:"))
    yield lines + b"\r\n\r\n" + body
    if fields.get(b"transfer-encoding") == b"chunked":
        while not body.endswith(b"0\r\n\r\n"):
            part = source.recv(65_536)
            body = (body + part)[-16:]
            yield part
        return
    if lines.startswith((b"HTTP/1.1 204", b"HTTP/1.1 304", b"HEAD")):
        return
    left = int(fields.get(b"content-length", b"0")) - len(body)
    while left > 0:
        part = source.recv(min(left, 65_536))
        if not part:
            raise ConnectionError("a message that ends in its body")
        left -= len(part)
        yield part


def _reset(client: socket.socket) -> None:
    """Closes with a reset, not with a farewell."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    client.close()


@contextmanager
def proxy_to(port: int) -> Iterator[Proxy]:
    """A proxy, closed in the end."""
    made = Proxy(port)
    try:
        yield made
    finally:
        made.close()
        time.sleep(0)
