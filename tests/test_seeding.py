"""From one seed to many named generators."""

import json
import random
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import phantom_core as ph

SEEDS = st.integers(0, ph.seeding.MAX_SEED)
PATHS = st.lists(st.text(max_size=5) | st.integers() | st.none(), max_size=3).map(tuple)


def stream(seed: int = 1) -> ph.seeding.UniformStream:
    return ph.seeding.UniformStream(np.random.default_rng(seed))


def test_streams_are_the_same_in_every_process_and_on_every_machine() -> None:
    assert ph.seeding.name_key("SHOP") == 752509371226732606
    assert ph.seeding.derive_seed(1, "episode", 0, 3) == 5715451869471481584
    assert ph.seeding.make_rng(1, "a", 2).random() == 0.3541714689347718
    assert ph.seeding.make_random(1, "a", 2).random() == 0.540850935992869


def test_names_are_told_apart_by_type_and_value() -> None:
    names = ["1", 1, 1.0, (1,), ("1",), None, "None", b"1", True]
    assert len({ph.seeding.name_key(name) for name in names}) == len(names)


@given(SEEDS, PATHS)
def test_a_derived_seed_is_a_seed_and_does_not_change(seed: int, path: tuple[object, ...]) -> None:
    derived = ph.seeding.derive_seed(seed, *path)
    assert 0 <= derived <= ph.seeding.MAX_SEED
    assert derived == ph.seeding.derive_seed(seed, *path)


@given(SEEDS, SEEDS, PATHS, PATHS)
def test_other_seeds_and_other_paths_give_other_streams(
    seed: int, other_seed: int, path: tuple[object, ...], other_path: tuple[object, ...]
) -> None:
    if (seed, path) == (other_seed, other_path):
        return
    assert ph.seeding.derive_seed(seed, *path) != ph.seeding.derive_seed(other_seed, *other_path)
    assert ph.seeding.make_rng(seed, *path).random() != ph.seeding.make_rng(other_seed, *other_path).random()
    assert ph.seeding.make_random(seed, *path).random() != (
        ph.seeding.make_random(other_seed, *other_path).random()
    )


def test_a_fresh_seed_is_a_seed_and_a_new_one_each_time() -> None:
    seeds = [ph.seeding.fresh_seed() for _ in range(100)]
    assert all(0 <= seed <= ph.seeding.MAX_SEED for seed in seeds)
    assert len(set(seeds)) == 100


# ---------------------------------------------------------------------- one draw at a time


def test_a_uniform_stream_draws_what_its_generator_draws() -> None:
    uniform, rng = stream(), np.random.default_rng(1)
    assert [uniform.random() for _ in range(3000)] == [rng.random() for _ in range(3000)]


@pytest.mark.parametrize("drawn", [0, 1, 1023, 1024, 1025, 2048, 2500])
def test_a_uniform_stream_goes_on_where_its_state_was_taken(drawn: int) -> None:
    first = stream()
    for _ in range(drawn):
        first.random()
    state = json.loads(json.dumps(first.state_dict()))  # as it lies in a checkpoint
    expected = [first.random() for _ in range(2100)]

    second = stream(99)
    second.random()
    second.load_state_dict(state)
    assert second.state_dict() == state
    assert [second.random() for _ in range(2100)] == expected


def test_a_state_that_was_taken_does_not_change_while_the_stream_goes_on() -> None:
    uniform = stream()
    uniform.random()
    state = uniform.state_dict()
    before = json.dumps(state)
    for _ in range(3000):
        uniform.random()
    assert json.dumps(state) == before


# ---------------------------------------------------------------------- one stream per row


def test_every_row_draws_from_its_own_stream() -> None:
    rows, alone = ph.RowStreams([stream(1), stream(2)]), stream(2)
    assert len(rows) == 2
    assert rows.uniform()[1] == alone.random()
    wide = rows.uniforms(3)
    assert wide.shape == (2, 3)
    assert wide.dtype == np.float64
    assert wide[1].tolist() == [alone.random() for _ in range(3)]


@pytest.mark.parametrize("draw", [lambda rows: rows.uniforms(4)[0], lambda rows: rows.normals(4)[0]])
def test_the_draws_of_a_row_do_not_depend_on_how_many_rows_there_are(
    draw: Callable[[ph.RowStreams], np.ndarray],
) -> None:
    few = ph.RowStreams([stream(1)])
    many = ph.RowStreams([stream(1), stream(2), stream(3)])
    for _ in range(3):
        assert draw(few).tolist() == draw(many).tolist()


