from collections.abc import Mapping
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import phantom_core as ph
from phantom_ppo import MLPActorCriticPolicy, PPOTrainer

BOX = gym.spaces.Box(-1.0, 1.0, (2,), np.float32)
DISCRETE = gym.spaces.Discrete(3)
SMALL = {"copies": 2, "steps_per_copy": 8, "epochs": 2, "minibatch_size": 8}


class WalkAgent(ph.StrategicAgent):
    """Walks on a line, is paid for where it stands, and ends when it falls off."""

    observation_space, action_space = BOX, DISCRETE

    def reset(self) -> None:
        self.place = self.random.random() - 0.5

    def decode_action(self, ctx: ph.Context, action: int) -> None:
        self.place += 0.2 * (action - 1) + 0.1 * (self.random.random() - 0.5)

    def encode_observation(self, ctx: ph.Context) -> Any:
        return np.array([np.clip(self.place, -1, 1), 0.5], np.float32)

    def compute_reward(self, ctx: ph.Context) -> float:
        return float(self.place)

    def is_terminated(self, ctx: ph.Context) -> bool:
        return abs(self.place) > 1.0


class WalkEnv(ph.PhantomEnv):
    def __init__(self) -> None:
        super().__init__(num_steps=10, network=ph.Network([WalkAgent("A"), WalkAgent("B")]))


class UnhurriedTrainer(PPOTrainer):
    """Updates outside of a run: the schedules stand where they begin."""

    progress = 0.0  # type: ignore[assignment]  # a property of trainers in a run

    @classmethod
    def of(cls, policy: MLPActorCriticPolicy, **config: Any) -> "UnhurriedTrainer":
        """Return a trainer that was set up for a policy."""
        trainer = cls(**config)
        trainer.setup("p", policy, np.random.default_rng(0))
        return trainer


def make_policy(seed: int = 1, **config: Any) -> MLPActorCriticPolicy:
    policy = MLPActorCriticPolicy(BOX, DISCRETE, **config)
    policy.seed(ph.seeding.make_rng(seed))
    return policy


def batch(rng: np.random.Generator, lengths: list[int], **changes: Any) -> ph.Batch:
    """Return random decisions in trajectories of these lengths, which go on."""
    number, size = len(lengths), sum(lengths)
    fields: dict[str, Any] = {
        "observations": rng.normal(size=(size, 2)).astype(np.float32),
        "actions": rng.integers(3, size=size),
        "rewards": rng.normal(size=size),
        "extras": {},
        "starts": np.concatenate(([0], np.cumsum(lengths))),
        "next_observations": rng.normal(size=(number, 2)).astype(np.float32),
        "has_next": np.ones(number, bool),
        "terminated": np.zeros(number, bool),
        "truncated": np.zeros(number, bool),
        "agent_ids": ["A"] * number,
        "env_indices": list(range(number)),
        "episodes": [0] * number,
    }
    return ph.Batch.of(ph.Trajectories(**{**fields, **changes}), BOX)


def updated(trainer: PPOTrainer, policy: MLPActorCriticPolicy, *batches: ph.Batch) -> Mapping[str, float]:
    rng = np.random.default_rng(1)
    for one in batches:
        quantities = trainer.update("p", policy, one, rng)
    return quantities


def test_what_is_logged_for_each_policy() -> None:
    results = ph.train(
        "ppo", env=WalkEnv, num_iterations=2, trainer_config={**SMALL, "lr": 1e-3}, seed=1, run_dir=None
    )
    logged = {name.removeprefix("default/") for name in results.history[-1] if name.startswith("default/")}
    assert logged == {
        "policy_loss",
        "value_loss",
        "entropy",
        "approx_kl",
        "clip_fraction",
        "explained_variance",
        "learning_rate",
        "gradient_norm",
        "gradient_steps",
        "episode_return",
    }
    assert [row["default/learning_rate"] for row in results.history] == [1e-3, 5e-4]
    # 2 agents in 2 copies make about 8 decisions each: 4 minibatches of 8 or a little less, twice
    assert 6 <= results.history[0]["default/gradient_steps"] <= 8


