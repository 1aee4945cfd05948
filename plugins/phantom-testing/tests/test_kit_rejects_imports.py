"""What a module does when it is imported, and what its distribution says, fails exactly its own check."""

import signal
import threading
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from phantom_testing import MetricConformance, assert_no_import, fake_distribution, run_checks
from phantom_testing.core_bound import core_bound
from phantom_testing.import_report import import_report

METRIC = '''
import phantom_core as ph

class Steps(ph.Metric):
    """The number of steps made."""

    def extract(self, env):
        return env.current_step
'''

DEFECTS = [
    (
        "import random\nrandom.random()",
        "importing_it_draws_from_no_global_generator",
        "Importing Metric 'steps' draws from 'random'. Draw from a generator of its own.",
    ),
    (
        "import numpy as np\nnp.random.rand()",
        "importing_it_draws_from_no_global_generator",
        "Importing Metric 'steps' draws from 'np.random'. Draw from a generator of its own.",
    ),
    (
        "import threading, time\nthreading.Thread(None, time.sleep, 'beat', (1,)).start()",
        "importing_it_starts_no_thread",
        "Importing Metric 'steps' leaves the thread 'beat' running. Start it in on_train_start.",
    ),
    (
        "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)",
        "importing_it_installs_no_signal_handler",
        "Importing Metric 'steps' changes the handler of 'SIGTERM'. Leave signals to the program.",
    ),
    (
        "import os\nos.environ['ACME_HOME'] = '1'",
        "importing_it_changes_no_environment_variable",
        (
            "Importing Metric 'steps' changes the environment variable 'ACME_HOME'. Tell users to set it, or "
            "set it later."
        ),
    ),
    (
        "print('Thank you for choosing ACME!')",
        "importing_it_prints_nothing",
        "Importing Metric 'steps' prints 'Thank you for choosing ACME!'. Print in a hook, or not at all.",
    ),
    (
        "import sys\nsys.modules['pytest'].exit",
        "it_can_be_imported_in_a_new_process",
        (
            "Metric 'steps' cannot be imported in a new process: KeyError: 'pytest'. Import what it needs in "
            "its own module."
        ),
    ),
]


@pytest.fixture
def as_before() -> Iterator[None]:
    """Give signals and warning filters back as they were."""
    handler = signal.getsignal(signal.SIGTERM)
    with warnings.catch_warnings():
        yield
    signal.signal(signal.SIGTERM, handler)
    for thread in threading.enumerate():
        if thread.name == "beat":
            thread.join()


def failures(folder: Path, code: str, *, module: str = METRIC, **distribution: Any) -> Mapping[str, str]:
    entries = {"phantom_core.metrics": {"steps": "acme_steps:Steps"}}
    entries |= distribution.pop("entries", {})
    modules = {"acme_steps": code + module, **distribution.pop("modules", {})}
    with fake_distribution(folder / "site", "acme-steps", entries, modules, **distribution):
        conformance = type("StepsConformance", (MetricConformance,), {"name": "steps"})
        return {result.check: result.message for result in run_checks(conformance) if result.message}


@pytest.mark.usefixtures("as_before")
@pytest.mark.parametrize(("code", "check", "message"), DEFECTS, ids=[check for _, check, _ in DEFECTS])
def test_a_module_that_does_something_fails_its_own_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, check: str, message: str
) -> None:
    monkeypatch.delenv("ACME_HOME", raising=False)
    assert failures(tmp_path, code) == {check: message}


@pytest.mark.usefixtures("as_before")
def test_a_warning_filter_fails_its_own_check(tmp_path: Path) -> None:
    (found,) = failures(tmp_path, "import warnings\nwarnings.simplefilter('ignore', BytesWarning)").items()
    assert found == (
        "importing_it_changes_no_warning_filter",
        (
            "Importing Metric 'steps' changes the warning filter \"('ignore', None, <class "
            "'BytesWarning'>)\". Use warnings.catch_warnings() where it is needed."
        ),
    )


def test_what_another_library_does_is_not_blamed_on_the_plugin(tmp_path: Path) -> None:
    library = "import os, threading, warnings\nos.environ['LIB'] = '1'\nwarnings.simplefilter('ignore')\n"
    with warnings.catch_warnings():
        assert failures(tmp_path, "import noisy_lib\n", modules={"noisy_lib": library}) == {}


