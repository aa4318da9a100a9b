"""PagerDuty's events and Slack's webhooks and web API over real HTTPS, with an authority of the test's own.

Payloads are judged by a schema of PagerDuty's documents and by the classes that slack_sdk checks blocks with. A server can be
set to answer the next calls with a status, to wait, or to break off before or after it took the call.
"""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import jsonschema
import trustme
from slack_sdk.models.blocks import Block

from monitoring.notify.settings import Slack
from tests.monitoring.notify.event_schema import EVENT, MAX_BODY
from tests.monitoring.notify.services import PagerDutyAccount, SlackWorkspace

ROUTING_KEYS = {"0" * 31 + "1", "0" * 31 + "2"}
WEBHOOK_PATH = "/services/T000/B000/secret-part"
MAX_ALL_BLOCKS = 13_200


@dataclass
class Failure:
    """How the next call fails: a status, or `cut` before or after the call took effect."""

    status: int = 0
    cut: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    body: str = ""


@dataclass
class Servers:
    """Both services at one address."""

    port: int
    authority: trustme.CA
    account: PagerDutyAccount = field(default_factory=PagerDutyAccount)
    workspace: SlackWorkspace = field(default_factory=SlackWorkspace)
    failures: list[Failure] = field(default_factory=list)
    bodies: list[dict[str, Any]] = field(default_factory=list)
    expired: bool = False
    token: str = "xoxb-secret-token"

    @property
    def address(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    @property
    def webhook(self) -> str:
        return self.address + WEBHOOK_PATH

    def client_context(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        self.authority.configure_trust(context)
        return context


class _Handler(BaseHTTPRequestHandler):
    servers: Servers
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers["Content-Length"]))
        failure = self.servers.failures.pop(0) if self.servers.failures else None
        if failure and failure.cut == "before":
            return self._cut()
        if failure and failure.status:
            return self._answer(failure.status, failure.body, failure.headers)
        status, body = self._take(raw)
        if failure and failure.cut == "after":
            return self._cut()
        return self._answer(status, body, {})

    def _take(self, raw: bytes) -> tuple[int, str]:
        if self.path == "/v2/enqueue":
            return self._event(raw)
        document = self._document(raw)
        if self.path == WEBHOOK_PATH:
            if self.servers.expired:
                return 404, "no_service"
            problem = blocks_problem(document)
            if problem:
                return 400, "invalid_blocks"
            self.servers.workspace.post(Slack(webhook="env:X"), "", document["text"], document.get("blocks") or [])
            return 200, "ok"
        return self._web_api(document)

    def _event(self, raw: bytes) -> tuple[int, str]:
        document = json.loads(raw)
        self.servers.bodies.append(document)
        try:
            jsonschema.validate(document, EVENT)
        except jsonschema.ValidationError as error:
            return 400, json.dumps(
                {"status": "invalid event", "message": "Event object is invalid", "errors": [error.message]}
            )
        if len(raw) > MAX_BODY:
            return 413, "too large"
        if document["routing_key"] not in ROUTING_KEYS:
            return 400, json.dumps({"status": "invalid event", "message": "Invalid routing key", "errors": []})
        key, dedup = document["routing_key"], document["dedup_key"]
        if document["event_action"] == "trigger":
            self.servers.account.trigger("", key, dedup, document)
        else:
            self.servers.account.resolve("", key, dedup)
        return 202, json.dumps({"status": "success", "message": "Event processed", "dedup_key": dedup})

    def _web_api(self, document: dict[str, Any]) -> tuple[int, str]:
        if self.headers.get("Authorization") != f"Bearer {self.servers.token}":
            return 200, json.dumps({"ok": False, "error": "invalid_auth"})
        if blocks_problem(document):
            return 200, json.dumps({"ok": False, "error": "invalid_blocks"})
        target = Slack(token="env:X", channel=document["channel"])
        if self.path == "/api/chat.postMessage":
            _, ts = self.servers.workspace.post(target, "", document["text"], document.get("blocks") or [])
        else:
            ts = document["ts"]
            self.servers.workspace.update(
                target, "", document["channel"], ts, document["text"], document.get("blocks") or []
            )
        return 200, json.dumps({"ok": True, "channel": document["channel"], "ts": ts})

    def _document(self, raw: bytes) -> dict[str, Any]:
        if "json" in self.headers.get("Content-Type", ""):
            found: dict[str, Any] = json.loads(raw)
        else:
            found = {name: values[0] for name, values in parse_qs(raw.decode()).items()}
            found["blocks"] = json.loads(found["blocks"]) if "blocks" in found else []
        self.servers.bodies.append(found)
        return found

    def _answer(self, status: int, body: str, headers: dict[str, str]) -> None:
        data = body.encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(data)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        with suppress(OSError):  # the client may be gone
            self.wfile.write(data)

    def _cut(self) -> None:
        self.close_connection = True
        self.connection.close()

    def log_message(self, *arguments: Any) -> None:
        """Keeps a green run quiet."""


def blocks_problem(document: dict[str, Any]) -> str:
    """Says what is wrong with the blocks of a message, by slack_sdk's own checks and by the undocumented sum."""
    blocks = document.get("blocks") or []
    if len(blocks) > 50:
        return "over 50 blocks"
    if len(json.dumps(blocks, ensure_ascii=False)) > 2 * MAX_ALL_BLOCKS:
        return "msg_blocks_too_long"
    for block in blocks:
        parsed = Block.parse(block)
        if parsed is None:
            return f"unknown block {block.get('type')}"
        try:
            parsed.validate_json()
        except Exception as error:
            return str(error)
    return "" if document.get("text") else "no_text"


@contextmanager
def https_servers() -> Iterator[Servers]:
    """Starts both services on a free port of 127.0.0.1 and stops them."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    servers = Servers(server.server_address[1], authority)
    server.RequestHandlerClass = type("Handler", (_Handler,), {"servers": servers})
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield servers
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
