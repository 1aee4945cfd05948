from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from phantom_ppo.ppo_loss import LossSettings, Samples, explained_variance, normalised, ppo_loss

SETTINGS = LossSettings(
    learning_rate=1e-3,
    clip_range=0.2,
    entropy_coefficient=0.01,
    value_coefficient=0.5,
    clip_range_value=None,
    max_grad_norm=0.5,
    max_kl=None,
)


def samples(
    ratio: list[float], advantages: list[float], values: list[float], returns: list[float]
) -> Samples:
    return Samples(
        features=np.zeros((len(ratio), 1)),
        masks=None,
        actions=np.zeros(len(ratio), np.int64),
        log_probs=-np.log(ratio),  # so that log_prob = 0 has this ratio
        values=np.array(values),
        advantages=np.array(advantages),
        returns=np.array(returns),
    )


def loss(batch: Samples, values: list[float], settings: LossSettings = SETTINGS) -> tuple[Any, Any]:
    zeros = np.zeros(len(batch))
    return ppo_loss(zeros, zeros + 1.5, np.array(values), batch, settings)


def test_the_surrogate_is_clipped_only_where_that_makes_it_worse() -> None:
    batch = samples([1.5, 1.5, 0.5, 0.5], [2.0, -2.0, 2.0, -2.0], [0.0] * 4, [0.0] * 4)
    terms, gradients = loss(batch, [0.0] * 4)
    # min(r A, clip(r) A): 1.2·2, 1.5·−2, 0.5·2, 0.8·−2
    assert terms.policy_loss == pytest.approx(-(2.4 - 3.0 + 1.0 - 1.6) / 4)
    assert gradients.d_log_prob == pytest.approx([0.0, 3.0 / 4, -1.0 / 4, 0.0])
    assert terms.clip_fraction == 1.0
    assert terms.ratio_error == pytest.approx(0.5)


def test_the_estimate_of_kl_is_r_minus_1_minus_log_r() -> None:
    terms, _ = loss(samples([2.0, 0.5], [0.0, 0.0], [0.0] * 2, [0.0] * 2), [0.0] * 2)
    assert terms.approx_kl == pytest.approx(((2 - 1 - np.log(2)) + (0.5 - 1 - np.log(0.5))) / 2)


def test_values_are_drawn_to_their_targets() -> None:
    terms, gradients = loss(samples([1.0, 1.0], [0.0, 0.0], [0.0, 0.0], [1.0, 5.0]), [3.0, 5.0])
    assert terms.value_loss == pytest.approx((4.0 + 0.0) / 2)
    assert gradients.d_values == pytest.approx([0.5 * 2 * 2.0 / 2, 0.0])
    assert gradients.d_entropy == pytest.approx(-0.01 / 2)
    assert terms.entropy == 1.5


def test_clipped_values_count_the_larger_error_and_have_no_slope_there() -> None:
    settings = replace(SETTINGS, clip_range_value=1.0)
    # old values 0; targets 4, 4, −4: new values 3 (clipped to 1), 0.5 (inside), 3 (clipped is better)
    batch = samples([1.0] * 3, [0.0] * 3, [0.0] * 3, [4.0, 4.0, -4.0])
    terms, gradients = loss(batch, [3.0, 0.5, 3.0], settings)
    assert terms.value_loss == pytest.approx((9.0 + 12.25 + 49.0) / 3)
    assert gradients.d_values == pytest.approx([0.0, -3.5 / 3, 7.0 / 3])


def test_advantages_are_normalised_with_the_unbiased_deviation() -> None:
    found = normalised(np.array([1.0, 2.0, 6.0]))
    assert found.mean() == pytest.approx(0.0)
    assert found.std(ddof=1) == pytest.approx(1.0)


def test_a_single_advantage_stays_as_it_is_and_equal_ones_become_zero() -> None:
    assert normalised(np.array([3.0])).tolist() == [3.0]
    assert normalised(np.array([3.0, 3.0])).tolist() == [0.0, 0.0]


def test_explained_variance_is_1_for_perfect_values_and_0_for_a_constant() -> None:
    returns = np.array([1.0, 2.0, 3.0])
    assert explained_variance(returns, returns) == 1.0
    assert explained_variance(np.full(3, 7.0), returns) == pytest.approx(0.0)
    assert explained_variance(-returns, returns) == pytest.approx(1.0 - 4.0)
    assert explained_variance(returns, np.ones(3)) is None
