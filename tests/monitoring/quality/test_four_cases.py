"""The command names which of inputs and P(y|x) moved, and prints what to do in each of the four cases."""

import textwrap
from pathlib import Path

import pytest

from monitoring.__main__ import main
from monitoring.quality.explanation import ADVICE
from monitoring.quality.result import Case
from tests.monitoring.quality.test_command import NOW, WINDOW, given

MOVED = {
    Case.NOTHING: (0.0, 0.0),
    Case.INPUTS: (0.5, 0.0),
    Case.CONCEPT: (0.0, 0.9),
    Case.BOTH: (0.5, 0.9),
}
"""By case: how far the inputs move, and the log-odds of the labels for equal inputs."""


@pytest.fixture(scope="module")
def baseline(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("baseline")
    main([*given(folder, "march", seed=1), *WINDOW, *NOW, "--save-baseline", f"{folder}/b", "--inputs", "x"])
    return f"{folder}/b"


def test_each_case_but_not_judged_has_its_own_advice() -> None:
    assert set(ADVICE) == set(MOVED) == set(Case) - {Case.NOT_JUDGED}
    assert len(set(ADVICE.values())) == 4


@pytest.mark.parametrize("case", MOVED)
def test_the_command_prints_the_case_and_what_to_do(
    case: Case, baseline: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shift, bias = MOVED[case]
    main([*given(tmp_path, "april", seed=2 + list(MOVED).index(case), shift=shift, bias=bias), *WINDOW, *NOW,
          "--baseline", baseline])  # fmt: skip
    text = capsys.readouterr().out
    lines = [line.strip() for line in text.splitlines()]
    assert f"Why    {case}" in lines
    printed = [line.strip() for line in text.partition("Why ")[2].partition("\n\n")[0].splitlines()]
    assert textwrap.fill(ADVICE[case], 73) in "\n".join(printed)
    assert "of 1,800 rows labelled (100.0%)" in text
    assert any(line.startswith("labelled after 72 h 100%") for line in lines)
