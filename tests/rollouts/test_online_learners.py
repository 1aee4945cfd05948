"""What an online learner gets in each env step does not depend on how the collector goes about it.

Transitions are made at once where every agent acts in every step and goes on or ends with the episode, and
from what was kept where global states are needed, agents end one by one, or others wait.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import phantom_core as ph
from phantom_core.rollouts import step_transitions

ALL = "__all__"
IDS = ("A", "B", "C")
SPACES: Mapping[str, gym.Space[Any]] = {
    "discrete": gym.spaces.Discrete(100),
    "box": gym.spaces.Box(0.0, 100.0, (2,), np.float32),
    "tuple": gym.spaces.Tuple((gym.spaces.Discrete(100), gym.spaces.Box(0.0, 100.0, (1,), np.float32))),
}


def value_in(space: str, number: int) -> Any:
    """Return an element of a space that tells a number."""
    if space == "discrete":
        return number
    if space == "box":
        return np.array([number, number / 2], np.float32)
    return number, np.array([number], np.float32)


class EverybodyActs:
    """All agents act in every step; episodes end at random, often without a final observation.

    With `deaths`, agents end one by one too.
    """

    acting_agent_ids = None
    state_space = gym.spaces.Discrete(1000)

    def __init__(self, space: str, *, deaths: bool = False, ids: Sequence[str] = IDS) -> None:
        self.ids, self.space, self.deaths = tuple(ids), space, deaths
        self.agents = {agent_id: ph.StrategicAgent(agent_id) for agent_id in ids}
        self.observation_spaces = dict.fromkeys(ids, SPACES[space])
        self.action_spaces = dict.fromkeys(ids, gym.spaces.Discrete(3, start=1))
        self.live, self.length, self.strategic_agent_ids = list(ids), 0, self.ids

    def reset(self, seed: int | None = None, options: Any = None) -> Any:
        self.rng, self.live, self.length = np.random.default_rng(seed), list(self.ids), 0
        return {agent_id: self.seen() for agent_id in self.live}, {}

    def step(self, actions: Mapping[str, int]) -> ph.StepResult:
        assert [*actions] == self.live
        self.length += 1
        is_over, is_cut = self.happens(0.15), self.happens(0.1)
        observed = {agent_id: self.seen() for agent_id in self.live}
        if (is_over or is_cut) and self.happens(0.5):
            observed.popitem()
        rewards = {agent_id: actions[agent_id] + self.rng.random() for agent_id in self.live}
        terminations: dict[str, Any] = dict.fromkeys(self.live, is_over) | {ALL: is_over}
        truncations: dict[str, Any] = dict.fromkeys(self.live, np.bool_(is_cut)) | {ALL: is_cut}
        if self.deaths and len(self.live) > 1 and self.happens(0.2):
            (terminations if self.happens(0.5) else truncations)[self.live.pop()] = True
        return ph.StepResult(observed, rewards, terminations, truncations, {})

    def state(self) -> int:
        return self.length

    def close(self) -> None:
        """Nothing to close."""

    def seen(self) -> Any:
        return value_in(self.space, int(self.rng.integers(100)))

    def happens(self, probability: float) -> bool:
        return bool(self.rng.random() < probability)


class Drawing(ph.Policy):
    """Draws its actions; its extras are the draws."""

    def compute_action(self, observation: Any) -> int:
        return 1

    def sample_actions(self, observations: Any, rng: ph.RowStreams) -> tuple[Any, dict[str, Any]]:
        draws = rng.uniform()
        return [1 + int(3 * draw) for draw in draws], {"draw": draws}


def plain(rows: ph.Transitions) -> list[str]:
    """Return each transition as text, without the global state; see that outcomes are what it begins with."""
    assert [repr(outcome) for outcome in rows.outcomes()] == [repr(tuple(one[:6])) for one in rows]
    return [
        repr(one._replace(extras={"draw": float(one.extras["draw"])}, state=None, next_state=None))
        for one in rows
    ]


def collector_of(envs: Any, policy_by_agent: Mapping[str, str], **options: Any) -> ph.Collector:
    facts = envs[0]
    policies = {
        policy_by_agent[i]: Drawing(facts.observation_spaces[i], facts.action_spaces[i])
        for i in facts.strategic_agent_ids
    }
    return ph.Collector(envs, policies, policy_by_agent, seed=5, learning=list(policies), **options)


@settings(max_examples=30)
@given(
    space=st.sampled_from(sorted(SPACES)),
    deaths=st.booleans(),
    copies=st.integers(1, 4),
    owners=st.tuples(*[st.sampled_from(("p", "q", "r"))] * 3),
    online=st.sets(st.sampled_from(("p", "q", "r")), min_size=1),
    plans=st.lists(st.integers(1, 30), min_size=1, max_size=4),
    many=st.sampled_from((1, 64)),
)
def test_it_gets_the_same_in_each_step_however_that_is_made(
    space: str,
    deaths: bool,  # noqa: FBT001  a parameter of the test
    copies: int,
    owners: tuple[str, ...],
    online: set[str],
    plans: list[int],
    many: int,
) -> None:
    mapping, online = dict(zip(IDS, owners, strict=True)), online.intersection(owners)

    def play(*, learns: bool, **options: Any) -> tuple[list[Any], list[str]]:
        heard: list[Any] = []
        hear = {i: lambda rows, i=i: heard.append((i, plain(rows))) for i in online}
        envs = [EverybodyActs(space, deaths=deaths) for _ in range(copies)]
        collector = collector_of(envs, mapping, learn_steps=hear if learns else None, **options)
        batches = []
        for steps in plans:
            found = collector.collect(ph.CollectPlan(steps=steps * copies))
            batches += [text for batch in found.values() for text in plain(batch.transitions)]
        return heard, batches

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(step_transitions, "_MANY", many)  # so many rows are arrays at once
        at_once, kept = play(learns=True), play(learns=True, needs=["state"])
    assert at_once == kept
    _, everything = play(learns=False)
    assert sorted([text for _, rows in at_once[0] for text in rows] + at_once[1]) == sorted(everything)


class Counting(gym.Env[Any, Any]):
    """Counts its steps, and is over after four; by truncation in every second episode."""

    observation_space, action_space = gym.spaces.Discrete(100), gym.spaces.Discrete(3, start=1)

    def __init__(self, final: Any = None) -> None:
        self.count, self.episode, self.final = 0, 0, final

    def reset(self, **options: Any) -> Any:
        super().reset(seed=options.get("seed"))
        self.count, self.episode = 0, self.episode + 1
        return 0, {}

    def step(self, action: Any) -> Any:
        self.count += 1
        is_over, is_cut = self.count == 4, self.episode % 2 == 0
        seen = self.final if is_over and self.final is not None else self.count
        return seen, self.count, is_over and not is_cut, is_over and is_cut, {}


class WithoutBareStep(ph.GymnasiumEnv):
    """The same, stepped by dicts."""

    def step(self, actions: Any) -> ph.StepResult:
        return super().step(actions)


@pytest.mark.parametrize("env_class", [ph.GymnasiumEnv, WithoutBareStep])
@pytest.mark.parametrize("copies", [1, 3])
def test_each_end_of_an_env_of_one_agent_is_told_in_its_step(env_class: Any, copies: int) -> None:
    heard: list[ph.Transitions] = []
    envs = [env_class(Counting) for _ in range(copies)]
    collector = collector_of(envs, {"agent": "p"}, learn_steps={"p": heard.append})
    collector.collect(ph.CollectPlan(steps=16 * copies))
    assert [len(rows) for rows in heard] == [copies] * 16
    for n, rows in enumerate(heard):
        for env_index, one in enumerate(rows):
            assert (one.env_index, one.episode, one.step) == (env_index, n // 4, n % 4)
            assert (one.observation, one.next_observation) == (n % 4, n % 4 + 1)
            assert (one.reward, one.has_next) == (n % 4 + 1.0, True)
            assert one.terminated is (n % 8 == 3)
            assert one.truncated is (n % 8 == 7)


@pytest.mark.parametrize("env_class", [ph.GymnasiumEnv, WithoutBareStep])
def test_a_final_observation_outside_the_space_is_named(env_class: Any) -> None:
    def collector(**options: Any) -> ph.Collector:
        return collector_of([env_class(lambda: Counting(final=100))], {"agent": "p"}, **options)

    said: list[str] = []
    for options in ({}, {"learn_steps": {"p": len}}):
        with pytest.raises(ph.errors.ObservationError) as caught:
            collector(**options).collect(ph.CollectPlan(steps=20))
        said.append(str(caught.value))
    assert said[0] == said[1]
    assert said[0].startswith("Observation of 'agent' at step 4 is 100 (int), but its observation space is ")


class CountedSpace(gym.Space[Any]):
    """Counts how often it was asked whether something is in it."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def contains(self, x: Any) -> bool:
        self.count += 1
        return isinstance(x, int)

    def sample(self, *args: Any, **options: Any) -> int:
        return 0


