"""A small market for runs that are cut: two agents, a random walk, and a trainer that draws."""

import time
from collections.abc import Mapping
from typing import Any

import gymnasium as gym
import numpy as np

import phantom_core as ph


class Seller(ph.StrategicAgent):
    observation_space = gym.spaces.Discrete(4)
    action_space = gym.spaces.Discrete(3)
    demand, sold = 0, 0.0

    def reset(self) -> None:
        self.demand, self.sold = self.random.randrange(4), 0.0

    def decode_action(self, ctx: ph.Context, action: int) -> None:
        self.sold = float(min(action, self.demand)) - 0.1 * action
        self.demand = self.random.randrange(4)

    def encode_observation(self, ctx: ph.Context) -> int:
        return self.demand

    def compute_reward(self, ctx: ph.Context) -> float:
        return self.sold


class SoakMarket(ph.PhantomEnv):
    """Takes a moment for each step, so that there is time to cut it."""

    def __init__(self, num_steps: int = 6, seconds: float = 0.001) -> None:
        super().__init__(num_steps, ph.Network([Seller("A"), Seller("B")]))
        self.seconds = seconds

    def step(self, actions: Mapping[ph.AgentID, Any]) -> ph.StepResult:
        time.sleep(self.seconds)
        return super().step(actions)


class SavedMarket(SoakMarket):
    """Has long episodes, and saves them."""

    saves_episodes = True

    def __init__(self, num_steps: int = 70, seconds: float = 0.001) -> None:
        super().__init__(num_steps, seconds)

    def state_dict(self) -> dict[str, Any]:
        sellers: Any = self.agents.values()
        return {"sellers": [[seller.demand, seller.sold] for seller in sellers]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        sellers: Any = self.agents.values()
        for seller, (demand, sold) in zip(sellers, state["sellers"], strict=True):
            seller.demand, seller.sold = demand, sold


class SoakPolicy(ph.Policy):
    acts_randomly = True

    def __init__(self, *spaces: Any, **settings: Any) -> None:
        super().__init__(*spaces, **settings)
        self.weights = np.zeros(3)

    def compute_action(self, observation: Any) -> int:
        return int(np.argmax(self.weights))

    def sample_actions(self, observations: Any, rng: Any) -> Any:
        return [int(3 * draw) for draw in rng.uniform()], {}

    def state_dict(self) -> dict[str, Any]:
        return {"weights": self.weights}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.weights = np.array(state["weights"])


class SoakTrainer(ph.Trainer):
    """Averages what actions earned, and adds noise from its own generator."""

    policy_class = SoakPolicy
    updates = 0

    def collect_plan(self) -> ph.CollectPlan:
        return ph.CollectPlan(steps=10)

    def update(self, policy_id: Any, policy: Any, batch: ph.Batch, rng: Any) -> dict[str, float]:
        self.updates += 1
        rows = batch.transitions
        np.add.at(policy.weights, np.asarray(rows.actions), rows.rewards)
        policy.weights += self.rng.normal(size=3) + rng.normal(size=3) / self.updates
        return {"weight": float(policy.weights[0]), "progress": self.progress}

    def state_dict(self) -> dict[str, Any]:
        return {"updates": self.updates}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.updates = state["updates"]
