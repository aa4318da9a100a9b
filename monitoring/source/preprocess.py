"""Model Monitor's preprocess script: `preprocess_handler(inference_record)` or `preprocess_handler(inference_record, logger)`.

The script gets one event and returns a dict (one row; keys may be integers), a list of dicts (several rows), `[]` or None (the
event is left out), or the record itself (the event is read as if there were no script). An event for which it raises is
counted by exception and left out.
"""

from __future__ import annotations

import importlib.util
import inspect
import logging
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from monitoring.errors import MonitoringError, UsageError
from monitoring.source.managed_lines import CapturedText, ManagedEvent

Handler = Callable[["InferenceRecord"], Any]
NAME = "preprocess_handler"

_log = logging.getLogger(__name__)


class HandlerError(Exception):
    """The script failed for one event: the name of the exception, or what it returned."""


class InferenceRecord:
    """One event as Model Monitor hands it to a script."""

    def __init__(self, event: ManagedEvent) -> None:
        """Wraps an event."""
        self.endpoint_input = _side(event.endpoint_input)
        self.endpoint_output = _side(event.endpoint_output)
        self.batch_transform_output = _side(event.batch_transform_output)
        self.ground_truth = _side(event.ground_truth)
        metadata = event.document.get("eventMetadata") or {}
        self.event_metadata = SimpleNamespace(
            event_id=event.event_id,
            event_time=metadata.get("inferenceTime"),
            custom_attribute=list(event.custom_attributes),
        )
        self.event_dict = event.document
        # Older scripts read the sides under the names of the line.
        self.event_data = SimpleNamespace(
            endpointInput=self.endpoint_input,
            endpointOutput=self.endpoint_output,
            batchTransformOutput=self.batch_transform_output,
        )

    def as_dict(self) -> dict[str, Any]:
        """Returns the whole line."""
        return self.event_dict


def _side(text: CapturedText | None) -> Any:
    if text is None:
        return None
    return SimpleNamespace(
        data=text.data, encoding=text.encoding, observedContentType=text.observed_content_type, mode=text.mode
    )


def load_handler(path: str | Path) -> Handler:
    """Returns the handler of a script. The script's code runs: give only scripts that you trust.

    Raises UsageError where the file has no `preprocess_handler` of one or two arguments, MonitoringError where it fails to
    load.
    """
    path = Path(path)
    if not path.is_file():
        raise UsageError(f"there is no preprocess script {path}")
    spec = importlib.util.spec_from_file_location("preprocess_script", path)
    if spec is None or spec.loader is None:
        raise UsageError(f"{path} is not a Python file: its name must end with .py")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise MonitoringError(f"{path} fails to load: {type(error).__name__}: {error}") from error
    function = getattr(module, NAME, None)
    if not callable(function):
        raise UsageError(f"{path} has no function {NAME}(inference_record)")
    return handler_of(function, str(path))


def handler_of(function: Callable[..., Any], source: str = NAME) -> Handler:
    """Returns a handler of one argument; one of two gets a logger as its second.

    Raises UsageError where the function takes another number of arguments.
    """
    parameters = inspect.signature(function).parameters.values()
    positional = [entry for entry in parameters if entry.kind in (entry.POSITIONAL_ONLY, entry.POSITIONAL_OR_KEYWORD)]
    required = [entry for entry in positional if entry.default is entry.empty]
    required += [entry for entry in parameters if entry.kind is entry.KEYWORD_ONLY and entry.default is entry.empty]
    takes_logger = len(positional) > 1 and "log" in positional[1].name.lower()
    if len(positional) >= 2 and (len(required) == 2 or (len(required) < 2 and takes_logger)):
        return lambda record: function(record, _log)
    if positional and len(required) < 2:
        return function
    raise UsageError(f"{source}: {NAME} must take one argument, or two: the record and a logger")


def rows_from(handler: Handler, event: ManagedEvent) -> list[dict[str, Any]] | None:
    """Returns the rows that the handler makes of an event, with keys as text; None where it returns the record itself.

    Raises HandlerError where it raises or returns something else.
    """
    record = InferenceRecord(event)
    try:
        returned = handler(record)
    except Exception as error:
        raise HandlerError(type(error).__name__) from error
    if returned is record:
        return None
    if returned is None:
        return []
    rows = returned if isinstance(returned, list | tuple) else [returned]
    if not all(isinstance(row, dict) for row in rows):
        raise HandlerError(f"it returned {type(returned).__name__}, not a dict or a list of dicts")
    return [{str(key): value for key, value in row.items()} for row in rows]
