"""The image, built once, and the flights artefact that it serves."""

from pathlib import Path

import pytest

from examples.flights.build import Artefact, build_artefact
from tests.system.engine import Engine, NoEngineError

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = ROOT / "Dockerfile"
TAG = "localhost/endpoint-capture:test-system"
MONITORING_TAG = "localhost/endpoint-capture-monitoring:test-system"


@pytest.fixture(scope="session")
def engine() -> Engine:
    try:
        return Engine.find()
    except NoEngineError as error:
        pytest.fail(str(error), pytrace=False)


@pytest.fixture(scope="session")
def image(engine: Engine) -> str:
    engine.build(TAG, ROOT)
    return TAG


@pytest.fixture(scope="session")
def monitoring_image(engine: Engine) -> str:
    engine.build(MONITORING_TAG, ROOT, target="monitoring")
    return MONITORING_TAG


@pytest.fixture(scope="session")
def flights(tmp_path_factory: pytest.TempPathFactory) -> Artefact:
    return build_artefact(tmp_path_factory.mktemp("flights"), training_rows=5000, trees=20)
