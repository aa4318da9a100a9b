"""`python -m capture`: ship, inspect, stats, ddl. Only the module of the command that is asked for is imported."""

from __future__ import annotations

import argparse
import importlib
import sys
from typing import TYPE_CHECKING

from capture import __version__
from capture.commands.visible import visible
from capture.errors import CaptureError

if TYPE_CHECKING:
    from collections.abc import Sequence

_COMMANDS = {
    "ship": ("capture.shipping.process", "ship what a spool holds"),
    "inspect": ("capture.commands.inspect", "look at captured data: counts, time range, gaps, schema, rows, one event"),
    "stats": ("capture.commands.stats", "the live counters of a spool of this machine"),
    "ddl": ("capture.commands.ddl", "the Athena table over captured data"),
}
"""Command → module with `add_arguments(parser)` and `run(args)`, and what it does."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; an expected error is one line on stderr and exit code 1."""
    argv = sys.argv[1:] if argv is None else argv
    parser = argparse.ArgumentParser(prog="python -m capture", description="Captured data of a serving endpoint.")
    parser.add_argument("--version", action="version", version=f"endpoint-capture {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    asked = argv[0] if argv and argv[0] in _COMMANDS else None
    for name, (module, text) in _COMMANDS.items():
        command = commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
        if name == asked:
            importlib.import_module(module).add_arguments(command)
    args = parser.parse_args(argv)
    try:
        return int(importlib.import_module(_COMMANDS[args.command][0]).run(args))
    except CaptureError as error:
        print(f"capture {args.command}: {visible(str(error))}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 1


if __name__ == "__main__":
    sys.exit(main())
