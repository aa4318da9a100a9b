"""Manifest files: `batches/{batch}.json`. `ManifestFiles` alone reads, writes and removes them.

`capture/shipping/__init__.py` specifies the format. A file is always replaced whole.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import msgspec

from capture.durable_file import write_whole
from capture.shipping.batch import MANIFEST_VERSION, Manifest

if TYPE_CHECKING:
    from pathlib import Path

    from capture.journal.spool import Spool

log = logging.getLogger("capture.shipper")


class ManifestFiles:
    """The manifests of one spool."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._directory = spool.path("batches")

    def write(self, manifest: Manifest) -> None:
        """Writes or replaces a manifest. Raises OSError and leaves an older file unchanged on failure."""
        write_whole(path_of(self._directory, manifest.batch), encode(manifest))

    def remove(self, batch: str) -> None:
        """Removes a manifest, if it exists."""
        path_of(self._directory, batch).unlink(missing_ok=True)

    def left(self, last_batch: str) -> list[Manifest]:
        """Returns the batches that an earlier shipper left, by segment and position.

        Removes what is not one: temporary files, the batch `last_batch` that is done, and halves whose parent's manifest
        still exists (nothing of them was uploaded, and the parent will be halved again). Quarantines what cannot be read.
        """
        for path in self._directory.glob(".*.tmp"):
            path.unlink()
        self.remove(last_batch)
        found: dict[str, Manifest] = {}
        for path in self._directory.glob("*.json"):
            try:
                found[path.stem] = decode(path.read_bytes())
            except (msgspec.DecodeError, ValueError) as error:
                log.error("capture: the manifest %s is quarantined: %s", path.name, error)
                self._spool.quarantine_file(path)
        for name, manifest in list(found.items()):
            if manifest.parent in found:
                self.remove(name)
                del found[name]
        return sorted(found.values(), key=lambda manifest: [(part.segment, part.start) for part in manifest.parts])


def path_of(directory: Path, batch: str) -> Path:
    """Returns the path of a batch's manifest in the spool's directory `batches/`."""
    return directory / f"{batch}.json"


def encode(manifest: Manifest) -> bytes:
    """Returns the manifest as JSON."""
    return msgspec.json.format(msgspec.json.encode(manifest), indent=1)


def decode(data: bytes) -> Manifest:
    """Returns the manifest in `data`, also one of version 1. Raises ValueError or msgspec.DecodeError if it is not one."""
    raw = msgspec.json.decode(data, type=dict)
    version = raw.get("version", 1)
    if version == 1:  # has no version, and calls the unencodable records `aside`
        raw = {**raw, "version": MANIFEST_VERSION, "unencodable": raw.get("aside", [])}
    elif version != MANIFEST_VERSION:
        raise ValueError(f"its version is {version}; versions 1 and {MANIFEST_VERSION} can be read")
    return msgspec.convert(raw, Manifest)
