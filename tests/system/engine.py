"""The container engine that builds and runs the image: docker where one answers, else two commands from the environment.

`IMAGE_BUILD TAG CONTEXT [--target STAGE] [--build-arg NAME=VALUE]` builds; `IMAGE_RUN TAG [options] -- COMMAND…` runs the command in a
fresh container on the host's network until it ends, passes a TERM on to it and ends with its exit code. Options are
`-v HOST:CONTAINER[:ro]`, `--env NAME=VALUE` and `--user UID:GID`, as docker has them.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


class NoEngineError(Exception):
    """Neither docker nor the commands are there."""


def instruction(dockerfile: Path, name: str) -> list[str]:
    """The last ENTRYPOINT or CMD of a Dockerfile, in its JSON form."""
    found: list[str] = json.loads(re.findall(rf"^{name} (\[.*\])$", dockerfile.read_text(), re.MULTILINE)[-1])
    return found


@dataclass(frozen=True)
class Mount:
    """A directory of the host in the container."""

    host: Path
    container: str
    read_only: bool = False

    @property
    def option(self) -> list[str]:
        return ["-v", f"{self.host}:{self.container}{':ro' if self.read_only else ''}"]


@dataclass(frozen=True)
class Engine:
    """How to build and to run: the words before the tag, and what stands between the options and the command."""

    build_words: Sequence[str]
    run_words: Sequence[str]
    docker: bool

    @classmethod
    def find(cls) -> "Engine":
        """Raises `NoEngineError`, which says what to do."""
        if shutil.which("docker"):
            answers = subprocess.run(["docker", "info"], capture_output=True, timeout=60, check=False).returncode == 0
            if answers:
                return cls(["docker", "build", "-t"], ["docker", "run", "--rm"], docker=True)
        build, run = (shlex.split(os.environ.get(name, "")) for name in ("IMAGE_BUILD", "IMAGE_RUN"))
        if build and run:
            return cls(build, run, docker=False)
        raise NoEngineError(
            "no container engine: start docker, or set IMAGE_BUILD (called with TAG CONTEXT [--target STAGE] [--build-arg NAME=VALUE]) "
            "and IMAGE_RUN (called with TAG [options] -- COMMAND…) to commands that build and run an image"
        )

    def build(self, tag: str, context: Path, target: str | None = None, **arguments: str) -> None:
        """Raises `subprocess.CalledProcessError`, with the build's output in its notes.

        target: the stage to build; the default is the last one. arguments: build arguments.
        """
        words = [*self.build_words, tag, str(context), *([] if target is None else ["--target", target])]
        words += [word for name, value in arguments.items() for word in ("--build-arg", f"{name}={value}")]
        try:
            subprocess.run(words, check=True, capture_output=True, text=True)
        except subprocess.CalledProcessError as error:
            error.add_note(error.stdout[-4000:] + error.stderr[-4000:])
            raise

    def command(
        self,
        tag: str,
        dockerfile: Path,
        mounts: Sequence[Mount],
        environment: Mapping[str, str],
        user: str | None = None,
    ) -> list[str]:
        """The words that run the image's own entry point with its default arguments. user: `UID:GID`, else the image's."""
        options = [word for mount in mounts for word in mount.option]
        options += [] if user is None else ["--user", user]
        options += [word for name, value in environment.items() for word in ("--env", f"{name}={value}")]
        if self.docker:
            return [*self.run_words, "--network", "host", *options, tag, *instruction(dockerfile, "CMD")]
        entry_point = [*instruction(dockerfile, "ENTRYPOINT"), *instruction(dockerfile, "CMD")]
        return [*self.run_words, tag, *options, "--", *entry_point]

    def output(self, tag: str, *command: str) -> str:
        """What a command prints in a fresh container."""
        if self.docker:
            words = [*self.run_words, "--entrypoint", command[0], tag, *command[1:]]
        else:
            words = [*self.run_words, tag, "--", *command]
        return subprocess.run(words, check=True, capture_output=True, text=True, timeout=120).stdout
