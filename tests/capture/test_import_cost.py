"""What a worker pays for capture when it starts: nothing of pandas, NumPy, Arrow, boto3 or the shipper."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = {"numpy", "pandas", "pyarrow", "polars", "boto3", "botocore", "rich", "asyncio", "http"}
ONE_RECORD = """
from pathlib import Path
from capture import CaptureBuffer, CaptureConfig, Features, Lookup, new_event_id
home = Path({home!r})
config = CaptureConfig(destination="file://" + str(home), spool_dir=home / "spool", exclude=("card",))
buffer = CaptureBuffer(config, start_shipper=False)
prepared = buffer.prepare(Features(request=dict(hour=7), items=[dict(seats=180, card="4711")]), event_id=new_event_id())
assert buffer.append(prepared, [0.25], lookups=dict(plane=Lookup(1.0, 0)))
buffer.close(0)
"""


def modules_after(code: str) -> set[str]:
    """The names of the modules that a fresh interpreter holds after `code`."""
    command = [sys.executable, "-c", f"{code}\nimport sys\nprint(*sys.modules)"]
    done = subprocess.run(
        command, cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=True, timeout=60
    )
    return set(done.stdout.split())


@pytest.mark.parametrize("package", ["capture", "capture.buffer", "capture.config", "capture.dataset"])
def test_importing_capture_brings_nothing_heavy(package: str) -> None:
    loaded = modules_after(f"import {package}")
    assert sorted({name.partition(".")[0] for name in loaded} & HEAVY) == []


def test_a_worker_whose_model_uses_none_of_them_captures_without_numpy_pandas_or_arrow(tmp_path: Path) -> None:
    loaded = modules_after(ONE_RECORD.format(home=str(tmp_path)))
    assert sorted({name.partition(".")[0] for name in loaded} & HEAVY) == []
    assert sorted(name for name in loaded if name.startswith(("capture.shipping", "capture.encoding"))) == []
