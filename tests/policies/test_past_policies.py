"""`PastPolicies`: when snapshots are taken and dropped, who acts by which, and what they remember."""

from collections.abc import Mapping
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import phantom_core as ph
from phantom_core.rollouts.actor import Actor
from phantom_core.seeding import UniformStream, make_rng

PLACE = gym.spaces.Box(-np.inf, np.inf, (2,), np.float64)
MANY = gym.spaces.Discrete(1000)


class Fixed(ph.Policy):
    """Always acts by its number, and notes what it was asked."""

    def __init__(self, *spaces: Any, scale: int = 1) -> None:
        super().__init__(*spaces)
        self.number, self.scale = np.zeros(1), scale
        self.asked: list[Any] = []

    def compute_action(self, observation: Any) -> Any:
        return int(self.number[0]) * self.scale + int(observation[0])

    def state_dict(self) -> dict[str, Any]:
        return {"number": self.number}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.number = state["number"]


class Boxed(Fixed):
    """Samples actions that are scaled for the env, as an array."""

    def compute_actions(self, observations: Any) -> Any:
        return observations + self.number

    def env_actions(self, actions: Any) -> Any:
        return 10.0 * actions


class Adding(ph.RecurrentPolicy):
    """Acts by the sum of what it observed, from its number on."""

    def __init__(self, *spaces: Any) -> None:
        super().__init__(*spaces)
        self.number = np.zeros(1)

    def initial_state(self) -> Any:
        return {"sum": (self.number[0],)}

    def compute_actions(self, observations: Any, state: Any) -> Any:
        total = state["sum"][0] + observations[:, 0]
        return [int(one) for one in total], {"sum": (total,)}

    def state_dict(self) -> dict[str, Any]:
        return {"number": self.number}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.number = state["number"]


class Drawing(Fixed):
    """Acts by chance, and by what a generator of its own draws."""

    def seed(self, rng: np.random.Generator) -> None:
        self.own = rng

    def sample_actions(self, observations: Any, rng: ph.RowStreams) -> Any:
        return [int(1000 * draw) for draw in rng.uniform()], {"own": self.own.random(len(rng))}


def pool(policy_class: Any = Fixed, space: Any = MANY, config: Any = (), **given: Any) -> ph.PastPolicies:
    return ph.PastPolicies(PLACE, space, policy_class=policy_class, policy_config=dict(config), **given)


def learn(past: ph.PastPolicies, learner: Any, iterations: range) -> None:
    """Change the number of a policy in place after each iteration."""
    for done in iterations:
        learner.number[0] = done
        past.take_snapshot(done, learner)


def learned(iterations: int, policy_class: Any = Fixed, space: Any = MANY, **given: Any) -> ph.PastPolicies:
    past = pool(policy_class, space, **given)
    learn(past, policy_class(PLACE, space), range(iterations))
    return past


def streams(number: int, seed: int = 1) -> ph.RowStreams:
    return ph.RowStreams([UniformStream(make_rng(seed, "actions", row)) for row in range(number)])


def seen(*places: float) -> Any:
    return np.array([[place, 0.0] for place in places])


class Asker:
    """Asks a policy as a collector does."""

    def __init__(self, past: ph.PastPolicies, rows: int) -> None:
        self.actor, self.rows = Actor("rival", past), rows
        self.draws = streams(rows)
        for row in range(rows):
            self.begin(row)

    def begin(self, row: int) -> None:
        assert self.actor.memory is not None
        self.actor.memory.reset(row)

    def ask(self, observations: Any, rows: Any = None) -> list[Any]:
        rows = np.arange(self.rows) if rows is None else np.array(rows)
        agent_ids = [f"B{row}" for row in rows]
        return list(self.actor.decide(0, rows, self.draws, observations, agent_ids, rows))


