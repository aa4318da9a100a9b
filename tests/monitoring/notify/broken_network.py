"""HAProxy between the notifier and the services: it refuses, answers 429 and 503, and cuts calls before and after them."""

from __future__ import annotations

import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from container.supervisor.proxy import find_haproxy
from tests.monitoring.notify.https_servers import Servers
from tests.s3_server import free_ports

LIMIT = 30.0
CONFIGURATION = """
global
    log stderr local0 err
defaults
    mode http
    timeout client 10s
    timeout server 10s
    timeout connect 5s
frontend services
    bind 127.0.0.1:{port} ssl crt {certificate}
    acl calm path /calm
    http-request return status 200 if calm
    http-request return status 429 hdr Retry-After 60 if {{ rand(100) lt 12 }}
    http-request deny deny_status 503 if {{ rand(100) lt 12 }}
    http-request reject if {{ rand(100) lt 12 }}
    http-response deny deny_status 502 if {{ rand(100) lt 12 }}
    default_backend services
backend services
    http-reuse never
    server services 127.0.0.1:{backend} ssl verify none
"""


@contextmanager
def broken_network(servers: Servers, folder: Path) -> Iterator[str]:
    """Starts HAProxy in front of the services and stops it; yields its address."""
    [port] = free_ports(1)
    issued = servers.authority.issue_cert("127.0.0.1")
    certificate = folder / "haproxy.pem"
    certificate.write_bytes(issued.private_key_and_cert_chain_pem.bytes())
    configuration = folder / "haproxy.cfg"
    configuration.write_text(CONFIGURATION.format(port=port, certificate=certificate, backend=servers.port))
    with (folder / "haproxy.log").open("wb") as log:
        process = subprocess.Popen([find_haproxy(), "-f", configuration, "-db"], stdout=log, stderr=log)
    address = f"https://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + LIMIT
        while True:
            assert process.poll() is None, (folder / "haproxy.log").read_text()
            try:
                urllib.request.urlopen(f"{address}/calm", context=servers.client_context(), timeout=5).close()
                break
            except urllib.error.URLError:
                assert time.monotonic() < deadline, "HAProxy does not answer"
                time.sleep(0.05)
        yield address
    finally:
        process.kill()
        process.wait()
