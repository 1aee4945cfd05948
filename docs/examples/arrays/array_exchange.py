"""The wealth exchange as an array world: whoever has a coin gives one to somebody else, at random.

Everybody begins with one coin. Soon few have many, and most have none.

    python docs/examples/arrays/array_exchange.py
"""

from __future__ import annotations

import numpy as np

import phantom_arrays as pa
import phantom_core as ph


@ph.msg_payload()
class Coin:
    """One unit of wealth."""


class Traders(pa.Population):
    """Give a coin to somebody, if they have one."""

    wealth = pa.state(np.int64, 1)

    def generate_messages(self) -> pa.Messages:
        """Choose anybody else."""
        gives = self.wealth > 0
        self.wealth -= gives
        return self.send_to("traders", self.draw.other_member(), Coin(), where=gives)

    @pa.handler(Coin)
    def take(self, coins: pa.Messages) -> None:
        """Take the coins."""
        self.wealth += coins.count()


class ArrayExchangeEnv(pa.ArrayEnv):
    """Everybody may give to everybody."""

    def __init__(self, num_traders: int = 10_000, num_steps: int = 100) -> None:
        super().__init__(num_steps, [Traders("traders", num_traders)], [pa.Link("traders", "traders")])

    @property
    def gini(self) -> float:
        """The Gini coefficient of wealth in the first copy: 0 if all have the same, 1 if one has all."""
        wealth = np.sort(self["traders"].wealth[: self.models["traders"].size])
        size = len(wealth)
        return float((2 * np.arange(1, size + 1) - size - 1) @ wealth / (size * wealth.sum()))


def main(num_traders: int = 10_000, num_steps: int = 100) -> float:
    """Play an episode; return the Gini coefficient of wealth at its end."""
    env = ArrayExchangeEnv(num_traders, num_steps)
    env.reset(seed=1)
    for _ in range(num_steps):
        env.step({})
    assert env["traders"].wealth.sum() == num_traders  # no coin is lost
    print(f"After {num_steps} steps the Gini coefficient of {num_traders:,} traders is {env.gini:.2f}.")
    return env.gini


if __name__ == "__main__":
    main()
