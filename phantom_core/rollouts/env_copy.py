"""One copy of an env, as the collector plays it: its episodes, and what its agents went through."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from numbers import Real
from typing import Any

import gymnasium as gym

from phantom_core.envs.step_result import MultiAgentEnv, StepResult
from phantom_core.errors import EnvError, ObservationError, PhantomError, listing, told
from phantom_core.metrics import Metric, Mode, record_metrics, reduce_metrics
from phantom_core.rollouts.trajectory import EpisodeSummary, Trajectory
from phantom_core.seeding import derive_seed
from phantom_core.types import Action, AgentID, Observation, PolicyID
from phantom_core.world.agents import ALL


class EnvCopy:
    """Plays one env episode after episode, and keeps the trajectories of the agents that learn."""

    def __init__(
        self,
        env: MultiAgentEnv,
        number: int,
        *,
        seed: int,
        policy_by_agent: Mapping[AgentID, PolicyID],
        learning: Collection[PolicyID],
        metrics: Mapping[str, Metric],
        mode: Mode,
    ) -> None:
        self.env = env
        self.number = number
        self._seed = seed
        self._policy_by_agent = policy_by_agent
        self._learners = {
            agent_id for agent_id, policy_id in policy_by_agent.items() if policy_id in learning
        }
        self._metrics = metrics
        self._mode = mode
        self._is_valid: dict[AgentID, Callable[[Observation], bool]] = {}
        self._is_action: dict[AgentID, Callable[[Action], bool]] = {}
        self._discrete: set[AgentID] = set()
        self._finished: defaultdict[PolicyID, list[Trajectory]] = defaultdict(list)
        self._episode = -1
        self._length = 0
        self._episode_seed = 0
        self._is_over = True
        self._clear()

    def _clear(self) -> None:
        self._pending: dict[AgentID, Observation] = {}
        self._actions: dict[AgentID, Action] = {}
        self._open: dict[AgentID, Trajectory] = {}
        self._returns: dict[AgentID, float] = dict.fromkeys(self._policy_by_agent, 0.0)
        self._values: defaultdict[str, list[Any]] = defaultdict(list)

    def put_questions(self, rows: dict[PolicyID, list[tuple[EnvCopy, AgentID, Observation]]]) -> None:
        """Add who is to act now, on which observation, by policy; starts an episode if one ended."""
        if self._is_over:
            self._start_episode()
        acting = self.env.acting_agent_ids
        for agent_id, observation in self._pending.items():
            if acting is None or agent_id in acting:
                rows.setdefault(self._policy_by_agent[agent_id], []).append((self, agent_id, observation))

    def decide(self, agent_id: AgentID, observation: Observation, action: Action, played: Action) -> None:
        """Take the action of one agent for the next step, as it was sampled and as it is played.

        Raises:
            EnvError: if what is played is not in the agent's action space. Discrete actions are
                always checked, others in the first episode.
        """
        if (self._episode == 0 or agent_id in self._discrete) and not self._is_action[agent_id](played):
            raise self._no_action(agent_id, played)
        self._actions[agent_id] = played
        del self._pending[agent_id]
        if agent_id not in self._learners:
            return
        trajectory = self._open.get(agent_id)
        if trajectory is None:
            trajectory = self._open[agent_id] = Trajectory(agent_id, self.number, self._episode)
        trajectory.observations.append(observation)
        trajectory.actions.append(action)
        trajectory.rewards.append(0.0)

    def keep(self, agent_id: AgentID, extras: Mapping[str, Any]) -> None:
        """Keep what a policy says about the decision that was just taken."""
        trajectory = self._open.get(agent_id)
        if trajectory is not None:
            for name, value in extras.items():
                trajectory.extras.setdefault(name, []).append(value)

    def step(self) -> EpisodeSummary | None:
        """Play the actions; return a summary if the episode ended."""
        actions, self._actions = self._actions, {}
        try:
            result = self.env.step(actions)
        except Exception as error:
            raise self._failed(error, f"step {self._length + 1}") from error
        self._length += 1
        self._see(result.observations)
        for agent_id, reward in result.rewards.items():
            if agent_id not in self._returns:
                self._meet(agent_id)
            if not isinstance(reward, Real) or not -math.inf < reward < math.inf:
                raise self._not_finite(agent_id, reward)
            self._returns[agent_id] += reward
            trajectory = self._open.get(agent_id)
            if trajectory is not None:
                trajectory.rewards[-1] += reward
        if self._metrics:
            record_metrics(self.env, self._metrics, self._values)
        terminations, truncations = result.terminations, result.truncations
        if not (True in terminations.values() or True in truncations.values()):
            return None
        is_over = terminations[ALL] or truncations[ALL]
        for agent_id, terminated in terminations.items():
            if (terminated or truncations[agent_id] or is_over) and agent_id != ALL:
                self._close(agent_id, is_terminated=terminated)
        return self._end_episode(result) if is_over else None

    def take_trajectories(self) -> Mapping[PolicyID, list[Trajectory]]:
        """Return what was finished since the last call, and cut the trajectories that go on."""
        acting = self.env.acting_agent_ids
        for agent_id, trajectory in list(self._open.items()):
            rest = None
            if agent_id in self._pending and (acting is None or agent_id in acting):
                trajectory.next_observation = self._pending[agent_id]
            else:  # its last decision has not had its whole outcome yet
                rest = _split_last(trajectory)
                trajectory.next_observation = rest.observations[0]
            del self._open[agent_id]
            if len(trajectory):
                self._finished[self._policy_by_agent[agent_id]].append(trajectory)
            if rest is not None:
                self._open[agent_id] = rest
        finished, self._finished = self._finished, defaultdict(list)
        return finished

    def _start_episode(self) -> None:
        self._episode += 1
        self._length = 0
        self._episode_seed = derive_seed(self._seed, "episode", self.number, self._episode)
        self._clear()
        try:
            observations, _ = self.env.reset(seed=self._episode_seed)
        except Exception as error:
            raise self._failed(error, "reset") from error
        self._is_over = False
        self._see(observations)

    def _end_episode(self, result: StepResult) -> EpisodeSummary:
        self._is_over = True
        metrics = reduce_metrics(self._metrics, self._values, self._mode)
        terminated = result.terminations[ALL]
        return EpisodeSummary(self.number, self._episode, self._length, self._returns, terminated, metrics)

    def _see(self, observations: Mapping[AgentID, Observation]) -> None:
        for agent_id, observation in observations.items():
            is_valid = self._is_valid.get(agent_id)
            if is_valid is None:
                is_valid = self._meet(agent_id)
            if not is_valid(observation):
                raise self._outside(agent_id, observation)
            self._pending[agent_id] = observation

    def _meet(self, agent_id: AgentID) -> Callable[[Observation], bool]:
        """Prepare for an agent that observes for the first time."""
        if agent_id not in self._policy_by_agent:
            raise EnvError(
                f"Agent {agent_id!r} joined {type(self.env).__name__} at step {self._length}, "
                "after its agents "
                f"were given their policies: {listing(self._policy_by_agent)}. Let every strategic agent be "
                "there after the first reset."
            )
        action_space = self.env.action_spaces[agent_id]
        self._is_action[agent_id] = _membership(action_space)
        if isinstance(action_space, gym.spaces.Discrete):
            self._discrete.add(agent_id)
        is_valid = self._is_valid[agent_id] = _membership(self.env.observation_spaces[agent_id])
        return is_valid

    def _close(self, agent_id: AgentID, *, is_terminated: bool) -> None:
        final = self._pending.pop(agent_id, None)
        trajectory = self._open.pop(agent_id, None)
        if trajectory is not None:
            trajectory.next_observation = final
            trajectory.is_terminated = is_terminated
            trajectory.is_truncated = not is_terminated
            self._finished[self._policy_by_agent[agent_id]].append(trajectory)

    def _failed(self, error: Exception, where: str) -> Exception:
        """Say where it happened: in which episode, and how to play it again."""
        place = f"{type(self.env).__name__} failed in {where} of episode {self._episode}"
        again = f"Play it again with env.reset(seed={self._episode_seed})."
        if isinstance(error, PhantomError):
            return type(error)(f"{error} ({place}. {again})") if isinstance(error, EnvError) else error
        return EnvError(f"{place}: {told(error)}. {again}")

    def _no_action(self, agent_id: AgentID, action: Action) -> EnvError:
        return EnvError(
            f"Policy {self._policy_by_agent[agent_id]!r} chose {action!r} for agent "
            f"{agent_id!r}, which is not in "
            f"its action space {self.env.action_spaces[agent_id]}. Change what the policy returns."
        )

    def _not_finite(self, agent_id: AgentID, reward: object) -> EnvError:
        return EnvError(
            f"The reward of {agent_id!r} at step {self._length} is {reward!r}. Expected a finite number: "
            "change compute_reward()."
        )

    def _outside(self, agent_id: AgentID, observation: Observation) -> ObservationError:
        space = self.env.observation_spaces[agent_id]
        found = _describe(observation)
        msg = (
            f"Observation of {agent_id!r} at step {self._length} {found}, but its observation "
            f"space is {space}. "
            "Change encode_observation() or the space."
        )
        return ObservationError(msg)


def _split_last(trajectory: Trajectory) -> Trajectory:
    """Move the last decision into a new trajectory."""
    rest = Trajectory(trajectory.agent_id, trajectory.copy, trajectory.episode)
    rest.observations.append(trajectory.observations.pop())
    rest.actions.append(trajectory.actions.pop())
    rest.rewards.append(trajectory.rewards.pop())
    rest.extras = {name: [values.pop()] for name, values in trajectory.extras.items()}
    return rest


def _membership(space: gym.Space[Any]) -> Callable[[Observation], bool]:
    """Return a test of membership that costs little for the commonest space."""
    if not isinstance(space, gym.spaces.Discrete):
        return space.contains
    first, end = int(space.start), int(space.start + space.n)
    contains = space.contains
    return lambda observation: (
        (type(observation) is int and first <= observation < end) or contains(observation)
    )


def _describe(observation: Observation) -> str:
    shape, dtype = getattr(observation, "shape", None), getattr(observation, "dtype", None)
    if shape:
        return (
            f"has shape {shape} and dtype {dtype}, with values from {observation.min()} to "
            f"{observation.max()}"
        )
    return f"is {observation!r} ({type(observation).__name__})"
