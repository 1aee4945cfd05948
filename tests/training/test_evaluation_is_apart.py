"""An evaluation plays episodes of its own, and nothing that trains is changed by it."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

import phantom_core as ph
from phantom_testing import DyingAgentsEnv, HookRecorder

EnvClass = Callable[..., ph.MultiAgentEnv]


class RestlessPolicy(ph.Policy):
    """Draws from one generator, whatever it is asked, and counts how often that was."""

    weight = 0.0
    asked = 0

    def seed(self, rng: np.random.Generator) -> None:
        self.own = rng

    def compute_action(self, observation: Any) -> int:
        self.asked += 1
        return int(self.own.random() < 0.5)

    def state_dict(self) -> dict[str, Any]:
        return {"weight": self.weight, "asked": self.asked, "next": self.own.bit_generator.state}


class DrawingTrainer(ph.Trainer):
    """Changes the weight by what is earned and drawn."""

    policy_class = RestlessPolicy

    def collect_plan(self) -> ph.CollectPlan:
        return ph.CollectPlan(episodes=4)

    def update(
        self, policy_id: str, policy: Any, batch: ph.Batch, rng: np.random.Generator
    ) -> dict[str, float]:
        policy.weight += float(np.sum(batch.transitions.rewards)) * rng.normal()
        return {"weight": policy.weight}


def train(env: EnvClass, trainer: Any = DrawingTrainer, **options: Any) -> ph.TrainingResults:
    return ph.train(trainer, env=env, **{"num_iterations": 3, "seed": 1, "run_dir": None, **options})


def episodes(env: EnvClass, **options: Any) -> tuple[list[float], list[tuple[float, ...]]]:
    """Train with an evaluation after each iteration; return what each episode and each evaluation paid."""
    recorder = HookRecorder()
    train(env, hooks=[recorder], **options)
    trained = [event.episode_returns["A1"] for event in recorder.events("on_episode_end")]
    return trained, [event.episode_returns["A1"] for event in recorder.events("on_evaluation_end")]


def test_no_episode_of_an_evaluation_is_one_of_training(ticket_env: EnvClass) -> None:
    trained, evaluated = episodes(ticket_env, evaluation=ph.EvaluationPlan(episodes=20, every=1))
    assert len(trained) == len(set(trained)) == 12
    assert len(evaluated[0]) == len(set(evaluated[0])) == 20
    assert set(trained).isdisjoint(evaluated[0])


def test_all_evaluations_of_a_run_play_the_same_episodes(ticket_env: EnvClass) -> None:
    _, evaluated = episodes(ticket_env, evaluation=ph.EvaluationPlan(episodes=5, every=1))
    assert len(evaluated) == 3
    assert len(set(evaluated)) == 1


def test_the_episodes_of_evaluations_follow_from_the_seed_of_the_run(ticket_env: EnvClass) -> None:
    plan = ph.EvaluationPlan(episodes=5)
    first, again, other = (episodes(ticket_env, evaluation=plan, seed=seed)[1][0] for seed in (1, 1, 2))
    assert first == again
    assert set(first).isdisjoint(other)


def test_an_evaluation_with_a_seed_of_its_own_is_the_same_in_every_run(ticket_env: EnvClass) -> None:
    plan = ph.EvaluationPlan(episodes=5, seed=7)
    first, other = (episodes(ticket_env, evaluation=plan, seed=seed)[1] for seed in (1, 2))
    assert first == other != episodes(ticket_env, evaluation=ph.EvaluationPlan(episodes=5))[1]


def learned(results: ph.TrainingResults) -> tuple[dict[str, Any], list[dict[str, float]]]:
    """Return the state of the policy, and what was logged apart from times and evaluations."""
    history = [
        {name: value for name, value in row.items() if not name.startswith(("time/", "eval/"))}
        for row in results.history
    ]
    return results.policies["default"].state_dict(), history


@pytest.mark.parametrize("every", [None, 1, 2])
def test_a_policy_with_a_state_of_its_own_learns_the_same_with_and_without_evaluations(
    every: int | None,
) -> None:
    plain = train(DyingAgentsEnv)
    watched = train(DyingAgentsEnv, evaluation=ph.EvaluationPlan(episodes=5, every=every))
    assert learned(watched) == learned(plain)
    assert watched.evaluation is not None
    assert len(set(watched.evaluation.episode_returns["A3"])) > 1  # it did draw


class AlternatingPolicy(ph.Policy):
    """Takes one choice, 0 or 1, which is paid."""

    choice = 0

    def compute_action(self, observation: Any) -> int:
        return self.choice


class AlternatingTrainer(ph.Trainer):
    """Changes the choice in each iteration: 1, 0, 1, …."""

    policy_class = AlternatingPolicy

    def collect_plan(self) -> ph.CollectPlan:
        return ph.CollectPlan(episodes=1)

    def update(self, policy_id: str, policy: Any, batch: Any, rng: Any) -> Mapping[str, float]:
        policy.choice = 1 - policy.choice
        return {}


def test_an_evaluation_plays_the_policies_as_they_are_after_its_iteration() -> None:
    plan = ph.EvaluationPlan(episodes=2, every=1)
    results = train(DyingAgentsEnv, AlternatingTrainer, evaluation=plan)
    assert [row["eval/mean_return"] for row in results.history] == [2.0, 0.0, 2.0]


@pytest.mark.parametrize(("agents", "expected"), [(["A1"], 1.0), (["A3"], 3.0), (["A1", "A3"], 2.0)])
def test_the_mean_return_of_an_evaluation_is_that_of_the_agents_whose_policies_train(
    agents: list[str], expected: float
) -> None:
    others = [agent_id for agent_id in ("A1", "A2", "A3") if agent_id not in agents]
    fixed = ph.PolicySpec(agents=others, policy=ph.ConstantPolicy, config={"action": 0})
    results = train(
        DyingAgentsEnv,
        AlternatingTrainer,
        policies={"learner": agents, "fixed": fixed},
        num_iterations=1,
        evaluation=ph.EvaluationPlan(episodes=2),
    )
    assert results.evaluation is not None
    assert results.evaluation.mean_return == expected
