"""`python -m capture`: ship, inspect, stats, ddl."""

from __future__ import annotations

import argparse
import logging
import sys
from typing import TYPE_CHECKING

from capture.errors import CaptureError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; an expected error is one line on stderr and exit code 1."""
    parser = argparse.ArgumentParser(prog="python -m capture", description="Captured data of a serving endpoint.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    run = {name: add(commands) for name, add in _COMMANDS.items()}
    args = parser.parse_args(argv)
    try:
        return run[args.command](args)
    except CaptureError as error:
        print(f"capture {args.command}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 1


def _ship(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> Callable[[argparse.Namespace], int]:
    parser = commands.add_parser("ship", help="ship what a spool holds", description="Ships what a spool holds.")
    parser.add_argument("--spool", help="spool directory (default: CAPTURE_SPOOL_DIR, else the one chosen)")
    parser.add_argument("--until-idle", action="store_true", help="end when nothing waits and nobody can write")
    parser.add_argument("--deadline", type=float, default=20.0, help="seconds that SIGTERM leaves (default 20)")

    def run(args: argparse.Namespace) -> int:
        from capture.shipping import ship

        logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
        return ship.run(args)

    return run


def _stats(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> Callable[[argparse.Namespace], int]:
    parser = commands.add_parser("stats", help="the live counters of a spool of this machine")
    parser.add_argument("--spool", help="spool directory (default: CAPTURE_SPOOL_DIR, else the one chosen)")
    parser.add_argument("--json", action="store_true", help="for a program")

    def run(args: argparse.Namespace) -> int:
        from capture import stats_command

        return stats_command.run(args)

    return run


def _inspect(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> Callable[[argparse.Namespace], int]:
    from capture import inspection

    parser = commands.add_parser("inspect", help="look at captured data")
    inspection.add_inspect_arguments(parser)
    return inspection.run_inspect


def _ddl(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> Callable[[argparse.Namespace], int]:
    from capture import ddl

    parser = commands.add_parser("ddl", help="the Athena table over captured data")
    ddl.add_ddl_arguments(parser)
    return ddl.run_ddl


_COMMANDS = {"ship": _ship, "inspect": _inspect, "stats": _stats, "ddl": _ddl}

if __name__ == "__main__":
    sys.exit(main())
