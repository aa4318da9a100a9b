"""What HAProxy keeps from the old libraries in Multi Model Server, and in what form it passes on what it lets through.

The real HAProxy with the endpoint's own configuration; behind it, on Multi Model Server's socket, a recorder keeps the
bytes that Netty would have parsed. `docs/security.md` names the flaw that each test is about.
"""

from __future__ import annotations

import contextlib
import json
import re
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO
from unittest.mock import ANY

import pytest

from container.shared.run_directory import RunDirectory
from container.supervisor import proxy
from tests.container.endpoint import free_port, wait_for

ANSWER = b"HTTP/1.1 200 OK\r\nx-endpoint-handler: 1\r\ncontent-length: 2\r\n\r\nok"


class Recorder:
    """Takes requests on a Unix socket as strictly as HTTP/1.1 is written, answers each, and keeps its bytes.

    Another `answer` is its last on a connection; with None it waits, without a word, until the other side closes.
    """

    def __init__(self, path: Path) -> None:
        self.requests: list[bytes] = []
        self.answer: bytes | None = ANSWER
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        with contextlib.suppress(OSError):  # closed already
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as stream:
            while head := _lines(stream, b"\r\n"):
                length = re.search(rb"\r\ncontent-length: *([0-9]+)\r\n", head, re.IGNORECASE)
                body = stream.read(int(length[1])) if length else b""
                if re.search(rb"\r\ntransfer-encoding: *chunked\r\n", head, re.IGNORECASE):
                    while not re.fullmatch(rb"0+\r\n", size := stream.readline()):
                        body += size + stream.read(int(size, 16) + 2)
                    body += size + _lines(stream, b"\r\n")
                self.requests.append(head + body)
                if self.answer is None:
                    stream.read()
                    return
                connection.sendall(self.answer)
                if self.answer is not ANSWER:
                    return


def _lines(stream: BinaryIO, last: bytes) -> bytes:
    """Lines up to and with an empty one; nothing where the connection ends."""
    found = b""
    while line := stream.readline():
        found += line
        if line == last:
            return found
    return b""