def test_same_seed_gives_the_same_weights_and_another_seed_others() -> None:
    def parameters(seed: int) -> list[float]:
        results = ph.train(
            "ppo", env=WalkEnv, num_iterations=3, trainer_config=SMALL, seed=seed, run_dir=None
        )
        return results.policies["default"].state_dict()["parameters"].tolist()

    assert parameters(1) == parameters(1)
    assert parameters(1) != parameters(2)


@pytest.mark.parametrize("settings", [{}, {"normalize_rewards": True, "target_kl": 0.01}])
def test_training_goes_on_bit_for_bit_from_a_saved_state(settings: dict[str, Any]) -> None:
    rng = np.random.default_rng(3)
    batches = [batch(rng, [5, 9, 6]) for _ in range(4)]
    policy = make_policy(normalize_observations=True)
    trainer = UnhurriedTrainer.of(policy, **SMALL, **settings)
    updated(trainer, policy, *batches[:2])
    other_policy = make_policy(2, normalize_observations=True)
    other_trainer = UnhurriedTrainer.of(other_policy, **SMALL, **settings)
    other_policy.load_state_dict(policy.state_dict())
    other_trainer.load_state_dict(trainer.state_dict())
    assert other_trainer.state_dict()["learners"].keys() == {"p"}  # before its first update, too
    first = updated(trainer, policy, *batches[2:])
    second = updated(other_trainer, other_policy, *batches[2:])
    assert first == second
    assert policy.state_dict()["parameters"].tolist() == other_policy.state_dict()["parameters"].tolist()


def test_states_can_be_written_as_checkpoints() -> None:
    policy = make_policy(normalize_observations=True)
    trainer = UnhurriedTrainer.of(policy, **SMALL, normalize_rewards=True)
    updated(trainer, policy, batch(np.random.default_rng(1), [5, 4]))
    for state in (policy.state_dict(), trainer.state_dict()):
        assert_holds_only_arrays_and_json(state)


def assert_holds_only_arrays_and_json(value: Any) -> None:
    if isinstance(value, dict):
        assert all(isinstance(key, str) for key in value)
        for part in value.values():
            assert_holds_only_arrays_and_json(part)
    else:
        assert isinstance(value, (np.ndarray, bool, int, float, str))


def test_a_decision_without_a_known_outcome_is_left_out() -> None:
    rng = np.random.default_rng(1)
    whole = batch(rng, [4])
    known = whole.trajectories
    observations = np.concatenate([known.observations, known.next_observations])
    cut = batch(
        rng,
        [5],
        observations=observations,
        actions=np.append(known.actions, 0),
        rewards=np.append(known.rewards, 1e6),
        has_next=np.array([False]),
        truncated=np.array([True]),
    )
    after = []
    for one in (whole, cut):
        policy = make_policy()
        updated(UnhurriedTrainer.of(policy, **SMALL), policy, one)
        after.append(policy.network.parameters.copy())
    assert after[1] == pytest.approx(after[0], abs=1e-6)


def test_an_iteration_without_decisions_changes_nothing() -> None:
    policy = make_policy()
    before = policy.network.parameters.copy()
    assert updated(UnhurriedTrainer.of(policy), policy, batch(np.random.default_rng(1), [])) == {}
    assert policy.network.parameters.tolist() == before.tolist()


def test_an_update_stops_when_the_policy_moved_too_far() -> None:
    rng = np.random.default_rng(1)
    settings: dict[str, Any] = {"epochs": 50, "minibatch_size": 8, "lr": 0.05}
    policy, other = make_policy(), make_policy()
    stopped = updated(UnhurriedTrainer.of(policy, **settings, target_kl=0.01), policy, batch(rng, [16]))
    assert stopped["gradient_steps"] < 20
    free = updated(UnhurriedTrainer.of(other, **settings), other, batch(rng, [16]))
    assert free["gradient_steps"] == 100


def test_schedules_go_linearly_from_first_to_final_value() -> None:
    config = {**SMALL, "lr": 1e-3, "lr_final": 2e-4}
    results = ph.train("ppo", env=WalkEnv, num_iterations=4, trainer_config=config, seed=1, run_dir=None)
    rates = [row["default/learning_rate"] for row in results.history]
    assert rates == pytest.approx([1e-3, 8e-4, 6e-4, 4e-4])


