"""PettingZoo's own envs are well in the eyes of the doctor."""

from importlib.util import find_spec
from typing import Any, ClassVar

import gymnasium as gym
import pettingzoo
import pytest

from phantom_pettingzoo import PettingZooEnv
from phantom_testing import diagnose
from phantom_testing.hash_order import CHILD

GAMES = ["classic/tictactoe-v3", "classic/connect_four-v3", "classic/rps-v2"]
MPE2 = [
    "simple_v3",
    "simple_adversary_v3",
    "simple_push_v3",
    "simple_reference_v3",
    "simple_speaker_listener_v4",
    "simple_spread_v3",
    "simple_tag_v3",
    "simple_world_comm_v3",
]


def found_in(name: str, monkeypatch: pytest.MonkeyPatch, **config: Any) -> list[str]:
    monkeypatch.setenv(CHILD, "1")  # without other processes
    diagnosis = diagnose(PettingZooEnv, {"env": name, **config}, num_episodes=2, max_steps=100)
    return [f"{finding.check}: {finding}" for finding in diagnosis.findings]


@pytest.mark.integration
@pytest.mark.skipif(find_spec("mpe2") is None, reason="mpe2 is not installed: run make check-integrations")
@pytest.mark.parametrize("name", MPE2)
def test_particle_envs_are_well(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found = [one.partition(":")[0] for one in found_in(f"mpe2.{name}", monkeypatch)]
    assert found == (["reward-scale"] if name == "simple_world_comm_v3" else [])


@pytest.mark.integration
@pytest.mark.skipif(
    find_spec("pygame") is None, reason="pygame is not installed: run make check-integrations"
)
@pytest.mark.parametrize("name", GAMES)
def test_turn_based_games_are_well(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert found_in(name, monkeypatch) == []


class Rising(pettingzoo.ParallelEnv):  # type: ignore[misc]  # it ships no types
    """Pays more in each episode."""

    metadata: ClassVar[dict[str, Any]] = {"name": "rising_v0"}
    possible_agents: ClassVar[list[str]] = ["x", "y"]
    level = 0

    def observation_space(self, agent: str) -> gym.Space[Any]:
        return gym.spaces.Discrete(2)

    def action_space(self, agent: str) -> gym.Space[Any]:
        return gym.spaces.Discrete(2)

    def reset(self, seed: int | None = None, options: Any = None) -> Any:
        self.agents = list(self.possible_agents)
        self.level += 1
        return dict.fromkeys(self.agents, 0), {agent: {} for agent in self.agents}

    def step(self, actions: Any) -> Any:
        players, self.agents = self.agents, []
        rewards, ended = dict.fromkeys(players, float(self.level)), dict.fromkeys(players, True)
        return (
            dict.fromkeys(players, 1),
            rewards,
            ended,
            dict.fromkeys(players, False),
            {p: {} for p in players},
        )


class HandedOver(PettingZooEnv):
    """Hands over what the game keeps."""

    def __init__(self) -> None:
        self.game = Rising()
        super().__init__(self.game)

    def state_dict(self) -> dict[str, Any]:
        return {"level": self.game.level}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.game.level = state["level"]


class SavedByItself(Rising):
    """Says itself what it keeps."""

    def state_dict(self) -> dict[str, Any]:
        return {"level": self.level}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.level = state["level"]


def test_what_a_game_keeps_is_found_unless_it_is_handed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CHILD, "1")  # without other processes
    (finding,) = diagnose(lambda: PettingZooEnv(Rising())).findings
    assert f"{finding.check}: {finding}" == (
        "leak-between-episodes: agent 'x', step 1: the same episode differs in its reward when other "
        "episodes were played before it: 1.0 alone, 2.0 after them. Set everything anew in reset(), or give "
        "the env state_dict() and load_state_dict()."
    )
    assert diagnose(HandedOver).findings == ()
    assert diagnose(lambda: PettingZooEnv(SavedByItself())).findings == ()
