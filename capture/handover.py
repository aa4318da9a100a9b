"""Settings in one file: resolved once, by the process that starts the others, and read by those.

The file is JSON, readable by its owner only, and holds every setting but the secret, `hash_key`. The spool's directory
and size stand in it as chosen, so that no reader chooses again. A shipper needs no secret and ignores what only a
writer uses; a writer gets the key from its starter.
"""

from __future__ import annotations

import dataclasses
import uuid
from pathlib import Path
from typing import Any

import msgspec

from capture.config import CaptureConfig
from capture.durable_file import write_whole
from capture.errors import ConfigError

_ONLY_FOR_WRITERS = ("exclude", "hash", "types", "feature_names")


def hand_over(config: CaptureConfig, path: Path) -> None:
    """Writes the settings to `path`, whole or not at all. Raises OSError."""
    place = config.spool()
    resolved = dataclasses.replace(config, spool_dir=place.directory, spool_max_bytes=place.max_bytes)
    values = {entry.name: getattr(resolved, entry.name) for entry in dataclasses.fields(resolved)}
    del values["hash_key"]
    values["spool_dir"] = str(place.directory)
    write_whole(path, msgspec.json.format(msgspec.json.encode(values), indent=1), by=f".{uuid.uuid4().hex[:8]}")


def for_shipper(path: Path) -> CaptureConfig:
    """Reads the settings that a shipper uses. Raises `ConfigError` where the file cannot be read."""
    values = _read(path)
    return CaptureConfig(**{name: value for name, value in values.items() if name not in _ONLY_FOR_WRITERS})


def for_writer(path: Path, hash_key: str | None = None) -> CaptureConfig:
    """Reads all settings; `hash_key` is the secret that the file does not hold. Raises `ConfigError`."""
    return CaptureConfig(**_read(path), hash_key=hash_key)


def _read(path: Path) -> dict[str, Any]:
    try:
        values = msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
    except (OSError, msgspec.DecodeError) as error:
        raise ConfigError(f"the settings in {path} cannot be read: {error}") from error
    known = {entry.name for entry in dataclasses.fields(CaptureConfig)}
    return {name: value for name, value in values.items() if name in known}
