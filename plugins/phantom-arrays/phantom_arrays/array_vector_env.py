"""`ArrayVectorEnv`: copies of an `ArrayEnv` that are stepped together, as the collector plays them."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

import phantom_core as ph
from phantom_arrays.array_world import ArrayWorld, PopulationStep, WorldStep
from phantom_arrays.copy_of_env import CopyOfEnv, rows_by_id
from phantom_arrays.members import member_id
from phantom_arrays.message_batch import Mask
from phantom_arrays.population import StrategicPopulation

_TILE: Final = 1 << 14
"""Copies are stepped in tiles of about so many rows, so that their arrays stay in the cache of a core."""

_MOST_PLANS: Final = 64

ALL: Final = ph.tools.ALL


@dataclass(slots=True)
class _Tile:
    """Some copies in a row, as one world."""

    world: ArrayWorld
    first: int
    end: int


@dataclass(slots=True, eq=False)
class _Plan:
    """Where the rows of a table of the collector stand in the populations of a tile."""

    tile: _Tile
    rows: dict[str, Any]  # by population: the rows of the table, in its order; a slice if they follow evenly
    members: dict[str, Any]  # by population: its rows that play, likewise
    mask: Mask | None  # the copies of the tile that play; None: all
    idle: dict[str, NDArray[Any]]  # by population: actions for the members of those that do not

    def chosen(self, given: Any) -> dict[str, NDArray[Any]]:
        """Return the actions of a table's rows as those of whole populations."""
        found = {name: values.copy() for name, values in self.idle.items()}
        for name, rows in self.rows.items():
            if isinstance(given, np.ndarray):
                own = given[rows]
            else:  # populations may have actions of different kinds
                places = range(len(given))[rows] if isinstance(rows, slice) else rows.tolist()
                dtype = self.tile.world.strategic[name].action_space.dtype  # type: ignore[union-attr]
                own = np.array([given[place] for place in places], dtype)
            if self.mask is None:
                found[name] = own
            else:
                found[name][self.members[name]] = own
        return found


