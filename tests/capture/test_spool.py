"""The spool's few moves: who may lock, what is claimed, what is dropped at the limit, and what never is."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from capture import CaptureBuffer, CaptureConfig, SpoolError
from capture.journal.counters import ProcessCounters
from capture.journal.segment import OPEN, PREPARED, SegmentReader, SegmentWriter, header_bytes
from capture.journal.spool import Spool
from capture.writing.block_encoder import BlockEncoder
from capture.writing.column_names import Shapes
from tests.capture.spools import header

ROOT = Path(__file__).parents[2]
SEGMENT = 16 << 10
PROCESS = "0123456789abcdef01234567"
HEADER = header_bytes(header())
NOW = 1_767_268_800_000_000


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    """Room for five segments."""
    made = Spool(tmp_path / "spool", 6 * SEGMENT, SEGMENT)
    made.prepare()
    assert made.max_segments == 5
    return made


@pytest.fixture
def counters(spool: Spool) -> ProcessCounters:
    return ProcessCounters.create(spool.path("writers") / PROCESS, HEADER, NOW)


class Claims:
    """A process that claims one segment after another, a millisecond apart."""

    def __init__(self, spool: Spool, counters: ProcessCounters) -> None:
        self._spool = spool
        self._account = counters
        self._now = NOW
        self._records = 0
        self._writers: dict[str, SegmentWriter] = {}

    def claim(self, wait: bool = True) -> str | None:
        """The id of the segment that was claimed."""
        self._now += 1000
        claimed = self._spool.claim(PROCESS, HEADER, self._now, self._account, wait)
        if claimed is None:
            return None
        identity = claimed[0]
        self._writers[identity] = SegmentWriter(*claimed)
        return identity

    def open(self, records: int = 1) -> str:
        """Claims, opens and writes."""
        identity = self.claim()
        assert identity is not None
        writer, drafter = self._writers[identity], BlockEncoder(Shapes())
        writer.open(PROCESS + "00000000", self._records + 1, self._now)
        for _ in range(records):
            items = drafter.features({"seats": self._records})
            assert writer.write((bytes(16), 1, None, None, None, None, None), None, items, drafter.predictions(0.5, 1))
            self._records += 1
        return identity

    def sealed(self, records: int = 1) -> str:
        identity = self.open(records)
        self._writers[identity].seal()
        return identity

    def there(self) -> list[str]:
        return [path.stem for path in self._spool.segments()]

    def reader(self, identity: str) -> SegmentReader:
        return SegmentReader(self._spool.path("segments") / f"{identity}.seg")


@pytest.fixture
def claims(spool: Spool, counters: ProcessCounters) -> Claims:
    return Claims(spool, counters)


def notes(spool: Spool) -> list[str]:
    return sorted(path.name for path in spool.path("lost").iterdir())


def test_a_spool_is_its_owners_alone(tmp_path: Path) -> None:
    Spool(tmp_path / "a" / "spool", 1 << 20).prepare()
    assert stat.S_IMODE((tmp_path / "a" / "spool").stat().st_mode) == 0o700
    assert {path.name for path in (tmp_path / "a" / "spool").iterdir()} == {
        "batches", "free", "lost", "segments", "quarantine", "writers",
    }  # fmt: skip
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "a" / "spool").iterdir()} == {0o700}


def test_a_directory_that_others_could_read_is_closed_to_them(tmp_path: Path) -> None:
    (tmp_path / "spool").mkdir(mode=0o777)
    (tmp_path / "spool").chmod(0o777)
    Spool(tmp_path / "spool", 1 << 20).prepare()
    assert stat.S_IMODE((tmp_path / "spool").stat().st_mode) == 0o700


def test_every_file_of_a_spool_is_its_owners_alone(spool: Spool, claims: Claims) -> None:
    old = os.umask(0)
    try:
        claims.open()
        assert spool.shipper_lock() is not None
    finally:
        os.umask(old)
    files = [path for path in spool.directory.rglob("*") if path.is_file()]
    assert len(files) == 4
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_a_directory_of_somebody_else_is_refused_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "spool").mkdir()
    os.chown(tmp_path / "spool", 65_534, 65_534)
    with pytest.raises(SpoolError, match="belongs to somebody else: set CAPTURE_SPOOL_DIR"):
        Spool(tmp_path / "spool", 1 << 20).prepare()


@pytest.mark.parametrize("make", [lambda path: path.write_text(""), lambda path: path.symlink_to("/tmp")])
def test_what_is_no_directory_of_ours_is_refused(tmp_path: Path, make: Any) -> None:
    make(tmp_path / "spool")
    with pytest.raises(SpoolError, match=str(tmp_path / "spool")):
        Spool(tmp_path / "spool", 1 << 20).prepare()


def test_one_at_a_time_holds_the_spools_lock(spool: Spool) -> None:
    with spool.locked() as held, spool.locked(wait=False) as other:
        assert (held, other) == (True, False)
    with spool.locked(wait=False) as again:
        assert again


def test_one_process_is_the_shipper(spool: Spool) -> None:
    assert not spool.has_shipper()
    lock = spool.shipper_lock()
    assert lock is not None
    assert spool.has_shipper()
    assert spool.shipper_lock() is None
    os.close(lock)
    assert not spool.has_shipper()
    assert not Spool(spool.directory.parent / "absent", 1 << 20).has_shipper()


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_child_forked_while_the_lock_was_held_does_not_keep_it(spool: Spool) -> None:
    ours, theirs = os.pipe()
    with spool.locked():
        child = os.fork()
        if not child:
            os.close(theirs)
            os.read(ours, 1)
            os._exit(0)
    try:
        with spool.locked(wait=False) as held:
            assert held, "the child keeps the spool locked"
    finally:
        os.close(theirs)
        os.close(ours)
        os.waitpid(child, 0)


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_child_forked_while_somebody_asked_for_the_shipper_is_no_shipper(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = os.pipe()
    children = []
    spool.path("shipper.lock").touch()
    take = Spool.shipper_lock

    def fork_while_held(self: Spool) -> int | None:
        descriptor = take(self)
        child = os.fork()
        if not child:
            os.close(theirs)
            os.read(ours, 1)
            os._exit(0)
        children.append(child)
        return descriptor

    with monkeypatch.context() as patch:
        patch.setattr(Spool, "shipper_lock", fork_while_held)
        assert not spool.has_shipper()
    try:
        lock = spool.shipper_lock()
        assert lock is not None, "the child keeps the shipper's lock"
        os.close(lock)
    finally:
        os.close(theirs)
        os.close(ours)
        for child in children:
            os.waitpid(child, 0)


def test_a_spool_that_was_removed_is_made_anew(spool: Spool) -> None:
    subprocess.run(["rm", "-r", str(spool.directory)], check=True)
    with spool.locked() as held:
        assert held
    assert spool.path("segments").is_dir()


@pytest.mark.parametrize("name", ["segments", "free"])
def test_a_directory_that_somebody_removed_is_there_again_for_the_next_claim(
    spool: Spool, claims: Claims, name: str
) -> None:
    assert claims.claim() is not None
    shutil.rmtree(spool.path(name))
    with contextlib.suppress(FileNotFoundError):
        claims.claim()
    assert claims.claim() is not None


def test_a_spool_that_is_removed_while_it_is_prepared_is_prepared_all_the_same(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look and the making of what is missing, a shipper that has finished removes it: three times."""
    look, rounds = os.listdir, iter(range(3))

    def look_and_remove(path: Path) -> list[str]:
        found = look(path)
        if next(rounds, None) is not None:
            shutil.rmtree(spool.directory)
        return found

    shutil.rmtree(spool.path("lost"))
    monkeypatch.setattr(os, "listdir", look_and_remove)
    spool.prepare()
    assert {path.name for path in spool.directory.iterdir()} >= {"segments", "writers", "lost"}


