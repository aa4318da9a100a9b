"""A client that breaks off its upload leaves no stack trace in the log."""

from __future__ import annotations

import socket
import struct
from pathlib import Path

from tests.container.artefacts import TINY
from tests.container.endpoint import running, wait_for

HEAD = b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Type: text/csv\r\n"
PART = b"1,2,3\n" * 20_000


def test_a_broken_off_upload_is_no_stack_trace_at_error(tmp_path: Path):
    with running(tmp_path, TINY) as endpoint:
        for framing in (b"Content-Length: 200000\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n30000\r\n"):
            for abrupt in (False, True):
                with socket.create_connection(("127.0.0.1", endpoint.port), timeout=30) as client:
                    client.sendall(HEAD + framing + PART)
                    if abrupt:  # a reset instead of an orderly end
                        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        assert endpoint.invoke({"a": 1}).status == 200
        line = wait_for(lambda: endpoint.log_with(source="java", level="WARN", message="a connection broke off: "))
        assert "PrematureChannelClosureException: Channel closed" in line["message"]
        assert "\n" not in line["message"].strip()
        assert endpoint.terminate() == 0
        told = [line for line in endpoint.logs() if line.get("source") == "java"]
        assert [line for line in told if line["level"] in ("ERROR", "FATAL") or "\tat " in line["message"]] == []
