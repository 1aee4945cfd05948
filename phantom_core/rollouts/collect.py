"""`Collector`: plays policies in copies of an env and hands each policy its agents' trajectories."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from phantom_core.envs.step_result import MultiAgentEnv
from phantom_core.errors import ConfigError
from phantom_core.metrics import Metric, Mode
from phantom_core.policies.policy import Policy
from phantom_core.rollouts.env_copy import EnvCopy
from phantom_core.rollouts.trajectory import Batch, EpisodeSummary, Trajectory
from phantom_core.seeding import RowStreams, UniformStream, make_rng
from phantom_core.types import AgentID, Observation, PolicyID


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
        env_steps: env steps made so far, over all copies.
    """

    def __init__(
        self,
        envs: Sequence[MultiAgentEnv],
        policies: Mapping[PolicyID, Policy],
        policy_by_agent: Mapping[AgentID, PolicyID],
        *,
        seed: int,
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
            learning: ids of the policies that explore, and whose trajectories are kept.
            metrics: what to measure in each episode.
            mode: how metrics are reduced.
            on_episode: called with each episode that ends.
        """
        self.env_steps = 0
        seed = int(seed)  # a NumPy integer has another name
        self._policies = policies
        self._learning = frozenset(learning)
        self._sampling = {i for i, policy in policies.items() if i in self._learning or policy.acts_randomly}
        self._on_episode = on_episode
        self._copies = [
            EnvCopy(
                env,
                number,
                seed=seed,
                policy_by_agent=policy_by_agent,
                learning=self._learning,
                metrics=metrics or {},
                mode=mode,
            )
            for number, env in enumerate(envs)
        ]
        self._streams = {
            policy_id: [UniformStream(make_rng(seed, "actions", policy_id, n)) for n in range(len(envs))]
            for policy_id in policies
        }

    def collect(self, plan: CollectPlan) -> dict[PolicyID, Batch]:
        """Play as much as the plan says.

        Returns:
            For each learning policy, the trajectories of its agents.

        Raises:
            EnvError: if an env raises, with the episode's seed and the step.
            ObservationError: if an observation is not in its space.
        """
        number = len(self._copies)
        if plan.steps is not None:
            for _ in range(-(-plan.steps // number)):
                self._step(self._copies)
        else:
            share, rest = divmod(plan.episodes or 0, number)
            left = {copy.number: share + (copy.number < rest) for copy in self._copies}
            while playing := [copy for copy in self._copies if left[copy.number]]:
                for copy in self._step(playing):
                    left[copy.number] -= 1
        kept: dict[PolicyID, list[Trajectory]] = {
            policy_id: [] for policy_id in self._policies if policy_id in self._learning
        }
        for copy in self._copies:
            for policy_id, trajectories in copy.take_trajectories().items():
                kept[policy_id] += trajectories
        return {policy_id: Batch(trajectories) for policy_id, trajectories in kept.items()}

    def close(self) -> None:
        """Close every copy of the env."""
        for copy in self._copies:
            copy.env.close()

    def _step(self, copies: Sequence[EnvCopy]) -> list[EnvCopy]:
        """Make one step in each of these copies; return those whose episode ended with it."""
        ended: list[EnvCopy] = []
        self._decide(copies)
        for copy in copies:
            summary = copy.step()
            if summary is not None:
                ended.append(copy)
                if self._on_episode is not None:
                    self._on_episode(summary)
        self.env_steps += len(copies)
        return ended

    def _decide(self, copies: Sequence[EnvCopy]) -> None:
        """Ask each policy once for the actions of all its agents that are to act."""
        rows: dict[PolicyID, list[tuple[EnvCopy, AgentID, Observation]]] = {}
        for copy in copies:
            copy.put_questions(rows)
        for policy_id, asked in rows.items():
            policy = self._policies[policy_id]
            observations = [observation for _, _, observation in asked]
            extras: Mapping[str, Sequence[Any]] = {}
            if policy_id in self._sampling:
                streams = self._streams[policy_id]
                draws = RowStreams([streams[copy.number] for copy, _, _ in asked])
                actions, extras = policy.sample_actions(observations, draws)
                in_env = policy.env_actions(actions)
            else:
                actions = in_env = policy.compute_actions(observations)
            decisions = zip(asked, actions, in_env, strict=True)
            for row, ((copy, agent_id, observation), action, played) in enumerate(decisions):
                copy.decide(agent_id, observation, action, played)
                if extras:
                    copy.keep(agent_id, {name: values[row] for name, values in extras.items()})