def test_minibatches_are_nearly_equal_and_hold_every_decision_once_per_epoch() -> None:
    policy = make_policy()
    quantities = updated(
        UnhurriedTrainer.of(policy, epochs=3, minibatch_size=10),
        policy,
        batch(np.random.default_rng(1), [21]),
    )
    assert quantities["gradient_steps"] == 9  # 7, 7 and 7, three times


def test_a_run_forgets_the_optimiser_of_the_run_before() -> None:
    trainer = PPOTrainer(**SMALL)
    first, second = (
        ph.train(trainer, env=WalkEnv, num_iterations=2, seed=1, run_dir=None).policies["default"]
        for _ in range(2)
    )
    assert first.state_dict()["parameters"].tolist() == second.state_dict()["parameters"].tolist()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"copies": 0}, "ppo got copies=0. Expected a positive integer."),
        ({"gamma": 1.5}, "ppo got gamma=1.5. Expected a number from 0 to 1."),
        ({"lr": 0.0}, "ppo got lr=0.0. Expected a positive number."),
        ({"lr_final": -1.0}, "ppo got lr_final=-1.0. Expected a number that is not negative."),
        ({"target_kl": 0.0}, "ppo got target_kl=0.0. Expected a positive number, or None."),
    ],
)
def test_settings_of_the_trainer_out_of_range_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ph.errors.ConfigError) as caught:
        PPOTrainer(**settings)
    assert str(caught.value) == message


def test_a_device_without_torch_is_refused() -> None:
    with pytest.raises(ph.errors.ConfigError) as caught:
        PPOTrainer(device="cuda")
    assert str(caught.value) == (
        "ppo got device='cuda' with backend='numpy', which computes on the CPU. Set backend='torch', or "
        "leave the device out."
    )


class PickyEnv(gym.Env[Any, Any]):
    """Takes only elements of its action space."""

    observation_space = BOX

    def __init__(self, action_space: gym.Space[Any]) -> None:
        self.action_space = action_space

    def reset(self, **options: Any) -> Any:
        super().reset(seed=options.get("seed"))
        self.count = 0
        return np.zeros(2, np.float32), {}

    def step(self, action: Any) -> Any:
        assert isinstance(action, np.ndarray)
        assert action.dtype == self.action_space.dtype
        assert self.action_space.contains(action)
        self.count += 1
        return np.zeros(2, np.float32), float(np.tanh(action).sum()), False, self.count == 5, {}


def picky(action_space: gym.Space[Any]) -> ph.TrainingResults:
    return ph.train(
        "ppo", env=lambda: ph.GymnasiumEnv(PickyEnv(action_space)), trainer_config=SMALL, num_iterations=2,
        evaluation=ph.EvaluationPlan(episodes=2), seed=1, run_dir=None,
    )  # fmt: skip


LARGEST = float(np.finfo(np.float32).max)


@pytest.mark.parametrize(
    "space",
    [
        gym.spaces.MultiDiscrete([2, 3], dtype=np.int32),
        gym.spaces.MultiDiscrete([[2, 3]], dtype=np.uint8),
        gym.spaces.MultiDiscrete([2, 3], start=[5, 6], dtype=np.int8),
        gym.spaces.Box(-LARGEST, LARGEST, (2,), np.float32),
        gym.spaces.Box(-np.finfo(np.float64).max, np.finfo(np.float64).max, (2,), np.float64),
        gym.spaces.Box(-1.0, 1.0, (), np.float32),
    ],
)
def test_actions_have_the_type_the_shape_and_the_bounds_of_the_space(space: gym.Space[Any]) -> None:
    results = picky(space)
    assert all(np.isfinite(value) for row in results.history for value in row.values())
    assert np.isfinite(results.policies["default"].state_dict()["parameters"]).all()


@pytest.mark.parametrize(
    "space", [gym.spaces.Box(-1.0, 1.0, (0,), np.float32), gym.spaces.MultiDiscrete(np.zeros(0, np.int64))]
)
def test_actions_without_a_number_are_refused_before_the_run(space: gym.Space[Any]) -> None:
    with pytest.raises(ph.errors.PolicyMappingError) as caught:
        picky(space)
    assert str(caught.value) == (
        f"Policy 'default': A network cannot act in {space}: its actions hold no number. Give it a "
        "policy that does not learn, such as 'random', or an action."
    )