def test_a_spool_of_which_only_the_lock_is_left_is_entered(spool: Spool) -> None:
    with spool.locked():
        pass
    for path in list(spool.directory.iterdir()):
        if path.is_dir():
            path.rmdir()
    buffer = CaptureBuffer(CaptureConfig(destination="file:///unused", spool_dir=spool.directory), start_shipper=False)
    try:
        assert buffer.append({"seats": 1}, 0.5)
    finally:
        buffer.close(timeout=0)


def test_a_spool_of_which_a_directory_is_gone_is_removed_when_it_is_done(spool: Spool) -> None:
    with spool.locked():
        pass
    spool.path("lost").rmdir()
    assert spool.remove_if_done()
    assert not spool.directory.exists()


@pytest.mark.parametrize("move", ["recycle", "quarantine_file"])
def test_a_file_that_has_nowhere_to_go_is_not_taken_for_gone(spool: Spool, claims: Claims, move: str) -> None:
    identity = claims.sealed()
    path = spool.path("segments") / f"{identity}.seg"
    spool.path("free").rmdir()
    spool.path("quarantine").rmdir()

    def moved() -> None:
        if move == "recycle":
            with spool.locked():
                spool.recycle(identity)
        else:
            spool.quarantine_file(path)

    with pytest.raises(FileNotFoundError):
        moved()
    assert path.exists()
    moved()
    assert not path.exists()
    moved()


