"""Plays the tasks of a study: one point, treatment and seed at a time."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, TypeAlias

import phantom_core as ph
from phantom_experiments.collecting import Collect
from phantom_experiments.env_changes import changed
from phantom_experiments.over_agents import CollectError
from phantom_experiments.played_env import PlayedEnv, played
from phantom_experiments.store import TABLES, TableRows, encode_rows
from phantom_experiments.treatments import Treatment

_SETUP: Final = "setup"
_MAX_WORLDS: Final = 2  # that are kept ready


class Task(NamedTuple):
    """What is played at a time: the episodes of one seed at one point, with one treatment."""

    point: int
    treatment: int
    seed: int


class Outcome(NamedTuple):
    """What came of a task.

    Attributes:
        rows: its rows by table, as they are stored.
        num_episodes: how many episodes were played to their end.
        problems: the errors of those that were not.
        mistake: the class of the first one, if it says that the study asks for what is not there: something
            to collect, or a policy for an agent; else None.
    """

    rows: Mapping[str, TableRows]
    num_episodes: int
    problems: Sequence[str]
    mistake: type[ph.errors.ConfigError] | None

    def episodes(self) -> list[dict[str, Any]]:
        """Return the rows of the episodes."""
        rows = self.rows["episodes"]
        return list(map(json.loads, rows.splitlines())) if isinstance(rows, bytes) else list(map(dict, rows))


Played: TypeAlias = tuple[dict[str, list[dict[str, Any]]], int, list[str], type[ph.errors.ConfigError] | None]
"""The rows of a task by table, and the rest of its `Outcome`."""


@dataclass
class Playing:
    """Plays tasks; what a study sends to the processes of its executor.

    Attributes:
        model: the env and its policies.
        points: the changes of `env_config` that each point makes.
        treatments: the treatments.
        collect: what is recorded.
        episodes: how many episodes each task has.
        max_steps: each episode is truncated after so many steps; None: for no limit.
        has_common_seeds: whether a seed means the same random numbers at every point and treatment.
    """

    model: ph.Model
    points: Sequence[Mapping[str, Any]]
    treatments: Sequence[Treatment]
    collect: Collect
    episodes: int = 1
    max_steps: int | None = None
    has_common_seeds: bool = True
    _worlds: dict[tuple[int, int], World | Exception] = field(default_factory=dict, repr=False)

    def __getstate__(self) -> dict[str, Any]:
        """Send no envs."""
        return {**vars(self), "_worlds": {}}

    def __call__(self, task: Task) -> Outcome:
        """Play a task, and return its rows; an episode that raises is a row with the error."""
        rows, num_episodes, problems, mistake = self.play(task)
        encoded = {table: encode_rows(rows[table]) for table in TABLES}
        return Outcome(encoded, num_episodes, problems, mistake)

    def play(self, task: Task, *, episodes: int | None = None, recorder: Any = None) -> Played:
        """Play the first episodes of a task; return its rows by table, and the rest as in an `Outcome`."""
        keys = {
            "point": task.point,
            "treatment": self.treatments[task.treatment].name,
            "seed": task.seed,
        }
        world = self._world(task)
        if isinstance(world, Exception):
            problem = _sentence(world)
            row = {**keys, "episode": 0, "error": problem, "step": 0}
            mistake = _mistake(world)
            return {"episodes": [row], "agents": [], "steps": []}, 0, [problem], mistake
        found = world.play(
            keys,
            self._collector_seed(task),
            self.episodes if episodes is None else episodes,
            recorder=recorder,
        )
        if not world.is_reusable:
            self._forget(task)
        return found

    def close(self) -> None:
        """Close the envs."""
        for task in list(self._worlds):
            self._forget(Task(*task, seed=0))

    def _world(self, task: Task) -> World | Exception:
        """Return the world of a task, as it was made before or anew; or why it cannot be made."""
        place = task.point, task.treatment
        if place not in self._worlds:
            while len(self._worlds) >= _MAX_WORLDS:
                self._forget(Task(*next(iter(self._worlds)), seed=0))
            try:
                self._worlds[place] = self._made(task)
            except Exception as error:  # whatever a user's env raises: the row says it
                self._worlds[place] = error
        return self._worlds[place]

    def _forget(self, task: Task) -> None:
        world = self._worlds.pop((task.point, task.treatment), None)
        if isinstance(world, World):
            world.env.close()

    def _made(self, task: Task) -> World:
        treatment = self.treatments[task.treatment]
        config = changed(self.model.make_env.env_config, self.points[task.point])
        make_env = ph.EnvFactory(self.model.make_env.env_class, changed(config, treatment.changes))
        env = make_env()
        try:
            return World(env, make_env, self.model.policies, treatment, self.collect, self.max_steps)
        except BaseException:
            env.close()
            raise

    def _collector_seed(self, task: Task) -> int:
        if self.has_common_seeds:
            return task.seed
        return ph.seeding.derive_seed(task.seed, "study", task.point, self.treatments[task.treatment].name)


class World:
    """An env at one point and with one treatment, and the policies that play in it."""

    def __init__(
        self,
        env: ph.MultiAgentEnv,
        make_env: ph.EnvFactory,
        policies: ph.PolicyMapping,
        treatment: Treatment,
        collect: Collect,
        max_steps: int | None,
    ) -> None:
        """Reset the env once, and make the policies.

        Raises:
            PolicyMappingError: if agents and policies do not fit together.
        """
        env.reset(seed=ph.seeding.derive_seed(0, _SETUP))  # some build their network in reset
        self.env: PlayedEnv = played(env, make_env, treatment, collect)
        self.is_reusable = not hasattr(env, "state_dict")  # one that carries something over is made anew
        self._max_steps = max_steps
        agent_ids = list(env.strategic_agent_ids)
        if agent_ids and not policies:
            raise ph.errors.PolicyMappingError(
                f"There is no policy for {ph.tools.listing(agent_ids)}. Give one to each agent that acts: "
                "policies={'all': ('random', [...])}, or simulate a run."
            )
        self._made = ph.make_policies(env, policies) if policies else ph.MadePolicies({}, {}, {})
        self._frozen = FrozenPolicies(self._made.policies)
        self._collector: ph.Collector | None = None

    def play(self, keys: Mapping[str, Any], seed: int, episodes: int, *, recorder: Any = None) -> Played:
        """Play the episodes that follow from a seed; see `Playing.play`."""
        env = self.env
        env.begin_task(keys)
        env.record(recorder)
        collector = self._collector_with(seed)
        problems: list[str] = []
        mistake: type[ph.errors.ConfigError] | None = None
        while env.num_episodes < episodes:
            try:
                collector.collect(ph.CollectPlan(episodes=episodes - env.num_episodes))
            except Exception as error:  # whatever a user's env or policy raises: the row says it
                mistake = mistake if problems else _mistake(_cause(error))
                problems.append(_sentence(error))
                env.fail(problems[-1])
                if env.has_failed_in_reset:
                    break  # the next attempt would be the same
        self._collector = collector if self._frozen.are_unchanged() else None
        env.record(None)
        return env.take_rows(), env.num_episodes - len(problems), problems, mistake

    def _collector_with(self, seed: int) -> ph.Collector:
        """Return a collector that begins with a seed, and with policies as they were made."""
        if self._collector is not None:
            self._collector.reseed(seed)
            return self._collector
        return ph.Collector(
            [self.env],
            self._frozen.thawed(),
            self._made.policy_by_agent,
            seed=seed,
            specs=self._made.specs,
            mode="evaluate",
            on_episode=self.env.finish,
            max_steps=self._max_steps,
        )


class FrozenPolicies:
    """Policies as they are at the beginning of each task, so that no task depends on those before it."""

    def __init__(self, policies: Mapping[ph.PolicyID, ph.BasePolicy]) -> None:
        """Keep policies as they are now."""
        self._policies = dict(policies)
        first = _pickled(self._policies)
        self._pickled = None if first is None else _pickled(pickle.loads(first))  # noqa: S301  pickled here
        self._thawed = self._policies

    def thawed(self) -> dict[ph.PolicyID, ph.BasePolicy]:
        """Return copies that may be changed."""
        if self._pickled is None:
            self._thawed = copy.deepcopy(self._policies)
        else:
            self._thawed = pickle.loads(self._pickled)  # noqa: S301  pickled here
        return self._thawed

    def are_unchanged(self) -> bool:
        """Return whether it is certain that the newest copies are still as they were."""
        if not self._policies:
            return True
        if self._pickled is None:
            return False
        return _pickled(self._thawed) == self._pickled


def _pickled(policies: Mapping[ph.PolicyID, ph.BasePolicy]) -> bytes | None:
    try:
        return pickle.dumps(policies)
    except Exception:  # whatever a user's attributes raise
        return None


def _mistake(error: BaseException) -> type[ph.errors.ConfigError] | None:
    return type(error) if isinstance(error, (CollectError, ph.errors.PolicyMappingError)) else None


def _sentence(error: Exception) -> str:
    return str(error) if isinstance(error, ph.PhantomError) else ph.tools.error_text(error)


def _cause(error: BaseException) -> BaseException:
    while error.__cause__ is not None and not isinstance(error, CollectError):
        error = error.__cause__
    return error
