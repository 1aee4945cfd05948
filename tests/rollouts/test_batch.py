"""How what was collected is laid out, for each kind of space."""

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import phantom_core as ph

BOX = gym.spaces.Box(-10.0, 10.0, (2,), np.float32)
IMAGE = gym.spaces.Box(0, 255, (2, 3), np.uint8)
SCALAR = gym.spaces.Box(-100.0, 100.0, (), np.float64)
DISCRETE = gym.spaces.Discrete(50, start=1)
MULTI = gym.spaces.MultiDiscrete([20, 20])
BITS = gym.spaces.MultiBinary(3)
MASKED = gym.spaces.Dict({"observation": BOX, "action_mask": BITS})
NESTED = gym.spaces.Tuple((DISCRETE, gym.spaces.Dict({"x": SCALAR})))
TEXT = gym.spaces.Text(5)

SPACES: dict[str, tuple[gym.Space[Any], Callable[[int], Any]]] = {
    "Box": (BOX, lambda n: np.array([n, -n], np.float32)),
    "image": (IMAGE, lambda n: np.full((2, 3), n, np.uint8)),
    "scalar": (SCALAR, lambda n: np.array(n / 2)),
    "Discrete": (DISCRETE, lambda n: n + 1),
    "MultiDiscrete": (MULTI, lambda n: np.array([n, n + 1])),
    "MultiBinary": (BITS, lambda n: np.array([n % 2, 1, 0], np.int8)),
    "Dict": (
        MASKED,
        lambda n: {"observation": np.full(2, n, np.float32), "action_mask": np.ones(3, np.int8)},
    ),
    "Tuple": (NESTED, lambda n: (n + 1, {"x": np.array(n / 4)})),
    "Text": (TEXT, lambda n: "abcde"[: n % 5 + 1]),
}


class ShowAgent(ph.StrategicAgent):
    """Observes, and is paid, by the number of its own steps so far."""

    action_space = gym.spaces.Discrete(3)

    def __init__(self, agent_id: str, space: gym.Space[Any], show: Callable[[int], Any]) -> None:
        super().__init__(agent_id)
        self.observation_space, self.show = space, show

    def reset(self) -> None:
        self.count = 0

    def decode_action(self, ctx: ph.Context, action: Any) -> None:
        self.count += 1

    def encode_observation(self, ctx: ph.Context) -> Any:
        return self.show(self.count)

    def compute_reward(self, ctx: ph.Context) -> float:
        return float(self.count)


class EchoPolicy(ph.Policy):
    """Keeps how it is asked; acts by a function of the number of rows."""

    act: Callable[[int], Any] = staticmethod(lambda number: [0] * number)
    extras: Callable[[int], dict[str, Any]] = staticmethod(lambda _: {})

    def __init__(self, observation_space: gym.Space[Any], action_space: gym.Space[Any]) -> None:
        super().__init__(observation_space, action_space)
        self.asked: list[Any] = []

    def compute_action(self, observation: Any) -> Any:
        raise AssertionError

    def sample_actions(self, observations: Any, rng: ph.RowStreams) -> tuple[Any, dict[str, Any]]:
        self.asked.append(observations)
        return type(self).act(len(rng)), type(self).extras(len(rng))


def collect(
    space: gym.Space[Any],
    show: Callable[[int], Any],
    *,
    steps: int = 3,
    copies: int = 1,
    agents: int = 2,
    policy: type[EchoPolicy] = EchoPolicy,
    plan: ph.CollectPlan | None = None,
) -> ph.Batch:
    envs = [
        ph.PhantomEnv(steps, ph.Network([ShowAgent(f"A{i}", space, show) for i in range(agents)]))
        for _ in range(copies)
    ]
    action_space = envs[0].action_spaces["A0"]
    mapping: dict[ph.AgentID, str] = dict.fromkeys(envs[0].strategic_agent_ids, "p")
    collector = ph.Collector(envs, {"p": policy(space, action_space)}, mapping, seed=1, learning=["p"])
    return collector.collect(plan or ph.CollectPlan(episodes=copies, copies=copies))["p"]


def equal(one: Any, other: Any) -> bool:
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(equal(one[key], other[key]) for key in one)
    if isinstance(one, (tuple, list)):
        return len(one) == len(other) and all(map(equal, one, other))
    return bool(np.array_equal(one, other))


@pytest.mark.parametrize("name", SPACES)
def test_every_kind_of_observation_comes_back_as_it_was_shown(name: str) -> None:
    space, show = SPACES[name]
    for trajectory in collect(space, show, copies=2).trajectories:
        assert equal(trajectory.observations, [show(n) for n in range(3)])
        assert equal(trajectory.next_observation, show(3))
        assert trajectory.rewards == [1.0, 2.0, 3.0]


