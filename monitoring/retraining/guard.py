"""The object that makes a start unique, and the turn that separates the starts of one rule.

A guard is created by a conditional put, so of several monitors one succeeds. Its holder has a lease; after that another monitor
may take the guard over by a conditional replace, because the holder may have died before it started anything.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

import msgspec
from msgspec.structs import replace

from monitoring.alarms.state import key_part
from monitoring.errors import MonitoringError
from monitoring.result import Cause
from monitoring.storage import Conflict, MissingKey, Storage
from monitoring.storage.lease import Lease, take

LEASE = dt.timedelta(minutes=10)
GUARD_VERSION = 1


class StartStage(StrEnum):
    """How far a start is."""

    CLAIMED = "claimed"
    STARTED = "started"
    REFUSED = "refused"


class Guard(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One start. `token` is derived from the guard's key; `reference` names what was started."""

    rule: str
    endpoint: str
    variant: str
    model_version: str | None
    episode: int
    attempt: int
    cause: Cause
    claimed: dt.datetime
    lease: Lease
    token: str
    manifest: str = ""
    stage: StartStage = StartStage.CLAIMED
    reference: str = ""
    started: dt.datetime | None = None
    problem: str = ""
    version: int = GUARD_VERSION


class Turn(msgspec.Struct, frozen=True):
    """The last guard that a rule allowed, and when."""

    guard: str
    at: dt.datetime
    writer: str


@dataclass(frozen=True, slots=True)
class Held:
    """A guard in the storage: its key, its tag and its content."""

    key: str
    tag: str
    guard: Guard


def folder_of(endpoint: str, variant: str) -> str:
    """Returns the prefix of a variant's guards."""
    return f"retraining/{key_part(endpoint)}/{key_part(variant)}/"


def guard_key(endpoint: str, variant: str, cause: str, episode: int, attempt: int) -> str:
    """Returns the key of a guard: the cause and the episode, and the number of the attempt from the second one on."""
    again = f"-{attempt}" if attempt > 1 else ""
    return f"{folder_of(endpoint, variant)}{key_part(cause)}-{episode}{again}.json"


def token_of(key: str) -> str:
    """Returns the token of a guard's key: 64 hexadecimal digits."""
    return hashlib.sha256(key.encode()).hexdigest()


class Guards:
    """The guards of one endpoint variant in one storage."""

    def __init__(self, storage: Storage, endpoint: str, variant: str, holder: str) -> None:
        self._storage = storage
        self._folder = folder_of(endpoint, variant)
        self._holder = holder

    def uri(self, key: str) -> str:
        """Returns the URI of a guard."""
        return f"{self._storage.uri}/{key}"

    def all(self) -> Iterator[Guard]:
        """Yields every guard of the variant. Raises MonitoringError for an object that is not one."""
        for entry in self._storage.list(self._folder):
            if not entry.key.startswith(f"{self._folder}turn-"):
                yield _decode(self._storage.get(entry.key).body, self.uri(entry.key))

    def take_turn(self, rule: str, key: str, rest: dt.timedelta, now: dt.datetime) -> dt.datetime | None:
        """Takes the rule's turn for the guard `key`. Returns None, or until when the rule rests after another guard."""
        place = f"{self._folder}turn-{key_part(rule)}.json"
        turn = Turn(key, now, self._holder)
        while True:
            try:
                stored = self._storage.get(place)
            except MissingKey:
                try:
                    self._storage.create(place, msgspec.json.encode(turn))
                    return None
                except Conflict:
                    continue
            last = msgspec.json.decode(stored.body, type=Turn)
            if last.guard == key:
                return None
            if abs(now - last.at) < rest:  # a turn far in the future was taken by a clock that had jumped
                return last.at + rest
            try:
                self._storage.replace(place, msgspec.json.encode(turn), stored.tag)
                return None
            except Conflict:
                continue

    def claim(self, key: str, guard: Guard, now: dt.datetime) -> tuple[Held | None, bool]:
        """Creates the guard, or takes it over after its lease. Returns it and whether it is new.

        Returns no guard where another monitor holds it or where it is done.
        """
        tried: list[tuple[Guard, bool]] = []

        def body(held: bytes | None) -> bytes | None:
            found = guard if held is None else _decode(held, self.uri(key))
            if held is not None and (
                found.stage is not StartStage.CLAIMED or found.lease.keeps_out(self._holder, now, LEASE)
            ):
                return None
            tried.append((replace(found, lease=Lease(self._holder, now + LEASE)), held is None))
            return msgspec.json.encode(tried[-1][0])

        tag = take(self._storage, key, body)
        if tag is None:
            return None, False
        mine, is_new = tried[-1]
        return Held(key, tag, mine), is_new

    def settle(self, held: Held, stage: StartStage, now: dt.datetime, reference: str = "", problem: str = "") -> Guard:
        """Records how a start ended. Raises MonitoringError where another monitor took the guard over."""
        guard = replace(held.guard, stage=stage, started=now, reference=reference, problem=problem)
        try:
            self._storage.replace(held.key, msgspec.json.encode(guard), held.tag)
        except Conflict:
            raise MonitoringError(
                f"{self.uri(held.key)} was taken over by another monitor. Check that one run was started for it"
            ) from None
        return guard


def _decode(body: bytes, where: str) -> Guard:
    try:
        guard = msgspec.json.decode(body, type=Guard)
    except msgspec.DecodeError as error:
        raise MonitoringError(f"{where} is not a guard of a start: {error}") from None
    if guard.version > GUARD_VERSION:
        raise MonitoringError(
            f"{where} has version {guard.version}; this program reads up to {GUARD_VERSION}: update it"
        )
    return guard
