"""The wealth exchange as AMBER and Mesa have it written. Both must be installed: `make bench-wealth`."""

from __future__ import annotations

from typing import Any

import ambr
import mesa
import numpy as np


class ViewModel(ambr.Model):
    """AMBER's vectorised lane as in its README, but that nobody gives to itself."""

    def setup(self) -> None:
        """Give everybody a coin."""
        self.add_agents(self.p["n"], wealth=1)

    def step_vectorized(self) -> None:
        """Take a coin from whoever has one; add it to somebody else."""
        donors = self.agents.where(self.agents.wealth > 0)
        donors.wealth -= 1
        others = other_of(donors.ids.to_numpy(), self.p["n"], self.rng)
        self.agents.at[others].scatter_add(wealth=1)


class BorrowModel(ViewModel):
    """AMBER's tensor lane: borrow a column, compute in NumPy, commit the new column."""

    def step_vectorized(self) -> None:
        """Compute everybody's new wealth."""
        wealth, _ = self.agents.borrow("wealth")
        self.agents.commit(wealth=after_gifts(wealth, self.rng))


class KernelModel(ambr.ArrayKernelModel):
    """AMBER's array kernels: NumPy arrays without a table, for steps that are array math in whole."""

    def init_state(self, xp: Any, n: int, rng: np.random.Generator, p: dict[str, Any]) -> dict[str, Any]:
        """Give everybody a coin."""
        return {"wealth": xp.ones(n, xp.int64)}

    def step_state(
        self, xp: Any, state: dict[str, Any], rng: np.random.Generator, p: dict[str, Any]
    ) -> dict[str, Any]:
        """Compute everybody's new wealth."""
        return {"wealth": after_gifts(state["wealth"], rng)}


def other_of(givers: np.ndarray, num_agents: int, rng: np.random.Generator) -> np.ndarray:
    """Return somebody else for each giver, each as likely."""
    others = rng.integers(num_agents - 1, size=len(givers))
    others += others >= givers
    return others


def after_gifts(wealth: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the wealth of all after a step."""
    givers = np.flatnonzero(wealth > 0)
    left = wealth.copy()
    left[givers] -= 1
    left += np.bincount(other_of(givers, len(wealth), rng), minlength=len(wealth))
    return left


class Giver(mesa.Agent):
    """Gives a coin to somebody else."""

    def __init__(self, model: MesaExchange) -> None:
        super().__init__(model)
        self.wealth = 1

    def give(self) -> None:
        """Give a coin."""
        other = self
        while other is self:
            other = self.random.choice(self.model.everybody)
        other.wealth += 1
        self.wealth -= 1

    def give_if_rich(self) -> None:
        """Give a coin, if it has one by now."""
        if self.wealth > 0:
            self.give()

    def give_among_agents(self) -> None:
        """Likewise, with the line of Mesa's tutorial: somebody of all agents, itself included."""
        if self.wealth > 0:
            other = self.random.choice(self.model.agents)
            other.wealth += 1
            self.wealth -= 1


class MesaExchange(mesa.Model):
    """Who has a coin when the step begins gives it; a plain loop."""

    def __init__(self, num_agents: int, seed: int) -> None:
        super().__init__(seed=seed)
        Giver.create_agents(self, num_agents)
        self.everybody = list(
            self.agents
        )  # an AgentSet makes a list of itself for each agent that it is asked for

    def step(self) -> None:
        """Let everybody give."""
        for giver in [agent for agent in self.everybody if agent.wealth > 0]:
            giver.give()


class MesaAgentSetExchange(MesaExchange):
    """The same with Mesa's AgentSet: select, then do."""

    def step(self) -> None:
        """Let everybody give."""
        self.agents.select(lambda agent: agent.wealth > 0).do("give")


class MesaShuffledExchange(MesaExchange):
    """Mesa's own dynamics: one after the other in random order; a coin may be given on in the same step."""

    def step(self) -> None:
        """Let everybody give."""
        self.agents.shuffle_do("give_if_rich")


class MesaTutorialExchange(MesaExchange):
    """Likewise, with the line of Mesa's tutorial."""

    def step(self) -> None:
        """Let everybody give."""
        self.agents.shuffle_do("give_among_agents")