class ArrayVectorEnv(ph.VectorEnv):
    """Copies of an `ArrayEnv`, stepped with arithmetic on arrays.

    Copy b plays bit for bit what it would play alone from the same seed, whatever is beside it.
    """

    saves_episodes = True
    takes_arrays = True

    def __init__(self, envs: Sequence[Any], tile_rows: int = _TILE) -> None:
        """Take the copies, of one class; they are only read.

        Args:
            envs: the copies. Sizes of populations, parameters, edges of links and time limits may differ.
            tile_rows: about how many rows are stepped at once.

        Raises:
            phantom_core.errors.ConfigError: if there is none, they are of several classes, or differ in
            anything else.
        """
        if not envs or len({type(env) for env in envs}) != 1:
            raise ph.errors.ConfigError(
                f"Expected a list of envs of one class derived from pa.ArrayEnv, but got {envs!r}."
            )
        if any(env.recorder is not None for env in envs):
            raise ph.errors.ConfigError(
                f"A copy of {type(envs[0]).__name__} has a recorder, but copies that are stepped together "
                "are not recorded. Play the env itself, as phantom record does, or set env.recorder = None."
            )
        self.num_copies, self.env_name = len(envs), type(envs[0]).__name__
        self._envs = list(envs)
        self._tiles = [self._made(first, end) for first, end in _tiles(envs, tile_rows)]
        self._tile_of = [tile for tile in self._tiles for _ in range(tile.first, tile.end)]
        self._facts = [self._first_facts(b) for b in range(self.num_copies)]
        self._metrics: Mapping[str, ph.Metric] = {}
        self._mode: Any = "train"
        self._values: list[defaultdict[str, list[Any]]] = [defaultdict(list) for _ in envs]
        self._copies: dict[int, CopyOfEnv] = {}
        self._plans: dict[int, tuple[ph.RowTable, list[_Plan] | None]] = {}

    @property
    def worlds(self) -> list[ArrayWorld]:
        """The worlds of its tiles, in the order of the copies."""
        return [tile.world for tile in self._tiles]

    # ------------------------------------------------------------------ as a vector env

    def reset(self, numbers: Sequence[int], seeds: Sequence[int]) -> list[dict[ph.AgentID, Any] | None]:
        """Start an episode in each of these copies; return the first observations of each."""
        given = dict(zip(numbers, seeds, strict=True))
        found: dict[int, dict[ph.AgentID, Any]] = {}
        for tile, own in self._by_tile(numbers):
            mask = np.zeros(tile.world.num_copies, np.bool_)
            mask[[n - tile.first for n in own]] = True
            try:
                tile.world.reset(mask, [given[n] for n in sorted(own)])
                seen = tile.world.observe()
            except Exception as error:
                raise ph.CopyError(own[0]) from error
            for n in own:
                found[n] = result_of(tile.world, seen, n - tile.first).observations
                self._values[n].clear()
                self._note(n)
        return [found[n] for n in numbers]

    def step(
        self, numbers: Sequence[int], actions: Sequence[Mapping[ph.AgentID, Any]]
    ) -> list[ph.StepResult]:
        """Play one step in each of these copies; the others stand still."""
        given = dict(zip(numbers, actions, strict=True))
        found: dict[int, ph.StepResult] = {}
        for tile, own in self._by_tile(numbers):
            try:
                chosen = actions_of(tile.world, {n - tile.first: given[n] for n in own})
                step = tile.world.step(chosen, self._mask(tile, own))
            except Exception as error:
                raise ph.CopyError(own[0]) from error
            for n in own:
                found[n] = result_of(tile.world, step.by_population, n - tile.first, step)
                self._note(n)
        self._record(numbers)
        return [found[n] for n in numbers]

    def step_rows(self, table: ph.RowTable, actions: Sequence[Any]) -> ph.StepRows:
        """Play one step; without dicts and ids where all members of the copies that play go on."""
        plans = self._planned(table) if table.repeats else None
        if plans is None:
            return super().step_rows(table, actions)
        given = np.array(actions) if isinstance(actions, np.ndarray) else actions  # the env may write into it
        parts: list[Any] = []
        rewards = np.zeros(len(table.rows))
        others: list[tuple[int, ph.StepResult]] = []
        for plan in plans:
            world, first = plan.tile.world, plan.tile.first
            try:
                step = world.step(plan.chosen(given), plan.mask)
            except Exception as error:
                raise ph.CopyError(first) from error
            for name, rows in plan.rows.items():
                found, own = step.by_population[name], plan.members[name]
                parts.append((rows, found.observations[own]))
                rewards[rows] = found.rewards[own]
            changed = _either(step.changed, step.is_over)
            if changed is not None:
                if plan.mask is not None:
                    changed = changed & plan.mask
                for b in np.flatnonzero(changed).tolist():
                    others.append((table.places[first + b], result_of(world, step.by_population, b, step)))
                    self._note(first + b)
        self._record(table.env_indices)
        others.sort(key=lambda other: other[0])
        for place, _ in others:
            _, start, end = table.bounds[place]
            rewards[start:end] = 0.0
        return table.step(_joined(parts, len(table.rows)), rewards, others)

    def facts(self, number: int) -> ph.CopyFacts:
        """Return what a copy says about itself; it is kept up to date."""
        return self._facts[number]

    def states(self, numbers: Sequence[int]) -> list[Any]:
        """Return the global state of each of these copies."""
        found: dict[int, Any] = {}
        for tile, own in self._by_tile(numbers):
            try:
                states = tile.world.env.state()
            except Exception as error:
                raise ph.CopyError(own[0]) from error
            found |= {n: np.array(states[n - tile.first]) for n in own}
        return [found[n] for n in numbers]

    def measure(self, metrics: Mapping[str, ph.Metric], mode: Any) -> None:
        """Record these metrics after each step from now on; each reads one copy."""
        self._metrics, self._mode = metrics, mode

    def take_metrics(self, number: int) -> dict[str, Any]:
        """Return the reduced metrics of the episode that just ended in a copy."""
        return ph.metrics.reduce_metrics(self._metrics, self._values[number], self._mode)

    def policies_for(
        self, number: int, agent_id: ph.AgentID, specs: Mapping[ph.PolicyID, ph.PolicySpec]
    ) -> list[ph.PolicyID]:
        """Return the policies whose class or predicate holds for a member that joined a copy."""
        agent = self._copy(number).agents[agent_id]
        found = []
        for policy_id, spec in specs.items():
            rule: Any = spec.agents
            if isinstance(agent, rule) if isinstance(rule, type) else callable(rule) and rule(agent):
                found.append(policy_id)
        return found

    def fingerprint(self, number: int) -> str:
        """Return a hash of all that a copy's episode has: the state of its members, its step and its key."""
        tile = self._tile_of[number]
        world, b = tile.world, number - tile.first
        found = hashlib.sha256(repr((int(world.steps[b]), int(world.episode_keys[b]))).encode())
        for name, population in world.populations.items():
            for _, values in population.saved(population.rows_of(b)):
                found.update(f"{name}{values.dtype.str}{values.shape}".encode() + values.tobytes())
        return found.hexdigest()

    def episode_state(self, number: int) -> dict[str, Any]:
        """Return where the episode of a copy stands: its state as arrays, its step and its metrics.

        Raises:
            phantom_core.errors.CheckpointError: if a metric recorded something else than numbers and arrays
                of one shape.
        """
        tile = self._tile_of[number]
        return {
            "world": tile.world.copy_state(number - tile.first),
            "metrics": {name: _as_array(name, values) for name, values in self._values[number].items()},
        }

    def restore_episode(self, number: int, seed: int, state: Mapping[str, Any]) -> None:
        """Let a copy stand where it stood when `episode_state` was called, in the episode of this seed."""
        tile = self._tile_of[number]
        tile.world.restore_copy(number - tile.first, seed, state["world"])
        self._values[number].clear()
        for name, values in state["metrics"].items():
            self._values[number][name] = values.tolist() if values.ndim == 1 else list(values)
        self._note(number)

    def close(self) -> None:
        """Close every copy."""
        for env in self._envs:
            env.close()

    # ------------------------------------------------------------------ how

    def _made(self, first: int, end: int) -> _Tile:
        own = self._envs[first:end]
        env = own[0].copy_of(None)
        world = ArrayWorld(own, env)
        env.__dict__["_world"] = world
        return _Tile(world, first, end)

    def _first_facts(self, number: int) -> ph.CopyFacts:
        tile = self._tile_of[number]
        spaces: tuple[dict[ph.AgentID, gym.Space[Any]], ...] = ({}, {})
        for population in tile.world.strategic.values():
            for i in range(int(population.sizes[number - tile.first])):
                agent_id = member_id(population, i)
                for found, which in zip(spaces, ("observation_space", "action_space"), strict=True):
                    found[agent_id] = getattr(population, which)
        seen, done = spaces
        return ph.CopyFacts(None, tuple(seen), seen, done, tile.world.env.state_space)

    def _note(self, number: int) -> None:
        """Keep the facts of a copy up to date."""
        tile, facts = self._tile_of[number], self._facts[number]
        world, b = tile.world, number - tile.first
        if any(population.has_dead for population in world.strategic.values()) or len(
            facts.strategic_agent_ids
        ) != len(facts.observation_spaces):
            facts.strategic_agent_ids = tuple(agent_ids_of(world, b))
        facts.acting_agent_ids = None
        if any(population.acting is not None for population in world.strategic.values()):
            facts.acting_agent_ids = tuple(agent_ids_of(world, b, is_acting=True))

    def _by_tile(self, numbers: Sequence[int]) -> Iterator[tuple[_Tile, list[int]]]:
        """Yield the tiles of these copies, each with its own."""
        for tile in self._tiles:
            own = [n for n in numbers if tile.first <= n < tile.end]
            if own:
                yield tile, own

    def _mask(self, tile: _Tile, own: Sequence[int]) -> Mask | None:
        if len(own) == tile.world.num_copies:
            return None
        mask = np.zeros(tile.world.num_copies, np.bool_)
        mask[[n - tile.first for n in own]] = True
        return mask

    def _planned(self, table: ph.RowTable) -> list[_Plan] | None:
        """Return where the rows of a table stand; None: it is not all members of the copies that play."""
        known = self._plans.get(id(table))
        if known is not None and known[0] is table:
            return known[1]
        if len(self._plans) >= _MOST_PLANS:
            self._plans.clear()
        plans = self._plan(table)
        self._plans[id(table)] = table, plans
        return plans

    def _plan(self, table: ph.RowTable) -> list[_Plan] | None:
        plans = []
        for tile, own in self._by_tile(table.env_indices):
            world = tile.world
            places: dict[str, list[int]] = {name: [] for name in world.strategic}
            members: dict[str, list[int]] = {name: [] for name in world.strategic}
            for number in own:
                copy, start, _ = table.bounds[table.places[number]]
                if list(copy.agent_ids) != list(self._facts[number].observation_spaces):
                    return None
                for name, population in world.strategic.items():
                    rows = population.rows_of(number - tile.first)
                    members[name] += range(rows.start, rows.stop)
                    places[name] += range(start, start + rows.stop - rows.start)
                    start += rows.stop - rows.start
            mask = self._mask(tile, own)
            at, of = ({name: _as_slice(one) for name, one in all_.items()} for all_ in (places, members))
            idle = {} if mask is None else {n: idle_actions(p) for n, p in world.strategic.items()}
            plans.append(_Plan(tile, at, of, mask, idle))
        return plans

    def _record(self, numbers: Sequence[int]) -> None:
        if self._metrics:
            for n in numbers:
                ph.metrics.record_metrics(self._copy(n), self._metrics, self._values[n])

    def _copy(self, number: int) -> CopyOfEnv:
        if number not in self._copies:
            tile = self._tile_of[number]
            self._copies[number] = CopyOfEnv(tile.world, number - tile.first)
        return self._copies[number]


