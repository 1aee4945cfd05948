"""What a `ReplayBuffer` holds, against a list of transitions that is easy to believe."""

import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields, replace
from itertools import pairwise
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import phantom_core as ph
from phantom_core.policies.batching import put_rows
from phantom_core.rollouts import n_step_chains
from phantom_core.training.checkpoint import load_checkpoint, save_checkpoint

BOX = gym.spaces.Box(-1e6, 1e6, (2,), np.float32)
MASKED = gym.spaces.Dict({"seen": BOX, "action_mask": gym.spaces.MultiBinary(3)})
NESTED = gym.spaces.Tuple((gym.spaces.Discrete(1000), gym.spaces.Dict({"x": BOX})))
ACTIONS, TEN = gym.spaces.Discrete(100), gym.spaces.Discrete(10)
THREE = gym.spaces.Box(-1.0, 1.0, (3,), np.float32)
TEXT = gym.spaces.Text(5)


class Row(NamedTuple):
    """One transition; observations, actions and states are numbers here."""

    observation: int
    reward: float
    next_observation: int
    env_index: int = 0
    agent_id: ph.AgentID = "A"
    episode: int = 0
    has_next: bool = True
    terminated: bool = False
    truncated: bool = False

    @property
    def is_known(self) -> bool:
        return self.has_next or self.terminated


def boxes(numbers: Sequence[int]) -> Any:
    return np.array([[number, -number] for number in numbers], np.float32).reshape(len(numbers), 2)


def masked(numbers: Sequence[int]) -> Any:
    masks = np.array([[number % 2, 1, 0] for number in numbers], np.int8).reshape(len(numbers), 3)
    return {"seen": boxes(numbers), "action_mask": masks}


def nested(numbers: Sequence[int]) -> Any:
    return np.array(numbers, np.int64), {"x": boxes(numbers)}


def transitions(rows: Sequence[Row], batch: Callable[[Sequence[int]], Any] = boxes) -> ph.Transitions:
    """Return rows as a trainer gets them; the action, the extra and the state tell the observation."""
    seen, following = ([getattr(row, name) for row in rows] for name in ("observation", "next_observation"))
    flags = {
        name: np.array([getattr(row, name) for row in rows], np.bool_)
        for name in ("has_next", "terminated", "truncated")
    }
    return ph.Transitions(
        batch(seen),
        np.array(seen, np.int64) % 100,
        np.array([row.reward for row in rows], np.float64),
        batch(following),
        **flags,
        extras={"log_prob": np.array(seen, np.float32) / 8},
        agent_ids=[row.agent_id for row in rows],
        env_indices=np.array([row.env_index for row in rows], np.int64),
        episodes=np.array([row.episode for row in rows], np.int64),
        steps=np.zeros(len(rows), np.int64),
        states=nested(seen),
        next_states=nested(following),
    )


class Naive:
    """The same as a `ReplayBuffer`, one transition at a time, in lists."""

    def __init__(self, capacity: int, num_steps: int, gamma: float) -> None:
        self.capacity, self.num_steps, self.gamma = capacity, num_steps, gamma
        self.places: list[
            tuple[int, float, int, float]
        ] = []  # observation, rewards, next observation, factor
        self.added = 0
        self.waiting: dict[tuple[int, ph.AgentID], list[Row]] = {}

    def add(self, row: Row) -> None:
        chain = self.waiting.setdefault((row.env_index, row.agent_id), [])
        if chain and (chain[-1].episode, chain[-1].next_observation) != (row.episode, row.observation):
            self.flush(chain)
        if row.is_known:
            chain.append(row)
        if len(chain) == self.num_steps:
            self.store(chain)
            del chain[0]
        if row.terminated or row.truncated or not row.is_known:
            self.flush(chain)

    def flush(self, chain: list[Row]) -> None:
        while chain:
            self.store(chain)
            del chain[0]

    def store(self, chain: list[Row]) -> None:
        rewards = 0.0
        for k, row in enumerate(chain):
            rewards += self.gamma**k * row.reward
        factor = 0.0 if chain[-1].terminated else self.gamma ** len(chain)
        found = (chain[0].observation, rewards, chain[-1].next_observation, factor)
        if len(self.places) < self.capacity:
            self.places.append(found)
        else:
            self.places[self.added % self.capacity] = found
        self.added += 1

    def sample(
        self, batch_size: int, rng: np.random.Generator, batch: Callable[[Sequence[int]], Any]
    ) -> ph.ReplaySample:
        drawn = [self.places[place] for place in rng.integers(len(self.places), size=batch_size)]
        seen, rewards, following, factors = zip(*drawn, strict=True)
        return ph.ReplaySample(
            batch(seen),
            np.array(seen, np.int64) % 100,
            np.array(rewards),
            batch(following),
            np.array(factors),
            {"log_prob": np.array(seen, np.float32) / 8},
            nested(seen),
            nested(following),
        )


