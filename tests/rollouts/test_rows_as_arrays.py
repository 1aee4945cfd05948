"""A vector env that gives and takes arrays is played as one that gives and takes lists."""

from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import phantom_core as ph

SPACE = gym.spaces.Discrete(9, start=2)
ACTION = gym.spaces.Discrete(3, start=1)
IDS = ("A", "B")


class Facts:
    """Two agents, which act in every step."""

    acting_agent_ids = None
    strategic_agent_ids = IDS
    observation_spaces: Mapping[Any, gym.Space[Any]] = dict.fromkeys(IDS, SPACE)
    action_spaces: Mapping[Any, gym.Space[Any]] = dict.fromkeys(IDS, ACTION)


class Pairs(ph.VectorEnv):
    """Each agent of a pair goes around in a circle; an episode of copy i has i % 5 + 3 steps."""

    env_name = "Pairs"

    def __init__(self, num_copies: int) -> None:
        self.num_copies = num_copies
        self.places, self.ages = np.zeros((num_copies, 2), np.int64), np.zeros(num_copies, np.int64)

    def reset(self, numbers: Sequence[int], seeds: Sequence[int]) -> list[dict[Any, Any] | None]:
        self.places[list(numbers)] = [[seed % 9, seed % 7] for seed in seeds]
        self.ages[list(numbers)] = 0
        return [self.seen(number) for number in numbers]

    def step(self, numbers: Sequence[int], actions: Sequence[Mapping[Any, Any]]) -> list[ph.StepResult]:
        for own in actions:
            assert set(map(type, own.values())) == {int}
        self.move(list(numbers), np.array([[own[i] for i in IDS] for own in actions]))
        return [self.result(number) for number in numbers]

    def move(self, numbers: Any, actions: Any) -> None:
        self.places[numbers] = (self.places[numbers] + actions) % 9
        self.ages[numbers] += 1

    def seen(self, number: int) -> dict[str, int]:
        return dict(zip(IDS, (self.places[number] + 2).tolist(), strict=True))

    def is_over(self, number: int) -> bool:
        return bool(self.ages[number] == number % 5 + 3)

    def result(self, number: int) -> ph.StepResult:
        is_over = self.is_over(number)
        flags = dict.fromkeys((*IDS, "__all__"), is_over)
        rewards = dict(zip(IDS, (self.places[number] / 7.0).tolist(), strict=True))
        return ph.StepResult(self.seen(number), rewards, flags, dict.fromkeys(flags, False), {})

    def facts(self, number: int) -> Facts:
        return Facts()

    def measure(self, metrics: Any, mode: Any) -> None:
        assert not metrics

    def take_metrics(self, number: int) -> dict[str, Any]:
        return {}

    def policies_for(self, number: int, agent_id: Any, specs: Any) -> list[str]:
        return []

    def fingerprint(self, number: int) -> str:
        return f"{self.places[number]} {self.ages[number]}"

    def close(self) -> None:
        """Nothing to close."""


class ArrayPairs(Pairs):
    """The same with arrays."""

    takes_arrays = True

    def __init__(self, num_copies: int) -> None:
        super().__init__(num_copies)
        self.given: set[type] = set()

    def step_rows(self, table: Any, actions: Any) -> Any:
        if not table.repeats:
            return super().step_rows(table, [int(action) for action in actions])
        self.given.add(type(actions))
        self.move(slice(None), np.reshape(actions, (-1, 2)))
        rewards = (self.places / 7.0).ravel()
        others = [(n, self.result(n)) for n in range(self.num_copies) if self.is_over(n)]
        for place, _ in others:
            rewards[2 * place : 2 * place + 2] = 0.0
        return table.step((self.places + 2).ravel(), rewards, others)


class Drawing(ph.Policy):
    """Draws its actions, into an array or a list."""

    def __init__(self, *spaces: Any, as_array: bool) -> None:
        super().__init__(*spaces)
        self.as_array = as_array

    def compute_action(self, observation: Any) -> int:
        return 2

    def sample_actions(self, observations: Any, rng: ph.RowStreams) -> tuple[Any, dict[str, Any]]:
        assert set(map(type, observations)) == {int}
        draws = rng.uniforms(1)[:, 0]
        actions = 1 + (3 * draws).astype(np.int64)
        return actions if self.as_array else actions.tolist(), {"draw": draws, "seen": observations}


