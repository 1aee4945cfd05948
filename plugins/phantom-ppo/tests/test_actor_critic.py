import copy
import pickle
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector.utils import concatenate, create_empty_array

import phantom_core as ph
from phantom_ppo import MLPActorCriticPolicy

BOX = gym.spaces.Box(-np.inf, np.inf, (2,), np.float32)
MASKED = gym.spaces.Dict({"observation": BOX, "action_mask": gym.spaces.MultiBinary(3)})
PAIRS: list[tuple[Any, Any]] = [
    (BOX, gym.spaces.Discrete(3, start=1)),
    (gym.spaces.Discrete(4), gym.spaces.MultiDiscrete([2, 3])),
    (gym.spaces.MultiBinary(2), gym.spaces.MultiBinary(2)),
    (gym.spaces.Dict({"a": BOX, "b": gym.spaces.Discrete(2)}), gym.spaces.Box(0.0, 9.0, (2, 2))),
    (gym.spaces.Tuple([BOX, gym.spaces.MultiDiscrete([2, 2])]), gym.spaces.Box(-1.0, np.inf, (1,))),
]


def make(observations: Any = BOX, actions: Any = PAIRS[0][1], seed: int = 1, **config: Any) -> Any:
    policy = MLPActorCriticPolicy(observations, actions, **config)
    policy.seed(ph.seeding.make_rng(seed))
    return policy


def batched(space: gym.Space[Any], number: int) -> tuple[list[Any], Any]:
    space.seed(1)
    rows = [space.sample() for _ in range(number)]
    return rows, concatenate(space, rows, create_empty_array(space, number))


def streams(number: int, seed: int = 1) -> ph.RowStreams:
    return ph.RowStreams([ph.seeding.UniformStream(ph.seeding.make_rng(seed, n)) for n in range(number)])


@pytest.mark.parametrize(("observations", "actions"), PAIRS, ids=str)
def test_every_pair_of_spaces_is_acted_in(observations: Any, actions: Any) -> None:
    policy = make(observations, actions)
    rows, batch = batched(observations, 7)
    sampled, extras = policy.sample_actions(batch, streams(7))
    assert extras == {}
    assert len(sampled) == 7
    assert all(action in actions for action in policy.env_actions(sampled))
    greedy = policy.compute_actions(batch)
    for row, action in zip(rows, greedy, strict=True):
        assert action in actions
        assert policy.compute_action(row) == pytest.approx(action, rel=1e-5, abs=1e-6)


def test_what_a_row_samples_does_not_depend_on_the_other_rows() -> None:
    policy = make()
    _, batch = batched(BOX, 6)
    together, _ = policy.sample_actions(batch, streams(6))
    alone = [
        policy.sample_actions(
            batch[n : n + 1], ph.RowStreams([ph.seeding.UniformStream(ph.seeding.make_rng(1, n))])
        )[0][0]
        for n in range(6)
    ]
    assert together.tolist() == alone


def test_a_mask_is_obeyed_when_sampling_and_when_deployed() -> None:
    policy = make(MASKED, gym.spaces.Discrete(3))
    views = policy.network.layout.views(policy.network.parameters)
    views["actor.bias"][:] = [0.0, 30.0, 1.0]  # without a mask it would always be 1
    observation = {"observation": np.zeros(2, np.float32), "action_mask": np.array([1, 0, 1], np.int8)}
    batch = {key: np.repeat(value[None], 100, axis=0) for key, value in observation.items()}
    sampled, _ = policy.sample_actions(batch, streams(100))
    assert set(sampled.tolist()) == {0, 2}
    assert policy.compute_action(observation) == 2
    assert policy.compute_actions(batch).tolist() == [2] * 100


def test_same_seed_same_weights_and_another_seed_others() -> None:
    assert make().state_dict()["parameters"].tolist() == make().state_dict()["parameters"].tolist()
    assert make().state_dict()["parameters"].tolist() != make(seed=2).state_dict()["parameters"].tolist()


