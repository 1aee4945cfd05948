"""What a run directory keeps: policies with their settings, and what can be made again from it."""

import copy
import enum
import json
import pickle
import tomllib
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import phantom_core as ph
from phantom_core.hooks.dispatch import Dispatcher
from phantom_core.hooks.plugin_manager import PluginManager
from phantom_core.training.checkpoint import save_checkpoint
from phantom_core.training.components import Components
from phantom_core.training.directory_watch import DirectoryWatch
from phantom_core.training.run_directory import RunDirectory
from phantom_core.training.run_record import RunRecord
from phantom_core.training.run_state import RunFacts, RunState
from phantom_core.training.saved_run import evaluate_run

SPACES = gym.spaces.Discrete(9), gym.spaces.Discrete(2)


class Level(enum.Enum):
    LOW = 1


class Threshold(ph.Policy):
    """Takes its settings as parameters of its own."""

    def __init__(
        self, observation_space: Any, action_space: Any, threshold: Any = 4, *, above: Any = 1
    ) -> None:
        super().__init__(observation_space, action_space)
        self.threshold, self.above = threshold, above

    def compute_action(self, observation: Any) -> int:
        return self.above if observation > self.threshold else 0


class WithState(Threshold):
    def state_dict(self) -> dict[str, Any]:
        if self.above == "broken":
            raise ZeroDivisionError
        return {"w": self.above}


def parity(observation: int) -> int:
    return observation % 2


def directory(path: Path) -> RunDirectory:
    made = RunDirectory.create(path, "run")
    made.write_run({})
    return made


def again(policy: ph.Policy, path: Path) -> ph.Policy:
    made = directory(path)
    made.check_policies({"p": policy})
    assert not (made.path / "policies").exists()
    made.save_policies({"p": policy})
    return ph.load_policies(made.path)["p"]


@pytest.mark.parametrize(
    "value", [7, 0.5, None, "text", [1, [2]], (1, (2,)), {"a": (1,)}, Level.LOW, parity, Threshold, np.clip]
)
def test_settings_that_are_parameters_come_back(value: Any, tmp_path: Path) -> None:
    loaded = again(Threshold(*SPACES, threshold=value), tmp_path)
    assert isinstance(loaded, Threshold)
    assert (loaded.threshold, loaded.above) == (value, 1)
    assert type(loaded.threshold) is type(value)


def test_settings_come_back_however_they_were_given_and_copied(tmp_path: Path) -> None:
    policy = Threshold(SPACES[0], SPACES[1], 7, above=0)
    named = Threshold(observation_space=SPACES[0], action_space=SPACES[1], threshold=7, above=0)
    for one in (policy, named, copy.deepcopy(policy), pickle.loads(pickle.dumps(policy))):  # noqa: S301
        assert one.given_settings == {"threshold": 7, "above": 0}
        loaded = again(one, tmp_path)
        assert isinstance(loaded, Threshold)
        assert (loaded.threshold, loaded.above) == (7, 0)


def test_a_function_policy_comes_back_with_its_function(tmp_path: Path) -> None:
    loaded = again(ph.FunctionPolicy(*SPACES, function=parity), tmp_path)
    assert [loaded.compute_action(number) for number in range(3)] == [0, 1, 0]


def test_an_array_as_a_setting_comes_back(tmp_path: Path) -> None:
    loaded = again(Threshold(*SPACES, threshold=np.arange(3)), tmp_path)
    assert isinstance(loaded, Threshold)
    np.testing.assert_array_equal(loaded.threshold, np.arange(3))


@pytest.mark.parametrize(
    "value", [lambda observation: observation, Level, {1: 2}, {"__reference__": "a:b"}, [Path("a")], "x".join]
)
def test_a_setting_that_cannot_be_saved_is_refused_by_name(value: Any, tmp_path: Path) -> None:
    if value is Level:
        value = object()
    made = directory(tmp_path)
    part = value[0] if isinstance(value, list) else value
    setting = "threshold[0]" if isinstance(value, list) else "threshold"
    for save in (made.check_policies, made.save_policies):
        with pytest.raises(ph.errors.CheckpointError) as caught:
            save({"p": Threshold(*SPACES, threshold=value)})
        assert str(caught.value) == (
            f"Policy 'p' (Threshold) has the setting {setting} = {part!r}, which cannot be saved. Expected "
            "numbers, text, arrays, lists, dicts with str keys, or functions and classes at the top level "
            "of a module. Give it one of these, or train without a run directory: run_dir=None."
        )
    assert [path.name for path in made.path.iterdir()] == ["run.json"]