def test_observations_of_array_spaces_are_arrays_of_the_spaces_dtype() -> None:
    kinds = {
        name: collect(*SPACES[name]).transitions.observations
        for name in ("Box", "image", "scalar", "Discrete", "MultiDiscrete", "MultiBinary")
    }
    assert {name: (found.shape, found.dtype.name) for name, found in kinds.items()} == {
        "Box": ((6, 2), "float32"),
        "image": ((6, 2, 3), "uint8"),
        "scalar": ((6,), "float64"),
        "Discrete": ((6,), "int64"),
        "MultiDiscrete": ((6, 2), "int64"),
        "MultiBinary": ((6, 3), "int8"),
    }


def test_observations_of_nested_spaces_are_dicts_and_tuples_of_arrays() -> None:
    masked, nested = (collect(*SPACES[name]).transitions.observations for name in ("Dict", "Tuple"))
    assert {key: part.shape for key, part in masked.items()} == {"observation": (6, 2), "action_mask": (6, 3)}
    assert nested[0].tolist() == [1, 1, 2, 2, 3, 3]
    assert nested[1]["x"].tolist() == [0.0, 0.0, 0.25, 0.25, 0.5, 0.5]


def test_transitions_are_in_time_order() -> None:
    batch = collect(*SPACES["Discrete"], copies=2).transitions
    assert batch.observations.tolist() == [1] * 4 + [2] * 4 + [3] * 4
    assert batch.next_observations.tolist() == [2] * 4 + [3] * 4 + [4] * 4
    assert batch.rewards.tolist() == [1.0] * 4 + [2.0] * 4 + [3.0] * 4
    assert batch.has_next.tolist() == [True] * 12
    assert batch.truncated.tolist() == [False] * 8 + [True] * 4
    assert batch.terminated.tolist() == [False] * 12
    assert batch.agent_ids == ["A0", "A1"] * 6
    assert batch.env_indices.tolist() == [0, 0, 1, 1] * 3
    assert batch.episodes.tolist() == [0] * 12
    assert batch.steps.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert len(batch) == 12


def test_trajectories_are_one_trajectory_after_the_other() -> None:
    batch = collect(*SPACES["Discrete"], copies=2).trajectories
    assert batch.starts.tolist() == [0, 3, 6, 9, 12]
    assert batch.observations.tolist() == [1, 2, 3] * 4
    assert batch.next_observations.tolist() == [4] * 4
    assert batch.rewards.tolist() == [1.0, 2.0, 3.0] * 4
    assert (list(batch.agent_ids), list(batch.env_indices)) == (["A0", "A1", "A0", "A1"], [0, 0, 1, 1])
    assert list(batch.episodes) == [0] * 4
    assert batch.truncated.tolist() == [True] * 4
    assert batch.terminated.tolist() == [False] * 4
    assert batch.steps.tolist() == [0, 1, 2] * 4
    assert len(batch) == 4


def test_a_policy_is_asked_with_a_batch_that_it_cannot_write() -> None:
    class Writing(EchoPolicy):
        def sample_actions(self, observations: Any, rng: ph.RowStreams) -> tuple[Any, dict[str, Any]]:
            observations[0] = 5.0
            return super().sample_actions(observations, rng)

    with pytest.raises(ValueError, match="read-only"):
        collect(*SPACES["Box"], policy=Writing)


def test_discrete_observations_are_asked_as_ints() -> None:
    asked: list[Any] = []

    class Asked(EchoPolicy):
        def sample_actions(self, observations: Any, rng: ph.RowStreams) -> tuple[Any, dict[str, Any]]:
            asked.append(observations)
            return super().sample_actions(observations, rng)

    collect(*SPACES["Discrete"], policy=Asked, steps=1)
    assert asked == [[1, 1]]


def test_extras_are_arrays_beside_the_actions() -> None:
    class Telling(EchoPolicy):
        extras = staticmethod(lambda number: {"logits": np.ones((number, 4), np.float32)})

    batch = collect(*SPACES["Box"], policy=Telling)
    assert (batch.transitions.extras["logits"].shape, batch.transitions.extras["logits"].dtype) == (
        (6, 4),
        np.float32,
    )


