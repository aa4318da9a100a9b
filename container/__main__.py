"""`python -m container`: the endpoint's command line."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence

from capture import CaptureConfig, CaptureError, ConfigError
from container.shared.artefact import Artefact, ArtefactError
from container.shared.resources import Limits
from container.shared.run_directory import RunDirectoryError
from container.shared.settings import SettingError, Settings
from container.supervisor.plan import Plan
from container.supervisor.supervisor import Supervisor

EXPECTED = (ArtefactError, ConfigError, RunDirectoryError, SettingError)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code. An expected error is one line on stderr."""
    parser = argparse.ArgumentParser(prog="python -m container", description="The endpoint that SageMaker starts.")
    commands = parser.add_subparsers(dest="command", required=True)
    serve = commands.add_parser("serve", help="serve the model in SAGEMAKER_BASE_DIR until SIGTERM")
    serve.add_argument("--host", default="0.0.0.0", help="address to listen on (default: every one)")
    argv = sys.argv[1:] if argv is None else argv
    text = "captured rows through the predict_fn of an artefact, and its predictions against the captured ones"
    replay = commands.add_parser("replay", help=text, description=f"{text[0].upper()}{text[1:]}.")
    if argv and argv[0] == "replay":
        # Reading captured data needs pyarrow, which the endpoint's start does not wait for.
        from container.replay import command

        command.add_arguments(replay)
    arguments = parser.parse_args(argv)
    if arguments.command == "replay":
        return _replay(arguments)
    try:
        reason = asyncio.run(_serve(arguments.host))
    except EXPECTED as error:
        reason = str(error)
    if reason is None:
        return 0
    print(f"endpoint: {' '.join(reason.split())}", file=sys.stderr)
    return 1


def _replay(arguments: argparse.Namespace) -> int:
    from container.replay import command

    try:
        return command.run(arguments)
    except (CaptureError, *EXPECTED) as error:
        print(f"container replay: {' '.join(str(error).split())}", file=sys.stderr)
        return 1


async def _serve(host: str) -> str | None:
    settings = Settings.from_env()
    artefact = Artefact(settings.model_dir)
    if not settings.multi_model:
        artefact.check()
    capture = CaptureConfig.from_env(toml=None if settings.multi_model else artefact.capture_settings)
    return await Supervisor(Plan(settings, artefact, capture, Limits.read(), host)).run()


if __name__ == "__main__":
    sys.exit(main())
