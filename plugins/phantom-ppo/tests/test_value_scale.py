import numpy as np
import pytest

from phantom_nn import MLP
from phantom_ppo.value_scale import ValueScale


def make(seed: int = 1) -> tuple[MLP, ValueScale]:
    critic = MLP(3, (4,), {"critic": 1}, dtype=np.float64)
    critic.draw_orthogonal(np.random.default_rng(seed), {"critic": 1.0})
    return critic, ValueScale(critic, "critic")


def test_returns_are_learned_with_mean_0_and_deviation_1() -> None:
    _, scale = make()
    returns = np.random.default_rng(1).normal(-300.0, 50.0, 1000)
    scale.see(returns)
    learned = scale.normalised(returns)
    assert (learned.mean(), learned.std()) == pytest.approx((0.0, 1.0), abs=1e-9)
    assert scale.restored(learned) == pytest.approx(returns)


def test_values_stay_what_they_were_when_the_moments_change() -> None:
    critic, scale = make()
    features = np.random.default_rng(2).normal(size=(5, 3))
    scale.see(np.array([1.0, 3.0]))
    values = scale.restored(critic.head(features)[:, 0])
    scale.see(np.array([1000.0, -4000.0, 2.0]))
    assert scale.deviation > 1000.0
    assert scale.restored(critic.head(features)[:, 0]) == pytest.approx(values)


def test_the_first_moments_leave_the_critic_as_it_was_drawn() -> None:
    critic, scale = make()
    before = critic.parameters.copy()
    scale.see(np.array([1000.0, 3000.0]))
    assert critic.parameters.tolist() == before.tolist()


def test_equal_returns_make_no_infinity() -> None:
    _, scale = make()
    scale.see(np.full(10, 5.0))
    assert scale.normalised(np.full(2, 5.0)).tolist() == [0.0, 0.0]


def test_the_moments_are_saved() -> None:
    _, scale = make()
    _, other = make()
    scale.see(np.array([1.0, 2.0, 6.0]))
    other.load_state_dict(scale.state_dict())
    assert (other.mean, other.deviation) == (scale.mean, scale.deviation)