def agent_ids_of(world: ArrayWorld, b: int, *, is_acting: bool = False) -> list[ph.AgentID]:
    """Return the ids of strategic members of a copy that take part, or that act in the next step."""
    found: list[ph.AgentID] = []
    for population in world.strategic.values():
        rows = population.rows_of(b)
        mask = population.alive[rows]
        if is_acting and population.acting is not None:
            mask = mask & population.acting[rows]
        found += [member_id(population, i) for i in np.flatnonzero(mask).tolist()]
    return found


def idle_actions(population: StrategicPopulation) -> NDArray[Any]:
    """Return an action for each row of a population: the element of its space nearest to zero."""
    space = population.action_space
    assert space is not None
    values = np.zeros((population.num_rows, *(space.shape or ())), space.dtype)
    match space:
        case gym.spaces.Box():
            return np.clip(values, space.low, space.high)
        case gym.spaces.Discrete():
            return np.clip(values, space.start, space.start + space.n - 1)
        case gym.spaces.MultiDiscrete():
            return np.clip(values, space.start, space.start + space.nvec - 1)
    return values


def actions_of(world: ArrayWorld, given: Mapping[int, Mapping[ph.AgentID, Any]]) -> dict[str, NDArray[Any]]:
    """Return the actions of copies, by their number in the world, as an array for each strategic population.

    Raises:
        phantom_core.errors.EnvError: if a member that acts has no action, or there is one for nobody.
    """
    found: dict[str, NDArray[Any]] = {}
    used = dict.fromkeys(given, 0)
    for name, population in world.strategic.items():
        values = found[name] = idle_actions(population)
        for b, actions in given.items():
            rows = population.rows_of(b)
            acts = population.alive[rows]
            if population.acting is not None:
                acts = acts & population.acting[rows]
            for i in range(rows.stop - rows.start):
                agent_id = member_id(population, i)
                if agent_id in actions:
                    used[b] += 1
                    if acts[i]:
                        values[rows.start + i] = actions[agent_id]
                elif acts[i]:
                    raise ph.errors.EnvError(
                        f"There is no action for {agent_id!r}, who acts in this step. Give one for each of: "
                        f"{ph.tools.listing(agent_ids_of(world, b, is_acting=True))}."
                    )
    for b, actions in given.items():
        if used[b] != len(actions):
            known = {
                agent_id for agent_id, (p, _) in rows_by_id(world, b) if isinstance(p, StrategicPopulation)
            }
            wrong = next(agent_id for agent_id in actions if agent_id not in known)
            raise ph.errors.EnvError(
                f"There is an action for {wrong!r}, but no such agent "
                f"acts.{ph.tools.did_you_mean(wrong, known)} Agents that act: "
                f"{ph.tools.listing(agent_ids_of(world, b))}."
            )
    return found


