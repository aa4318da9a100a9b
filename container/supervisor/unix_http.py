"""HTTP/1.1 over Unix sockets, as little as our own processes need to talk to each other.

`request` asks Multi Model Server's management API. `Server` answers `/metrics` and the model management of multi-model
endpoints; only HAProxy speaks to it, so what arrives has been parsed once already, and every connection carries one
request.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path

import msgspec

MAX_BODY = 1024 * 1024
JSON = "application/json"


@dataclass(frozen=True)
class HttpRequest:
    """What a client asks. Header names are in lower case; `path` includes the query."""

    method: str
    path: str
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True)
class HttpResponse:
    """An answer: status, body and its media type."""

    status: int
    body: bytes = b""
    content_type: str = JSON

    @classmethod
    def json(cls, status: int, value: object) -> HttpResponse:
        """The value as JSON."""
        return cls(status, msgspec.json.encode(value))

    @classmethod
    def error(cls, status: int, kind: str, message: str) -> HttpResponse:
        """An error in the form all errors of the endpoint have."""
        return cls.json(status, {"type": kind, "message": message, "event_id": None})


async def request(socket_path: Path, method: str, path: str, value: object | None = None) -> HttpResponse:
    """Ask the server behind a Unix socket; `value` goes as a JSON body.

    Raises:
        OSError: no server answers there, or the connection ended too early.
    """
    reader, writer = await asyncio.open_unix_connection(str(socket_path))
    try:
        body = b"" if value is None else msgspec.json.encode(value)
        head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        head += f"Content-Type: {JSON}\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        await writer.drain()
        first, headers = await _head(reader)
        content = await reader.readexactly(int(headers.get("content-length", "0")))
        return HttpResponse(int(first.split()[1]), content, headers.get("content-type", ""))
    except (asyncio.IncompleteReadError, ValueError, IndexError) as error:
        raise ConnectionError(f"no whole answer from {socket_path.name}: {error}") from error
    finally:
        writer.close()


class Server:
    """Answers requests on a Unix socket with a coroutine function."""

    def __init__(self, answer: Callable[[HttpRequest], Awaitable[HttpResponse]]) -> None:
        self._answer = answer
        self._server: asyncio.Server | None = None

    async def start(self, socket_path: Path) -> None:
        """Listen; the socket is readable for our own user alone, as its directory is."""
        self._server = await asyncio.start_unix_server(self._serve, str(socket_path))

    async def stop(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            try:
                response = await self._answer(await _request(reader))
            except ValueError as error:
                response = HttpResponse.error(400, "BadRequest", str(error))
            phrase = HTTPStatus(response.status).phrase
            head = f"HTTP/1.1 {response.status} {phrase}\r\nContent-Type: {response.content_type}\r\n"
            head += f"Content-Length: {len(response.body)}\r\nConnection: close\r\n\r\n"
            writer.write(head.encode() + response.body)
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


async def _request(reader: asyncio.StreamReader) -> HttpRequest:
    first, headers = await _head(reader)
    method, path, _ = first.split(" ", 2)
    if "transfer-encoding" in headers:
        raise ValueError("send this request with Content-Length")
    length = int(headers.get("content-length", "0"))
    if not 0 <= length <= MAX_BODY:
        raise ValueError(f"a body may have {MAX_BODY} bytes here")
    return HttpRequest(method, path, headers, await reader.readexactly(length))


async def _head(reader: asyncio.StreamReader) -> tuple[str, dict[str, str]]:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except asyncio.LimitOverrunError as error:
        raise ValueError("the header is too long") from error
    first, *lines = head.split("\r\n")
    pairs = (text.partition(":") for text in lines if text)
    return first, {name.strip().lower(): value.strip() for name, _, value in pairs}
