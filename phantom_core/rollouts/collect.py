"""`Collector`: plays policies in copies of an env and hands each policy its agents' trajectories."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Final

from phantom_core.envs.step_result import MultiAgentEnv, StepResult
from phantom_core.errors import CheckpointError, ConfigError, PolicyMappingError, did_you_mean, listing
from phantom_core.metrics import Metric, Mode
from phantom_core.policies.policy import Policy
from phantom_core.policies.policy_mapping import PolicySpec
from phantom_core.rollouts.batch import Batch, EpisodeSummary
from phantom_core.rollouts.env_copy import EnvCopy
from phantom_core.rollouts.experience_log import Stretch
from phantom_core.rollouts.policy_rows import Lane, PolicyRows
from phantom_core.rollouts.solo_envs import CopyError
from phantom_core.rollouts.solo_play import SoloPlay
from phantom_core.rollouts.vector_env import LocalVectorEnv, VectorEnv
from phantom_core.seeding import UniformStream, make_rng
from phantom_core.types import Action, AgentID, PolicyID

_log = logging.getLogger("phantom_core")

LONG_EPISODE: Final = 100_000
"""After so many steps of waiting for the end of an episode, the collector says so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectPlan:
    """How much to collect in one iteration: so many env steps, or so many episodes.

    Attributes:
        steps: env steps, over all copies; episodes go on in the next iteration.
        episodes: whole episodes, over all copies.
        copies: how many copies of the env are played side by side.
    """

    steps: int | None = None
    episodes: int | None = None
    copies: int = 1

    def __post_init__(self) -> None:
        """Refuse a plan that says nothing, or two things."""
        amounts = [amount for amount in (self.steps, self.episodes) if amount is not None]
        if len(amounts) != 1 or amounts[0] < 1 or self.copies < 1:
            msg = f"{self} is not a plan. Give either steps or episodes, and at least one copy."
            raise ConfigError(msg)


