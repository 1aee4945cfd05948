"""What `import phantom_core as ph` offers, and what it costs."""

import importlib
import inspect
import subprocess
import sys

import pytest

import phantom_core as ph
from phantom_core import _IN_DISTRIBUTIONS

NOT_LOADED_BY_THE_IMPORT = [
    "click",
    "gymnasium",
    "importlib_metadata",
    "matplotlib",
    "networkx",
    "numpy",
    "pandas",
    "pettingzoo",
    "pluggy",
    "rich",
    "tensorboardX",
    "torch",
]
NEVER_NEEDED_BY_THE_CORE = [
    "matplotlib",
    "networkx",
    "pandas",
    "pettingzoo",
    "ray",
    "rich",
    "tensorboardX",
    "torch",
]

PUBLIC_MODULES = {
    "decoders": "ChainedDecoder Decoder DictDecoder EmptyDecoder",
    "encoders": "ChainedEncoder ConstantEncoder DictEncoder EmptyEncoder Encoder",
    "ranges": "LinspaceRange Range UniformRange UnitArrayLinspaceRange UnitArrayUniformRange",
    "reward_functions": "ChainedReward ConstantReward RewardFunction",
    "samplers": "ComparableSampler LambdaSampler NormalArraySampler NormalSampler SampledValues Sampler "
    "UniformArraySampler UniformFloatSampler UniformIntSampler",
    "processes": "UNGUARDED blas_threads leave_if_starting leave_signals_to_driver one_blas_thread starting",
    "reading": "MAX_BYTES read_file read_lines",
    "secrets": "MASK FromEnvironment Secrets masked masked_names read_environment revealed",
    "trust": "check_may_import check_may_read is_signed key_file sign unsigned untrusted untrusted_source",
    "writing": "MAX_KEPT RetryQueue append cut_back drop_broken_line locked printable temporary_beside",
}
NEVER_AT_THE_TOP = ("processes", "reading", "secrets", "trust", "writing")
MOVED = [
    (name, f"ph.{module}.{name}")
    for module, names in PUBLIC_MODULES.items()
    for name in names.split()
    if module not in NEVER_AT_THE_TOP
]
IN_DISTRIBUTIONS = [(name, place) for place, names in _IN_DISTRIBUTIONS.items() for name in names.split()]

IMPORT_AND_LIST = """
import sys
import phantom_core
print(*{name.partition(".")[0] for name in sys.modules})
"""
IMPORT_EVERYTHING_WITHOUT = """
import importlib, pkgutil, sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name in sys.argv:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Missing())
import phantom_core
for module in pkgutil.walk_packages(phantom_core.__path__, "phantom_core."):
    importlib.import_module(module.name)
"""


def run_python(code: str, *arguments: str) -> str:
    """Run code in a fresh interpreter; it must succeed and write no error."""
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_all_is_sorted_and_free_of_repetition() -> None:
    assert list(ph.__all__) == sorted(set(ph.__all__))


def test_dir_shows_every_public_name() -> None:
    assert set(ph.__all__) <= set(dir(ph))


@pytest.mark.parametrize("name", ph.__all__)
def test_every_public_name_exists_and_is_documented(name: str) -> None:
    value = getattr(ph, name)
    home = value.__name__ if inspect.ismodule(value) else getattr(value, "__module__", "")
    if inspect.ismodule(value) or (home.startswith("phantom_core") and callable(value)):  # no type aliases
        assert inspect.getdoc(value)


@pytest.mark.parametrize(("module", "names"), PUBLIC_MODULES.items())
def test_a_public_module_lists_its_names_and_documents_them(module: str, names: str) -> None:
    value = getattr(ph, module)
    assert value.__all__ == names.split()
    assert all(inspect.getdoc(getattr(value, name)) for name in value.__all__)


def test_tools_has_few_names_and_documents_them() -> None:
    assert len(ph.tools.__all__) <= 20
    undocumented = [name for name in ph.tools.__all__ if not inspect.getdoc(getattr(ph.tools, name))]
    assert undocumented == []


def test_importing_the_core_loads_no_module_of_the_core() -> None:
    loaded = run_python(IMPORT_AND_LIST.replace('.partition(".")[0]', "")).split()
    assert [name for name in loaded if name.startswith("phantom_core.")] == []


@pytest.mark.parametrize(("name", "place"), MOVED)
def test_a_name_that_moved_is_told_its_new_place(name: str, place: str) -> None:
    with pytest.raises(AttributeError) as caught:
        getattr(ph, name)
    assert str(caught.value) == f"module 'phantom_core' has no attribute '{name}'. It is {place}."


def test_a_name_that_a_distribution_has_now_says_how_to_install_it() -> None:
    with pytest.raises(AttributeError) as caught:
        ph.replay  # type: ignore[attr-defined]  # noqa: B018  to see it missed
    assert str(caught.value) == (
        "module 'phantom_core' has no attribute 'replay': it is phantom_recording.replay now. To install it: "
        "pip install phantom-recording"
    )


@pytest.mark.parametrize(("name", "distribution"), IN_DISTRIBUTIONS)
def test_a_name_that_a_distribution_has_now_is_there(name: str, distribution: str) -> None:
    with pytest.raises(AttributeError, match=rf" To install it: pip install {distribution}$"):
        getattr(ph, name)
    package = importlib.import_module(distribution.replace("-", "_"))
    assert name == "testing" or hasattr(package, name)


def test_a_name_that_never_was_is_told_no_place() -> None:
    with pytest.raises(AttributeError) as caught:
        ph.Samplers  # type: ignore[attr-defined]  # noqa: B018  to see it missed
    assert str(caught.value) == "module 'phantom_core' has no attribute 'Samplers'"


def test_importing_the_core_loads_no_other_library() -> None:
    loaded = run_python(IMPORT_AND_LIST).split()
    assert sorted(set(loaded) & set(NOT_LOADED_BY_THE_IMPORT)) == []


def test_importing_the_core_prints_nothing() -> None:
    assert run_python("import phantom_core") == ""


def test_every_module_of_the_core_can_be_imported_without_extra_libraries() -> None:
    run_python(IMPORT_EVERYTHING_WITHOUT, *NEVER_NEEDED_BY_THE_CORE)
