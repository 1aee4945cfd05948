"""Several plans are played at once, and each gets what its policies went through, no more and no less."""

import copy
import functools
from itertools import pairwise
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from hypothesis import given, settings
from hypothesis import strategies as st

import phantom_core as ph

STEPS = st.builds(ph.CollectPlan, steps=st.integers(1, 25))
EPISODES = st.builds(ph.CollectPlan, episodes=st.integers(1, 7))
KINDS = ("main", "often", "whole")


def collector_of(casts: Any, learning: Any, copies: int, *, in_turns: bool = False, **options: Any) -> Any:
    envs = [casts.RandomCast(in_turns=in_turns) for _ in range(copies)]
    kinds = dict(zip(KINDS, (casts.Remembering, casts.Plain, casts.Remembering), strict=True))
    return casts.collector(envs, kinds, learning, **options)


def rows_of_episodes(batch: ph.Batch) -> set[tuple[int, int]]:
    found = batch.transitions
    return set(zip(found.env_indices.tolist(), found.episodes.tolist(), strict=True))


@functools.cache
def truth_of(casts: Any, policy_id: str, copies: int, *, in_turns: bool) -> dict[tuple[int, int], set[str]]:
    """Return what happens in each copy and episode, of which there are many."""
    batch = collector_of(casts, [policy_id], copies, in_turns=in_turns).collect(
        ph.CollectPlan(episodes=60 * copies)
    )[policy_id]
    found: dict[tuple[int, int], set[str]] = {(c, e): set() for c in range(copies) for e in range(60)}
    b = batch.transitions
    for n, text in enumerate(casts.as_list(batch)):
        found[int(b.env_indices[n]), int(b.episodes[n])].add(text)
    return found


@settings(max_examples=20)
@given(in_turns=st.booleans(), copies=st.integers(1, 3), main=STEPS, often=STEPS, whole=EPISODES)
def test_each_gets_what_it_would_get_alone(
    casts: Any,
    in_turns: bool,  # noqa: FBT001  a parameter of the test
    copies: int,
    main: ph.CollectPlan,
    often: ph.CollectPlan,
    whole: ph.CollectPlan,
) -> None:
    collector = collector_of(casts, KINDS, copies, in_turns=in_turns)
    alone = {i: collector_of(casts, [i], copies, in_turns=in_turns) for i in ("main", "often")}
    truth = truth_of(casts, "whole", copies, in_turns=in_turns)
    plans = dict(zip(KINDS, (main, often, whole), strict=True))
    begun = {policy_id: collector.begin(plan, [policy_id]) for policy_id, plan in plans.items()}
    played: set[tuple[int, int]] = set()
    num_taken = dict.fromkeys(KINDS, 0)
    for _ in range(8):
        collector.play(list(begun.values()))
        for policy_id, collection in begun.items():
            if not collection.is_fulfilled:
                continue
            num_taken[policy_id] += 1
            found = collector.take(collection, by_episode=policy_id == "whole")
            assert list(found) == [policy_id]
            if policy_id == "whole":
                wanted = {(copy, n) for copy, numbers in collection.episodes.items() for n in numbers}
                assert len(wanted) == whole.episodes
                assert not wanted & played
                assert casts.as_set(found["whole"]) == set().union(*(truth[own] for own in wanted))
                played |= wanted
            else:
                expected = alone[policy_id].collect(plans[policy_id])[policy_id]
                assert casts.as_set(found[policy_id]) == casts.as_set(expected)
            begun[policy_id] = collector.begin(plans[policy_id], [policy_id])
    assert sum(num_taken.values()) >= 8


