"""Follow the contextual-bandit samples: NPY in by an own `input_fn`, the answer by the default encoder."""

import io

import numpy as np


def model_fn(model_dir):
    return np.array([[1.0, 0.0], [0.0, 1.0]])


def input_fn(input_bytes, content_type):
    if content_type == "application/x-npy":
        return np.load(io.BytesIO(input_bytes))
    raise ValueError("the content type must be application/x-npy")


def predict_fn(input_data, model):
    return np.argmax(input_data @ model, axis=1)
