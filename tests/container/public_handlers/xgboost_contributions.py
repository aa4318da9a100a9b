"""Follow the XGBoost abalone script-mode sample: CSV to a DMatrix, the prediction beside its contributions, CSV out."""

import io

import numpy as np
import pandas as pd


class DMatrix:
    """Stand in for `xgboost.DMatrix`."""

    def __init__(self, data):
        self.values = np.asarray(data, dtype=float)


class Booster:
    """Stand in for `xgboost.Booster`: a linear model."""

    def predict(self, matrix, pred_contribs=False):
        parts = matrix.values * np.array([2.0, 3.0])
        return parts if pred_contribs else parts.sum(axis=1)


def model_fn(model_dir):
    return Booster()


def input_fn(request_body, request_content_type):
    if request_content_type == "text/csv":
        return DMatrix(pd.read_csv(io.StringIO(request_body.rstrip("\n")), header=None))
    raise ValueError(f"content type {request_content_type} is not supported")


def predict_fn(input_data, model):
    scores = model.predict(input_data)
    return np.hstack((scores[:, np.newaxis], model.predict(input_data, pred_contribs=True)))


def output_fn(predictions, content_type):
    if content_type == "text/csv":
        return "\n".join(",".join(str(cell) for cell in row) for row in predictions)
    raise ValueError(f"content type {content_type} is not supported")
