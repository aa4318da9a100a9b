"""What the document and the docstrings say of the formats is so."""

import doctest
import re
from pathlib import Path

import serialization
from serialization import Limits
from tests.serialization import bodies

DOCUMENT = Path(__file__).parents[2] / "docs" / "serialization.md"


def test_the_examples_run_as_they_stand():
    for found in (doctest.testfile(str(DOCUMENT), module_relative=False), doctest.testmod(serialization)):
        assert found.failed == 0
        assert found.attempted > 0


def test_the_table_of_media_types_lists_those_that_are_read_and_no_others():
    table = DOCUMENT.read_text().split("## Limits", maxsplit=1)[0]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    assert sorted(re.findall(r"`([^`]+)`", "".join(rows))) == sorted(bodies.codecs().media_types)


def test_the_limits_are_those_that_are_documented():
    assert f"`{Limits()!r}`" in DOCUMENT.read_text()
