import copy
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import phantom_core as ph
from phantom_sac import MLPSoftActorPolicy
from phantom_sac.actor_networks import MEAN_LIMIT, StateDependentActor

OBSERVATIONS = gym.spaces.Box(-1.0, 1.0, (3,))
ACTIONS = gym.spaces.Box(np.array([-2.0, 0.0], np.float32), np.array([2.0, 10.0], np.float32))
ROWS = np.random.default_rng(1).uniform(-1.0, 1.0, (6, 3)).astype(np.float32)


def policy(space: gym.Space[Any] = ACTIONS, **config: Any) -> MLPSoftActorPolicy:
    made = MLPSoftActorPolicy(OBSERVATIONS, space, hidden_sizes=(8, 7), **config)
    made.seed(np.random.default_rng(1))
    return made


def streams(number: int, seed: int = 1) -> ph.RowStreams:
    return ph.RowStreams([ph.seeding.UniformStream(ph.seeding.make_rng(seed, n)) for n in range(number)])


@pytest.mark.parametrize("is_state_dependent", [False, True])
def test_what_it_draws_is_stored_in_minus_one_to_one_and_played_in_the_bounds(
    is_state_dependent: Any,
) -> None:
    made = policy(state_dependent_exploration=is_state_dependent, log_std_init=1.0)
    stored, extras = made.sample_actions(ROWS, streams(6))
    assert stored.dtype == np.float32
    assert np.abs(stored).max() <= 1.0
    assert extras == {}
    assert all(action in ACTIONS for action in made.env_actions(stored))
    assert all(action in ACTIONS for action in made.compute_actions(ROWS))


def test_the_finished_policy_takes_the_means() -> None:
    made = policy()
    means, _ = made.network.moments(ROWS)
    np.testing.assert_allclose(made.compute_actions(ROWS), made.env_actions(np.tanh(means)), rtol=1e-6)


def test_actions_without_bounds_may_be_of_any_size() -> None:
    made = policy(gym.spaces.Box(-np.inf, np.inf, (1,)))
    made.network.parameters[:] = 0.0
    made.network.parameters[-2:] = 40.0, 0.0  # the biases of mean and log-deviation
    assert made.compute_actions(ROWS[:1]).tolist() == [[40.0]]
    assert made.sample_actions(ROWS[:1], streams(1))[0].item() == pytest.approx(40.0, abs=6.0)


def test_a_uniform_policy_covers_its_bounds_evenly() -> None:
    made = policy()
    made.is_uniform = True
    rows = np.zeros((2000, 3), np.float32)
    drawn = made.sample_actions(rows, streams(2000))[0]
    np.testing.assert_allclose(drawn.mean(axis=0), 0.0, atol=0.06)
    np.testing.assert_allclose(drawn.var(axis=0), 1.0 / 3.0, atol=0.03)


def test_state_dependent_noise_is_a_function_of_the_state_until_it_is_renewed() -> None:
    made = policy(state_dependent_exploration=True, log_std_init=0.0)
    made.renew_noise()
    draws = streams(6)
    first, again = (made.sample_actions(ROWS, draws)[0] for _ in range(2))
    other = made.sample_actions(ROWS[::-1].copy(), draws)[0]
    assert first.tolist() == again.tolist()
    assert not np.allclose(first, other[::-1])  # a matrix belongs to a row
    made.renew_noise()
    assert not np.allclose(first, made.sample_actions(ROWS, draws)[0])


def test_without_a_trainer_noise_is_drawn_for_each_action() -> None:
    made = policy(state_dependent_exploration=True, log_std_init=0.0)
    draws = streams(6)
    first, again = (made.sample_actions(ROWS, draws)[0] for _ in range(2))
    assert not np.allclose(first, again)


def test_noise_has_the_deviation_that_learning_counts_with() -> None:
    made = policy(gym.spaces.Box(-np.inf, np.inf, (1,)), state_dependent_exploration=True, log_std_init=-1.0)
    rows = np.repeat(ROWS[:1], 2000, axis=0)
    drawn = made.sample_actions(rows, streams(2000))[0]
    means, log_std = made.network.moments(ROWS[:1])
    assert drawn.mean() == pytest.approx(means.item(), abs=4.0 * np.exp(log_std.item()) / 40.0)
    assert drawn.std() == pytest.approx(np.exp(log_std.item()), rel=0.08)


def test_means_of_state_dependent_exploration_are_clipped() -> None:
    made = policy(gym.spaces.Box(-np.inf, np.inf, (1,)), state_dependent_exploration=True)
    network = made.network
    assert isinstance(network, StateDependentActor)
    network.parameters[-network.extra.size - 1] = 50.0  # the bias of the mean
    assert made.compute_actions(ROWS[:1]).tolist() == [[MEAN_LIMIT]]


@pytest.mark.parametrize("is_state_dependent", [False, True])
@pytest.mark.parametrize("hidden_sizes", [(), (4,)])
def test_a_copy_acts_alike_and_by_itself(is_state_dependent: Any, hidden_sizes: tuple[int, ...]) -> None:
    made = MLPSoftActorPolicy(
        OBSERVATIONS, ACTIONS, hidden_sizes=hidden_sizes, state_dependent_exploration=is_state_dependent
    )
    made.seed(np.random.default_rng(1))
    twin = copy.deepcopy(made)
    before = made.compute_actions(ROWS)
    made.network.parameters[:] = 0.0
    assert twin.compute_actions(ROWS).tolist() == before.tolist()
    assert twin.sample_actions(ROWS, streams(6))[0].shape == (6, 2)


@pytest.mark.parametrize(
    ("observations", "actions", "message"),
    [
        (
            OBSERVATIONS,
            gym.spaces.Discrete(2),
            "mlp-soft-actor cannot act in Discrete(2). Use a Box of floats.",
        ),
        (
            gym.spaces.Dict({"observation": OBSERVATIONS, "action_mask": gym.spaces.MultiBinary(2)}),
            ACTIONS,
            (
                f"The observations come with a mask for the action space {ACTIONS}. Give the mask one entry "
                "for each choice of a Discrete or MultiDiscrete space, or leave it out."
            ),
        ),
    ],
)
def test_spaces_that_do_not_fit_are_refused(observations: Any, actions: Any, message: str) -> None:
    with pytest.raises(ph.errors.ConfigError) as caught:
        MLPSoftActorPolicy(observations, actions)
    assert str(caught.value) == message