def test_spaces_and_states_that_cannot_be_saved_are_refused_by_policy(tmp_path: Path) -> None:
    made = directory(tmp_path)
    for policy, part in (
        (Threshold(gym.spaces.Text(3), SPACES[1]), "Policy 'p' (Threshold): The space Text("),
        (WithState(*SPACES, above={1}), "state.p.state.w is {1} (set)."),
        (WithState(*SPACES, above="broken"), "Policy 'p' (WithState) could not give its state: ZeroDiv"),
    ):
        policy.given_settings.clear()
        with pytest.raises(ph.errors.CheckpointError) as caught:
            made.check_policies({"p": policy})
        assert str(caught.value).startswith(part)


def test_a_policy_entry_that_is_damaged_is_named(tmp_path: Path) -> None:
    made = directory(tmp_path)
    file = made.save_policies({"p": Threshold(*SPACES)}) / "state.json"
    document = json.loads(file.read_text())
    del document["state"]["p"]["class"]
    save_checkpoint(file.parent, document["state"])
    with pytest.raises(ph.errors.CheckpointError, match=r"Policy 'p' .* cannot be read: KeyError: 'class'"):
        ph.load_policies(made.path)


# ---- config.toml and what it cannot hold ----


class Agent(ph.StrategicAgent):
    observation_space = gym.spaces.Discrete(3)
    action_space = gym.spaces.Discrete(2)

    def decode_action(self, ctx: ph.Context, action: int) -> None:
        """Do nothing."""

    def encode_observation(self, ctx: ph.Context) -> int:
        return 0

    def compute_reward(self, ctx: ph.Context) -> float:
        return 1.0


class Env(ph.PhantomEnv):
    def __init__(self, **config: Any) -> None:
        super().__init__(2, ph.Network([Agent("A"), Agent("B")]))


def recorded(path: Path, env_config: dict[str, Any]) -> Path:
    """Train, and return the run directory."""
    results = ph.train("q-learning", env=Env, env_config=env_config, num_iterations=1, seed=1, run_dir=path)
    assert results.run_directory is not None
    return results.run_directory


def test_a_run_whose_env_config_cannot_be_written_is_not_evaluated_in_another_env(tmp_path: Path) -> None:
    evaluate_run(recorded(tmp_path, {"size": None}), num_episodes=1)
    path = recorded(tmp_path, {"size": Level.LOW, "price": object()})
    with pytest.raises(ph.errors.RunDirectoryError) as caught:
        evaluate_run(path, num_episodes=1)
    assert str(caught.value) == (
        f"The env of the run {path} cannot be made again: config.toml cannot hold the values of "
        "'env_config.size', 'env_config.price'. Use ph.load_policies(run) and ph.evaluate(env, ...)."
    )


def test_the_record_of_a_failed_run_knows_late_components_and_who_uses_which_policy(tmp_path: Path) -> None:
    made, components = RunDirectory.create(tmp_path, "run"), Components()
    facts = RunFacts(name="run", seed=1, trainer_name="q-learning", load_policy_class=components.policy_class)
    state = RunState(
        iterations=1, env_steps=2, policies_to_train=("p",), policy_by_agent={"A": "p", ("B", 1): "p"}
    )
    config = {"seed": 1, "not_in_file": {"env_config.a": "a Level"}}
    watch = DirectoryWatch(made, state)
    record = RunRecord(watch, config, {}, facts, state, Dispatcher(PluginManager()), components)
    assert made.read_run()["not_in_config"] == ["env_config.a"]
    assert made.read_run()["plugins"] == []
    for _ in range(2):
        components.policy_class("q-table")
    record.fail(KeyboardInterrupt())
    written = made.read_run()
    assert written["status"] == "interrupted"
    assert written["components"] == [
        {"kind": "policy", "name": "q-table", "distribution": "phantom-qlearning"}
    ]
    assert [plugin["distribution"] for plugin in written["plugins"]] == ["phantom-qlearning"]
    assert written["policies_to_train"] == ["p"]
    assert written["policy_by_agent"] == [["A", "p"], [["B", 1], "p"]]
    assert tomllib.loads((made.path / "config.toml").read_text()) == config
