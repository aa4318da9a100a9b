"""Nested values become JSON whatever their keys are."""

import json

from capture.encoding.json_text import json_text


def test_keys_that_json_refuses_become_text() -> None:
    value = {b"\x01": 1, (1, 2): float("nan"), 3: {b"k": [float("inf")]}}
    assert json.loads(json_text(value)) == {"AQ==": 1, "(1, 2)": "NaN", "3": {"aw==": ["Infinity"]}}
