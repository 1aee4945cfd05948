"""How many values of an iteration become the one that is logged."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import phantom_core as ph
from phantom_testing import DyingAgentsEnv, HookRecorder


class RepeatingTrainer(ph.Trainer):
    """Logs 1, 2 and 6 under one name in its first iteration, and 5 in the second."""

    policy_class = ph.RandomPolicy

    def training_step(self, *args: Any) -> None:
        for value in ([1.0, 2.0, 6.0], [5.0])[self.run.iteration]:
            self.log_scalar("value", value)


def test_values_of_one_name_are_averaged_in_each_iteration_for_every_logger() -> None:
    recorder = HookRecorder()
    results = ph.train(RepeatingTrainer, env=DyingAgentsEnv, num_iterations=2, hooks=[recorder], run_dir=None)
    assert [row["value"] for row in results.history] == [3.0, 5.0]
    for hook in ("on_metrics", "on_iteration_end"):
        assert [event.values["value"] for event in recorder.events(hook)] == [3.0, 5.0]


class SteppingTrainer(ph.Trainer):
    """Logs the rewards of two env steps: one for A, then one for A and one for B."""

    policy_class = ph.RandomPolicy

    def training_step(self, *args: Any) -> None:
        self.log_rewards({"A": 1.0})
        self.log_rewards({"A": 3.0, "B": 8.0})


def test_rewards_that_a_trainer_logs_are_averaged_for_each_agent_and_over_all() -> None:
    results = ph.train(SteppingTrainer, env=DyingAgentsEnv, num_iterations=1, run_dir=None)
    (row,) = results.history
    assert (row["rewards/A"], row["rewards/B"], row["rewards/group"]) == (2.0, 8.0, 4.0)


class LeavingAgent(ph.StrategicAgent):
    """Goes on with choice 0 and ends with choice 1; is paid the number of its steps in each of them."""

    observation_space = gym.spaces.Discrete(1)
    action_space = gym.spaces.Discrete(2)

    def reset(self) -> None:
        self.steps, self.has_left = 0, False

    def decode_action(self, ctx: ph.Context, action: int) -> None:
        self.steps, self.has_left = self.steps + 1, action == 1

    def encode_observation(self, ctx: ph.Context) -> int:
        return 0

    def compute_reward(self, ctx: ph.Context) -> float:
        return float(self.steps)

    def is_terminated(self, ctx: ph.Context) -> bool:
        return self.has_left


class LeavingEnv(ph.PhantomEnv):
    def __init__(self) -> None:
        super().__init__(9, ph.Network([LeavingAgent("A1")]))


class ScriptedPolicy(ph.Policy):
    """Plays one episode of 1 step, one of 2 steps, one of 3, and so on."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.script = [int(step == length) for length in range(1, 9) for step in range(1, length + 1)]

    def compute_action(self, observation: Any) -> int:
        return self.script.pop(0)


class OnePolicy(ph.Policy):
    """Takes choice 1."""

    def compute_action(self, observation: Any) -> int:
        return 1


class CollectingTrainer(ph.Trainer):
    """Collects three episodes in each iteration, and learns nothing."""

    policy_class: type[ph.Policy] = ScriptedPolicy

    def collect_plan(self) -> ph.CollectPlan:
        return ph.CollectPlan(episodes=3)

    def update(
        self, policy_id: str, policy: ph.Policy, batch: ph.Batch, rng: np.random.Generator
    ) -> dict[str, float]:
        return {"decisions": len(batch)}


class OneTrainer(CollectingTrainer):
    policy_class = OnePolicy


def test_episodes_of_an_iteration_are_averaged_and_rewards_are_per_step() -> None:
    metrics = {"steps": ph.metrics.SimpleAgentMetric("A1", "steps", train_reduce_action="last")}
    results = ph.train(
        CollectingTrainer, env=LeavingEnv, num_iterations=2, metrics=metrics, seed=1, run_dir=None
    )
    first, second = (
        results.history
    )  # episodes of 1, 2 and 3 steps, with returns 1, 3 and 6; then of 4, 5 and 6
    assert (first["episode_length"], second["episode_length"]) == (2.0, 5.0)
    assert (first["steps"], second["steps"]) == (2.0, 5.0)
    assert first["default/episode_return"] == pytest.approx((1 + 3 + 6) / 3)
    assert second["default/episode_return"] == pytest.approx((10 + 15 + 21) / 3)
    assert first["rewards/A1"] == pytest.approx((1 + 3 + 6) / (1 + 2 + 3))
    assert second["rewards/A1"] == pytest.approx((10 + 15 + 21) / (4 + 5 + 6))
    assert (first["default/decisions"], second["default/decisions"]) == (6.0, 15.0)


def test_the_reward_of_the_group_is_the_mean_over_its_agents_and_each_policy_has_its_own_return() -> None:
    results = ph.train(
        OneTrainer,
        env=DyingAgentsEnv,  # A1, A2 and A3 earn 1, 2 and 3 in an episode of 3 steps
        policies={"young": ["A1", "A2"], "old": ["A3"]},
        num_iterations=1,
        seed=1,
        run_dir=None,
    )
    (row,) = results.history
    assert [row[f"rewards/A{number}"] for number in (1, 2, 3)] == pytest.approx([1 / 3, 2 / 3, 1.0])
    assert row["rewards/group"] == pytest.approx(2 / 3)
    assert (row["young/episode_return"], row["old/episode_return"]) == (1.5, 3.0)


def test_a_metric_of_an_evaluation_is_averaged_over_its_episodes() -> None:
    results = ph.train(
        CollectingTrainer,
        env=LeavingEnv,
        num_iterations=1,
        metrics={"steps": ph.metrics.SimpleAgentMetric("A1", "steps", eval_reduce_action="last")},
        evaluation=ph.EvaluationPlan(episodes=3),
        seed=1,
        run_dir=None,
    )
    assert results.evaluation is not None
    assert results.evaluation.metrics["steps"] == (4, 5, 6)  # as the script goes on after training
    assert results.history[-1]["eval/steps"] == 5.0