def test_extras_with_other_names_than_before_are_refused() -> None:
    class Fickle(EchoPolicy):
        def sample_actions(self, observations: Any, rng: ph.RowStreams) -> tuple[Any, dict[str, Any]]:
            self.asked.append(0)
            return [0] * len(rng), {"value" if len(self.asked) < 2 else "values": [0.0] * len(rng)}

    with pytest.raises(ph.errors.ConfigError) as caught:
        collect(*SPACES["Box"], policy=Fickle)
    assert str(caught.value) == (
        "sample_actions() returned the extras 'values', but 'value' before. Return the same names every time."
    )


class ShiftingPolicy(ph.RandomPolicy):
    """Samples arrays of choices from 10 on, and plays them from 0 on."""

    def sample_actions(self, observations: Any, rng: ph.RowStreams) -> tuple[Any, dict[str, Any]]:
        return np.asarray(super().sample_actions(observations, rng)[0]) + 10, {}

    def env_actions(self, actions: Any) -> Any:
        return actions - 10


def test_choices_that_are_sampled_as_an_array_and_played_as_another_are_kept_as_sampled() -> None:
    env = ph.PhantomEnv(20, ph.Network([ShowAgent("A", DISCRETE, lambda n: n + 1)]))
    policy = ShiftingPolicy(DISCRETE, ShowAgent.action_space)
    collector = ph.Collector([env], {"p": policy}, {"A": "p"}, seed=1, learning=["p"])
    actions = collector.collect(ph.CollectPlan(steps=20))["p"].transitions.actions
    assert actions.dtype == np.int64
    assert set(actions.tolist()) == {10, 11, 12}


def test_actions_keep_the_dtype_that_the_policy_returned() -> None:
    class Small(EchoPolicy):
        act = staticmethod(lambda number: np.full((number, 2), 0.25, np.float32))

    class Steered(ShowAgent):
        action_space = gym.spaces.Box(-1.0, 1.0, (2,), np.float32)

    env = ph.PhantomEnv(2, ph.Network([Steered("A0", *SPACES["Box"])]))
    policy = Small(BOX, Steered.action_space)
    batch = ph.Collector([env], {"p": policy}, {"A0": "p"}, seed=1, learning=["p"]).collect(
        ph.CollectPlan(episodes=1)
    )["p"]
    assert (batch.transitions.actions.shape, batch.transitions.actions.dtype) == ((2, 2), np.float32)


def test_actions_of_nested_spaces_are_batched_as_observations_are() -> None:
    space = gym.spaces.Dict({"price": gym.spaces.Box(0.0, 1.0, (1,)), "sell": gym.spaces.Discrete(2)})
    choice = {"price": np.array([0.5], np.float32), "sell": 1}

    class Seller(EchoPolicy):
        act = staticmethod(lambda number: [choice] * number)

    class Shop(ShowAgent):
        action_space = space

    env = ph.PhantomEnv(2, ph.Network([Shop("A0", *SPACES["Box"])]))
    batch = ph.Collector([env], {"p": Seller(BOX, space)}, {"A0": "p"}, seed=1, learning=["p"]).collect(
        ph.CollectPlan(episodes=1)
    )["p"]
    assert batch.transitions.actions["price"].tolist() == [[0.5], [0.5]]
    assert batch.transitions.actions["sell"].tolist() == [1, 1]
    assert batch.trajectories[0].actions[0]["sell"] == 1


def test_where_nothing_followed_the_next_observation_is_an_element_of_the_space() -> None:
    batch = collect(BOX, lambda n: None if n == 3 else np.full(2, n + 1.0, np.float32))
    assert batch.transitions.has_next.tolist() == [True] * 4 + [False] * 2
    assert batch.transitions.next_observations[:4].tolist() == batch.transitions.observations[2:].tolist()
    assert batch.trajectories.has_next.tolist() == [False, False]
    assert batch.trajectories.next_observations.tolist() == [[0.0, 0.0]] * 2
    assert [t.next_observation for t in batch.trajectories] == [None, None]


