"""Requests are real: an airport's departures of an hour, as they were known before, in the order of time."""

import pytest
from google.protobuf import json_format

from examples.flights import data, schema, traffic


@pytest.fixture(scope="module")
def july():
    return traffic.july_requests()


def test_july_has_more_than_five_hundred_requests_of_seventeen_flights_on_average(july):
    sizes = [len(request.flights) for request in july]

    assert len(july) == 1664
    assert 16.5 < sum(sizes) / len(sizes) < 18.5
    assert min(sizes) == 1
    assert max(sizes) > 30


def test_requests_come_in_time_order_each_airport_and_hour_once(july):
    hours = [request.payload["hour"] for request in july]

    assert hours == sorted(hours)
    assert hours[0] == "2013-07-01T05"
    assert hours[-1].startswith("2013-07-31T")
    assert len({request.inference_id for request in july}) == len(july)


def test_a_limit_takes_the_first_requests(july):
    assert traffic.july_requests(7) == july[:7]


def test_the_body_is_the_payload_in_protobuf(july):
    for request in july[::50]:
        message = schema.DeparturesRequest.FromString(request.body)
        plain = json_format.MessageToDict(
            message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
        )

        assert plain == request.payload


def test_a_request_holds_every_scheduled_flight_and_nothing_of_how_it_went(july):
    scheduled = data.flights()["date"].str.startswith("2013-07").sum()
    known = {"carrier", "flight", "tailnum", "dest", "distance", "minute", "sched_arr_minute"}

    assert sum(len(request.flights) for request in july) == scheduled
    assert {name for request in july for flight in request.flights for name in flight} == known


def test_ground_truth_has_an_answer_for_each_flight_that_arrived(july):
    assert all(len(request.late) == len(request.flights) for request in july)
    late = [value for request in july for value in request.late]

    assert 0.25 < late.count(True) / len(late) < 0.35
    assert 0.02 < late.count(None) / len(late) < 0.05


def test_ordinary_traffic_is_of_the_held_out_days():
    requests = traffic.held_out_requests()

    assert {request.payload["hour"][:10] for request in requests} == data.held_out_days()
    assert 15 < sum(len(request.flights) for request in requests) / len(requests) < 18
