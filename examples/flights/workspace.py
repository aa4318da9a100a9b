"""The directory that a run of the example makes anew, and everything that it puts there.

OUT/model/ … , OUT/model.tar.gz, OUT/training.parquet     the artefact (`build`)
OUT/baseline/                                             what training looked like (`watch`)
OUT/monitoring/                                           report, violations, statistics of the captured traffic
OUT/ground_truth/                                         the true delays, hours after the flights
OUT/v2/                                                   the artefact trained on what was captured
OUT/captured/                                             the captured dataset
OUT/spool/                                                where captured records wait until they are shipped
OUT/endpoint.log                                          what the endpoint said
OUT/request.pb, OUT/request.json                          one request to try by hand
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from json import dumps
from pathlib import Path

from examples.flights.build import Artefact
from examples.flights.traffic import Request

ENDPOINT_NAME = "flights"
_MARK = ".made-by-flights-example"


class WorkspaceError(Exception):
    """The directory holds something that is not ours to delete."""


@dataclass(frozen=True)
class Workspace:
    """Paths of one run."""

    directory: Path

    @classmethod
    def anew(cls, directory: Path) -> Workspace:
        """Empty `directory`, or make it. Raises `WorkspaceError` where it holds what this example did not make."""
        directory = directory.absolute()
        mark = directory / _MARK
        try:
            if directory.exists() and any(directory.iterdir()) and not mark.exists():
                raise WorkspaceError(f"{directory} holds other files: name an empty or a new directory")
            shutil.rmtree(directory, ignore_errors=True)
            directory.mkdir(parents=True, exist_ok=True)
            mark.touch()
        except OSError as error:
            raise WorkspaceError(f"{directory} cannot be used: {error.strerror or error}") from error
        return cls(directory)

    @property
    def captured(self) -> Path:
        return self.directory / "captured"

    @property
    def objects(self) -> Path:
        """The captured dataset without the ledger beside it."""
        return self.captured / ENDPOINT_NAME

    @property
    def spool(self) -> Path:
        return self.directory / "spool"

    @property
    def baseline(self) -> Path:
        """The baseline of the training flights."""
        return self.directory / "baseline"

    @property
    def monitoring(self) -> Path:
        """What the monitor wrote."""
        return self.directory / "monitoring"

    @property
    def log(self) -> Path:
        return self.directory / "endpoint.log"

    @property
    def ground_truth(self) -> Path:
        """The true delays, as they arrive."""
        return self.directory / "ground_truth"

    @property
    def retrained(self) -> Path:
        """The artefact of version 2, trained on what was captured."""
        return self.directory / "v2"

    def environment(self, artefact: Artefact, version: str = "1") -> dict[str, str]:
        """The settings of an endpoint that serves `artefact` as this version and captures into this directory."""
        return artefact.environment | {
            "CAPTURE_DESTINATION": self.captured.as_uri(),
            "CAPTURE_ENDPOINT_NAME": ENDPOINT_NAME,
            "CAPTURE_SPOOL_DIR": str(self.spool),
            "CAPTURE_MODEL_VERSION": version,
        }

    def write_request(self, request: Request) -> tuple[Path, Path]:
        """One request as files for `curl --data-binary`: protobuf and JSON."""
        protobuf, json = self.directory / "request.pb", self.directory / "request.json"
        protobuf.write_bytes(request.body)
        json.write_text(dumps(request.payload, indent=1), encoding="utf-8")
        return protobuf, json