def result_of(
    world: ArrayWorld, found: Mapping[str, PopulationStep], b: int, step: WorldStep | None = None
) -> ph.StepResult:
    """Return what one copy returned, as dicts by id; `step` is None after a reset."""
    observations: dict[ph.AgentID, Any] = {}
    rewards: dict[ph.AgentID, float] = {}
    terminations: dict[ph.AgentID, bool] = {}
    truncations: dict[ph.AgentID, bool] = {}
    for name, own in found.items():
        population = world.strategic[name]
        rows = population.rows_of(b)
        ids = population.ids(rows.stop - rows.start)
        seen = own.observations[rows]
        is_discrete = isinstance(population.observation_space, gym.spaces.Discrete)
        values = seen.tolist() if is_discrete else list(np.array(seen))
        observations |= _kept(ids, values, _both(own.present, own.observed), rows)
        if step is None:
            continue
        rewards |= _kept(ids, own.rewards[rows].tolist(), own.paid, rows)
        there = own.present if own.left is None or own.present is None else own.present | own.left
        terminated = own.terminated if own.left is None else _either(own.terminated, own.left)
        terminations |= _kept(ids, _flags(terminated, rows), there, rows)
        truncations |= _kept(ids, _flags(own.truncated, rows), there, rows)
    if step is not None:
        terminations[ALL] = step.terminated is not None and bool(step.terminated[b])
        truncations[ALL] = step.truncated is not None and bool(step.truncated[b])
    return ph.StepResult(
        observations, rewards, terminations, truncations, {agent_id: {} for agent_id in observations}
    )


