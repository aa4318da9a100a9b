"""Which container `predict_fn` is given, where `--shape auto` leaves it open: found by trying, and kept.

The dataset does not keep the caller's container: `{"x": 1}`, `[{"x": 1}]` and a frame of one row are captured alike. `auto`
takes `features` for events with request-level values. For other events it gives the model each container in turn, and keeps the one whose
predictions are the captured ones; where none gives these (another model), the first that the model accepts. An event on which
the kept container fails is tried with the others of its kind: a mapping for a list of mappings, an array for a frame. A frame in
place of mappings would turn a missing value into NaN, and the failure into an answer.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np

from container.replay.events import FeatureContainer, ReplayError, build

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from container.replay.events import ReplayEvent

_OF_PYTHON = (FeatureContainer.ROWS, FeatureContainer.ROW)
_TRIED = (FeatureContainer.ROWS, FeatureContainer.ROW, FeatureContainer.FRAME, FeatureContainer.ARRAY)


class ModelCalls:
    """Calls `predict` with the events of a replay. `seconds` is the time that the model itself took.

    `predict` maps what the model is given to its predictions; `feature_names` orders the columns of a frame or an array.
    """

    def __init__(
        self,
        predict: Callable[[Any], Any],
        shape: FeatureContainer,
        feature_names: Sequence[str] | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """Keeps the model and the shape; nothing is called yet."""
        self._predict, self._shape, self._names, self._clock = predict, shape, feature_names, clock
        self._kept: FeatureContainer | None = None
        self.seconds = 0.0

    def container(self, event: ReplayEvent) -> Any:
        """Returns a new container for the event, of the shape that its model takes.

        Raises ReplayError where the event does not fit the shape that was asked for.
        """
        if self._shape is not FeatureContainer.AUTO:
            return build(event, self._shape, self._names)
        if event.request:
            return build(event, FeatureContainer.FEATURES, self._names)
        if self._kept is None:
            self._kept = self._find(event)
        shape = self._kept
        if shape is None or (shape is FeatureContainer.ROW and len(event.items) != 1):
            shape = FeatureContainer.ROWS
        return build(event, shape, self._names)

    def call(self, features: Any) -> Any:
        """Returns the model's predictions for a container, and counts its time."""
        start = self._clock()
        try:
            return self._predict(features)
        finally:
            self.seconds += self._clock() - start

    def others(self, event: ReplayEvent) -> list[Any]:
        """Returns containers of the other shapes of the kept one's kind, for an event on which the kept shape failed."""
        if self._shape is not FeatureContainer.AUTO or event.request:
            return []
        made = []
        for shape in _TRIED:
            if self._kept is not None and (shape in _OF_PYTHON) != (self._kept in _OF_PYTHON):
                continue
            if shape is not self._kept and not (shape is FeatureContainer.ROW and len(event.items) != 1):
                try:
                    made.append(build(event, shape, self._names))
                except (ReplayError, ImportError):
                    continue
        return made

    def _find(self, event: ReplayEvent) -> FeatureContainer | None:
        """Returns the shape whose predictions are the captured ones, else the first that the model accepts, None without any."""
        accepted: FeatureContainer | None = None
        for shape in _TRIED:
            if shape is FeatureContainer.ROW and len(event.items) != 1:
                continue
            try:
                predictions = self.call(build(event, shape, self._names))
            except Exception:  # noqa: S112  # the replay of the event itself reports why the model refuses it
                continue
            if values_of(predictions) == values_of(event.predictions):
                return shape
            accepted = accepted or shape
        return accepted


def values_of(predictions: Any) -> list[str]:
    """Returns the scalar values of predictions of any form, sorted: what two captures of the same predictions share."""
    found: list[str] = []
    pending = [predictions]
    while pending:
        value = pending.pop()
        if isinstance(value, dict):
            pending.extend(value.values())
        elif isinstance(value, list | tuple):
            pending.extend(value)
        elif hasattr(value, "to_dict") and hasattr(value, "columns"):
            pending.extend(value[name].tolist() for name in value.columns)
        elif hasattr(value, "tolist"):
            value = value.tolist()
            pending.append(value) if isinstance(value, list) else found.append(_text(value))
        elif value is not None:
            found.append(_text(value))
    return sorted(found)


def _text(value: Any) -> str:
    return repr(float(value)) if isinstance(value, bool | int | float | np.number) else repr(value)