def play(
    envs: ph.VectorEnv, mapping: Mapping[str, str], online: set[str], plans: list[int], *, as_array: bool
) -> list[str]:
    heard: list[str] = []

    def hear(policy_id: str) -> Any:
        def learn(rows: ph.Transitions) -> None:
            heard.extend(f"{policy_id} {one!r}" for one in rows)
            assert rows.rewards.dtype == np.float64
            assert rows.actions.dtype == rows.observations.dtype == rows.next_observations.dtype == np.int64

        return learn

    policies = {i: Drawing(SPACE, ACTION, as_array=as_array) for i in set(mapping.values())}
    collector = ph.Collector(
        envs,
        policies,
        mapping,
        seed=4,
        learning=sorted(policies),
        learn_steps={i: hear(i) for i in online},
        on_episode=lambda episode: heard.append(repr(episode)),
    )
    for steps in plans:
        batches = collector.collect(ph.CollectPlan(steps=steps * envs.num_copies, copies=envs.num_copies))
        heard += [f"{i} {one!r}" for i, batch in batches.items() for one in batch.transitions]
    return [text.replace("np.int64", "").replace("(", " ").replace(")", " ") for text in heard]


@settings(max_examples=30, deadline=None)
@given(
    copies=st.sampled_from((1, 2, 5, 40, 70)),
    owners=st.tuples(*[st.sampled_from(("p", "q"))] * 2),
    online=st.sets(st.sampled_from(("p", "q"))),
    plans=st.lists(st.integers(1, 12), min_size=1, max_size=3),
)
def test_it_is_played_as_with_lists(
    copies: int, owners: tuple[str, str], online: set[str], plans: list[int]
) -> None:
    mapping, online = dict(zip(IDS, owners, strict=True)), online.intersection(owners)
    expected = play(Pairs(copies), mapping, online, plans, as_array=False)
    assert play(Pairs(copies), mapping, online, plans, as_array=True) == expected
    assert play(ArrayPairs(copies), mapping, online, plans, as_array=False) == expected
    assert play(ArrayPairs(copies), mapping, online, plans, as_array=True) == expected


@pytest.mark.parametrize(("as_array", "given"), [(True, np.ndarray), (False, list)])
@pytest.mark.parametrize("owners", [("p", "p"), ("p", "q")])
def test_it_gets_an_array_where_all_policies_returned_one(
    as_array: bool,  # noqa: FBT001  a parameter of the test
    given: type,
    owners: tuple[str, str],
) -> None:
    envs = ArrayPairs(6)
    play(envs, dict(zip(IDS, owners, strict=True)), set(), [9], as_array=as_array)
    assert envs.given <= {given, tuple}  # a tuple is as good as a list
    assert envs.given


class Odd(ArrayPairs):
    """Changes what it returns from the second step of a table that repeats itself on."""

    def __init__(self, num_copies: int, odd: Any) -> None:
        super().__init__(num_copies)
        self.odd = odd

    def step_rows(self, table: Any, actions: Any) -> Any:
        found = super().step_rows(table, actions)
        return found._replace(**self.odd(found)) if table.repeats else found


@pytest.mark.parametrize(
    ("odd", "error", "expected"),
    [
        (
            lambda found: {"rewards": np.where(np.arange(8) == 5, np.nan, found.rewards)},
            ph.errors.EnvError,
            (
                "The reward of 'B' at step 2 is nan. Expected a finite number: change "
                "compute_reward(), or step() of a Gymnasium env."
            ),
        ),
        (
            lambda found: {"rewards": found.rewards[:7]},
            ph.errors.EnvError,
            (
                "step_rows() of Pairs returned 8 observations and 7 rewards, but 8 and 8 are expected in "
                "this step. Return one for each row while table.repeats, and what super().step_rows() "
                "returns in other steps."
            ),
        ),
        (
            lambda found: {"observations": np.where(np.arange(8) == 3, 11, found.observations)},
            ph.errors.ObservationError,
            (
                "Observation of 'B' at step 2 is 11 (int), but its observation space is "
                "Discrete(9, start=2). Change encode_observation(), or reset() and step() of a Gymnasium "
                "env, or the space. Play it again with env.reset(seed="
            ),
        ),
    ],
)
def test_what_is_wrong_in_an_array_is_named(odd: Any, error: type[Exception], expected: str) -> None:
    with pytest.raises(error) as caught:
        play(Odd(4, odd), dict.fromkeys(IDS, "p"), set(), [9], as_array=True)
    assert str(caught.value).startswith(expected)


def test_integers_of_another_size_are_rewards_too() -> None:
    envs = Odd(4, lambda found: {"rewards": np.round(found.rewards).astype(np.int32)})
    heard = play(envs, dict.fromkeys(IDS, "p"), {"p"}, [9], as_array=True)
    assert any("reward=1.0" in text for text in heard)


class Outside(Drawing):
    """Chooses an action that there is not."""

    def sample_actions(self, observations: Any, rng: ph.RowStreams) -> tuple[Any, dict[str, Any]]:
        return np.arange(1, len(observations) + 1), {}


def test_an_action_of_an_array_that_is_outside_its_space_is_named() -> None:
    policies = {"p": Outside(SPACE, ACTION, as_array=True)}
    collector = ph.Collector(ArrayPairs(4), policies, dict.fromkeys(IDS, "p"), seed=1, learning=["p"])
    with pytest.raises(ph.errors.EnvError) as caught:
        collector.collect(ph.CollectPlan(steps=4))
    assert str(caught.value) == (
        "Policy 'p' chose 4 for agent 'B', which is not in its action space Discrete(3, start=1). Change "
        "what the policy returns."
    )


