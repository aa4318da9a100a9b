"""The rules of the house: what may import what, what may stand in a tracked file, and what the locks promise."""

import ast
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("capture", "container", "monitoring", "serialization")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LOCKS = ("build", "serving", "monitoring", "feast", "dev")
# Written with brackets so that this file does not hold what it forbids.
HOSTS = re.compile(r"pypi[.]org|python[h]osted|npmjs[.]org|debian[.]org", re.IGNORECASE)
UNSAFE = {"pickle", "_pickle", "cPickle", "marshal", "shelve", "dill", "cloudpickle", "joblib"}


def tracked() -> list[Path]:
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.fail("the house is checked over the files that git tracks: run it in a clone")
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [ROOT / name for name in names.split("\0") if name and (ROOT / name).is_file()]


def sources() -> Iterator[tuple[Path, ast.Module]]:
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            yield path.relative_to(ROOT), ast.parse(path.read_text(), filename=str(path))


def pins(lock: str) -> dict[str, set[str]]:
    """Releases by name; a name has two where the lock differs by Python's version."""
    found: dict[str, set[str]] = {}
    for line in (ROOT / "requirements" / f"{lock}.txt").read_text().splitlines():
        if line and not line.startswith((" ", "#")):
            requirement = Requirement(line.rstrip(" \\"))
            found.setdefault(requirement.name, set()).add(str(requirement.specifier).removeprefix("=="))
    return found


def wanted(lock: str) -> list[Requirement]:
    project, groups = PROJECT["project"], PROJECT["dependency-groups"]
    extras, base = project["optional-dependencies"], project["dependencies"]
    lines = {
        "build": groups["build"],
        "serving": base + extras["serving"],
        "monitoring": base + extras["monitoring"],
        "feast": base + extras["feast"] + groups["feast-tests"],
        "dev": base
        + extras["serving"]
        + extras["monitoring"]
        + [line for line in groups["dev"] if isinstance(line, str)],
    }[lock]
    return [Requirement(line) for line in lines]


def test_no_tracked_file_names_a_registry_host() -> None:
    found = []
    for path in tracked():
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        found += [f"{path.relative_to(ROOT)}: {match.group()}" for match in HOSTS.finditer(text)]
    assert found == []


def test_no_room_imports_pickle_or_what_is_built_on_it() -> None:
    found = []
    for path, tree in sources():
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            else:
                continue
            found += [f"{path}:{node.lineno}: {name}" for name in names if name.split(".")[0] in UNSAFE]
    assert found == []


def test_no_room_lets_numpy_load_pickles() -> None:
    found = [
        f"{path}:{keyword.value.lineno}"
        for path, tree in sources()
        for call in ast.walk(tree)
        if isinstance(call, ast.Call)
        for keyword in call.keywords
        if keyword.arg == "allow_pickle"
        and not (isinstance(keyword.value, ast.Constant) and keyword.value.value is False)
    ]
    assert found == []


def test_every_file_of_a_room_opens_with_what_a_stranger_must_know() -> None:
    assert [str(path) for path, tree in sources() if tree.body and not ast.get_docstring(tree)] == []


def test_no_two_classes_share_a_name() -> None:
    """`_Name` and `Name` are one name: a reader who greps finds both."""
    found: dict[str, list[str]] = {}
    for path, tree in sources():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                found.setdefault(node.name.lstrip("_"), []).append(f"{path}:{node.lineno}")
    assert {name: places for name, places in found.items() if len(places) > 1} == {}


@pytest.mark.parametrize(
    ("module", "users"),
    [
        ("capture.shipping.checkpoint_file", {"checkpoint", "stats", "ledger_writer"}),
        ("capture.shipping.manifest_files", {"shipper", "pending_batches", "delivery", "trial_encoding"}),
    ],
)
def test_one_class_owns_the_checkpoint_and_one_the_manifests(module: str, users: set[str]) -> None:
    """`stats` and `trial_encoding` only read; `ledger_writer` names streams; the others call the owner's methods."""
    package, name = module.rsplit(".", 1)
    found = {
        path.stem
        for path, tree in sources()
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        and (node.module == module or (node.module == package and name in {alias.name for alias in node.names}))
    }
    assert found == users


