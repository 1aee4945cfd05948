"""Ten thousand households that learn how much to save, and a firm whose wage follows their capital.

In each period a household has its wealth and the wage. It consumes one of eleven shares of that and saves the
rest, which the firm borrows. All households share a policy, which ppo trains; the utility of consumption is
its logarithm.

    Y = K^α L^(1-α),  L = the number of households,  wage = (1 - α) Y / L,  interest = α Y / K - δ

    python docs/examples/arrays/households.py
"""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

import phantom_arrays as pa
import phantom_core as ph

CAPITAL_SHARE, DEPRECIATION = 0.36, 0.1
NUM_STEPS = 50
NUM_SHARES = 11
MOST = 20.0


@ph.msg_payload()
class Savings:
    """What a household lends to the firm."""

    amount: NDArray[np.float64]


@ph.msg_payload()
class Pay:
    """What the firm pays to each household for an hour, and for each unit lent."""

    wage: NDArray[np.float64]
    interest: NDArray[np.float64]


class Firm(pa.Population):
    """Produces from what it is lent, and pays each factor its marginal product."""

    workers = pa.parameter(np.int64)

    def __init__(self, name: str, workers: int) -> None:
        super().__init__(name)
        self.workers = workers

    @pa.handler(Savings)
    def produce(self, savings: pa.Messages) -> pa.Messages:
        """Pay wages and interest."""
        capital = np.maximum(savings.total(savings.payload.amount), 1e-6)
        output = capital**CAPITAL_SHARE * self.workers ** (1.0 - CAPITAL_SHARE)
        wage = (1.0 - CAPITAL_SHARE) * output / self.workers
        interest = CAPITAL_SHARE * output / capital - DEPRECIATION
        return savings.reply(Pay(savings.of_receiver(wage), savings.of_receiver(interest)))


class Households(pa.StrategicPopulation):
    """Consume and save; an hour of work is worth more in some periods than in others."""

    observation_space = gym.spaces.Box(0.0, MOST, (2,), np.float32)
    action_space = gym.spaces.Discrete(NUM_SHARES)
    wealth = pa.state(np.float64, lambda self: self.draw.uniform(1.0, 6.0))
    wage = pa.state(np.float64, 1.0)
    utility, saved = pa.state(np.float64), pa.state(np.float64)

    def decode_actions(self, actions: Any) -> pa.Messages:
        """Consume a share of 1/12 to 11/12; lend the rest."""
        consumed = self.wealth * (np.asarray(actions) + 1) / (NUM_SHARES + 1)
        self.utility = np.log(consumed)
        self.saved = self.wealth - consumed
        return self.send("firm", Savings(self.saved))

    @pa.handler(Pay)
    def earn(self, pay: pa.Messages) -> None:
        """Take home savings, interest and the wage of as many hours as there are to work."""
        self.wage = pay.payload.wage
        hours = self.draw.uniform(0.5, 1.5)
        self.wealth = self.saved * (1.0 + pay.payload.interest) + hours * self.wage

    def encode_observations(self) -> Any:
        """Return wealth and wage."""
        return np.minimum(np.stack((self.wealth, self.wage), axis=1), MOST).astype(np.float32)

    def compute_rewards(self) -> Any:
        """Return the utility of what was consumed."""
        return self.utility


class HouseholdsEnv(pa.ArrayEnv):
    """Households and the firm that all of them work for."""

    def __init__(self, num_households: int = 10_000) -> None:
        populations = [Households("households", num_households), Firm("firm", num_households)]
        super().__init__(NUM_STEPS, populations, [pa.Link("households", "firm")])

    @property
    def capital(self) -> Any:
        """What is saved per household, in each copy."""
        households = self["households"]
        return households.total(households.saved) / households.sizes


def main(iterations: int = 5, num_households: int = 10_000) -> float:
    """Let the households learn; return their mean utility per episode."""
    results = ph.train(
        "ppo",
        env=HouseholdsEnv,
        env_config={"num_households": num_households},
        policies={"households": Households.Member},
        trainer_config={"steps_per_copy": 10, "copies": 1, "minibatch_size": 10_000, "epochs": 2},
        metrics={"capital": ph.metrics.SimpleEnvMetric("capital", eval_reduce_action="mean")},
        num_iterations=iterations,
        evaluation=ph.EvaluationPlan(episodes=1),
        seed=1,
        run_dir=None,
    )
    assert results.evaluation is not None
    found, (capital,) = results.evaluation.mean_return, results.evaluation.metrics["capital"]
    print(f"Mean utility of an episode: {found:.2f}; saved per household: {float(np.mean(capital)):.2f}.")
    return found


if __name__ == "__main__":
    main()