def test_a_plugin_object_that_imports_torch_in_every_run_fails_its_own_check(tmp_path: Path) -> None:
    ambient = "import torch\nimport phantom_core as ph\n@ph.hookimpl\ndef on_train_end(event): ..."
    found = failures(
        tmp_path,
        "",
        entries={"phantom_core.plugins": {"acme": "acme_ambient"}},
        modules={"acme_ambient": ambient, "torch": ""},
    )
    assert found == {
        "runs_that_do_not_select_it_import_nothing_heavy": (
            "Metric 'steps' is installed with something that makes every run import torch. Import it in the "
            "function that needs it, or register components instead of a plugin object."
        )
    }


@pytest.mark.parametrize(("requires", "bound"), [("", " of any version"), ("phantom-rl-core>=0.1", ">=0.1")])
def test_a_distribution_without_an_upper_bound_fails_its_own_check(
    tmp_path: Path, requires: str, bound: str
) -> None:
    assert failures(tmp_path, "", requires=requires) == {
        "it_bounds_the_version_of_the_core": (
            f"acme-steps requires phantom-rl-core{bound}, which admits versions that do not exist yet, such "
            "as 0.3, and versions before 0.2. Minor versions may break plugins, patches do not. Expected "
            f'"phantom-rl-core{core_bound()}" among the dependencies in pyproject.toml.'
        )
    }


def test_a_class_without_a_docstring_fails_its_own_check(tmp_path: Path) -> None:
    silent = METRIC.replace('    """The number of steps made."""\n', "")
    assert failures(tmp_path, "", module=silent) == {
        "its_settings_are_documented": (
            "Metric 'steps' (Steps) has no docstring. Say in one sentence what it is: `phantom plugins "
            "describe` shows it."
        )
    }


def test_what_the_kit_does_not_know_is_refused(tmp_path: Path) -> None:
    declares = METRIC + "    conformance = {'confg': {}}\n"
    assert failures(tmp_path, "", module=declares)["it_has_values"] == (
        "Metric 'steps' has conformance['confg'], which the kit does not know. Did you mean 'config'? Leave "
        "it out."
    )


def test_a_name_that_is_not_registered_is_told_so() -> None:
    class Unknown(MetricConformance):
        name = "agnet"

    found = {result.check: result.message for result in run_checks(Unknown)}
    assert found["it_is_found_by_name"].startswith(
        "No metric named 'agnet'. Did you mean 'agent'? Registered: "
    )


def test_a_conformance_without_a_name_is_told_so() -> None:
    class Nameless(MetricConformance):
        pass

    with pytest.raises(AssertionError) as caught:
        Nameless().test_it_is_found_by_name()
    assert str(caught.value) == "Nameless has no name. Set name = 'the-registered-name' in it."


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("import os\nos._exit(3)", "its import ended the process with exit code 3: it said nothing"),
        ("import time\ntime.sleep(60)", "its import took more than 2 seconds"),
        ("raise SystemExit('no')", "SystemExit: no"),
    ],
)
def test_an_import_that_ends_or_hangs_takes_nobody_with_it(tmp_path: Path, code: str, error: str) -> None:
    with fake_distribution(tmp_path, "acme-x", {"phantom_core.metrics": {"x": "acme_x:X"}}, {"acme_x": code}):
        assert import_report("acme_x:X", timeout=2.0).error == error


def test_assert_no_import_names_what_was_imported() -> None:
    with pytest.raises(AssertionError) as caught:
        assert_no_import(["torch", "json"], "import json")
    assert str(caught.value) == (
        "'import json' imports json. Expected neither of torch, json: import them inside the functions that "
        "need them."
    )
    with pytest.raises(AssertionError) as caught:
        assert_no_import(["torch"], "import no_such_module_at_all")
    assert str(caught.value) == (
        "'import no_such_module_at_all' failed in a new process: ModuleNotFoundError: No module named "
        "'no_such_module_at_all'. Expected it to run."
    )


def test_a_check_that_does_not_end_is_given_up() -> None:
    waiting = threading.Event()

    class Waits(MetricConformance):
        name = "env"

        def test_it_waits(self) -> None:
            waiting.wait(20)

    results = {result.check: result.message for result in run_checks(Waits, timeout=1.0)}
    waiting.set()
    assert results["it_waits"] == (
        "Metric 'env' had not finished the check it_waits after 1 s. Expected a few seconds: look for what "
        "it waits for."
    )


def test_importing_the_kit_needs_no_pytest() -> None:
    assert_no_import(["pytest"], "from phantom_testing import *")