def assert_equal(one: Any, other: Any) -> None:
    """Compare dtypes, shapes and bits."""
    assert type(one) is type(other)
    if isinstance(one, ph.ReplaySample):
        for field in fields(one):
            assert_equal(getattr(one, field.name), getattr(other, field.name))
    elif isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            assert_equal(one[key], other[key])
    elif isinstance(one, (tuple, list)):
        for own, others in zip(one, other, strict=True):
            assert_equal(own, others)
    elif isinstance(one, np.ndarray):
        assert (one.dtype, one.shape, one.tobytes()) == (other.dtype, other.shape, other.tobytes())
    else:
        assert one == other


@st.composite
def histories(draw: st.DrawFn) -> list[Row]:
    """Draw what several agents of several copies went through, interleaved."""
    now: dict[tuple[int, ph.AgentID], tuple[int, int]] = {}  # episode and observation
    rows, fresh = [], 0
    for number in range(draw(st.integers(1, 40))):
        owner = (draw(st.integers(0, 1)), draw(st.sampled_from(["A", ("B", 1)])))
        episode, seen = now.get(owner, (0, -1))
        what = draw(
            st.sampled_from(["goes on"] * 6 + ["gap", "anew", "lost", "terminated", "truncated", "vanished"])
        )
        if seen < 0 or what in ("gap", "anew"):  # not collected for a while; a new episode without an end
            fresh, episode = fresh + 1, episode + (what == "anew")
            seen = draw(st.sampled_from([fresh, 0]))
        fresh += 1
        has_next = what not in ("lost", "vanished")
        row = Row(
            seen,
            draw(st.sampled_from([0.0, 1.0, -2.5, 0.1, 1e-9])),
            fresh,
            *owner,
            episode,
            has_next=has_next,
            terminated=what in ("terminated", "vanished"),
            truncated=what == "truncated" or (what == "lost" and number % 2 == 0),
        )
        rows.append(row)
        is_over = row.terminated or row.truncated or what == "lost"
        now[owner] = (episode + is_over, -1 if is_over else fresh)
    return rows


def cut(rows: Sequence[Row], borders: Iterable[int]) -> list[Sequence[Row]]:
    places = [0, *sorted(border % (len(rows) + 1) for border in borders), len(rows)]
    return [rows[first:end] for first, end in pairwise(places)]


BORDERS = st.lists(st.integers(0, 40), max_size=20)
SPACES = st.sampled_from([(BOX, boxes), (MASKED, masked), (NESTED, nested)])
NUM_STEPS = st.integers(1, 5)
CAPACITIES = st.sampled_from([1, 2, 3, 7, 1000])


