"""The loop of the flights: labels as Model Monitor writes them, what people see, and the whole demo to its end."""

from __future__ import annotations

import datetime as dt
import io
import json
import re
import subprocess
import sys

import pyarrow.parquet as pq
import pytest
from rich.console import Console

from examples.flights.labels import write_labels
from examples.flights.people import PrintedIncidents, PrintedPosts
from examples.flights.traffic import july_requests
from monitoring.notify.settings import Slack


def test_labels_are_ground_truth_in_item_order_below_the_hour_of_their_upload(tmp_path):
    requests = july_requests(3)
    path = write_labels(requests, tmp_path, dt.datetime(2026, 7, 2, 9, 30, tzinfo=dt.UTC))
    assert path.parent == tmp_path / "2026/07/02/09"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["eventMetadata"]["eventId"] for line in lines] == [request.inference_id for request in requests]
    for line, request in zip(lines, requests, strict=True):
        instances = json.loads(line["groundTruthData"]["data"])["instances"]
        assert [None if entry["late"] is None else bool(entry["late"]) for entry in instances] == list(request.late)


def test_people_see_text_without_mark_up():
    screen = io.StringIO()
    console = Console(file=screen, width=100)
    blocks = (
        {"type": "header", "text": {"type": "plain_text", "text": "▂▅█ Risk is too low"}},
        {"type": "section", "text": {"type": "mrkdwn", "text": "*Act tonight.* `a &lt; b`"}},
        {"type": "actions", "elements": [{"type": "button", "text": {"type": "plain_text", "text": "Trend"}}]},
    )
    PrintedPosts(console).post(Slack(webhook="env:X"), "", "", blocks)
    PrintedIncidents(console).trigger(
        "", "", "flights/1", {"payload": {"summary": "too low", "severity": "error", "source": "flights/1"}}
    )
    shown = screen.getvalue()
    assert "Act tonight. a < b" in shown
    assert "[Trend]" in shown
    assert "severity error" in shown


@pytest.mark.long
def test_the_demo_closes_the_loop(tmp_path):
    out = tmp_path / "out"
    command = [sys.executable, "-m", "examples.flights", "demo", "--directory", str(out)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
    assert result.returncode == 0, result.stderr
    shown = result.stdout
    stages = re.findall(r"Quality as of .*? UTC: (\w+),", shown)
    assert stages == ["provisional", "final", "final", "final"]
    assert shown.count("PagerDuty incident") == 1
    assert shown.count("PagerDuty closes incident") == 1
    assert len(list((out / "retraining").glob("*.exit"))) == 1
    areas = [float(value) for value in re.findall(r"^  auc +(0\.\d+)", shown, re.MULTILINE)]
    assert areas[2] > areas[3], "version 2 ranks the last week better than version 1 would have"


def test_the_reference_data_names_requests_and_predictions(tmp_path):
    from examples.flights import data
    from examples.flights.reference import write_reference
    from examples.flights.train import train

    model = train(2000, 5)
    write_reference(model, data.training_rows(2000), tmp_path / "baseline.parquet")
    table = pq.read_table(tmp_path / "baseline.parquet")
    assert {"request", "time", "late", "prediction_risk", "prediction_rank"} <= set(table.column_names)
    assert table["request"][0].as_py().count("|") == 1
    assert table.num_rows >= 1900
