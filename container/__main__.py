"""`python -m container`: the endpoint's command line.

What needs the packages of the extra `serving` is imported only once they are known to be there.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence

from capture import CaptureConfig, CaptureError, ConfigError, __version__
from container.shared.artefact import Artefact, ArtefactError
from container.shared.extra import what_is_missing
from container.shared.resources import Resources
from container.shared.run_directory import RunDirectoryError
from container.shared.settings import SettingError, Settings

EXPECTED = (ArtefactError, ConfigError, RunDirectoryError, SettingError)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code. An expected error is one line on stderr."""
    parser = argparse.ArgumentParser(prog="python -m container", description="The endpoint that SageMaker starts.")
    parser.add_argument("--version", action="version", version=f"endpoint-capture {__version__}")
    commands = parser.add_subparsers(dest="command", required=True)
    _add_serve(commands.add_parser("serve", help="serve the model in SAGEMAKER_BASE_DIR until SIGTERM"))
    argv = sys.argv[1:] if argv is None else argv
    text = "captured rows through the predict_fn of an artefact, and its predictions against the captured ones"
    replay = commands.add_parser("replay", help=text, description=f"{text[0].upper()}{text[1:]}.")
    missing = what_is_missing()
    if argv and argv[0] in ("serve", "replay") and missing is not None and not {"-h", "--help"} & set(argv):
        print(f"endpoint: {missing}", file=sys.stderr)
        return 1
    if argv and argv[0] == "replay":
        # Reading captured data needs pyarrow, which the endpoint's start does not wait for.
        from container.replay import command

        command.add_arguments(replay)
    arguments = parser.parse_args(argv)
    if arguments.command == "replay":
        return _replay(arguments)
    try:
        reason = _reload(arguments) if arguments.reload else asyncio.run(_serve(arguments))
    except EXPECTED as error:
        reason = str(error)
    if reason is None:
        return 0
    print(f"endpoint: {' '.join(reason.split())}", file=sys.stderr)
    return 1


def _add_serve(serve: argparse.ArgumentParser) -> None:
    serve.add_argument("--host", default="0.0.0.0", help="address to listen on (default: every one)")
    serve.add_argument(
        "--log",
        choices=("text", "json"),
        help="the form of the log on stdout (default: text on a terminal, else one JSON object a line)",
    )
    serve.add_argument(
        "--reload", action="store_true", help="start again when a file of the model changes; for local work"
    )


def _replay(arguments: argparse.Namespace) -> int:
    from container.replay import command

    try:
        return command.run(arguments)
    except (CaptureError, *EXPECTED) as error:
        print(f"container replay: {' '.join(str(error).split())}", file=sys.stderr)
        return 1


def _log_form(arguments: argparse.Namespace) -> str:
    if arguments.log is not None:
        return str(arguments.log)
    return "text" if sys.stdout.isatty() and sys.stderr.isatty() else "json"


async def _serve(arguments: argparse.Namespace) -> str | None:
    from container.supervisor.plan import ServingPlan
    from container.supervisor.supervisor import Supervisor

    settings = Settings.from_env()
    artefact = Artefact(settings.model_dir)
    if not settings.multi_model:
        artefact.check()
    capture = CaptureConfig.from_env(toml=None if settings.multi_model else artefact.capture_settings)
    plan = ServingPlan(settings, artefact, capture, Resources.read(), arguments.host, _log_form(arguments))
    return await Supervisor(plan).run()


def _reload(arguments: argparse.Namespace) -> str | None:
    """Runs `serve` again after each change. The last endpoint has said itself why it failed."""
    from container.supervisor.reload import Reloader

    settings = Settings.from_env()
    if settings.multi_model:
        return "--reload works for one model, and SAGEMAKER_MULTI_MODEL is true"
    command = [sys.executable, "-m", "container", "serve", "--host", arguments.host, "--log", _log_form(arguments)]
    sys.exit(Reloader(command, settings.model_dir).run())


if __name__ == "__main__":
    sys.exit(main())
