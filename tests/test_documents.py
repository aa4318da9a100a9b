"""Documents say what the program does: links lead somewhere, settings and targets exist, examples run."""

import ast
import dataclasses
import os
import re
import subprocess
import sys
from pathlib import Path

import pyarrow.dataset as ds
import pytest

from capture import CaptureConfig

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_every_link_to_a_file_leads_somewhere(document: Path) -> None:
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", document.read_text())
    assert [link for link in links if not (document.parent / link).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_every_python_example_parses(document: Path) -> None:
    for block in blocks(document.read_text(), "python"):
        ast.parse(block)


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_every_make_target_that_is_named_exists(document: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    wanted = re.findall(r"^make ([a-z-]+)|`make ([a-z-]+)", document.read_text(), re.MULTILINE)
    assert {first or second for first, second in wanted} - targets == set()


def test_make_alone_lists_every_target() -> None:
    listed = subprocess.run(
        ["make", "--no-print-directory"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
    phony = re.findall(r"^\.PHONY: ([a-z-]+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert [line.split()[1] for line in listed.splitlines()] == phony


def test_the_table_of_settings_is_captures_own() -> None:
    table = dict(
        re.findall(r"^\| `CAPTURE_(\w+)` \| ([^|]+) \|", (ROOT / "docs/settings.md").read_text(), re.MULTILINE)
    )
    fields = {field.name.upper(): field for field in dataclasses.fields(CaptureConfig)}
    only_in_the_file = {"TYPES", "FEATURE_NAMES"}
    assert set(table) == set(fields) - only_in_the_file
    for name, said in table.items():
        default = fields[name].default
        if said.startswith("`"):
            assert said.strip("`") == (f"{default:g}" if isinstance(default, float) else str(default))
        else:
            assert not default, f"{name} has a default"


def test_the_buffer_of_the_readme_captures_its_row(tmp_path: Path) -> None:
    [example] = [block for block in blocks((ROOT / "README.md").read_text(), "python") if "CaptureBuffer" in block]
    places = {"CAPTURE_DESTINATION": f"file://{tmp_path}/captured", "CAPTURE_SPOOL_DIR": f"{tmp_path}/spool"}
    subprocess.run([sys.executable, "-c", example], cwd=ROOT, env={**os.environ, **places}, check=True)
    rows = ds.dataset(sorted((tmp_path / "captured").rglob("*.parquet"))).to_table().to_pylist()
    assert [(row["price"], row["stock"], row["prediction_score"]) for row in rows] == [(9.5, 3, 0.7)]
