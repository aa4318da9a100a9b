"""The flights artefact that several chains serve."""

import pytest

from examples.flights.build import Artefact, build_artefact


@pytest.fixture(scope="session")
def flights(tmp_path_factory: pytest.TempPathFactory) -> Artefact:
    return build_artefact(tmp_path_factory.mktemp("flights"), training_rows=5000, trees=20)