def test_looking_at_the_spool_changes_nothing_in_it() -> None:
    """The watcher neither knows the checkpoint nor calls what changes a segment, a counters file or the directory."""
    text = (ROOT / "capture/shipping/spool_watcher.py").read_text()
    changing = {
        "set_taken",
        "seal",
        "correct",
        "settle",
        "recycle",
        "quarantine",
        "quarantine_file",
        "unlink",
        "locked",
    }
    calls = {node.func.attr for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)
             and isinstance(node.func, ast.Attribute)}  # fmt: skip
    assert calls & changing == set()
    assert "checkpoint" not in text


def lint_imports(tree: Path) -> subprocess.CompletedProcess[str]:
    """The contracts of pyproject.toml over the rooms of `tree`, which stand before the installed ones on the path."""
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-logo", "--no-cache"]
    environment = {"PYTHONPATH": str(tree), "PATH": "/usr/bin:/bin", "COLUMNS": "200"}
    return subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def copied_rooms(tmp_path: Path) -> Path:
    for room in ROOMS:
        shutil.copytree(ROOT / room, tmp_path / room, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_the_rooms_import_downwards_only(copied_rooms: Path) -> None:
    result = lint_imports(copied_rooms)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize(
    ("room", "line"),
    [
        ("capture", "import serialization"),
        ("serialization", "import capture"),
        ("container", "import monitoring"),
        ("monitoring", "import container"),
        ("monitoring", "import capture.buffer"),
        ("container", "import examples.flights"),
    ],
)
def test_an_import_against_the_arrows_breaks_a_contract(copied_rooms: Path, room: str, line: str) -> None:
    (copied_rooms / room / "trespasser.py").write_text(f"{line}\n")
    result = lint_imports(copied_rooms)
    assert result.returncode == 1
    assert f"{room}.trespasser ->" in result.stdout


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_pins_every_release_with_hashes(lock: str) -> None:
    entries = re.split(r"\n(?=\S)", (ROOT / "requirements" / f"{lock}.txt").read_text())
    entries = [entry for entry in entries if not entry.startswith("#")]
    assert entries
    assert [entry for entry in entries if entry.startswith("-")] == [], "which index is used is the machine's business"
    assert [entry for entry in entries if "==" not in entry or "--hash=sha256:" not in entry] == []


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_holds_what_the_project_asks_for(lock: str) -> None:
    held = pins(lock)
    lacking = [
        str(requirement)
        for requirement in wanted(lock)
        if not held.get(requirement.name) or not all(map(requirement.specifier.contains, held[requirement.name]))
    ]
    assert lacking == [], "run `make lock`"


@pytest.mark.parametrize("lock", ["build", "serving", "monitoring"])
def test_what_ships_is_what_was_tested(lock: str) -> None:
    tested = pins("dev")
    assert {name: held for name, held in pins(lock).items() if tested.get(name) != held} == {}


def test_the_serving_image_installs_no_monitoring_dependency() -> None:
    monitoring = {Requirement(line).name for line in PROJECT["project"]["optional-dependencies"]["monitoring"]}
    of_both = {"prometheus-client", "scipy"}
    assert monitoring & set(pins("serving")) == of_both


def test_a_room_tells_type_checkers_that_it_is_typed() -> None:
    assert [room for room in ROOMS if not (ROOT / room / "py.typed").is_file()] == []


def test_the_distribution_holds_the_rooms_and_nothing_else(tmp_path: Path) -> None:
    for path in tracked():
        name = path.relative_to(ROOT)
        if name.parts[0] in (*ROOMS, "examples", "tests", "pyproject.toml", "README.md", "LICENSE"):
            (tmp_path / "source" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, tmp_path / "source" / name)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*command, "-w", tmp_path, tmp_path / "source"], check=True, capture_output=True)
    [wheel] = tmp_path.glob("*.whl")
    held = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert held == {str(path.relative_to(ROOT)) for path in tracked() if path.relative_to(ROOT).parts[0] in ROOMS}


def test_what_ci_runs_parses_as_bash() -> None:
    subprocess.run(["bash", "-n", ROOT / ".ci/run"], check=True)


def test_the_image_carries_what_sagemaker_looks_for() -> None:
    text = (ROOT / "Dockerfile").read_text()
    serving = text[text.index(" AS serving") :]
    assert 'com.amazonaws.sagemaker.capabilities.multi-models="true"' in serving
    assert 'com.amazonaws.sagemaker.capabilities.accept-bind-to-port="true"' in serving
    assert "EXPOSE 8080" in serving
    assert 'ENTRYPOINT ["python", "-m", "container"]\nCMD ["serve"]' in serving
