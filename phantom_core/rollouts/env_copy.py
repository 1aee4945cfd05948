"""`EnvCopy`: one copy of an env, as the collector plays it: its episode, and where its agents stand."""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from itertools import islice
from numbers import Real
from typing import Any, Final

import gymnasium as gym

from phantom_core.envs.step_result import StepResult
from phantom_core.errors import CheckpointError, EnvError, PhantomError, error_place, error_text
from phantom_core.rollouts.batch import EpisodeSummary
from phantom_core.rollouts.copy_state import decode_history, digest, encode_history
from phantom_core.rollouts.experience_log import Stretch
from phantom_core.rollouts.policy_rows import Lane, PolicyRows
from phantom_core.rollouts.snapshot import snapshot
from phantom_core.rollouts.solo_envs import CopyError
from phantom_core.rollouts.vector_env import VectorEnv
from phantom_core.seeding import derive_seed
from phantom_core.types import Action, AgentID, Observation, PolicyID
from phantom_core.world.agents import ALL

MAX_HISTORY: Final = 100_000
"""The steps of an episode whose actions are kept, so that an episode without end does not fill the memory."""


class EnvCopy:
    """Follows one copy of an env through its episodes.

    Attributes:
        number: the number of the copy.
        episode: the number of the episode; -1 before the first.
        length: the steps made in it.
        is_over: whether it ended, so that the next one begins with the next step.
        actions: the actions for the next step, by agent id.
        kept_actions: the same, in memory of its own.
        history: the actions of each step of this episode, up to `MAX_HISTORY` steps.
    """

    def __init__(
        self, envs: VectorEnv, number: int, seed: int, make_lane: Callable[[EnvCopy, AgentID], Lane]
    ) -> None:
        self.number = number
        self.episode = -1
        self.length = 0
        self.is_over = True
        self.actions: dict[AgentID, Action] = {}
        self.kept_actions: dict[AgentID, Action] = {}
        self.history: list[dict[AgentID, Action]] = []
        self._envs = envs
        self._facts = envs.facts(number)
        self._seed = seed
        self._make_lane = make_lane
        self._known: dict[AgentID, Lane] = {}  # every agent that was met in any episode
        self._lanes: dict[AgentID, Lane] = {}  # those of this episode
        self._waiting: dict[AgentID, Lane] = {}  # those with an observation to act on
        self._num_live = 0
        self._has_joiners = False
        self._finished: list[tuple[Lane, Stretch]] = []

    @property
    def next_seed(self) -> int:
        """The seed of the next episode."""
        return derive_seed(self._seed, "episode", self.number, self.episode + 1)

    def begin(self, observations: Mapping[AgentID, Observation]) -> None:
        """Begin an episode with the observations that `reset` returned."""
        self.episode += 1
        self.length = 0
        self.is_over = False
        self.history = []
        self._lanes, self._waiting = {}, {}
        for agent_id in self._facts.strategic_agent_ids:
            self._take_part(agent_id)
        self._num_live = len(self._lanes)
        self._has_joiners = False
        for agent_id, observation in observations.items():
            lane = self._lanes.get(agent_id) or self._join(agent_id)
            lane.observation = observation
            self._waiting[agent_id] = lane

    def put_questions(self) -> dict[AgentID, Action]:
        """Let each agent that is to act ask its policy; return the dict that takes their actions."""
        actions: dict[AgentID, Action] = {}
        self.actions, self.kept_actions = actions, {}
        if self.length < MAX_HISTORY:
            self.history.append(self.kept_actions)
        for lane in self._take_asking():
            group = lane.group
            group.lanes.append(lane)
            group.observations.append(lane.observation)
        return actions

    def take(self, result: StepResult) -> EpisodeSummary | None:
        """Take in what a step returned; return a summary if the episode ended."""
        if self.is_over:  # it was only reset
            self.begin(result.observations)
            return None
        self.length += 1
        lanes, waiting = self._lanes, self._waiting
        for agent_id, observation in result.observations.items():
            lane = lanes.get(agent_id) or self._join(agent_id)
            lane.observation = observation
            waiting[agent_id] = lane
        for agent_id, reward in result.rewards.items():
            lane = lanes.get(agent_id) or self._join(agent_id)
            if type(reward) is not float:
                reward = self._as_float(agent_id, reward)  # noqa: PLW2901  the same number
            if not -math.inf < reward < math.inf:
                raise self.not_finite(agent_id, reward)
            lane.episode_return += reward
            if lane.last_row >= 0:
                lane.group.log.rewards[lane.last_row] += reward
        terminations, truncations = result.terminations, result.truncations
        if len(terminations) - 1 != self._num_live or self._has_joiners:
            self._look_around(terminations)
        if not (True in terminations.values() or True in truncations.values()):
            return None
        return self._take_ends(terminations, truncations)

    @property
    def only_lane(self) -> Lane:
        """The lane of the one agent of this episode."""
        (lane,) = self._lanes.values()
        return lane

    def catch_up(
        self,
        observation: Observation,
        actions: Iterable[Action],
        rewards: Sequence[float],
        rows: Sequence[int],
    ) -> None:
        """Take in several steps of an episode in which one agent acts in every step.

        `observation` is the last; `actions` are empty if the episode ends here, `rows` if nothing is logged.
        """
        lane = self.only_lane
        agent_id = lane.agent_id
        if self.length < MAX_HISTORY:
            kept = islice(actions, MAX_HISTORY - self.length)
            self.history += [{agent_id: action} for action in kept]
        self.length += len(rewards)
        lane.observation = observation
        for reward in rewards:
            lane.episode_return += reward
        if rows:
            lane.rows += rows
            lane.last_row = rows[-1]
        self._waiting = {agent_id: lane}

    def end(self, *, is_terminated: bool, is_truncated: bool) -> EpisodeSummary:
        """End an episode of one agent; return its summary."""
        agent_id = self.only_lane.agent_id
        terminations = {agent_id: is_terminated, ALL: is_terminated}
        truncations = {agent_id: is_truncated, ALL: is_truncated}
        summary = self._take_ends(terminations, truncations)
        assert summary is not None  # everybody ended
        return summary

    def not_finite(self, agent_id: AgentID, reward: object) -> EnvError:
        """Return the error that a reward is no number that can be learned from."""
        return EnvError(
            f"The reward of {agent_id!r} at step {self.length} is {reward!r}. Expected a finite number: "
            "change compute_reward(), or step() of a Gymnasium env."
        )

    def cut(self) -> None:
        """Finish the trajectories that go on, up to the last decision whose outcome is known."""
        acting: Container[AgentID] | None = () if self.is_over else self._facts.acting_agent_ids
        for agent_id, lane in self._lanes.items():
            if not lane.rows:
                continue
            stretch = Stretch(agent_id, self.number, self.episode, lane.rows)
            if agent_id in self._waiting and (acting is None or agent_id in acting):
                self._check(lane)
                stretch.next_observation = lane.observation
                lane.rows, lane.last_row = [], -1
            else:  # its last decision has not had its whole outcome yet
                stretch.next_row = stretch.rows.pop()
                lane.rows = [stretch.next_row]
            if stretch.rows:
                self._finished.append((lane, stretch))

    def take_finished(self) -> Sequence[tuple[Lane, Stretch]]:
        """Return what was finished since the last call."""
        finished, self._finished = self._finished, []
        return finished

    def forget(self, group: PolicyRows) -> None:
        """Drop what agents of one policy began."""
        for lane in self._lanes.values():
            if lane.group is group:
                lane.rows, lane.last_row = [], -1

    def abandon(self) -> None:
        """Forget the episode: it was broken off in the middle of a step."""
        self.is_over = True
        self._waiting, self._finished = {}, []
        for lane in self._lanes.values():
            lane.rows, lane.last_row = [], -1

    def open_lanes(self) -> list[Lane]:
        """Return the lanes with an open trajectory."""
        return [lane for lane in self._lanes.values() if lane.rows]

    def state_dict(self) -> dict[str, Any]:
        """Return where the copy stands; raise `CheckpointError` if its episode is too long to be kept."""
        if self.length > MAX_HISTORY and not self.is_over:
            raise CheckpointError(
                f"Episode {self.episode} of copy {self.number} of {self._envs.env_name} has gone on for "
                f"{self.length:,} steps, and only the actions of {MAX_HISTORY:,} are kept to play it again. "
                "Give the env a time limit, or save after an episode ended."
            )
        policies = {
            agent_id: (lane.group.policy_id, lane.group.policy.action_space)
            for agent_id, lane in self._known.items()
        }
        return {
            "episode": self.episode,
            "is_over": self.is_over,
            "history": encode_history([] if self.is_over else self.history, policies),
            "digest": "" if self.is_over else self._digest(),
            "open": [[repr(lane.agent_id), lane.last_row] for lane in self.open_lanes()],
        }

    def load_state_dict(
        self, state: Mapping[str, Any], action_spaces: Mapping[PolicyID, gym.Space[Any]]
    ) -> None:
        """Stand where a copy stood: play its episode again; raise `CheckpointError` if it goes otherwise."""
        self._lanes, self._waiting, self.is_over = {}, {}, True
        self.episode = int(state["episode"])
        if state["is_over"]:
            return
        self.episode -= 1
        history = decode_history(state["history"], action_spaces)
        try:
            self._replay(history)
            is_same = not self.is_over and self._digest() == state["digest"]
        except (CopyError, KeyError, EnvError):
            is_same = False
        if not is_same:
            raise CheckpointError(
                f"Copy {self.number} of {self._envs.env_name} cannot be restored: episode {self.episode}, "
                f"played again from its seed with the same actions for {len(history)} steps, gives other "
                "observations, rewards or random draws. Let everything in it follow from reset(seed=...)."
            )
        self._finished = []
        lanes = {repr(agent_id): lane for agent_id, lane in self._lanes.items()}
        for name, row in state["open"]:
            lanes[name].rows, lanes[name].last_row = [int(row)], int(row)

    def failed(self, failure: CopyError, where: str) -> Exception:
        """Say where it happened: in which episode and line, and how to play it again."""
        error = failure.__cause__
        assert isinstance(error, Exception)
        episode = self.episode + (where == "reset")
        seed = derive_seed(self._seed, "episode", self.number, episode)
        place = f"{self._envs.env_name} failed in {where} of episode {episode}"
        again = f"Play it again with env.reset(seed={seed})."
        line = failure.place or error_place(error)
        if isinstance(error, PhantomError):
            said = type(error)(f"{error} ({place}{line}. {again})") if isinstance(error, EnvError) else error
        else:
            said = EnvError(f"{place}: {error_text(error)}{line}. {again}")
        for note in getattr(error, "__notes__", ()) if said is not error else ():
            said.add_note(note)  # the traceback in a worker
        return said

    def _take_asking(self) -> Iterable[Lane]:
        """Return those who act in the next step; from now on they wait no more."""
        acting = self._facts.acting_agent_ids
        waiting = self._waiting
        if acting is None:
            self._waiting = {}
            return waiting.values()
        asking = [waiting.pop(agent_id) for agent_id in list(waiting) if agent_id in acting]
        for lane in waiting.values():
            self._check(lane)
            lane.observation = snapshot(lane.observation)
        return asking

    def _digest(self) -> str:
        """Return a hash of what the agents see and earned, and of the env's generators."""
        returns = {agent_id: lane.episode_return for agent_id, lane in self._lanes.items()}
        seen = {agent_id: lane.observation for agent_id, lane in self._waiting.items()}
        return digest([self.length, returns, seen, self._envs.fingerprint(self.number)])

    def _replay(self, history: Sequence[Mapping[str, Action]]) -> None:
        self.begin(self._envs.reset([self.number], [self.next_seed])[0] or {})
        for named in history:
            self._take_asking()
            agent_ids = {repr(agent_id): agent_id for agent_id in self._lanes}
            actions = {agent_ids[name]: action for name, action in named.items()}
            self.history.append(snapshot(actions))
            self.take(self._envs.step([self.number], [actions])[0])

    def _take_part(self, agent_id: AgentID) -> Lane:
        """Let an agent take part in this episode."""
        lane = self._known.get(agent_id)
        if lane is None:
            lane = self._known[agent_id] = self._make_lane(self, agent_id)
        lane.begin_episode()
        self._lanes[agent_id] = lane
        return lane

    def _join(self, agent_id: AgentID) -> Lane:
        """Let an agent take part that was not there when the episode began."""
        self._has_joiners = True
        return self._take_part(agent_id)

    def _look_around(self, terminations: Mapping[AgentID, bool]) -> None:
        """Count who is in the episode now; end the trajectories of those who left it."""
        for agent_id, lane in self._lanes.items():
            if agent_id not in terminations and (lane.rows or agent_id in self._waiting):
                self._close(agent_id, is_terminated=True)
        self._num_live = len(terminations) - 1
        self._has_joiners = False

    def _check(self, lane: Lane) -> None:
        if not lane.group.is_valid(lane.observation):
            raise lane.group.outside(lane, lane.observation)

    def _close(self, agent_id: AgentID, *, is_terminated: bool) -> None:
        """End an agent's trajectory."""
        lane = self._waiting.pop(agent_id, None)
        final = None
        if lane is not None:
            self._check(lane)
            final = snapshot(lane.observation)
        lane = self._lanes.get(agent_id)
        if lane is None or not lane.rows:
            return
        stretch = Stretch(agent_id, self.number, self.episode, lane.rows, final)
        stretch.is_terminated, stretch.is_truncated = is_terminated, not is_terminated
        lane.rows, lane.last_row = [], -1
        self._finished.append((lane, stretch))

    def _take_ends(
        self, terminations: Mapping[AgentID, bool], truncations: Mapping[AgentID, bool]
    ) -> EpisodeSummary | None:
        """End the trajectories of those who ended; return a summary if that is everybody."""
        is_over = terminations[ALL] or truncations[ALL]
        for agent_id, terminated in terminations.items():
            if (terminated or truncations[agent_id] or is_over) and agent_id != ALL:
                self._num_live -= 1
                self._close(agent_id, is_terminated=bool(terminated))
        return self._end_episode(is_terminated=bool(terminations[ALL])) if is_over else None

    def _end_episode(self, *, is_terminated: bool) -> EpisodeSummary:
        self.is_over = True
        returns = {agent_id: lane.episode_return for agent_id, lane in self._lanes.items()}
        metrics: Mapping[str, Any] = self._envs.take_metrics(self.number)
        return EpisodeSummary(self.number, self.episode, self.length, returns, is_terminated, metrics)

    def _as_float(self, agent_id: AgentID, reward: object) -> float:
        if not isinstance(reward, Real):
            raise self.not_finite(agent_id, reward)
        return float(reward)
