"""Follow the AutoGluon tabular samples: `transform_fn` with a default content type, column names in a global."""

from io import StringIO

import pandas as pd

column_names: list[str] = []


def model_fn(model_dir):
    globals()["column_names"] = ["a", "b"]
    return 5


def transform_fn(model, request_body, input_content_type, output_content_type="application/json"):
    if input_content_type != "text/csv":
        raise ValueError(f"{input_content_type} is not supported")
    text = request_body.decode() if isinstance(request_body, bytes) else request_body
    data = pd.read_csv(StringIO(text), header=None)
    data.columns = column_names
    return (data["a"] * model + data["b"]).to_json(orient="values"), output_content_type
