"""Envs with several learners, for the benchmarks of `ppo`."""

from __future__ import annotations

from typing import Any

import gymnasium as gym

import phantom_core as ph


class CartPoleAgent(ph.StrategicAgent):
    """Balances a pole of its own, and ends when it falls."""

    def __init__(self, agent_id: str) -> None:
        super().__init__(agent_id)
        self.pole = gym.make("CartPole-v1")
        self.observation_space, self.action_space = self.pole.observation_space, self.pole.action_space

    def reset(self) -> None:
        """Put the pole up."""
        self.seen, _ = self.pole.reset(seed=self.random.getrandbits(31))
        self.reward, self.has_fallen = 0.0, False

    def decode_action(self, ctx: ph.Context, action: Any) -> None:
        """Push the cart."""
        self.seen, self.reward, self.has_fallen, _, _ = self.pole.step(action)

    def encode_observation(self, ctx: ph.Context) -> Any:
        """Return what the pole shows."""
        return self.seen

    def compute_reward(self, ctx: ph.Context) -> float:
        """Earn 1 for each step."""
        return float(self.reward)

    def is_terminated(self, ctx: ph.Context) -> bool:
        """End when the pole falls."""
        return bool(self.has_fallen)


class TwoCartPoles(ph.PhantomEnv):
    """Two agents with a pole each; the episode ends when both fell."""

    def __init__(self) -> None:
        agents = [CartPoleAgent("left"), CartPoleAgent("right")]
        super().__init__(num_steps=500, network=ph.Network(agents))


SIMPLE_SPREAD: dict[str, Any] = {
    "env": "pettingzoo",
    "env_config": {"env": "mpe2.simple_spread_v3", "N": 3, "max_cycles": 25},
}
"""Three agents that share their landmarks, of PettingZoo's particle envs."""
