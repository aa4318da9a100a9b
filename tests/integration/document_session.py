"""Runs the commands and snippets of a document in order, in an empty directory, as a reader would.

How a document is read:
- A line "`path`:" before a block: the block is the content of that file.
- A `sh` block: commands for bash. A command that ends in `-m container serve` goes on while the next blocks run.
- A `python` block: a program.
- A `text` block: the output of the block before, where `…` stands for anything.

What cannot run in a test is checked instead: `pip` (the extras exist), `docker` (the Dockerfile has what is named), `make`
(the target exists). `monitoring run` may find violations. Port 8080 becomes a free one. `tests/system` builds the image; a long test installs the package.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from tests.container.endpoint import free_port, wait_for

ROOT = Path(__file__).resolve().parents[2]
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"^`([^`\n]+)`:\s*\Z", re.MULTILINE)
_SERVE = re.compile(r"-m container serve[^\n|;&]*\Z")
_PRELUDE = r"""
set -euo pipefail
pip() {
  [ "$1" = install ] || { echo "pip $*" >&2; return 1; }
  for extra in $(grep -oE '\[[a-z,]+\]' <<<"$*" | tr -d '[]' | tr , ' '); do grep -q "^$extra = \[" "$ROOT/pyproject.toml"; done
}
docker() { [ "$1" = run ] || { [ "$1" = build ] && grep -q 'CMD \["serve"\]' "$ROOT/Dockerfile"; }; }
make() { command make --no-print-directory -n -C "$ROOT" "$@" >/dev/null; }
python() { command python "$@" || { code=$?; [[ "$*" == *"monitoring run"* ]] && [ $code -ge 3 ]; }; }
python3() { if [ "${2:-}" = venv ]; then mkdir -p "$3/bin" && : >"$3/bin/activate"; else command python3 "$@"; fi; }
"""


@dataclass(frozen=True)
class Block:
    """One fenced block of a document. `file` is the path that the document gives it."""

    language: str
    text: str
    file: str | None


def blocks_of(document: Path) -> list[Block]:
    text = document.read_text()
    found = []
    for match in _BLOCK.finditer(text):
        named = _FILE.search(text[: match.start()])
        found.append(Block(match[1], match[2], named[1] if named else None))
    return found


@dataclass
class Session:
    """A reader's shell. `port` is where the document's endpoint answers."""

    directory: Path
    environment: dict[str, str] = field(default_factory=dict)
    python: Path = Path(sys.executable)
    port: int = field(default_factory=free_port)
    server: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        self.output = ""
        self._log = self.directory / "endpoint.log"

    def run(self, block: Block) -> None:
        """Raises AssertionError where a command fails, or where the output is not the document's."""
        text = block.text.replace("8080", str(self.port))
        if block.file is not None:
            path = self.directory / block.file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        elif block.language == "sh":
            self._shell(text)
        elif block.language == "python":
            self.output = self._command([str(self.python), "-c", text])
        elif block.language == "text":
            assert re.search(_pattern(text), self.output), f"expected\n{text}\nfound\n{self.output}"
        else:
            raise AssertionError(f"a block without a language: {text[:80]}")

    def stop(self) -> None:
        """Stops the endpoint as Ctrl-C does."""
        if self.server is not None:
            self.server.send_signal(signal.SIGINT)
            assert self.server.wait(40) == 0, self._log.read_text()
            self.server = None

    def kill(self) -> None:
        if self.server is not None and self.server.poll() is None:
            self.server.terminate()
            self.server.wait(40)

    def _shell(self, text: str) -> None:
        commands = text.strip()
        serving = _SERVE.search(commands)
        if serving is None:
            self.output = self._command(["bash", "-c", f"{_PRELUDE}\n{commands}"])
            return
        with self._log.open("ab") as log:
            self.server = subprocess.Popen(
                ["bash", "-c", re.sub(r"(python -m container serve)", r"exec \1", commands)],
                cwd=self.directory, env=self._env(), stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        wait_for(self._ready)

    def _ready(self) -> bool:
        assert self.server is not None
        assert self.server.poll() is None, self._log.read_text()
        return subprocess.run(["curl", "-sf", f"localhost:{self.port}/ping"], check=False).returncode == 0

    def _command(self, command: list[str]) -> str:
        ended = subprocess.run(
            command, cwd=self.directory, env=self._env(), capture_output=True, text=True, check=False
        )
        assert ended.returncode == 0, f"{command[-1][-500:]}\n{ended.stdout}\n{ended.stderr}"
        return ended.stdout

    def _env(self) -> dict[str, str]:
        return {
            **os.environ,
            "PATH": f"{self.python.parent}{os.pathsep}{os.environ['PATH']}",
            "ROOT": str(ROOT),
            "SAGEMAKER_BIND_TO_PORT": str(self.port),
            "SAGEMAKER_MODEL_SERVER_WORKERS": "1",
            **self.environment,
        }


def _pattern(text: str) -> str:
    """Returns the expression that the output of a `text` block fits. Runs of spaces are one space."""
    lines = [r"\s+".join(re.escape(word) for word in line.split()) for line in text.strip().splitlines()]
    return r"\s+".join(lines).replace("…", "[^∅]*?")
