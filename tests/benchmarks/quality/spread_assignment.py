"""What hand-written players earn in simple_spread, in the episodes that trained policies are evaluated in.

    python tests/benchmarks/quality/spread_assignment.py     # some minutes

In each step agents are assigned to landmarks anew, so that the sum of their distances is least
(`scipy.optimize.linear_sum_assignment`), and each walks towards its own. Every agent sees all that this
needs. `greedy` takes the nearest pair first, and then the nearest of those that are left.
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

import phantom_core as ph

sys.path[:0] = [str(Path(__file__).parent)]

from quality_tasks import SPREAD  # noqa: E402  beside this file

Floats = NDArray[Any]
COAST: Final = 0.4
"""How far a speed of 1 leads: 0.1 in a step, of which three quarters are left for the next one."""
PUSH: Final = 0.5 * COAST
"""How far a push leads."""


def least_sum(distances: Floats) -> int:
    """Return the landmark of the first agent, with the least sum of distances [agents, landmarks]."""
    return int(linear_sum_assignment(distances)[1][0])


def greedy(distances: Floats) -> int:
    """Return the landmark of the first agent, where the nearest pair is taken first, then the next."""
    left = distances.copy()
    while True:
        agent, landmark = divmod(int(left.argmin()), left.shape[1])
        if agent == 0:
            return landmark
        left[agent], left[:, landmark] = np.inf, np.inf


class AssignedPolicy(ph.Policy):
    """Walks towards the landmark that the agent is assigned to.

    Attributes:
        assign: from distances [agents, landmarks], the agent itself first, to its landmark.
    """

    assign: Callable[[Floats], int]

    def compute_action(self, observation: Any) -> int:
        """Push along the axis where most is missing, if a push leads nearer."""
        speed, landmarks = observation[:2], observation[4:10].reshape(3, 2)
        agents = np.concatenate(([[0.0, 0.0]], observation[10:14].reshape(2, 2)))
        own = self.assign(np.linalg.norm(agents[:, None] - landmarks, axis=2))
        missing = landmarks[own] - COAST * speed
        axis = int(np.abs(missing).argmax())
        return 1 + 2 * axis + int(missing[axis] > 0.0) if abs(missing[axis]) > PUSH / 2 else 0


def main() -> None:
    """Play both in the episodes of each seed."""
    env = SPREAD["evaluation_env"]()(**SPREAD["evaluation_config"])
    agent_ids = env.strategic_agent_ids
    policy = AssignedPolicy(env.observation_spaces[agent_ids[0]], env.action_spaces[agent_ids[0]])
    for name, policy.assign in {"assignment": least_sum, "greedy": greedy}.items():
        means = [
            ph.evaluate(
                env,
                {"p": policy},
                dict.fromkeys(agent_ids, "p"),
                num_episodes=SPREAD["episodes"],
                seed=ph.seeding.derive_seed(seed, "quality"),
            ).mean_return
            for seed in range(1, SPREAD["seeds"] + 1)
        ]
        each = ", ".join(f"{mean:.2f}" for mean in means)
        sys.stdout.write(f"{name}: by seed {each}, mean {np.mean(means):.2f}\n")


if __name__ == "__main__":
    main()
