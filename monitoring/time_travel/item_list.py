"""A ranking request with a list of items, as rows: the other values of the request stand in every row.

    {"airport": "JFK", "hour": "2013-07-01T05", "flights": [{"tailnum": "N1"}, {"tailnum": "N2"}]}

becomes two rows with `airport`, `hour` and `tailnum`. The predictions of the answer, one for each item, become
`prediction` or `prediction_{output}`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from capture import dataset
from monitoring.source.managed_lines import CapturedText
from monitoring.source.managed_payload import documents_of, rows_of, text_of

if TYPE_CHECKING:
    from monitoring.source.preprocess import Handler, InferenceRecord


def item_handler(name: str) -> Handler:
    """Returns a preprocess handler that expands the list `name` of a JSON request."""

    def expand(record: InferenceRecord) -> list[dict[str, Any]]:
        [request] = documents_of(text_of(_text(record.endpoint_input)))
        items = request[name]
        shared = {key: value for key, value in request.items() if key != name}
        rows = [{**shared, **item} if isinstance(item, dict) else {**shared, name: item} for item in items]
        outputs = [] if record.endpoint_output is None else rows_of(_text(record.endpoint_output), len(rows))
        if len(outputs) == len(rows):
            for row, output in zip(rows, outputs, strict=True):
                row.update(_predicted(output))
        return rows

    return expand


def _text(side: Any) -> CapturedText:
    return CapturedText(side.data, side.encoding, side.observedContentType or "", side.mode or "")


def _predicted(output: dict[str, Any] | list[Any]) -> dict[str, Any]:
    if isinstance(output, dict):
        return {dataset.prediction_column(str(key)): value for key, value in output.items()}
    if len(output) == 1:
        return {dataset.PREDICTION: output[0]}
    return {dataset.prediction_column(str(number)): value for number, value in enumerate(output)}
