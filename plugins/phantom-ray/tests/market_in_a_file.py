"""A model that is named by its file, and that no process of a cluster can import by its name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import phantom_core as ph


@ph.msg_payload()
class Gift:
    amount: float
    words: str = "here you are"


class Giver(ph.Agent):
    """Gives a part of what it has to its neighbour."""

    def reset(self) -> None:
        self.wealth = 10.0 * self.random.random()

    def generate_messages(self, ctx: ph.Context) -> list[Any]:
        amount = self.wealth * float(self.rng.random()) / 2
        self.wealth -= amount
        return [(self.rng.choice(sorted(ctx.neighbour_ids)), Gift(amount))]

    def handle_batch(self, ctx: ph.Context, batch: Sequence[ph.Message[Any]]) -> None:
        assert all(message.payload.words == "here you are" for message in batch)
        self.wealth += sum(message.payload.amount for message in batch)


class Givers(ph.PhantomEnv):
    """Some of them, who know each other."""

    def __init__(self, num_givers: int = 3, num_steps: int = 10) -> None:
        givers = [Giver(f"G{number}") for number in range(num_givers)]
        network = ph.Network(givers)
        for number, giver in enumerate(givers):
            network.add_connection(giver.id, givers[number - 1].id)
        super().__init__(num_steps, network)

    @property
    def richest(self) -> float:
        """What the richest has."""
        givers: Any = self.agents.values()
        return float(max(giver.wealth for giver in givers))
