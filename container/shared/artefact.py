"""The user's model artefact on disk: where its code is, and what it must not contain.

An artefact is SageMaker's: the model's files, and `code/` with `inference.py` (`SAGEMAKER_PROGRAM`),
`requirements.txt` and, for capture, `capture.toml`.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

OURS = ("capture", "container", "monitoring", "serialization", "mms", "sagemaker_inference")
"""Top-level modules that a module of the user's must not take the place of."""


STAND_IN = "artefact"
"""File in a stand-in: the path of the artefact."""


class ArtefactError(ValueError):
    """The artefact cannot be served; the message says what to change."""


@dataclass(frozen=True)
class Artefact:
    """An unpacked `model.tar.gz`."""

    directory: Path

    @property
    def code(self) -> Path:
        """Directory of the user's modules."""
        return self.directory / "code"

    @property
    def requirements(self) -> Path | None:
        """The user's `requirements.txt`, if there is one."""
        path = self.code / "requirements.txt"
        return path if path.is_file() else None

    @property
    def capture_settings(self) -> Path | None:
        """The user's `capture.toml`, if there is one."""
        path = self.code / "capture.toml"
        return path if path.is_file() else None

    @classmethod
    def of_stand_in(cls, directory: Path) -> Artefact:
        """The artefact for which this directory stands (`make_stand_in`)."""
        return cls(Path((directory / STAND_IN).read_text()))

    def make_stand_in(self, directory: Path) -> None:
        """Make a directory that stands for the artefact.

        Multi Model Server is given this one: it looks for manifests in what it is given, and takes a `MANIFEST.json`
        of the user's for one of its own.
        """
        directory.mkdir(mode=0o700, exist_ok=True)
        (directory / STAND_IN).write_text(str(self.directory))

    def find(self, name: str) -> Path:
        """A file of the artefact by its path in `code/`, else in the artefact, else absolute.

        Raises:
            ArtefactError: it is at none of these places.
        """
        for place in (self.code / name, self.directory / name):
            if place.is_file():
                return place
        raise ArtefactError(f"{name} is neither in {self.code} nor in {self.directory}")

    def check(self) -> None:
        """Refuse an artefact that is not there, whose modules would be imported in place of ours, or whose settings of
        capture (what to exclude, what to hash) would be ignored.

        Raises:
            ArtefactError: which names the directory, the module or the file.
        """
        if not self.directory.is_dir():
            raise ArtefactError(f"there is no model in {self.directory}: the artefact must be unpacked there")
        misplaced = self.directory / "capture.toml"
        if misplaced.is_file():
            raise ArtefactError(f"{misplaced} is read only in code/: move it to {self.code / misplaced.name}")
        for place in (self.code, self.directory):
            for name in OURS:
                for path in (place / f"{name}.py", place / name / "__init__.py", *place.glob(f"{name}.*.so")):
                    if path.exists():
                        raise ArtefactError(
                            f"{path} would be imported instead of the endpoint's own module {name}: rename it"
                        )

    def make_importable(self) -> None:
        """Put the artefact's modules first on Python's path, `code/` before the artefact's own directory."""
        places = [str(self.code), str(self.directory)]
        # Programs that the user's code starts find them too, as under the toolkit.
        os.environ["PYTHONPATH"] = os.pathsep.join([*places, *filter(None, [os.environ.get("PYTHONPATH")])])
        sys.path[:] = [*places, *(entry for entry in sys.path if entry and entry not in places)]
