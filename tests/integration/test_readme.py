"""The README's own path, in an empty directory: its model is served, its request answered, its rows read, its window judged."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tests.container.endpoint import running

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()


def block(holding: str, language: str = "python") -> str:
    found = re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    [text] = [entry for entry in found if holding in entry]
    return str(text)


def test_the_model_of_the_readme_answers_its_request_and_is_captured(tmp_path):
    weights = re.search(r"echo '(\{.*?\})' > model/weights\.json", README)
    body = re.search(r"-d '(\{.*?\})'", README)
    assert weights is not None
    assert body is not None
    captured = tmp_path / "captured"
    environment = {"CAPTURE_DESTINATION": captured.as_uri(), "CAPTURE_SPOOL_DIR": str(tmp_path / "spool")}
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "weights.json").write_text(weights[1])
    with running(tmp_path, block("def model_fn"), environment) as endpoint:
        answer = endpoint.invoke(json.loads(body[1]))
        assert (answer.status, json.loads(answer.body)) == (200, [{"score": 2.0}])
        assert endpoint.terminate() == 0
    command = [sys.executable, "-m", "capture", "inspect", captured.as_uri(), "--json"]
    shown = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert json.loads(shown.stdout)["rows"] == 1


def test_the_monitor_of_the_readme_judges_any_parquet(tmp_path):
    rng = np.random.default_rng(1)
    for name, rows in (("train", 4000), ("last_week", 1000)):
        pq.write_table(
            pa.table({"price": rng.normal(10 if name == "train" else 14, 2, rows)}), tmp_path / f"{name}.parquet"
        )
    shown = subprocess.run(
        [sys.executable, "-c", block("Monitor(")], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert re.search(r"large +price", shown.stdout)
