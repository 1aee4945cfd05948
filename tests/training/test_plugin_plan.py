"""The same plugins in every process: a plan is verified where it arrives."""

import multiprocessing
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import phantom_core as ph
from phantom_core.hooks.plugin_manager import PluginManager
from phantom_core.installed.discovery import scan_of
from phantom_core.training.env_factory import PlannedFactory, PluginPlan

ENVS = {"phantom_core.envs": {"guess": "guess_world:GuessEnv"}}
MISMATCH = (
    "The env 'guess' of acme has version 2.0 in this worker process, but 1.0 in the process that started the "
    "run. Install one version in both, and start the run again: pip install acme==1.0"
)


@pytest.fixture
def site(fake_distribution: Callable[..., Path], guess_folder: Path) -> Path:
    """The folder in which the distribution `acme` is installed, with an env."""
    return fake_distribution("acme", ENVS, {"guess_world": (guess_folder / "guess_world.py").read_text()})


def plan() -> PluginPlan:
    return PluginPlan.of([PluginManager().registry.find("env", "guess")])


def upgrade(site: Path) -> None:
    """Install another version, as this process does not notice and a new one does."""
    (site / "acme-1.0.dist-info").rename(site / "acme-2.0.dist-info")
    metadata = site / "acme-2.0.dist-info" / "METADATA"
    metadata.write_text(metadata.read_text().replace("Version: 1.0", "Version: 2.0"))


def in_a_spawned_process(function: Callable[[], Any]) -> Any:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(function)


def error_of(checked: PluginPlan) -> str:
    with pytest.raises(ph.errors.PluginError) as caught:
        checked.verify()
    return str(caught.value)


@pytest.mark.usefixtures("site")
def test_a_plan_that_is_met_arrives_in_a_spawned_process() -> None:
    assert [(c.name, c.version) for c in plan().components] == [("guess", "1.0")]
    assert in_a_spawned_process(plan().verify) is None


def test_a_version_that_changed_between_driver_and_worker_is_an_error(site: Path) -> None:
    made = plan()
    upgrade(site)
    made.verify()  # metadata is read once per process
    with pytest.raises(ph.errors.PluginError) as caught:
        in_a_spawned_process(made.verify)
    assert str(caught.value) == MISMATCH
    assert caught.value.plugin == "acme"


@pytest.mark.usefixtures("site")
def test_what_is_missing_or_elsewhere_in_a_worker_is_told() -> None:
    made = plan()
    (component,) = made.components
    assert error_of(replace(made, components=(replace(component, name="gess"),))) == (
        "The env 'gess' of acme 1.0 is not installed in this worker process. Install it there: "
        "pip install acme==1.0"
    )
    assert error_of(replace(made, components=(replace(component, target="other:Env"),))) == (
        "The env 'guess' of acme 1.0 is guess_world:GuessEnv in this worker process, but other:Env in the "
        "process that started the run. Install acme again in both."
    )
    assert error_of(replace(made, core_version="0.0.1")) == (
        f"The core has version {ph.__version__} in this worker process, but 0.0.1 in the process that "
        "started the run. Install one version in both, and start the run again: pip install "
        "phantom-rl-core==0.0.1"
    )


def test_a_factory_arrives_only_if_its_plan_is_met(site: Path) -> None:
    pickled = pickle.dumps(PlannedFactory(plan(), dict))
    assert pickle.loads(pickled)() == {}  # noqa: S301  our own bytes
    upgrade(site)
    scan_of.cache_clear()
    with pytest.raises(ph.errors.PluginError, match=r"has version 2\.0 in this worker"):
        pickle.loads(pickled)  # noqa: S301  our own bytes


def test_a_run_with_workers_verifies_its_plan_in_each(site: Path) -> None:
    settings: dict[str, Any] = {"env": "guess", "num_iterations": 1, "workers": 1, "run_dir": None, "seed": 1}
    assert ph.train("q-learning", **settings).status == "completed"
    upgrade(site)
    with pytest.raises(ph.errors.PluginError) as caught:
        ph.train("q-learning", **settings)
    assert str(caught.value) == MISMATCH
