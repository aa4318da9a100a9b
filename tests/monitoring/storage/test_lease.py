"""A lease keeps others out for its time, and no longer; a clock that jumped keeps out only its own process."""

import datetime as dt

import pytest

from monitoring.storage import open_storage
from monitoring.storage.lease import TRUSTED, Lease, take

NOW = dt.datetime(2026, 11, 2, tzinfo=dt.UTC)
LENGTH = dt.timedelta(minutes=10)


@pytest.mark.parametrize(
    ("until", "kept_out"),
    [
        (NOW, False),
        (NOW + LENGTH / 2, True),
        (NOW + TRUSTED * LENGTH, True),
        (NOW + dt.timedelta(days=365), False),
        (NOW - dt.timedelta(days=365), False),
    ],
)
def test_a_lease_keeps_others_out_until_it_ends_and_one_of_a_clock_that_jumped_does_not(until, kept_out):
    assert Lease("first", until).keeps_out("second", NOW, LENGTH) is kept_out
    assert not Lease("first", until).keeps_out("first", NOW, LENGTH)


def test_of_two_writers_that_saw_the_same_object_one_takes_it(tmp_path):
    storage = open_storage(str(tmp_path))
    assert take(storage, "a", lambda held: b"1") is not None

    def overtaken(held: bytes | None) -> bytes | None:
        if held == b"1":
            storage.replace("a", b"2", storage.get("a").tag)
        return b"3"

    assert take(storage, "a", overtaken) is None
    assert storage.get("a").body == b"2"
    assert take(storage, "a", lambda held: None) is None
