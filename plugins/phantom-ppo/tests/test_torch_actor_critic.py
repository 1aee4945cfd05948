"""Training with `backend="torch"` and networks of the user's; `make check-integrations` installs torch."""

import copy
import pickle
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import phantom_core as ph
from phantom_ppo import MLPActorCriticPolicy, PPOTrainer

pytestmark = pytest.mark.integration
torch = pytest.importorskip("torch", reason="run make check-integrations", exc_type=ImportError)

FAST = {"copies": 4, "steps_per_copy": 32, "epochs": 5, "minibatch_size": 64, "lr": 5e-3, "backend": "torch"}
SHELF = gym.spaces.Dict(
    {"image": gym.spaces.Box(0.0, 1.0, (2, 2), np.float32), "day": gym.spaces.Discrete(2)}
)


class ShelfAgent(ph.StrategicAgent):
    """Sees a picture with one bright corner, and is paid for naming it."""

    observation_space: gym.spaces.Space[Any] = SHELF
    action_space = gym.spaces.Discrete(4)

    def reset(self) -> None:
        self.corner, self.paid = self.random.randrange(4), 0.0

    def decode_action(self, ctx: ph.Context, action: int) -> None:
        self.paid = float(action == self.corner)
        self.corner = self.random.randrange(4)

    def encode_observation(self, ctx: ph.Context) -> Any:
        image = np.zeros((2, 2), np.float32)
        image.flat[self.corner] = 1.0
        return {"image": image, "day": 1}

    def compute_reward(self, ctx: ph.Context) -> float:
        return self.paid


class ShelfEnv(ph.PhantomEnv):
    def __init__(self) -> None:
        super().__init__(num_steps=20, network=ph.Network([ShelfAgent("A")]))


class ShelfNet(torch.nn.Module):  # type: ignore[misc]  # torch is not installed where types are checked
    """One body with two heads, on the picture and the day."""

    def __init__(self, observation_space: gym.Space[Any], num_outputs: int) -> None:
        super().__init__()
        assert observation_space == SHELF
        self.body = torch.nn.Linear(4 + 2, 32)
        self.actor, self.critic = torch.nn.Linear(32, num_outputs), torch.nn.Linear(32, 1)

    def forward(self, observations: dict[str, Any]) -> tuple[Any, Any]:
        assert observations["image"].shape[1:] == (2, 2)
        seen = torch.cat([observations["image"].flatten(1), observations["day"]], dim=1)
        hidden = torch.tanh(self.body(seen))
        return self.actor(hidden), self.critic(hidden)[:, 0]


class ForgetfulNet(ShelfNet):
    """The same with dropout, which makes acting and updating differ."""

    def forward(self, observations: dict[str, Any]) -> tuple[Any, Any]:
        outputs, values = super().forward(observations)
        return torch.nn.functional.dropout(outputs, 0.5), values


class PartlyTrainedNet(ShelfNet):
    """The same on features that are drawn once, with a frozen layer and one that is not used."""

    def __init__(self, observation_space: gym.Space[Any], num_outputs: int) -> None:
        super().__init__(observation_space, num_outputs)
        self.register_buffer("drawn", torch.randn(6, 6))
        self.unused, self.extra = torch.nn.Linear(2, 2), torch.nn.Parameter(torch.zeros(2))
        self.frozen = torch.nn.Linear(6, 6).requires_grad_(requires_grad=False)

    def forward(self, observations: dict[str, Any]) -> tuple[Any, Any]:
        seen = torch.cat([observations["image"].flatten(1), observations["day"]], dim=1) @ self.drawn
        hidden = torch.tanh(self.body(self.frozen(seen)))
        return self.actor(hidden) + self.extra.sum(), self.critic(hidden)[:, 0]


