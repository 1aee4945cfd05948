from dataclasses import replace
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from phantom_nn import ActorMLP
from phantom_ppo import MLPStochasticActorPolicy
from phantom_ppo.central_backend import CentralBackend, CentralCritic
from phantom_ppo.central_view import CentralView, GlobalState
from phantom_ppo.ppo_loss import LossSettings, Samples

SETTINGS = LossSettings(
    learning_rate=1e-3,
    clip_range=0.2,
    entropy_coefficient=0.05,
    value_coefficient=0.5,
    clip_range_value=0.3,
    max_grad_norm=0.5,
    max_kl=None,
)
OWN = gym.spaces.Box(-1.0, 1.0, (3,))
STATE = gym.spaces.Box(-1.0, 1.0, (2,))


def make(actions: gym.Space[Any], *, is_scaled: bool = False) -> tuple[Any, Any, CentralBackend, Samples]:
    """Return a float64 actor and critic, their backend, and samples whose ratios are on both sides."""
    rng = np.random.default_rng(1)
    policy = MLPStochasticActorPolicy(OWN, actions, hidden_sizes=(5, 4))
    outputs, extra = policy.distribution.num_outputs, policy.distribution.num_extra
    policy.network = actor = ActorMLP(3, (5, 4), outputs, extra, dtype=np.float64)
    critic = CentralCritic(CentralView(GlobalState(STATE, None)), (4,), "tanh", rng, is_scaled=is_scaled)
    backend = CentralBackend(policy, critic)
    actor.parameters[:] = rng.normal(size=actor.parameters.size) * 0.5
    features = rng.normal(size=(12, 5))
    drawn = [actions.sample() for _ in range(12)]
    log_probs, values = backend.evaluate(features, None, np.array(drawn))
    samples = Samples(
        features,
        None,
        np.array(drawn),
        log_probs + rng.normal(size=12) * 0.2,
        values + rng.normal(size=12) * 0.4,
        rng.normal(size=12),
        values + rng.normal(size=12),
    )
    return actor, critic.network, backend, samples


@pytest.mark.parametrize("actions", [gym.spaces.Discrete(4, seed=1), gym.spaces.Box(-2.0, 2.0, (2,), seed=1)])
def test_gradients_of_actor_and_critic_agree_with_finite_differences(actions: gym.Space[Any]) -> None:
    actor, critic, backend, samples = make(actions)

    def loss() -> float:
        terms = backend.loss(samples, SETTINGS)
        value = SETTINGS.value_coefficient * terms.value_loss
        return terms.policy_loss + value - SETTINGS.entropy_coefficient * terms.entropy

    loss()
    for network, size in ((actor, 1e-6), (critic, 1e-3)):  # the critic computes in float32
        gradient, slopes = network.gradient.copy(), np.zeros(network.parameters.size)
        for index in range(len(slopes)):
            here = network.parameters[index]
            network.parameters[index] = here + size
            above = loss()
            network.parameters[index] = here - size
            slopes[index] = (above - loss()) / (2 * size)
            network.parameters[index] = here
        assert gradient == pytest.approx(slopes, abs=1e3 * size**2 + 2e-8, rel=10 * size)


def test_the_actor_sees_its_own_columns_and_the_critic_the_others() -> None:
    _, _, backend, samples = make(gym.spaces.Discrete(4, seed=1))
    log_probs, values = backend.evaluate(samples.features, None, samples.actions)
    changed = samples.features.copy()
    changed[:, 3:] += 1.0
    others, other_values = backend.evaluate(changed, None, samples.actions)
    assert others.tolist() == log_probs.tolist()
    assert (other_values != values).all()
    changed = samples.features.copy()
    changed[:, :3] += 1.0
    others, other_values = backend.evaluate(changed, None, samples.actions)
    assert (others != log_probs).all()
    assert other_values.tolist() == values.tolist()
    assert backend.values(samples.features) == pytest.approx(values, abs=1e-6)


def test_values_of_any_size_are_learned() -> None:
    _, _, backend, samples = make(gym.spaces.Discrete(4, seed=1), is_scaled=True)
    returns = 1e4 + 500.0 * samples.features[:, 3]
    settings = replace(SETTINGS, learning_rate=0.02, clip_range_value=None)
    for _ in range(200):
        values = backend.values(samples.features)
        one = replace(samples, values=values, returns=returns)
        backend.descend(one, [(None, samples.advantages)], settings)
    assert np.abs(backend.values(samples.features) - returns).mean() < 50.0


def test_both_gradients_are_clipped_each_by_itself() -> None:
    actor, critic, backend, samples = make(gym.spaces.Discrete(4, seed=1))
    _, norm = backend.step(replace(samples, returns=samples.returns + 1e4), SETTINGS)
    assert np.linalg.norm(critic.gradient) == pytest.approx(0.5, rel=1e-3)
    assert norm is not None
    assert np.linalg.norm(actor.gradient) == pytest.approx(min(norm, 0.5), rel=1e-3)
