"""`--shape auto` finds the container that gives the captured predictions, and keeps it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from container.replay.events import FeatureContainer, ReplayEvent
from container.replay.shapes import ModelCalls


def of_mapping(features: Any) -> Any:
    return {"score": features["x"] * 1.1}


def of_list(features: Any) -> Any:
    return [{"score": row["x"] * len(features)} for row in features]


def of_frame(features: Any) -> Any:
    return features["x"].to_numpy() * 3


def of_array(features: Any) -> Any:
    return (features[:, 0] / 3).reshape(-1, 1)


@pytest.mark.parametrize(
    ("model", "given"),
    [
        (of_mapping, {"x": 0.1}),
        (of_list, [{"x": 0.1}]),
        (of_frame, pd.DataFrame({"x": [0.1]})),
        (of_array, np.array([[0.1]])),
    ],
)
def test_an_event_of_one_item_gives_the_model_what_the_handler_saw(model: Any, given: Any) -> None:
    score = float(np.ravel(pd.DataFrame(model(given), index=[0]).to_numpy())[0]) if model is of_mapping else None
    if score is None:
        made = model(given)
        score = made[0]["score"] if isinstance(made, list) else float(np.ravel(made)[0])
    event = ReplayEvent("e", None, "m", {}, [{"x": 0.1}], [{"prediction_score": score}])
    calls = ModelCalls(model, FeatureContainer.AUTO)
    features = calls.container(event)
    assert type(features) is type(given)
    assert calls.call(features) is not None
    assert calls.seconds > 0
