from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import phantom_core as ph
from phantom_dqn import DQNTrainer, MLPQPolicy
from phantom_testing import IdentityEnv

FAST = {
    "steps": 16,
    "rounds": 8,
    "decisions_per_gradient_step": 2,
    "warm_up": 32,
    "batch_size": 32,
    "lr": 5e-3,
    "exploration_fraction": 0.5,
}
BOX = gym.spaces.Box(-1.0, 1.0, (2,))


class EchoAgent(ph.StrategicAgent):
    """Sees one of three numbers, drawn anew in each step, and is paid 1 for acting as the number says."""

    observation_space: gym.spaces.Space[Any] = gym.spaces.Discrete(3)
    action_space: gym.spaces.Space[Any] = gym.spaces.Discrete(3, start=1)

    def reset(self) -> None:
        self.shown, self.paid = self.random.randrange(3), 0.0

    def decode_action(self, ctx: ph.Context, action: Any) -> None:
        self.paid = self.worth(action)
        self.shown = self.random.randrange(3)

    def worth(self, action: Any) -> float:
        return float(action - 1 == self.shown)

    def encode_observation(self, ctx: ph.Context) -> Any:
        return self.shown

    def compute_reward(self, ctx: ph.Context) -> float:
        return self.paid


class MultiDiscreteEchoAgent(EchoAgent):
    action_space = gym.spaces.MultiDiscrete([2, 3], start=[0, 4])

    def worth(self, action: Any) -> float:
        return 0.5 * float(action[0] == (self.shown > 0)) + 0.5 * float(action[1] - 4 == self.shown)


class MaskedEchoAgent(EchoAgent):
    """May not repeat the number that it saw; the next one pays."""

    observation_space = gym.spaces.Dict(
        {"observation": gym.spaces.Discrete(3), "action_mask": gym.spaces.MultiBinary(3)}
    )

    def worth(self, action: Any) -> float:
        assert action - 1 != self.shown
        return float(action - 1 == (self.shown + 1) % 3)

    def encode_observation(self, ctx: ph.Context) -> Any:
        return {"observation": self.shown, "action_mask": (np.arange(3) != self.shown).astype(np.int8)}


class Echoes(ph.PhantomEnv):
    def __init__(self, agent_class: type[EchoAgent] = EchoAgent, number: int = 1) -> None:
        agents = [agent_class(f"ECHO{n}") for n in range(number)]
        super().__init__(num_steps=8, network=ph.Network(agents))


def train(agent_class: type[EchoAgent] = EchoAgent, steps: int = 2048, number: int = 1, **config: Any) -> Any:
    policies = config.pop(
        "policies", {"echo": ph.PolicySpec(agents=agent_class, config=config.pop("policy", {}))}
    )
    return ph.train(
        "dqn",
        env=Echoes,
        env_config={"agent_class": agent_class, "number": number},
        policies=policies,
        total_steps=steps,
        trainer_config={**FAST, "gamma": 0.5, **config},
        evaluation=ph.EvaluationPlan(episodes=20),
        seed=1,
        run_dir=None,
    )


@pytest.mark.parametrize(
    ("agent_class", "settings"),
    [
        (EchoAgent, {}),
        (EchoAgent, {"is_double": False, "target_every": 64, "num_steps": 3}),
        (EchoAgent, {"is_prioritized": True, "policy": {"is_dueling": True}}),
        (EchoAgent, {"copies": 3, "policy": {"normalize_observations": True, "activation": "tanh"}}),
        (MultiDiscreteEchoAgent, {}),
        (MultiDiscreteEchoAgent, {"policy": {"is_dueling": True}}),
        (MaskedEchoAgent, {}),
    ],
    ids=["double", "n-step", "prioritized-dueling", "copies", "multi-discrete", "branching", "masked"],
)
def test_it_learns_what_each_observation_asks_for(agent_class: type[EchoAgent], settings: Any) -> None:
    assert train(agent_class, **settings).evaluation.mean_return >= 7.9


def test_agents_learn_with_shared_and_with_separate_policies() -> None:
    shared = train(number=3, steps=1024)
    assert shared.evaluation.mean_return >= 7.9
    assert shared.history[-1]["echo/gradient_steps"] == 16 * 3 / 2  # by decisions, not by env steps
    separate = train(number=2, policies={f"p{n}": [f"ECHO{n}"] for n in range(2)})
    assert separate.evaluation.mean_return >= 7.9
    assert separate.history[-1]["p0/gradient_steps"] == 16 / 2


def test_exploration_falls_linearly_and_the_learning_rate_to_its_last_value() -> None:
    results = train(steps=16 * 80, rounds=1, epsilon=0.9, epsilon_final=0.1, lr=1e-2, lr_final=2e-3)
    epsilons = [row["echo/epsilon"] for row in results.history]
    assert epsilons[0] == 0.9
    assert epsilons[20] == pytest.approx(0.5)
    assert epsilons[40:] == pytest.approx([0.1] * 40)
    rates = [row["echo/learning_rate"] for row in results.history if "echo/learning_rate" in row]
    assert rates[-1] == pytest.approx(2e-3 + 8e-3 / 80)