WRONG: dict[str, tuple[gym.Space[Any], Any, str]] = {
    "shape": (BOX, np.zeros(3, np.float32), "has shape (3,) and dtype float32, with values from 0.0 to 0.0"),
    "bound": (
        BOX,
        np.full(2, 11, np.float32),
        "has shape (2,) and dtype float32, with values from 11.0 to 11.0",
    ),
    "NaN": (
        BOX,
        np.full(2, np.nan, np.float32),
        "has shape (2,) and dtype float32, with values from nan to nan",
    ),
    "fraction": (
        BITS,
        np.full(3, 0.5),
        "has shape (3,) and dtype float64, with values from 0.5 to 0.5",
    ),
    "MultiDiscrete": (MULTI, np.array([0, 20]), "has shape (2,) and dtype int64, with values from 0 to 20"),
    "kind": (BOX, "up", "is 'up' (str)"),
    "key": (gym.spaces.Dict({"x": DISCRETE}), {"y": 1}, "is {'y': 1} (dict)"),
    "part": (gym.spaces.Tuple((DISCRETE,)), (0,), "is (0,) (tuple)"),
}


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.filterwarnings("ignore:.*Casting input x to numpy array")
def test_the_one_wrong_observation_of_a_batch_is_found(name: str) -> None:
    space, wrong, found = WRONG[name]
    right = space.sample()
    calls = iter(range(100))

    def show(_: int) -> Any:  # the second agent's second observation is wrong
        return wrong if next(calls) == 3 else right

    with pytest.raises(ph.errors.ObservationError) as caught:
        collect(space, show)
    assert str(caught.value) == (
        f"Observation of 'A1' at step 1 {found}, but its observation space is {space}. Change "
        "encode_observation(), or reset() and step() of a Gymnasium env, or the space. Play it again with "
        "env.reset(seed=1401479987715871550)."
    )


def test_lengths_that_add_up_by_chance_are_found() -> None:
    shapes = iter([2, 2, 1, 3, 2, 2])
    with pytest.raises(ph.errors.ObservationError, match=r"Observation of 'A0' at step 1 has shape \(1,\)"):
        collect(BOX, lambda _: np.zeros(next(shapes), np.float32))


@pytest.mark.parametrize("name", ["Box", "Discrete", "Dict", "Tuple", "Text"])
def test_an_iteration_that_is_cut_hands_over_the_same_rows(name: str) -> None:
    space, show = SPACES[name]
    env = ph.PhantomEnv(7, ph.Network([ShowAgent("A0", space, show)]))
    policy = EchoPolicy(space, env.action_spaces["A0"])
    collector = ph.Collector([env], {"p": policy}, {"A0": "p"}, seed=1, learning=["p"])
    pieces = [collector.collect(ph.CollectPlan(steps=2))["p"].trajectories for _ in range(4)]
    rows = [o for piece in pieces for t in piece for o in t.observations if t.episode == 0]
    assert equal(rows, [show(n) for n in range(7)])
    assert [t.next_observation is not None for piece in pieces for t in piece] == [True] * 5


def test_float64_is_taken_in_a_box_of_float32() -> None:
    batch = collect(BOX, lambda n: np.array([n / 3, 1.0]))
    assert batch.transitions.observations.dtype == np.float32
    assert batch.transitions.observations[:, 0].tolist() == [
        float(np.float32(n / 3)) for n in (0, 0, 1, 1, 2, 2)
    ]


@pytest.mark.parametrize("value", [1e300, float("nan")])
def test_float64_that_float32_cannot_hold_is_refused(value: float) -> None:
    space = gym.spaces.Box(-np.inf, np.inf, (2,), np.float32)
    with pytest.raises(ph.errors.ObservationError, match=r"^Observation of 'A0' at step 0 has shape"):
        collect(space, lambda n: np.array([n, value]))


def test_integers_are_taken_in_a_box_only_if_every_value_of_their_type_fits() -> None:
    assert collect(BOX, lambda n: np.array([n, 1], np.int8)).transitions.observations.dtype == np.float32
    with pytest.raises(ph.errors.ObservationError, match="dtype int64"):
        collect(BOX, lambda n: np.array([n, 1], np.int64))


def test_the_filler_is_an_element_of_a_space_that_begins_elsewhere() -> None:
    space = gym.spaces.Discrete(4, start=5)
    batch = collect(space, lambda n: None if n == 3 else 5 + n)
    assert all(space.contains(seen) for seen in batch.trajectories.next_observations.tolist())


def test_trajectories_by_hand_of_wrong_lengths_are_refused() -> None:
    whole = collect(*SPACES["Discrete"]).trajectories
    whole.next_observations = whole.next_observations[:1]
    with pytest.raises(ph.errors.ConfigError) as caught:
        ph.Batch.of(whole, DISCRETE)
    assert str(caught.value) == "Trajectories have starts=[0, 3, 6], but 1 next_observations. Expected 2."


def test_a_batch_of_trajectories_has_the_same_transitions_one_trajectory_after_the_other() -> None:
    collected = collect(*SPACES["Discrete"], copies=2)
    again = ph.Batch.of(collected.trajectories, DISCRETE).transitions
    assert again.observations.tolist() == collected.trajectories.observations.tolist()
    assert again.next_observations.tolist() == [2, 3, 4] * 4
    assert again.truncated.tolist() == [False, False, True] * 4
    assert again.steps.tolist() == [0, 1, 2] * 4