class Shield:
    """HAProxy, and the recorder behind it."""

    def __init__(self, port: int, recorder: Recorder) -> None:
        self.port = port
        self.recorder = recorder

    def send(self, *parts: bytes) -> bytes:
        """Everything that comes back, until HAProxy closes or has answered what it will."""
        return self.exchange(b"".join(parts), ends=True)

    def exchange(self, request: bytes, ends: bool = False) -> bytes:
        """Everything that comes back until HAProxy closes; where the caller `ends`, it sends no more after the request."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection:
            connection.sendall(request)
            if ends:
                connection.shutdown(socket.SHUT_WR)
            received = b""
            with contextlib.suppress(ConnectionResetError):
                while data := connection.recv(65536):
                    received += data
            return received

    @property
    def passed(self) -> list[bytes]:
        """What reached the recorder, and forgets it."""
        found, self.recorder.requests = self.recorder.requests, []
        return found


@contextlib.contextmanager
def shielded(server_timeout: str | None = None) -> Iterator[Shield]:
    """HAProxy before a recorder; `server_timeout` instead of the minute and more that it gives the model server."""
    with tempfile.TemporaryDirectory(prefix="t-", dir="/tmp") as name, contextlib.ExitStack() as stack:
        directory = RunDirectory(Path(name))
        directory.unloading.touch()
        directory.serving.touch()
        port = free_port()
        recorder = Recorder(directory.invocations)
        stack.callback(recorder.close)
        text = proxy.configuration(
            directory,
            host="127.0.0.1",
            port=port,
            time_limit=5,
            max_payload=1000,
            workers=1,
            large_at_once=7,
            multi_model=False,
        )
        if server_timeout is not None:
            text = re.sub(r"(?<=\n  timeout server )\d+s", server_timeout, text)
        directory.proxy_configuration.write_text(text)
        process = subprocess.Popen(
            [proxy.find_haproxy(), "-db", "-f", str(directory.proxy_configuration)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        stack.callback(process.wait)
        stack.callback(process.kill)
        wait_for(lambda: _listens(port))
        yield Shield(port, recorder)


@pytest.fixture(scope="module")
def running() -> Iterator[Shield]:
    with shielded() as found:
        yield found


@pytest.fixture(scope="module")
def impatient() -> Iterator[Shield]:
    with shielded("300ms") as found:
        yield found


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def shield(running: Shield) -> Shield:
    assert running.passed == []
    return running


def post(body: bytes, *headers: bytes, version: bytes = b"HTTP/1.1", type_: bytes = b"text/csv") -> bytes:
    lines = [b"POST /invocations " + version, b"Host: x", b"Content-Type: " + type_, *headers, b"", body]
    return b"\r\n".join(lines)


CHUNKED = b"Transfer-Encoding: chunked"
FORM = b"application/x-www-form-urlencoded"
BODY = b"3\r\nabc\r\n0\r\n\r\n"
INVOKE = b"POST /models/model/invoke HTTP/1."


def status(answer: bytes) -> int:
    assert answer.startswith(b"HTTP/1.1 ")
    return int(answer.split()[1])


def body(answer: bytes) -> Any:
    head, _, found = answer.partition(b"\r\n\r\n")
    assert b"\r\ncontent-type: application/json\r\n" in head + b"\r\n"
    return json.loads(found)


@pytest.mark.parametrize(
    "type_",
    [FORM, b"Application/X-WWW-Form-Urlencoded ; charset=x", b"multipart/form-data; boundary=x", b"\tmultipart/mixed"],
)
def test_a_form_is_refused_and_never_decoded_by_netty(shield: Shield, type_: bytes):
    """CVE-2024-29025: HttpPostRequestDecoder collects fields without a limit."""
    answer = shield.send(post(b"a=1", b"Content-Length: 3", type_=type_))
    assert (status(answer), shield.passed) == (415, [])
    assert body(answer)["type"] == "UnsupportedMediaType"


@pytest.mark.parametrize(
    "headers",
    [
        [b"Content-Type: " + FORM],  # beside the text/csv that every request here has
        [b"Content-Type: text/csv, " + FORM],
    ],
)
def test_a_form_does_not_hide_behind_another_content_type(shield: Shield, headers: list[bytes]):
    """CVE-2024-29025."""
    answer = shield.send(post(b"a=1", b"Content-Length: 3", *headers))
    assert (status(answer), shield.passed) == (400, [])


@pytest.mark.parametrize(
    "body",
    [
        b"3\nabc\r\n0\r\n\r\n",
        b"3;\nx\r\nabc\r\n0\r\n\r\n",
        b"3\r\nabc\n0\r\n\r\n",
        b"3\rabc\r\n0\r\n\r\n",
        b"-3\r\nabc\r\n0\r\n\r\n",
        b"ffffffffffffffff1\r\nabc\r\n0\r\n\r\n",
        b'3;a="\n"\r\nabc\r\n0\r\n\r\n',
        b'3;a="x\r\nGET /models HTTP/1.1\r\n\r\n"\r\nabc\r\n0\r\n\r\n',
    ],
)
def test_malformed_chunks_are_refused(shield: Shield, body: bytes):
    """CVE-2025-58056: a bare line feed ends a chunk's line; CVE-2026-33870: so does one in a quoted string."""
    assert (status(shield.send(post(body, CHUNKED))), shield.passed) == (400, [])


@pytest.mark.parametrize("extension", [b";a", b";a=b", b';a="b;c"', b';a="b\\"c"'])
def test_no_chunk_extension_reaches_netty(shield: Shield, extension: bytes):
    """CVE-2025-58056 and CVE-2026-33870: both are in how chunk extensions are read."""
    assert status(shield.send(post(BODY.replace(b"3", b"3" + extension, 1), CHUNKED))) == 200
    [passed] = shield.passed
    assert passed.endswith(b"\r\ntransfer-encoding: chunked\r\n\r\n" + BODY)


@pytest.mark.parametrize(
    "value", [b"chunked, xchunked", b"xchunked", b"\x0bchunked", b"chunked\r\nTransfer-Encoding: x"]
)
def test_a_malformed_transfer_encoding_is_refused(shield: Shield, value: bytes):
    """CVE-2026-42585."""
    assert (status(shield.send(post(BODY, b"Transfer-Encoding: " + value))), shield.passed) == (400, [])


@pytest.mark.parametrize("version", [b"HTTP/1.1", b"HTTP/1.0"])
def test_a_request_of_two_lengths_reaches_netty_with_one(shield: Shield, version: bytes):
    """CVE-2026-42581: with HTTP/1.0 Netty keeps both."""
    assert status(shield.send(post(BODY, CHUNKED, b"Content-Length: 3", version=version))) == 200
    [passed] = shield.passed
    assert passed.endswith(b"\r\ntransfer-encoding: chunked\r\n\r\n" + BODY)
    assert b"content-length" not in passed.lower()


