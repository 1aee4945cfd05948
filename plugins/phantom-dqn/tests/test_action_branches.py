from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import phantom_core as ph
from phantom_dqn.action_branches import ActionBranches

SPACES = [
    gym.spaces.Discrete(4, start=-1),
    gym.spaces.MultiDiscrete([2, 3], start=[5, 0]),
    gym.spaces.MultiDiscrete([[2, 3], [4, 1]]),
]


@pytest.mark.parametrize("space", SPACES, ids=str)
def test_actions_and_their_index_say_the_same(space: Any) -> None:
    branches = ActionBranches(space)
    index = branches.random(np.random.default_rng(1).random((50, len(branches))))
    actions = branches.actions(index)
    assert all(action in space for action in branches.to_env(actions))
    assert branches.index(actions).tolist() == index.tolist()
    assert set(index.ravel()) == set(range(branches.num_options))  # each option was drawn


def test_the_best_of_each_branch_is_the_most_valuable_that_is_allowed() -> None:
    branches = ActionBranches(gym.spaces.MultiDiscrete([2, 3]))
    values = np.array([[1.0, 2.0, 5.0, 4.0, 5.0]])
    assert branches.best(values).tolist() == [[1, 2]]
    mask = np.array([[True, False, False, True, True]])
    assert branches.best(values, mask).tolist() == [[0, 4]]
    assert branches.actions(branches.best(values, mask)).tolist() == [[0, 2]]


def test_random_options_are_allowed_and_all_are_drawn_as_often() -> None:
    branches = ActionBranches(gym.spaces.MultiDiscrete([3, 4]))
    mask = np.array([[True, False, True, False, True, False, True]]).repeat(4000, axis=0)
    index = branches.random(np.random.default_rng(1).random((4000, 2)), mask)
    for branch, allowed in ((0, [0, 2]), (1, [4, 6])):
        found, counts = np.unique(index[:, branch], return_counts=True)
        assert found.tolist() == allowed
        assert counts / 4000 == pytest.approx([0.5, 0.5], abs=0.03)
    last = branches.random(np.full((1, 2), 1.0 - 2.0**-53), mask[:1])
    assert last.tolist() == [[2, 6]]


def test_centring_is_by_branch() -> None:
    branches = ActionBranches(gym.spaces.MultiDiscrete([2, 3]))
    assert branches.centred(np.array([[1.0, 3.0, 1.0, 2.0, 6.0]])).tolist() == [[-1.0, 1.0, -2.0, -1.0, 3.0]]


@pytest.mark.parametrize(
    "space",
    [gym.spaces.Box(0, 1, (2,)), gym.spaces.MultiBinary(2), gym.spaces.MultiDiscrete(np.zeros(0, int))],
)
def test_other_spaces_are_refused(space: Any) -> None:
    with pytest.raises(ph.errors.ConfigError) as caught:
        ActionBranches(space)
    assert str(caught.value) == (
        f"dqn cannot act in {space}. Use a Discrete or MultiDiscrete space, or another trainer, such as "
        "'ppo'."
    )
