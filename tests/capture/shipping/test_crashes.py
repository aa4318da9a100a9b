"""The shipper dies at each thing that it does, and a new one goes on: every record arrives once, whatever was set since."""

from __future__ import annotations

import itertools
import random
import shutil
from collections import Counter
from pathlib import Path

import pytest

from capture import encoding
from capture.record import Event, Rows
from capture.shipping.shipper import Shipper
from tests.capture.shipping.crash import Killed, Switch
from tests.capture.shipping.stage import Stage

OTHER_SETTINGS = {
    "format": "jsonl",
    "destination": "s3://elsewhere/prefix",
    "kms_key_id": "another-key",
    "max_bytes": 1,
    "max_records": 1,
}
LIMIT, SEGMENT = 2 << 20, 64 << 10


class Template:
    """A spool with all that can stand in one, and copies of it."""

    def __init__(self, directory: Path) -> None:
        self._stage = stage = Stage(directory / "template", limit=LIMIT, segment_bytes=SEGMENT)
        killed, closed, other = stage.writer(), stage.writer(), stage.writer(model_version="2")
        stage.append(killed, 60, padding="x" * 5000)
        stage.append(closed, 10)
        stage.append(other, 5)
        closed.append({"bad": object()}, 0.5)
        stage.clock.pass_(3600)  # a second hour: a second object of the batch
        stage.append(killed, 10)
        stage.append(other, 5)
        stage.kill(killed)
        stage.kill(other)
        stage.close_writer(closed)
        self._copies = 0
        self._directory = directory

    def copy(self) -> Stage:
        self._copies += 1
        stage = Stage(self._directory / str(self._copies), limit=LIMIT, segment_bytes=SEGMENT)
        shutil.copytree(self._stage.directory, stage.directory)
        stage.clock.wall, stage.clock.steady = self._stage.clock.wall, self._stage.clock.steady
        stage.acknowledged = list(self._stage.acknowledged)
        return stage


@pytest.fixture
def template(tmp_path: Path) -> Template:
    return Template(tmp_path)


def ship(stage: Stage, switch: Switch, **settings: object) -> bool:
    """Ships all with a new shipper until it is done or killed; whether it is done."""
    shipper: Shipper | None = None
    with switch:
        try:
            shipper = stage.shipper(**settings)
            stage.drain(shipper)
            shipper.stop()
        except Killed:
            return False
        finally:
            if shipper is not None:
                shipper.close()
    return True


def assert_all_is_told(stage: Stage) -> None:
    """Exactly once, balanced, nothing left behind, and a ledger that says so."""
    stage.assert_exactly_once()
    stats = stage.assert_balanced(unencodable=1)
    assert (stats.appended, stats.shipped, stats.waiting) == (len(stage.acknowledged) + 1, len(stage.acknowledged), 0)
    assert not list((stage.directory / "batches").iterdir())
    assert not list((stage.directory / "writers").iterdir())
    assert not list((stage.directory / "segments").iterdir())
    entries = {writer: entry for found in stage.sink.ledgers.values() for writer, entry in found.writers.items()}
    assert sum(entry.appended for entry in entries.values()) == stats.appended
    assert all(entry.waiting == 0 for entry in entries.values())
    listed = {key for found in stage.sink.ledgers.values() for key in found.objects}
    assert listed == set(stage.sink.data)


def crash_points(template: Template) -> int:
    counted = Switch()
    assert ship(template.copy(), counted)
    return counted.calls


@pytest.mark.parametrize("settings", [{}, OTHER_SETTINGS], ids=["same settings", "other settings"])
def test_a_death_at_each_call_costs_no_record_and_no_second_copy(
    template: Template, settings: dict[str, object]
) -> None:
    assert crash_points(template) > 60
    for at in itertools.count(1):
        stage = template.copy()
        if ship(stage, Switch(at)):
            break
        before = dict(stage.sink.data)
        assert ship(stage, Switch(), **settings), at
        assert_all_is_told(stage)
        after = stage.sink.data
        assert all(after[key] == body for key, body in before.items()), f"other bytes after a death at call {at}"
        stage.close()
        shutil.rmtree(stage.directory)


