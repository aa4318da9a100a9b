"""The endpoint left running in the foreground, with commands to try on it."""

from __future__ import annotations

import sys
from pathlib import Path

from rich.console import Console

from examples.flights.demo import train, wait_ready
from examples.flights.endpoint import Endpoint, EndpointError
from examples.flights.traffic import CONTENT_TYPE, july_requests
from examples.flights.workspace import Workspace

SHIP_AFTER_SECONDS = 10  # so that who tries it out need not wait


def run_serve(directory: Path, port: int, console: Console, progress: Console) -> None:
    """Serve until Ctrl-C or SIGTERM. Raises `EndpointError` where the endpoint ends by itself or with an error."""
    workspace = Workspace.anew(directory)
    artefact = train(workspace, console, progress)
    protobuf, json = workspace.write_request(july_requests(1)[0])
    settings = workspace.environment(artefact) | {"CAPTURE_MAX_AGE_SECONDS": str(SHIP_AFTER_SECONDS)}
    with Endpoint(settings, workspace.log, port) as endpoint:
        wait_ready(endpoint, console, progress)
        for comment, line in (
            ("a request in protobuf, its answer in JSON:", _curl(endpoint, protobuf, CONTENT_TYPE)),
            ("the same in JSON:", _curl(endpoint, json, "application/json")),
            ("the counters:", f"curl -s {endpoint.url}/metrics"),
            (
                f"what was captured, {SHIP_AFTER_SECONDS} s later (the default is 5 minutes):",
                f"{sys.executable} -m capture inspect {workspace.captured.as_uri()}",
            ),
            ("what the endpoint says:", f"tail -f {endpoint.log}"),
        ):
            console.print(f"\n# {comment}\n{line}", markup=False)
        console.print("\nCtrl-C stops the endpoint.")
        try:
            code = endpoint.wait()
        except KeyboardInterrupt:
            code = endpoint.stop()
            console.print(f"\nStopped; captured rows are in {workspace.captured}", markup=False)
        if code != 0:
            raise EndpointError(f"the endpoint ended with exit code {code}: see {endpoint.log}")


def _curl(endpoint: Endpoint, body: Path, content_type: str) -> str:
    return (
        f"curl -s --data-binary @{body} -H 'Content-Type: {content_type}' -H 'Accept: application/json' "
        f"{endpoint.url}/invocations"
    )
