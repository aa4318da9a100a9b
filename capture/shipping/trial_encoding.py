"""The probe: a batch encoded in a process of its own, for its survival alone.

Where a shipper died while it encoded a batch, somebody may have killed it, or the batch did. The next shipper lets a
child encode the batch first, and looks on: a child that does not survive it is evidence, a dead shipper is none. So
nobody who kills shippers can make them set a healthy record aside, and a record that ends its encoder is found without
a shipper's dying for each step of the search.

    python -m capture.shipping.trial_encoding SPOOL BATCH PARENT

A child ends with its parent, so that shippers that are killed one after the other leave no crowd behind.
"""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import subprocess
import sys
from pathlib import Path

from capture.child_python import NoPython, child_command, child_environment

log = logging.getLogger("capture.shipper")
_CANNOT_IMPORT = 2
_CANNOT_ENCODE = 3
_NO_EVIDENCE = {0, 1, 2, -signal.SIGTERM, -signal.SIGINT}
"""Exit codes that say nothing of the batch: it survived, Python did not even begin, or it was told to end."""
_MAX_SECONDS = 600.0
_PR_SET_PDEATHSIG = 1


def survives(spool: Path, batch: str) -> bool:
    """Whether a child process survives encoding this batch; also true where no child could be started."""
    try:
        command = child_command("capture.shipping.trial_encoding", (str(spool), batch, str(os.getpid())))
        ended = subprocess.run(
            command,
            env=child_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            timeout=_MAX_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return False
    except (OSError, NoPython) as error:
        log.warning("capture: a batch cannot be encoded on trial: %s", error)
        return True
    return ended.returncode in _NO_EVIDENCE


def main(spool: Path, batch: str) -> int:
    """Encodes the batch, and throws the objects away. Returns the exit code."""
    try:
        return _encode(spool, batch)
    except ImportError as error:
        print(f"capture: a package cannot be imported: {error}", file=sys.stderr)
        return _CANNOT_IMPORT


def _encode(spool: Path, batch: str) -> int:
    from capture.journal.segment import SegmentReader
    from capture.shipping import batch as batches
    from capture.shipping import manifest_files
    from capture.shipping.batch_memory import BatchTooLarge

    manifest = manifest_files.decode(manifest_files.path_of(spool / "batches", batch).read_bytes())
    readers = {}
    for name in {part.segment for part in manifest.parts}:
        path = spool / "segments" / f"{name}.seg"
        if path.exists():
            readers[name] = SegmentReader(path)
    manifest.parts = [part for part in manifest.parts if part.segment in readers]
    try:
        batches.encode_batch(manifest, readers)
    except ImportError:
        raise
    except BatchTooLarge:
        return 0
    except Exception as error:
        print(f"capture: batch {batch} cannot be encoded: {type(error).__name__}: {error}", file=sys.stderr)
        return _CANNOT_ENCODE
    return 0


def _end_with(parent: int) -> None:
    """Dies when the parent does, also if it is dead already."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(0)


if __name__ == "__main__":
    _end_with(int(sys.argv[3]))
    os.nice(19)
    sys.exit(main(Path(sys.argv[1]), sys.argv[2]))
