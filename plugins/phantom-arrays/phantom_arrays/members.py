"""`Member`: one member of a population, as an agent with an id, where somebody asks for agents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np

import phantom_core as ph


class Member(ph.StrategicAgent):
    """One member of a strategic population in one copy: policies are mapped to it, and metrics read it.

    What the population declares is read at its name, `member.stock`, and cannot be set here.

    Attributes:
        population: the name of the population.
        number: the number of the member in its copy.
    """

    def __init__(self, agent_id: ph.AgentID, population: Any, row: int) -> None:
        """Stand for one row of a population."""
        super().__init__(agent_id)
        self._population, self._row = population, row
        self.population, self.number = population.name, row - int(population.starts[population.copy[row]])
        self.observation_space: gym.Space[Any] | None = getattr(population, "observation_space", None)
        self.action_space: gym.Space[Any] | None = getattr(population, "action_space", None)

    def __getattr__(self, name: str) -> Any:
        """Return the row of what the population declares."""
        population = self.__dict__.get("_population")
        if population is None or name not in population.fields:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        value = getattr(population, name)[self._row]
        return value.item() if np.ndim(value) == 0 else value.copy()


class PlainMember(ph.Agent):
    """One member of a population that does not act through a policy."""

    def __init__(self, agent_id: ph.AgentID, population: Any, row: int) -> None:
        """Stand for one row of a population."""
        super().__init__(agent_id)
        self._population, self._row = population, row
        self.population, self.number = population.name, row - int(population.starts[population.copy[row]])

    __getattr__ = Member.__getattr__


def member_class(owner: type, bases: Sequence[type[Member]]) -> type[Member]:
    """Return the class of the members of a strategic population, which is found at `owner.Member`."""
    names = {"__module__": owner.__module__, "__qualname__": f"{owner.__qualname__}.Member"}
    found = type("Member", tuple(dict.fromkeys(bases)) or (Member,), names)
    assert issubclass(found, Member)
    return found


def member_id(population: Any, number: int) -> ph.AgentID:
    """Return the id of a member: the population's name if it is one agent, else `(name, number)`."""
    return population.name if population.is_single else (population.name, number)