class Collector:
    """Plays policies in copies of an env.

    All agents that are to act, in all copies, are asked in one call per policy and step. Copy i
    resets to the same seeds and draws from its own streams whatever the number of copies, so its
    episodes do not depend on that number.

    Attributes:
        learning: ids of the policies that explore, and whose trajectories are kept.
        policy_by_agent: policy id of each agent that was met or is known.
        env_steps: env steps made so far, over all copies.
        env_seconds: the time spent in the env's steps so far.
        policy_seconds: the time spent in choosing actions so far.
    """

    def __init__(
        self,
        envs: VectorEnv | Sequence[MultiAgentEnv],
        policies: Mapping[PolicyID, Policy],
        policy_by_agent: Mapping[AgentID, PolicyID],
        *,
        seed: int,
        specs: Mapping[PolicyID, PolicySpec] | None = None,
        learning: Collection[PolicyID] = (),
        metrics: Mapping[str, Metric] | None = None,
        mode: Mode = "train",
        on_episode: Callable[[EpisodeSummary], None] | None = None,
    ) -> None:
        """Set up the copies.

        Args:
            envs: the copies, of one class and configuration.
            policies: policy by id.
            policy_by_agent: policy id of each strategic agent.
            seed: what the copies' episodes and the policies' draws follow from.
            specs: how agents that join during an episode find their policy: the class or predicate of
                exactly one of these policies holds for them.
            learning: ids of the policies that explore, and whose trajectories are kept.
            metrics: what to measure in each episode.
            mode: how metrics are reduced.
            on_episode: called with each episode that ends.

        Raises:
            PolicyMappingError: if an agent has a policy that there is not.
        """
        self.env_steps = 0
        self.env_seconds = 0.0
        self.policy_seconds = 0.0
        self._envs = envs if isinstance(envs, VectorEnv) else LocalVectorEnv(envs)
        self._envs.measure(metrics or {}, mode)
        self.policy_by_agent = dict(policy_by_agent)
        for agent_id, policy_id in self.policy_by_agent.items():
            if policy_id not in policies:
                raise PolicyMappingError(
                    f"Agent {agent_id!r} is given the policy {policy_id!r}, but there is none of that id."
                    f"{did_you_mean(policy_id, policies)} There are: {listing(policies)}."
                )
        self._specs = specs or {}
        self._seed = int(seed)  # a NumPy integer has another name
        self._on_episode = on_episode
        self._has_warned = False
        self._groups = {policy_id: PolicyRows(policy_id, policy) for policy_id, policy in policies.items()}
        self.learning: tuple[PolicyID, ...] = ()
        self._streams: dict[tuple[PolicyID, int], UniformStream] = {}
        self._copies = [
            EnvCopy(self._envs, number, self._seed, self._make_lane)
            for number in range(self._envs.num_copies)
        ]
        self.set_learning(learning)

    def set_learning(self, policy_ids: Collection[PolicyID]) -> None:
        """Change which policies learn from now on, between two calls of `collect`.

        The others behave as finished policies do. What was begun with a policy that stops or starts to
        learn, and is not finished, is forgotten.
        """
        self.learning = tuple(policy_ids)
        for policy_id, group in self._groups.items():
            if group.is_learning != (policy_id in self.learning):
                group.is_learning = not group.is_learning
                group.log.clear()
                for copy in self._copies:
                    copy.forget(group)

    def collect(self, plan: CollectPlan) -> dict[PolicyID, Batch]:
        """Play as much as the plan says.

        If it is broken off, by an exception or by Ctrl-C, what was begun is forgotten, and the next call
        begins with new episodes.

        Returns:
            For each learning policy, what its agents went through.

        Raises:
            EnvError: if an env raises, with the episode's seed and the step.
            PolicyMappingError: if no policy is meant for an agent that joins, or it has other spaces.
            ObservationError: if an observation is not in its space.
        """
        try:
            return self._collect(plan)
        except BaseException:
            self._forget_what_was_begun()
            raise

    def _collect(self, plan: CollectPlan) -> dict[PolicyID, Batch]:
        copies, number = self._copies, len(self._copies)
        if plan.steps is not None:
            self._play(copies, -(-plan.steps // number))
            return self._take_batches()
        share, rest = divmod(plan.episodes or 0, number)
        left = [share + (n < rest) for n in range(number)]
        while playing := [copy for copy in copies if left[copy.number]]:
            for copy in self._play(playing):
                left[copy.number] -= 1
        return self._take_batches()

    def state_dict(self) -> dict[str, Any]:
        """Return where the collector stands between two calls of `collect`.

        It covers what is carried over to the next call, every stream of random draws, and each copy's
        episode, as the actions that were played in it.
        """
        streams = {
            policy_id: {
                str(n): stream.state_dict() for (i, n), stream in self._streams.items() if i == policy_id
            }
            for policy_id in self._groups
        }
        return {
            "seed": self._seed,
            "env_steps": self.env_steps,
            "copies": [copy.state_dict() for copy in self._copies],
            "streams": streams,
            "logs": {i: group.log.state_dict() for i, group in self._groups.items() if group.is_learning},
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Stand where a collector of the same policies, seed and number of copies stood.

        Each copy plays its episode again, from its seed and with the same actions.

        Raises:
            CheckpointError: if the collector differs, or an env goes otherwise this time.
        """
        wanted = state["seed"], len(state["copies"])
        if wanted != (self._seed, len(self._copies)):
            raise CheckpointError(
                f"The saved collector has seed {wanted[0]} and {wanted[1]} copies of the env, but this one "
                f"has seed {self._seed} and {len(self._copies)}. Make it with the same."
            )
        self.env_steps = int(state["env_steps"])
        for policy_id, saved in state["streams"].items():
            for number, position in saved.items():
                self._stream(policy_id, int(number)).load_state_dict(position)
        for policy_id, rows in state["logs"].items():
            self._groups[policy_id].log.load_state_dict(rows)
        spaces = {policy_id: group.policy.action_space for policy_id, group in self._groups.items()}
        for copy, position in zip(self._copies, state["copies"], strict=True):
            copy.load_state_dict(position, spaces)

    def close(self) -> None:
        """Close every copy of the env."""
        self._envs.close()

    def _forget_what_was_begun(self) -> None:
        """Nobody knows which copies had made their step: begin anew."""
        self._envs.abandon()
        for copy in self._copies:
            copy.abandon()
        for group in self._groups.values():
            group.abandon()

    def _play(self, copies: Sequence[EnvCopy], num_steps: int | None = None) -> list[EnvCopy]:
        """Make so many steps in each of these copies; None: until an episode ends, whose copy is returned."""
        play = self._way_of_playing(copies)
        ended: list[EnvCopy] = []
        steps, policy_seconds, env_seconds, has_ends = 0, 0.0, 0.0, True
        while not ended if num_steps is None else steps < num_steps:
            steps += 1
            over = [copy for copy in copies if copy.is_over] if has_ends else []
            if over:
                self._begin_episodes(over)
            play.prepare(over)
            started = perf_counter()
            play.decide()
            decided = perf_counter()
            try:
                play.step()
            except CopyError as error:
                copy = self._copies[error.number]
                raise copy.failed(error, f"step {copy.length + 1}") from error.__cause__
            stepped = perf_counter()
            policy_seconds += decided - started
            env_seconds += stepped - decided
            found = play.take()
            has_ends = bool(found)
            for copy, summary in found:
                ended.append(copy)
                if self._on_episode is not None:
                    self._on_episode(summary)
            if steps == LONG_EPISODE and num_steps is None and not ended:
                self._warn_of_long_episode(copies)
        play.finish()
        self.env_steps += steps * len(copies)
        self.policy_seconds += policy_seconds
        self.env_seconds += env_seconds
        return ended

    def _way_of_playing(self, copies: Sequence[EnvCopy]) -> LanePlay | SoloPlay:
        """Return the short way where it will do: one agent in each copy, which acts in every step."""
        solo = self._envs.solo()
        if solo is not None and solo.agent_id in self.policy_by_agent:
            return SoloPlay(solo, copies, self._groups[self.policy_by_agent[solo.agent_id]])
        return LanePlay(self._envs, copies, self._groups.values())

    def _warn_of_long_episode(self, copies: Sequence[EnvCopy]) -> None:
        """Say, once, that an episode whose end is waited for may have none."""
        if not self._has_warned:
            self._has_warned = True
            _log.warning(
                "An episode of %s has gone on for %s steps without an end, and the collection waits for its "
                "end. Give the env num_steps, let it terminate or truncate, or collect steps: "
                "ph.CollectPlan(steps=...). Ctrl-C twice breaks it off.",
                self._envs.env_name, f"{max(copy.length for copy in copies):,}",
            )  # fmt: skip

    def _begin_episodes(self, copies: Sequence[EnvCopy]) -> None:
        started = perf_counter()
        try:
            found = self._envs.reset([copy.number for copy in copies], [copy.next_seed for copy in copies])
        except CopyError as error:
            raise self._copies[error.number].failed(error, "reset") from error.__cause__
        self.env_seconds += perf_counter() - started
        for copy, observations in zip(copies, found, strict=True):
            if observations is None:  # the next step only resets it, and is none of the env's
                self.env_steps -= 1
            else:
                copy.begin(observations)

    def _take_batches(self) -> dict[PolicyID, Batch]:
        """Hand over what is finished; only decisions without a known outcome stay in the logs."""
        stretches: dict[PolicyID, list[Stretch]] = {
            policy_id: [] for policy_id, group in self._groups.items() if group.is_learning
        }
        open_lanes: dict[PolicyID, list[Lane]] = {policy_id: [] for policy_id in stretches}
        for copy in self._copies:
            copy.cut()
            for lane, stretch in copy.take_finished():
                stretches[lane.group.policy_id].append(stretch)
            for lane in copy.open_lanes():
                open_lanes[lane.group.policy_id].append(lane)
        batches = {}
        for policy_id, found in stretches.items():
            log = self._groups[policy_id].log
            batches[policy_id] = log.take(found)
            log.keep([lane.last_row for lane in open_lanes[policy_id]])
            for row, lane in enumerate(open_lanes[policy_id]):
                lane.rows, lane.last_row = [row], row
        return batches

    def _make_lane(self, copy: EnvCopy, agent_id: AgentID) -> Lane:
        """Prepare for an agent that a copy meets for the first time."""
        if agent_id not in self.policy_by_agent:
            self.policy_by_agent[agent_id] = self._policy_of_joiner(copy, agent_id)
        policy_id = self.policy_by_agent[agent_id]
        group = self._groups[policy_id]
        facts = self._envs.facts(copy.number)
        group.check_spaces(agent_id, (facts.observation_spaces[agent_id], facts.action_spaces[agent_id]))
        return Lane(copy, agent_id, group, self._stream(policy_id, copy.number))

    def _policy_of_joiner(self, copy: EnvCopy, agent_id: AgentID) -> PolicyID:
        if not self._specs:
            raise PolicyMappingError(
                f"Agent {agent_id!r} of {self._envs.env_name} has no policy: policy_by_agent names only "
                f"{listing(self.policy_by_agent)}. Add the agent, with one of the policies "
                f"{listing(self._groups)}."
            )
        found = self._envs.policies_for(copy.number, agent_id, self._specs)
        if len(found) == 1:
            return found[0]
        joined = f"Agent {agent_id!r} joined {self._envs.env_name} at step {copy.length}, "
        if found:
            raise PolicyMappingError(
                f"{joined}and is meant for two policies: {listing(found)}. Leave it in one."
            )
        raise PolicyMappingError(
            f"{joined}and none of the policies is meant for it ({listing(self._groups)}). Select it by its "
            "class or by a predicate: a list of ids holds only for agents that are there after the first "
            "reset."
        )

    def _stream(self, policy_id: PolicyID, number: int) -> UniformStream:
        """Return what a policy's draws in a copy come from."""
        if (policy_id, number) not in self._streams:
            rng = make_rng(self._seed, "actions", policy_id, number)
            self._streams[policy_id, number] = UniformStream(rng)
        return self._streams[policy_id, number]


class LanePlay:
    """Plays copies of an env in which any agents act, observe, earn, join and leave in any step."""

    def __init__(self, envs: VectorEnv, copies: Sequence[EnvCopy], groups: Collection[PolicyRows]) -> None:
        self._envs = envs
        self._copies = copies
        self._numbers = [copy.number for copy in copies]
        self._groups = groups
        self._actions: list[Mapping[AgentID, Action]] = []
        self._results: Sequence[StepResult] = []

    def prepare(self, begun: Sequence[EnvCopy]) -> None:
        """Let the agents that are to act put their questions."""
        self._actions = [copy.put_questions() for copy in self._copies]

    def decide(self) -> None:
        """Ask each policy once for the actions of all its agents."""
        for group in self._groups:
            if group.lanes:
                group.decide()

    def step(self) -> None:
        """Play these actions."""
        self._results = self._envs.step(self._numbers, self._actions)

    def take(self) -> list[tuple[EnvCopy, EpisodeSummary]]:
        """Take in what the step returned; return the copies whose episodes ended."""
        found = []
        for copy, result in zip(self._copies, self._results):  # noqa: B905  strict costs as much as the loop
            summary = copy.take(result)
            if summary is not None:
                found.append((copy, summary))
        return found

    def finish(self) -> None:
        """Nothing is left to do: the copies know everything."""