def test_a_link_among_the_free_files_is_none(spool: Spool, claims: Claims, tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes(bytes(SEGMENT))
    (spool.path("free") / "link.seg").symlink_to(tmp_path / "other")
    assert claims.claim() is not None
    assert (tmp_path / "other").read_bytes() == bytes(SEGMENT)


def test_a_claim_is_a_prepared_segment_of_the_process(claims: Claims) -> None:
    identity = claims.claim()
    assert identity is not None
    reader = claims.reader(identity)
    assert (reader.state, reader.writer[:24], reader.header_text) == (PREPARED, PROCESS, HEADER)
    assert (reader.size, reader.committed, reader.taken) == (SEGMENT, (0, 0), (0, 0))


def test_segments_are_listed_in_the_order_of_their_claims(claims: Claims) -> None:
    assert [claims.claim() for _ in range(4)] == claims.there()


def test_a_request_takes_only_what_lies_free(spool: Spool, claims: Claims) -> None:
    assert claims.claim(wait=False) is None
    identity = claims.sealed()
    with spool.locked():
        spool.recycle(identity)
    assert claims.claim(wait=False) is not None
    assert claims.claim(wait=False) is None


def test_a_request_does_not_wait_for_the_lock(spool: Spool, claims: Claims) -> None:
    with spool.locked():
        assert claims.claim(wait=False) is None


def test_a_file_is_used_again_before_another_is_made(spool: Spool, claims: Claims) -> None:
    identity = claims.sealed()
    inode = (spool.path("segments") / f"{identity}.seg").stat().st_ino
    with spool.locked():
        spool.recycle(identity)
    again = claims.claim()
    assert again not in (None, identity)
    assert (spool.path("segments") / f"{again}.seg").stat().st_ino == inode
    assert claims.reader(str(again)).committed == (0, 0)


def test_a_free_file_of_another_size_is_removed(spool: Spool, claims: Claims) -> None:
    (spool.path("free") / "old.seg").write_bytes(bytes(SEGMENT // 2))
    assert claims.claim() is not None
    assert list(spool.path("free").iterdir()) == []


def test_open_and_prepared_segments_count_and_are_never_dropped(spool: Spool, claims: Claims) -> None:
    kept = [claims.open(), claims.open(), *[str(claims.claim()) for _ in range(3)]]
    assert claims.claim() is None
    assert claims.there() == kept
    assert [claims.reader(identity).state for identity in kept] == [OPEN] * 2 + [PREPARED] * 3
    assert notes(spool) == []


def test_at_the_limit_the_oldest_sealed_segment_goes_and_is_counted(
    spool: Spool, claims: Claims, counters: ProcessCounters
) -> None:
    first_open = claims.open(2)
    oldest = claims.sealed(3)
    length = claims.reader(oldest).committed[1]
    opened = claims.reader(oldest).opened_at
    others = [claims.sealed(1), claims.sealed(1), claims.open(1)]
    new = claims.claim()
    assert claims.there() == [first_open, *others, new]
    assert notes(spool) == [f"{PROCESS}00000000.3.5.{opened}"]
    assert counters.drops == (1, length)
    for _ in range(2):
        assert claims.claim() is not None
    assert claims.claim() is None
    assert claims.there()[:2] == [first_open, others[2]]
    assert counters.drops[0] == 3


def test_what_the_shipper_has_taken_is_not_counted_as_lost(
    spool: Spool, claims: Claims, counters: ProcessCounters
) -> None:
    half, whole = claims.sealed(4), claims.sealed(2)
    reader = claims.reader(half)
    frames, opened = list(reader.frames(0, reader.committed[1])), reader.opened_at
    reader.set_taken(3, frames[2][1])
    claims.reader(whole).set_taken(*claims.reader(whole).committed)
    for _ in range(3):
        claims.open()
    for _ in range(2):
        assert claims.claim() is not None
    assert notes(spool) == [f"{PROCESS}00000000.4.4.{opened}"]
    assert counters.drops == (1, frames[3][1] - frames[2][1])


def test_what_a_batch_in_flight_names_is_never_dropped(spool: Spool, claims: Claims) -> None:
    pinned, other = claims.sealed(), claims.sealed()
    manifest = {"batch": "b", "parts": [{"segment": pinned, "start": 0}]}
    (spool.path("batches") / "b.json").write_text(json.dumps(manifest))
    (spool.path("batches") / "broken.json").write_text("{")
    (spool.path("batches") / "foreign.json").write_text('{"parts": 3}')
    kept = [claims.open() for _ in range(3)]
    assert spool.pinned() == {pinned}
    new = claims.claim()
    assert claims.there() == [pinned, *kept, new]
    assert other not in claims.there()
    assert claims.claim() is None
    (spool.path("batches") / "b.json").unlink()
    assert claims.claim() is not None
    assert pinned not in claims.there()


def test_a_segment_that_cannot_be_read_is_left_for_the_shipper(spool: Spool, claims: Claims) -> None:
    damaged, sealed = claims.sealed(), claims.sealed()
    with (spool.path("segments") / f"{damaged}.seg").open("r+b") as file:
        file.write(b"garbage!")
    for _ in range(3):
        claims.open()
    assert claims.claim() is not None
    assert damaged in claims.there()
    assert sealed not in claims.there()


def test_a_full_disk_gives_no_segment_and_leaves_nothing_half_made(
    spool: Spool, claims: Claims, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "posix_fallocate", full)
        assert claims.claim() is None
        assert list(spool.path("free").iterdir()) == []
        assert claims.there() == []
    sealed = claims.sealed()
    with monkeypatch.context() as patch:
        patch.setattr(os, "posix_fallocate", full)
        assert claims.claim() is None, "nothing that was accepted gives way below the limit"
    assert claims.there() == [sealed]


def test_the_files_never_take_more_than_the_limit(spool: Spool, claims: Claims) -> None:
    for number in range(30):
        claims.sealed() if number % 3 else claims.claim()
        files = [path for path in spool.directory.rglob("*.seg") if path.is_file()]
        assert sum(path.stat().st_size for path in files) <= spool.max_segments * SEGMENT
        if number % 3 == 0:
            identity = claims.there()[-1]
            with spool.locked():
                spool.recycle(identity)


def test_only_so_many_files_lie_free(spool: Spool, claims: Claims) -> None:
    identities = [claims.sealed() for _ in range(4)]
    with spool.locked():
        for identity in [*identities, identities[0], "f" * 32]:
            spool.recycle(identity, max_free=2)
    assert len(list(spool.path("free").iterdir())) == 2
    assert claims.there() == []


def test_a_spool_is_removed_only_when_nothing_waits_and_nobody_writes(
    spool: Spool, claims: Claims, counters: ProcessCounters
) -> None:
    identity = claims.sealed()
    assert not spool.remove_if_done()
    with spool.locked():
        spool.recycle(identity)
    assert not spool.remove_if_done()
    counters.path.unlink()
    (spool.path("quarantine") / "something").write_text("for a person")
    assert not spool.remove_if_done()
    (spool.path("quarantine") / "something").unlink()
    assert spool.remove_if_done()
    assert not spool.directory.exists()


def test_a_lock_of_a_spool_that_was_removed_meanwhile_is_not_taken_for_the_new_ones(spool: Spool) -> None:
    with spool.locked():
        held = os.open(spool.path("lock"), os.O_RDWR)
        spool.path("lock").unlink()
        with spool.locked(wait=False) as other:
            assert other, "the name is free for a new lock"
    os.close(held)


def test_another_process_waits_for_the_lock_and_gets_it(spool: Spool) -> None:
    code = (
        "import sys\nfrom pathlib import Path\nfrom capture.journal.spool import Spool\n"
        "spool = Spool(Path(sys.argv[1]), 1 << 20)\nprint('asking', flush=True)\n"
        "with spool.locked() as held:\n    print(held, flush=True)\n"
    )
    with spool.locked():
        child = subprocess.Popen(
            [sys.executable, "-c", code, str(spool.directory)],
            env={"PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert child.stdout is not None
        assert child.stdout.readline() == "asking\n"
        descriptor = os.open(spool.path("lock"), os.O_RDWR)
        with pytest.raises(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(descriptor)
    out, _ = child.communicate(timeout=30)
    assert (out, child.returncode) == ("True\n", 0)


def test_the_pages_of_a_claim_are_there_before_it_is_used(spool: Spool, counters: ProcessCounters) -> None:
    claimed = spool.claim(PROCESS, HEADER, NOW, counters)
    assert claimed is not None
    (path,) = spool.segments()
    assert (claimed[0], len(claimed[1])) == (path.stem, SEGMENT)
    assert path.stat().st_blocks * 512 >= SEGMENT


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077, 0o577])
def test_every_directory_and_file_is_for_its_owner_alone_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    old = os.umask(umask)
    try:
        spool = Spool(tmp_path / "above" / "it" / "spool", 6 * SEGMENT, SEGMENT)
        spool.prepare()
        spool.quarantine("writer.1.frame", b"features")
    finally:
        os.umask(old)
    made = [tmp_path / "above", *(tmp_path / "above").rglob("*")]
    assert {stat.S_IMODE(path.stat().st_mode) for path in made if path.is_dir()} == {0o700}
    assert {stat.S_IMODE(path.stat().st_mode) for path in made if path.is_file()} == {0o600}


def test_what_is_set_aside_does_not_follow_a_link(spool: Spool, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_bytes(b"mine")
    (spool.path("quarantine") / "writer.1.frame").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic links"):
        spool.quarantine("writer.1.frame", b"features")
    assert (tmp_path / "elsewhere").read_bytes() == b"mine"
