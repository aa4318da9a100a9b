"""How this package starts another Python: which interpreter, with which modules, in which environment.

A child gets an interpreter that has our dependencies, wherever this process found them, and of the environment only
what AWS, TLS, proxies and the locale need: no secret of the server's and no `PYTHONPATH`.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from capture.errors import CaptureError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_DEPENDENCIES = ("msgspec", "crc32c", "numpy", "pyarrow", "boto3", "botocore")
_NAMES = {
    "HOME", "USER", "LOGNAME", "PATH", "LANG", "LANGUAGE", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "BOTO_CONFIG", "SSL_CERT_FILE",
    "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY",
}  # fmt: skip
_PREFIXES = ("AWS_", "LC_")


class NoPython(CaptureError):
    """There is no Python interpreter on this machine that can run the package."""


def environment(env: Mapping[str, str] | None = None) -> dict[str, str]:
    """Returns the variables of `env` (this process's environment where None) that a child needs."""
    given = os.environ if env is None else env
    return {name: value for name, value in given.items() if name.upper() in _NAMES or name.startswith(_PREFIXES)}


def interpreter() -> str:
    """Returns the path of a Python of this version. Raises `NoPython`.

    `sys.executable` is uWSGI where uWSGI embeds Python, and empty where a program of another kind does.
    """
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    named = [sys.executable or "", getattr(sys, "_base_executable", None) or ""]
    candidates = [path for path in named[:1] if re.match(r"python|pypy", Path(path).name)]
    for prefix in (sys.prefix, sys.exec_prefix, sys.base_prefix, sys.base_exec_prefix):
        candidates += [f"{prefix}/bin/{version}", f"{prefix}/bin/python3"]
    candidates += [path for path in named[1:] if re.match(r"python|pypy", Path(path).name)]
    candidates += filter(None, [shutil.which(version)])
    for path in candidates:
        if os.access(path, os.X_OK) and Path(path).is_file():
            return path
    raise NoPython(
        f"no Python interpreter was found (sys.executable is {sys.executable!r}): install {version} on PATH, or run "
        "`python -m capture ship --spool DIRECTORY` yourself"
    )


def module_paths() -> list[str]:
    """Returns the directories from which this process imports the package and its dependencies."""
    found = [str(Path(__file__).resolve().parents[1])]
    for name in _DEPENDENCIES:
        spec = find_spec(name)
        if spec is not None and spec.origin is not None:
            parents = Path(spec.origin).parents
            found.append(str(parents[1] if spec.submodule_search_locations else parents[0]))
    found += [path for path in sys.path if Path(path).name in ("site-packages", "dist-packages")]
    return list(dict.fromkeys(found))


def daemon_command(module: str, arguments: Iterable[str]) -> list[str]:
    """Returns the command line that runs a module of ours as a daemon. Raises `NoPython`."""
    return _command("daemon", module, arguments)


def child_command(module: str, arguments: Iterable[str]) -> list[str]:
    """Returns the command line that runs a module of ours as an ordinary child, isolated where this process is.

    Raises `NoPython`.
    """
    if not sys.flags.isolated:
        return [interpreter(), "-P", "-m", module, *arguments]
    return _command("child", module, arguments)


def child_environment() -> dict[str, str]:
    """Returns this process's environment, with the module path that an ordinary child needs."""
    if sys.flags.isolated:
        return dict(os.environ)
    given = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    return os.environ | {"PYTHONPATH": os.pathsep.join(dict.fromkeys([*module_paths()[:1], *given]))}


def _command(kind: str, module: str, arguments: Iterable[str]) -> list[str]:
    script = str(Path(__file__).resolve().with_name("child_main.py"))
    flags = ["-I", *(["-B"] if sys.dont_write_bytecode else [])]
    return [interpreter(), *flags, script, kind, os.pathsep.join(module_paths()), module, *arguments]
