"""README and tutorial, followed in an empty directory: every command and snippet runs, in order."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.integration.document_session import ROOT, Block, Session, blocks_of


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    opened = Session(tmp_path, {"CAPTURE_SPOOL_DIR": str(tmp_path / "spool")})
    try:
        yield opened
    finally:
        opened.kill()


def follow(session: Session, blocks: list[Block]) -> str:
    """Runs the blocks; a block that looks at captured data comes after the endpoint's stop. Returns all output."""
    output = ""
    for block in blocks:
        if "capture inspect" in block.text or "container serve" in block.text:
            session.stop()
        session.run(block)
        output += session.output
    session.stop()
    return output


def write_training(directory: Path) -> None:
    """The tables that a reader of the README has: a column that moved."""
    rng = np.random.default_rng(1)
    for name, rows, mean in (("train", 4000, 10), ("last_week", 1000, 14)):
        pq.write_table(pa.table({"price": rng.normal(mean, 2, rows)}), directory / f"{name}.parquet")


def test_every_command_and_snippet_of_the_readme_runs_in_an_empty_directory(session: Session) -> None:
    blocks = blocks_of(ROOT / "README.md")
    write_training(session.directory)
    session.environment["CAPTURE_DESTINATION"] = f"file://{session.directory}/captured"
    output = follow(session, blocks)
    assert '[{"score":2.0}]' in output
    assert "[{'id': 1.0, 'price': 9.5, 'prediction_score': 2.0}]" in output
    assert "True\nTrue\n" in output, "the buffer's snippet"
    assert re.search(r"large +price", output), "the monitor's snippet"


def test_the_tutorial_goes_the_whole_way_in_an_empty_directory(session: Session) -> None:
    output = follow(session, blocks_of(ROOT / "docs/tutorial.md"))
    assert "basket-" in output, "DuckDB's answer"


@pytest.mark.long
def test_the_readme_serves_with_what_pip_installs_from_a_clone(session: Session) -> None:
    """The extra is complete: a new environment has the package and its dependencies, and nothing of this one."""
    source, environment = session.directory / "clone", session.directory / "venv"
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split(
        "\n"
    )
    for name in tracked:
        if name.startswith(
            ("capture/", "container/", "monitoring/", "serialization/", "pyproject", "README", "LICENSE")
        ):
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, source / name)
    subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    subprocess.run([environment / "bin/pip", "install", "--quiet", ".[serving]"], cwd=source, check=True)
    session.python = environment / "bin/python"
    blocks = blocks_of(ROOT / "README.md")
    serve = [block for block in blocks if block.file == "model/code/inference.py" or "model" in block.text]
    output = follow(
        session, [block for block in serve if "docker" not in block.text and "monitoring" not in block.text]
    )
    assert '[{"score":2.0}]' in output