@pytest.mark.parametrize("lengths", [(b"3", b"4"), (b"+3",), (b"3 4",), (b"0x3",)])
def test_a_length_that_is_not_one_number_is_refused(shield: Shield, lengths: tuple[bytes, ...]):
    answer = shield.send(post(b"abc", *(b"Content-Length: " + length for length in lengths)))
    assert (status(answer), shield.passed) == (400, [])


@pytest.mark.parametrize("first", [b"\0", b"\x01\x02", b"\x0b", b"\x7f"])
def test_control_characters_before_a_request_are_refused(shield: Shield, first: bytes):
    """CVE-2026-50020: Netty skips them."""
    assert (status(shield.send(first + post(b"abc", b"Content-Length: 3"))), shield.passed) == (400, [])


@pytest.mark.parametrize("header", [b"X: a\rb", b"X: a\0b", b"X\x01: a", b"X : a", b": a"])
def test_a_malformed_header_is_refused(shield: Shield, header: bytes):
    assert (status(shield.send(post(b"abc", b"Content-Length: 3", header))), shield.passed) == (400, [])


def test_a_request_in_the_body_of_another_stays_a_body(shield: Shield):
    inner = b"POST /models?url=http://evil HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
    assert status(shield.send(post(inner, b"Content-Length: %d" % len(inner)))) == 200
    [passed] = shield.passed
    assert passed.startswith(INVOKE)
    assert passed.endswith(b"\r\n\r\n" + inner)


@pytest.mark.parametrize(
    ("server", "wanted", "kind"),
    [
        (b"", 502, "WorkerDied"),
        (b"HTTP/1.1 200 O", 502, "WorkerDied"),
        (b"no HTTP\r\n\r\n", 502, "WorkerDied"),
        (None, 504, "Timeout"),
    ],
    ids=["closes", "cut", "not HTTP", "silent"],
)
def test_a_server_that_fails_is_told_to_the_caller_in_json(
    impatient: Shield, server: bytes | None, wanted: int, kind: str
):
    impatient.recorder.answer = server
    answer = impatient.exchange(post(b"abc", b"Content-Length: 3"))
    assert status(answer) == wanted
    assert body(answer) == {"type": kind, "message": ANY, "event_id": None}


def test_a_server_that_is_not_there_is_told_to_the_caller_in_json():
    with shielded() as shield:
        shield.recorder.close()
        answer = shield.exchange(post(b"abc", b"Content-Length: 3"))
        assert status(answer) == 503
        assert body(answer) == {"type": "NotReady", "message": ANY, "event_id": None}


def test_http_2_ends_at_the_proxy(shield: Shield):
    """Netty's HTTP/2 flaws (CVE-2023-44487, CVE-2025-55163, CVE-2026-33871 and others) need frames; HAProxy itself speaks no
    HTTP/2 either."""
    answer = shield.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0")
    assert (status(answer), shield.passed) == (400, [])
    assert body(answer) == {"type": "BadRequest", "message": ANY, "event_id": None}
    upgrade = (b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABk")
    assert status(shield.send(post(b"abc", b"Content-Length: 3", *upgrade))) == 200, "an invitation that nobody takes"
    [passed] = shield.passed
    assert b"\r\nupgrade:" not in passed.lower()


@pytest.mark.parametrize(
    "path",
    [b"/models", b"/models/model", b"/ping/../models", b"/invocations/../models", b"//models", b"/api-description"],
)
def test_no_path_leads_to_the_management_api(shield: Shield, path: bytes):
    for method in (b"GET", b"POST", b"PUT", b"DELETE"):
        request = post(b"abc", b"Content-Length: 3").replace(b"POST /invocations", method + b" " + path, 1)
        assert status(shield.send(request)) in (400, 404)
    assert shield.passed == []


def test_an_expectation_that_nothing_meets_is_417_in_json(shield: Shield):
    answer = shield.send(post(b"abc", b"Content-Length: 3", b"Expect: a-miracle"))
    assert (status(answer), shield.passed) == (417, [])
    assert body(answer)["type"] == "ExpectationFailed"


def test_a_transfer_encoding_that_nothing_reads_is_refused(shield: Shield):
    answer = shield.send(post(BODY, b"Transfer-Encoding: gzip, chunked"))
    assert (status(answer), shield.passed) == (422, []), "in HTML of HAProxy's own, as docs/endpoint.md says"
