"""The two sides of a captured event: its input rows, and the output rows that belong to them."""

from __future__ import annotations

from monitoring.source.managed_lines import CapturedText, ManagedEvent
from monitoring.source.managed_payload import Row, documents_of, rows_of, rows_of_document, text_of

_BATCH_OUTPUT = "SageMakerOutput"


def sides_of(event: ManagedEvent) -> tuple[list[Row], list[Row]]:
    """Returns the rows of an event's input and output."""
    if event.batch_transform_output is not None:
        return _batch_sides(event.batch_transform_output)
    outputs = [] if event.endpoint_output is None else rows_of(event.endpoint_output)
    if event.endpoint_input is None:
        return [], outputs
    return rows_of(event.endpoint_input, len(outputs) or None), outputs


def _batch_sides(captured: CapturedText) -> tuple[list[Row], list[Row]]:
    """Returns the rows of batch transform. Where input and output are joined, the output stands in `SageMakerOutput`."""
    if captured.encoding.upper() == "CSV":
        return [], rows_of(captured)
    inputs: list[Row] = []
    outputs: list[Row] = []
    for document in documents_of(text_of(captured)):
        if not isinstance(document, dict) or _BATCH_OUTPUT not in document:
            outputs += rows_of_document(document)
            continue
        predicted = rows_of_document(document[_BATCH_OUTPUT])
        rest = {key: value for key, value in document.items() if key != _BATCH_OUTPUT}
        inputs += rows_of_document(rest, len(predicted)) if rest else []
        outputs += predicted
    return inputs, outputs


def aligned(outputs: list[Row], rows: int) -> list[Row]:
    """Returns an output row for each input row where one row of values holds them all ("0.1,0.9" for two rows)."""
    if rows > 1 and len(outputs) == 1 and isinstance(outputs[0], list) and len(outputs[0]) == rows:
        return [[value] for value in outputs[0]]
    return outputs
