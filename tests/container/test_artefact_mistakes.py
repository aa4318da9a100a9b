"""Files of an artefact that are ignored or that hide a module: refused, or a line in the log."""

from __future__ import annotations

from pathlib import Path

import pytest

from container.shared.artefact import Artefact, ArtefactError
from container.shared.artefact_mistakes import likely_mistakes
from tests.container.artefacts import TINY
from tests.container.endpoint import write_artefact


def test_capture_settings_beside_code_are_refused_because_what_they_exclude_would_be_captured(tmp_path: Path):
    write_artefact(tmp_path, TINY)
    (tmp_path / "capture.toml").write_text('exclude = ["ssn"]\n')
    with pytest.raises(ArtefactError, match=r"capture\.toml is read only in code/: move it to .*/code/capture\.toml"):
        Artefact(tmp_path).check()


def test_requirements_beside_code_are_named(tmp_path: Path):
    write_artefact(tmp_path, TINY)
    (tmp_path / "requirements.txt").touch()
    [line] = likely_mistakes(Artefact(tmp_path))
    assert line == f"{tmp_path}/requirements.txt does nothing there: move it to {tmp_path}/code/requirements.txt"


@pytest.mark.parametrize("hidden", ["random.py", "numpy/__init__.py", "google/__init__.py"])
@pytest.mark.parametrize("place", ["code", "."])
def test_a_module_that_hides_one_of_python_or_of_a_package_is_named(tmp_path: Path, place: str, hidden: str):
    path = write_artefact(tmp_path, TINY) / place / hidden
    path.parent.mkdir(exist_ok=True)
    path.touch()
    [line] = likely_mistakes(Artefact(tmp_path))
    assert hidden.partition("/")[0].removesuffix(".py") in line
    assert line.endswith("rename it")


def test_an_ordinary_artefact_has_no_mistakes(tmp_path: Path):
    write_artefact(tmp_path, TINY, helpers__py="", requirements__txt="")
    (tmp_path / "code" / "test").mkdir()
    (tmp_path / "code" / "test" / "__init__.py").touch()
    (tmp_path / "code" / "json").mkdir()  # without __init__.py Python's own module comes first
    assert list(likely_mistakes(Artefact(tmp_path))) == []
