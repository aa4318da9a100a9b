"""Requests to the flights endpoint of chosen sizes, made of real flights, with entities that no store knows among them."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import Any

from examples.flights import schema
from examples.flights.replay import ACCEPT
from examples.flights.traffic import CONTENT_TYPE, july_requests
from tests.integration.conversation import Request

UNKNOWN_HOUR = "2031-07-01T05"
UNKNOWN_PLANE = "N0NE"


def sizes(count: int, least: int = 1, most: int = 200) -> list[int]:
    """How many flights each request has: both ends, and between them small requests more often than large ones."""
    chance = random.Random(3)
    drawn = (math.exp(chance.uniform(math.log(least), math.log(most))) for _ in range(count - 2))
    return [least, most, *map(round, drawn)]


def flights_requests(counts: Sequence[int]) -> list[Request]:
    """A request of so many flights for each count.

    Some have an hour without weather, some flights a plane that nobody knows or none at all. Not every caller sends an
    inference id or custom attributes.
    """
    real = july_requests(400)
    pool = [flight for request in real for flight in request.flights]
    chance = random.Random(5)
    return [
        _request(number, real[number % len(real)].payload, [_flight(chance, pool) for _ in range(count)])
        for number, count in enumerate(counts)
    ]


def _flight(chance: random.Random, pool: list[dict[str, Any]]) -> dict[str, Any]:
    flight = dict(chance.choice(pool))
    luck = chance.random()
    if luck < 0.03:
        flight["tailnum"] = UNKNOWN_PLANE
    elif luck < 0.06:
        flight.pop("tailnum", None)
    return flight


def _request(number: int, real: dict[str, Any], flights: list[dict[str, Any]]) -> Request:
    hour = UNKNOWN_HOUR if number % 25 == 7 else real["hour"]
    message = schema.DeparturesRequest(airport=real["airport"], hour=hour, flights=flights)
    return Request(
        key=f"flights-{number}",
        body=message.SerializeToString(),
        content_type=CONTENT_TYPE,
        accept=ACCEPT,
        inference_id=None if number % 5 == 4 else f"caller-{number}",
        attributes=f"trace={number}" if number % 3 == 0 else None,
    )
