"""Every episode of every copy is another, and every policy draws for itself; all follow from one seed.

A decision here is told from every other by what it earned, which follows from the episode's seed, and by
what the policy drew for it.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import gymnasium as gym
import pytest

import phantom_core as ph


class TicketGame(gym.Env[int, int]):
    """The env `ticket_env`, as a Gymnasium env."""

    observation_space = gym.spaces.Discrete(1)
    action_space = gym.spaces.Discrete(2)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[int, dict[str, Any]]:
        super().reset(seed=seed, options=options)
        return 0, {}

    def step(self, action: int) -> tuple[int, float, bool, bool, dict[str, Any]]:
        return 0, float(self.np_random.random()), True, False, {}


class DrawingPolicy(ph.Policy):
    """Says what it drew for each decision."""

    def compute_action(self, observation: Any) -> int:
        return 0

    def sample_actions(self, observations: Any, rng: ph.RowStreams) -> tuple[list[int], dict[str, Any]]:
        return [0] * len(observations), {"draw": rng.uniform()}


MakeEnv = Callable[[], ph.MultiAgentEnv]
ONCE = (ph.CollectPlan(episodes=12),)


@pytest.fixture(params=["agents", "short way", "long way"])
def make_env(
    request: pytest.FixtureRequest, ticket_env: MakeEnv, long_way_env: type[ph.GymnasiumEnv]
) -> MakeEnv:
    """Makes an env of one agent and one step; one of each kind that is played in a way of its own."""
    kinds: dict[str, MakeEnv] = {
        "agents": ticket_env,
        "short way": lambda: ph.GymnasiumEnv(TicketGame()),
        "long way": lambda: long_way_env(TicketGame()),
    }
    return kinds[request.param]


def collect(
    envs: ph.VectorEnv,
    *,
    seed: int = 1,
    plans: Iterable[ph.CollectPlan] = ONCE,
    policy_by_agent: Mapping[ph.AgentID, str] | None = None,
) -> list[tuple[float, float]]:
    """Collect by one plan after the other; return what each decision earned, and what was drawn for it."""
    facts = envs.facts(0)
    mapping = policy_by_agent or dict.fromkeys(facts.strategic_agent_ids, "p")
    policies = {
        policy_id: DrawingPolicy(facts.observation_spaces[agent_id], facts.action_spaces[agent_id])
        for agent_id, policy_id in mapping.items()
    }
    collector = ph.Collector(envs, policies, mapping, seed=seed, learning=list(policies))
    batches = [batch for plan in plans for batch in collector.collect(plan).values()]
    return [(t.rewards[0], float(t.extras["draw"][0])) for batch in batches for t in batch.trajectories]


def test_every_episode_of_every_copy_is_another(make_env: MakeEnv) -> None:
    decisions = collect(ph.make_vector_env(make_env, 3))
    assert len(decisions) == len({earned for earned, _ in decisions}) == 12


def test_a_policy_draws_anew_in_every_copy_and_episode(make_env: MakeEnv) -> None:
    decisions = collect(ph.make_vector_env(make_env, 3))
    assert len(decisions) == len({draw for _, draw in decisions}) == 12


def test_the_next_collection_goes_on_with_other_episodes_and_draws(make_env: MakeEnv) -> None:
    plans = [ph.CollectPlan(episodes=3), ph.CollectPlan(steps=6), ph.CollectPlan(episodes=3)]
    in_parts = collect(ph.make_vector_env(make_env, 3), plans=plans)
    assert sorted(in_parts) == sorted(collect(ph.make_vector_env(make_env, 3)))


def test_episodes_and_draws_follow_from_the_seed(make_env: MakeEnv) -> None:
    first, again, other = (collect(ph.make_vector_env(make_env, 3), seed=seed) for seed in (1, 1, 2))
    assert first == again
    for of_first, of_other in zip(zip(*first, strict=True), zip(*other, strict=True), strict=True):
        assert set(of_first).isdisjoint(of_other)


@pytest.mark.parametrize("policy_ids", [("one", "one"), ("one", "other")])
def test_a_policy_draws_for_each_of_its_agents_and_policies_draw_apart(
    policy_ids: tuple[str, str], ticket_env: Callable[..., ph.MultiAgentEnv]
) -> None:
    envs = ph.make_vector_env(lambda: ticket_env(num_agents=2), 3)
    decisions = collect(envs, policy_by_agent=dict(zip(("A1", "A2"), policy_ids, strict=True)))
    assert len(decisions) == len({draw for _, draw in decisions}) == 24


def test_a_collection_of_unequal_shares_plays_as_many_episodes_as_it_was_asked_for(make_env: MakeEnv) -> None:
    assert len(collect(ph.make_vector_env(make_env, 3), plans=[ph.CollectPlan(episodes=4)])) == 4
