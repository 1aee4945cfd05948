"""§1.19 of the predecessor: what of its RLlib helpers needs no ray, and what the others say."""

from __future__ import annotations

import os
from collections import defaultdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gymnasium as gym
import pytest

import phantom as ph
from phantom.metrics import SimpleEnvMetric, not_recorded
from phantom.utils.ranges import LinspaceRange
from phantom.utils.rllib.rollout import rollout
from phantom.utils.rllib.train import RLlibMetricLogger, make_rllib_wrapped_policy_class, train
from phantom.utils.rllib.wrapper import RLlibEnvWrapper
from phantom.utils.samplers import UniformFloatSampler

TRAINING: dict[str, Any] = {
    "algorithm": "PPO",
    "env_class": ph.PhantomEnv,
    "policies": {"p": ["L"]},
    "iterations": 1,
}


class Learner(ph.StrategicAgent):
    observation_space = action_space = gym.spaces.Discrete(9)

    def encode_observation(self, ctx: ph.Context) -> int:
        return 0

    def decode_action(self, ctx: ph.Context, action: Any) -> Any:
        return []

    def compute_reward(self, ctx: ph.Context) -> float:
        return 0.0


class Machine(ph.FiniteStateMachineEnv):
    def __init__(self, num_ways: int = 1) -> None:
        ways = ["A", "B"][:num_ways]
        first = ph.FSMStage("A", ["L"], ["L"], ways, handler=self.play)
        stages = [first, ph.FSMStage("B", [], [], ["A"])]
        super().__init__(4, ph.Network([Learner("L")]), "A", stages=stages)

    def play(self) -> str:
        self.resolve_network()
        return "A"


def test_functions_and_modules_of_one_name_are_both_reached() -> None:
    assert ph.rllib.train is ph.utils.rllib.train is train
    assert ph.rllib.rollout is rollout


def test_what_drives_rllib_says_what_exists() -> None:
    with pytest.raises(ImportError) as caught:
        train(**TRAINING)
    assert str(caught.value) == (
        "phantom.utils.rllib.train drives ray 2.7.1, which phantom-compat does not. RLlib itself trains on "
        "phantom_pettingzoo.to_parallel(env): pip install phantom-pettingzoo 'ray[rllib]'. Without RLlib, "
        "call phantom_core.train(...), which takes the same env classes and policies."
    )


def test_the_wrappers_for_rllib_say_so_too() -> None:
    with pytest.raises(ImportError, match=r"^phantom\.utils\.rllib\.wrapper\.RLlibEnvWrapper drives"):
        RLlibEnvWrapper(Machine())
    with pytest.raises(ImportError, match=r"^phantom\.utils\.rllib\.train\.make_rllib_wrapped_policy_class "):
        make_rllib_wrapped_policy_class(ph.Policy)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"iterations": 0}, "iterations is 0. Expected at least 1."),
        ({"iterations": -1}, "iterations is -1. Expected at least 1."),
        ({"num_workers": -1}, "num_workers is -1. Expected at least 0."),
    ],
)
def test_training_checks_numbers_first(wrong: Any, message: str) -> None:
    with pytest.raises(AssertionError) as caught:
        train(**{**TRAINING, **wrong})
    assert str(caught.value).split("\n")[0] == message


@pytest.mark.parametrize("value", [LinspaceRange(0, 1, 3), UniformFloatSampler()])
def test_training_takes_neither_ranges_nor_loose_samplers(value: Any) -> None:
    with pytest.raises(Exception, match="env_config") as caught:
        train(**TRAINING, env_config={"price": [value]})
    assert type(caught.value) is Exception
    with pytest.raises(ImportError):
        train(**TRAINING, env_config={"env_supertype": {"price": UniformFloatSampler()}})


# ---------------------------------------------------------------- metrics


def play(env: Any, logger: RLlibMetricLogger, **more: Any) -> Any:
    episode: Any = SimpleNamespace(user_data={}, custom_metrics={})
    given: dict[str, Any] = {"worker": None, "policies": None, "episode": episode, **more}
    env.reset()
    logger.on_episode_start(**given)
    for _ in range(3):
        env.step({})
        logger.on_episode_step(**given)
    logger.on_episode_end(**given)
    return episode


