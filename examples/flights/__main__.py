"""`python -m examples.flights demo | serve | train`: see `--help`."""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import NoReturn

from rich.console import Console

from examples.flights.data import DataNotFound
from examples.flights.demo import DemoError, run_demo, train
from examples.flights.endpoint import EndpointError
from examples.flights.loop import LoopError
from examples.flights.replay import ReplayError
from examples.flights.serve import run_serve
from examples.flights.workspace import Workspace, WorkspaceError
from monitoring.errors import MonitoringError

EXPECTED = (DataNotFound, DemoError, EndpointError, LoopError, MonitoringError, ReplayError, WorkspaceError)


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    console, progress = Console(soft_wrap=True, highlight=False), Console(stderr=True)
    signal.signal(signal.SIGTERM, _interrupt)  # so that the endpoint is stopped in order
    try:
        if options.command == "demo":
            run_demo(options.directory, options.requests, console, progress)
        elif options.command == "serve":
            run_serve(options.directory, options.port, console, progress)
        else:
            workspace = Workspace.anew(options.directory)
            artefact = train(workspace, console, progress)
            console.print(f"  model artefact  {artefact.archive}", markup=False)
    except EXPECTED as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _interrupt(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m examples.flights", description="Rank departures by risk of delay.")
    commands = parser.add_subparsers(dest="command", required=True)
    demo = commands.add_parser("demo", help="train, serve, replay July, stop, show and check what was captured")
    demo.add_argument("--requests", type=_count, metavar="N", help="replay the first N requests (default: all 1,664)")
    serve = commands.add_parser("serve", help="train, then leave the endpoint running, with a curl line to try")
    serve.add_argument("--port", type=_port, default=8080, help="port to listen on (default: %(default)s)")
    commands.add_parser("train", help="train the model and pack the artefact")
    for name, command in commands.choices.items():
        default = Path("out") / name
        command.add_argument(
            "--directory", type=Path, default=default, help="made anew, holds everything (default: %(default)s)"
        )
    return parser


def _count(text: str) -> int:
    return _number(text, 1, 1664)


def _port(text: str) -> int:
    return _number(text, 1, 65535)


def _number(text: str, low: int, high: int) -> int:
    if not text.isdecimal() or not low <= int(text) <= high:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {low} to {high}")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
