"""`python -m monitoring`: one module a command, and only the module of the command that is asked for is imported.

Exit codes: 0 no violation, 3 violations, 4 nothing could be judged, 1 an error, 2 wrong usage.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from typing import TYPE_CHECKING, Any

from monitoring.errors import MonitoringError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

_COMMANDS = {
    "baseline": "write down what training data looks like",
    "run": "judge one window, or every complete hour that is not judged yet",
    "watch": "judge each window as soon as it is proved complete",
    "trend": "show many windows on one page: since when",
    "quality": "join ground truth and judge the predictions",
    "plan": "say what an hour, a day, a week of this traffic can show",
    "backfill": "rebuild what the model saw from ids and an offline feature store",
    "skew": "compare captured features with an offline feature store, cell by cell",
    "training-set": "make one Parquet table of captured, labelled rows",
    "notify": "carry messages from the queue to PagerDuty and Slack",
    "migrate": "run Model Monitor's rule and ours over one window, side by side",
}
"""Command → what it does. Its module is `monitoring.commands.{name}` with `add_arguments(parser)` and `run(args) -> int`."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command. An expected error is one line on stderr and exit code 1, wrong usage exit code 2."""
    argv = sys.argv[1:] if argv is None else argv
    parser = argparse.ArgumentParser(
        prog="python -m monitoring", description="Captured data held against the training baseline."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    asked = argv[0] if argv and argv[0] in _COMMANDS else None
    for name, text in _COMMANDS.items():
        command = commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
        if name == asked:
            _module(name).add_arguments(command)
    args = parser.parse_args(argv)
    try:
        return int(_module(args.command).run(args))
    except UsageError as error:
        print(f"monitoring {args.command}: {error}", file=sys.stderr)
        return 2
    except MonitoringError as error:
        print(f"monitoring {args.command}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 1


def _module(command: str) -> Any:
    return importlib.import_module(f"monitoring.commands.{command.replace('-', '_')}")


if __name__ == "__main__":
    sys.exit(main())
