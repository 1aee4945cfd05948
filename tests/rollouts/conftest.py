"""A random world whose observations say what a policy has to remember, and a policy that checks it."""

from collections.abc import Mapping
from typing import Any, ClassVar

import gymnasium as gym
import numpy as np
import pytest

import phantom_core as ph


class RandomCast:
    """Agents join, leave, end, wait and take turns, as the seed says.

    An agent observes [episode, its own number, how often it decided in this episode, the step].
    """

    IDS = ("A", "B", "C", "D")
    observation_space = gym.spaces.Box(-1.0, 2.0**53, (4,), np.float64)
    action_space = gym.spaces.Discrete(5)
    state_space: ClassVar[gym.Space[Any] | None] = gym.spaces.Box(-1.0, 2.0**53, (2,), np.float64)

    def __init__(self, *, in_turns: bool = False, changes: float = 0.1, longest: int = 9) -> None:
        self.agents = {agent_id: ph.StrategicAgent(agent_id) for agent_id in self.IDS}
        self.observation_spaces = dict.fromkeys(self.IDS, self.observation_space)
        self.action_spaces = dict.fromkeys(self.IDS, self.action_space)
        self.acting_agent_ids: tuple[str, ...] | None = None
        self._in_turns, self._changes, self._longest = in_turns, changes, longest
        self._live: list[str] = ["A", "B"]
        self._state = np.zeros(2)
        self._episode = -1
        self.ended: dict[tuple[int, str], float] = {}  # when agents were flagged in each episode

    @property
    def strategic_agent_ids(self) -> list[str]:
        return list(self._live)

    def reset(self, seed: int | None = None, options: Mapping[str, Any] | None = None) -> Any:
        assert seed is not None
        self.rng = np.random.default_rng(seed)
        self._state[:] = seed % 2**40, 0
        self._episode += 1
        self._length = int(self.rng.integers(1, self._longest + 1))
        self._live = [i for i in self.IDS if self._happens(0.7)] or ["A"]
        self._gone: set[str] = set()
        self._decided = dict.fromkeys(self.IDS, 0)
        self._waiting: dict[str, None] = {}
        observed = self._observe(0.8)
        self._turn()
        return observed, {agent_id: {} for agent_id in observed}

    def step(self, actions: Mapping[str, Any]) -> ph.StepResult:
        acting = self.acting_agent_ids
        assert set(actions) == {i for i in self._waiting if acting is None or i in acting}
        for agent_id in actions:
            self._decided[agent_id] += 1
            del self._waiting[agent_id]
        self._state[1] += 1
        for agent_id in [i for i in self._live if self._happens(self._changes)]:
            self._live.remove(agent_id)
            self._gone.add(agent_id)
            self.ended[self._episode, agent_id] = self._state[1]
        joiners = [i for i in self.IDS if i not in self._live and i not in self._gone]
        self._live += [i for i in joiners if self._happens(self._changes)]
        rewards = {i: float(self.rng.normal()) for i in self._live if self._happens(0.7)}
        ends = {i: self._happens(0.5) for i in self._live if self._happens(self._changes)}
        observed = self._observe(0.7)
        terminations = {i: ends.get(i, False) for i in self._live} | {ph.tools.ALL: False}
        truncations = {i: not ends.get(i, True) for i in self._live} | {ph.tools.ALL: False}
        self._live = [i for i in self._live if i not in ends]
        self._gone.update(ends)
        if self._state[1] >= self._length or not self._live:
            (terminations if self._happens(0.5) else truncations)[ph.tools.ALL] = True
        is_over = terminations[ph.tools.ALL] or truncations[ph.tools.ALL]
        self.ended |= {(self._episode, i): self._state[1] for i in terminations if i in ends or is_over}
        self._waiting = {i: None for i in self._waiting if i in self._live}
        self._turn()
        return ph.StepResult(observed, rewards, terminations, truncations, {i: {} for i in observed})

    def state(self) -> Any:
        """Return [episode, step], in one array over and over."""
        return self._state

    def close(self) -> None:
        pass

    def _happens(self, probability: float) -> bool:
        return bool(self.rng.random() < probability)

    def _observe(self, probability: float) -> dict[str, Any]:
        who = [i for i in self._live if self._happens(probability)]
        self._waiting |= dict.fromkeys(who)
        own = {i: (self._state[0], self.IDS.index(i), self._decided[i], self._state[1]) for i in who}
        return {agent_id: np.array(values) for agent_id, values in own.items()}

    def _turn(self) -> None:
        if self._in_turns:
            self.acting_agent_ids = tuple(i for i in self.IDS if self._happens(0.5))


