"""The model is worth serving, the same each time, and the endpoint's scores are scikit-learn's."""

import runpy
from pathlib import Path

import numpy as np
import pytest

import examples.flights
from examples.flights import data
from examples.flights.export import write_model
from examples.flights.train import train

TREES = Path(examples.flights.__file__).parent / "artefact" / "code" / "trees.py"


@pytest.fixture(scope="module")
def model():
    return train()


@pytest.fixture(scope="module")
def exported(model, tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "model.npz"
    write_model(model, path)
    return runpy.run_path(str(TREES))["Trees"].load(path)


def records(features):
    return features.astype(object).where(features.notna(), None).to_dict("records")


def test_the_model_tells_late_flights_on_days_that_it_never_saw(model):
    assert model.rows > 60_000
    assert 0.68 < model.held_out_auc < 0.80  # measured: 0.70; far more would mean that it knows the result


def test_the_same_data_gives_the_same_model():
    rows = data.featured(data.held_out_rows().head(500))

    assert np.array_equal(train(5000, 20).risk(rows), train(5000, 20).risk(rows))


def test_the_exported_trees_score_as_scikit_learn_does(model, exported):
    rows = data.featured(data.held_out_rows())

    np.testing.assert_allclose(exported.predict(records(rows)), model.risk(rows), rtol=1e-12)


def test_missing_and_unknown_values_score_as_scikit_learn_does(model, exported):
    rows = data.featured(data.held_out_rows().head(200))
    for number, name in enumerate(data.FEATURES):
        rows.loc[rows.index[number::23], name] = None
    rows.loc[rows.index[::5], "dest"] = "XXX"
    rows.loc[rows.index[::7], "manufacturer"] = "ANTONOV"

    np.testing.assert_allclose(exported.predict(records(rows)), model.risk(rows), rtol=1e-12)


def test_a_request_without_flights_has_no_predictions(exported):
    assert exported.predict([]).shape == (0,)
