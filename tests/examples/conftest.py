"""The flights artefact, built small once for the tests of a session, and its user code as the endpoint loads it."""

import importlib
import sys
from types import SimpleNamespace

import pytest

from examples.flights.build import Artefact, build_artefact

__all__ = ["artefact", "user_code"]


@pytest.fixture(scope="session")
def artefact(tmp_path_factory) -> Artefact:
    return build_artefact(tmp_path_factory.mktemp("flights"), training_rows=5000, trees=20)


@pytest.fixture
def user_code(artefact, monkeypatch):
    """The modules `inference` and `trees` of the artefact's code/, gone again afterwards."""
    monkeypatch.syspath_prepend(str(artefact.code_dir))
    for name in ("inference", "trees"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    modules = {name: importlib.import_module(name) for name in ("trees", "inference")}
    yield SimpleNamespace(**modules)
    for name in modules:
        sys.modules.pop(name, None)
