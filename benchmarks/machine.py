"""Where a benchmark ran, and the files in which its results stand."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from pathlib import Path
from typing import Any

import msgspec

RESULTS = Path(__file__).parent / "results"
_PACKAGES = ("msgspec", "numpy", "pyarrow", "pandas", "crc32c", "boto3", "protobuf")


def machine() -> dict[str, Any]:
    """Processors, memory, Python and the packages that matter."""
    model = next(
        (
            line.split(":", 1)[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.machine(),
    )
    versions = {}
    for name in _PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {
        "processor": model,
        "cores": len(os.sched_getaffinity(0)),
        "memory GiB": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "python": platform.python_version(),
        "packages": versions,
    }


def write_results(name: str, found: dict[str, Any], table: str) -> None:
    """Writes `results/{name}.json` and, for a person, `results/{name}.md`."""
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=1) + b"\n")
    (RESULTS / f"{name}.md").write_text(table + "\n")