@settings(max_examples=20)
@given(in_turns=st.booleans(), copies=st.integers(1, 3), main=EPISODES, often=STEPS, rounds=st.integers(0, 5))
def test_what_stays_is_saved_with_the_plans(
    casts: Any,
    in_turns: bool,  # noqa: FBT001  a parameter of the test
    copies: int,
    main: ph.CollectPlan,
    often: ph.CollectPlan,
    rounds: int,
) -> None:
    def play(collector: Any, begun: dict[str, Any], rounds: int) -> list[Any]:
        taken = []
        for _ in range(rounds):
            collector.play(list(begun.values()))
            for policy_id, collection in begun.items():
                if collection.is_fulfilled:
                    by_episode = collection.plan.episodes is not None
                    batch = collector.take(collection, by_episode=by_episode)[policy_id]
                    taken.append((batch.trajectories, batch.transitions, casts.as_list(batch)))
                    begun[policy_id] = collector.begin(collection.plan, [policy_id])
        return taken

    plans = {"often": often, "main": main, "whole": ph.CollectPlan(episodes=4)}
    saved, loaded = (collector_of(casts, KINDS, copies, in_turns=in_turns, needs=["state"]) for _ in range(2))
    begun, again = ({i: c.begin(plan, [i]) for i, plan in plans.items()} for c in (saved, loaded))
    play(saved, begun, rounds)
    loaded.load_state_dict(saved.state_dict())
    for policy_id, collection in again.items():
        collection.load_state_dict(begun[policy_id].state_dict())
    assert repr(play(loaded, again, 6)) == repr(play(saved, begun, 6))


@settings(max_examples=20)
@given(
    in_turns=st.booleans(),
    copies=st.integers(2, 4),
    plans=st.lists(st.one_of(STEPS, EPISODES), min_size=2, max_size=6),
    max_steps=st.sampled_from([None, 5]),
)
def test_steps_and_states_are_those_of_the_decision_and_of_what_followed(
    casts: Any,
    in_turns: bool,  # noqa: FBT001  a parameter of the test
    copies: int,
    plans: list[ph.CollectPlan],
    max_steps: int | None,
) -> None:
    envs = [casts.RandomCast(in_turns=in_turns) for _ in range(copies)]
    kinds = dict.fromkeys(KINDS, casts.Remembering)
    collector = casts.collector(envs, kinds, KINDS, needs=["state"], max_steps=max_steps)
    ended: dict[Any, float | None] = {}  # when an agent ended, if it observed then
    following: dict[Any, float] = {}  # when an agent decides next, as the end of its last trajectory says
    for plan in plans:
        for batch in collector.collect(plan).values():
            b, t = batch.transitions, batch.trajectories
            for found in (b, t):
                assert (found.states[:, 0] == found.observations[:, 0]).all()
                assert (found.states[:, 1] == found.steps).all()
            assert (b.next_states[b.has_next, 0] == b.observations[b.has_next, 0]).all()
            assert (b.next_states[b.has_next, 1] > b.steps[b.has_next]).all()
            assert not b.next_states[~b.has_next].any()
            goes_on = b.has_next & ~b.terminated & ~b.truncated
            assert (b.next_states[goes_on, 1] >= b.next_observations[goes_on, 3]).all()
            for k, (first, end) in enumerate(pairwise(t.starts.tolist())):
                own = t.env_indices[k], t.episodes[k], t.agent_ids[k]
                assert following.pop(own, t.steps[first]) == t.steps[first]
                assert (np.diff(t.steps[first:end]) > 0).all()
                assert own not in ended
                if t.terminated[k] or t.truncated[k]:
                    ended[own] = t.next_states[k, 1] if t.has_next[k] else None
                elif t.has_next[k]:
                    following[own] = t.next_states[k, 1]
    for (env_index, episode, agent_id), step in ended.items():
        expected = envs[env_index].ended.get((episode, agent_id))
        assert step in (None, expected, max_steps)


