"""No body, however malformed, crashes a codec, hangs it, fills memory, or lets out anything but a SerializationError."""

import random
import subprocess
import sys

import pytest

from tests.serialization import hostile


def attempt(tmp_path, count, limit):
    """Fuzz in a process of its own with little memory; the seed, and the body in work, are told where it fails."""
    seed = random.SystemRandom().randrange(2**32)
    progress = tmp_path / "progress"
    print(f"seed {seed}")
    command = [sys.executable, "-m", "tests.serialization.fuzz", "--seed", str(seed), "--count", str(count)]
    try:
        done = subprocess.run(
            [*command, "--progress", str(progress)], capture_output=True, text=True, timeout=limit, check=False
        )
    except subprocess.TimeoutExpired:
        pytest.fail(f"seed {seed}: body {progress.read_text().strip()} was in work when {limit} s were over")
    if done.returncode != 0:
        pytest.fail(
            f"seed {seed}: exit {done.returncode} at body {progress.read_text().strip()}\n{done.stderr[-3000:]}"
        )
    happened = {line.split(maxsplit=1)[1]: int(line.split(maxsplit=1)[0]) for line in done.stdout.splitlines()}
    assert sum(happened.values()) == count
    return happened


@pytest.mark.parametrize("dear", [[], pytest.param(["--dear"], marks=pytest.mark.long)])
def test_the_costliest_bodies_stay_within_the_promise(dear):
    command = [sys.executable, "-m", "tests.serialization.hostile", *dear]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    expected = [name for name in hostile.BODIES if dear or name not in hostile.DEAR]
    assert [line.split(": ")[0] for line in done.stdout.splitlines()] == expected
    assert {line.split(": ")[1] for line in done.stdout.splitlines()} == {"decoded", "DecodeError"}


def test_malformed_bodies_end_in_an_error_of_ours(tmp_path):
    happened = attempt(tmp_path, count=8_000, limit=300)
    assert happened["DecodeError"] > happened["decoded"] > 0


@pytest.mark.long
def test_two_hundred_thousand_malformed_bodies_end_in_an_error_of_ours(tmp_path):
    happened = attempt(tmp_path, count=200_000, limit=3_000)
    assert happened["DecodeError"] > happened["decoded"] > 0
