from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import phantom_core as ph
from phantom_sac import MLPSoftActorPolicy, SACTrainer
from phantom_testing import IdentityEnv, TurnBasedEnv

BOX = {"observes": "box", "acts": "box"}
SMALL: dict[str, Any] = {"warm_up": 10, "batch_size": 16, "rounds": 20, "capacity": 1000}


class Thrower(ph.StrategicAgent):
    """Is paid −(a − aim)², a thousand times the same."""

    observation_space: gym.Space[Any] = gym.spaces.Box(-1.0, 1.0, (1,))

    def __init__(self, agent_id: ph.AgentID, aim: float, space: gym.Space[Any]) -> None:
        super().__init__(agent_id)
        self.aim, self.action_space, self.paid = aim, space, 0.0

    def decode_action(self, ctx: ph.Context, action: Any) -> None:
        self.paid = -((float(action[0]) - self.aim) ** 2)

    def encode_observation(self, ctx: ph.Context) -> Any:
        return np.zeros(1, np.float32)

    def compute_reward(self, ctx: ph.Context) -> float:
        return self.paid


class ThrowingEnv(ph.PhantomEnv):
    """One thrower, or several."""

    def __init__(self, aim: float = 1.5, *, is_bounded: bool = False, agents: int = 1) -> None:
        space = gym.spaces.Box(-4.0, 4.0, (1,)) if is_bounded else gym.spaces.Box(-np.inf, np.inf, (1,))
        throwers = [Thrower(f"A{number}", aim, space) for number in range(agents)]
        super().__init__(10, ph.Network(throwers))


def _everybody(_: ph.AgentID) -> bool:
    return True


def train(env: Any = IdentityEnv, env_config: Any = BOX, policy: Any = (), **options: Any) -> Any:
    options = {"num_iterations": 2, "run_dir": None, "seed": 1, "trainer_config": SMALL, **options}
    config = {"hidden_sizes": (16, 16), **dict(policy)}
    policies = {"p": ph.PolicySpec(agents=options.pop("agents", _everybody), config=config)}
    return ph.train("sac", env=env, env_config=env_config, **{"policies": policies, **options})


QUICK: dict[str, Any] = {
    "steps": 10,
    "rounds": 20,
    "warm_up": 50,
    "batch_size": 64,
    "decisions_per_gradient_step": 2,
    "gamma": 0.0,
    "lr": 5e-3,
    "target_rate": 0.05,
}


def test_a_fixed_temperature_ends_at_the_policy_of_boltzmann() -> None:
    """With γ = 0 the best soft policy is exp(r / α): for r = −(a − 1.5)² the Gaussian N(1.5, α / 2)."""
    results = train(
        ThrowingEnv,
        {"aim": 1.5},
        num_iterations=12,
        trainer_config={**QUICK, "lr_final": 0.0, "temperature": 0.5},
    )
    means, log_std = results.policies["p"].network.moments(np.zeros((1, 1), np.float32))
    assert means.item() == pytest.approx(1.5, abs=0.15)
    assert np.exp(log_std.item()) == pytest.approx(0.5, abs=0.12)


def test_an_automatic_temperature_ends_at_the_entropy_that_is_aimed_at() -> None:
    config = {**QUICK, "lr_final": 0.0, "target_entropy": -0.5}
    results = train(ThrowingEnv, {"aim": 1.0, "is_bounded": True}, num_iterations=12, trainer_config=config)
    assert results.history[-1]["p/entropy"] == pytest.approx(-0.5, abs=0.2)
    assert results.policies["p"].compute_action(np.zeros(1, np.float32)).item() == pytest.approx(1.0, abs=0.3)


def test_gradient_steps_are_counted_by_decisions() -> None:
    def steps(env: Any, env_config: Any, **config: Any) -> float:
        results = train(env, env_config, trainer_config={**SMALL, **config})
        found: float = results.history[-1]["p/gradient_steps"]
        return found

    assert steps(ThrowingEnv, {"agents": 1}) == 1.0
    assert steps(ThrowingEnv, {"agents": 3}) == 3.0
    assert steps(ThrowingEnv, {"agents": 3}, decisions_per_gradient_step=2) == 1.5
    assert steps(TurnBasedEnv, BOX) == 1.0  # two agents that take turns


