"""`Collector`: plays policies in copies of an env and hands each policy its agents' trajectories."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Collection as Group
from functools import lru_cache
from time import perf_counter
from typing import Any, Final

import numpy as np

from phantom_core.component_config import is_whole
from phantom_core.envs.step_result import MultiAgentEnv
from phantom_core.errors import (
    CheckpointError,
    ConfigError,
    EnvError,
    ObservationError,
    PolicyMappingError,
    did_you_mean,
    listing,
)
from phantom_core.metrics import Metric, Mode
from phantom_core.policies.batching import rows_of
from phantom_core.policies.policy import BasePolicy, PolicyByCopy
from phantom_core.policies.policy_mapping import PolicySpec
from phantom_core.rollouts.action_history import ActionHistory
from phantom_core.rollouts.actor import Actor, Decisions
from phantom_core.rollouts.batch import Batch, EpisodeSummary, Transitions
from phantom_core.rollouts.collect_plan import Collection, CollectPlan
from phantom_core.rollouts.copy_state import encode_batch
from phantom_core.rollouts.env_copy import MAX_HISTORY, EnvCopy
from phantom_core.rollouts.global_states import GlobalStates
from phantom_core.rollouts.rollout_buffer import End
from phantom_core.rollouts.row_table import AgentRow, Block, CurrentRows, RowTable, StepRows
from phantom_core.rollouts.snapshot import snapshot
from phantom_core.rollouts.space_batcher import OutsideSpaceError, filler, is_integer_array
from phantom_core.rollouts.step_transitions import Owners, transitions_of_step
from phantom_core.rollouts.vector_env import CopyError, LocalVectorEnv, VectorEnv
from phantom_core.seeding import UniformStream, make_rng
from phantom_core.types import Action, AgentID, Observation, PolicyID

_log = logging.getLogger("phantom_core")

LONG_EPISODE: Final = 100_000
"""After so many steps of waiting for the end of an episode, the collector says so."""


class Collector:
    """Plays policies in copies of an env.

    All agents that are to act, in all copies, are asked in one call per policy and step. Copy i
    resets to the same seeds and draws from its own streams whatever the number of copies, so its
    episodes do not depend on that number.

    Attributes:
        learning: ids of the policies that explore, and whose trajectories are kept.
        policy_by_agent: policy id of each agent that was met or is known.
        env_steps: env steps made so far, over all copies; also of those that a plan is `without`.
        env_seconds: the time spent in the env's steps so far.
        policy_seconds: the time spent in choosing actions so far.
        learn_seconds: the time spent in learning after each env step so far.
    """

    def __init__(
        self,
        envs: VectorEnv | Sequence[MultiAgentEnv],
        policies: Mapping[PolicyID, BasePolicy],
        policy_by_agent: Mapping[AgentID, PolicyID],
        *,
        seed: int,
        specs: Mapping[PolicyID, PolicySpec] | None = None,
        learning: Group[PolicyID] = (),
        metrics: Mapping[str, Metric] | None = None,
        mode: Mode = "train",
        on_episode: Callable[[EpisodeSummary], None] | None = None,
        max_steps: int | None = None,
        needs: Group[str] = (),
        learn_steps: Mapping[PolicyID, Callable[[Transitions], None]] | None = None,
        seeds: Sequence[int] | None = None,
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
            max_steps: each episode is truncated after so many steps; None for no limit. For a list of envs.
            needs: what transitions hold in addition, as in `CollectPlan`.
            learn_steps: what is called after each env step, instead of keeping transitions, for some
                policies: with those whose outcome is known since that step.
            seeds: one for each copy, which then plays what the only copy of a collector with that seed does;
                None: all copies follow from `seed`.

        Raises:
            ConfigError: if `max_steps` is no positive integer, the envs are not a list of envs, they have no
                global state and it is needed, or a `PolicyByCopy` is for another number of copies.
            PolicyMappingError: if an agent has a policy that there is not.
        """
        self.env_steps = 0
        self.env_seconds = 0.0
        self.policy_seconds = 0.0
        self.learn_seconds = 0.0
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
        if max_steps is not None and not is_whole(max_steps):
            raise ConfigError(f"max_steps is {max_steps!r}. Expected a positive integer, or None.")
        if max_steps is not None and not isinstance(self._envs, LocalVectorEnv):
            raise ConfigError(
                f"max_steps is {max_steps}, but a {type(self._envs).__name__} resets by itself. Give a list "
                "of envs, or a time limit to each env."
            )
        self._max_steps = max_steps
        self._seed = int(seed)  # a NumPy integer has another name
        self._seeds = None if seeds is None else [int(one) for one in seeds]
        self._on_episode = on_episode
        self._has_warned = False
        self._actors = {
            policy_id: Actor(
                policy_id,
                policy,
                keeps_arrays=self._envs.takes_arrays,
                clips_observations=self._envs.clips_observations,
            )
            for policy_id, policy in policies.items()
        }
        for policy_id, policy in policies.items():
            if isinstance(policy, PolicyByCopy):
                policy.check_copies(policy_id, self._envs.num_copies)
        self._streams: dict[PolicyID, dict[int, UniformStream]] = {i: {} for i in policies}
        self._history = ActionHistory(MAX_HISTORY, keeps_actions=not self._envs.saves_episodes)
        self._copies = [
            EnvCopy(self._envs, index, self._seed_of(index), self._make_rows, self._history)
            for index in range(self._envs.num_copies)
        ]
        self._numbers: dict[tuple[int, str], int] = {}  # of rows that a saved collector knew
        self._table_of = lru_cache(maxsize=256)(RowTable)
        self._playing: list[EnvCopy] = []
        self._has_ends = True  # whether the episode of a copy that is played may be over
        self._checks_all = True  # whether all actions may be checked: in the first episode of each copy
        self._rows = CurrentRows()
        self._learn_steps = dict(learn_steps or {})
        self._states = GlobalStates(self._envs) if "state" in needs else None
        if self._states is not None:
            for actor in self._actors.values():
                actor.buffer.states, actor.buffer.state_batcher = self._states.now, self._states.batcher
        self.set_learning(learning)

    def set_learning(self, policy_ids: Group[PolicyID]) -> None:
        """Change which policies learn from now on, between two calls of `collect`.

        The others behave as finished policies do. What was begun with a policy that stops or starts to
        learn, and is not finished, is forgotten.
        """
        unknown = [policy_id for policy_id in policy_ids if policy_id not in self._actors]
        if isinstance(policy_ids, str) or unknown:
            hint = did_you_mean(unknown[0], self._actors) if unknown else ""
            raise ConfigError(
                f"learning is {policy_ids!r}. Expected a list of ids of policies.{hint} There are: "
                f"{listing(self._actors)}."
            )
        self.learning: tuple[PolicyID, ...] = tuple(policy_ids)
        for policy_id, actor in self._actors.items():
            if actor.is_learning != (policy_id in self.learning):
                self._rows.leave()
                actor.is_learning = not actor.is_learning
                actor.is_online, actor.defers = actor.is_learning and policy_id in self._learn_steps, False
                actor.clear()
                for copy in self._copies:
                    copy.forget(actor)
        self._online = {
            self._actors[i]: self._learn_steps[i] for i in self._learn_steps if i in self.learning
        }

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
        collection = self.begin(plan, self.learning)
        self.play([collection])
        return self.take(collection)

    def begin(
        self,
        plan: CollectPlan,
        policy_ids: Sequence[PolicyID],
        *,
        with_current_episodes: bool = True,
        after: Collection | None = None,
    ) -> Collection:
        """Begin to collect for some policies, as `play` does.

        Args:
            plan: how much.
            policy_ids: whose experience.
            with_current_episodes: whether an episode that goes on counts as one, with what is played of it
                from now on.
            after: the collection for these policies that was taken by episode; its later episodes count.
        """
        episodes = []
        for copy in () if plan.episodes is None else self._copies:
            first = copy.episode + (copy.is_over or not with_current_episodes)
            if after is not None and after.episodes is not None:
                first = after.episodes[copy.env_index].stop
            episodes.append(range(first, copy.episode + copy.is_over))
        return Collection(plan, policy_ids, episodes)

    def play(self, plans: Sequence[Collection]) -> None:
        """Play until one of these plans, or several, are fulfilled.

        Where the first counts episodes, a copy stands still when it has played its share of them, and so do
        those that it is `without`. If it is broken off, by an exception or by Ctrl-C, what was begun is
        forgotten, and the next call begins with new episodes.
        """
        first = plans[0]
        try:
            while True:
                left, until_end = None, False
                for plan in plans:
                    if plan.is_fulfilled:
                        return
                    if plan.episodes is not None:
                        until_end = True
                    elif left is None or plan.steps_left < left:
                        left = plan.steps_left
                copies = self._copies
                if first.episodes is not None or first.plan.without:
                    copies = [copy for copy in copies if first.wants_more_of(copy.env_index)]
                counted = len(self._copies if first.episodes is None else copies)
                most = None if left is None else -(-left // counted)
                steps, ended = self._play(copies, most, until_end=until_end)
                self.env_steps += steps * counted
                episodes = [(copy.env_index, copy.episode) for copy in ended]
                for plan in plans:
                    plan.count(steps * counted, episodes)
        except BaseException:  # nobody knows which copies had made their step: begin anew
            self._begin_anew()
            raise

    def take(self, plan: Collection, *, by_episode: bool = False) -> dict[PolicyID, Batch]:
        """Hand over what the policies of a plan went through.

        That is everything whose outcome is known or, `by_episode`, the episodes that the plan counts: what
        belongs to later ones and to those that go on stays, to earlier ones is dropped.
        """
        episodes = plan.episodes if by_episode else None
        if episodes is not None:
            over = {copy.env_index: copy.episode + copy.is_over for copy in self._copies}
            episodes = {i: range(own.start, min(own.stop, over[i])) for i, own in episodes.items()}
        try:
            return {policy_id: self._take(self._actors[policy_id], episodes) for policy_id in plan.policy_ids}
        except BaseException:
            self._begin_anew()
            raise

    def state_dict(self, *, with_episodes: bool = True) -> dict[str, Any]:
        """Return where the collector stands between two calls of `collect`.

        It covers what is carried over to the next call, every stream of random draws, and each copy's
        episode: where its env says that it stands, or the actions that were played in it. Without episodes
        the next ones begin, and what agents went through in those that go on is not carried over.

        Raises:
            CheckpointError: if an episode is too long, or its env cannot be saved in the middle of one.
        """
        self._rows.leave()
        self._playing = list(self._copies)
        for copy in self._copies:  # those that stand still too, so that steps are counted from now
            copy.play(is_playing=True)
        streams = {
            policy_id: {str(n): stream.state_dict() for n, stream in own.items()}
            for policy_id, own in self._streams.items()
        }
        own_rows = [row for copy in self._copies for row in copy.known_rows]
        return {
            "seed": self._seed,
            "env_steps": self.env_steps,
            "has_episodes": with_episodes,
            "copies": [
                copy.state_dict(self._history.of(copy.env_index, copy.began), with_episode=with_episodes)
                for copy in self._copies
            ],
            "streams": streams,
            "rows": [
                [
                    row.env_index,
                    repr(row.agent_id),
                    row.actor.policy_id,
                    row.number,
                    row.last if with_episodes else -1,
                    row.agent_id if isinstance(row.agent_id, (str, int)) else None,
                ]
                for row in own_rows
            ],
            "buffers": {
                i: actor.buffer.state_dict(self._history.num_steps)
                for i, actor in self._actors.items()
                if actor.is_learning and with_episodes
            },
            "policy_states": {
                i: encode_batch(actor.memory.state_dict())
                for i, actor in self._actors.items()
                if actor.memory is not None and with_episodes
            },
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Stand where a collector of the same policies, seed and number of copies stood.

        Each copy plays its episode again, from its seed and with the same actions, unless its env saves its
        episodes.

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
        spaces = {policy_id: actor.policy.action_space for policy_id, actor in self._actors.items()}
        for env_index, name, policy_id, number, _, *plain_ids in state["rows"]:
            self._numbers[env_index, name] = number
            if name in map(repr, plain_ids):  # whoever joined is known, also if it has left since
                self.policy_by_agent.setdefault(plain_ids[0], policy_id)
            self._actors[policy_id].num_rows = max(self._actors[policy_id].num_rows, number + 1)
        self._rows.leave()
        self._table_of.cache_clear()  # rows are numbered anew
        agent_ids = {repr(agent_id): agent_id for agent_id in self.policy_by_agent}
        for copy, position in zip(self._copies, state["copies"], strict=True):
            self._history.restored[copy.env_index] = copy.load_state_dict(position, spaces, agent_ids)
        rows = {(row.env_index, repr(row.agent_id)): row for copy in self._copies for row in copy.known_rows}
        for env_index, name, _, number, last, *_ in state["rows"]:
            if (env_index, name) in rows:
                row = rows[env_index, name]
                row.number, row.last = number, last
        for policy_id, saved in state["policy_states"].items():
            memory = self._actors[policy_id].memory
            assert memory is not None
            memory.load_state_dict(saved)
        for policy_id, saved in state["buffers"].items():
            actor = self._actors[policy_id]
            actor.buffer.load_state_dict(saved, self._history.num_steps, agent_ids, actor.initial_state)
        self._look_at_states([copy.env_index for copy in self._copies if not copy.is_over])

    def reseed(self, seed: int) -> None:
        """Begin anew, as a new collector of the same envs and policies with this seed would.

        The next episodes are the first that follow from the seed, and what was begun is forgotten. Who was
        met keeps the policy, and the policies stay as they are. It costs less than a new collector.
        """
        self._begin_anew()
        self._checks_all = True
        for actor in self._actors.values():
            actor.checks_all = True
        self._seed, self._seeds = int(seed), None
        for policy_id, streams in self._streams.items():
            for number, stream in streams.items():
                stream.restart(make_rng(self._seed, "actions", policy_id, number))
        for copy in self._copies:
            copy.reseed(self._seed_of(copy.env_index))

    def close(self) -> None:
        """Close every copy of the env."""
        self._envs.close()

    def _play(
        self, copies: Sequence[EnvCopy], most: int | None, *, until_end: bool
    ) -> tuple[int, list[EnvCopy]]:
        """Make steps in each of these copies, at most so many, or until an episode ends.

        Return their number, and the copies whose episodes ended.
        """
        history, envs, rows = self._history, self._envs, self._rows
        if self._playing != copies:
            rows.leave()
            self._has_ends = self._checks_all = True
            self._playing, playing = list(copies), set(copies)
            for copy in self._copies:
                copy.play(is_playing=copy in playing)
        ended: list[EnvCopy] = []
        online = list(self._online.items())
        steps, policy_seconds, env_seconds, learn_seconds = 0, 0.0, 0.0, 0.0
        has_ends = self._has_ends
        while steps != most and not (ended and until_end):
            steps += 1
            resetting = self._begin_episodes(copies) if has_ends else ()
            table = rows.table or self._enter(copies)
            started = perf_counter()
            actions, kept = self._decide(table, rows)
            decided = perf_counter()
            try:
                found = envs.step_rows(table, actions)
            except CopyError as error:
                copy = self._copies[error.number]
                raise copy.failed(error, f"step {copy.length + 1}") from error.__cause__
            stepped = perf_counter()
            policy_seconds += decided - started
            env_seconds += stepped - decided
            history.add(table, kept)
            if self._states is not None:  # nothing that costs time in a step without
                self._look_at_states(table.env_indices)
            summaries = self._take_in(table, rows, found, resetting)
            if self._max_steps is not None:
                summaries += self._truncate(table, rows, self._max_steps)
                summaries.sort(key=lambda summary: summary.env_index)
            has_ends = bool(summaries)
            if online:
                started = perf_counter()
                for actor, learn_step in online:
                    if actor.newest is None:
                        self._learn(actor, learn_step)
                    else:
                        learn_step(self._outcomes(actor, actor.newest))
                learn_seconds += perf_counter() - started
            for summary in summaries:
                ended.append(self._copies[summary.env_index])
                if self._on_episode is not None:
                    self._on_episode(summary)
            if steps == LONG_EPISODE and most is None and not self._has_warned:
                self._has_warned = True
                _log.warning(
                    "An episode of %s has gone on for %s steps without an end, and the collection waits for "
                    "it. Give the env a time limit, such as num_steps, or count steps instead: max_steps in "
                    "an evaluation, steps_per_iteration with q-learning, ph.CollectPlan(steps=...) in a "
                    "trainer of your own. Press Ctrl-C twice to stop.",
                    envs.env_name, f"{max(copy.length for copy in copies):,}",
                )  # fmt: skip
            if history.is_long:  # the steps of the episodes that go on are kept
                began = [copy.began for copy in copies if not copy.is_over]
                history.forget(min(began, default=history.num_steps))
        self._has_ends = has_ends
        self.policy_seconds += policy_seconds
        self.env_seconds += env_seconds
        self.learn_seconds += learn_seconds
        return steps, ended

    def _enter(self, copies: Sequence[EnvCopy]) -> RowTable:
        """Begin with the table of the next step."""
        rows, table = self._rows, self._table_of(tuple([copy.now for copy in copies]))
        rows.enter(table)
        rows.is_complete = (
            rows.is_flat
            and len(table.rows) == sum(len(copy.rows) for copy in copies)
            and all(copy.is_settled for copy in set(self._copies).difference(copies))
        )
        return table

    def _decide(self, table: RowTable, rows: CurrentRows) -> tuple[Sequence[Action], Sequence[Action]]:
        """Ask each policy once for the actions of all its rows; return them, and as they are to be kept."""
        chosen: list[Sequence[Action]] = []
        kept: list[Sequence[Action]] | None = None  # None: as they were chosen
        observations, keeps = rows.observations, self._history.keeps_actions
        step, may_go_on = self._history.num_steps, rows.is_complete and self._states is None
        for block in table.blocks:
            actor = block.actor
            batch = block.batch if block.source is observations else self._observed(block)
            if actor.is_online:
                actor.defers = may_go_on and actor.buffer.is_empty
            actions = actor.decide(
                step, block.numbers, block.draws, batch, block.agent_ids, block.env_indices
            )
            if actor.is_learning and not actor.defers:
                if not rows.is_flat:
                    block.begin_transitions()
                if self._states is not None:
                    actor.buffer.add_states([row.env_index for row in block.rows])
            if keeps and type(actions) is not list:
                kept = [*chosen, snapshot(actions)] if kept is None else [*kept, snapshot(actions)]
            elif kept is not None:
                kept.append(actions)
            chosen.append(actions)
        if len(chosen) == 1 and table.blocks[0].is_whole:
            return chosen[0], chosen[0] if kept is None else kept[0]
        actions = table.together(chosen)
        return actions, actions if kept is None else table.together(kept)

    def _observed(self, block: Block) -> Any:
        """Return a batch of what the rows of a block observe."""
        observations = self._rows.observations
        if block.source is observations:
            return block.batch
        try:
            return block.observe(observations)
        except OutsideSpaceError as error:
            seen = rows_of(block.pick(observations))[error.index]
            raise self._outside(block.rows[error.index], seen) from None

    def _outside(self, row: AgentRow, observation: Observation) -> ObservationError:
        copy = self._copies[row.env_index]
        return copy.outside(row, observation)

    def _take_in(
        self, table: RowTable, rows: CurrentRows, found: StepRows, resetting: Sequence[EnvCopy]
    ) -> list[EpisodeSummary]:
        """Take in what a step returned; return summaries of the episodes that ended."""
        late: Group[int] = ()
        if resetting:
            late = {table.places[copy.env_index] for copy in resetting}
        if rows.is_flat:
            rewards = found.rewards
            if len(rewards) != len(table.rows) or len(found.observations) != len(table.rows):
                raise self._miscounted(table, found)
            if found.others:
                rewards = rewards.copy()  # what others are paid is added
            if not _are_finite_floats(rewards):
                rewards = [
                    self._copies[row.env_index].as_reward(row.agent_id, reward)
                    for row, reward in zip(table.rows, rows_of(rewards), strict=True)
                ]
            rows.advance(found.observations, rewards)
            if not late and not found.others:
                return []
        else:
            others = {*late, *(place for place, _ in found.others)} if late or found.others else ()
            if len(others) < len(table.copies):
                self._take_expected(table, found, others)
        if late:
            self._keep_newest()
            self._begin_late(table, rows, found, late)
        summaries = []
        for place, result in found.others:
            if place in late:
                continue
            rows.settle_copy(place)
            copy = self._copies[table.env_indices[place]]
            summary = copy.take(result, table.copies[place])
            if summary is None:
                rows.go_on(place, copy.now)
                self._keep_newest()
            else:
                summaries.append(summary)
                rows.apart.add(place)
        if not rows.is_flat:
            rows.table, rows.is_complete = None, False
        return summaries

    def _truncate(self, table: RowTable, rows: CurrentRows, max_steps: int) -> list[EpisodeSummary]:
        """End the episodes that are as long as they may be; return their summaries."""
        summaries = []
        for place, index in enumerate(table.env_indices):
            copy = self._copies[index]
            if copy.length >= max_steps and not copy.is_over:
                rows.settle_copy(place)
                summaries.append(copy.truncate())
                rows.apart.add(place)
        return summaries

    def _take_expected(self, table: RowTable, found: StepRows, others: Group[int]) -> None:
        """Take in what copies returned that did what was expected, in a table that does not repeat itself."""
        observations, rewards = found.observations, found.rewards
        seen, paid = 0, 0
        for place, expected in enumerate(table.copies):
            end, last = seen + len(expected.observing), paid + len(expected.paid)
            if place not in others:
                if expected.observers is None or end > len(observations) or last > len(rewards):
                    raise self._miscounted(table, found)
                copy = self._copies[expected.env_index]
                copy.take_expected(expected, observations[seen:end], rewards[paid:last])
            seen, paid = end, last
        if seen != len(observations) or paid != len(rewards):
            raise self._miscounted(table, found)

    def _miscounted(self, table: RowTable, found: StepRows) -> EnvError:
        observations = sum(len(copy.observing) for copy in table.copies)
        rewards = sum(len(copy.paid) for copy in table.copies)
        return EnvError(
            f"step_rows() of {self._envs.env_name} returned {len(found.observations)} observations and "
            f"{len(found.rewards)} rewards, but {observations} and {rewards} are expected in this step. "
            "Return one for each row while table.repeats, and what super().step_rows() returns in other "
            "steps."
        )

    def _begin_late(self, table: RowTable, rows: CurrentRows, found: StepRows, late: Group[int]) -> None:
        """Begin episodes whose first observation came with a step, in which nothing was decided."""
        others = dict(found.others)
        for place in late:
            expected, first, _ = table.bounds[place]
            (row,) = expected.rows
            copy = self._copies[expected.env_index]
            if place in others:
                seen = others[place].observations[row.agent_id]
            elif rows.is_flat:
                seen = found.observations[first]
            else:
                seen = found.observations[sum(len(own.observing) for own in table.copies[:place])]
            rows.skip(table, place)
            copy.begin({row.agent_id: seen})
            if rows.is_flat:
                rows.go_on(place, copy.now, has_begun=True)
            self.env_steps -= 1

    def _begin_episodes(self, copies: Sequence[EnvCopy]) -> list[EnvCopy]:
        """Reset the copies whose episodes ended; return those that begin with the next step only."""
        over = [copy for copy in copies if copy.is_over]
        if not over:
            return []
        started = perf_counter()
        try:
            seeds = [copy.seed_of(copy.episode + 1) for copy in over]
            found = self._envs.reset([copy.env_index for copy in over], seeds)
        except CopyError as error:
            raise self._copies[error.number].failed(error, "reset") from error.__cause__
        self.env_seconds += perf_counter() - started
        table = self._rows.table
        places = {} if table is None else table.places
        late = []
        for copy, observations in zip(over, found, strict=True):
            if observations is None:
                late.append(copy)
                if table is not None:  # the policy is asked once more, with the final observation
                    _, first, end = table.bounds[places[copy.env_index]]
                    self._rows.write(first, end, [row.observation for row in copy.now.rows])
                continue
            copy.begin(observations)
            self._history.restored.pop(copy.env_index, None)
            if places:
                self._rows.go_on(places[copy.env_index], copy.now, has_begun=True)
        if self._states is not None:
            self._look_at_states([copy.env_index for copy in over])
        if self._checks_all:
            self._checks_all = any(copy.episode <= 0 for copy in copies)
            for actor in self._actors.values():
                actor.checks_all = self._checks_all
        return late

    def _take(self, actor: Actor, episodes: Mapping[int, range] | None = None) -> Batch:
        """Hand over what is finished; only decisions without a known outcome stay in the buffer."""
        if actor.buffer.is_empty and actor.newest is None:  # all of it was learned from
            return actor.buffer.take({})[0]
        if episodes is None:
            waiting = self._cut_all(actor)
            if not waiting:
                return actor.buffer.take({})[0]
        else:
            self._rows.leave()
            waiting = self._deciding_rows(actor)
        waiting.sort(key=lambda row: row.last)
        going_on = {self._copies[row.env_index].end_of(row): row.number for row in waiting}
        batch, indices = actor.buffer.take(going_on, episodes)
        for row, index in zip(waiting, indices, strict=True):
            row.last = index
        return batch

    def _deciding_rows(self, actor: Actor) -> list[AgentRow]:
        """Return the rows of a policy whose trajectories go on."""
        rows = [row for copy in self._copies for row in copy.rows.values() if row.last >= 0]
        return [row for row in rows if row.actor is actor]

    def _cut_all(self, actor: Actor) -> list[AgentRow]:
        """End the trajectories of a policy that go on; return the rows whose last outcome is unknown."""
        block = self._rows.just_decided(actor)
        if block is not None:  # every row acts next, on what it observed
            first = len(actor.buffer.rewards) - len(block.rows)
            ends = [End(last, *owner) for last, owner in enumerate(self._owners(block).rows, first)]
            actor.buffer.end(ends, self._observed(block))
            for row in block.rows:
                row.last = -1
            return []
        self._rows.settle()
        rows = self._deciding_rows(actor)
        next_ones = [row for row in rows if row in self._copies[row.env_index].now.acting]
        if next_ones:
            ends = [self._copies[row.env_index].end_of(row) for row in next_ones]
            actor.buffer.end(ends, self._checked(next_ones, [row.observation for row in next_ones]))
        for row in next_ones:
            row.last = -1
        return [row for row in rows if row.last >= 0]

    def _owners(self, block: Block) -> Owners:
        """Return whose decisions are those of the rows of a block."""
        if block.owners is None:
            block.owners = Owners([self._copies[row.env_index].owner_of(row) for row in block.rows])
        return block.owners

    def _checked(self, rows: Sequence[AgentRow], seen: Sequence[Observation]) -> Any:
        """Return a batch of what rows of one policy observed."""
        try:
            return rows[0].actor.buffer.batcher.checked(seen)
        except OutsideSpaceError as error:
            raise self._outside(rows[error.index], seen[error.index]) from None

    def _learn(self, actor: Actor, learn_step: Callable[[Transitions], None]) -> None:
        """Hand over the transitions of an online learner whose outcome is known since this step."""
        waiting = self._cut_all(actor)
        buffer = actor.buffer
        if not buffer.has_ends and not buffer.skipped:
            return  # nobody's outcome is known
        rows = self._take(actor).transitions if waiting or buffer.skipped else buffer.take_step()
        if len(rows):
            learn_step(rows)

    def _keep_newest(self) -> None:
        """Add the newest decisions of online learners to their buffers: not every agent goes on."""
        for actor in self._online:
            actor.keep_newest()

    def _outcomes(self, actor: Actor, newest: Decisions) -> Transitions:
        """Return what every row of a learner did in a step after which it goes on, or its episode is over."""
        step, _, observations, actions, extras, _ = newest
        block = self._rows.learners[actor]
        ended: Mapping[int, tuple[bool, bool]] = {}
        if actor.ended:
            following, ended = self._what_followed(actor, block)
        else:
            following = self._observed(block)
        block.has_decided = False
        actor.forget_newest()
        owners, earned = block.owners or self._owners(block), actor.earned
        return transitions_of_step(
            step, owners, observations, actions, earned, following, extras, ended, actor.buffer
        )

    def _what_followed(self, actor: Actor, block: Block) -> tuple[Any, dict[int, tuple[bool, bool]]]:
        """Return what followed the newest decisions, as a batch, and which of them were the last ones."""
        seen = block.pick(self._rows.observations)
        seen = rows_of(seen) if is_integer_array(seen) else list(seen)
        ended = {}
        for index, (_, final, terminated) in actor.ended.items():
            row, has_next = block.rows[index], final is not None
            seen[index] = row.observation if has_next else filler(actor.buffer.batcher.space)
            ended[index] = has_next, terminated
        return self._checked(block.rows, seen), ended

    def _look_at_states(self, env_indices: Sequence[int]) -> None:
        """Ask copies for their global states, if they are needed."""
        if self._states is None:
            return
        try:
            self._states.look(env_indices)
        except CopyError as error:
            copy = self._copies[error.number]
            raise copy.failed(error, f"state() at step {copy.length}") from error.__cause__

    def _begin_anew(self) -> None:
        """Forget what was begun; begin with new episodes."""
        self._envs.abandon()
        self._rows, self._has_ends = CurrentRows(), True
        for copy in self._copies:
            copy.is_over = True
            copy.forget()
        for actor in self._actors.values():
            actor.clear()

    def _make_rows(self, copy: EnvCopy, agent_ids: Sequence[AgentID]) -> list[AgentRow]:
        """Prepare for agents that a copy meets for the first time."""
        facts = self._envs.facts(copy.env_index)
        observation_spaces, action_spaces = facts.observation_spaces, facts.action_spaces
        rows = []
        for agent_id in agent_ids:
            if agent_id not in self.policy_by_agent:
                self.policy_by_agent[agent_id] = self._policy_of_joiner(copy, agent_id)
            actor = self._actors[self.policy_by_agent[agent_id]]
            has_left = copy.is_over and agent_id not in observation_spaces  # an episode is being restored
            if not has_left:
                actor.check_spaces(agent_id, observation_spaces[agent_id], action_spaces[agent_id])
            stream = self._stream(actor.policy_id, copy.env_index)
            number = self._numbers.get((copy.env_index, repr(agent_id)), actor.num_rows)
            rows.append(AgentRow(copy.env_index, agent_id, actor, stream, number))
            actor.num_rows = max(actor.num_rows, number + 1)
        return rows

    def _policy_of_joiner(self, copy: EnvCopy, agent_id: AgentID) -> PolicyID:
        if not self._specs:
            raise PolicyMappingError(
                f"Agent {agent_id!r} of {self._envs.env_name} has no policy: policy_by_agent names only "
                f"{listing(self.policy_by_agent)}. Add the agent, with one of the policies "
                f"{listing(self._actors)}."
            )
        found = self._envs.policies_for(copy.env_index, agent_id, self._specs)
        if len(found) == 1:
            return found[0]
        joined = f"Agent {agent_id!r} joined {self._envs.env_name} at step {copy.length}, "
        if found:
            raise PolicyMappingError(
                f"{joined}and is meant for two policies: {listing(found)}. Leave it in one."
            )
        raise PolicyMappingError(
            f"{joined}and none of the policies is meant for it ({listing(self._actors)}). Select it by its "
            "class or by a predicate: a list of ids holds only for agents that are there after the first "
            "reset."
        )

    def _stream(self, policy_id: PolicyID, number: int) -> UniformStream:
        """Return what a policy's draws in a copy come from."""
        own = self._streams.setdefault(policy_id, {})
        if number not in own:
            seed, place = self._seed_of(number)
            own[number] = UniformStream(make_rng(seed, "actions", policy_id, place))
        return own[number]

    def _seed_of(self, number: int) -> tuple[int, int]:
        """Return what a copy's episodes and draws follow from: a seed, and which of its copies this is."""
        return (self._seed, number) if self._seeds is None else (self._seeds[number], 0)


def _are_finite_floats(rewards: Any) -> bool:
    """Tell whether all rewards, in a list or an array, are finite floats."""
    if type(rewards) is not list and isinstance(rewards, np.ndarray):
        return rewards.dtype == np.float64 and rewards.ndim == 1 and bool(np.isfinite(rewards).all())
    try:
        total = sum(rewards)
    except Exception:  # whatever an env returns instead of a number
        return False
    return type(total) is float and -math.inf < total < math.inf