@given(histories(), BORDERS, SPACES, NUM_STEPS, CAPACITIES)
def test_it_holds_what_a_list_of_transitions_holds(
    rows: list[Row], borders: list[int], layout: Any, num_steps: int, capacity: int
) -> None:
    space, batch = layout
    buffer = ph.ReplayBuffer(space, ACTIONS, capacity, num_steps, 0.9, state_space=NESTED)
    naive = Naive(capacity, num_steps, 0.9)
    for part in cut(rows, borders):
        buffer.add(transitions(part, batch))
        for row in part:
            naive.add(row)
        assert len(buffer) == len(naive.places)
        if len(buffer):
            rngs = np.random.default_rng(5), np.random.default_rng(5)
            assert_equal(buffer.sample(50, rngs[0]), naive.sample(50, rngs[1], batch))
            assert rngs[0].bit_generator.state == rngs[1].bit_generator.state


@given(histories(), BORDERS, SPACES, NUM_STEPS, CAPACITIES, st.integers(0, 40))
def test_what_was_saved_goes_on_bit_for_bit(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[Row],
    borders: list[int],
    layout: Any,
    num_steps: int,
    capacity: int,
    saved_after: int,
) -> None:
    space, batch = layout

    def make() -> ph.ReplayBuffer:
        return ph.ReplayBuffer(space, ACTIONS, capacity, num_steps, 0.9, state_space=NESTED)

    first, second = make(), make()
    parts = cut(rows, borders)
    folder = tmp_path_factory.mktemp("saved") / "checkpoint"
    for number, part in enumerate(parts):
        if number == saved_after % len(parts):
            second.add(transitions(rows, batch))  # what was in it is gone
            save_checkpoint(folder, first.state_dict())
            second.load_state_dict(load_checkpoint(folder))
            assert_equal(second.state_dict(), first.state_dict())
        first.add(transitions(part, batch))
        if number >= saved_after % len(parts):
            second.add(transitions(part, batch))
    assert len(first) == len(second)
    assert_equal(second.state_dict(), first.state_dict())
    if len(first):
        samples = (buffer.sample(50, np.random.default_rng(5)) for buffer in (first, second))
        assert_equal(*samples)


def test_three_steps_of_two_agents_worked_by_hand() -> None:
    buffer = ph.ReplayBuffer(BOX, ACTIONS, num_steps=3, gamma=0.5)
    buffer.add(transitions([Row(1, 8.0, 2), Row(51, 1.0, 52, agent_id="B"), Row(2, 4.0, 3)]))
    assert len(buffer) == 0
    buffer.add(transitions([Row(3, 2.0, 4), Row(52, 6.0, 53, agent_id="B", truncated=True)]))
    assert len(buffer) == 3  # A's first, after three steps; both of B
    buffer.add(transitions([Row(4, 16.0, 5, terminated=True)]))
    assert {tuple(row) for row in held(buffer)} == {
        (1, 8.0 + 0.5 * 4.0 + 0.25 * 2.0, 4, 0.125),
        (51, 1.0 + 0.5 * 6.0, 53, 0.25),
        (52, 6.0, 53, 0.5),
        (2, 4.0 + 0.5 * 2.0 + 0.25 * 16.0, 5, 0.0),
        (3, 2.0 + 0.5 * 16.0, 5, 0.0),
        (4, 16.0, 5, 0.0),
    }


def held(buffer: ph.ReplayBuffer) -> list[tuple[float, float, float, float]]:
    """Return observation, rewards, next observation and discount of all that can be drawn, by place."""
    found = buffer.state_dict()["columns"]
    columns = (
        found["observations"][:, 0],
        found["rewards"],
        found["next_observations"][:, 0],
        found["discounts"],
    )
    return list(zip(*(column.tolist() for column in columns), strict=True))


def test_one_step_is_what_was_collected_without_what_nobody_knows() -> None:
    rows = [Row(1, 1.0, 2), Row(2, 2.0, 3, truncated=True), Row(4, 3.0, 5, terminated=True)]
    lost = [Row(6, 9.0, 7, has_next=False), Row(8, 9.0, 9, has_next=False, truncated=True)]
    buffer = ph.ReplayBuffer(BOX, ACTIONS)
    buffer.add(transitions(rows + lost))
    assert held(buffer) == [(1, 1.0, 2, 0.99), (2, 2.0, 3, 0.99), (4, 3.0, 5, 0.0)]