@pytest.mark.parametrize("seed", range(12))
def test_deaths_one_after_the_other_cost_nothing_either(template: Template, seed: int) -> None:
    """Ten shippers die, each at a random call; batches are halved on the way."""
    chance = random.Random(seed)
    points = crash_points(template)
    stage = template.copy()
    for _ in range(10):
        settings = OTHER_SETTINGS if chance.random() < 0.3 else {}
        ship(stage, Switch(chance.randint(1, points)), **settings)
    assert ship(stage, Switch()), f"seed {seed}"
    assert_all_is_told(stage)


def let_it_kill(victim: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever encodes this record dies, also in a probe."""
    encode = encoding.encode_objects

    def check(event: Event) -> Event:
        assert isinstance(event.items, Rows)
        if event.items.rows[0][0] == victim:
            raise Killed
        return event

    monkeypatch.setattr(
        "capture.shipping.batch.encode_objects", lambda header, batch, events: encode(header, batch, map(check, events))
    )


def assert_all_but(stage: Stage, victim: int) -> None:
    stage.assert_exactly_once([number for number in stage.acknowledged if number != victim])
    stats = stage.assert_balanced(unencodable=2)
    assert stats.waiting == 0
    assert len(list((stage.directory / "quarantine").iterdir())) == 1
    assert not list((stage.directory / "batches").iterdir())


@pytest.mark.parametrize("bad", [0, 7, 33, 69, 89])
def test_a_record_that_kills_every_encoder_costs_one_shipper_and_ends_up_alone(
    template: Template, bad: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next one lets a child encode the batch, and then its halves; nothing else is lost or shipped twice."""
    stage = template.copy()
    victim = stage.acknowledged[bad]
    let_it_kill(victim, monkeypatch)
    assert not ship(stage, Switch())
    assert ship(stage, Switch())
    assert_all_but(stage, victim)


def test_deaths_that_are_not_a_batchs_fault_set_no_record_aside(
    template: Template, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Shippers are killed again and again while they encode; the batch is halved in the end, and that is all."""
    stage = template.copy()
    encode = encoding.encode_objects
    monkeypatch.setattr("tests.capture.shipping.stage.survives", lambda spool, batch: True)

    def dies(*_: object) -> object:
        raise Killed

    monkeypatch.setattr("capture.shipping.batch.encode_objects", dies)
    for _ in range(60):
        assert not ship(stage, Switch())
    monkeypatch.setattr("capture.shipping.batch.encode_objects", encode)
    assert ship(stage, Switch())
    assert_all_is_told(stage)
    assert not list((stage.directory / "quarantine").iterdir())


def test_shippers_that_die_while_uploading_never_halve_a_batch(template: Template) -> None:
    """Nothing is wrong with the batch, only with the deaths: were it halved, its records would have two names."""
    stage = template.copy()
    for _ in range(8):
        shipper = stage.shipper()
        shipper.drain()
        stage.sink.fails = lambda key: Killed() if stage.sink.data and not key.startswith("_ledger") else None
        with pytest.raises(Killed):
            stage.run(shipper)
        shipper.close()
    stage.sink.fails = lambda key: None
    assert ship(stage, Switch())
    assert_all_is_told(stage)
    assert Counter(key.rsplit("/", 1)[1] for key in stage.sink.data).most_common(1)[0][1] == 2  # the hours of a batch


def test_a_shipper_that_dies_while_halving_leaves_one_set_of_halves(
    template: Template, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = template.copy()
    victim = base.acknowledged[33]
    let_it_kill(victim, monkeypatch)
    assert not ship(base, Switch())
    for at in itertools.count(1, 3):
        stage = base_copy(base, at)
        if ship(stage, Switch(at)):
            break
        while not ship(stage, Switch()):
            pass
        assert_all_but(stage, victim)
        stage.close()
        shutil.rmtree(stage.directory)
    assert at > 60


def base_copy(base: Stage, name: int) -> Stage:
    stage = Stage(base.directory.parent / f"of-base-{name}", limit=LIMIT, segment_bytes=SEGMENT)
    shutil.copytree(base.directory, stage.directory)
    stage.clock.wall, stage.clock.steady = base.clock.wall, base.clock.steady
    stage.acknowledged = list(base.acknowledged)
    return stage
