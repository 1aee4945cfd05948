"""An evaluation plays copies of the policies, as finished ones, in one new episode after the other."""

from collections.abc import Callable
from typing import Any

import numpy as np

import phantom_core as ph
from phantom_testing import DyingAgentsEnv


class RestlessPolicy(ph.Policy):
    """Draws its finished actions from a generator of its own, and keeps what it saw."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.own = np.random.default_rng(1)
        self.seen: list[Any] = []

    def compute_action(self, observation: Any) -> int:
        self.seen.append(observation)
        return int(self.own.integers(2))


class LearningPolicy(ph.Policy):
    """Is paid for what it does as a finished policy, and for nothing that it tries while it learns."""

    def compute_action(self, observation: Any) -> int:
        return 1

    def sample_actions(self, observations: Any, rng: ph.RowStreams) -> tuple[list[int], dict[str, Any]]:
        return [0] * len(observations), {}


def evaluate(env: ph.PhantomEnv, policy_class: type[ph.Policy], **options: Any) -> tuple[ph.Evaluation, Any]:
    """Return the evaluation of one policy for all agents, and that policy."""
    env.reset(seed=0)
    policy = policy_class(env.observation_spaces["A1"], env.action_spaces["A1"])
    mapping = dict.fromkeys(env.strategic_agent_ids, "p")
    return ph.evaluate(env, {"p": policy}, mapping, **{"num_episodes": 6, "seed": 1, **options}), policy


def test_a_policy_is_the_same_after_an_evaluation_as_before() -> None:
    evaluation, policy = evaluate(DyingAgentsEnv(), RestlessPolicy)
    assert len(set(evaluation.episode_returns["A3"])) > 1  # it did draw
    assert policy.seen == []
    assert policy.own.bit_generator.state == np.random.default_rng(1).bit_generator.state


def test_a_second_evaluation_of_a_policy_is_like_the_first() -> None:
    env = DyingAgentsEnv()
    first, policy = evaluate(env, RestlessPolicy)
    mapping = dict.fromkeys(("A1", "A2", "A3"), "p")
    second = ph.evaluate(env, {"p": policy}, mapping, num_episodes=6, seed=1)
    assert second.episode_returns == first.episode_returns


def test_a_policy_that_learns_is_evaluated_as_the_finished_one() -> None:
    evaluation, _ = evaluate(DyingAgentsEnv(), LearningPolicy)
    assert evaluation.episode_returns == {"A1": (1.0,) * 6, "A2": (2.0,) * 6, "A3": (3.0,) * 6}
    assert evaluation.mean_return == 2.0


def test_every_episode_of_an_evaluation_is_another_and_follows_from_its_seed(
    ticket_env: Callable[..., ph.PhantomEnv],
) -> None:
    first, again, other = (
        evaluate(ticket_env(), LearningPolicy, seed=seed)[0].episode_returns["A1"] for seed in (1, 1, 2)
    )
    assert len(first) == len(set(first)) == 6
    assert first == again
    assert set(first).isdisjoint(other)