@pytest.mark.parametrize(
    ("iterations", "kept"),
    [
        (1, [0]),
        (3, [0, 2]),
        (7, [0, 2, 4, 6]),
        (8, [0, 2, 4, 6]),
        (9, [0, 4, 8]),
        (16, [0, 4, 8, 12]),
        (17, [0, 8, 16]),
    ],
)
def test_snapshots_cover_the_whole_run_evenly(iterations: int, kept: list[int]) -> None:
    past = learned(iterations, every=2, keep=4)
    assert list(past.snapshots) == kept
    assert [int(one.number[0]) for one in past.snapshots.values()] == kept


def test_of_an_odd_number_that_is_kept_the_newest_may_be_dropped_too() -> None:
    assert [list(learned(n, keep=3).snapshots) for n in (3, 4, 5)] == [[0, 1, 2], [0, 2], [0, 2, 4]]


def test_each_agent_keeps_its_snapshot_until_its_episode_ends() -> None:
    asker = Asker(learned(5, config={"scale": 100}), rows=40)
    first = asker.ask(seen(*[0.0] * 40))
    assert set(first) == {0, 100, 200, 300, 400}
    assert asker.ask(seen(*range(40))) == [own + row for row, own in enumerate(first)]
    for row in range(20):
        asker.begin(row)
    second = asker.ask(seen(*[0.0] * 40))
    assert second[20:] == first[20:]
    assert second[:20] != first[:20]


def test_all_snapshots_are_equally_likely() -> None:
    past, state = learned(4), {"snapshot": np.full(4000, -1)}
    actions, extras, _ = past.sample_actions(seen(*[0.0] * 4000), streams(4000), state)
    counts = np.bincount(np.array(actions), minlength=4)
    assert np.abs(counts - 1000).max() < 4 * np.sqrt(4000 * 0.25 * 0.75)
    assert extras == {}


def test_what_a_row_draws_does_not_depend_on_the_others() -> None:
    past, nothing = learned(5, Drawing), np.array([-1])
    together, _, after = past.sample_actions(seen(*[0] * 9), streams(9), {"snapshot": nothing.repeat(9)})
    assert len(set(after["snapshot"].tolist())) > 2
    for row in range(9):
        own = ph.RowStreams([UniformStream(make_rng(1, "actions", row))])
        alone, _, drawn = past.sample_actions(seen(0), own, {"snapshot": nothing})
        assert (alone[0], drawn["snapshot"][0]) == (together[row], after["snapshot"][row])


def test_one_that_is_dropped_is_replaced_by_the_newest_of_those_before_it() -> None:
    past = learned(4, keep=4)
    asker = Asker(past, rows=40)
    before = asker.ask(seen(*[0.0] * 40))
    assert set(before) == {0, 1, 2, 3}
    learn(past, Fixed(PLACE, MANY), range(4, 5))
    assert asker.ask(seen(*[0.0] * 40)) == [{0: 0, 1: 0, 2: 2, 3: 2}[own] for own in before]


def test_the_first_is_taken_whenever_that_is_and_may_be_dropped() -> None:
    past = pool(every=4, keep=2)
    learn(past, Fixed(PLACE, MANY), range(3, 8))
    assert list(past.snapshots) == [3, 4]
    asker = Asker(past, rows=20)
    assert set(asker.ask(seen(*[0.0] * 20))) == {3, 4}
    learn(past, Fixed(PLACE, MANY), range(8, 9))
    assert list(past.snapshots) == [8]
    assert asker.ask(seen(*[0.0] * 20)) == [8] * 20


def test_the_memory_of_an_agent_begins_as_its_snapshot_says() -> None:
    asker = Asker(learned(5, Adding), rows=40)
    first = asker.ask(seen(*[0.0] * 40))
    assert set(first) == {0, 1, 2, 3, 4}
    assert asker.ask(seen(*[10.0] * 40)) == [own + 10 for own in first]
    assert asker.ask(seen(5.0, 7.0), rows=[39, 3]) == [first[39] + 15, first[3] + 17]
    one = Asker(learned(1, Adding), rows=2)
    assert [one.ask(seen(3.0, 4.0)), one.ask(seen(1.0, 1.0))] == [[3, 4], [4, 5]]


