"""The particle envs of MPE2, and games of PettingZoo, are played here."""

from importlib.util import find_spec
from typing import Any

import pytest

import phantom_core as ph
from phantom_pettingzoo import PettingZooEnv

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(
        find_spec("mpe2") is None, reason="mpe2 is not installed: run make check-integrations"
    ),
]

MPE2 = [
    "simple_v3",
    "simple_adversary_v3",
    "simple_crypto_v3",
    "simple_push_v3",
    "simple_reference_v3",
    "simple_speaker_listener_v4",
    "simple_spread_v3",
    "simple_tag_v3",
    "simple_world_comm_v3",
]


def collect_randomly(env: PettingZooEnv, num_episodes: int) -> list[ph.EpisodeSummary]:
    observation_spaces, action_spaces = env.observation_spaces, env.action_spaces
    policies = {str(i): ph.RandomPolicy(observation_spaces[i], action_spaces[i]) for i in env.agents}
    episodes: list[ph.EpisodeSummary] = []
    collector = ph.Collector(
        [env], policies, {i: str(i) for i in env.agents}, seed=1, on_episode=episodes.append
    )
    collector.collect(ph.CollectPlan(episodes=num_episodes))
    return episodes


@pytest.mark.parametrize("name", MPE2)
def test_particle_envs_are_collected_from(name: str) -> None:
    episodes = [collect_randomly(PettingZooEnv(f"mpe2.{name}", max_cycles=10), 3) for _ in range(2)]
    assert [episode.length for episode in episodes[0]] == [10, 10, 10]
    assert [e.episode_returns for e in episodes[0]] == [e.episode_returns for e in episodes[1]]


def test_simple_spread_gives_the_returns_that_it_gives_alone() -> None:
    from mpe2 import simple_spread_v3

    def actions(agents: Any, step: int) -> dict[Any, int]:
        return {agent: (step + number) % 5 for number, agent in enumerate(agents)}

    env, bare = PettingZooEnv("mpe2.simple_spread_v3", N=3), simple_spread_v3.parallel_env(N=3)
    env.reset(5)
    bare.reset(seed=5)
    for step in range(25):
        result = env.step(actions(bare.agents, step))
        _, rewards, _, _, _ = bare.step(actions(bare.agents, step))
        assert result.rewards == rewards
    assert result.truncations == {**dict.fromkeys(rewards, True), "__all__": True}


@pytest.mark.parametrize(
    ("name", "is_turn_based"),
    [("classic/rps-v2", False), ("classic/tictactoe-v3", True), ("classic/connect_four-v3", True)],
)
def test_games_of_pettingzoos_registry_are_collected_from(name: str, *, is_turn_based: bool) -> None:
    env = PettingZooEnv(name)
    assert (env.acting_agent_ids is not None) == is_turn_based
    episodes = collect_randomly(env, 5)  # zero-sum, as long as nobody makes an illegal move
    assert [sum(episode.episode_returns.values()) for episode in episodes] == [0.0] * 5


def test_the_pettingzoo_run_of_the_docs_trains() -> None:
    results = ph.train(
        "q-learning",
        env="pettingzoo",
        env_config={"env": "classic/rps-v2", "max_cycles": 15},
        policies={"player": ["player_0", "player_1"]},
        num_iterations=5,
        seed=1,
        run_dir=None,
    )
    assert results.history[-1]["episode_length"] == 15
