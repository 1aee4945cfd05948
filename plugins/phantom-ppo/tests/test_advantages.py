import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phantom_ppo import gae


def advantages(
    rewards: list[float],
    values: list[float],
    final_values: list[float],
    lengths: list[int],
    terminated: list[bool],
    *,
    gamma: float = 0.99,
    gae_lambda: float = 0.95,
) -> list[float]:
    starts = np.concatenate(([0], np.cumsum(lengths)))
    result = gae(
        np.array(rewards),
        np.array(values),
        np.array(final_values),
        np.array(terminated),
        starts,
        gamma=gamma,
        gae_lambda=gae_lambda,
    )
    assert result.dtype == np.float64
    return result.tolist()


def test_a_truncation_in_mid_batch_takes_the_final_value_and_lets_nothing_leak_in() -> None:
    # r = 1 throughout, V = (2, 2 | 9, 9), truncated after step 1 with V(final) = 2, cut after step 3 with
    # a terminated episode: frameworks.md's numbers (1.90, 0.98) and, for the second pair, (1.77, 0.91).
    result = advantages([1.0] * 4, [2.0, 2.0, 9.0, 9.0], [2.0, 9.0], [2, 2], [False, False])
    # step 1: 1 + .99·2 − 2 = .98;        step 0: .98 + .9405·.98 = 1.90169
    # step 3: 1 + .99·9 − 9 = .91;        step 2: .91 + .9405·.91 = 1.765855
    assert result == pytest.approx([1.90169, 0.98, 1.765855, 0.91])


def test_nothing_follows_a_termination_whatever_the_final_value_says() -> None:
    assert advantages([1.0, 1.0], [2.0, 2.0], [100.0], [2], [True]) == pytest.approx(
        [1.0 + 0.99 * 2.0 - 2.0 + 0.99 * 0.95 * -1.0, -1.0]
    )


def test_a_time_limit_has_the_value_target_of_a_longer_episode() -> None:
    # Two worlds that are equal up to the limit; V is the true value 1 / (1 − γ) of a reward of 1 for ever.
    value = 1.0 / (1.0 - 0.9)
    limited = advantages([1.0] * 3, [value] * 3, [value], [3], [False], gamma=0.9)
    longer = advantages([1.0] * 9, [value] * 9, [value], [9], [False], gamma=0.9)
    assert limited == pytest.approx(longer[:3])
    assert limited[-1] + value == pytest.approx(1.0 + 0.9 * value)


def test_lambda_0_is_the_error_of_one_step_and_lambda_1_what_was_earned_minus_the_value() -> None:
    rewards, values = [1.0, 2.0, 3.0], [0.5, 0.25, -1.0]
    one_step = advantages(rewards, values, [4.0], [3], [False], gamma=0.5, gae_lambda=0.0)
    assert one_step == pytest.approx([1.0 + 0.125 - 0.5, 2.0 - 0.5 - 0.25, 3.0 + 2.0 + 1.0])
    earned = advantages(rewards, values, [4.0], [3], [False], gamma=0.5, gae_lambda=1.0)
    assert earned == pytest.approx([1.0 + 1.0 + 0.75 + 0.5 - 0.5, 2.0 + 1.5 + 1.0 - 0.25, 5.0 + 1.0])


def test_trajectories_may_be_a_single_decision() -> None:
    result = advantages([1.0, 2.0], [0.0, 0.0], [10.0, 10.0], [1, 1], [True, False], gamma=0.5)
    assert result == [1.0, 7.0]


@given(
    st.lists(st.tuples(st.integers(1, 6), st.booleans()), min_size=1, max_size=6),
    st.integers(0, 2**32),
)
def test_every_trajectory_is_treated_as_if_it_were_alone(
    trajectories: list[tuple[int, bool]], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    lengths, terminated = map(list, zip(*trajectories, strict=True))
    total = sum(lengths)
    rewards, values, finals = rng.normal(size=total), rng.normal(size=total), rng.normal(size=len(lengths))
    together = advantages(rewards.tolist(), values.tolist(), finals.tolist(), lengths, terminated)
    alone, begin = [], 0
    for length, ended, final in zip(lengths, terminated, finals.tolist(), strict=True):
        part = slice(begin, begin + length)
        alone += advantages(rewards[part].tolist(), values[part].tolist(), [final], [length], [ended])
        begin += length
    assert together == pytest.approx(alone)
