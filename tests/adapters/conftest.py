"""Envs whose rewards are known, in every order of turns, for the tests of the adapters."""

import importlib
import itertools
import warnings
from collections.abc import Callable, Mapping
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


def players_network(
    player_class: type[PlayerAgent], num_players: int, lifetimes: Mapping[str, int] | None
) -> tuple[list[str], ph.Network]:
    ids = [f"player_{number}" for number in range(num_players)]
    players = [player_class(i, (lifetimes or {}).get(i)) for i in ids]
    network = ph.Network([*players, ClerkAgent("clerk")])
    network.add_connections_between(ids, ["clerk"])
    return ids, network


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
        _, network = players_network(self.player_class, num_players, lifetimes)
        super().__init__(num_steps, network, turn_order=OneAfterTheOther() if takes_turns else None)


class TurnsEnv(PlayersEnv):
    """One player acts in each step."""

    def __init__(self, num_players: int, num_steps: int, lifetimes: Mapping[str, int]) -> None:
        super().__init__(num_players, num_steps, lifetimes, takes_turns=True)


class LeaderEnv(ph.StackelbergEnv):
    """player_0 leads, the others follow."""

    def __init__(self, num_players: int, num_steps: int, lifetimes: Mapping[str, int]) -> None:
        ids, network = players_network(PlayerAgent, num_players, lifetimes)
        super().__init__(num_steps, network, ids[:1], ids[1:])


class StagesEnv(ph.FiniteStateMachineEnv):
    """First no player acts, then player_0, then by chance the others or again nobody."""

    def __init__(self, num_players: int, num_steps: int, lifetimes: Mapping[str, int]) -> None:
        ids, network = players_network(PlayerAgent, num_players, lifetimes)
        stages = [
            ph.FSMStage("nobody", ["clerk"], next_stages=["first"]),
            ph.FSMStage("first", ids[:1], next_stages=["others", "nobody"], handler=self.toss),
            ph.FSMStage("others", ids[1:], next_stages=["nobody"]),
        ]
        super().__init__(num_steps, network, "nobody", stages=stages)

    def toss(self) -> str:
        return self.random.choice(["others", "nobody"])


ENVS: dict[str, Callable[[int, int, Mapping[str, int]], ph.PhantomEnv]] = {
    "simultaneous": PlayersEnv,
    "turns": TurnsEnv,
    "leader": LeaderEnv,
    "stages": StagesEnv,
}
LIFETIMES: list[dict[str, int]] = [{}, {"player_0": 5}, {"player_0": 4, "player_1": 4, "player_2": 7}]


@pytest.fixture(params=itertools.product(ENVS, LIFETIMES), ids=str)
def make_players(request: pytest.FixtureRequest) -> Callable[[], ph.PhantomEnv]:
    """Makes an env of player_0 to player_2: every order of turns, with players that end early or not."""
    name, lifetimes = request.param
    return lambda: ENVS[name](3, 40, lifetimes)


@pytest.fixture(scope="session")
def envs_by_order() -> Mapping[str, Callable[[int, int, Mapping[str, int]], ph.PhantomEnv]]:
    """Classes by order of turns; each takes `(num_players, num_steps, lifetimes)`."""
    return ENVS


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
