"""Follow the scikit-learn text samples: a plain text, a vectoriser beside the classifier, labels as JSON."""

import json

import numpy as np


def model_fn(model_dir):
    return len, {True: "positive", False: "negative"}


def input_fn(request_body, request_content_type):
    if request_content_type == "text/plain":
        return np.array([request_body])
    raise ValueError(f"unsupported content type: {request_content_type}")


def predict_fn(input_data, model):
    vectorise, labels = model
    return [labels[vectorise(text) > 4] for text in input_data]


def output_fn(prediction, content_type):
    if content_type == "application/json":
        return json.dumps(prediction)
    raise ValueError(f"unsupported content type: {content_type}")
