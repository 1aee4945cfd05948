from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.spaces import Box, Dict, Discrete, MultiBinary, MultiDiscrete, Tuple
from gymnasium.vector.utils import concatenate, create_empty_array

import phantom_core as ph
from phantom_nn import ObservationLayout, batch_of_one

SPACES = [
    Box(-1.0, 1.0, (3,), np.float32),
    Box(0, 255, (2, 3), np.uint8),
    Box(-1.0, 1.0, (), np.float64),
    Discrete(4, start=2),
    MultiDiscrete([2, 3], start=[1, -1]),
    MultiDiscrete([[2, 3], [4, 5]]),
    MultiBinary(3),
    MultiBinary([2, 2]),
    Dict({"b": Discrete(3), "a": Box(0.0, 1.0, (2,)), "c": Tuple([MultiBinary(2), Discrete(2)])}),
    Tuple([Box(0.0, 1.0, (2, 2)), Discrete(3), Dict({"x": MultiDiscrete([2, 2])})]),
]


def batched(space: gym.Space[Any], observations: list[Any]) -> Any:
    return concatenate(space, observations, create_empty_array(space, len(observations)))


@pytest.mark.parametrize("space", SPACES, ids=str)
def test_each_row_is_what_gymnasium_flattens_it_to(space: gym.Space[Any]) -> None:
    space.seed(1)
    observations = [space.sample() for _ in range(5)]
    layout = ObservationLayout(space)
    features = layout.features(batched(space, observations))
    assert features.dtype == np.float32
    assert features.shape == (5, layout.width) == (5, gym.spaces.flatdim(space))
    for row, observation in zip(features, observations, strict=True):
        assert row.tolist() == pytest.approx(gym.spaces.flatten(space, observation).tolist())


@pytest.mark.parametrize("space", SPACES, ids=str)
def test_a_batch_of_one_is_the_first_row_of_a_larger_batch(space: gym.Space[Any]) -> None:
    space.seed(2)
    observations = [space.sample() for _ in range(3)]
    layout = ObservationLayout(space)
    one = layout.features(batch_of_one(space, observations[0]))
    assert one.tolist() == layout.features(batched(space, observations))[:1].tolist()


def test_only_what_comes_from_a_box_is_a_number_to_scale() -> None:
    space = Dict({"a": Box(0.0, 1.0, (2,)), "b": Discrete(2), "c": MultiBinary(1)})
    assert ObservationLayout(space).is_number.tolist() == [True, True, False, False, False]


def test_unflattening_gives_boxes_their_shape_and_leaves_choices_one_hot() -> None:
    space = Dict({"a": Box(0.0, 9.0, (2, 2)), "b": Tuple([Discrete(2), MultiBinary(3)])})
    observation = {"a": np.arange(4.0).reshape(2, 2), "b": (1, np.array([1, 0, 1], np.int8))}
    layout = ObservationLayout(space)
    found = layout.unflatten(layout.features(batched(space, [observation])))
    assert found["a"].tolist() == [[[0.0, 1.0], [2.0, 3.0]]]
    assert [part.tolist() for part in found["b"]] == [[[0.0, 1.0]], [[1.0, 0.0, 1.0]]]


@pytest.mark.parametrize("mask_space", [MultiBinary(3), Box(0, 1, (3,), np.int8)], ids=str)
def test_a_mask_is_taken_out_of_the_observation(mask_space: gym.Space[Any]) -> None:
    space = Dict({"observation": Box(0.0, 1.0, (2,)), "action_mask": mask_space})
    layout = ObservationLayout(space)
    observation = {
        "observation": np.array([0.5, 1.0], np.float32),
        "action_mask": np.array([1, 0, 1], np.int8),
    }
    batch = batched(space, [observation, observation])
    assert (layout.width, layout.mask_width) == (2, 3)
    assert layout.features(batch).tolist() == [[0.5, 1.0]] * 2
    mask = layout.mask(batch)
    assert mask is not None
    assert mask.tolist() == [[True, False, True]] * 2
    assert ObservationLayout(Box(0.0, 1.0, (2,))).mask(np.zeros((1, 2))) is None


def test_a_mask_that_allows_nothing_is_an_error_that_names_it() -> None:
    layout = ObservationLayout(Dict({"observation": Discrete(2), "action_mask": MultiBinary(3)}))
    masks = np.array([[1, 0, 0], [0, 0, 0]], np.int8)
    with pytest.raises(ph.errors.ObservationError) as caught:
        layout.mask({"observation": np.zeros(2, np.int64), "action_mask": masks})
    assert str(caught.value) == (
        "The action mask of observation 1 of 2 in this step allows none of the 3 actions. Expected at least "
        "one 1 in observation['action_mask']: let the env end the agent's episode, or allow an action that "
        "does nothing."
    )


def test_a_mask_among_other_keys_is_refused() -> None:
    space = Dict({"observation": Discrete(2), "action_mask": MultiBinary(3), "goal": Discrete(2)})
    with pytest.raises(ph.errors.ConfigError) as caught:
        ObservationLayout(space)
    assert str(caught.value) == (
        f"The observation space has the key 'action_mask' in {space}. An observation with a mask has exactly "
        "the keys 'observation' and 'action_mask', and the mask is a MultiBinary or a Box: put everything "
        "else into the observation, or rename the key."
    )


def test_a_space_without_numbers_is_refused() -> None:
    text = gym.spaces.Text(3)
    with pytest.raises(ph.errors.ConfigError) as caught:
        ObservationLayout(Dict({"a": Discrete(2), "b": text}))
    assert str(caught.value) == (
        f"An observation space with a part {text} cannot be turned into numbers. Use Box, Discrete, "
        "MultiDiscrete and MultiBinary, and Dict and Tuple of these."
    )
