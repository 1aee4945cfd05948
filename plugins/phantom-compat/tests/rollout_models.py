"""Models whose rollouts are played, also by other processes."""

from __future__ import annotations

import os
import random
from typing import Any

import gymnasium as gym
import numpy as np

import phantom as ph
import phantom_core


@ph.msg_payload()
class Offer:
    price: float


class Seller(ph.StrategicAgent):
    """Offers its action; observes its newest draw from NumPy's global generator, in [0, 100)."""

    observation_space, action_space = gym.spaces.Discrete(100), gym.spaces.Discrete(5)
    draw = chosen = 0

    def decode_action(self, ctx: ph.Context, action: Any) -> Any:
        self.chosen = action
        return [("BUYER", Offer(float(action)))]

    def encode_observation(self, ctx: ph.Context) -> int:
        self.draw = int(np.random.randint(100))
        return self.draw

    def compute_reward(self, ctx: ph.Context) -> float:
        return float(self.chosen)


class Buyer(ph.Agent):
    @ph.agents.msg_handler(Offer)
    def take(self, ctx: ph.Context, message: ph.Message[Any]) -> None:
        """Take it."""


class Trade(ph.PhantomEnv):
    """Sellers offer to a buyer; the env notes what it was reset with, and may end or break early."""

    def __init__(
        self,
        num_sellers: int = 2,
        num_steps: int = 3,
        ends_at: int | None = None,
        breaks_at: int | None = None,
        price: Any = 1.0,
        nested: Any = None,
    ) -> None:
        sellers = [Seller(f"S{i}") for i in range(num_sellers)]
        network = ph.Network([*sellers, Buyer("BUYER")])
        network.add_connections_between([seller.id for seller in sellers], ["BUYER"])
        self.ends_at, self.breaks_at, self.price, self.nested = ends_at, breaks_at, price, nested
        self.seed: int | None = None
        self.python_draw = random.random()  # noqa: S311  as programs draw
        super().__init__(num_steps, network)

    @property
    def process(self) -> int:
        return os.getpid()

    def reset(self, seed: Any = None, options: Any = None) -> Any:
        self.seed = seed
        return super().reset(seed, options)

    def step(self, actions: Any) -> Any:
        if self.current_step + 1 == self.breaks_at:
            raise KeyError("no more offers")
        return super().step(actions)

    def is_terminated(self) -> bool:
        return self.ends_at is not None and self.current_step >= self.ends_at


class Machine(ph.FiniteStateMachineEnv):
    """S0 acts in A, S1 in B; with two ways, A may come again."""

    def __init__(self, num_ways: int = 1) -> None:
        stages = [
            ph.FSMStage("A", ["S0"], ["S0"], ["B", "A"][:num_ways], handler=self.play),
            ph.FSMStage("B", ["S1"], ["S1"], ["A"]),
        ]
        network = ph.Network([Seller("S0"), Seller("S1"), Buyer("BUYER")])
        network.add_connections_between(["S0", "S1"], ["BUYER"])
        super().__init__(4, network, "A", stages=stages)

    def play(self) -> str:
        self.resolve_network()
        return "B"


class Counting(ph.Policy):
    """Counts its choices, and how many of its kind there were."""

    def __init__(self, observation_space: Any, action_space: Any) -> None:
        super().__init__(observation_space, action_space)
        self.number = 0

    def compute_action(self, observation: Any) -> int:
        self.number += 1
        return self.number % 5


class Drawing(ph.Policy):
    """Draws its action from the action space."""

    def compute_action(self, observation: Any) -> Any:
        return self.action_space.sample()


class Echo(phantom_core.Policy):
    """Plays 1, or `choice`; while it explores, a draw of its stream; it notes the sizes of its batches."""

    sizes: list[int] = []  # noqa: RUF012  of all of them, for the tests

    def __init__(self, observation_space: Any, action_space: Any, choice: int = 1) -> None:
        super().__init__(observation_space, action_space)
        self.choice = choice

    def compute_action(self, observation: Any) -> int:
        return self.choice

    def compute_actions(self, observations: Any) -> Any:
        self.sizes.append(len(observations))
        return super().compute_actions(observations)

    def sample_actions(self, observations: Any, rng: Any) -> Any:
        return [int(5 * draw) for draw in rng.uniform()], {}


class Remembering(phantom_core.RecurrentPolicy):
    """Plays how often it was asked in the episode."""

    def initial_state(self) -> Any:
        return {"asked": np.zeros(1, dtype=np.int64)}

    def compute_actions(self, observations: Any, state: Any) -> Any:
        asked = state["asked"] + 1
        return [int(one[0]) for one in asked], {"asked": asked}


class Idle(phantom_core.Trainer):
    """Learns nothing."""

    policy_class = Echo

    def training_step(self, *given: Any) -> None:
        """Do nothing."""


class IdleWithMemory(Idle):
    policy_class = Remembering
