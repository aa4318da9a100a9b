"""What the long form found, in `benchmarks/results/faults.json`: written only where `FAULTS_RESULTS` says so."""

from __future__ import annotations

import fcntl
import json
import os
import platform
from pathlib import Path
from typing import Any

VARIABLE = "FAULTS_RESULTS"


def note(name: str, **facts: Any) -> None:
    """Notes one test's facts under its name, beside those of others that run at the same time."""
    target = os.environ.get(VARIABLE)
    if not target:
        return
    path = Path(target)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        found = json.loads(file.read() or "{}")
        found.setdefault(
            "machine", {"cpus": os.cpu_count(), "kernel": platform.release(), "python": platform.python_version()}
        )
        found.setdefault("tests", {})[name] = facts
        found["tests"] = dict(sorted(found["tests"].items()))
        file.seek(0)
        file.truncate()
        file.write(json.dumps(found, indent=1) + "\n")