def test_metrics_are_kept_by_step_and_reduced_as_in_training() -> None:
    env = Machine()
    metrics = {
        "mean": SimpleEnvMetric("current_step", "mean", "none"),
        "last": SimpleEnvMetric("current_step", "last", "none"),
        "never": SimpleEnvMetric("current_step", "last", "none", fsm_stages=["B"]),
    }
    logger = RLlibMetricLogger(metrics)
    assert logger() is logger
    episode = play(env, logger, base_env=SimpleNamespace(envs=[env]), env_index=0)
    never = [not_recorded] * 3
    assert episode.user_data == {"mean": [1, 2, 3], "last": [1, 2, 3], "never": never}
    assert episode.custom_metrics == {"mean": 2.0, "last": 3, "never": None}


@pytest.mark.parametrize("index", [None, 0, 1])
def test_metrics_are_read_from_the_env_of_the_episode(index: int | None) -> None:
    envs = [Machine(), Machine()]
    base_env = SimpleNamespace(get_sub_environments=lambda: envs)
    logger = RLlibMetricLogger({"step": SimpleEnvMetric("current_step", "last")})
    episode = play(envs[index or 0], logger, base_env=base_env, env_index=index)
    assert episode.custom_metrics == {"step": 3}


def test_a_metric_of_ones_own_may_know_values_alone() -> None:
    class Own(ph.metrics.Metric[Any]):
        def __init__(self) -> None:
            """Leave out that of the base class."""

        def extract(self, env: Any) -> Any:
            return env.current_step

        def reduce(self, values: Any, mode: Any = None) -> Any:
            return sum(values), mode

    env = Machine()
    episode = play(env, RLlibMetricLogger({"own": Own()}), base_env=SimpleNamespace(envs=[env]))
    assert episode.custom_metrics == {"own": (6, "train")}
    assert defaultdict(list, episode.user_data) == {"own": [1, 2, 3]}


# ---------------------------------------------------------------- directories


def make_run(base: Path, name: str, checkpoints: Any = (), age: float = 0.0) -> Path:
    run = base / name
    for number in checkpoints:
        (run / f"checkpoint_{number:06d}").mkdir(parents=True)
    run.mkdir(exist_ok=True)
    os.utime(run, (1e9 - age, 1e9 - age))
    return run


def test_the_newest_run_is_found_by_the_time_in_its_name(tmp_path: Path) -> None:
    newest = make_run(tmp_path, "PPO_B_2023-12-07_10-11-13k3v9x0aa", age=9)
    make_run(tmp_path, "PPO_A_2023-12-07_10-11-12zzzzzzzz")
    (tmp_path / "notes.txt").write_text("no run")
    assert ph.rllib.find_most_recent_results_dir(tmp_path) == newest
    assert ph.rllib.find_most_recent_results_dir(str(tmp_path)) == newest
    with pytest.raises(FileNotFoundError) as caught:
        ph.rllib.find_most_recent_results_dir(newest)
    assert str(caught.value) == (
        f"There is no run in '{newest}'. Give the directory that results were saved in."
    )


def test_runs_without_a_time_are_told_by_their_last_change(tmp_path: Path) -> None:
    make_run(tmp_path, "b", age=5)
    newest = make_run(tmp_path, "a")
    assert ph.rllib.find_most_recent_results_dir(tmp_path) == newest


def test_checkpoints_are_numbers_in_order(tmp_path: Path) -> None:
    run = make_run(tmp_path, "run", [20, 3, 100])
    (run / "checkpoint_x").mkdir()
    assert ph.rllib.get_checkpoints(run) == [3, 20, 100]
    for empty in (tmp_path / "none", run / "checkpoint_x"):
        with pytest.raises(FileNotFoundError) as caught:
            ph.rllib.get_checkpoints(empty)
        assert str(caught.value) == (f"There is no checkpoint in '{empty}'. Give the directory of a run.")


def test_paths_are_of_the_newest_checkpoint_or_of_the_one_that_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    results = tmp_path / "ray_results"
    run = make_run(results, "run", [1, 2])
    find = ph.rllib.construct_results_paths
    assert find(run) == (run, run / "checkpoint_000002")
    assert find(str(run), 1) == (run, run / "checkpoint_000001")
    assert find("run") == find("~/ray_results/run") == find(results / "LATEST") == find("LATEST") == find(run)
    with pytest.raises(FileNotFoundError) as caught:
        find(run, 3)
    assert str(caught.value) == f"There is no checkpoint 3 in '{run}'. There are: [1, 2]."
    with pytest.raises(FileNotFoundError) as caught:
        find("nowhere")
    assert str(caught.value) == "There is no directory 'nowhere', nor one in '~/ray_results'."
