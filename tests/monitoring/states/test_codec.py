"""States survive their bytes; what is not a state is refused with one line."""

from __future__ import annotations

import io

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings

from monitoring.errors import MonitoringError
from monitoring.states import array_file, codec
from monitoring.states.kernel import Kernel
from monitoring.states.layout import FileFacts, captured_layout
from monitoring.states.plan import CountingPlan
from monitoring.states.profile import Profile
from tests.monitoring.states.oracle import Row
from tests.monitoring.states.test_kernel import assert_equal
from tests.monitoring.states.worlds import BINNING, batch_of, rows


def profile_of(found: list[Row]) -> Profile:
    facts = FileFacts(frozenset({"wind"}), frozenset({"real"}), frozenset({"word"}), frozenset(), {"feature_x": "x"})
    kernel = Kernel(CountingPlan("bins", BINNING, captured_layout()), facts, "file")
    batch = batch_of(found).append_column("capture_age_weather", pa.array([float(row.item) for row in found]))
    kernel.add(batch)
    return kernel.profile()


@settings(max_examples=40)
@given(rows())
def test_a_profile_survives_its_bytes(found: list[Row]) -> None:
    profile = profile_of(found)
    read = codec.decode_profile(codec.encode_profile(profile))
    assert read.slices.keys() == profile.slices.keys()
    for name in ("baseline_id", "predictions", "hashed", "json", "renamed", "unreadable", "notes"):
        assert getattr(read, name) == getattr(profile, name)
    assert_equal(read.total(), profile.total())
    for key, state in profile.slices.items():
        assert {name: store.ages.tolist() for name, store in state.stores.items()} == {
            name: store.ages.tolist() for name, store in read.slices[key].stores.items()
        }
    assert codec.encode_profile(read) == codec.encode_profile(profile)


def test_bins_survive_their_bytes() -> None:
    read = codec.decode_binning(codec.encode_binning(BINNING))
    assert list(read) == list(BINNING)
    for name, binning in BINNING.items():
        assert np.array_equal(read[name].edges, binning.edges)
        assert np.array_equal(read[name].coarse_of_fine, binning.coarse_of_fine)
        assert (read[name].domain, read[name].kind, read[name].request_level) == (
            binning.domain,
            binning.kind,
            binning.request_level,
        )
        assert read[name].minimum == binning.minimum or np.isnan(binning.minimum)


def test_damaged_bytes_other_files_and_newer_versions_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    data = codec.encode_profile(Profile("bins"))
    for damaged in (b"", b"PAR1", data[: len(data) // 2], b"\x00" * 64):
        with pytest.raises(MonitoringError, match="cannot be read"):
            codec.decode_profile(damaged)
    with pytest.raises(MonitoringError, match="not a binning file: it holds profile"):
        codec.decode_binning(data)
    monkeypatch.setattr(array_file, "VERSION", array_file.VERSION + 1)
    newer = codec.encode_profile(Profile("bins"))
    monkeypatch.undo()
    with pytest.raises(MonitoringError, match="upgrade"):
        codec.decode_profile(newer)
    sink = io.BytesIO()
    with pa.ipc.new_file(sink, pa.schema([("a", pa.int64())])):
        pass
    with pytest.raises(MonitoringError, match="something unknown"):
        codec.decode_profile(sink.getvalue())