class LeakError(Exception):
    """A policy was handed a state that is not that of its agent."""


class Remembering(ph.RecurrentPolicy):
    """Remembers whom it plays, how often it decided, and a sum over all that the agent saw.

    It raises `LeakError` if what it is handed does not fit what the agent sees.
    """

    def initial_state(self) -> Any:
        return {"owner": np.full(2, -1.0), "sums": (np.int64(0), np.zeros((1, 2)))}

    def compute_actions(self, observations: Any, state: Any) -> tuple[Any, Any]:
        count, trail = state["sums"]
        known = count > 0
        if not (count == observations[:, 2]).all():
            raise LeakError(f"{observations} after {count} decisions")
        if not (state["owner"] == np.where(known[:, None], observations[:, :2], -1.0)).all():
            raise LeakError(f"{observations} with the memory of {state['owner']}")
        trail = (trail * 31 + observations[:, None, 2:] + 1) % 1009
        actions = ((trail.sum(axis=(1, 2)) + observations[:, 1]) % 5).astype(int).tolist()
        return actions, {"owner": observations[:, :2], "sums": (count + 1, trail)}

    def sample_actions(
        self, observations: Any, rng: ph.RowStreams, state: Any
    ) -> tuple[Any, dict[str, Any], Any]:
        actions, after = self.compute_actions(observations, state)
        return actions, {"trail": after["sums"][1].copy()}, after


class Plain(ph.Policy):
    """Does always the same."""

    def compute_action(self, observation: Any) -> int:
        return 1


class Casts:
    """What tests of the collector need to play a random cast."""

    RandomCast, Remembering, Plain, LeakError = RandomCast, Remembering, Plain, LeakError

    @staticmethod
    def collector(
        envs: Any, kinds: Mapping[str, type[ph.BasePolicy]], learning: Any, **options: Any
    ) -> ph.Collector:
        """Play one agent after the other with the next of these policies."""
        policies = {
            i: kind(RandomCast.observation_space, RandomCast.action_space) for i, kind in kinds.items()
        }
        ids = list(kinds)
        policy_by_agent = {agent_id: ids[n % len(ids)] for n, agent_id in enumerate(RandomCast.IDS)}
        return ph.Collector(envs, policies, policy_by_agent, seed=3, learning=learning, **options)

    @staticmethod
    def as_list(batch: ph.Batch | ph.Transitions) -> list[str]:
        """Return each transition as text."""
        b = batch if isinstance(batch, ph.Transitions) else batch.transitions
        columns = [b.observations, b.actions, b.rewards, b.next_observations, b.has_next, b.terminated]
        columns += [b.truncated, b.env_indices, b.episodes, b.steps, *b.extras.values()]
        columns += [] if b.states is None else [b.states, b.next_states]
        return list(map(repr, zip(b.agent_ids, *(column.tolist() for column in columns), strict=True)))

    @classmethod
    def as_set(cls, *batches: ph.Batch | ph.Transitions) -> set[str]:
        """Return transitions whatever their order; none may be there twice."""
        found = [text for batch in batches for text in cls.as_list(batch)]
        assert len(set(found)) == len(found)
        return set(found)


@pytest.fixture(scope="session")
def casts() -> type[Casts]:
    return Casts
