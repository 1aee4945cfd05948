"""Envs whose rewards are known, in every order of turns, for the tests of the adapters."""

import importlib
import warnings
from collections.abc import Mapping
from types import ModuleType
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import phantom_core as ph


@ph.msg_payload()
class Word:
    """What agents tell the clerk."""


class PlayerAgent(ph.StrategicAgent):
    """Observes (share of the steps made, a draw, its last action); earns its last action + 1."""

    observation_space = gym.spaces.Box(0.0, 1.0, (3,), np.float32)
    action_space = gym.spaces.Discrete(3)

    def __init__(self, agent_id: ph.AgentID, lifetime: int | None) -> None:
        super().__init__(agent_id)
        self.lifetime = lifetime

    def reset(self) -> None:
        self.action, self.age, self.computed = 0, 0, 0.0
        self.actions: list[int] = []

    @property
    def is_alive(self) -> bool:
        return self.lifetime is None or self.age < self.lifetime

    def decode_action(self, ctx: ph.Context, action: Any) -> ph.MessageList:
        self.action = int(action)
        self.actions.append(self.action)
        return [("clerk", Word())]

    def encode_observation(self, ctx: ph.Context) -> Any:
        return np.array(
            [ctx.env_view.proportion_time_elapsed, self.random.random(), self.action / 2], np.float32
        )

    def post_message_resolution(self, ctx: ph.Context) -> None:
        self.age += 1

    def compute_reward(self, ctx: ph.Context) -> float:
        self.computed += self.action + 1.0
        return self.action + 1.0

    def is_terminated(self, ctx: ph.Context) -> bool:
        return not self.is_alive

    def collect_infos(self, ctx: ph.Context) -> dict[str, Any]:
        return {"age": self.age}


class ClerkAgent(ph.Agent):
    """A plain agent that hears words."""

    @ph.msg_handler(Word)
    def hear(self, ctx: ph.Context, message: ph.Message[Word]) -> None:
        """Nod."""


class OneAfterTheOther:
    """The players that are alive act one per step; each is rewarded in every step."""

    def first(self, env: ph.PhantomEnv) -> ph.Turn:
        return ph.Turn(0, acting=(env.strategic_agent_ids[0],))

    def advance(self, env: ph.PhantomEnv, turn: ph.Turn) -> ph.Turn:
        env.resolve_network()
        players = env.strategic_agents
        for number in range(turn.name + 1, turn.name + 1 + len(players)):  # type: ignore[operator]  it is an int
            player = players[number % len(players)]
            if player.is_alive:  # type: ignore[attr-defined]  a PlayerAgent
                break
        return ph.Turn(number % len(players), acting=(player.id,))


class PlayersEnv(ph.PhantomEnv):
    """Players player_0 to player_n, and a clerk; lifetimes in steps by player id."""

    player_class = PlayerAgent

    def __init__(
        self,
        num_players: int = 2,
        num_steps: int | None = 6,
        lifetimes: Mapping[str, int] | None = None,
        *,
        takes_turns: bool = False,
    ) -> None:
        ids = [f"player_{number}" for number in range(num_players)]
        players = [PlayerAgent(i, (lifetimes or {}).get(i)) for i in ids]
        network = ph.Network([*players, ClerkAgent("clerk")])
        network.add_connections_between(ids, ["clerk"])
        super().__init__(num_steps, network, turn_order=OneAfterTheOther() if takes_turns else None)


@pytest.fixture(scope="session")
def zoo_kit() -> ModuleType:
    """PettingZoo's own tests; importing them warns of the names of PettingZoo's own envs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return importlib.import_module("pettingzoo.test")


@pytest.fixture(scope="session")
def players_env() -> type[PlayersEnv]:
    """The class `PlayersEnv(num_players=2, num_steps=6, lifetimes=None, *, takes_turns=False)`."""
    return PlayersEnv
