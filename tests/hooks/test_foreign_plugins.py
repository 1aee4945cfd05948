"""Plugins by somebody who knows pluggy: `foreign_plugin.py` imports nothing of phantom_core."""

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import phantom_core as ph
from phantom_core.installed.discovery import core_version


@pytest.fixture
def foreign() -> Iterator[Any]:
    """The module, imported anew."""
    spec = importlib.util.spec_from_file_location(
        "foreign_plugin", Path(__file__).with_name("foreign_plugin.py")
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["foreign_plugin"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["foreign_plugin"]


def run(*hooks: object) -> ph.TrainingResults:
    return ph.train(
        "q-learning",
        env="gymnasium",
        env_config={"env": "FrozenLake-v1"},
        num_iterations=3,
        hooks=hooks,
        run_dir=None,
        seed=1,
    )


def error_of(plugin: object) -> str:
    with pytest.raises(ph.errors.HookError) as caught:
        run(plugin)
    return str(caught.value)


def test_pluggys_options_work_as_in_every_project(foreign: Any) -> None:
    results = run(foreign.Late(), foreign.Mute(), foreign.Early(), foreign)
    assert results.stop_reasons == ("Early: one iteration is enough",)
    assert foreign.calls == [
        ("Early", "TrainStart"),
        ("Mute", None),
        ("Late", "TrainStart"),
        ("Late", None),
        ("module", "stopped"),
    ]
    assert results.hook_failures == ()


def test_a_hook_of_a_newer_core_needs_optionalhook(foreign: Any) -> None:
    assert error_of(foreign.Unknown()) == (
        f"Plugin 'Unknown' implements when_moon_rises(), but phantom_core {core_version()} has no such hook. "
        "Rename it; if a newer core has it, mark it with @hookimpl(optionalhook=True)."
    )


def test_a_wrapper_is_refused(foreign: Any) -> None:
    assert error_of(foreign.Wrapping()).startswith("Plugin 'Wrapping' marks on_train_start() as a wrapper.")


def test_the_parameter_is_called_as_in_the_specification(foreign: Any) -> None:
    assert error_of(foreign.Renamed()) == (
        "on_train_start() of plugin 'Renamed' has the parameters (start). Arguments are passed by name, as "
        "pluggy does it: expected one parameter called event, or none."
    )