def train(network: Any = None, num_iterations: int = 40, **options: Any) -> ph.TrainingResults:
    from phantom_ppo.torch_actor_critic import TorchActorCriticPolicy

    spec = ph.PolicySpec(agents=["A"], policy=TorchActorCriticPolicy, config={"network": network})
    settings: dict[str, Any] = {"trainer_config": FAST, "run_dir": None, **options}
    return ph.train(
        "ppo",
        env=ShelfEnv,
        policies={"p": spec if network else ["A"]},
        policies_to_train=["p"],
        num_iterations=num_iterations,
        evaluation=ph.EvaluationPlan(episodes=20),
        seed=1,
        **settings,
    )


def mean_return(results: ph.TrainingResults) -> float:
    assert results.evaluation is not None
    return results.evaluation.mean_return


def parameters(results: ph.TrainingResults) -> list[float]:
    return results.policies["p"].state_dict()["parameters"].tolist()


def test_a_network_of_the_users_learns_from_structured_observations() -> None:
    assert mean_return(train(ShelfNet)) == 20.0


def test_a_plain_perceptron_learns_with_torch_too() -> None:
    assert mean_return(train()) == 20.0


def test_both_backends_have_learned_the_same_after_the_first_iteration() -> None:
    by_torch = train(num_iterations=1)
    by_numpy = train(num_iterations=1, trainer_config={**FAST, "backend": "numpy"})
    assert parameters(by_torch) == pytest.approx(parameters(by_numpy), abs=1e-5)
    for name in ("policy_loss", "value_loss", "entropy", "gradient_norm", "explained_variance"):
        assert by_torch.history[0][f"p/{name}"] == pytest.approx(
            by_numpy.history[0][f"p/{name}"], abs=1e-5, rel=1e-4
        )


def test_same_seed_gives_the_same_weights_whatever_torch_drew_before() -> None:
    first = parameters(train(ShelfNet, 2))
    torch.rand(3)
    assert parameters(train(ShelfNet, 2)) == first


def test_a_network_of_the_users_is_saved_and_loaded(tmp_path: Path) -> None:
    results = train(ShelfNet, 2, run_dir=tmp_path)
    assert results.run_directory is not None
    loaded = ph.load_policies(results.run_directory)["p"]
    assert loaded.state_dict()["parameters"].tolist() == parameters(results)
    observation = SHELF.sample()
    assert loaded.compute_action(observation) == results.policies["p"].compute_action(observation)


def test_a_network_of_the_users_learns_the_same_beside_the_memory_of_its_policy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    expected = parameters(train(PartlyTrainedNet, 2))
    monkeypatch.setattr(torch.Tensor, "to", lambda tensor, *_: tensor.clone())  # as if on another device
    assert parameters(train(PartlyTrainedNet, 2)) == expected


def test_what_is_not_trained_stays_and_is_saved_too(tmp_path: Path) -> None:
    one_hot = np.eye(6, dtype=np.float32)
    results = train(PartlyTrainedNet, 3, run_dir=tmp_path, checkpoint=ph.CheckpointPlan(every=1))
    trained: Any = results.policies["p"]
    later, sooner = (
        policy.network.module.state_dict() for policy in (trained, train(PartlyTrainedNet, 1).policies["p"])
    )
    changed = {name.partition(".")[0] for name in later if not torch.equal(later[name], sooner[name])}
    assert changed == {"body", "actor", "critic", "extra"}
    assert results.run_directory is not None
    loaded: Any = ph.load_policies(results.run_directory)["p"]
    assert loaded.network.policy_outputs(one_hot).tolist() == trained.network.policy_outputs(one_hot).tolist()


def through_bytes(policy: Any) -> Any:
    return pickle.loads(pickle.dumps(policy))  # noqa: S301  our own bytes


@pytest.mark.parametrize("copied", [copy.deepcopy, through_bytes])
def test_a_copy_of_a_users_network_is_whole_and_its_own(copied: Any) -> None:
    policy: Any = train(ShelfNet, 1).policies["p"]
    other, features = copied(policy), np.eye(6, dtype=np.float32)
    before = policy.network.policy_outputs(features)
    assert other.network.policy_outputs(features).tolist() == before.tolist()
    other.network.parameters *= 2.0
    assert other.network.policy_outputs(features).tolist() != before.tolist()
    assert policy.network.policy_outputs(features).tolist() == before.tolist()


