from itertools import chain, repeat

import gymnasium as gym
import pytest

import phantom_core as ph


@pytest.mark.parametrize("normalize_rewards", [True, False])
@pytest.mark.parametrize("at", [100, 391])  # the second in the last iteration
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_after_a_huge_reward_the_run_ends_as_diverged(at: int, *, normalize_rewards: bool) -> None:
    rewards = chain(repeat(1.0, at - 1), [1e308], repeat(1.0))
    lake = gym.make("FrozenLake-v1")
    results = ph.train(
        "ppo",
        env=lambda: ph.GymnasiumEnv(lambda: gym.wrappers.TransformReward(lake, lambda _: next(rewards))),
        trainer_config={"copies": 1, "steps_per_copy": 100, "normalize_rewards": normalize_rewards},
        num_iterations=4,
        seed=1,
        run_dir=None,
    )
    number = (at - 1) // 100 + 1
    assert (results.status, results.iterations) == ("diverged", number)
    (reason,) = results.stop_reasons
    assert f" after {number} iteration" in reason
