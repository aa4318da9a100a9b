"""Lines of ground truth: what Model Monitor's tools write, and what people write by mistake."""

import base64
import json
from typing import Any

import pytest

from monitoring.quality.label_lines import Label, LabelLineError, parse_line
from monitoring.quality.set_aside import ExclusionReason
from tests.monitoring.quality.captured import label_line


def labels(line: str, item_key: str | None = None) -> list[Label]:
    return parse_line(line.encode(), "label", item_key)


@pytest.mark.parametrize(
    ("data", "encoding", "values"),
    [
        ("1", "CSV", ["1"]),
        ({"label": 1}, "JSON", [1]),
        ({"instances": [{"label": 0}, {"label": 1}]}, "JSON", [0, 1]),
        ({"instances": [0, 1]}, "JSON", [0, 1]),
        ([0, 1, 1], "JSON", [0, 1, 1]),
        ({"label": [0, 1]}, "JSON", [0, 1]),
        ("0,1", "CSV", ["0", "1"]),
        ("0\n1\n", "CSV", ["0", "1"]),
        (base64.b64encode(b'{"label": 3}').decode(), "BASE64", [3]),
    ],
)
def test_each_published_form_of_a_label_is_read(data: Any, encoding: str, values: list[Any]) -> None:
    found = labels(label_line("e", data, encoding))
    assert [label.value for label in found] == values
    if len(values) > 1:
        assert [(label.item, label.array) for label in found] == [(place, len(values)) for place in range(len(values))]


def test_an_item_without_a_label_leaves_the_others_in_their_places() -> None:
    found = labels(label_line("e", [1, None, 0]))
    assert [(label.item, label.value, label.array) for label in found] == [(0, 1, 3), (2, 0, 3)]


def test_an_inference_id_wins_over_an_event_id() -> None:
    assert labels(label_line("event", 1, inferenceId="mine"))[0].id == "mine"


def test_items_may_be_named_by_a_feature() -> None:
    line = label_line("e", {"instances": [{"label": 1, "sku": "B"}, {"label": 0, "sku": "A"}]})
    assert [(label.key, label.value, label.array) for label in labels(line, "sku")] == [("B", 1, None), ("A", 0, None)]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{'groundTruthData': {'data': '1'}}", ExclusionReason.PYTHON_REPR),
        (label_line("e", "{'label': 1}"), ExclusionReason.PYTHON_REPR),
        ("{broken", ExclusionReason.NOT_JSON),
        (label_line("", 1), ExclusionReason.NO_ID),
        (json.dumps({"groundTruthData": {"data": "1", "encoding": "CSV"}, "eventMetadata": {}}), ExclusionReason.NO_ID),
        (json.dumps({"groundTruthData": {"data": "1"}}), ExclusionReason.WRONG_TYPE),
        (label_line("e", {"answer": 1}), ExclusionReason.WRONG_TYPE),
        (label_line("e", {"label": {"a": 1}}), ExclusionReason.WRONG_TYPE),
        (label_line("e", "1", "XML"), ExclusionReason.WRONG_TYPE),
        (label_line("e", {"label": None}), ExclusionReason.NO_VALUE),
        (label_line("e", "", "CSV"), ExclusionReason.NO_VALUE),
        (label_line("e", [1, 0], itemIndex=1), ExclusionReason.WRONG_TYPE),
    ],
)
def test_a_line_that_cannot_be_used_gives_its_reason(line: str, reason: ExclusionReason) -> None:
    with pytest.raises(LabelLineError) as found:
        labels(line)
    assert found.value.reason is reason