def test_the_oldest_are_overwritten() -> None:
    buffer = ph.ReplayBuffer(BOX, ACTIONS, capacity=4)
    buffer.add(transitions([Row(n, float(n), n + 1) for n in range(3)]))
    buffer.add(transitions([Row(n, float(n), n + 1) for n in range(3, 6)]))
    assert [row[0] for row in held(buffer)] == [4, 5, 2, 3]
    buffer.add(transitions([Row(n, float(n), n + 1) for n in range(6, 17)]))
    assert sorted(row[0] for row in held(buffer)) == [13, 14, 15, 16]
    assert len(buffer) == 4


def test_steps_that_were_not_collected_are_a_gap_and_no_reward_is_added_over_it() -> None:
    buffer = ph.ReplayBuffer(BOX, ACTIONS, num_steps=2, gamma=0.5)
    buffer.add(transitions([Row(1, 1.0, 2)]))
    buffer.add(transitions([Row(7, 50.0, 8)]))  # the same episode, later: another policy's turn to learn
    assert held(buffer) == [(1, 1.0, 2, 0.5)]


def test_a_policy_that_did_not_learn_for_a_while_has_a_gap_in_its_episode() -> None:
    env = ph.GymnasiumEnv("MountainCar-v0")  # 200 steps an episode, rewards of -1
    spaces = env.observation_spaces["agent"], env.action_spaces["agent"]
    collector = ph.Collector([env], {"p": ph.RandomPolicy(*spaces)}, {"agent": "p"}, seed=1, learning=["p"])
    buffer = ph.ReplayBuffer(*spaces, num_steps=3, gamma=0.5)
    parts = []
    for learning in (["p"], [], ["p"]):
        collector.set_learning(learning)
        batches = collector.collect(ph.CollectPlan(steps=10))
        parts += [batch.transitions for batch in batches.values()]
    for part in parts:
        buffer.add(part)
    assert set(parts[0].episodes.tolist() + parts[1].episodes.tolist()) == {0}
    assert parts[1].steps[0] > parts[0].steps[-1] + 1
    drawn = buffer.state_dict()["columns"]
    size = len(parts[0])
    assert len(drawn["rewards"]) == size + len(parts[1]) - 2
    assert drawn["rewards"].tolist()[: size + 1] == [-1.75] * (size - 2) + [-1.5, -1.0, -1.75]
    assert (drawn["next_observations"][size - 2 : size] == parts[0].next_observations[-1]).all()


def test_actions_keep_the_dtype_and_shape_that_the_policy_gives_them() -> None:
    buffer = ph.ReplayBuffer(BOX, gym.spaces.Box(-1, 1, (1,), np.float32))
    given = replace(transitions([Row(1, 1.0, 2)]), actions=np.array([[[0.1, 0.2]]], np.float64))
    buffer.add(given)
    actions = buffer.sample(3, np.random.default_rng(1)).actions
    assert actions.dtype == np.float64
    assert actions.tolist() == [[[0.1, 0.2]]] * 3


def test_what_was_drawn_added_or_saved_shares_no_memory_with_the_buffer() -> None:
    buffer = ph.ReplayBuffer(BOX, ACTIONS, capacity=1, num_steps=2, gamma=0.5)
    given = transitions([Row(1, 1.0, 2), Row(2, 1.0, 3)])
    buffer.add(given)
    given.observations[:] = 0.0
    drawn = buffer.sample(2, np.random.default_rng(1))
    drawn.observations[:] = drawn.rewards[:] = -1.0
    state = buffer.state_dict()
    assert held(buffer) == [(1.0, 1.5, 3.0, 0.25)]
    buffer.add(transitions([Row(3, 1.0, 4)]))
    assert held(buffer) == [(2.0, 1.5, 4.0, 0.25)]
    assert state["columns"]["observations"].tolist() == [[1.0, -1.0]]
    assert state["waiting"]["rows"]["observations"].tolist() == [[2.0, -2.0]]