class SameBuffer(ArrayPairs):
    """Returns the same array of observations again and again, and writes into it."""

    def __init__(self, num_copies: int) -> None:
        super().__init__(num_copies)
        self.buffer = np.zeros(2 * num_copies, np.int64)

    def step_rows(self, table: Any, actions: Any) -> Any:
        found = super().step_rows(table, actions)
        if not table.repeats:
            return found
        self.buffer[:] = found.observations
        return found._replace(observations=self.buffer)


@pytest.mark.parametrize("online", [set(), {"p"}])
def test_an_env_that_writes_into_its_observations_is_played_all_the_same(online: set[str]) -> None:
    found = [
        play(envs, dict.fromkeys(IDS, "p"), online, [3, 9], as_array=True)
        for envs in (ArrayPairs(3), SameBuffer(3))
    ]
    assert found[0] == found[1]


@pytest.mark.parametrize("as_array", [False, True])
def test_its_episodes_can_be_played_again(as_array: bool) -> None:  # noqa: FBT001  a parameter of the test
    def collector() -> ph.Collector:
        policies = {"p": Drawing(SPACE, ACTION, as_array=as_array)}
        return ph.Collector(ArrayPairs(4), policies, dict.fromkeys(IDS, "p"), seed=1, learning=["p"])

    plan, one, other = ph.CollectPlan(steps=4 * 7, copies=4), collector(), collector()
    one.collect(plan)
    other.load_state_dict(one.state_dict())
    assert repr(list(other.collect(plan)["p"].transitions)) == repr(list(one.collect(plan)["p"].transitions))


@pytest.mark.parametrize("kinds", [(True, False), (True, True)])
def test_an_env_that_wants_lists_gets_ints_whatever_policies_return(kinds: tuple[bool, bool]) -> None:
    policies = {i: Drawing(SPACE, ACTION, as_array=kind) for i, kind in zip("pq", kinds, strict=True)}
    for envs in (Pairs(4), TakesArraysByDefault(4)):  # both assert it in step()
        collector = ph.Collector(envs, policies, {"A": "p", "B": "q"}, seed=1, learning=["p", "q"])
        collector.collect(ph.CollectPlan(steps=4 * 9))


class TakesArraysByDefault(Pairs):
    """Says that it takes arrays, and leaves `step_rows` as it is."""

    takes_arrays = True


class Small(Drawing):
    """Returns the highest action as the smallest integers there are, and uses its array again."""

    def sample_actions(self, observations: Any, rng: ph.RowStreams) -> tuple[Any, dict[str, Any]]:
        self.buffer = np.full(len(observations), 3, np.uint8)
        return self.buffer, {}


class Overwriting(ArrayPairs):
    """Multiplies its actions by 100 in place."""

    def step_rows(self, table: Any, actions: Any) -> Any:
        if table.repeats:
            assert actions.dtype == np.int64
            actions *= 100
            assert set(actions.tolist()) == {300}
            actions //= 300
        return super().step_rows(table, actions)


@pytest.mark.parametrize("online", [False, True])
def test_an_array_of_actions_is_the_envs_own_and_of_64_bits(
    online: bool,  # noqa: FBT001  a parameter of the test
) -> None:
    learned: list[int] = []
    collector = ph.Collector(
        Overwriting(70),
        {"p": Small(SPACE, ACTION, as_array=True)},
        dict.fromkeys(IDS, "p"),
        seed=1,
        learning=["p"],
        learn_steps={"p": lambda rows: learned.extend(rows.actions.tolist())} if online else {},
    )
    learned += collector.collect(ph.CollectPlan(steps=70 * 9))["p"].transitions.actions.tolist()
    assert set(learned) == {3}


def test_a_copy_that_stood_still_for_long_is_saved_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("phantom_core.rollouts.collect.MAX_HISTORY", 1000)

    def collector() -> ph.Collector:
        policies = {"p": Drawing(SPACE, ACTION, as_array=False)}
        return ph.Collector(Pairs(2), policies, dict.fromkeys(IDS, "p"), seed=1, learning=["p"], seeds=[1, 2])

    def plan(steps: int, *without: int) -> ph.CollectPlan:
        return ph.CollectPlan(steps=2 * steps, copies=2, is_independent=True, without=without)

    one, other = collector(), collector()
    one.collect(plan(2))
    one.collect(plan(2500, 1))
    other.load_state_dict(one.state_dict())
    found = [[repr(t) for t in own.collect(plan(7))["p"].transitions] for own in (one, other)]
    assert found[0] == found[1]
    one.collect(plan(1))
    again = collector()
    again.load_state_dict(one.state_dict())
    assert repr(list(again.collect(plan(3))["p"].transitions)) == repr(
        list(one.collect(plan(3))["p"].transitions)
    )