def test_actions_of_a_box_are_those_for_the_env_in_the_order_of_the_rows() -> None:
    box = gym.spaces.Box(-np.inf, np.inf, (2,), np.float64)
    asker = Asker(learned(5, Boxed, box), rows=30)
    first = np.array(asker.ask(np.zeros((30, 2))))
    assert set(first[:, 0]) == {0.0, 10.0, 20.0, 30.0, 40.0}
    later = np.array(asker.ask(np.arange(60.0).reshape(30, 2)))
    assert (later == first + 10.0 * np.arange(60.0).reshape(30, 2)).all()


def test_a_snapshot_stays_as_it_was_taken() -> None:
    past, learner = pool(), Fixed(PLACE, MANY)
    learner.number[0] = 7
    past.take_snapshot(0, learner)
    learner.number[0] = 8
    assert past.snapshots[0].number[0] == 7


def test_a_finished_one_acts_by_the_newest_snapshot_if_none_was_drawn() -> None:
    past = learned(5, Adding)
    state = {"snapshot": np.array([-1, 2]), "memory": {"sum": (np.zeros(2),)}}
    actions, after = past.compute_actions(seen(1.0, 1.0), state)
    assert list(actions) == [4 + 1, 1]
    assert (after["snapshot"].tolist(), after["memory"]["sum"][0].tolist()) == ([4, 2], [5.0, 1.0])
    actions, after = learned(3).compute_actions(seen(1.0), {"snapshot": np.array([-1])})
    assert (list(actions), after["snapshot"].tolist()) == ([3], [2])


def test_its_state_is_that_of_all_snapshots() -> None:
    past, other = learned(5, Drawing, keep=4), pool(Drawing, keep=4)
    past.sample_actions(seen(0, 0, 0), streams(3), {"snapshot": np.array([0, 2, 2])})
    other.load_state_dict(past.state_dict())
    assert other.state_dict() == past.state_dict()
    assert other.snapshots[2].own.random() == past.snapshots[2].own.random()
    for one in (past, other):
        learn(one, Drawing(PLACE, MANY), range(5, 6))
    assert list(past.snapshots) == list(other.snapshots) == [0, 2, 4]


def test_what_snapshots_draw_of_their_own_accord_follows_from_its_seed() -> None:
    def drawn(seed: int) -> list[float]:
        past = pool(Drawing)
        past.seed(np.random.default_rng(seed))
        learn(past, Drawing(PLACE, MANY), range(2))
        return [one.own.random() for one in past.snapshots.values()]

    assert drawn(1) == drawn(1)
    assert len({*drawn(1), *drawn(2)}) == 4


def test_without_a_snapshot_nobody_acts() -> None:
    with pytest.raises(ph.errors.ConfigError) as caught:
        pool(of="player").sample_actions(seen(0.0), streams(1), {"snapshot": np.array([-1])})
    assert str(caught.value) == (
        "There is no snapshot of policy 'player' yet, so nobody can act by one. Train it first: a run takes "
        "the first snapshot before its first iteration."
    )


def test_a_policy_that_does_not_take_its_own_state_is_named() -> None:
    class Forgetful(Fixed):
        def load_state_dict(self, state: Mapping[str, Any]) -> None:
            raise KeyError("weights")

    with pytest.raises(ph.errors.ConfigError) as caught:
        pool(Forgetful, of="player").take_snapshot(0, Forgetful(PLACE, MANY))
    assert str(caught.value).startswith(
        "Of policy 'player' (Forgetful) no snapshot can be taken: KeyError: 'weights'"
    )
    assert str(caught.value).endswith(". Mend its state_dict() or load_state_dict().")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"every": 0}, "PastPolicies: every is 0; expected an integer that is at least 1."),
        ({"keep": 1}, "PastPolicies: keep is 1; expected an integer that is at least 2."),
        ({"every": "x"}, "PastPolicies.every = 'x' is wrong: expected int, got str."),
        (
            {"evry": 2},
            "PastPolicies has no setting 'evry'. Did you mean 'every'? Its settings: of, every, keep.",
        ),
    ],
)
def test_settings_out_of_range_are_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ph.errors.ConfigError) as caught:
        pool(**given)
    assert str(caught.value) == message
