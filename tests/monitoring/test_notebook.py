"""The five lines of the README in a real notebook, on data that the project does not know: scikit-learn's wines."""

import nbformat
import pytest
from nbclient import NotebookClient

CELLS = (
    """
import numpy as np
import pandas as pd
from sklearn.datasets import load_wine

wines, random = load_wine(as_frame=True).data, np.random.default_rng(7)


def draw(rows):
    return wines.iloc[random.integers(0, len(wines), rows)].reset_index(drop=True)


train, week = draw(3000), draw(2000)
week["alcohol"] += 0.5
week.loc[random.random(len(week)) < 0.15, "magnesium"] = None
week = week.rename(columns={"ash": "Ash"})
""",
    """
from monitoring import Monitor

report = Monitor(train).run(week)
report
""",
    "print(report)",
    'sorted(report.drifted), report.to_frame().set_index("column").loc["hue", "status"]',
)


@pytest.fixture(scope="module")
def outputs(tmp_path_factory):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
    resources = {"metadata": {"path": str(tmp_path_factory.mktemp("notebook"))}}
    NotebookClient(notebook, timeout=120, kernel_name="python3", resources=resources).execute()
    return [cell.outputs for cell in notebook.cells]


def test_a_report_shows_itself_in_a_notebook_as_html(outputs):
    (shown,) = outputs[1]
    page = shown["data"]["text/html"]
    for text in ("magnesium", "alcohol", "Ash", "all rows, no times"):
        assert text in page
    assert "<script" not in page
    assert "text/plain" in shown["data"]


def test_a_printed_report_names_the_causes_of_what_changed(outputs):
    (stream,) = outputs[2]
    assert "ash arrives as Ash" in stream["text"]
    assert "magnesium is missing more often" in stream["text"]


def test_a_program_reads_what_drifted_and_what_did_not(outputs):
    (shown,) = outputs[3]
    assert shown["data"]["text/plain"] == "(['alcohol', 'magnesium'], 'no drift')"
