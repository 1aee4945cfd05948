"""`Actor`: asks one policy for the actions of its agents, and keeps what they went through."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from phantom_core.errors import ConfigError, EnvError, ObservationError, PolicyMappingError
from phantom_core.policies.batching import rows_of
from phantom_core.policies.policy import BasePolicy, PolicyByCopy, RecurrentPolicy
from phantom_core.policies.policy_states import PolicyStates
from phantom_core.rollouts.rollout_buffer import End, RolloutBuffer
from phantom_core.rollouts.space_batcher import are_ints, beyond_bounds, contains, is_integer_array
from phantom_core.seeding import RowStreams
from phantom_core.types import Action, AgentID, Observation, PolicyID

_log = logging.getLogger("phantom_core")

Decisions: TypeAlias = tuple[int, NDArray[np.int64], Any, Any, Mapping[str, Any], Any]
"""What `RolloutBuffer.add_decisions` takes."""

_PAIR: Final = 2


class Actor:
    """Asks one policy for actions, and keeps what its agents went through if it learns."""

    def __init__(
        self,
        policy_id: PolicyID,
        policy: BasePolicy,
        *,
        keeps_arrays: bool = False,
        clips_observations: bool = False,
    ) -> None:
        """Begin without decisions.

        Args:
            policy_id: the id of the policy.
            policy: who is asked.
            keeps_arrays: whether whole numbers that a policy returned as an array stay one.
            clips_observations: whether finite observations beyond the bounds of a Box are clipped to them.
        """
        space = policy.action_space
        self._keeps_arrays = keeps_arrays
        self.policy_id = policy_id
        self.policy: Any = policy  # a Policy, a RecurrentPolicy or a PolicyByCopy
        self._is_by_copy = isinstance(policy, PolicyByCopy)
        self.buffer = RolloutBuffer(policy.observation_space, space, discrete_as_arrays=self._is_by_copy)
        if clips_observations:
            self.buffer.batcher.when_clipped = self._warn_once
        self._has_warned = False
        self.is_learning = False  # whether it explores, and its agents' transitions are kept
        self.is_online = False  # whether it learns from each step
        self.defers = False  # whether its newest decisions wait for what the step makes of them
        self.newest: Decisions | None = None  # those that wait, while the buffer is empty
        self.earned: Any = []  # a list or an array: by the newest decisions
        self.ended: dict[int, tuple[End, Any, bool]] = {}  # with those, as `end` got it
        self.num_rows = 0
        self.checks_all = True  # whether actions of every space are checked; else those of Discrete spaces
        self.is_discrete = isinstance(space, gym.spaces.Discrete)  # actions are ints then
        self._is_number = isinstance(space, gym.spaces.Box) and space.shape == ()
        self._limits = (0, 0)
        if isinstance(space, gym.spaces.Discrete):
            self._limits = int(space.start), int(space.start + space.n)
        self.memory = PolicyStates(policy) if isinstance(policy, RecurrentPolicy) else None
        self._changes_what_it_plays = type(policy).env_actions is not BasePolicy.env_actions

    def decide(
        self,
        step: int,
        numbers: NDArray[np.int64],
        draws: RowStreams,
        batch: Any,
        agent_ids: Sequence[AgentID],
        env_indices: NDArray[np.int64],
    ) -> Sequence[Action]:
        """Ask the policy once for the actions of rows; keep a learner's in its buffer, or as `newest`.

        `numbers` is the same array in the next step if the rows are the same; `batch` is what they observe.
        """
        policy, before = self.policy, None
        explores = self.is_learning or policy.acts_randomly
        where = (env_indices,) if self._is_by_copy else ()
        if self.memory is not None:
            before = self.memory.take(numbers)
            asked = self.memory.ask(self.policy_id, numbers, before, batch, draws if explores else None)
            actions, extras = asked
        elif explores:
            actions, extras = self._pair(policy.sample_actions(batch, draws, *where))
        else:
            actions, extras = policy.compute_actions(batch, *where), {}
        played: Sequence[Action] = (
            policy.env_actions(actions) if self._changes_what_it_plays and explores else actions
        )
        if type(played) is not list and isinstance(played, np.ndarray):
            is_same = played is actions
            if self.is_discrete and not (self._keeps_arrays and is_integer_array(played)):
                played = played.tolist()
                actions = played if is_same else actions
            if self._is_number:
                played = [np.asarray(action) for action in played]
        if len(played) != len(numbers):
            raise ConfigError(
                f"Policy {self.policy_id!r} returned {len(played)} actions for {len(numbers)} observations. "
                "Return one for each."
            )
        if self.is_discrete:
            if not are_ints(played, *self._limits):
                self._check_actions(agent_ids, played)
            if type(played) is not list and isinstance(played, np.ndarray):
                played = np.array(played, np.int64)  # the env's own, of a type that does not overflow
        elif self.checks_all:
            self._check_actions(agent_ids, played)
        if self.defers:
            self.newest = step, numbers, batch, actions, extras, before
        elif self.is_learning:
            self.buffer.add_decisions(step, numbers, batch, actions, extras, before)
        return played

    def _pair(self, sampled: Any) -> tuple[Any, Mapping[str, Any]]:
        """Return what a policy sampled; raise `ConfigError` if that is no pair of actions and extras."""
        if (
            type(sampled) is not tuple
            or len(sampled) != _PAIR
            or not (type(sampled[1]) is dict or hasattr(sampled[1], "keys"))
        ):
            raise ConfigError(
                f"{type(self.policy).__name__}.sample_actions() of policy {self.policy_id!r} returned "
                f"{sampled!r}. Expected a pair, (actions, extras): one action for each observation, "
                "and a dict, such as {}."
            )
        actions, extras = sampled
        return actions, extras

    @property
    def rewards(self) -> Any:
        """What each decision earned so far: a list or an array of floats."""
        return self.buffer.rewards if self.newest is None else self.earned

    def end(self, end: End, following: Any, *, terminated: bool) -> None:
        """End a trajectory; `following` is a batch of what was observed then, or None."""
        if self.newest is None:
            self.buffer.end([end], following, terminated=terminated, truncated=not terminated)
        else:
            self.ended[end.last] = end, following, terminated

    def keep_newest(self) -> None:
        """Add the newest decisions to the buffer, if they are not in it yet."""
        if self.newest is not None:
            self.buffer.add_decisions(*self.newest)
            self.buffer.add_rewards(self.earned)
            ended = self.ended.values()
            self.forget_newest()
            for end, following, terminated in ended:
                self.end(end, following, terminated=terminated)

    def forget_newest(self) -> None:
        """Forget the newest decisions: they were kept, or learned from."""
        self.newest = None
        if self.ended:
            self.ended = {}

    def clear(self) -> None:
        """Forget every decision."""
        self.forget_newest()
        self.buffer.clear()

    @property
    def initial_state(self) -> Any:
        """How the states of a recurrent policy are nested; None for another."""
        return self.policy.initial_state() if self.memory is not None else None

    def outside(self, agent_id: AgentID, step: int, observation: Observation, seed: int) -> ObservationError:
        """Return the error that an observation is not in its space, or not finite."""
        found, space = f"is {observation!r} ({type(observation).__name__})", self.policy.observation_space
        shape, dtype = getattr(observation, "shape", None), getattr(observation, "dtype", None)
        if shape and observation.size and observation.dtype.kind in "biuf":
            low, high = observation.min(), observation.max()
            found = f"has shape {shape} and dtype {dtype}, with values from {low} to {high}"
        expected = f"but its observation space is {space}"
        if contains(space, observation, is_finite=False):
            expected = "but only finite numbers can be learned from"
        return ObservationError(
            f"Observation of {agent_id!r} at step {step} {found}, {expected}. Change encode_observation(), "
            "or reset() and step() of a Gymnasium env, or the space. Play it again with "
            f"env.reset(seed={seed})."
        )

    def _warn_once(self, observation: Observation) -> None:
        """Say that an observation was clipped to its space."""
        if not self._has_warned:
            self._has_warned = True
            _log.warning(
                "The env observed something beyond the bounds that it declares, for policy %r: %s. It is "
                "clipped to them, and so is whatever goes beyond them later, without another warning.",
                self.policy_id, beyond_bounds(self.policy.observation_space, observation),
            )  # fmt: skip

    def check_spaces(self, agent_id: AgentID, *spaces: gym.Space[Any]) -> None:
        """Raise if the policy was made for other spaces of observations and actions."""
        own = self.policy.observation_space, self.policy.action_space
        for what, needed, found in zip(("observation", "action"), spaces, own, strict=True):
            if needed is not found and needed != found:  # thousands may share a space
                raise PolicyMappingError(
                    f"Policy {self.policy_id!r} was made for the {what} space {found}, but agent "
                    f"{agent_id!r} has {needed}. Give the agent another policy, or the space of the others."
                )

    def _check_actions(self, agent_ids: Sequence[AgentID], played: Sequence[Action]) -> None:
        space = self.policy.action_space
        if type(space) is gym.spaces.Box and _are_in_box(space, played):
            return
        if is_integer_array(played):
            played = rows_of(played)
        for agent_id, action in zip(agent_ids, played):  # noqa: B905  the lengths were compared
            if not space.contains(action):
                raise EnvError(
                    f"Policy {self.policy_id!r} chose {action!r} for agent {agent_id!r}, which is not in its "
                    f"action space {space}. Change what the policy returns."
                )


def _are_in_box(space: gym.spaces.Box, actions: Any) -> bool:
    """Return whether arrays of the usual type and shape are in a box: for many a hundredth of the time."""
    if type(actions) is list and {type(action) for action in actions} == {np.ndarray}:
        if {(action.dtype, action.shape) for action in actions} != {(space.dtype, space.shape)}:
            return False
        actions = np.array(actions)
    if type(actions) is not np.ndarray or (actions.dtype, actions.shape[1:]) != (space.dtype, space.shape):
        return False
    is_within = (actions >= space.low) & (actions <= space.high)
    return bool(np.count_nonzero(is_within) == actions.size)
