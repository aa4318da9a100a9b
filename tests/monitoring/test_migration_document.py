"""docs/migration.md names flags, checks and variables that exist."""

import argparse
import importlib
import re
import shlex
from pathlib import Path

import pytest

from monitoring import checks, processing_job

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "migration.md").read_text()
BLOCKS = re.findall(r"^```\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
COMMANDS = [
    line
    for block in BLOCKS
    for line in block.replace("\\\n", " ").splitlines()
    if line.startswith("python -m monitoring")
]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_of_the_document_is_understood(command):
    _, _, _, name, *flags = shlex.split(command)
    parser = argparse.ArgumentParser()
    importlib.import_module(f"monitoring.commands.{name}").add_arguments(parser)
    parser.parse_args(flags)


def test_every_check_of_the_document_is_one_of_ours():
    folder = Path(checks.__file__).parent
    written = "".join(path.read_text() for path in folder.glob("*.py"))
    named = set(re.findall(r"`(\w+_check)`", TEXT))
    assert len(named) == 11
    assert {name for name in named if f'"{name}"' not in written} == set()


def test_every_variable_of_the_document_is_read():
    written = Path(processing_job.__file__).read_text()
    [row] = [line for line in TEXT.splitlines() if line.startswith("| reads |")]
    named = re.findall(r"`(\w+)`", row)
    assert len(named) == 12
    assert [name for name in named if name not in written] == []