def test_some_of_the_rows_draw_from_the_same_streams_as_before() -> None:
    shared = stream(1)
    rows = ph.RowStreams([shared, shared, stream(2), stream(3)])
    some, first, last = rows.of_rows(np.array([3, 0])), stream(1), stream(3)
    assert len(some) == 2
    assert some.uniform() == [last.random(), first.random()]
    assert rows.uniform() == [first.random(), first.random(), stream(2).random(), last.random()]


class Draws(NamedTuple):
    """The streams of a batch, by number and in the order of the rows."""

    numbers: list[int]
    rows: ph.RowStreams


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["uniform", "uniforms", "random", "take", "take_array", "state", "restart"]),
            st.integers(0, 3),  # which batch, or stream
            st.integers(0, 700) | st.integers(0, 3000),  # how many draws
        ),
        max_size=40,
    )
)
def test_streams_draw_the_same_whoever_asks_and_in_which_order(asked: list[tuple[str, int, int]]) -> None:
    streams = [stream(number) for number in range(20)]
    expected = [np.random.default_rng(number) for number in range(20)]
    orders = [range(20), range(19, -1, -1), [n // 2 for n in range(40)], [0, 1, *range(20)]]
    batches = [Draws(list(order), ph.RowStreams([streams[n] for n in order])) for order in orders]
    for what, which, number in asked:
        numbers, rows = batches[which]
        if what == "uniform":
            assert rows.uniform() == [expected[n].random() for n in numbers]
        elif what == "uniforms":
            found = rows.uniforms(number)
            assert found.tolist() == [expected[n].random(number).tolist() for n in numbers]
        elif what == "random":
            assert streams[which].random() == expected[which].random()
        elif what == "take_array":
            assert streams[which].take_array(number).tolist() == expected[which].random(number).tolist()
        elif what == "take":
            assert streams[which].take(number) == expected[which].random(number).tolist()
        elif what == "state":
            state = json.loads(json.dumps(streams[which].state_dict()))
            streams[which].load_state_dict(state)
            assert streams[which].state_dict() == state
        else:
            streams[which].restart(np.random.default_rng(number))
            expected[which] = np.random.default_rng(number)


def test_many_streams_are_asked_for_many_draws_at_once() -> None:
    class Counting(ph.seeding.UniformStream):
        calls = 0

        def lend(self, borrower: ph.RowStreams, number: int) -> list[float]:
            Counting.calls += 1
            return super().lend(borrower, number)

        def take(self, number: int) -> list[float]:
            Counting.calls += 1
            return super().take(number)

    rows = ph.RowStreams([Counting(np.random.default_rng(n)) for n in range(100)])
    for _ in range(1000):
        rows.uniforms(2)
    assert Counting.calls < 100 * 30  # not one for each row and call


@pytest.mark.parametrize(("rows", "width"), [(0, 3), (2, 0), (0, 0)])
def test_there_may_be_no_rows_and_no_draws(rows: int, width: int) -> None:
    streams = ph.RowStreams([stream(row) for row in range(rows)])
    assert len(streams.uniform()) == rows
    assert streams.uniforms(width).shape == streams.normals(width).shape == (rows, width)


def test_normal_draws_are_standard_normal() -> None:
    draws = ph.RowStreams([stream(row) for row in range(10)]).normals(10_000)
    assert draws.shape == (10, 10_000)
    assert abs(draws.mean()) < 0.01
    assert abs(draws.std() - 1) < 0.01
    assert abs((draws**4).mean() - 3) < 0.1
    assert abs(np.corrcoef(draws[:, :5000].ravel(), draws[:, 5000:].ravel())[0, 1]) < 0.02


def test_normal_draws_are_finite_where_a_uniform_draw_is_zero() -> None:
    class Zero(ph.seeding.UniformStream):
        def take(self, number: int) -> list[float]:
            return [0.0] * number

    assert ph.RowStreams([Zero(np.random.default_rng(1))]).normals(2).tolist() == [[0.0, 0.0]]


def test_a_generator_of_the_operating_system_has_no_state() -> None:
    class Owner:
        def __init__(self) -> None:
            self.luck, self.chance = random.Random(1), random.SystemRandom()  # noqa: S311  for simulations

    assert list(ph.seeding.generator_states(Owner())) == ["luck"]
