"""Sampling: the right share, the same choice everywhere for the same id, and every choice counted."""

from __future__ import annotations

import math
import subprocess
import sys
from hashlib import blake2b
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capture import CaptureBuffer, new_event_id
from tests.capture.spools import buffer, counts, events, row, settings

ROOT = Path(__file__).parents[2]
IDS = [f"request-{number}" for number in range(4000)]


def kept(home: Path, percentage: float, **ids: list[str]) -> list[int]:
    """The positions of the ids that a new buffer keeps."""
    (name, values), *_ = ids.items()
    with buffer(home, sampling_percentage=percentage) as opened:
        for position, value in enumerate(values):
            assert opened.append({"position": position}, 0.5, **{name: value})  # type: ignore[arg-type]
    return [int(row(event.items)["position"]) for event in events(home / "spool")]


@pytest.mark.parametrize("percentage", [0.5, 10.0, 33.3, 50.0, 99.0])
@pytest.mark.parametrize("name", ["inference_id", "event_id"])
def test_the_share_is_right_within_statistics(tmp_path: Path, percentage: float, name: str) -> None:
    ids = IDS if name == "inference_id" else [new_event_id() for _ in IDS]
    found = len(kept(tmp_path, percentage, **{name: ids}))
    share = percentage / 100
    assert abs(found - share * len(IDS)) <= 6 * math.sqrt(len(IDS) * share * (1 - share)) + 1
    counted = counts(tmp_path / "spool")
    assert (counted["appended"], counted["kept"], counted["sampled_out"]) == (len(IDS), found, len(IDS) - found)


def test_a_hundred_percent_keeps_all_and_zero_none(tmp_path: Path) -> None:
    assert len(kept(tmp_path / "all", 100.0, inference_id=IDS[:200])) == 200
    assert kept(tmp_path / "none", 0.0, inference_id=IDS[:200]) == []


def test_every_buffer_and_every_process_chooses_alike(tmp_path: Path) -> None:
    here = kept(tmp_path / "here", 30.0, inference_id=IDS[:300])
    code = (
        "from pathlib import Path\nfrom tests.capture.test_sampling import IDS, kept\n"
        f"print(*kept(Path({str(tmp_path / 'there')!r}), 30.0, inference_id=IDS[:300]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "7"},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert [int(position) for position in done.stdout.split()] == here


def test_what_a_small_share_keeps_a_larger_one_keeps_too(tmp_path: Path) -> None:
    shares = [set(kept(tmp_path / str(share), share, inference_id=IDS[:500])) for share in (5.0, 20.0, 80.0)]
    assert shares[0] < shares[1] < shares[2]


def test_the_choice_is_the_documented_one(tmp_path: Path) -> None:
    wanted = [
        position
        for position, name in enumerate(IDS[:500])
        if int.from_bytes(blake2b(name.encode()).digest()[:8], "big") < 0.25 * 2**64
    ]
    assert kept(tmp_path, 25.0, inference_id=IDS[:500]) == wanted


def test_the_inference_id_decides_where_there_is_one(tmp_path: Path) -> None:
    with buffer(tmp_path, sampling_percentage=50.0) as opened:
        for name in IDS[:50]:
            for _ in range(4):
                opened.append({"name": name}, 0.5, inference_id=name, event_id=new_event_id())
    found = [row(event.items)["name"] for event in events(tmp_path / "spool")]
    assert 0 < len(set(found)) < 50
    assert all(found.count(name) == 4 for name in found)


def test_an_empty_inference_id_is_none(tmp_path: Path) -> None:
    ids = [new_event_id() for _ in range(200)]
    by_event = kept(tmp_path / "event", 50.0, event_id=ids)
    with buffer(tmp_path / "empty", sampling_percentage=50.0) as opened:
        for position, event_id in enumerate(ids):
            opened.append({"position": position}, 0.5, inference_id="", event_id=event_id)
    assert [row(event.items)["position"] for event in events(tmp_path / "empty" / "spool")] == by_event


def test_prepare_chooses_as_append_does_and_is_counted_once(tmp_path: Path) -> None:
    with buffer(tmp_path / "prepared", sampling_percentage=30.0) as opened:
        chosen = []
        for position, name in enumerate(IDS[:300]):
            prepared = opened.prepare({"position": position}, event_id=new_event_id(), inference_id=name)
            assert opened.append(prepared, 0.5)
            if prepared.kept:
                chosen.append(position)
    assert chosen == kept(tmp_path / "direct", 30.0, inference_id=IDS[:300])
    counted = counts(tmp_path / "prepared" / "spool")
    assert (counted["appended"], counted["kept"]) == (300, len(chosen))


def test_what_is_sampled_out_is_never_encoded(tmp_path: Path) -> None:
    class Untouchable:
        def __getattribute__(self, name: str) -> object:
            raise AssertionError(f"{name} was asked for")

    with buffer(tmp_path, sampling_percentage=0.0) as opened:
        assert opened.append(Untouchable(), Untouchable())
        assert not opened.prepare(Untouchable(), event_id=new_event_id()).kept
    assert counts(tmp_path / "spool")["sampled_out"] == 1


def test_the_percentage_stands_in_the_header_of_every_segment(tmp_path: Path) -> None:
    assert settings(tmp_path, sampling_percentage=12.5).header().sampling_percentage == 12.5


@given(st.text())
def test_any_id_can_be_sampled_by(text: str) -> None:
    opened = CaptureBuffer.__new__(CaptureBuffer)
    opened._threshold = 2**63
    assert opened._chosen(text, "event") in (True, False)
    assert opened._chosen(text + "\ud800", "event") in (True, False)
