"""What `ppo` must learn within seconds, and that defects of the kind that hide in PPO make it fail."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import phantom_core as ph
from phantom_nn.observation_layout import ObservationLayout
from phantom_ppo import MLPActorCriticPolicy, PPOTrainer, ppo_trainer

FAST = {"copies": 4, "steps_per_copy": 32, "epochs": 5, "minibatch_size": 64, "lr": 5e-3}


class EchoAgent(ph.StrategicAgent):
    """Sees one of three numbers, drawn anew in each step, and is paid 1 for acting as the number says."""

    observation_space = gym.spaces.Discrete(3)
    action_space: gym.spaces.Space[Any] = gym.spaces.Discrete(3)

    def reset(self) -> None:
        self.shown, self.paid = self.random.randrange(3), 0.0

    def decode_action(self, ctx: ph.Context, action: Any) -> None:
        self.paid = self.worth(action)
        self.shown = self.random.randrange(3)

    def worth(self, action: Any) -> float:
        return float(action == self.shown)

    def encode_observation(self, ctx: ph.Context) -> Any:
        return self.shown

    def compute_reward(self, ctx: ph.Context) -> float:
        return self.paid


class MultiDiscreteEchoAgent(EchoAgent):
    action_space = gym.spaces.MultiDiscrete([2, 3], start=[0, 4])

    def worth(self, action: Any) -> float:
        return 0.5 * float(action[0] == (self.shown > 0)) + 0.5 * float(action[1] - 4 == self.shown)


class MultiBinaryEchoAgent(EchoAgent):
    action_space = gym.spaces.MultiBinary(2)

    def worth(self, action: Any) -> float:
        return 0.5 * float(action[0] == (self.shown > 0)) + 0.5 * float(action[1] == (self.shown == 2))


class BoxEchoAgent(EchoAgent):
    action_space = gym.spaces.Box(0.0, 20.0, (1,), np.float32)

    def worth(self, action: Any) -> float:
        return 1.0 - abs(float(action[0]) - 8.0 - 2.0 * self.shown) / 10.0


class DictEchoAgent(EchoAgent):
    action_space = gym.spaces.Dict(
        {"price": BoxEchoAgent.action_space, "shops": gym.spaces.Tuple([gym.spaces.Discrete(3, start=1)])}
    )

    def worth(self, action: Any) -> float:
        is_there = float(action["shops"][0] - 1 == self.shown)
        return 0.5 * is_there + 0.5 * (1.0 - abs(float(action["price"][0]) - 8.0 - 2.0 * self.shown) / 10.0)


class SafeAgent(ph.StrategicAgent):
    """Action 0 earns 0.3 and goes on; action 1 earns 1 and ends the agent."""

    observation_space = gym.spaces.Discrete(1)
    action_space = gym.spaces.Discrete(2)

    def reset(self) -> None:
        self.has_left = False

    def decode_action(self, ctx: ph.Context, action: int) -> None:
        self.has_left = action == 1

    def encode_observation(self, ctx: ph.Context) -> int:
        return 0

    def compute_reward(self, ctx: ph.Context) -> float:
        return 1.0 if self.has_left else 0.3

    def is_terminated(self, ctx: ph.Context) -> bool:
        return self.has_left


class MaskedAgent(EchoAgent):
    """Of six actions two are allowed, which ones depends on the number; the first of them is paid."""

    observation_space = gym.spaces.Dict(
        {"observation": gym.spaces.Discrete(3), "action_mask": gym.spaces.MultiBinary(6)}
    )
    action_space = gym.spaces.Discrete(6)

    def encode_observation(self, ctx: ph.Context) -> Any:
        mask = np.zeros(6, np.int8)
        mask[[self.shown, self.shown + 3]] = 1
        return {"observation": self.shown, "action_mask": mask}


def make_env(agent_class: type[ph.StrategicAgent], num_steps: int = 20) -> Callable[[], ph.PhantomEnv]:
    return lambda: ph.PhantomEnv(num_steps, ph.Network([agent_class("A")]))


def train(env: Callable[[], ph.PhantomEnv], num_iterations: int, **config: Any) -> ph.TrainingResults:
    return ph.train(
        "ppo",
        env=env,
        num_iterations=num_iterations,
        trainer_config={**FAST, **config},
        evaluation=ph.EvaluationPlan(episodes=20),
        seed=1,
        run_dir=None,
    )


def mean_return(results: ph.TrainingResults) -> float:
    assert results.evaluation is not None
    return results.evaluation.mean_return


def assert_answers_what_it_sees() -> None:
    assert mean_return(train(make_env(EchoAgent), 20)) == 20.0


def assert_prefers_to_go_on() -> None:
    """To stay is worth 0.3 / (1 − γ) = 3 with γ = 0.9, to leave 1."""
    assert mean_return(train(make_env(SafeAgent), 20, gamma=0.9)) == pytest.approx(20 * 0.3)


def assert_learns_among_what_is_allowed() -> None:
    """Two actions are allowed, so the entropy begins at log 2, and ends near 0."""
    results = train(make_env(MaskedAgent), 20)
    assert mean_return(results) == 20.0
    entropies = [row["default/entropy"] for row in results.history]
    assert entropies[0] <= np.log(2.0) + 1e-6
    assert entropies[-1] < 0.2


def test_ppo_learns_to_answer_what_it_sees() -> None:
    assert_answers_what_it_sees()


def test_ppo_learns_to_go_on_where_the_end_pays_more_at_once() -> None:
    assert_prefers_to_go_on()


def test_ppo_learns_behind_a_mask() -> None:
    assert_learns_among_what_is_allowed()


@pytest.mark.parametrize("agent_class", [MultiDiscreteEchoAgent, MultiBinaryEchoAgent])
def test_ppo_learns_in_other_spaces_of_choices(agent_class: type[ph.StrategicAgent]) -> None:
    assert mean_return(train(make_env(agent_class), 30)) == 20.0


def test_ppo_learns_in_a_box() -> None:
    results = train(make_env(BoxEchoAgent), 40, copies=8, entropy_coefficient=0.0)
    assert mean_return(results) > 20.0 * 0.95
    assert results.policies["default"].compute_action(0)[0] == pytest.approx(8.0, abs=1.0)


def test_ppo_learns_a_price_and_a_choice_at_once() -> None:
    results = train(make_env(DictEchoAgent), 40, copies=8, entropy_coefficient=0.0)
    assert mean_return(results) > 20.0 * 0.95
    action = results.policies["default"].compute_action(2)  # type: ignore[attr-defined]
    assert action in DictEchoAgent.action_space
    assert (action["shops"], action["price"][0]) == ((3,), pytest.approx(12.0, abs=1.0))


def test_a_run_with_actions_of_parts_goes_on_as_if_it_had_not_stopped(tmp_path: Path) -> None:
    class Stop(ph.Hooks):
        def should_stop(self, event: ph.IterationEnd) -> str | None:
            return "cut" if event.iteration == 1 else None

    def play(*hooks: ph.Hooks) -> ph.TrainingResults:
        return ph.train(
            "ppo",
            env=env,
            num_iterations=4,
            trainer_config=FAST,
            seed=1,
            run_dir=tmp_path,
            hooks=hooks,
        )

    env = make_env(DictEchoAgent, num_steps=50)  # episodes go on at the cut
    whole, cut = play(), play(Stop())
    assert cut.run_directory is not None
    resumed = ph.resume(cut.run_directory, env=env)
    found, expected = resumed.policies["default"], whole.policies["default"]
    assert np.array_equal(found.state_dict()["parameters"], expected.state_dict()["parameters"])
    assert len(resumed.history) == 4


def test_a_time_limit_is_not_an_end_to_the_value_function() -> None:
    class SteadyAgent(EchoAgent):
        def worth(self, action: Any) -> float:
            return 1.0

    results = train(make_env(SteadyAgent, num_steps=5), 60, gamma=0.8, gae_lambda=0.9)
    policy = results.policies["default"]
    assert isinstance(policy, MLPActorCriticPolicy)
    # 1 / (1 − γ) = 5 for ever; were the limit an end, the first of five steps would be worth 3.4.
    assert policy.network.values(policy.features([0, 1, 2])) == pytest.approx([5.0] * 3, rel=0.05)


def test_normalised_observations_and_rewards_learn_what_raw_ones_learn() -> None:
    class LoudAgent(BoxEchoAgent):
        observation_space = gym.spaces.Box(-1e6, 1e6, (1,), np.float64)  # type: ignore[assignment]

        def encode_observation(self, ctx: ph.Context) -> Any:
            return np.array([1000.0 * self.shown + 5000.0])

        def compute_reward(self, ctx: ph.Context) -> float:
            return 1000.0 * self.paid

    policies = {"p": ph.PolicySpec(agents=["A"], config={"normalize_observations": True})}
    results = ph.train(
        "ppo",
        env=make_env(LoudAgent),
        policies=policies,
        num_iterations=60,
        trainer_config={**FAST, "copies": 8, "normalize_rewards": True},
        evaluation=ph.EvaluationPlan(episodes=20),
        seed=1,
        run_dir=None,
    )
    assert mean_return(results) > 20_000.0 * 0.95


# ---------------------------------------------------------------- defects must make these tests fail


def off_by_one(*args: Any, **kwargs: Any) -> Any:
    """Credit each decision with the advantage of the next one."""
    return np.roll(ppo_gae(*args, **kwargs), -1)


def through_termination(*args: Any, **kwargs: Any) -> Any:
    """Let the value of the final observation count where the agent terminated."""
    rewards, values, final_values, is_terminated, starts = args
    return ppo_gae(rewards, values, final_values, np.zeros_like(is_terminated), starts, **kwargs)


ppo_gae = ppo_trainer.gae


def test_an_off_by_one_in_gae_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ppo_trainer, "gae", off_by_one)
    with pytest.raises(AssertionError):
        assert_answers_what_it_sees()


def test_a_bootstrap_through_termination_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ppo_trainer, "gae", through_termination)
    with pytest.raises(AssertionError):
        assert_prefers_to_go_on()


def test_an_update_without_the_mask_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    update, mask = PPOTrainer.update, ObservationLayout.mask

    def unmasked_update(self: PPOTrainer, *args: Any) -> Any:
        with monkeypatch.context() as patch:
            patch.setattr(ObservationLayout, "mask", lambda *_: None)
            return update(self, *args)

    monkeypatch.setattr(PPOTrainer, "update", unmasked_update)
    with pytest.raises(AssertionError):
        assert_learns_among_what_is_allowed()
    assert ObservationLayout.mask is mask


def test_a_mask_that_is_forgotten_in_the_steps_only_is_caught_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from dataclasses import replace

    from phantom_ppo.numpy_backend import NumpyBackend

    step = NumpyBackend.step
    monkeypatch.setattr(NumpyBackend, "step", lambda self, s, st: step(self, replace(s, masks=None), st))
    with pytest.raises(ph.PhantomError) as caught:
        assert_learns_among_what_is_allowed()
    assert "Before the first step of an update the probability of an action had already changed" in str(
        caught.value
    )