@settings(max_examples=20)
@given(in_turns=st.booleans(), copies=st.integers(1, 3), plans=st.lists(STEPS, min_size=1, max_size=4))
def test_an_online_learner_gets_each_transition_once_and_as_soon_as_its_outcome_is_known(
    casts: Any,
    in_turns: bool,  # noqa: FBT001  a parameter of the test
    copies: int,
    plans: list[ph.CollectPlan],
) -> None:
    envs = [casts.RandomCast(in_turns=in_turns) for _ in range(copies)]
    heard: dict[str, list[ph.Transitions]] = {"main": [], "often": []}

    def hear(policy_id: str, found: ph.Transitions) -> None:
        heard[policy_id].append(found)
        for n, env_index in enumerate(found.env_indices):
            now = envs[env_index].state()
            assert found.states[n, 0] == now[0]
            assert not found.has_next[n] or (found.next_states[n] == now).all()
        assert len(found)

    kinds = dict(zip(KINDS, (casts.Remembering, casts.Plain, casts.Remembering), strict=True))
    learn_steps = {i: lambda found, i=i: hear(i, found) for i in heard}
    online = casts.collector(envs, kinds, KINDS, needs=["state"], learn_steps=learn_steps)
    usual = collector_of(casts, KINDS, copies, in_turns=in_turns, needs=["state"])
    for plan in plans:
        expected, found = usual.collect(plan), online.collect(plan)
        assert casts.as_set(found["whole"]) == casts.as_set(expected["whole"])
        for policy_id, transitions in heard.items():
            assert len(found[policy_id]) == 0
            assert casts.as_set(*transitions) == casts.as_set(expected[policy_id])
            transitions.clear()


def test_an_exception_in_an_online_learner_breaks_off_the_collection(casts: Any) -> None:
    heard: list[ph.Transitions] = []
    is_enough: list[bool] = []

    def hear(found: ph.Transitions) -> None:
        heard.append(found)
        if len(heard) == 10 and not is_enough:
            is_enough.append(True)
            raise RuntimeError("enough")

    collector = collector_of(casts, ["main", "whole"], 2, learn_steps={"main": hear})
    with pytest.raises(RuntimeError, match="enough"):
        collector.collect(ph.CollectPlan(steps=1000))
    last = max(found.episodes.max() for found in heard)
    heard.clear()
    batch = collector.collect(ph.CollectPlan(episodes=4))["whole"]
    truth = truth_of(casts, "whole", 2, in_turns=False)
    assert casts.as_set(batch) == set().union(*(truth[own] for own in rows_of_episodes(batch)))
    assert batch.transitions.episodes.min() > 0
    assert {int(e) for found in heard for e in found.episodes} <= {last, last + 1, last + 2}


@pytest.mark.parametrize("in_turns", [False, True])
def test_episodes_that_go_on_are_not_handed_over_by_episode(casts: Any, in_turns: bool) -> None:  # noqa: FBT001
    collector = collector_of(casts, KINDS, 3, in_turns=in_turns)
    truth = truth_of(casts, "whole", 3, in_turns=in_turns)
    whole = collector.begin(ph.CollectPlan(episodes=45), ["whole"])
    found = []
    while not whole.is_fulfilled:
        collector.play([collector.begin(ph.CollectPlan(steps=12), ["main"]), whole])
        found.append(collector.take(whole, by_episode=True)["whole"])
    wanted = {(copy, episode) for copy in range(3) for episode in range(15)}
    assert casts.as_set(*found) == set().union(*(truth[own] for own in wanted))
    assert len(found) > 5
    for batch in found:
        assert casts.as_set(batch) == set().union(*(truth[own] for own in rows_of_episodes(batch)))


def test_a_plan_may_leave_out_the_episodes_that_go_on(casts: Any) -> None:
    truth = truth_of(casts, "whole", 2, in_turns=False)
    found = {}
    for with_current in (True, False):
        collector = collector_of(casts, KINDS, 2)
        collector.play([collector.begin(ph.CollectPlan(steps=60), ["main"])])
        whole = collector.begin(ph.CollectPlan(episodes=4), ["whole"], with_current_episodes=with_current)
        collector.play([whole])
        found[with_current] = whole.episodes
        wanted = {(copy, episode) for copy, numbers in whole.episodes.items() for episode in numbers}
        batch = collector.take(whole, by_episode=True)["whole"]
        assert casts.as_set(batch) == set().union(*(truth[own] for own in wanted))
    firsts = {with_current: [own.start for own in found[with_current].values()] for with_current in found}
    assert all(len(own) == 2 for own in found[False].values())
    assert firsts == {True: [5, 6], False: [6, 7]}


