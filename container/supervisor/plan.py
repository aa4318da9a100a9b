"""All that is known before the first process is started."""

from __future__ import annotations

from dataclasses import dataclass

from capture import CaptureConfig
from container.shared.artefact import Artefact
from container.shared.resources import Resources
from container.shared.settings import Settings


@dataclass(frozen=True)
class ServingPlan:
    """What is to be served, and with what."""

    settings: Settings
    artefact: Artefact
    """The model; in a multi-model endpoint unused, since models come later."""
    capture: CaptureConfig
    limits: Resources
    host: str
    """Address to listen on."""
    log_form: str = "json"
    """Form of the log on stdout: `json`, or `text` for a person."""

    @property
    def workers(self) -> int:
        """Workers of each model: as set, else one for each CPU; one for each model where there are many models."""
        if self.settings.workers is not None:
            return self.settings.workers
        return 1 if self.settings.multi_model else self.limits.workers