def test_actions_are_uniform_until_enough_is_there() -> None:
    seen = []

    class Look(ph.Hooks):
        name = "look"

        def on_iteration_end(self, event: Any) -> None:
            seen.append((event.policies["p"].is_uniform, event.values.get("p/critic_loss")))

    train(num_iterations=4, trainer_config={**SMALL, "rounds": 5}, hooks=[Look()])
    assert [is_uniform for is_uniform, _ in seen] == [True, True, False, False]
    assert [loss is None for _, loss in seen] == [True, False, False, False]


def test_each_policy_has_critics_and_transitions_of_its_own() -> None:
    policies = {"one": ["A0"], "two": ["A1"]}
    results = train(ThrowingEnv, {"agents": 2}, policies=policies)
    last = results.history[-1]
    assert last["one/transitions"] == last["two/transitions"] == 40
    assert last["one/critic_loss"] != last["two/critic_loss"]


@pytest.mark.parametrize("is_state_dependent", [False, True])
def test_a_run_that_was_cut_ends_as_one_that_was_not(tmp_path: Path, is_state_dependent: Any) -> None:
    policy = {"state_dependent_exploration": is_state_dependent, "normalize_observations": True}
    config = {**SMALL, "steps": 3, "copies": 2}
    shared: dict[str, Any] = {"policy": policy, "trainer_config": config, "agents": ["A1"]}
    whole = train(**shared, num_iterations=4, run_dir=tmp_path / "whole")
    short = train(**shared, num_iterations=2, run_dir=tmp_path / "short")
    longer = ph.resume(short.run_directory, num_iterations=4)
    for results in (whole, longer):
        assert len(results.history) == 4
    one, other = (results.policies["p"].network.parameters for results in (whole, longer))
    assert one.tolist() == other.tolist()


def test_noise_that_is_kept_belongs_to_the_state() -> None:
    policy = MLPSoftActorPolicy(
        gym.spaces.Box(-1, 1, (2,)), gym.spaces.Box(-1, 1, (1,)), state_dependent_exploration=True
    )
    trainer = SACTrainer(**SMALL)
    rng = np.random.default_rng(1)
    trainer.setup("p", policy, rng)
    trainer.begin_round("p", policy)
    policy.is_uniform = False
    draws = ph.RowStreams([ph.seeding.UniformStream(ph.seeding.make_rng(1))])
    observations = np.ones((1, 2), np.float32)
    first = policy.sample_actions(observations, draws)[0]
    state = trainer.state_dict()
    trainer.begin_round("p", policy)
    trainer.load_state_dict(state)
    policy.is_uniform = False
    assert policy.sample_actions(observations, draws)[0].tolist() == first.tolist()


def test_a_learning_rate_may_fall_over_the_run() -> None:
    results = train(num_iterations=2, trainer_config={**SMALL, "lr": 1e-2, "lr_final": 0.0})
    rates = [row["p/learning_rate"] for row in results.history]
    assert rates == pytest.approx([1e-2 * (1 - 19 / 40), 1e-2 * (1 - 39 / 40)])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"steps": 0}, "sac got steps=0. Expected a positive integer."),
        ({"gamma": 1.5}, "sac got gamma=1.5. Expected a number from 0 to 1."),
        ({"lr": 0.0}, "sac got lr=0.0. Expected a positive number."),
        ({"lr_final": -1.0}, "sac got lr_final=-1.0. Expected a number that is not negative, or None."),
        ({"temperature": -0.1}, "sac got temperature=-0.1. Expected a number that is not negative, or None."),
        ({"target_rate": 0.0}, "sac got target_rate=0.0. Expected a number above 0 and up to 1."),
        (
            {"critic_hidden_sizes": (4, 0)},
            "sac got critic_hidden_sizes=(4, 0). Expected positive integers, or None.",
        ),
        (
            {"warm_up": 200, "capacity": 100},
            (
                "sac got warm_up=200 with capacity=100, so it would never learn. Expected a capacity of at "
                "least warm_up."
            ),
        ),
        (
            {"device": "cuda"},
            (
                "sac got device='cuda' with backend='numpy', which computes on the CPU. Set backend='torch', "
                "or leave the device out."
            ),
        ),
    ],
)
def test_settings_out_of_their_range_are_refused(settings: Any, message: str) -> None:
    with pytest.raises(ph.errors.ConfigError) as caught:
        SACTrainer(**settings)
    assert str(caught.value) == message
