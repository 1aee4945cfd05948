"""`PolicyRows`: who asks a policy in this step, and what its agents went through."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import gymnasium as gym
import numpy as np

from phantom_core.errors import ConfigError, EnvError, ObservationError, PolicyMappingError
from phantom_core.policies.policy import Policy
from phantom_core.rollouts.columns import OutsideSpaceError, membership
from phantom_core.rollouts.experience_log import ExperienceLog
from phantom_core.rollouts.snapshot import snapshots
from phantom_core.seeding import RowStreams
from phantom_core.types import Action, AgentID, Observation, PolicyID

if TYPE_CHECKING:
    from phantom_core.rollouts.env_copy import EnvCopy
    from phantom_core.seeding import UniformStream

_PAIR: Final = 2
_INT: Final = frozenset({int})


class Lane:
    """One agent in one copy of the env.

    Attributes:
        copy: the copy.
        agent_id: the agent.
        group: the rows of its policy.
        stream: what its policy's draws come from.
        observation: the newest observation.
        episode_return: the sum of its rewards in this episode.
        rows: the rows of its open trajectory in the log; empty: it has none.
        last_row: the row of its last decision; -1: none.
    """

    __slots__ = ("agent_id", "copy", "episode_return", "group", "last_row", "observation", "rows", "stream")

    def __init__(self, copy: EnvCopy, agent_id: AgentID, group: PolicyRows, stream: UniformStream) -> None:
        self.copy = copy
        self.agent_id = agent_id
        self.group = group
        self.stream = stream
        self.begin_episode()

    def begin_episode(self) -> None:
        """Forget the episode before."""
        self.observation: Observation = None
        self.episode_return = 0.0
        self.rows: list[int] = []
        self.last_row = -1


class PolicyRows:
    """One policy, the lanes that ask it in the present step, and its log.

    Attributes:
        policy_id: the policy's id.
        policy: the policy.
        lanes: the lanes that ask it in this step.
        observations: what they observed, one after the other.
        log: what its agents went through.
        is_valid: whether something is an element of the observation space.
    """

    def __init__(self, policy_id: PolicyID, policy: Policy) -> None:
        self.policy_id = policy_id
        self.policy = policy
        self.lanes: list[Lane] = []
        self.observations: list[Observation] = []
        self.log = ExperienceLog(policy.observation_space, policy.action_space)
        self.is_valid = membership(policy.observation_space)
        self.is_learning = False
        self._is_action = policy.action_space.contains
        space = policy.action_space
        self._is_discrete = isinstance(space, gym.spaces.Discrete)
        self._first_action, self._end_action = 0, 0
        if isinstance(space, gym.spaces.Discrete):
            self._first_action, self._end_action = int(space.start), int(space.start + space.n)
        self._plays_what_it_samples = type(policy).env_actions is Policy.env_actions
        self._lanes_before: list[Lane] = []
        self._draws = RowStreams([])

    @property
    def is_learning(self) -> bool:
        """Whether it explores, and its agents' trajectories are kept."""
        return self._is_learning

    @is_learning.setter
    def is_learning(self, is_learning: bool) -> None:
        self._is_learning = is_learning
        self._is_sampling = is_learning or self.policy.acts_randomly

    def decide(self) -> None:
        """Ask the policy once for the actions of all lanes, and give these to their copies."""
        lanes, observations = self.lanes, self.observations
        row = len(self.log.rewards)
        try:
            played = self.choose(lanes, observations)
        except OutsideSpaceError as error:
            raise self.outside(lanes[error.index], observations[error.index]) from None
        for lane, action, kept in zip(lanes, played, self.kept(played)):  # noqa: B905  lengths were compared
            lane.copy.actions[lane.agent_id] = action
            lane.copy.kept_actions[lane.agent_id] = kept
            if self._is_learning:
                lane.rows.append(row)
                lane.last_row = row
                row += 1
        self.lanes, self.observations = [], []

    def choose(self, lanes: list[Lane], observations: Sequence[Observation]) -> Sequence[Action]:
        """Ask the policy once for the actions of these lanes, and log the decisions of learners.

        Raises:
            OutsideSpaceError: if an observation is not in its space.
            EnvError: if an action is not in its space. Discrete actions are always checked, others in
                the first episode.
        """
        column = self.log.observations
        if not self._is_learning:
            column.clear()
        batch = column.write(observations)
        if self._is_sampling:
            sampled = self.policy.sample_actions(batch, self._draws_for(lanes))
            if not _is_pair(sampled):
                raise self._no_pair(sampled)
            actions, extras = sampled
            played = actions if self._plays_what_it_samples else self.policy.env_actions(actions)
            is_same = played is actions
        else:
            actions = played = self.policy.compute_actions(batch)
            extras, is_same = {}, True
        if self._is_discrete and isinstance(played, np.ndarray):
            played = played.tolist()
            actions = played if is_same else actions
        if len(played) != len(lanes):
            raise self._wrong_number(len(lanes), len(played))
        self._check_actions(lanes, played)
        if self._is_learning:
            self.log.add_decisions(actions, extras, len(lanes))
        return played

    def abandon(self) -> None:
        """Forget who was about to ask, and what was decided."""
        self.lanes, self.observations = [], []
        self.log.clear()

    def kept(self, played: Sequence[Action]) -> Sequence[Action]:
        """Return actions as they are now, whatever the env or the policy writes into them later."""
        return played if self._is_discrete else snapshots(played)

    def _draws_for(self, lanes: list[Lane]) -> RowStreams:
        if lanes != self._lanes_before:
            self._lanes_before, self._draws = lanes, RowStreams([lane.stream for lane in lanes])
        return self._draws

    def outside(self, lane: Lane, observation: Observation) -> ObservationError:
        """Return the error that an observation is not in its space."""
        return ObservationError(
            f"Observation of {lane.agent_id!r} at step {lane.copy.length} {_describe(observation)}, but its "
            f"observation space is {self.policy.observation_space}. Change encode_observation(), or reset() "
            "and step() of a Gymnasium env, or the space."
        )

    def check_spaces(self, agent_id: AgentID, spaces: tuple[gym.Space[Any], gym.Space[Any]]) -> None:
        """Raise `PolicyMappingError` if the policy was made for other spaces."""
        own = self.policy.observation_space, self.policy.action_space
        for what, needed, found in zip(("observation", "action"), spaces, own, strict=True):
            if needed != found:
                raise PolicyMappingError(
                    f"Policy {self.policy_id!r} was made for the {what} space {found}, but agent "
                    f"{agent_id!r} has {needed}. Give the agent another policy, or the space of the others."
                )

    def _check_actions(self, lanes: list[Lane], played: Sequence[Action]) -> None:
        if not self._is_discrete:
            for lane, action in zip(lanes, played):  # noqa: B905  the lengths were compared
                if lane.copy.episode == 0 and not self._is_action(action):
                    raise self._no_action(lane.agent_id, action)
            return
        first, end = self._first_action, self._end_action
        if _INT.issuperset(map(type, played)) and first <= min(played) and max(played) < end:
            return
        for lane, action in zip(lanes, played):  # noqa: B905  the lengths were compared
            if not self._is_action(action):
                raise self._no_action(lane.agent_id, action)

    def _wrong_number(self, wanted: int, found: int) -> ConfigError:
        return ConfigError(
            f"Policy {self.policy_id!r} returned {found} actions for {wanted} observations. Return "
            "one for each."
        )

    def _no_pair(self, sampled: object) -> ConfigError:
        return ConfigError(
            f"{type(self.policy).__name__}.sample_actions() of policy {self.policy_id!r} returned "
            f"{sampled!r}. Expected a pair, (actions, extras): one action for each observation, "
            "and a dict, such as {}."
        )

    def _no_action(self, agent_id: AgentID, action: Action) -> EnvError:
        return EnvError(
            f"Policy {self.policy_id!r} chose {action!r} for agent {agent_id!r}, which is not in its action "
            f"space {self.policy.action_space}. Change what the policy returns."
        )


def _is_pair(sampled: object) -> bool:
    """Tell whether it has the form of actions and extras; this is asked in every step."""
    return isinstance(sampled, tuple) and len(sampled) == _PAIR and hasattr(sampled[1], "keys")


def _describe(observation: Observation) -> str:
    shape, dtype = getattr(observation, "shape", None), getattr(observation, "dtype", None)
    if shape:
        return (
            f"has shape {shape} and dtype {dtype}, with values from {observation.min()} to "
            f"{observation.max()}"
        )
    return f"is {observation!r} ({type(observation).__name__})"
