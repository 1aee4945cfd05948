"""`opponents="past"`: agents that act by snapshots of a policy while it learns."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import phantom_core as ph

TABLES = 32
MOVES = 3


class Player(ph.StrategicAgent):
    observation_space = gym.spaces.Discrete(1)
    action_space = gym.spaces.Discrete(MOVES)


class Here(Player):
    pass


class There(Player):
    pass


class Tables(ph.PhantomEnv):
    """Rock, paper, scissors at many tables at once, so that a run of many games is short."""

    def __init__(self) -> None:
        pairs = [(Here(f"here {n}"), There(f"there {n}")) for n in range(TABLES)]
        super().__init__(1, ph.Network([agent for pair in pairs for agent in pair]))
        self.pairs = [(one.id, other.id) for one, other in pairs]

    def reset(self, seed: Any = None, options: Any = None) -> Any:
        ids = self.strategic_agent_ids
        return dict.fromkeys(ids, 0), {agent_id: {} for agent_id in ids}

    def step(self, actions: Mapping[Any, Any]) -> ph.StepResult:
        rewards = {}
        for one, other in self.pairs:
            rewards[one] = (0.0, 1.0, -1.0)[(actions[one] - actions[other]) % MOVES]
            rewards[other] = -rewards[one]
        ends = dict.fromkeys((*rewards, "__all__"), True)
        nobody = dict.fromkeys(ends, False)
        return ph.StepResult(
            dict.fromkeys(rewards, 0), rewards, nobody, ends, {agent_id: {} for agent_id in rewards}
        )


class Logits(ph.Policy):
    """Moves with probabilities that do not depend on what it sees."""

    def __init__(self, *spaces: Any, **settings: Any) -> None:
        super().__init__(*spaces, **settings)
        self.logits = np.zeros(MOVES)

    def seed(self, rng: np.random.Generator) -> None:
        self.logits = rng.normal(scale=0.3, size=MOVES)

    @property
    def probabilities(self) -> Any:
        weights = np.exp(self.logits - self.logits.max())
        return weights / weights.sum()

    def compute_action(self, observation: Any) -> int:
        return int(np.argmax(self.logits))

    def sample_actions(self, observations: Any, rng: ph.RowStreams) -> Any:
        bounds = np.cumsum(self.probabilities)[:-1]
        return np.searchsorted(bounds, rng.uniform(), side="right"), {}

    def state_dict(self) -> dict[str, Any]:
        return {"logits": self.logits}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.logits = np.array(state["logits"])


class SmoothReply(ph.Trainer):
    """Goes half of the way to the logit reply: θ ← θ + ½ (q / τ - θ), with what each move earned on average."""

    policy_class = Logits
    temperature = 0.2

    def collect_plan(self) -> ph.CollectPlan:
        return ph.CollectPlan(episodes=256 // TABLES)

    def update(self, policy_id: Any, policy: Any, batch: ph.Batch, rng: Any) -> dict[str, float]:
        moves, rewards = batch.transitions.actions, batch.transitions.rewards
        earned = np.array([rewards[moves == move].mean() if move in moves else 0.0 for move in range(MOVES)])
        policy.logits += (earned / self.temperature - policy.logits) / 2
        return {"most": float(policy.probabilities.max())}


PAST = ph.PolicySpec(agents=There, opponents="past")


def late_maxima(rival: Any, seed: int, num_iterations: int = 120) -> list[float]:
    """The probability of the likeliest move in the second half of the iterations."""
    results = ph.train(
        SmoothReply,
        env=Tables,
        policies={"player": Here, "rival": rival},
        num_iterations=num_iterations,
        seed=seed,
        run_dir=None,
    )
    return [row["player/most"] for row in results.history[num_iterations // 2 :]]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_against_its_past_it_plays_all_moves_alike_and_against_another_learner_it_cycles(seed: int) -> None:
    against_past, against_learner = late_maxima(PAST, seed), late_maxima(There, seed)
    print(seed, np.mean(against_past), max(against_past), np.mean(against_learner), min(against_learner))
    assert np.mean(against_past) < 0.55
    assert np.mean(against_learner) > 0.8
