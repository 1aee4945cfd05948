"""A plugin object that disturbs every run fails exactly its own check, with this message."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import phantom_core as ph
from phantom_testing import PluginConformance, fake_distribution, run_checks

CORRECT = """
import phantom_core as ph

lines = []

@ph.hookimpl
def on_train_start(event):
    lines.clear()

@ph.hookimpl(trylast=True)
def on_metrics(event):
    lines.append(dict(event.values))

@ph.hookimpl
def on_train_end():
    lines.clear()
"""

DEFECTS = [
    (
        "@ph.hookimpl\ndef on_iteration_end(event):\n    for p in event.policies.values(): p.table += 1.0",
        "it_changes_nothing",
        (
            "Plugin 'follow' changes what is trained: 'default'. Expected the same weights as without it: "
            "look "
            "at policies, do not change them, and draw from no generator but your own."
        ),
    ),
    (
        "import random\n@ph.hookimpl\ndef on_iteration_start(event):\n    random.random()",
        "it_draws_from_no_global_generator",
        "Plugin 'follow' draws from random. Draw from a generator of its own.",
    ),
    (
        "import numpy as np\n@ph.hookimpl\ndef on_iteration_end(event):\n    np.seterr(all='ignore')",
        "it_leaves_the_process_as_it_was",
        (
            "Plugin 'follow' leaves the process changed: np.seterr(). Expected it as before: use "
            "np.errstate(), "
            "np.printoptions() or warnings.catch_warnings()."
        ),
    ),
    (
        "@ph.hookimpl\ndef on_evaluation_end(event):\n    raise OSError('no space left on device')",
        "it_raises_nothing_in_an_ordinary_run",
        (
            "Plugin 'follow' raised in an ordinary run: Plugin 'acme-follow:follow' failed 3 times in "
            "on_evaluation_end: OSError: no space left on device. Expected it to raise nothing after "
            "on_train_start."
        ),
    ),
    (
        "@ph.hookimpl\ndef should_stop(event):\n    event.values['rewards/A1']",
        "it_takes_names_that_it_has_not_seen_before",
        (
            "Plugin 'follow' raised KeyError: 'rewards/A1' in should_stop with other names than before. "
            "Expected it to raise nothing."
        ),
    ),
    (
        "import time\n@ph.hookimpl\ndef on_iteration_end(event):\n    time.sleep(0.15)",
        "it_does_not_keep_training_waiting",
        (
            "Plugin 'follow' blocks: on_iteration_end took 0.2 s or more in each of 5 iterations. "
            "Expected at "
            "most 0.1 s: hand values over to a thread or a process."
        ),
    ),
    (
        "import torch",
        "runs_that_do_not_select_it_import_nothing_heavy",
        (
            "Plugin 'follow' makes every run import torch. Import it in the function that needs it, or "
            "register components instead of a plugin object."
        ),
    ),
    (
        "@ph.hookimpl\ndef on_trian_end(event): ...",
        "it_is_found_by_name",
        (
            "Plugin 'acme-follow:follow' is skipped: Plugin 'acme-follow:follow' implements on_trian_end(), "
            f"but phantom_core {ph.__version__} has no such hook. Did you mean 'on_train_end'? Rename it; if "
            "a newer core has it, mark it with @hookimpl(optionalhook=True)."
        ),
    ),
]


def failures(folder: Path, source: str, **options: Any) -> Mapping[str, str]:
    entries = {"phantom_core.plugins": {"follow": "acme_follow"}}
    modules = {"acme_follow": source, "torch": ""}
    with fake_distribution(folder, "acme-follow", entries, modules, **options):
        conformance = type("FollowConformance", (PluginConformance,), {"name": "follow"})
        return {result.check: result.message for result in run_checks(conformance) if result.message}


def test_a_correct_plugin_object_passes_every_check(tmp_path: Path) -> None:
    assert failures(tmp_path, CORRECT) == {}


@pytest.mark.parametrize(("code", "check", "message"), DEFECTS, ids=[check for _, check, _ in DEFECTS])
def test_a_plugin_object_that_disturbs_fails_its_own_check(
    tmp_path: Path, code: str, check: str, message: str
) -> None:
    assert failures(tmp_path, f"{CORRECT}\n{code}\n") == {check: message}


def test_its_distribution_bounds_the_core(tmp_path: Path) -> None:
    (found,) = failures(tmp_path, CORRECT, requires="phantom-rl-core>=0.2").items()
    assert found == (
        "it_bounds_the_version_of_the_core",
        (
            "acme-follow requires phantom-rl-core>=0.2, which admits versions that do not exist yet, such as "
            '0.3. Minor versions may break plugins, patches do not. Expected "phantom-rl-core>=0.2,<0.3" '
            "among "
            "the dependencies in pyproject.toml."
        ),
    )


def test_one_that_is_not_installed_is_told_so() -> None:
    conformance = type("Missing", (PluginConformance,), {"name": "no-such-plugin"})
    first = next(result for result in run_checks(conformance) if result.message)
    assert first.message == (
        "No plugin object named 'no-such-plugin' is installed. Register it in the group "
        "phantom_core.plugins, "
        "and install it."
    )
