"""The plugins of docs/examples/plugins pass the conformance kit, found by name, and learn."""

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

import phantom_core as ph
from phantom_testing import IdentityEnv, PolicyConformance, TrainerConformance

pytestmark = pytest.mark.usefixtures("installed_plugins")


def test_each_says_under_which_name_it_is_installed(
    plugin_examples: Path, installed_plugins: Mapping[str, str]
) -> None:
    said = "\n".join(path.read_text("utf-8") for path in plugin_examples.glob("*.py"))
    assert [
        name for name, target in installed_plugins.items() if f'\n    {name} = "{target}"\n' not in said
    ] == []


class TestReplayQ(TrainerConformance):
    name = "replay-q"
    config: ClassVar = {"warm_up": 8}  # over before the kit saves and loads, at the third update
    learning_iterations = 20


class TestReplayQOverThreeSteps(TestReplayQ):
    config: ClassVar = {"num_steps": 3, "warm_up": 4}


class TestReinforce(TrainerConformance):
    name = "reinforce"
    learning_iterations = 40


class TestRecurrentReinforce(TrainerConformance):
    name = "recurrent-reinforce"
    learning_iterations = 40


class TestCentralCritic(TrainerConformance):
    name = "central-critic"
    learning_iterations = 30


class TestTheTableOfReplayQ(PolicyConformance):
    name = "q-values"


class TestThePolicyOfReinforce(PolicyConformance):
    name = "linear-softmax"


class TestThePolicyWithAMemory(PolicyConformance):
    name = "elman"


class TestThePolicyOfACentralCritic(PolicyConformance):
    name = "preferences"


def test_replay_q_waits_for_its_buffer_and_logs_its_schedule() -> None:
    results = ph.train("replay-q", env=IdentityEnv, num_iterations=4, seed=1, run_dir=None)
    rows = [(row["default/kept"], row["default/epsilon"], row["env_steps"]) for row in results.history]
    assert rows == [
        (100, pytest.approx(1.0 - 2.0 * 0.24), 100),  # 24 of 100 rounds were made before the last one of it
        (200, pytest.approx(0.1), 200),
        (300, pytest.approx(0.1), 300),
        (400, pytest.approx(0.1), 400),
    ]


def test_reinforce_learns_to_balance_a_pole() -> None:
    results = ph.train(
        "reinforce",
        env=ph.GymnasiumEnv,
        env_config={"env": "CartPole-v1"},
        num_iterations=12,
        evaluation=ph.EvaluationPlan(episodes=10),
        seed=1,
        run_dir=None,
    )
    assert results.evaluation is not None
    assert results.evaluation.mean_return >= 120  # random: 22


@pytest.mark.parametrize("sees_all", [True, False], ids=["central", "independent"])
def test_critics_that_see_the_state_tell_a_good_decision_from_a_good_day(*, sees_all: bool) -> None:
    env_class = importlib.import_module("lucky_match").LuckyMatchEnv

    class Env(env_class):  # type: ignore[misc, valid-type]
        state_space = env_class.state_space if sees_all else None

    policies = {"left": ["LEFT"], "right": ["RIGHT"]}
    results = ph.train("central-critic", env=Env, policies=policies, num_iterations=25, seed=1, run_dir=None)
    own_card = [np.diag(policy.probabilities(range(3))) for policy in results.policies.values()]  # type: ignore[attr-defined]
    assert (np.min(own_card) > 0.8) == sees_all


def answered(trainer: str, num_iterations: int) -> float:
    """Train in the game of memory, and return the share of the cues that are remembered."""
    results = ph.train(
        trainer,
        env=importlib.import_module("memory_game").MemoryEnv,
        num_iterations=num_iterations,
        evaluation=ph.EvaluationPlan(episodes=100),
        seed=1,
        run_dir=None,
    )
    assert results.evaluation is not None
    return float(results.evaluation.mean_return)


def test_a_policy_with_a_memory_answers_in_step_ten_what_it_saw_in_the_first() -> None:
    assert answered("recurrent-reinforce", 20) >= 0.95
    assert answered("reinforce", 20) < 0.7  # without a memory
