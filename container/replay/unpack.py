"""Opens an artefact: a directory as it stands, or a `model.tar.gz` unpacked into a temporary one."""

from __future__ import annotations

import tarfile
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from container.shared.artefact import Artefact, ArtefactError

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def opened(path: Path) -> Iterator[Artefact]:
    """Yields the artefact at `path`. Raises ArtefactError where it is neither a directory nor a readable archive.

    Members that lead out of the archive's directory, devices and links that point outside are refused.
    """
    if path.is_dir():
        yield Artefact(path)
        return
    with tempfile.TemporaryDirectory(prefix="replay-") as folder:
        try:
            with tarfile.open(path) as archive:
                archive.extractall(folder, filter="data")
        except (OSError, tarfile.TarError) as error:
            raise ArtefactError(
                f"{path} is neither a directory nor a model.tar.gz that can be unpacked: {error}"
            ) from error
        yield Artefact(Path(folder))