class CountEnv(gym.Env[Any, Any]):
    """Observes [copy, episode, step]; copy i ends after i + 1 steps, an odd copy by truncation."""

    observation_space = gym.spaces.Box(0.0, 1000.0, (3,), np.float32)
    action_space = gym.spaces.Discrete(2)

    def __init__(self, number: int) -> None:
        self.number, self.episode, self.count = number, -1, 0

    def reset(self, **options: Any) -> Any:
        super().reset(seed=options.get("seed"))
        self.episode, self.count = self.episode + 1, 0
        return self._observation(), {}

    def step(self, action: Any) -> Any:
        self.count += 1
        is_over, is_odd = self.count > self.number, bool(self.number % 2)
        return self._observation(), float(self.count), is_over and not is_odd, is_over and is_odd, {}

    def _observation(self) -> Any:
        return np.array([self.number, self.episode, self.count], np.float32)


@pytest.mark.parametrize("mode", list(AutoresetMode))
def test_an_online_learner_gets_each_transition_of_a_native_vector_env(
    casts: Any, mode: AutoresetMode
) -> None:
    def collector(**options: Any) -> ph.Collector:
        makers = [functools.partial(CountEnv, number) for number in range(3)]
        envs = ph.NativeVectorEnv(SyncVectorEnv(makers, autoreset_mode=mode))
        policy = ph.ConstantPolicy(CountEnv.observation_space, CountEnv.action_space, action=1)
        return ph.Collector(envs, {"p": policy}, {"agent": "p"}, seed=1, learning=["p"], **options)

    heard: list[ph.Transitions] = []
    usual, online = collector(), collector(learn_steps={"p": heard.append})
    for steps in (3, 9, 30):
        heard.clear()
        expected, found = (
            usual.collect(ph.CollectPlan(steps=steps)),
            online.collect(ph.CollectPlan(steps=steps)),
        )
        assert len(found["p"]) == 0
        assert casts.as_set(*heard) == casts.as_set(expected["p"])
        assert (expected["p"].transitions.steps == expected["p"].transitions.observations[:, 2]).all()
        assert all(len(set(transitions.env_indices)) == len(transitions) for transitions in heard)


@pytest.mark.parametrize("in_turns", [False, True])
def test_transitions_are_the_same_one_by_one_as_in_arrays(casts: Any, in_turns: bool) -> None:  # noqa: FBT001
    heard: list[ph.Transitions] = []
    options = {"in_turns": in_turns, "needs": ["state"]}
    online = collector_of(casts, KINDS, 2, learn_steps={"main": heard.append}, **options)
    batch = collector_of(casts, KINDS, 2, **options).collect(ph.CollectPlan(steps=200))["main"]
    online.collect(ph.CollectPlan(steps=200))
    assert len(heard) > 50
    for transitions in (batch.transitions, *heard):
        plain = list(transitions)
        assert len(plain) == len(transitions)
        for n, one in enumerate(plain):
            assert all(np.array_equal(one.extras[name], transitions.extras[name][n]) for name in one.extras)
            assert one.extras.keys() == transitions.extras.keys()
            assert one.agent_id == transitions.agent_ids[n]
            for name in ("observation", "action", "reward", "next_observation", "episode", "step"):
                assert np.array_equal(getattr(one, name), getattr(transitions, f"{name}s")[n])
            assert one.env_index == transitions.env_indices[n]
            for name in ("has_next", "terminated", "truncated"):
                assert getattr(one, name) is bool(getattr(transitions, name)[n])
            assert np.array_equal(one.state, transitions.states[n])
            assert not one.has_next or np.array_equal(one.next_state, transitions.next_states[n])
    with pytest.raises(AttributeError, match="observatoins"):
        _ = heard[0].observatoins
    twin = copy.deepcopy(heard[0])
    assert list(map(repr, twin)) == list(map(repr, heard[0]))
