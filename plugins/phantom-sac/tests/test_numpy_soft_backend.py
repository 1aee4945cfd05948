import copy
import sys
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from phantom_nn import FlatAdam, SquashedDraw, polyak
from phantom_sac.numpy_soft_backend import NumpySoftBackend
from phantom_sac.soft_losses import StepSettings
from phantom_sac.temperature import EPSILON, Temperature

sys.path.append(str(Path(__file__).parent))
from soft_minibatches import BOUNDED, HALF_BOUNDED, ROWS, make, minibatch

ALPHA = 0.3
SETTINGS = StepSettings(learning_rate=1e-3, target_rate=0.1)


def slopes(loss: Any, parameters: Any) -> Any:
    """Return finite differences of a loss by each parameter."""
    found = np.zeros_like(parameters)
    for place in range(parameters.size):
        before = parameters[place]
        ends = []
        for step in (1e-6, -1e-6):
            parameters[place] = before + step
            ends.append(loss())
        parameters[place] = before
        found[place] = (ends[0] - ends[1]) / 2e-6
    return found


@pytest.mark.parametrize("exploration", ["independent", "state-dependent"])
@pytest.mark.parametrize("space", [BOUNDED, HALF_BOUNDED], ids=["bounded", "half-bounded"])
def test_the_actors_gradient_agrees_with_finite_differences(exploration: str, space: gym.Space[Any]) -> None:
    (policy, critic), batch = make(exploration, space), minibatch()
    backend = NumpySoftBackend(policy, critic, Temperature(ALPHA, None))

    def loss() -> float:
        return backend.differentiate_actor(batch, backend.draw(batch), ALPHA)

    loss()
    gradient = backend.gradients[0].copy()
    assert np.abs(gradient).max() > 0.01
    np.testing.assert_allclose(gradient, slopes(loss, policy.network.parameters), rtol=1e-5, atol=1e-7)


def test_the_critics_gradient_agrees_with_finite_differences() -> None:
    (policy, critic), batch = make("independent", BOUNDED), minibatch()
    backend = NumpySoftBackend(policy, critic, Temperature(ALPHA, None))
    draw = backend.draw(batch)

    def loss() -> float:
        return backend.differentiate_critic(batch, draw, ALPHA)[0]

    loss()
    gradient = backend.gradients[1].copy()
    assert np.abs(gradient).max() > 0.01
    np.testing.assert_allclose(gradient, slopes(loss, critic.parameters), rtol=1e-5, atol=1e-7)


def test_only_the_first_half_of_the_joint_pass_moves_the_actor() -> None:
    (policy, critic), batch = make("independent", BOUNDED), minibatch()
    backend = NumpySoftBackend(policy, critic, Temperature(ALPHA, None))
    backend.differentiate_actor(batch, backend.draw(batch), ALPHA)
    before = backend.gradients[0].copy()
    batch.next_features[:] += 1.0
    backend.differentiate_actor(batch, backend.draw(batch), ALPHA)
    np.testing.assert_allclose(backend.gradients[0], before, rtol=1e-12)


def test_a_step_changes_temperature_critics_actor_and_targets_in_this_order() -> None:
    (policy, critic), batch = make("independent", BOUNDED), minibatch()
    actor, critic_before, target = (copy.deepcopy(network) for network in (policy.network, critic, critic))
    backend = NumpySoftBackend(policy, critic, Temperature(1.0, -2.0))
    (report,) = backend.descend([batch], SETTINGS)

    # the same by hand, with the values of α, actor and critics at the time of their use
    both = np.concatenate([batch.features, batch.next_features])
    draw = SquashedDraw(*actor.forward_moments(both), batch.noise)
    next_values = np.minimum(*target.values(batch.next_features, draw.actions[ROWS:]))
    targets = batch.rewards + batch.discounts * (next_values - 1.0 * draw.log_prob[ROWS:])
    first, second = critic_before.values(batch.features, batch.actions)
    critic_before.learn((first - targets) / ROWS, (second - targets) / ROWS)
    FlatAdam(critic_before.parameters, EPSILON).step(critic_before.gradient, 1e-3)
    values = critic_before.values(batch.features, draw.actions[:ROWS])
    polyak(target.parameters, critic_before.parameters, 0.1)

    assert report.critic_loss == pytest.approx(
        0.5 * (np.square(first - targets).mean() + np.square(second - targets).mean())
    )
    assert report.actor_loss == pytest.approx(draw.log_prob[:ROWS].mean() - np.minimum(*values).mean())
    assert report.entropy == pytest.approx(-draw.log_prob[:ROWS].mean())
    assert report.temperature == 1.0
    state = backend.state_dict()
    np.testing.assert_allclose(state["critic"], critic_before.parameters)
    np.testing.assert_allclose(state["target"], target.parameters)
    # Adam's first step is the learning rate along the sign of the slope
    direction = np.sign(draw.log_prob[:ROWS].mean() - 2.0)
    assert state["temperature"]["log"] == pytest.approx(direction * 1e-3, rel=1e-6)


def test_what_follows_a_termination_has_no_value() -> None:
    (policy, critic), batch = make("independent", BOUNDED), minibatch()
    batch.discounts[:] = 0.0
    backend = NumpySoftBackend(policy, critic, Temperature(ALPHA, None))
    loss, _ = backend.differentiate_critic(batch, backend.draw(batch), ALPHA)
    errors = np.array(critic.values(batch.features, batch.actions)) - batch.rewards
    assert loss == pytest.approx(0.5 * np.square(errors).mean(axis=1).sum())


def test_a_fixed_temperature_stays() -> None:
    policy, critic = make("independent", BOUNDED)
    backend = NumpySoftBackend(policy, critic, Temperature(0.05, None))
    reports = backend.descend([minibatch(), minibatch(seed=3)], SETTINGS)
    assert [report.temperature for report in reports] == [0.05, 0.05]


def test_it_goes_on_from_its_state_bit_for_bit() -> None:
    batches = [minibatch(np.float32, seed=seed) for seed in range(6)]
    policy, critic = make("state-dependent", BOUNDED, np.float32)
    twin_policy, twin_critic = copy.deepcopy(policy), copy.deepcopy(critic)
    backend = NumpySoftBackend(policy, critic, Temperature(1.0, -2.0))
    backend.descend(batches[:3], SETTINGS)
    twin_policy.network.parameters[:] = policy.network.parameters
    twin = NumpySoftBackend(twin_policy, twin_critic, Temperature(1.0, -2.0))
    twin.load_state_dict(backend.state_dict())
    assert backend.descend(batches[3:], SETTINGS) == twin.descend(batches[3:], SETTINGS)
    assert policy.network.parameters.tolist() == twin_policy.network.parameters.tolist()
