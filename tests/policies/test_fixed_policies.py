from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import phantom_core as ph

OBSERVATIONS = gym.spaces.Discrete(2)
BOX = gym.spaces.Box(-1.0, 1.0, (2,), np.float32)


def streams(seed: int, rows: int = 3) -> ph.RowStreams:
    return ph.RowStreams([ph.seeding.UniformStream(ph.seeding.make_rng(seed, row)) for row in range(rows)])


@pytest.mark.parametrize("space", [gym.spaces.Discrete(5, start=3), BOX, gym.spaces.MultiDiscrete([2, 3])])
def test_random_actions_lie_in_the_space_and_follow_from_the_streams(space: gym.Space) -> None:  # type: ignore[type-arg]
    policy = ph.RandomPolicy(OBSERVATIONS, space)
    first, _ = policy.sample_actions([0, 0, 0], streams(1))
    again, _ = policy.sample_actions([0, 0, 0], streams(1))
    assert all(space.contains(np.int64(a) if isinstance(a, int) else a) for a in first)
    assert np.array_equal(first, again)


def test_a_seeded_random_policy_repeats_its_finished_behaviour() -> None:
    one, other = ph.RandomPolicy(OBSERVATIONS, BOX), ph.RandomPolicy(OBSERVATIONS, BOX)
    for policy in (one, other):
        policy.seed(np.random.default_rng(3))
    assert np.array_equal(one.compute_actions([0, 1]), other.compute_actions([0, 1]))


def test_a_random_policy_leaves_the_generator_of_the_space_alone() -> None:
    space = gym.spaces.Discrete(5)
    space.seed(1)
    expected = gym.spaces.Discrete(5, seed=1).sample()
    ph.RandomPolicy(OBSERVATIONS, space).compute_action(0)
    assert space.sample() == expected


def test_a_random_policy_draws_from_what_a_mask_allows() -> None:
    mask = gym.spaces.MultiBinary(4)
    observations = gym.spaces.Dict(observation=gym.spaces.Discrete(1), action_mask=mask)
    policy = ph.RandomPolicy(observations, gym.spaces.Discrete(4, start=10))
    masks = np.array([[1, 0, 0, 0], [0, 1, 0, 1], [0, 0, 0, 0]], np.int8)
    drawn = [set(), set(), set()]  # type: ignore[var-annotated]
    rng = streams(1)
    for _ in range(60):
        actions, _ = policy.sample_actions({"observation": [0, 0, 0], "action_mask": masks}, rng)
        for seen, action in zip(drawn, actions, strict=True):
            seen.add(action)
    everything = {10, 11, 12, 13}
    assert drawn == [{10}, {11, 13}, everything]
    policy.seed(np.random.default_rng(1))
    finished = [
        {int(policy.compute_action({"observation": 0, "action_mask": row})) for _ in range(60)}
        for row in masks
    ]
    assert finished == [{10}, {11, 13}, everything]


CHOICES = gym.spaces.MultiDiscrete([2, 3], start=[0, 5])
PARTS = gym.spaces.Tuple([CHOICES, BOX, gym.spaces.Dict(shop=gym.spaces.Discrete(3, start=1))])


@pytest.mark.parametrize(
    ("space", "mask", "choices_of", "allowed"),
    [
        (CHOICES, [0, 1, 1, 0, 1], tuple, {(1, 5), (1, 7)}),
        (CHOICES, [0, 0, 0, 0, 0], tuple, {(one, other) for one in (0, 1) for other in (5, 6, 7)}),
        (PARTS, [1, 0, 0, 1, 0, 0, 1, 0], lambda a: (*a[0].tolist(), a[2]["shop"]), {(0, 6, 2)}),
    ],
    ids=["choices", "none allowed", "parts"],
)
def test_a_mask_holds_for_every_choice_of_an_action(
    space: gym.Space[Any], mask: list[int], choices_of: Any, allowed: set[Any]
) -> None:
    observed = gym.spaces.Dict(
        observation=gym.spaces.Discrete(1), action_mask=gym.spaces.MultiBinary(len(mask))
    )
    policy = ph.RandomPolicy(observed, space)
    policy.seed(np.random.default_rng(1))
    row = np.array(mask, np.int8)
    rng = streams(1, rows=1)
    batch = {"observation": [0], "action_mask": row[None]}
    explored = [policy.sample_actions(batch, rng)[0][0] for _ in range(60)]
    finished = [policy.compute_action({"observation": 0, "action_mask": row}) for _ in range(60)]
    for actions in (explored, finished):
        assert all(action in space for action in actions)
        assert {tuple(map(int, choices_of(action))) for action in actions} == allowed


def test_a_constant_policy_makes_a_number_an_element_of_a_box() -> None:
    action = ph.ConstantPolicy(OBSERVATIONS, BOX, action=0.5).compute_action(0)
    assert BOX.contains(action)
    assert action.tolist() == [0.5, 0.5]


def test_a_constant_action_outside_the_space_is_refused() -> None:
    with pytest.raises(ph.errors.ConfigError) as caught:
        ph.ConstantPolicy(OBSERVATIONS, BOX, action=2.0)
    assert str(caught.value) == (
        "ConstantPolicy got action=2.0, which is not in the action space Box(-1.0, 1.0, (2,), float32). "
        "Give an element of it."
    )


def test_a_function_policy_calls_its_function() -> None:
    policy = ph.FunctionPolicy(OBSERVATIONS, OBSERVATIONS, function=lambda observation: 1 - observation)
    assert policy.compute_actions([0, 1]) == [1, 0]


def test_a_setting_that_a_policy_does_not_have_is_refused() -> None:
    with pytest.raises(ph.errors.ConfigError) as caught:
        ph.ConstantPolicy(OBSERVATIONS, OBSERVATIONS, actoin=1)
    assert str(caught.value) == (
        "ConstantPolicy has no setting 'actoin'. Did you mean 'action'? Its settings: action."
    )
