from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import phantom_core as ph
from phantom_ppo.central_view import CentralView, GlobalState, JoinedObservations, Oneself, Seats

SEATS = Seats("team", ["A", "B"])
TEXT = gym.spaces.Text(3)


def trajectories(parts: list[tuple[str, int, list[int]]], **changes: Any) -> ph.Trajectories:
    """Return decisions of (agent, copy, steps), one trajectory after the other, which go on."""
    number, steps = len(parts), [step for *_, own in parts for step in own]
    fields: dict[str, Any] = {
        "observations": None,
        "actions": np.zeros(len(steps)),
        "rewards": np.zeros(len(steps)),
        "extras": {},
        "starts": np.cumsum([0, *(len(own) for *_, own in parts)]),
        "next_observations": None,
        "has_next": np.ones(number, bool),
        "terminated": np.zeros(number, bool),
        "truncated": np.zeros(number, bool),
        "agent_ids": [agent for agent, *_ in parts],
        "env_indices": [copy for _, copy, _ in parts],
        "episodes": [0] * number,
        "steps": np.array(steps),
    }
    return ph.Trajectories(**{**fields, **changes})


def column(*numbers: float) -> Any:
    return np.array(numbers, np.float32)[:, None]


def test_joined_observations_are_those_of_one_moment_side_by_side() -> None:
    batch = trajectories([("A", 0, [3, 4]), ("B", 0, [3, 4]), ("B", 1, [3])])
    own, own_next = column(1, 2, 10, 20, 99), column(3, 30, 98)
    now, after = JoinedObservations(SEATS, 1)(batch, own, own_next)
    assert now.tolist() == [
        [1, 1, 10, 1],  # what A sees and that it is there, and B likewise
        [2, 1, 20, 1],
        [1, 1, 10, 1],
        [2, 1, 20, 1],
        [0, 0, 99, 1],  # another copy of the env, where nobody else acts
    ]
    assert after.tolist() == [[3, 1, 30, 1], [3, 1, 30, 1], [0, 0, 98, 1]]


def test_an_agent_that_ended_has_zeros_from_then_on() -> None:
    ends = {"terminated": np.array([False, True]), "has_next": np.array([True, True])}
    batch = trajectories([("A", 0, [0, 1, 2]), ("B", 0, [0, 1])], **ends)
    now, after = JoinedObservations(SEATS, 1)(batch, column(1, 2, 3, 10, 20), column(4, 30))
    assert now[:3].tolist() == [[1, 1, 10, 1], [2, 1, 20, 1], [3, 1, 0, 0]]
    assert after[0].tolist() == [4, 1, 0, 0]  # not what B saw last: it terminated


def test_what_an_agent_saw_when_it_was_cut_off_is_no_part_of_what_others_decide_by() -> None:
    ends = {"truncated": np.array([False, True])}
    batch = trajectories([("A", 0, [0, 1]), ("B", 0, [0])], **ends)
    now, after = JoinedObservations(SEATS, 1)(batch, column(1, 2, 10), column(3, 20))
    assert now[1].tolist() == [2, 1, 0, 0]
    assert after.tolist() == [[3, 1, 0, 0], [2, 1, 20, 1]]  # the future that B was cut off from, with A


def test_agents_without_a_next_observation_have_zeros_there() -> None:
    batch = trajectories([("A", 0, [0]), ("B", 0, [0])], has_next=np.array([False, True]))
    _, after = JoinedObservations(SEATS, 1)(batch, column(1, 2), column(7, 8))
    assert after.tolist() == [[0, 0, 8, 1], [0, 0, 8, 1]]


def test_oneself_is_the_own_observation_and_a_number_one_hot() -> None:
    batch = trajectories([("B", 0, [0, 1]), ("A", 0, [0])])
    now, after = Oneself(SEATS, 1)(batch, column(5, 6, 7), column(8, 9))
    assert now.tolist() == [[5, 0, 1], [6, 0, 1], [7, 1, 0]]
    assert after.tolist() == [[8, 0, 1], [9, 1, 0]]


def test_a_state_is_laid_out_like_an_observation_and_views_stand_side_by_side() -> None:
    space = gym.spaces.MultiDiscrete([2, 3])
    states = {"states": np.array([[1, 2], [0, 0]]), "next_states": np.array([[0, 1]])}
    batch = trajectories([("A", 0, [0, 1])], **states)
    state = GlobalState(space, clip=None)
    assert state(batch, column(1, 2), column(3))[0].tolist() == [[0, 1, 0, 0, 1], [1, 0, 1, 0, 0]]
    view = CentralView(state, Oneself(SEATS, 1))
    now, after = view(batch, column(1, 2), column(3))
    assert view.width == now.shape[1] == 8
    assert after.tolist() == [[1, 0, 0, 1, 0, 3, 1, 0]]


def test_states_are_normalised_by_what_was_seen_and_the_moments_are_saved() -> None:
    rng = np.random.default_rng(1)
    states = rng.normal(50.0, 9.0, (400, 2)).astype(np.float32)
    batch = trajectories([("A", 0, list(range(400)))], states=states, next_states=states[:1])
    space = gym.spaces.Box(-np.inf, np.inf, (2,), np.float32)
    view, other = (CentralView(GlobalState(space, clip=10.0)) for _ in range(2))
    view.see(batch)
    other.load_state_dict(view.state_dict())
    for one in (view, other):
        now, _ = one(batch, column(*range(400)), column(0))
        assert now.mean(axis=0) == pytest.approx([0.0, 0.0], abs=1e-4)
        assert now.std(axis=0) == pytest.approx([1.0, 1.0], abs=1e-4)


def test_an_agent_that_was_not_there_at_the_start_is_refused() -> None:
    with pytest.raises(ph.errors.ConfigError) as caught:
        JoinedObservations(SEATS, 1)(trajectories([("C", 0, [0])]), column(1), column(2))
    assert str(caught.value) == (
        "Agent 'C' plays policy 'team', but was not there when the run began. The critic of mappo knows 'A', "
        "'B'. Have the env list all its agents from the start, give it state() and state_space with "
        "agent_specific=false, or use ppo."
    )


def test_a_state_space_without_numbers_is_refused() -> None:
    with pytest.raises(ph.errors.ConfigError) as caught:
        GlobalState(TEXT, clip=None)
    assert str(caught.value) == (
        "The critic of mappo cannot read the env's state_space. An observation space with a part "
        f"{TEXT} cannot be turned into numbers. Use Box, Discrete, MultiDiscrete and MultiBinary, and Dict "
        "and Tuple of these."
    )
