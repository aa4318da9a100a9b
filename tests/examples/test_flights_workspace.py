"""A run makes its directory anew, and deletes nothing that is not its own."""

import json

import pytest

from examples.flights import schema, traffic
from examples.flights.__main__ import main
from examples.flights.workspace import Workspace, WorkspaceError


def test_a_second_run_finds_nothing_of_the_first(tmp_path):
    first = Workspace.anew(tmp_path / "out" / "demo")
    first.log.write_text("old")

    assert not Workspace.anew(tmp_path / "out" / "demo").log.exists()


def test_a_directory_with_other_files_is_refused_and_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")

    with pytest.raises(WorkspaceError, match="holds other files"):
        Workspace.anew(tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_a_file_in_place_of_the_directory_is_refused(tmp_path):
    (tmp_path / "file").write_text("")

    with pytest.raises(WorkspaceError, match="file cannot be used"):
        Workspace.anew(tmp_path / "file")


def test_the_request_to_try_is_the_same_in_protobuf_and_json(tmp_path):
    [request] = traffic.july_requests(1)
    protobuf, readable = Workspace.anew(tmp_path).write_request(request)

    message = schema.DeparturesRequest(**json.loads(readable.read_text()))
    assert message == schema.DeparturesRequest.FromString(protobuf.read_bytes())


def test_an_expected_error_is_one_line_and_no_traceback(tmp_path, capsys):
    (tmp_path / "thesis.txt").write_text("years of work")

    assert main(["train", "--directory", str(tmp_path)]) == 1
    assert capsys.readouterr().err == f"error: {tmp_path} holds other files: name an empty or a new directory\n"


@pytest.mark.parametrize("arguments", [["demo", "--requests", "0"], ["serve", "--port", "http"], ["nothing"], []])
def test_a_wrong_argument_is_refused_with_what_is_allowed(arguments, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(arguments)
    assert "usage: python -m examples.flights" in capsys.readouterr().err
