"""`bandit`: takes the best arm, and tries others ever more rarely; an online trainer in one file.

To install it, put this file beside a `pyproject.toml` with

    [project.entry-points."phantom_core.trainers"]
    bandit = "bandit:BanditTrainer"

    [project.entry-points."phantom_core.policies"]
    arms = "bandit:ArmsPolicy"
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np

import phantom_core as ph

Array = np.ndarray[Any, np.dtype[np.float64]]


class ArmsPolicy(ph.Policy):
    """Takes the arm that paid most on average, as far as it knows; each observation is a bandit of its own.

    Attributes:
        plays: float64 array [observations, arms], how often each arm was played.
        paid: float64 array [observations, arms], what it paid in all.
        tries: c of the probability with which it takes any arm while it learns; 0: never.
    """

    def __init__(self, observation_space: gym.Space[Any], action_space: gym.Space[Any]) -> None:
        """Know nothing; raise `ConfigError` if a space is not Discrete."""
        super().__init__(observation_space, action_space)
        for space in (observation_space, action_space):
            if not isinstance(space, gym.spaces.Discrete) or space.start != 0:
                raise ph.errors.ConfigError(f"bandit got {space}. Expected a Discrete space from 0.")
        shape = observation_space.n, action_space.n  # type: ignore[attr-defined]  # both are Discrete
        self.plays: Array = np.zeros(shape)
        self.paid: Array = np.zeros(shape)
        self.tries = 0.0

    def means(self, observation: int) -> Array:
        """Return what each arm paid on average; 0 where it was not played yet."""
        return np.asarray(self.paid[observation] / np.maximum(self.plays[observation], 1.0))

    def epsilon(self, observation: int) -> float:
        """Return the probability εₙ = min(1, c K / n) of any of the K arms, after n plays."""
        plays = self.plays[observation]
        return min(1.0, self.tries * len(plays) / max(float(plays.sum()), 1.0))

    def compute_action(self, observation: ph.Observation) -> int:
        """Return the arm with the highest mean; of equals, the first."""
        return int(np.argmax(self.means(observation)))

    def sample_actions(
        self, observations: Any, rng: ph.RowStreams
    ) -> tuple[Sequence[int], Mapping[str, Any]]:
        """Return for each observation the best arm, or with probability εₙ any."""
        actions = []
        for observation, draw in zip(observations, rng.uniform(), strict=True):
            epsilon = self.epsilon(observation)
            is_any = draw < epsilon  # given that, draw / epsilon is uniform in [0, 1)
            arms = self.plays.shape[1]
            actions.append(int(draw / epsilon * arms) if is_any else self.compute_action(observation))
        return actions, {}

    def state_dict(self) -> dict[str, Any]:
        """Return what is known of each arm."""
        return {"plays": self.plays.copy(), "paid": self.paid.copy()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take it over."""
        self.plays, self.paid = np.array(state["plays"]), np.array(state["paid"])


@dataclass(frozen=True)
class BanditConfig:
    """Settings of the trainer `bandit`."""

    tries: float = 5.0
    """c: how much it explores; a worse arm is played about c ln n times."""
    steps: int = 100
    """Env steps in an iteration."""


class BanditTrainer(ph.Trainer):
    """εₙ-greedy: takes the arm with the highest mean, or with a probability that falls with 1/n any arm.

        εₙ = min(1, c K / n)

    for K arms after n plays. With rewards from 0 to 1, c > 5 / d², and the best arm better than the others by
    d or more, the n-th play is of a worse arm with a probability of about c / n at most.

    Source: Auer, Cesa-Bianchi and Fischer 2002, "Finite-time analysis of the multiarmed bandit problem",
    Machine Learning 47, 235-256, theorem 3. Its UCB1, which draws nothing, is for one player: several that
    play in lockstep take what the others do for their own doing.
    """

    config_class = BanditConfig
    policy_class = ArmsPolicy
    keep_last = ("plays", "share_of_best")
    conformance: Mapping[str, Any] = {"is_bandit": True}  # for `phantom plugins check`

    def collect_plan(self) -> ph.CollectPlan:
        """Log every so many steps."""
        return ph.CollectPlan(steps=self.config.steps)

    def begin_round(self, policy_id: ph.PolicyID, policy: ArmsPolicy) -> None:
        """Let the policy explore."""
        policy.tries = self.config.tries

    def learn_step(
        self, policy_id: ph.PolicyID, policy: ArmsPolicy, rows: ph.Transitions, rng: np.random.Generator
    ) -> None:
        """Count what was played in this step, and what it paid."""
        for one in rows:
            policy.plays[one.observation, one.action] += 1.0
            policy.paid[one.observation, one.action] += one.reward

    def update(
        self, policy_id: ph.PolicyID, policy: ArmsPolicy, batch: ph.Batch, rng: np.random.Generator
    ) -> Mapping[str, float]:
        """Say how often the arms were played that are taken for the best."""
        best = [policy.compute_action(observation) for observation in range(len(policy.plays))]
        plays = float(policy.plays.sum())
        of_best = float(policy.plays[np.arange(len(best)), best].sum())
        return {"plays": plays, "share_of_best": of_best / max(plays, 1.0)}
