"""The user's functions: found, checked, and called with and without a context."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from container.shared.artefact import Artefact, ArtefactError
from container.worker.user_module import functions_of, load, misspelt
from tests.container.endpoint import write_artefact


def module(code: str) -> ModuleType:
    made = ModuleType("users")
    exec(code, made.__dict__)  # noqa: S102
    return made


MODEL = "def model_fn(model_dir): return 1\n"
PREDICT = "def predict_fn(features, model): return features\n"


@pytest.fixture
def path_and_modules() -> Iterator[None]:
    path, modules = sys.path[:], set(sys.modules)
    yield
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        del sys.modules[name]


def test_a_function_is_called_with_the_context_only_if_it_takes_one():
    functions = functions_of(module(MODEL + "def predict_fn(features, model, context): return context"))
    assert functions.model_fn("dir", "context") == 1
    assert functions.predict_fn("features", "model", "context") == "context"


@pytest.mark.parametrize(
    ("signature", "given"),
    [
        ("features, model, context=None", "context"),
        ("features, model, ctx=None", "context"),
        ("features, model, threshold=0.5", 0.5),
        ("features, model, *rest", ()),
        ("features, model, *, threshold=0.5", 0.5),
    ],
)
def test_a_parameter_with_a_default_keeps_it_unless_it_is_called_context(signature: str, given: object):
    last = signature.rpartition(",")[2].strip().strip("*").partition("=")[0]
    functions = functions_of(module(MODEL + f"def predict_fn({signature}): return {last}"))
    assert functions.predict_fn("features", "model", "context") == given


def test_methods_of_objects_and_callables_are_functions_too():
    functions = functions_of(module(MODEL + "class P:\n  def __call__(self, f, m): return m\npredict_fn = P()"))
    assert functions.predict_fn("features", "model", "context") == "model"


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (MODEL, "predict_fn(features, model)"),
        (PREDICT, "model_fn(model_dir)"),
        (MODEL + "def predict_fn(features): return 1", "predict_fn in users must take (features, model)"),
        (MODEL + "def predict_fn(a, b, c, d): return 1", "not (a, b, c, d)"),
        (MODEL + PREDICT + "input_fn = 3", "input_fn in users is no function"),
        (MODEL + PREDICT + "import json as input_fn", "input_fn in users is a module: import its function"),
        (MODEL + "def predict(features, model): return 1", "no predict_fn(features, model); is predict meant to be that?"),
        (MODEL + PREDICT + "def features_fn(request): return 1", "features_fn in users must take (request, feature_store)"),
        (MODEL + PREDICT + "def transform_fn(m, d, c, a): return 1", "predict_fn: remove one"),
    ],
)  # fmt: skip
def test_what_is_missing_or_wrong_is_named(code: str, words: str):
    with pytest.raises(ArtefactError) as refused:
        functions_of(module(code))
    assert words in str(refused.value)


def test_a_legacy_transform_fn_alone_is_a_model():
    functions = functions_of(module(MODEL + "def transform_fn(model, data, content_type, accept): return data, accept"))
    assert functions.transform_fn is not None
    assert functions.transform_fn(1, "data", "in", "out", "context") == ("data", "out")


@pytest.mark.usefixtures("path_and_modules")
def test_modules_beside_the_program_and_beside_the_model_are_importable(tmp_path: Path):
    write_artefact(tmp_path, "import beside_program, beside_model\n" + MODEL + PREDICT, beside_program__py="")
    (tmp_path / "beside_model.py").touch()
    assert load(Artefact(tmp_path), "inference").model_fn("dir", None) == 1


@pytest.mark.usefixtures("path_and_modules")
def test_an_absent_program_is_named(tmp_path: Path):
    write_artefact(tmp_path, MODEL)
    with pytest.raises(ArtefactError, match=r"no absent\.py .* SAGEMAKER_PROGRAM"):
        load(Artefact(tmp_path), "absent")


@pytest.mark.parametrize("shadow", ["capture.py", "mms/__init__.py", "serialization.cpython-311-x86_64-linux-gnu.so"])
@pytest.mark.parametrize("place", ["code", "."])
def test_a_module_that_would_shadow_ours_is_refused_wherever_it_lies(tmp_path: Path, shadow: str, place: str):
    path = write_artefact(tmp_path, MODEL) / place / shadow
    path.parent.mkdir(exist_ok=True)
    path.touch()
    with pytest.raises(ArtefactError, match="rename it"):
        Artefact(tmp_path).check()


def test_a_handler_service_is_refused_with_what_to_write_instead():
    made = ModuleType("service")
    exec("def initialize(context): pass\ndef handle(data, context): return []", made.__dict__)  # noqa: S102
    with pytest.raises(ArtefactError, match=r"handler service .* write model_fn\(model_dir\) and predict_fn"):
        functions_of(made)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("feature_fn", "features_fn"),
        ("Features_fn", "features_fn"),
        ("inputs_fn", "input_fn"),
        ("ouput_fn", "output_fn"),
        ("modelwarmup_fn", "model_warmup_fn"),
        ("predict", None),
        ("features", None),
        ("postprocess", None),
    ],
)
def test_a_function_that_is_nearly_one_of_ours_is_named_with_the_one_that_is_meant(name: str, meant: str | None):
    lines = misspelt(module(MODEL + PREDICT + f"def {name}(a, b): return a"))
    assert lines == (
        [] if meant is None else [f"users.py has {name}, which the endpoint does not call: is {meant} meant?"]
    )


def test_a_helper_beside_the_function_that_it_resembles_is_not_misspelt():
    code = (
        MODEL
        + PREDICT
        + "def features_fn(request, store): return feature_fn(request)\ndef feature_fn(request): return 1"
    )
    assert misspelt(module(code)) == []
