"""What the model saw and said in January to March: the data that baselines are made of.

    baseline.parquet     the training flights: features, predictions, and the request that each would have been part of
    held_out.parquet     the same of the held-out days, with `late`: how good the model is on flights that it did not see

`request` ("JFK|2013-01-05T07") names the request of a row, `time` is the hour of departure in UTC. Predictions stand in the columns in which the endpoint captures them.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from examples.flights import data
from examples.flights.train import TrainedModel

REQUEST, TIME, LABEL = "request", "time", "late"
RISK, RANK = "prediction_risk", "prediction_rank"


def write_reference(model: TrainedModel, rows: pd.DataFrame, path: Path) -> None:
    """Writes rows of `data.flights()` with features and predictions of `model`."""
    table = data.featured(rows)
    request = rows["origin"].astype("string") + "|" + rows["hour_key"].astype("string")
    risk = pd.Series(model.risk(table).astype(np.float32), index=table.index)
    local = pd.to_datetime(rows["hour_key"], format="%Y-%m-%dT%H")
    columns = {
        REQUEST: pa.array(request.tolist(), pa.string()),
        TIME: pa.array(local.dt.tz_localize("America/New_York", nonexistent="shift_forward", ambiguous=False).dt.tz_convert("UTC")),
    }  # fmt: skip
    features = pa.Table.from_pandas(table, schema=data.arrow_schema(), preserve_index=False)
    columns |= {name: features[name] for name in features.column_names}
    columns[RISK] = pa.array(risk.tolist(), pa.float32())
    ranks = risk.groupby(request).rank(method="first", ascending=False).astype("int64")
    columns[RANK] = pa.array(ranks.tolist(), pa.int64())
    pq.write_table(pa.table(columns), path)
