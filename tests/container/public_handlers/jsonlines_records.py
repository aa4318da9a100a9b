"""Follow the batch-transform and Clarify samples: JSON Lines of `features` in, JSON Lines of `score` out."""

import json


def model_fn(model_dir):
    return 0.5


def input_fn(request_body, content_type):
    assert content_type == "application/jsonlines"
    text = request_body.decode("utf-8") if isinstance(request_body, bytes) else request_body
    return [json.loads(line)["features"] for line in text.splitlines() if line]


def predict_fn(rows, model):
    return [sum(row) * model for row in rows]


def output_fn(prediction, accept):
    return "\n".join(json.dumps({"score": value}) for value in prediction), "application/jsonlines"
