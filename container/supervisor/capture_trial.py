"""Whether what is installed can ship captured records: one record, from a worker's buffer to an object in a directory.

    python -P -m container.supervisor.capture_trial REASON_FILE

A model's `requirements.txt`, or an image on top of ours, can replace NumPy or pyarrow by releases that the shipper cannot
work with. The endpoint would answer, and lose every record. So where packages were installed after ours, the supervisor
starts this before the endpoint is ready. It ends with 0, or with 1 and the reason in the file.
"""

from __future__ import annotations

import contextlib
import logging
import sys
import tempfile
import time
from importlib import metadata
from pathlib import Path

OURS = "endpoint-capture"
NEEDED = ("numpy", "pyarrow", "pandas", "polars", "msgspec", "boto3", "botocore", "google-crc32c", "crc32c")
"""Distributions that the shipper imports, or that pyarrow imports where they are installed."""
ENDS_WITHIN = 60.0
MODULE = "container.supervisor.capture_trial"


def command(reason: Path) -> list[str]:
    """The command line."""
    return [sys.executable, "-P", "-m", MODULE, str(reason)]


def is_needed() -> bool:
    """Whether a package that the shipper needs was installed after ours."""
    ours = _installed_at(OURS)
    return ours is not None and any((_installed_at(name) or 0.0) > ours + 1.0 for name in NEEDED)


def _installed_at(name: str) -> float | None:
    try:
        files = metadata.distribution(name).locate_file("")
        info = next(Path(str(files)).glob(f"{name.replace('-', '_')}-*.dist-info"), None)
        return None if info is None else (info / "INSTALLER").stat().st_mtime
    except (metadata.PackageNotFoundError, OSError):
        return None


def obstacle(directory: Path) -> str | None:
    """Why a record cannot be shipped from and to this directory; None where it can."""
    from capture import CaptureBuffer, CaptureConfig
    from capture.journal.spool import Spool
    from capture.shipping.shipper import Shipper

    said = _LastWarning()
    logging.getLogger().addHandler(said)
    target = directory / "captured"
    config = CaptureConfig(destination=f"file://{target}", spool_dir=directory / "spool")
    buffer = CaptureBuffer(config, start_shipper=False)
    if not buffer.append({"number": 1.5, "text": "a", "list": [1.0, 2.0]}, 0.5):
        return f"a record is refused: {said.text}"
    place = config.spool()
    shipper = Shipper(Spool(place.directory, place.max_bytes), config)
    shipper.drain()
    end = time.monotonic() + ENDS_WITHIN
    while shipper.waiting() and time.monotonic() < end:
        shipper.step()
    shipper.stop(1.0)
    buffer.close(0.0)
    return None if list(target.rglob("*.parquet")) else f"a record is lost: {said.text}"


class _LastWarning(logging.Handler):
    """Remembers the last line that was not good news."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.text = "no reason is known"

    def emit(self, record: logging.LogRecord) -> None:
        self.text = record.getMessage()


def main() -> int:
    """Entry point."""
    found: str | None
    try:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as directory:
            found = obstacle(Path(directory))
    except Exception as error:
        found = f"{type(error).__name__}: {error}"
    if found is None:
        return 0
    with contextlib.suppress(OSError):
        Path(sys.argv[1]).write_text(" ".join(found.split())[:1000])
    return 1


if __name__ == "__main__":
    sys.exit(main())
