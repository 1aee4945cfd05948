"""`EnvCopy`: one copy of an env, as the collector plays it: its episodes, and the rows of its agents."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import lru_cache, partial
from numbers import Real
from typing import Any, Final

import gymnasium as gym

from phantom_core.envs.step_result import StepResult
from phantom_core.errors import (
    CheckpointError,
    EnvError,
    ObservationError,
    PhantomError,
    error_place,
    error_text,
    without_stop,
)
from phantom_core.rollouts.action_history import ActionHistory
from phantom_core.rollouts.actor import Actor
from phantom_core.rollouts.batch import EpisodeSummary
from phantom_core.rollouts.copy_state import (
    decode_elements,
    decode_history,
    digest,
    encode_elements,
    encode_history,
)
from phantom_core.rollouts.rollout_buffer import End
from phantom_core.rollouts.row_table import AgentRow, CopyRows, Rewards
from phantom_core.rollouts.snapshot import snapshot
from phantom_core.rollouts.space_batcher import OutsideSpaceError, fitted
from phantom_core.rollouts.step_transitions import Owner
from phantom_core.rollouts.vector_env import CopyError, VectorEnv
from phantom_core.seeding import derive_seed
from phantom_core.types import Action, AgentID, Observation, PolicyID
from phantom_core.world.agents import ALL

MAX_HISTORY: Final = 100_000
"""The steps of an episode whose actions are kept, so that an episode without end does not fill the memory."""


class EnvCopy:
    """Follows one copy of an env through its episodes."""

    def __init__(
        self,
        envs: VectorEnv,
        env_index: int,
        seed: tuple[int, int],
        make_rows: Callable[[EnvCopy, Sequence[AgentID]], Sequence[AgentRow]],
        history: ActionHistory,
    ) -> None:
        self.env_index = env_index
        self.episode = -1  # before the first
        self.is_over = True  # the next one begins with the next step
        self.began = 0  # the number of the collector's step before which the episode began
        self.now = CopyRows(env_index, (), (), frozenset())  # of the next step
        self._envs = envs
        self._facts = envs.facts(env_index)
        self.reseed(seed)
        self._make_rows = make_rows
        self._history = history
        self._is_playing = False
        self._length = 0  # up to step `_counted` of the collector
        self._counted = 0
        self._known: dict[AgentID, AgentRow] = {}  # every agent that was met in any episode
        self.rows: dict[AgentID, AgentRow] = {}  # those of this episode
        self._live: frozenset[AgentID] = frozenset()  # those in the episode that were met, and `ALL`
        self._has_joiners = False
        self._rows_of = lru_cache(maxsize=64)(CopyRows)

    def reseed(self, seed: tuple[int, int]) -> None:
        """Begin with the first episode that follows from a seed and a number of a copy."""
        self.episode = -1
        self.seed_of = lru_cache(maxsize=2)(partial(derive_seed, seed[0], "episode", seed[1]))

    @property
    def length(self) -> int:
        """The number of steps in this episode."""
        return self._length + self._history.num_steps - self._counted if self._is_playing else self._length

    @property
    def known_rows(self) -> Collection[AgentRow]:
        """The rows of every agent that was met in any episode."""
        return self._known.values()

    @property
    def is_settled(self) -> bool:
        """Whether no decision in it waits for what comes of it."""
        return all(row.last < 0 for row in self.rows.values())

    def end_of(self, row: AgentRow) -> End:
        """Return where a row's trajectory ends: with its last decision."""
        return End(row.last, *self.owner_of(row))

    def owner_of(self, row: AgentRow) -> Owner:
        """Return whose decisions are those of a row in this episode."""
        return row.agent_id, self.env_index, self.episode, self._counted - self._length

    def play(self, *, is_playing: bool) -> None:
        """Take part in the collector's next steps, or stand still."""
        now = self._history.num_steps
        if is_playing == self._is_playing:
            return
        if is_playing and not self.is_over and now > self._counted:
            for actor in {row.actor for row in self.rows.values() if row.actor.is_learning}:
                own = [row.number for row in self.rows.values() if row.actor is actor]
                began = self._counted - self._length
                actor.buffer.postpone(own, self.env_index, began, now - self._counted)
        if not self.is_over:  # what was done in it is kept apart, however long it stands still
            if not is_playing:
                self._history.set_apart(self.env_index, self.began)
            self.began = now
        self._length, self._counted, self._is_playing = self.length, now, is_playing

    def begin(self, observations: Mapping[AgentID, Observation]) -> None:
        """Begin an episode with the observations that `reset` returned."""
        self.episode += 1
        self._length, self._counted = 0, self._history.num_steps
        self.began = self._counted
        self.is_over = False
        self.rows = {}
        self._take_part(self._facts.strategic_agent_ids)
        self._live = frozenset((*self.rows, ALL))
        self._has_joiners = False
        waiting: dict[AgentID, AgentRow] = {}
        for agent_id, observation in observations.items():
            row = self.rows.get(agent_id) or self._join(agent_id)
            row.observation = observation
            waiting[agent_id] = row
        self.now = self._arranged(waiting, observations)

    def take(self, result: StepResult, before: CopyRows) -> EpisodeSummary | None:
        """Take in what a step with these rows returned; return a summary if the episode ended."""
        if not isinstance(result, StepResult) or (
            {*map(type, result)} != {dict} and not all(isinstance(part, Mapping) for part in result)
        ):
            raise EnvError(
                f"step() of {self._envs.env_name} returned {result!r}. Expected a ph.StepResult of dicts by "
                "agent id: observations, rewards, terminations, truncations, infos."
            )
        rows = self.rows
        waiting = {row.agent_id: row for row in before.waiting}
        for agent_id, observation in result.observations.items():
            row = rows.get(agent_id) or self._join(agent_id)
            row.observation = observation
            waiting[agent_id] = row
        for agent_id, reward in result.rewards.items():
            self._pay(rows.get(agent_id) or self._join(agent_id), reward)
        terminations, truncations = result.terminations, result.truncations
        has_ends = True in terminations.values() or True in truncations.values()
        is_ordinary = not has_ends and not self._has_joiners and terminations.keys() == self._live
        if not is_ordinary:
            self._look_around(result, waiting)
        if self.is_over:
            return self._summary(terminated=bool(terminations[ALL]))
        self.now = self._arranged(waiting, result.observations)
        if is_ordinary:
            before.observers, before.payees = tuple(result.observations), tuple(result.rewards)
            before.observing = tuple(rows[agent_id] for agent_id in before.observers)
            before.paid = tuple(rows[agent_id] for agent_id in before.payees)
            before.acting_next, before.next = self._facts.acting_agent_ids, self.now
            before.repeats = self.now is before and before.observers == before.payees == before.agent_ids
        return None

    def as_reward(self, agent_id: AgentID, reward: object) -> float:
        """Return a reward as a float, if it is a finite number."""
        if isinstance(reward, Real) and math.isfinite(reward):
            return float(reward)
        raise EnvError(
            f"The reward of {agent_id!r} at step {self.length} is {reward!r}. Expected a finite number: "
            "change compute_reward(), or step() of a Gymnasium env."
        )

    def take_expected(self, rows: CopyRows, seen: Sequence[Observation], paid: Rewards) -> None:
        """Take in what is expected of a step with these rows."""
        self.now = rows.next
        for row, observation in zip(rows.observing, seen):  # noqa: B905  as many as expected
            row.observation = observation
        for row, reward in zip(rows.paid, paid):  # noqa: B905  likewise
            self._pay(row, reward)
        for row in rows.next.waiting:
            if row in rows.observing:
                self._keep(row)

    def _pay(self, row: AgentRow, reward: float) -> None:
        if type(reward) is not float or not -math.inf < reward < math.inf:
            reward = self.as_reward(row.agent_id, reward)
        row.episode_return += reward
        if row.last >= 0:
            row.actor.rewards[row.last] += reward

    def truncate(self) -> EpisodeSummary:
        """End the episode, which the env would go on with."""
        waiting = {row.agent_id: row for row in (*self.now.rows, *self.now.waiting)}
        for row in self.rows.values():
            self._close(row, waiting, terminated=False)
        self.is_over = True
        return self._summary(terminated=False)

    def forget(self, actor: Actor | None = None) -> None:
        """Drop the trajectories that go on, of one policy or of all."""
        for row in self.rows.values():
            if actor is None or row.actor is actor:
                row.last = -1

    def state_dict(
        self, history: Sequence[Mapping[AgentID, Action]], *, with_episode: bool = True
    ) -> dict[str, Any]:
        """Return where the copy stands between two collections, with or without the episode that goes on.

        That is what its env and agents say, if it saves its episodes; else the actions that were played.
        """
        is_over = self.is_over or not with_episode
        is_saved = self._envs.saves_episodes and not is_over
        if self.length > MAX_HISTORY and not is_over and not is_saved:
            raise CheckpointError(
                f"Episode {self.episode} of copy {self.env_index} of {self._envs.env_name} has gone on for "
                f"{self.length:,} steps, and only the actions of {MAX_HISTORY:,} are kept to play it again. "
                "Give the env a time limit, save after an episode ended, or let the env save its episodes "
                "(saves_episodes)."
            )
        actors = {agent_id: row.actor for agent_id, row in self._known.items()}
        policies = {i: (actor.policy_id, actor.policy.action_space) for i, actor in actors.items()}
        is_replayed = not is_over and not is_saved
        return {
            "episode": self.episode,
            "is_over": is_over,
            "carried": self._envs.carried(self.env_index, is_over=self.is_over),
            "history": encode_history(history if is_replayed else [], policies),
            "digest": self._digest() if is_replayed else "",
            "saved": self._saved() if is_saved else None,
        }

    def load_state_dict(
        self,
        state: Mapping[str, Any],
        action_spaces: Mapping[PolicyID, gym.Space[Any]],
        agent_ids: Mapping[str, AgentID],
    ) -> list[dict[AgentID, Action]]:
        """Stand where a copy stood; return the actions that were played again for that.

        `agent_ids` are those of agents that may have left, by their `repr`.
        """
        self.rows, self.is_over = {}, True
        self.episode = int(state["episode"])
        if state["carried"] is not None:
            self._envs.carry(self.env_index, state["carried"])
        if state["is_over"]:
            return []
        if state.get("saved") is not None:
            self._restore(state["saved"], agent_ids)
            return []
        self.episode -= 1
        named = decode_history(state["history"], action_spaces)
        try:
            history = self._replay(named)
            is_same = not self.is_over and self._digest() == state["digest"]
        except (CopyError, KeyError, EnvError, OutsideSpaceError):
            is_same = False
        if not is_same:
            raise CheckpointError(
                f"Copy {self.env_index} of {self._envs.env_name} cannot be restored: episode {self.episode}, "
                f"played again from its seed with the same actions for {len(named)} steps, gives other "
                "observations, rewards or random draws. Let everything in it follow from reset(seed=...)."
            )
        return history

    def _saved(self) -> dict[str, Any]:
        """Return the episode that goes on: where the env stands, and what each agent saw last and earned."""
        waiting = (*self.now.rows, *self.now.waiting)
        try:
            of_env = self._envs.episode_state(self.env_index)
        except (CopyError, PhantomError) as error:
            raise self._not_possible("saved in", _reason(error)) from error
        return {
            "env": of_env,
            "fingerprint": self._envs.fingerprint(self.env_index),
            "length": self.length,
            "agents": [[repr(agent_id), row.episode_return] for agent_id, row in self.rows.items()],
            "waiting": [
                [repr(row.agent_id), encode_elements(row.actor.policy.observation_space, [row.observation])]
                for row in waiting
            ],
            "live": sorted(map(repr, self._live)),
            "has_joiners": self._has_joiners,
        }

    def _restore(self, saved: Mapping[str, Any], agent_ids: Mapping[str, AgentID]) -> None:
        """Go back to an episode that `_saved` returned."""
        try:
            self._envs.restore_episode(self.env_index, self.seed_of(self.episode), saved["env"])
        except (CopyError, PhantomError) as error:
            raise self._not_possible("restored to", _reason(error)) from error
        if self._envs.fingerprint(self.env_index) != saved["fingerprint"]:
            raise self._not_possible(
                "restored to", "a generator of it stands elsewhere. Let load_state_dict() put it back"
            )
        named = {**agent_ids, **{repr(i): i for i in (*self._facts.strategic_agent_ids, ALL)}}
        missing = [name for name, _ in saved["agents"] if name not in named]
        if missing:
            raise self._not_possible("restored to", f"nobody knows {missing[0]}, who took part in it")
        self._take_part([named[name] for name, _ in saved["agents"]])
        for name, earned in saved["agents"]:
            self.rows[named[name]].episode_return = earned
        waiting = {named[name]: self.rows[named[name]] for name, _ in saved["waiting"]}
        for row, (_, seen) in zip(waiting.values(), saved["waiting"], strict=True):
            (row.observation,) = decode_elements(row.actor.policy.observation_space, seen)
        self._live = frozenset(named[name] for name in saved["live"])
        self._has_joiners = bool(saved["has_joiners"])
        self._length, self._counted = int(saved["length"]), self._history.num_steps
        self.began = self._counted
        self.is_over = False
        self.now = self._arranged(waiting, {})

    def _not_possible(self, what: str, reason: str) -> CheckpointError:
        copy = f"Copy {self.env_index} of {self._envs.env_name}"
        return CheckpointError(f"{copy} cannot be {what} the middle of episode {self.episode}: {reason}.")

    def failed(self, failure: CopyError, where: str) -> Exception:
        """Say where it happened: in which episode and line, and how to play it again."""
        error = failure.__cause__
        assert isinstance(error, Exception)
        episode = self.episode + (where == "reset")
        place = f"{self._envs.env_name} failed in {where} of episode {episode}"
        again = f"Play it again with env.reset(seed={self.seed_of(episode)})."
        line = failure.place or error_place(error)
        if isinstance(error, PhantomError) and not isinstance(error, EnvError):
            return error
        said = EnvError(f"{place}: {error_text(error)}{line}. {again}")
        if isinstance(error, EnvError):
            said = type(error)(f"{error} ({place}{line}. {again})")
        for note in getattr(error, "__notes__", ()):
            said.add_note(note)  # the traceback in a worker
        return said

    def outside(self, row: AgentRow, observation: Observation) -> ObservationError:
        """Return the error that an observation is not in its space."""
        seed = self.seed_of(self.episode)
        return row.actor.outside(row.agent_id, self.length, observation, seed)

    def _check(self, row: AgentRow) -> Any:
        """Return a batch of an observation that is not acted on; raise if it is not in its space."""
        try:
            return row.actor.buffer.batcher.checked([row.observation])
        except OutsideSpaceError:
            raise self.outside(row, row.observation) from None

    def _keep(self, row: AgentRow) -> None:
        """Keep an observation that is not acted on at once."""
        self._check(row)
        if type(row.observation) is not int:
            row.observation = snapshot(fitted(row.actor.policy.observation_space, row.observation))

    def _digest(self) -> str:
        """Return a hash of what the agents see and earned, and of the env's generators."""
        returns = {agent_id: row.episode_return for agent_id, row in self.rows.items()}
        seen = {row.agent_id: row.observation for row in (*self.now.rows, *self.now.waiting)}
        return digest([self.length, returns, seen, self._envs.fingerprint(self.env_index)])

    def _replay(self, named: Sequence[Mapping[str, Action]]) -> list[dict[AgentID, Action]]:
        history: list[dict[AgentID, Action]] = []
        self.begin(self._envs.reset([self.env_index], [self.seed_of(self.episode + 1)])[0] or {})
        for chosen in named:
            agent_ids = {repr(agent_id): agent_id for agent_id in self.rows}
            actions = {agent_ids[name]: action for name, action in chosen.items()}
            history.append(snapshot(actions))
            self._length += 1
            self.take(self._envs.step([self.env_index], [actions])[0], self.now)
        return history

    def _take_part(self, agent_ids: Sequence[AgentID]) -> None:
        """Let agents take part in this episode."""
        known = self._known
        new = [agent_id for agent_id in agent_ids if agent_id not in known]
        if new:
            known.update(zip(new, self._make_rows(self, new), strict=True))
        for agent_id in agent_ids:
            row = self.rows[agent_id] = known[agent_id]
            row.observation, row.episode_return, row.last = None, 0.0, -1
            if row.actor.memory is not None:
                row.actor.memory.reset(row.number)

    def _join(self, agent_id: AgentID) -> AgentRow:
        """Let an agent take part that was not there when the episode began."""
        self._has_joiners = True
        self._take_part([agent_id])
        return self.rows[agent_id]

    def _arranged(self, waiting: Mapping[AgentID, AgentRow], observed: Mapping[AgentID, Any]) -> CopyRows:
        """Return the rows of the next step: of those who wait, who may act and who waits on."""
        acting = self._facts.acting_agent_ids
        rows: tuple[AgentRow, ...] = tuple(waiting.values())
        rest: tuple[AgentRow, ...] = ()
        if acting is not None:
            rows = tuple(row for agent_id, row in waiting.items() if agent_id in acting)
            rest = tuple(row for agent_id, row in waiting.items() if agent_id not in acting)
            for row in rest:
                if row.agent_id in observed:
                    self._keep(row)
        return self._rows_of(self.env_index, rows, rest, self._live)

    def _look_around(self, result: StepResult, waiting: dict[AgentID, AgentRow]) -> None:
        """Note who is in the episode now; end the trajectories of those who ended or left it."""
        terminations, truncations = result.terminations, result.truncations
        for agent_id, row in self.rows.items():
            if agent_id not in terminations and (row.last >= 0 or agent_id in waiting):
                self._close(row, waiting, terminated=True)
        self._has_joiners = False
        self.is_over = bool(terminations[ALL] or truncations[ALL])
        ended = [i for i in terminations if terminations[i] or truncations[i] or self.is_over]
        for agent_id in ended:
            if agent_id in self.rows:
                self._close(self.rows[agent_id], waiting, terminated=bool(terminations[agent_id]))
        if not self.is_over:
            met = (*self.rows, ALL)  # whoever joined in silence is looked at in each step
            self._live = frozenset(terminations).intersection(met).difference(ended)

    def _close(self, row: AgentRow, waiting: dict[AgentID, AgentRow], *, terminated: bool) -> None:
        """End an agent's trajectory."""
        has_next = waiting.pop(row.agent_id, None) is not None
        if row.last >= 0:
            end = self.end_of(row)
            row.actor.end(end, self._check(row) if has_next else None, terminated=terminated)
            row.last = -1
        elif has_next:
            self._check(row)

    def _summary(self, *, terminated: bool) -> EpisodeSummary:
        return EpisodeSummary(
            self.env_index,
            self.episode,
            self.seed_of(self.episode),
            self.length,
            {agent_id: row.episode_return for agent_id, row in self.rows.items()},
            terminated,
            self._envs.take_metrics(self.env_index),
        )


def _reason(error: Exception) -> str:
    """Return why an episode cannot be saved or restored, and where in the user's code."""
    cause = error.__cause__ if isinstance(error, CopyError) else None
    if cause is None or isinstance(cause, PhantomError):
        return without_stop(str(cause or error))
    place = error.place if isinstance(error, CopyError) else ""
    return f"{error_text(cause)}{place or error_place(cause)}"
