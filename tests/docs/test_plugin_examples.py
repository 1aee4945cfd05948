"""The plugins of docs/examples/plugins pass the conformance kit, found by name, and learn."""

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import gymnasium as gym
import numpy as np
import pytest

import phantom_core as ph
from phantom_testing import CoinEnv, IdentityEnv, PolicyConformance, TrainerConformance

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


class TestBandit(TrainerConformance):
    name = "bandit"
    config: ClassVar = {"steps": 10}


class TestTheArmsOfABandit(PolicyConformance):
    name = "arms"


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


class TwoRooms(ph.StrategicAgent):
    """To stay pays 1 in room 0, where one begins, and 3 in room 1; to go to the other room pays nothing.

    Solved by hand: in four steps, who stays in room 0 earns 4; who goes and then stays earns 0 + 3 + 3 + 3
    = 9, and nobody earns more, since every other way has less than three stays in room 1.
    """

    observation_space = gym.spaces.Box(0.0, 1.0, (2,), np.float32)
    action_space = gym.spaces.Discrete(2)

    def reset(self) -> None:
        self.room, self.paid = 0, 0.0

    def decode_action(self, ctx: ph.Context, action: int) -> None:
        self.paid = 0.0 if action else (1.0, 3.0)[self.room]
        self.room = 1 - self.room if action else self.room

    def encode_observation(self, ctx: ph.Context) -> np.ndarray[Any, Any]:
        return np.eye(2, dtype=np.float32)[self.room]

    def compute_reward(self, ctx: ph.Context) -> float:
        return self.paid


class TwoRoomsEnv(ph.PhantomEnv):
    """Four steps."""

    def __init__(self) -> None:
        super().__init__(4, ph.Network([TwoRooms("A")]))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_reinforce_finds_what_is_best_in_two_states(seed: int) -> None:
    plan = ph.EvaluationPlan(episodes=1)
    results = ph.train(
        "reinforce", env=TwoRoomsEnv, num_iterations=15, evaluation=plan, seed=seed, run_dir=None
    )
    assert results.evaluation is not None
    assert results.evaluation.mean_return == 9.0
    go, stay = 1, 0
    policy = results.policies["default"]
    assert [policy.compute_action(room) for room in np.eye(2, dtype=np.float32)] == [go, stay]  # type: ignore[attr-defined]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_bandit_finds_the_best_arm_and_tries_others_as_often_as_it_says(seed: int) -> None:
    results = ph.train("bandit", env=CoinEnv, num_iterations=20, seed=seed, run_dir=None)
    (policy,) = results.policies.values()
    plays = policy.state_dict()["plays"].sum(axis=0)
    assert plays.sum() == results.history[-1]["default/plays"] == 2000
    assert results.history[-1]["default/share_of_best"] == plays[1] / 2000
    # heads is best; half of what is drawn with εₙ = min(1, 10 / n) is tails, in the mean
    expected = 0.5 * sum(min(1.0, 10.0 / n) for n in range(1, 2000))
    assert plays[0] == pytest.approx(expected, abs=4.0 * expected**0.5)
    assert policy.compute_action(0) == 1  # type: ignore[attr-defined]


def test_a_bandit_explores_less_with_every_play_of_what_it_sees() -> None:
    policy = importlib.import_module("bandit").ArmsPolicy(gym.spaces.Discrete(2), gym.spaces.Discrete(2))
    policy.tries = 3.0
    policy.plays[0], policy.paid[0] = [8.0, 4.0], [4.0, 3.0]
    assert (policy.epsilon(0), policy.epsilon(1)) == (0.5, 1.0)
    assert policy.means(0).tolist() == [0.5, 0.75]
    assert (policy.compute_action(0), policy.compute_action(1)) == (1, 0)


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
