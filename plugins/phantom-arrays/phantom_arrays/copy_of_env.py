"""`CopyOfEnv`: one copy of an env among others, as metrics and rules of policies read it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

import phantom_core as ph
from phantom_arrays.array_world import ArrayWorld
from phantom_arrays.members import PlainMember, member_id
from phantom_arrays.population import Population, StrategicPopulation


class CopyOfEnv:
    """One copy of an env among others, as metrics and rules of policies read it."""

    executed_turn = None

    def __init__(self, world: ArrayWorld, b: int) -> None:
        self._world, self._b = world, b
        self.agents = Agents(world, b)

    def __getattr__(self, name: str) -> Any:
        """Return an attribute of the env; of an array with an element for each copy, that of this copy."""
        if name.startswith("_"):
            raise AttributeError(name)
        world: ArrayWorld = self._world
        if name == "current_step":
            return int(world.steps[self._b])
        if name in world.populations:
            return _CopyOfPopulation(world.populations[name], self._b)
        value = getattr(world.env, name)
        if isinstance(value, np.ndarray) and value.shape[:1] == (world.num_copies,):
            own = value[self._b]
            return own.item() if np.ndim(own) == 0 else own.copy()
        return value

    def __getitem__(self, name: str) -> Any:
        return _CopyOfPopulation(self._world.populations[name], self._b)


class _CopyOfPopulation:
    """A population in one copy: what it declares, as arrays [N]."""

    def __init__(self, population: Population, b: int) -> None:
        self._population = population
        start = int(population.starts[b])
        self._rows = slice(start, start + int(population.sizes[b]))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        value = getattr(self._population, name)
        if isinstance(value, np.ndarray) and value.shape[:1] == (self._population.num_rows,):
            return value[self._rows].copy()
        return value


class Agents(Mapping[ph.AgentID, Any]):
    """The members of one copy that take part in its episode, by id."""

    def __init__(self, world: ArrayWorld, b: int) -> None:
        self._world, self._b = world, b
        self._made: dict[ph.AgentID, Any] = {}
        self._rows = dict(rows_by_id(world, b))

    def __getitem__(self, agent_id: ph.AgentID) -> Any:
        population, row = self._rows[agent_id]
        if not population.alive[row]:
            raise KeyError(agent_id)
        agent = self._made.get(agent_id)
        if agent is None:
            kind: Any = population.Member if isinstance(population, StrategicPopulation) else PlainMember
            agent = self._made[agent_id] = kind(agent_id, population, row)
        return agent

    def __iter__(self) -> Iterator[ph.AgentID]:
        return (agent_id for agent_id, (population, row) in self._rows.items() if population.alive[row])

    def __len__(self) -> int:
        return sum(1 for _ in self)


def rows_by_id(world: ArrayWorld, b: int) -> Iterator[tuple[ph.AgentID, tuple[Population, int]]]:
    """Yield the id of each member of a copy, with its population and its row there."""
    for population in world.populations.values():
        start = int(population.starts[b])
        for i in range(int(population.sizes[b])):
            yield member_id(population, i), (population, start + i)
