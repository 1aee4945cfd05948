"""The Boltzmann wealth model of Mesa, written with agents and messages; and one in which nobody moves."""

from __future__ import annotations

import phantom_core as ph

SIZE = 10  # of the grid, in each direction


@ph.msg_payload()
class Coin:
    """One unit of wealth."""


class Trader(ph.Agent):
    """Gives a coin to somebody, if it has one."""

    def reset(self) -> None:
        """Begin with one coin."""
        self.wealth = 1

    def generate_messages(self, ctx: ph.Context) -> ph.MessageList | None:
        """Choose anybody."""
        if not self.wealth:
            return None
        self.wealth -= 1
        ids = ctx.neighbour_ids
        return [(ids[int(self.random.random() * len(ids))], Coin())]

    @ph.msg_handler(Coin)
    def take(self, ctx: ph.Context, message: ph.Message[Coin]) -> None:
        """Take a coin."""
        self.wealth += 1


class Walker(Trader):
    """Walks on the grid, and gives a coin to somebody in its cell, as in Mesa's model."""

    def __init__(self, agent_id: ph.AgentID, cells: dict[tuple[int, int], list[ph.AgentID]]) -> None:
        super().__init__(agent_id)
        self.cells = cells

    def reset(self) -> None:
        """Begin with one coin in a random cell."""
        super().reset()
        self.cell = self.random.randrange(SIZE), self.random.randrange(SIZE)
        self.cells.setdefault(self.cell, []).append(self.id)

    def generate_messages(self, ctx: ph.Context) -> ph.MessageList | None:
        """Move to a cell around, and give a coin to somebody there."""
        x, y = self.cell
        around = [
            (x + dx, y + dy)
            for dx in (-1, 0, 1)
            for dy in (-1, 0, 1)
            if (dx or dy) and 0 <= x + dx < SIZE and 0 <= y + dy < SIZE
        ]
        self.cells[self.cell].remove(self.id)
        self.cell = around[int(self.random.random() * len(around))]
        here = self.cells.setdefault(self.cell, [])
        here.append(self.id)
        mates = [agent_id for agent_id in here if agent_id != self.id] if self.wealth else []
        if not mates:
            return None
        self.wealth -= 1
        return [(mates[int(self.random.random() * len(mates))], Coin())]


class Exchange(ph.PhantomEnv):
    """Everybody may give to everybody."""

    def __init__(self, num_agents: int = 100, num_steps: int = 100) -> None:
        agents = [Trader(f"T{number}") for number in range(num_agents)]
        super().__init__(num_steps=num_steps, network=_everybody(agents))

    @property
    def total(self) -> int:
        """The number of coins."""
        return sum(agent.wealth for agent in self.agents.values())  # type: ignore[attr-defined]


class WalkingExchange(ph.PhantomEnv):
    """Mesa's model: who meets on a grid, gives."""

    def __init__(self, num_agents: int = 100, num_steps: int = 100) -> None:
        self.cells: dict[tuple[int, int], list[ph.AgentID]] = {}
        agents = [Walker(f"W{number}", self.cells) for number in range(num_agents)]
        super().__init__(num_steps=num_steps, network=_everybody(agents))

    def on_reset(self) -> None:
        """Empty the grid."""
        self.cells.clear()


def _everybody(agents: list[Trader]) -> ph.Network:
    network = ph.Network(agents)
    ids = [agent.id for agent in agents]
    network.add_connections_between(ids, ids)
    return network