def test_a_network_that_draws_at_random_is_refused_at_the_first_update() -> None:
    with pytest.raises(ph.PhantomError) as caught:
        train(ForgetfulNet)
    assert "leave out dropout and batch normalisation" in str(caught.value)


def test_a_network_of_the_users_needs_the_backend_torch() -> None:
    with pytest.raises(ph.errors.ConfigError) as caught:
        train(ShelfNet, trainer_config={**FAST, "backend": "numpy"})
    assert str(caught.value) == (
        "A TorchActorCriticPolicy learns in torch, but ppo has backend='numpy'. Set backend='torch' for "
        "the trainer."
    )


@pytest.mark.parametrize(
    ("reference", "what"),
    [
        ("no_such_package.nets:PriceNet", "cannot be imported: No module named 'no_such_package'"),
        ("math:PriceNet", "cannot be imported: module 'math' has no attribute 'PriceNet'"),
        ("math", "is a module"),
    ],
)
def test_a_network_that_cannot_be_imported_is_named(reference: str, what: str) -> None:
    with pytest.raises(ph.errors.ConfigError) as caught:
        train(reference)
    assert str(caught.value) == (
        f"Policy 'p': torch-actor-critic got network={reference!r}, which {what}. Expected a torch.nn.Module "
        "class, or where to import it from, such as 'my_package.nets:PriceNet'."
    )


def test_a_network_that_a_stranger_names_is_not_imported() -> None:
    from phantom_ppo.torch_actor_critic import TorchActorCriticPolicy

    spaces = gym.spaces.Box(-1.0, 1.0, (2,), np.float32), gym.spaces.Discrete(2)
    with (
        pytest.raises(ph.errors.TrustError, match="'os:system' as network"),
        ph.trust.untrusted("The run a"),
    ):
        TorchActorCriticPolicy(*spaces, network="os:system")


def test_training_with_torch_goes_on_bit_for_bit_from_a_saved_state() -> None:
    class UnhurriedTrainer(PPOTrainer):
        progress = 0.0  # type: ignore[assignment]  # a property of trainers in a run

    space = gym.spaces.Box(-1.0, 1.0, (2,), np.float32)
    rng = np.random.default_rng(1)

    def batch() -> ph.Batch:
        return ph.Batch.of(
            ph.Trajectories(
                observations=rng.normal(size=(20, 2)).astype(np.float32),
                actions=rng.normal(size=(20, 1)).astype(np.float32),
                rewards=rng.normal(size=20),
                extras={},
                starts=np.array([0, 8, 20]),
                next_observations=rng.normal(size=(2, 2)).astype(np.float32),
                has_next=np.ones(2, bool),
                terminated=np.array([True, False]),
                truncated=np.zeros(2, bool),
                agent_ids=["A", "A"],
                env_indices=[0, 1],
                episodes=[0, 0],
            ),
            space,
        )

    def make(seed: int) -> tuple[MLPActorCriticPolicy, PPOTrainer]:
        policy = MLPActorCriticPolicy(space, gym.spaces.Box(-1.0, 1.0, (1,), np.float32))
        policy.seed(ph.seeding.make_rng(seed))
        trainer = UnhurriedTrainer(backend="torch", epochs=2, minibatch_size=8)
        trainer.setup("p", policy, np.random.default_rng(0))
        return policy, trainer

    (policy, trainer), (other_policy, other_trainer) = make(1), make(2)
    first, second = batch(), batch()
    trainer.update("p", policy, first, np.random.default_rng(1))
    other_policy.load_state_dict(policy.state_dict())
    other_trainer.load_state_dict(trainer.state_dict())
    for one, learner in ((policy, trainer), (other_policy, other_trainer)):
        learner.update("p", one, second, np.random.default_rng(2))
    assert other_policy.state_dict()["parameters"].tolist() == policy.state_dict()["parameters"].tolist()
