"""`ArrayEnv`: an env whose agents are populations, as arrays."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, Final, Self

import gymnasium as gym
import numpy as np

import phantom_core as ph
from phantom_arrays.array_recorder import ArrayRecorder, RecordedWorld
from phantom_arrays.array_vector_env import ArrayVectorEnv, actions_of, agent_ids_of, result_of
from phantom_arrays.array_world import ArrayWorld
from phantom_arrays.copy_of_env import Agents
from phantom_arrays.links import Link
from phantom_arrays.members import member_id
from phantom_arrays.message_batch import Mask
from phantom_arrays.population import Population, StrategicPopulation

_MOST_SEED: Final = ph.seeding.MAX_SEED


class ArrayEnv:
    """A multi-agent env whose agents are the members of populations.

    Every trainer plays it like a `ph.PhantomEnv`.

    A subclass makes its populations and links in `__init__`. The env itself is one copy of its world. Several
    copies, as trainers make them, are stepped together: `ArrayEnv.vectorized`.

    A step goes as that of a `ph.PhantomEnv`: the populations act in their order, messages are delivered round
    after round, then strategic members observe, are rewarded and may end. An agent of a population without a
    size has its name as id; the members of others have the ids `(name, 0)`, `(name, 1)`, ...

    Methods that a subclass overrides act on all copies at once: `self["shops"]` is the population of all of
    them.

    Attributes:
        num_steps: the time limit of an episode; None: no limit.
        round_limit: how many rounds of messages a step may have.
        models: the populations of this copy as they were given, by name; they are not in use themselves.
        links: as they were given.
    """

    state_space: gym.Space[Any] | None = None
    _recorder: ArrayRecorder | None = None
    _recorded: RecordedWorld | None = None

    def __init__(
        self,
        num_steps: int | None = None,
        populations: Sequence[Population] = (),
        links: Sequence[Link] = (),
        *,
        round_limit: int = 1000,
    ) -> None:
        """Make a copy of the world.

        Args:
            num_steps: the time limit of an episode, in steps; None: no limit.
            populations: in the order in which they act.
            links: who is connected to whom.
            round_limit: after so many rounds of messages in a step, an answer to the last of them is an
                error.

        Raises:
            phantom_core.errors.ConfigError: if an argument is not what it should be, two populations have one
                name, or a strategic one has no spaces of arrays.
        """
        name = type(self).__name__
        given: tuple[tuple[str, Any], ...] = (("num_steps", num_steps), ("round_limit", round_limit))
        for what, value in given:
            is_whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
            if not (is_whole and value > 0) and not (value is None and what == "num_steps"):
                raise ph.errors.ConfigError(f"{name} got {what}={value!r}. Expected a positive integer.")
        self.num_steps, self.round_limit = num_steps, round_limit
        self.models: dict[str, Population] = {}
        for population in populations:
            if not isinstance(population, Population):
                raise ph.errors.ConfigError(
                    f"{name} got the population {population!r}. Expected a pa.Population."
                )
            if population.name in self.models:
                raise ph.errors.ConfigError(
                    f"{name} got two populations with the name {population.name!r}. Rename one."
                )
            _check_spaces(population)
            self.models[population.name] = population
        if not self.models:
            raise ph.errors.ConfigError(f"{name} has no populations. Give at least one: populations=[...].")
        for link in links:
            if not isinstance(link, Link):
                raise ph.errors.ConfigError(f"{name} got the link {link!r}. Expected a pa.Link.")
        self.links = list(links)
        self._world: ArrayWorld | None = None
        self._episode_seed: int | None = None
        self._seeds: Any = None
        self._halted: str | None = "before its first reset"

    @classmethod
    def vectorized(cls, envs: Sequence[Self]) -> ArrayVectorEnv:
        """Return copies that are stepped together; their sizes, parameters and time limits may differ."""
        return ArrayVectorEnv(envs)

    @property
    def world(self) -> ArrayWorld:
        """The populations in use, of one copy or of several."""
        if self._world is None:
            self._world = ArrayWorld([self], self)
        return self._world

    def copy_of(self, world: ArrayWorld) -> Self:
        """Return an env like this one whose methods act on all copies of a world."""
        found = copy.copy(self)
        found.__dict__["_world"] = world
        found.__dict__.pop("agents", None)
        return found

    def overrides(self, method: str) -> bool:
        """Return whether a subclass overrides a method."""
        return getattr(type(self), method) is not getattr(ArrayEnv, method)

    def __getitem__(self, name: str) -> Any:
        """Return a population in use; raise `EnvError` if there is none of that name."""
        population = self.world.populations.get(name)
        if population is None:
            raise ph.errors.EnvError(
                f"{type(self).__name__} has no population "
                f"{name!r}.{ph.tools.did_you_mean(name, self.models)} There are: "
                f"{ph.tools.listing(self.models)}."
            )
        return population

    # ------------------------------------------------------------------ what subclasses override

    def pre_message_resolution(self) -> None:
        """Called after all populations acted, before messages are delivered."""

    def post_message_resolution(self) -> None:
        """Called after all messages were delivered."""

    def is_terminated(self) -> Mask | None:
        """Return in which copies the episode is terminated, as a bool array [copies]; None: in none."""
        return None

    def is_truncated(self) -> Mask | None:
        """Return in which copies the episode is cut off for all, beside the time limit; None: in none."""
        return None

    def state(self) -> Any:
        """Return the global states [copies, ...], elements of `state_space`; raise `EnvError` without any."""
        raise ph.errors.EnvError(
            f"{type(self).__name__} has no global state. Set state_space, and override state() to return an "
            "array with an element of it for each copy."
        )

    def close(self) -> None:
        """Release resources; the default closes the recorder."""
        if self._recorder is not None:
            self._recorder.close()

    # ------------------------------------------------------------------ as a multi-agent env

    @property
    def current_step(self) -> int:
        """The number of steps that were played in this episode, of copy 0."""
        return int(self.world.steps[0])

    @property
    def episode_seed(self) -> int | None:
        """The seed of this episode; `reset(seed=env.episode_seed)` repeats it."""
        return self._episode_seed

    @property
    def recorder(self) -> ArrayRecorder | None:
        """Records the episodes of this env from the next reset on; None: nothing is recorded.

        Raises:
            phantom_core.errors.ConfigError: if it records no arrays.
        """
        return self._recorder

    @recorder.setter
    def recorder(self, recorder: ArrayRecorder | None) -> None:
        if recorder is not None and not hasattr(recorder, "on_array_step"):
            raise ph.errors.ConfigError(
                f"{type(self).__name__} got recorder={recorder!r}, which records no arrays. Expected a "
                "pa.ArrayRecorder, such as phantom_recording.Recorder('episodes.jsonl')."
            )
        if self._recorder is not None and self._recorder is not recorder:
            self._recorder.detach()
        if recorder is not None:
            recorder.attach(self)
        self._recorder = recorder
        self._recorded = None if recorder is None else RecordedWorld(self.world, recorder)
        self.world.recorder = None if self._recorded is None else self._recorded.on_messages

    @cached_property
    def agents(self) -> Mapping[ph.AgentID, ph.Agent]:
        """The members that take part in the episode as agents, by id."""
        return Agents(self.world, 0)

    @property
    def strategic_agent_ids(self) -> list[ph.AgentID]:
        """The ids of the members that observe and act, and take part in the episode."""
        return agent_ids_of(self.world, 0)

    @property
    def acting_agent_ids(self) -> tuple[ph.AgentID, ...] | None:
        """The ids of the members that may act in the next step; None: every one."""
        if all(population.acting is None for population in self.world.strategic.values()):
            return None
        return tuple(agent_ids_of(self.world, 0, is_acting=True))

    @property
    def observation_spaces(self) -> dict[ph.AgentID, gym.Space[Any]]:
        """Observation space of each strategic member, by id."""
        return dict(self._spaces("observation_space"))

    @property
    def action_spaces(self) -> dict[ph.AgentID, gym.Space[Any]]:
        """Action space of each strategic member, by id."""
        return dict(self._spaces("action_space"))

    def _spaces(self, which: str) -> Iterator[tuple[ph.AgentID, gym.Space[Any]]]:
        for population in self.world.strategic.values():
            space = getattr(population, which)
            for number in range(int(population.sizes[0])):
                yield member_id(population, number), space

    def reset(
        self, seed: int | None = None, options: Mapping[str, Any] | None = None
    ) -> tuple[dict[ph.AgentID, Any], dict[ph.AgentID, dict[str, Any]]]:
        """Start an episode.

        Args:
            seed: the seed of the episode. None: the next seed of the env's own stream of seeds, which
                restarts at each given seed.
            options: ignored.

        Returns:
            Observations and infos of the members that act first, by id.

        Raises:
            phantom_core.errors.ConfigError: if the seed is not an integer from 0 to 2**63 - 1.
        """
        world = self.world
        self._episode_seed = seed = self._next_seed(seed)
        self._halted = "after a reset that raised an error"
        world.reset(np.ones(1, np.bool_), [seed])
        seen = world.observe()
        observations = result_of(world, seen, 0).observations
        self._halted = None
        if self._recorded is not None:
            self._recorded.on_reset(seen)
        return observations, {agent_id: {} for agent_id in observations}

    def step(self, actions: Mapping[ph.AgentID, Any]) -> ph.StepResult:
        """Play one step with an action for each member that acts.

        Raises:
            phantom_core.errors.EpisodeError: if called before the first reset, after the end of an episode,
                or after a step that raised.
            phantom_core.errors.EnvError: if a member that acts has no action, or somebody else has.
        """
        world = self.world
        if self._halted is not None:
            raise ph.errors.EpisodeError(
                f"{type(self).__name__} was stepped {self._halted.format(self.current_step)}. Call "
                "env.reset()."
            )
        chosen = actions_of(world, {0: actions})
        self._halted = "after step {} raised an error"
        step = world.step(chosen)
        found = result_of(world, step.by_population, 0, step)
        is_over = found.terminations[ph.tools.ALL] or found.truncations[ph.tools.ALL]
        self._halted = "after its episode ended at step {}" if is_over else None
        if self._recorded is not None:
            self._recorded.on_step(chosen, step)
        return found

    def _next_seed(self, seed: int | None) -> int:
        if seed is not None:
            is_integer = isinstance(seed, (int, np.integer)) and not isinstance(seed, bool)
            if not is_integer or not 0 <= seed <= _MOST_SEED:
                raise ph.errors.ConfigError(
                    f"reset got seed={seed!r}. Expected an integer from 0 to 2**63 - 1, or None."
                )
            self._seeds = ph.seeding.make_random(int(seed), "env.seeds")
            return int(seed)
        if self._seeds is None:
            self._seeds = ph.seeding.make_random(ph.seeding.fresh_seed(), "env.seeds")
        return int(self._seeds.getrandbits(63))

    def __repr__(self) -> str:
        sizes = ", ".join(f"{population.size} {name}" for name, population in self.models.items())
        return f"<{type(self).__name__} of {sizes}>"


def _check_spaces(population: Population) -> None:
    """Raise if a strategic population lacks a space, or has one whose elements are no arrays."""
    if not isinstance(population, StrategicPopulation):
        return
    known = (gym.spaces.Box, gym.spaces.Discrete, gym.spaces.MultiDiscrete, gym.spaces.MultiBinary)
    for name in ("observation_space", "action_space"):
        space = getattr(population, name)
        if not isinstance(space, known):
            cure = ""
            if isinstance(space, (gym.spaces.Dict, gym.spaces.Tuple)):
                cure = " Put the parts side by side into one array: "
                cure += "a Box" if name == "observation_space" else "a MultiDiscrete for several choices"
                cure += ", or what gymnasium.spaces.flatten_space() makes of it."
            raise ph.errors.ConfigError(
                f"{type(population).__name__} {population.name!r} has {name} = {space!r}. Expected a Box, "
                f"Discrete, MultiDiscrete or MultiBinary space, that of one member.{cure}"
            )
