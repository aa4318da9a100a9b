"""Follow the scikit-learn "bring your own model" samples: a body with `Input`, a table, a JSON text."""

import json
from pathlib import Path

import pandas as pd

COLUMNS = ["rooms", "age"]


def model_fn(model_dir):
    assert Path(model_dir).is_dir()
    return {"rooms": 100.0, "age": -1.0}


def input_fn(request_body, request_content_type):
    if request_content_type != "application/json":
        raise ValueError(f"only application/json is read, not {request_content_type}")
    return pd.DataFrame([json.loads(request_body)["Input"]], columns=COLUMNS)


def predict_fn(input_data, model):
    return sum(input_data[name] * weight for name, weight in model.items()).to_numpy()


def output_fn(prediction, content_type):
    return json.dumps({"Output": float(prediction[0])})
