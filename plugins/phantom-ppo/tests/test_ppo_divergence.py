from typing import Any

import gymnasium as gym
import pytest

import phantom_core as ph


class RichEnv(gym.Env[Any, Any]):
    """Pays 1 in each step but for one of its life, when it pays a huge number."""

    observation_space = gym.spaces.Discrete(3)
    action_space = gym.spaces.Discrete(2)

    def __init__(self, at: int) -> None:
        self.at, self.made = at, 0

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.step_number = 0
        return 0, {}

    def step(self, action: int) -> Any:
        self.step_number += 1
        self.made += 1
        reward = 1e308 if self.made == self.at else 1.0
        return self.step_number % 3, reward, self.step_number == 10, False, {}


@pytest.mark.parametrize("at", [100, 391])  # the second in the last iteration
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_after_a_huge_reward_the_run_ends_as_diverged(at: int) -> None:
    results = ph.train(
        "ppo",
        env=lambda: ph.GymnasiumEnv(lambda: RichEnv(at)),
        trainer_config={"copies": 1, "steps_per_copy": 100},
        num_iterations=4,
        seed=1,
        run_dir=None,
    )
    number = (at - 1) // 100 + 1
    assert (results.status, results.iterations) == ("diverged", number)
    (reason,) = results.stop_reasons
    assert f" after {number} iteration" in reason
