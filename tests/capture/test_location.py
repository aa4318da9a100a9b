"""Where the spool lives when nobody says so: one place for an endpoint, on tmpfs only where that is affordable."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from capture import CaptureConfig
from capture.journal import location
from capture.journal.container_memory import container_memory
from capture.journal.location import DEFAULT_LIMIT, choose_spool, tmpfs_allowance

MIB = 1 << 20


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """A machine whose temporary directory is a disk."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return monkeypatch


def shared_memory(machine: pytest.MonkeyPatch, size: int, memory: int, tmpfs: bool = True) -> None:
    machine.setattr(location, "_size", lambda directory: size)
    disk = tempfile.gettempdir()
    machine.setattr(
        location,
        "_is_tmpfs",
        lambda directory: tmpfs and directory.is_relative_to("/dev/shm") and not directory.is_relative_to(disk),
    )
    machine.setattr(location, "container_memory", lambda: memory)


def test_what_is_set_is_taken() -> None:
    place = choose_spool(Path("/var/spool/capture"), 100 * MIB, "any")
    assert (place.directory, place.max_bytes) == (Path("/var/spool/capture"), 100 * MIB)


def test_a_large_tmpfs_is_taken_with_a_tenth_of_the_containers_memory(machine: pytest.MonkeyPatch) -> None:
    shared_memory(machine, size=8192 * MIB, memory=4000 * MIB)
    place = choose_spool(None, None, "any")
    assert place.directory.parent == Path("/dev/shm")
    assert place.max_bytes == 400 * MIB


def test_a_tmpfs_never_takes_more_than_the_default_limit(machine: pytest.MonkeyPatch) -> None:
    shared_memory(machine, size=1 << 40, memory=1 << 40)
    assert choose_spool(None, None, "any").max_bytes == DEFAULT_LIMIT


@pytest.mark.parametrize(
    ("size", "memory"),
    [(64 * MIB, 4000 * MIB), (8192 * MIB, 512 * MIB)],
    ids=["dockers 64 MiB of shared memory", "a small container"],
)
def test_a_small_tmpfs_or_container_spools_to_the_temporary_directory(
    machine: pytest.MonkeyPatch, tmp_path: Path, size: int, memory: int
) -> None:
    shared_memory(machine, size, memory)
    place = choose_spool(None, None, "any")
    assert place.directory.parent == tmp_path
    assert place.max_bytes == DEFAULT_LIMIT


def test_a_machine_without_tmpfs_spools_to_the_temporary_directory(machine: pytest.MonkeyPatch, tmp_path: Path) -> None:
    shared_memory(machine, size=8192 * MIB, memory=4000 * MIB, tmpfs=False)
    assert choose_spool(None, None, "any").directory.parent == tmp_path


def test_a_tmpfs_in_which_the_user_may_not_write_is_left_alone(machine: pytest.MonkeyPatch, tmp_path: Path) -> None:
    shared_memory(machine, size=8192 * MIB, memory=4000 * MIB)
    machine.setattr(os, "access", lambda path, mode: path != Path("/dev/shm"))
    place = choose_spool(None, None, "any")
    assert (place.directory.parent, place.max_bytes) == (tmp_path, DEFAULT_LIMIT)


def test_a_directory_of_ones_own_on_tmpfs_has_the_tmpfs_limit(machine: pytest.MonkeyPatch) -> None:
    shared_memory(machine, size=8192 * MIB, memory=4000 * MIB)
    assert choose_spool(Path("/dev/shm/mine"), None, "any").max_bytes == 400 * MIB


def test_no_spool_is_smaller_than_eight_segments(machine: pytest.MonkeyPatch) -> None:
    shared_memory(machine, size=16 * MIB, memory=64 * MIB)
    assert choose_spool(Path("/dev/shm/mine"), None, "any").max_bytes == 32 * MIB


def test_all_workers_of_an_endpoint_and_only_they_meet_in_one_directory(machine: pytest.MonkeyPatch) -> None:
    shared_memory(machine, size=8192 * MIB, memory=4000 * MIB)
    one = CaptureConfig(destination="file:///tmp/a", endpoint_name="flights")
    assert one.spool() == CaptureConfig(destination="file:///tmp/a", endpoint_name="flights", max_bytes=1).spool()
    others = [
        CaptureConfig(destination="file:///tmp/b", endpoint_name="flights"),
        CaptureConfig(destination="file:///tmp/a", endpoint_name="trains"),
        CaptureConfig(destination="file:///tmp/a", endpoint_name="flights", variant_name="canary"),
    ]
    assert len({config.spool().directory for config in [one, *others]}) == 4
    assert str(os.getuid()) in one.spool().directory.name


def test_the_allowance_is_never_more_than_half_of_the_file_system(machine: pytest.MonkeyPatch) -> None:
    shared_memory(machine, size=100 * MIB, memory=1 << 40)
    assert tmpfs_allowance(Path("/dev/shm")) == 50 * MIB


MACHINE = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


@pytest.mark.parametrize("text", ["max\n", "", "garbage"])
def test_a_container_without_a_limit_has_the_machines_memory(tmp_path: Path, text: str) -> None:
    (tmp_path / "memory.max").write_text(text)
    assert container_memory(tmp_path, tmp_path / "absent") == MACHINE


def test_a_containers_limit_is_its_memory(tmp_path: Path) -> None:
    (tmp_path / "memory.max").write_text(f"{64 * MIB}\n")
    assert container_memory(tmp_path, tmp_path / "absent") == 64 * MIB


def test_the_lowest_limit_between_the_own_group_and_the_root_counts(tmp_path: Path) -> None:
    """Without a namespace of its own for control groups a container sees the host's root."""
    (tmp_path / "own").write_text("0::/pods/a\n5:memory,pids:/pods/b\n")
    (tmp_path / "pods" / "a").mkdir(parents=True)
    (tmp_path / "memory.max").write_text("max")
    (tmp_path / "pods" / "memory.max").write_text(f"{128 * MIB}")
    (tmp_path / "pods" / "a" / "memory.max").write_text(f"{64 * MIB}")
    assert container_memory(tmp_path, tmp_path / "own") == 64 * MIB
    (tmp_path / "memory,pids" / "pods" / "b").mkdir(parents=True)
    (tmp_path / "memory,pids" / "pods" / "b" / "memory.limit_in_bytes").write_text(f"{32 * MIB}")
    assert container_memory(tmp_path, tmp_path / "own") == 32 * MIB


def test_version_one_groups_without_a_limit_name_a_huge_number(tmp_path: Path) -> None:
    (tmp_path / "memory").mkdir()
    (tmp_path / "memory" / "memory.limit_in_bytes").write_text("9223372036854771712")
    assert container_memory(tmp_path, tmp_path / "absent") == MACHINE


def test_a_machine_without_a_temporary_directory_raises_nothing(machine: pytest.MonkeyPatch) -> None:
    """A read-only root, no /tmp, and little shared memory."""

    def none() -> str:
        raise FileNotFoundError("no usable temporary directory")

    machine.setattr(tempfile, "gettempdir", none)
    machine.setattr(location, "_size", lambda directory: 64 * MIB)
    place = choose_spool(None, None, "x")
    assert place.directory.parent == Path("/dev/shm")
    assert place.max_bytes >= 32 * MIB


@pytest.mark.skipif(not os.path.ismount("/dev/shm"), reason="this machine mounts nothing at /dev/shm")
def test_the_machines_own_shared_memory_is_known_as_tmpfs() -> None:
    assert location._is_tmpfs(Path("/dev/shm/not/there/yet"))
    assert not location._is_tmpfs(Path("/proc/self"))
