"""CPUs and memory as the container's control groups say, both versions of them."""

from __future__ import annotations

import os
from pathlib import Path

from capture import CaptureConfig
from container.shared.artefact import Artefact
from container.shared.resources import MEBIBYTE, JavaBudget, Resources
from container.shared.run_directory import RunDirectory
from container.shared.settings import Settings
from container.supervisor.model_server import ModelServer
from container.supervisor.plan import ServingPlan


def groups(root: Path, **files: str) -> Path:
    """Control groups whose files are given as `memory__limit_in_bytes` in directories `a/b`."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def read(root: Path, own: str) -> Resources:
    (root / "own").write_text(own)
    return Resources.read(root, root / "own")


def test_version_2_inside_a_container(tmp_path: Path):
    groups(tmp_path, **{"cpu.max": "150000 100000\n", "memory.max": f"{512 * MEBIBYTE}\n"})
    limits = read(tmp_path, "0::/\n")
    assert limits == Resources(1.5, 512 * MEBIBYTE)
    assert limits.workers == 1


def test_version_2_takes_the_lowest_limit_on_the_way_up(tmp_path: Path):
    groups(
        tmp_path,
        **{
            "a/memory.max": f"{256 * MEBIBYTE}",
            "a/b/memory.max": "max",
            "a/cpu.max": "max 100000",
            "a/b/cpu.max": "50000 100000",
        },
    )
    assert read(tmp_path, "0::/a/b\n") == Resources(0.5, 256 * MEBIBYTE)


def test_version_1(tmp_path: Path):
    groups(
        tmp_path,
        **{
            "memory/memory.limit_in_bytes": f"{1024 * MEBIBYTE}",
            "cpu,cpuacct/cpu.cfs_quota_us": "100000",
            "cpu,cpuacct/cpu.cfs_period_us": "100000",
        },
    )
    assert read(tmp_path, "4:memory:/docker/x\n1:cpu,cpuacct:/docker/x\n") == Resources(1.0, 1024 * MEBIBYTE)


def test_without_limits_it_is_the_machine(tmp_path: Path):
    groups(
        tmp_path, **{"cpu.max": "max 100000", "memory.max": "max", "memory/memory.limit_in_bytes": str(2**63 - 4096)}
    )
    limits = read(tmp_path, "0::/\n")
    assert limits.cpus == len(os.sched_getaffinity(0))
    assert limits.memory == os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def test_unreadable_groups_limit_nothing(tmp_path: Path):
    assert Resources.read(tmp_path / "absent", tmp_path / "absent").cpus == len(os.sched_getaffinity(0))


def test_a_fraction_of_a_cpu_is_one_worker():
    assert Resources(0.25, MEBIBYTE).workers == 1
    assert Resources(3.9, MEBIBYTE).workers == 3


def test_the_heap_is_a_share_of_the_container_s_memory_and_large_bodies_fit_it():
    small, large = (JavaBudget.of(Resources(2, size * MEBIBYTE), 6 * MEBIBYTE) for size in (2048, 65536))
    assert (small.heap, large.heap) == (256 * MEBIBYTE, 2048 * MEBIBYTE)
    assert (small.large, large.large) == (16, 50)
    for budget in (small, large):
        assert budget.large * 2 * 6 * MEBIBYTE <= budget.heap


def test_large_payloads_get_a_larger_heap_but_never_more_than_half_the_memory():
    budget = JavaBudget.of(Resources(2, 8192 * MEBIBYTE), 100 * MEBIBYTE)
    assert budget.heap == 1024 * MEBIBYTE
    assert JavaBudget.of(Resources(2, 1024 * MEBIBYTE), 1024 * MEBIBYTE).heap == 512 * MEBIBYTE


def plan(cpus: float, **env: str) -> ServingPlan:
    settings = Settings.from_env(env)
    return ServingPlan(
        settings, Artefact(settings.model_dir), CaptureConfig(), Resources(cpus, 2048 * MEBIBYTE), "127.0.0.1"
    )


def test_there_is_a_worker_for_each_cpu_of_the_container_unless_it_is_set_and_one_for_each_of_many_models():
    assert plan(3.9).workers == 3
    assert plan(3.9, SAGEMAKER_MODEL_SERVER_WORKERS="7").workers == 7
    assert plan(3.9, SAGEMAKER_MULTI_MODEL="true").workers == 1


def test_java_is_told_its_heap_and_its_queue(tmp_path: Path):
    server = ModelServer(RunDirectory(tmp_path), JavaBudget(123 * MEBIBYTE, 17), 1000, (), 60.0)
    server.prepare()
    assert f"-Xmx{123 * MEBIBYTE}" in server.command("/nowhere/bin/java", tmp_path)
    assert "job_queue_size=100" in (tmp_path / "mms.properties").read_text().splitlines()