def test_a_policy_is_saved_and_loaded_with_its_normaliser() -> None:
    policy, other = make(normalize_observations=True), make(normalize_observations=True, seed=2)
    _, batch = batched(BOX, 50)
    policy.see(batch * 3.0 + 5.0)
    other.load_state_dict(policy.state_dict())
    assert other.features(batch).tolist() == policy.features(batch).tolist()
    assert other.compute_actions(batch).tolist() == policy.compute_actions(batch).tolist()
    policy.see(batch)  # what was saved shares nothing with what goes on
    assert other.features(batch).tolist() != policy.features(batch).tolist()


def test_normalised_observations_have_mean_0_and_deviation_1_and_are_bounded() -> None:
    space = gym.spaces.Dict({"a": BOX, "b": gym.spaces.Discrete(2)})
    policy = make(space, normalize_observations=True, observation_clip=3.0)
    numbers = np.random.default_rng(1).normal(5.0, 2.0, size=(1000, 2)).astype(np.float32)
    batch = {"a": numbers, "b": np.arange(1000) % 2}
    before = policy.features(batch)
    assert before[:, :2].tolist() == numbers.clip(-3.0, 3.0).tolist()
    policy.see(policy.layout.features(batch))
    after = policy.features(batch)
    assert after[:, :2].mean(axis=0) == pytest.approx([0.0, 0.0], abs=0.02)
    assert after[:, :2].std(axis=0) == pytest.approx([1.0, 1.0], abs=0.02)
    assert abs(after[:, :2]).max() <= 3.0
    assert after[:, 2:].tolist() == before[:, 2:].tolist()  # one-hot stays one-hot


def test_widths_activation_and_first_deviation_are_settings() -> None:
    policy = make(
        BOX, gym.spaces.Box(-1.0, 1.0, (3,)), hidden_sizes=[5], activation="relu", log_std_init=-1.0
    )
    assert policy.network.parameters.size == 2 * (2 * 5 + 5) + 5 * 3 + 3 + 5 + 1 + 3
    assert policy.network.extra.tolist() == [-1.0, -1.0, -1.0]


def through_bytes(policy: Any) -> Any:
    return pickle.loads(pickle.dumps(policy))  # noqa: S301  our own bytes


@pytest.mark.parametrize("copied", [copy.deepcopy, through_bytes])
def test_a_copy_acts_alike_and_shares_nothing_but_its_vector_is_its_own_networks(copied: Any) -> None:
    policy = make()
    other = copied(policy)
    _, batch = batched(BOX, 5)
    before = policy.network.policy_outputs(batch)
    assert other.network.policy_outputs(batch).tolist() == before.tolist()
    other.network.parameters *= 2.0
    assert other.network.policy_outputs(batch).tolist() != before.tolist()
    assert policy.network.policy_outputs(batch).tolist() == before.tolist()


def test_parameters_of_another_policy_are_refused() -> None:
    with pytest.raises(ph.errors.CheckpointError) as caught:
        make().load_state_dict(make(hidden_sizes=[5]).state_dict())
    assert str(caught.value) == (
        "The saved mlp-actor-critic has 54 parameters, but this policy has 8964. Load it into a policy with "
        "the spaces and the settings that it was trained with."
    )


@pytest.mark.parametrize(
    ("actions", "reason"),
    [
        (gym.spaces.Discrete(4), "a mask of 3 entries, but it has 4 choices"),
        (gym.spaces.MultiBinary(3), "a mask"),
    ],
)
def test_a_mask_that_does_not_fit_the_actions_is_refused(actions: Any, reason: str) -> None:
    with pytest.raises(ph.errors.ConfigError) as caught:
        make(MASKED, actions)
    assert str(caught.value) == (
        f"The observations come with {reason} for the action space {actions}. Give the mask one entry for "
        "each choice of a Discrete or MultiDiscrete space, or leave it out."
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"hidden_sizes": [0]},
            "mlp-actor-critic got hidden_sizes=(0,). Expected positive integers.",
        ),
        (
            {"observation_clip": 0.0},
            "mlp-actor-critic got observation_clip=0.0. Expected a positive number.",
        ),
    ],
)
def test_settings_of_the_policy_out_of_range_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ph.errors.ConfigError) as caught:
        make(**settings)
    assert str(caught.value) == message
