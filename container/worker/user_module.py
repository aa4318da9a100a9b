"""The functions of the user's module, as SageMaker's inference toolkit calls them, and our `features_fn`.

Every function may take a last argument more, the toolkit's context. Here that is found out once; what is left is a
function that is always called with the context (`Function`). Absent functions are None, and `stages` does what the
toolkit's defaults do, with our codecs.
"""

from __future__ import annotations

import importlib
import inspect
import logging
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import util
from types import ModuleType
from typing import Any

from container.shared.artefact import Artefact, ArtefactError

log = logging.getLogger("endpoint")
Function = Callable[..., Any]

ARGUMENTS = {
    "pre_model_fn": ("model_dir",),
    "model_fn": ("model_dir",),
    "model_warmup_fn": ("model_dir", "model"),
    "input_fn": ("input_data", "content_type"),
    "features_fn": ("request", "feature_store"),
    "predict_fn": ("features", "model"),
    "output_fn": ("prediction", "accept"),
    "transform_fn": ("model", "input_data", "content_type", "accept"),
}
"""What each function is given, before the context."""
_NEARLY = 0.85
"""Similarity from which a name counts as misspelt: `feature_fn` for `features_fn`, and not `features` or `predict`."""


def _absent(*_: object) -> object:
    """Stands for `predict_fn` where `transform_fn` does its work."""
    raise ArtefactError("there is no predict_fn")


@dataclass(frozen=True)
class Functions:
    """The user's functions; each is called with its arguments and the context."""

    model_fn: Function
    pre_model_fn: Function | None = None
    model_warmup_fn: Function | None = None
    input_fn: Function | None = None
    features_fn: Function | None = None
    predict_fn: Function = _absent
    output_fn: Function | None = None
    transform_fn: Function | None = None

    @property
    def relies_on_toolkit(self) -> bool:
        """Whether the module expects what the toolkit's default decoder gives: it has no `features_fn`, no `input_fn`."""
        return self.features_fn is None and self.input_fn is None and self.transform_fn is None


def load(artefact: Artefact, program: str) -> Functions:
    """Import the user's module and take its functions.

    Args:
        program: the module's name, such as `inference`.

    Raises:
        ArtefactError: there is no such module, or a function is missing, takes other arguments, or excludes another.
        Exception: whatever the module raises when it is imported.
    """
    artefact.check()
    artefact.make_importable()
    importlib.invalidate_caches()
    if not _exists(program):
        raise ArtefactError(f"there is no {program}.py in {artefact.code}: put it there, or set SAGEMAKER_PROGRAM")
    module = importlib.import_module(program)
    functions = functions_of(module)
    for line in misspelt(module):
        log.warning("%s", line)
    return functions


def _exists(program: str) -> bool:
    try:
        return util.find_spec(program) is not None
    except ModuleNotFoundError:  # of a package that is not there
        return False


def functions_of(module: ModuleType) -> Functions:
    """The functions of a module.

    Raises:
        ArtefactError: as in `load`.
    """
    where = getattr(module, "__file__", None) or module.__name__
    if (
        callable(getattr(module, "handle", None))
        and not hasattr(module, "predict_fn")
        and not hasattr(module, "transform_fn")
    ):
        raise ArtefactError(
            f"{where} is a handler service of Multi Model Server, with handle(data, context); write model_fn(model_dir) and "
            "predict_fn(features, model) instead, or transform_fn(model, body, content_type, accept) for a whole request"
        )
    found: dict[str, Function] = {}
    for name, arguments in ARGUMENTS.items():
        function = getattr(module, name, None)
        if function is not None:
            found[name] = _with_context(name, function, arguments, where)
    if "transform_fn" in found:
        others = [name for name in ("input_fn", "features_fn", "predict_fn", "output_fn") if name in found]
        if others:
            raise ArtefactError(f"{where} has transform_fn, which does the work of {', '.join(others)}: remove one")
    elif "predict_fn" not in found:
        raise _missing("predict_fn", module, where)
    if "model_fn" not in found:
        raise _missing("model_fn", module, where)
    return Functions(**found)


def misspelt(module: ModuleType) -> list[str]:
    """Returns a line for each function of a module that the endpoint does not call, and whose name is nearly one that it does.

    A name that the module has as well is not meant; neither is a function that the module imported.
    """
    absent = [name for name in ARGUMENTS if not hasattr(module, name)]
    lines = []
    for name in _own_functions(module):
        meant = get_close_matches(name.lower(), absent, 1, _NEARLY)
        if meant:
            lines.append(f"{module.__name__}.py has {name}, which the endpoint does not call: is {meant[0]} meant?")
    return lines


def _own_functions(module: ModuleType) -> list[str]:
    return [
        name
        for name, value in vars(module).items()
        if name not in ARGUMENTS and inspect.isfunction(value) and value.__module__ == module.__name__
    ]


def _missing(name: str, module: ModuleType, where: str) -> ArtefactError:
    similar = get_close_matches(name, _own_functions(module), 1, 0.6)
    hint = f"; is {similar[0]} meant to be that?" if similar else ""
    return ArtefactError(f"{where} has no {name}({', '.join(ARGUMENTS[name])}){hint}")


def _with_context(name: str, function: Any, arguments: tuple[str, ...], where: str) -> Function:
    if isinstance(function, ModuleType):
        raise ArtefactError(f"{name} in {where} is a module: import its function, as in `from {name} import {name}`")
    if not callable(function):
        raise ArtefactError(f"{name} in {where} is no function")
    signature = inspect.signature(function)
    count = len(arguments)
    if _wants_context(signature, count):
        return function  # type: ignore[no-any-return]
    if not _accepts(signature, count):
        wanted = ", ".join(arguments)
        raise ArtefactError(f"{name} in {where} must take ({wanted}) or ({wanted}, context), not {signature}")
    return lambda *given: function(*given[:count])


def _wants_context(signature: inspect.Signature, count: int) -> bool:
    """Whether the parameter after the usual ones is the context.

    The toolkit goes by the number of parameters alone. Here one that has a default must be called `context` too, so
    that `predict_fn(features, model, threshold=0.5)` keeps its threshold.
    """
    if not _accepts(signature, count + 1):
        return False
    positional = [
        parameter
        for parameter in signature.parameters.values()
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
    ]
    if len(positional) <= count:
        return False
    last = positional[count]
    return last.default is last.empty or last.name in ("context", "ctx", "_context")


def _accepts(signature: inspect.Signature, count: int) -> bool:
    try:
        signature.bind(*range(count))
    except TypeError:
        return False
    return True