class TwoOnARoad(ph.PhantomEnv):
    """Two agents that act for ever and observe the step."""

    def __init__(self, space: gym.Space[Any]) -> None:
        super().__init__(None, ph.Network([Walker("A", space), Walker("B", space)]))


class Walker(ph.StrategicAgent):
    action_space = gym.spaces.Discrete(3, start=1)

    def __init__(self, agent_id: str, space: gym.Space[Any]) -> None:
        super().__init__(agent_id)
        self.observation_space = space

    def encode_observation(self, ctx: ph.Context) -> int:
        return ctx.env_view.current_step

    def decode_action(self, ctx: ph.Context, action: int) -> None:
        """Do nothing."""

    def compute_reward(self, ctx: ph.Context) -> float:
        return 1.0


@pytest.mark.parametrize("mapping", [{"A": "p", "B": "q"}, {"A": "p", "B": "p"}])
def test_what_an_agent_observes_is_checked_once(mapping: dict[str, str]) -> None:
    space = CountedSpace()
    collector = collector_of([TwoOnARoad(space)], mapping, learn_steps=dict.fromkeys(mapping.values(), len))
    collector.collect(ph.CollectPlan(steps=10))
    before = space.count
    collector.collect(ph.CollectPlan(steps=100))
    assert space.count - before == 2 * 100
