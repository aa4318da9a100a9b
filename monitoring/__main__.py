"""`python -m monitoring`: one module a command, and only the module of the command that is asked for is imported.

Exit codes: 0 no violation, 3 violations, 4 nothing could be judged, 1 an error, 2 wrong usage. Inside a SageMaker processing
job 3 and 4 become 0, because the platform calls anything else a failure; what was found stands in the exit message.
"""

from __future__ import annotations

import argparse
import difflib
import importlib
import sys
from typing import TYPE_CHECKING, Any, NoReturn

from monitoring.errors import MonitoringError, UsageError
from monitoring.processing_job import JobPaths, write_exit_message

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
    "job": "run as Model Monitor's processing job, by its environment",
}
"""Command → what it does. Its module is `monitoring.commands.{name}` with `add_arguments(parser)` and `run(args) -> int`."""


_MESSAGES = {
    0: "Completed: Job completed successfully.",
    3: "CompletedWithViolations: Job completed successfully with violations.",
    4: "Completed: Job completed successfully; nothing was judged.",
}


class _Parser(argparse.ArgumentParser):
    """Reports wrong usage as one line that names the command and its --help, not as the whole usage."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}; see {self.prog} --help")


def main(argv: Sequence[str] | None = None, paths: JobPaths | None = None) -> int:
    """Runs one command. An expected error is one line on stderr and exit code 1, wrong usage exit code 2.

    Inside a processing job the command without arguments is `job`, and its outcome stands in the job's exit message.
    """
    argv = sys.argv[1:] if argv is None else argv
    paths = paths or JobPaths()
    if not paths.config.is_file():
        return _run(argv, paths)[0]
    argv = argv or ["job"]
    code, message = _run(argv, paths)
    if argv[0] != "job" or code != 0:  # `job` writes its own message.
        write_exit_message(_MESSAGES.get(code) or message or f"Failed with exit code {code}", paths.message)
    return 0 if code in _MESSAGES else code


def _run(argv: Sequence[str], paths: JobPaths) -> tuple[int, str]:
    """Runs one command. Returns its exit code, and the line on stderr where it ended with an error."""
    parser = _Parser(prog="python -m monitoring", description="Captured data held against the training baseline.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    asked = argv[0] if argv and argv[0] in _COMMANDS else None
    for name, text in _COMMANDS.items():
        command = commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
        if name == asked:
            _module(name).add_arguments(command)
    try:
        if not argv:
            parser.error(f"a command is missing: {', '.join(_COMMANDS)}")
        args, unknown = parser.parse_known_args(argv, argparse.Namespace(paths=paths))
        if unknown:
            _refuse(unknown[0], commands.choices[args.command])
        return int(_module(args.command).run(args)), ""
    except MonitoringError as error:
        message = f"monitoring {asked}: {error}" if asked else f"monitoring: {error}"
        print(message, file=sys.stderr)
        return 2 if isinstance(error, UsageError) else 1, message
    except KeyboardInterrupt:
        return 130, "interrupted"
    except BrokenPipeError:
        sys.stderr.close()
        return 1, "the output was closed"


def _refuse(unknown: str, command: argparse.ArgumentParser) -> NoReturn:
    """Raises UsageError for an argument that the command does not have, with the flag that is written most like it."""
    flags = [flag for action in command._actions for flag in action.option_strings]
    similar = difflib.get_close_matches(unknown.partition("=")[0], flags, n=1)
    meant = f" (did you mean {similar[0]}?)" if similar else ""
    kind = "flag" if unknown.startswith("-") else "argument"
    command.error(f"there is no {kind} {unknown}{meant}")


def _module(command: str) -> Any:
    return importlib.import_module(f"monitoring.commands.{command.replace('-', '_')}")


if __name__ == "__main__":
    sys.exit(main())