def test_nothing_is_learned_before_there_are_enough_transitions() -> None:
    history = train(steps=64, rounds=1, warm_up=48).history
    assert ["echo/loss" in row for row in history] == [False, False, True, True]
    assert [row["echo/transitions"] for row in history] == [16, 32, 48, 64]
    assert history[3]["echo/gradient_steps"] == 8


@pytest.mark.parametrize("settings", [{}, {"is_prioritized": True, "num_steps": 2, "target_every": 40}])
def test_a_run_that_is_cut_goes_on_bit_for_bit(tmp_path: Path, settings: dict[str, Any]) -> None:
    def run(name: str, *hooks: ph.Hooks) -> Any:
        return ph.train(
            "dqn",
            env=IdentityEnv,
            num_iterations=6,
            hooks=hooks,
            checkpoint=ph.CheckpointPlan(every=1),
            trainer_config={
                **FAST,
                "rounds": 2,
                "decisions_per_gradient_step": 3,
                "lr_final": 5e-3,
                **settings,
            },
            seed=3,
            run_dir=tmp_path / name,
        )

    class Cut(ph.Hooks):
        def should_stop(self, event: ph.IterationEnd) -> str | None:
            return "cut" if event.iteration == 2 else None

    whole, cut = run("whole"), run("cut", Cut())
    assert len(cut.history) == 3
    resumed = ph.resume(cut.run_directory)
    ends = [results.policies["default"].network.parameters.tolist() for results in (whole, resumed)]
    assert ends[0] == ends[1]
    assert [row["default/loss"] for row in whole.history[3:]] == [
        row["default/loss"] for row in resumed.history[3:]
    ]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"steps": 0}, "dqn got steps=0. Expected a positive integer."),
        ({"gamma": 1.5}, "dqn got gamma=1.5. Expected a number from 0 to 1."),
        ({"lr": 0.0}, "dqn got lr=0.0. Expected a positive number."),
        ({"lr_final": -1.0}, "dqn got lr_final=-1.0. Expected a number that is not negative."),
        ({"target_every": 0}, "dqn got target_every=0. Expected a positive integer, or None."),
        ({"target_rate": 0.0}, "dqn got target_rate=0.0. Expected a number above 0 and up to 1."),
        (
            {"capacity": 10},
            (
                "dqn got warm_up=1000 with capacity=10, so it would never learn. Expected a capacity of at "
                "least warm_up."
            ),
        ),
        (
            {"device": "cuda"},
            (
                "dqn got device='cuda' with backend='numpy', which computes on the CPU. Set "
                "backend='torch', or leave the device out."
            ),
        ),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ph.errors.ConfigError) as caught:
        DQNTrainer(**settings)
    assert str(caught.value) == message


def streams(number: int) -> ph.RowStreams:
    return ph.RowStreams([ph.seeding.UniformStream(ph.seeding.make_rng(1, n)) for n in range(number)])


@pytest.mark.parametrize("epsilon", [0.0, 0.3, 1.0])
def test_an_action_is_random_as_often_as_epsilon_says(epsilon: float) -> None:
    policy = MLPQPolicy(BOX, gym.spaces.Discrete(5))
    policy.seed(np.random.default_rng(1))
    policy.epsilon = epsilon
    observations = np.zeros((4000, 2), np.float32)
    actions, _ = policy.sample_actions(observations, streams(4000))
    best = policy.compute_action(observations[0])
    assert np.mean(actions == best) == pytest.approx(1.0 - epsilon * 0.8, abs=0.03)


@pytest.mark.parametrize("space", [gym.spaces.Discrete(4), gym.spaces.MultiDiscrete([4, 3])], ids=str)
def test_a_row_acts_by_itself_also_the_next_time(space: Any) -> None:
    policy = MLPQPolicy(BOX, space)
    policy.seed(np.random.default_rng(1))
    policy.epsilon = 0.5
    observations = np.random.default_rng(2).normal(size=(20, 2)).astype(np.float32)
    rows = streams(20)
    together = [policy.sample_actions(observations, rows)[0].tolist() for _ in range(3)]
    alone: list[list[Any]] = [[] for _ in range(3)]
    for n in range(20):
        row = ph.RowStreams([ph.seeding.UniformStream(ph.seeding.make_rng(1, n))])
        for times in range(3):
            alone[times] += policy.sample_actions(observations[n : n + 1], row)[0].tolist()
    assert together == alone


def test_a_mask_is_obeyed_by_what_is_random_and_by_what_is_best() -> None:
    masked = gym.spaces.Dict({"observation": BOX, "action_mask": gym.spaces.MultiBinary(3)})
    policy = MLPQPolicy(masked, gym.spaces.Discrete(3))
    policy.seed(np.random.default_rng(1))
    batch = {"observation": np.zeros((200, 2), np.float32), "action_mask": np.tile([0, 1, 1], (200, 1))}
    for policy.epsilon in (0.0, 1.0):
        assert 0 not in policy.sample_actions(batch, streams(200))[0]
    assert 0 not in policy.compute_actions(batch)


def test_a_backend_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "torch", None)
    with pytest.raises(ph.errors.ConfigError) as caught:
        ph.train("dqn", env=IdentityEnv, num_iterations=1, trainer_config={"backend": "torch"}, run_dir=None)
    assert str(caught.value) == (
        "dqn has backend='torch', but torch is not installed. Run: pip install 'phantom-dqn[torch]'"
    )