def _as_array(name: str, values: Sequence[Any]) -> NDArray[Any]:
    """Return what a metric recorded as an array; raise `CheckpointError` if it is none."""
    try:
        found = np.array(values)
    except ValueError:  # arrays of several shapes
        found = np.array(None)
    if found.dtype.kind not in "biuf":
        raise ph.errors.CheckpointError(
            f"The metric {name!r} recorded values such as {values[-1]!r}, which cannot be saved in the "
            "middle of an episode. Record numbers, or arrays of one shape."
        )
    return found


def _kept(
    ids: Sequence[ph.AgentID], values: Sequence[Any], mask: Mask | None, rows: slice
) -> dict[ph.AgentID, Any]:
    """Return values by id, of those of whom a mask is true."""
    if mask is None:
        return dict(zip(ids, values, strict=True))
    return {ids[i]: values[i] for i in np.flatnonzero(mask[rows]).tolist()}


def _flags(mask: Mask | None, rows: slice) -> Sequence[bool]:
    return [False] * (rows.stop - rows.start) if mask is None else mask[rows].tolist()


def _both(one: Mask | None, other: Mask | None) -> Mask | None:
    if one is None or other is None:
        return other if one is None else one
    return one & other


def _either(one: Mask | None, other: Mask | None) -> Mask | None:
    if one is None or other is None:
        return one if other is None else other
    return one | other


def _as_slice(rows: Sequence[int]) -> Any:
    """Return rising places as a slice if they are equally far apart, else as an array."""
    if not rows:
        return slice(0, 0)
    step = rows[1] - rows[0] if len(rows) > 1 else 1
    evenly = range(rows[0], rows[-1] + 1, step)
    return slice(evenly.start, evenly.stop, step) if list(rows) == list(evenly) else np.array(rows)


def _joined(parts: Sequence[tuple[Any, NDArray[Any]]], number: int) -> Any:
    """Return observations in the order of a table: an array if they are alike, else a list."""
    if not parts:
        return []
    first = parts[0][1]
    is_alike = all(values.shape[1:] == first.shape[1:] and values.dtype == first.dtype for _, values in parts)
    if is_alike:
        found = np.empty((number, *first.shape[1:]), first.dtype)
        for rows, values in parts:
            found[rows] = values
        return found
    mixed: list[Any] = [None] * number
    for rows, values in parts:
        places = range(number)[rows] if isinstance(rows, slice) else rows.tolist()
        own = values.tolist() if values.ndim == 1 else np.array(values)
        for place, value in zip(places, own, strict=True):
            mixed[place] = value
    return mixed


def _tiles(envs: Sequence[Any], tile_rows: int) -> Iterator[tuple[int, int]]:
    """Yield from where to where copies are stepped together."""
    first, rows = 0, 0
    for b, env in enumerate(envs):
        own = max(population.size for population in env.models.values())
        if rows and rows + own > tile_rows:
            yield first, b
            first, rows = b, 0
        rows += own
    yield first, len(envs)