def test_every_transition_is_drawn_about_equally_often() -> None:
    buffer = ph.ReplayBuffer(BOX, ACTIONS)
    buffer.add(transitions([Row(n, 0.0, n + 1) for n in range(10)]))
    drawn = buffer.sample(100_000, np.random.default_rng(3)).actions
    assert np.bincount(drawn, minlength=10) == pytest.approx(10_000, rel=0.05)


def test_a_collector_fills_it_across_batches() -> None:
    """Rewards of n steps are the same whether an episode comes in one batch or in many."""
    samples = []
    for steps in (400, 20):
        env = ph.GymnasiumEnv("CartPole-v1")
        spaces = env.observation_spaces["agent"], env.action_spaces["agent"]
        collector = ph.Collector(
            [env], {"p": ph.RandomPolicy(*spaces)}, {"agent": "p"}, seed=1, learning=["p"]
        )
        buffer = ph.ReplayBuffer(*spaces, num_steps=3)
        for _ in range(400 // steps):
            buffer.add(collector.collect(ph.CollectPlan(steps=steps))["p"].transitions)
        samples.append(buffer.state_dict())
    assert 390 <= len(samples[0]["columns"]["rewards"]) <= 400
    assert set(samples[0]["columns"]["rewards"].tolist()) == {1.0, 1.0 + 0.99, 1.0 + 0.99 + 0.99**2}
    assert_equal(samples[0], samples[1])


def calls_of(work: Callable[[], Any]) -> int:
    """Return how many functions of Python and C are called."""
    count = 0

    def note(_frame: Any, event: str, _argument: Any) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(before)
    return count


def rows_of_chains(chains: int, steps: int) -> list[Row]:
    return [
        Row(n, 1.0, n + 1, env_index, truncated=n % 50 == 49)
        for n in range(steps)
        for env_index in range(chains)
    ]


@pytest.mark.parametrize("num_steps", [1, 3])
def test_twice_as_many_chains_or_steps_cost_about_twice(num_steps: int) -> None:
    def adding(chains: int, steps: int, size: int) -> int:
        buffer = ph.ReplayBuffer(BOX, ACTIONS, num_steps=num_steps)
        rows = rows_of_chains(chains, steps)
        parts = [transitions(part) for part in cut(rows, range(0, len(rows), size))]

        def work() -> None:
            for part in parts:
                buffer.add(part)

        return calls_of(work)

    once = adding(4, 100, 4)
    assert adding(4, 200, 4) < 2.3 * once
    assert adding(8, 100, 4) < 2.3 * once
    assert adding(8, 100, 800) < adding(8, 100, 4)


def test_what_waits_in_other_chains_is_not_touched_by_an_addition(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rows that are written and read for n agents that act in turn grow with n, not with its square."""

    def rows_moved(agents: int) -> int:
        moved = 0

        def counting(batch: Any, place: int, rows: Any) -> None:
            nonlocal moved
            moved += len(rows["rewards"])
            put_rows(batch, place, rows)

        monkeypatch.setattr(n_step_chains, "put_rows", counting)
        buffer = ph.ReplayBuffer(BOX, ACTIONS, num_steps=3)
        for row in rows_of_chains(agents, 8):
            buffer.add(transitions([row]))
        return moved

    assert rows_moved(200) < 2.3 * rows_moved(100)


def test_the_log_of_what_waits_stays_small() -> None:
    buffer = ph.ReplayBuffer(BOX, ACTIONS, capacity=10, num_steps=3)
    for row in rows_of_chains(2, 2000):
        buffer.add(transitions([row]))
    chains = buffer._chains  # noqa: SLF001  nobody else says how much memory it has
    assert (len(chains._log["rewards"]), len(chains._newest), len(buffer)) == (64, 0, 10)  # noqa: SLF001


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"capacity": 0}, "ReplayBuffer got capacity=0. Expected a positive integer."),
        ({"capacity": 1e5}, "ReplayBuffer got capacity=100000.0. Expected a positive integer."),
        ({"num_steps": 0}, "ReplayBuffer got num_steps=0. Expected a positive integer."),
        ({"gamma": 1.5}, "ReplayBuffer got gamma=1.5. Expected a number from 0 to 1."),
        ({"gamma": float("nan")}, "ReplayBuffer got gamma=nan. Expected a number from 0 to 1."),
    ],
)
def test_numbers_out_of_range_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ph.errors.ConfigError) as caught:
        ph.ReplayBuffer(BOX, ACTIONS, **settings)
    assert str(caught.value) == message


@pytest.mark.parametrize("name", ["observation_space", "action_space", "state_space"])
@pytest.mark.parametrize(
    "space", [TEXT, gym.spaces.Sequence(ACTIONS), gym.spaces.Dict({"x": gym.spaces.Tuple((BOX, TEXT))})]
)
def test_spaces_whose_batches_are_no_arrays_are_refused(name: str, space: gym.Space[Any]) -> None:
    spaces: dict[str, gym.Space[Any]] = {"observation_space": BOX, "action_space": ACTIONS, name: space}
    with pytest.raises(ph.errors.ConfigError) as caught:
        ph.ReplayBuffer(**spaces)  # type: ignore[arg-type]  # spaces only
    assert str(caught.value) == (
        f"ReplayBuffer got {name}={space}. Expected Box, Discrete, MultiDiscrete or MultiBinary, or a Dict "
        "or Tuple of these, whose batches are arrays."
    )


def test_an_empty_buffer_says_what_it_waits_for() -> None:
    buffer = ph.ReplayBuffer(BOX, ACTIONS, num_steps=3)
    buffer.add(transitions([Row(1, 1.0, 2), Row(2, 1.0, 3)]))
    buffer.add(transitions([]))
    with pytest.raises(ph.errors.ConfigError) as caught:
        buffer.sample(4, np.random.default_rng(1))
    assert str(caught.value) == (
        "The ReplayBuffer is empty; 2 transitions wait for their successors. Add more, and sample once "
        "len(buffer) is as large as you need it."
    )


TWO = [Row(1, 1.0, 2), Row(2, 1.0, 3)]


EXTRAS = {"log_prob": np.zeros(2, np.float32)}


@pytest.mark.parametrize(
    ("space", "changes", "got", "expected"),
    [
        (THREE, {}, "observations float32 [2, 2]", "float32 [2, 3], as its space says"),
        (
            MASKED,
            {},
            "observations float32 [2, 2]",
            "{'action_mask': 'int8 [2, 3]', 'seen': 'float32 [2, 2]'}, as its space says",
        ),
        (
            NESTED,
            {},
            "observations float32 [2, 2]",
            "('int64 [2]', {'x': 'float32 [2, 2]'}), as its space says",
        ),
        (
            BOX,
            {"next_observations": np.zeros((3, 2))},
            "next_observations float64 [3, 2]",
            "float32 [2, 2], as its space says",
        ),
        (BOX, {"actions": np.zeros(2)}, "actions float64 [2]", "int64 [2], as the first ones"),
        (BOX, {"extras": {}}, "extras {}", "{'log_prob': 'float32 [2]'}, as the first ones"),
        (
            BOX,
            {"extras": EXTRAS | {"value": np.zeros(2)}},
            "extras {'log_prob': 'float32 [2]', 'value': 'float64 [2]'}",
            "{'log_prob': 'float32 [2]'}, as the first ones",
        ),
    ],
)
def test_transitions_of_another_layout_are_refused_and_nothing_is_added(
    space: gym.Space[Any], changes: dict[str, Any], got: str, expected: str
) -> None:
    buffer = ph.ReplayBuffer(space, ACTIONS)
    if space is BOX:
        buffer.add(transitions(TWO))
    before = buffer.state_dict()
    with pytest.raises(ph.errors.ConfigError) as caught:
        buffer.add(replace(transitions(TWO), **changes))
    assert str(caught.value) == f"ReplayBuffer.add() got 2 transitions with {got}. Expected {expected}."
    assert_equal(buffer.state_dict(), before)


def test_the_first_actions_must_be_an_array_too() -> None:
    with pytest.raises(ph.errors.ConfigError) as caught:
        ph.ReplayBuffer(BOX, ACTIONS).add(replace(transitions(TWO), actions=[1, 2]))
    assert str(caught.value) == (
        "ReplayBuffer.add() got 2 transitions with actions list. Expected int64 [2], as the first ones."
    )


def test_states_are_kept_only_for_a_state_space_which_needs_them() -> None:
    buffer = ph.ReplayBuffer(BOX, ACTIONS)
    buffer.add(transitions(TWO))
    assert buffer.sample(3, np.random.default_rng(1)).states is None
    with pytest.raises(ph.errors.ConfigError) as caught:
        ph.ReplayBuffer(BOX, ACTIONS, state_space=BOX).add(replace(transitions(TWO), states=None))
    assert str(caught.value) == (
        "ReplayBuffer.add() got transitions without states, but has a state_space. Collect them with "
        'CollectPlan(needs=("state",)).'
    )


@pytest.mark.parametrize(
    ("settings", "saved", "own"),
    [
        ({"capacity": 7}, "capacity=9", "capacity=7"),
        ({"num_steps": 2}, "num_steps=1", "num_steps=2"),
        ({"gamma": 0.5}, "gamma=0.99", "gamma=0.5"),
        ({"action_space": TEN}, "action_space=Discrete(100)", "action_space=Discrete(10)"),
        ({"observation_space": TEN}, f"observation_space={BOX}", "observation_space=Discrete(10)"),
        ({"state_space": TEN}, "state_space=None", "state_space=Discrete(10)"),
    ],
)
def test_the_state_of_another_buffer_is_refused(settings: dict[str, Any], saved: str, own: str) -> None:
    arguments: dict[str, Any] = {"observation_space": BOX, "action_space": ACTIONS, "capacity": 9}
    first, second = ph.ReplayBuffer(**arguments), ph.ReplayBuffer(**arguments | settings)
    first.add(transitions(TWO))
    with pytest.raises(ph.errors.CheckpointError) as caught:
        second.load_state_dict(first.state_dict())
    assert str(caught.value) == (
        f"The saved ReplayBuffer has {saved}, but this one has {own}. Make it with the same."
    )
    assert len(second) == 0


def test_a_state_space_that_is_missing_is_told_too() -> None:
    first = ph.ReplayBuffer(BOX, ACTIONS, state_space=TEN)
    with pytest.raises(ph.errors.CheckpointError) as caught:
        ph.ReplayBuffer(BOX, ACTIONS).load_state_dict(first.state_dict())
    assert str(caught.value) == (
        "The saved ReplayBuffer has state_space=Discrete(10), but this one has state_space=None. Make it "
        "with the same."
    )


def test_places_that_are_chosen_give_the_transitions_that_were_added_last_there() -> None:
    buffer = ph.ReplayBuffer(BOX, ACTIONS, capacity=3)
    assert buffer.added == 0
    rows = [Row(number, float(number), number + 1) for number in range(5)]
    buffer.add(transitions(rows[:2]))
    assert (buffer.added, len(buffer)) == (2, 2)
    assert buffer.take(np.array([1, 0, 1])).rewards.tolist() == [1.0, 0.0, 1.0]
    buffer.add(transitions(rows[2:]))
    assert (buffer.added, len(buffer)) == (5, 3)
    assert buffer.take(np.arange(3)).rewards.tolist() == [3.0, 4.0, 2.0]  # number n is at n % 3
