"""How `gru-actor-critic` acts and remembers, without torch."""

import copy
import pickle
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import phantom_core as ph
from phantom_ppo.gru_actor_critic import GRUActorCriticPolicy
from phantom_ppo.twin_gru import TwinGRU

BOX = gym.spaces.Box(-1.0, 1.0, (3,), np.float32)
MASKED = gym.spaces.Dict({"observation": BOX, "action_mask": gym.spaces.MultiBinary(4)})


def make(
    observes: gym.Space[Any] = BOX, acts: gym.Space[Any] | None = None, **config: Any
) -> GRUActorCriticPolicy:
    policy = GRUActorCriticPolicy(observes, acts or gym.spaces.Discrete(4), **config)
    policy.seed(np.random.default_rng(1))
    return policy


def drawn(network: TwinGRU) -> TwinGRU:
    network.parameters[:] = np.random.default_rng(1).normal(size=network.parameters.size)
    return network


def streams(number: int) -> ph.RowStreams:
    return ph.RowStreams([ph.seeding.UniformStream(ph.seeding.make_rng(n)) for n in range(number)])


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1.0 / (1.0 + np.exp(-x))


@pytest.mark.parametrize("activation", ["tanh", "relu"])
@pytest.mark.parametrize("encoder_sizes", [(), (5,), (5, 6)])
def test_one_step_is_the_one_of_the_formula(activation: Any, encoder_sizes: tuple[int, ...]) -> None:
    network = drawn(TwinGRU(3, encoder_sizes, 4, 2, activation=activation, dtype=np.float64))
    rng = np.random.default_rng(2)
    features, states = rng.normal(size=(7, 3)), rng.uniform(-1.0, 1.0, (7, 2, 4))
    views = network.layout.views(network.parameters)
    outputs, after = network.step(features, states)
    for tower in (0, 1):
        e, h = features, states[:, tower]
        for layer in range(len(encoder_sizes)):
            e = e @ views[f"encoder{layer}.weights"][tower] + views[f"encoder{layer}.bias"][tower]
            e = np.tanh(e) if activation == "tanh" else np.maximum(e, 0.0)
        w_r, w_z, w_n = np.split(views["gru.input_weights"][tower], 3, axis=1)
        b_r, b_z, b_n = np.split(views["gru.input_bias"][tower], 3, axis=1)
        u_r, u_z, u_n = np.split(views["gru.hidden_weights"][tower], 3, axis=1)
        r, z = sigmoid(e @ w_r + h @ u_r + b_r), sigmoid(e @ w_z + h @ u_z + b_z)
        n = np.tanh(e @ w_n + b_n + r * (h @ u_n + views["gru.hidden_bias"][tower]))
        assert after[:, tower] == pytest.approx((1.0 - z) * n + z * h, abs=1e-12)
    assert outputs == pytest.approx(after[:, 0] @ views["actor.weights"] + views["actor.bias"], abs=1e-12)


def test_the_state_that_it_is_given_stays_as_it_is() -> None:
    policy = make()
    for number in (1, 5):
        state = np.random.default_rng(1).normal(size=(number, 2, 64)).astype(np.float32)
        before = state.copy()
        state.setflags(write=False)
        _, after = policy.compute_actions(np.zeros((number, 3), np.float32), state)
        assert state.tolist() == before.tolist()
        assert not np.shares_memory(after, state)


def test_gates_of_any_size_overflow_nowhere() -> None:
    policy = make()
    policy.network.parameters *= 1e4
    _, after = policy.compute_actions(np.full((2, 3), 1e30, np.float32), np.zeros((2, 2, 64), np.float32))
    assert np.isfinite(after).all()


def test_what_it_does_depends_on_what_it_saw() -> None:
    policy = make()
    policy.network.parameters[:] = np.random.default_rng(1).normal(size=policy.network.parameters.size)
    now, nothing = np.zeros((1, 3), np.float32), policy.initial_state()[None]
    rng, found = np.random.default_rng(1), set()
    for _ in range(20):
        _, state = policy.compute_actions(rng.uniform(-1.0, 1.0, (1, 3)).astype(np.float32), nothing)
        found.add(int(policy.compute_actions(now, state)[0][0]))
    assert len(found) > 1


def test_first_weights_of_each_gate_are_orthogonal_and_biases_0() -> None:
    network = make().network
    views = network.layout.views(network.parameters)
    for tower in (0, 1):
        for gate in np.split(views["gru.hidden_weights"][tower], 3, axis=1):
            assert gate.T @ gate == pytest.approx(np.eye(64), abs=1e-5)
    assert np.linalg.norm(views["actor.weights"], axis=0) == pytest.approx(np.full(4, 0.01), abs=1e-6)
    assert not any(view.any() for name, view in views.items() if name.endswith("bias"))


def through_bytes(policy: Any) -> Any:
    return pickle.loads(pickle.dumps(policy))  # noqa: S301  our own bytes


@pytest.mark.parametrize("copied", [copy.deepcopy, through_bytes])
def test_a_copy_is_whole_and_its_own(copied: Any) -> None:
    policy, seen = make(), np.ones((1, 3), np.float32)
    other, nothing = copied(policy), policy.initial_state()[None]
    expected = policy.network.step(seen, nothing)[0].tolist()
    assert other.network.step(seen, nothing)[0].tolist() == expected
    other.network.parameters *= 2.0
    assert other.network.step(seen, nothing)[0].tolist() != expected
    assert policy.network.step(seen, nothing)[0].tolist() == expected


def test_a_mask_is_kept_while_learning_and_when_deployed() -> None:
    policy = make(MASKED)
    masks = np.tile(np.eye(4, dtype=np.int8), (5, 1))
    observations = {"observation": np.zeros((20, 3), np.float32), "action_mask": masks}
    states = np.zeros((20, 2, 64), np.float32)
    assert policy.compute_actions(observations, states)[0].tolist() == masks.argmax(axis=1).tolist()
    actions, extras, _ = policy.sample_actions(observations, streams(20), states)
    assert actions.tolist() == masks.argmax(axis=1).tolist()
    assert extras == {}


def test_the_first_deviation_in_a_box_is_that_of_the_setting() -> None:
    policy = make(acts=gym.spaces.Box(-1.0, 1.0, (2,), np.float32), log_std_init=-0.5)
    assert policy.network.extra.tolist() == [-0.5, -0.5]


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"memory_size": 0}, "gru-actor-critic got memory_size=0. Expected a positive integer."),
        (
            {"encoder_sizes": (8, 0)},
            "gru-actor-critic got encoder_sizes=(8, 0). Expected positive integers.",
        ),
        ({"observation_clip": 0.0}, "gru-actor-critic got observation_clip=0.0. Expected a positive number."),
    ],
)
def test_settings_out_of_range_are_refused(config: dict[str, Any], message: str) -> None:
    with pytest.raises(ph.errors.ConfigError) as caught:
        make(**config)
    assert str(caught.value) == message


def test_ppo_needs_the_backend_torch_to_train_it() -> None:
    with pytest.raises(ph.errors.ConfigError) as caught:
        ph.train(
            "ppo",
            env=ph.GymnasiumEnv,
            env_config={"env": "CartPole-v1"},
            policies={"p": ph.PolicySpec(agents=["agent"], policy="gru-actor-critic")},
            policies_to_train=["p"],
            num_iterations=1,
            run_dir=None,
        )
    assert str(caught.value) == (
        "A GRUActorCriticPolicy learns in torch, but ppo has backend='numpy'. Set backend='torch' for the "
        "trainer."
    )


def test_a_sequence_has_at_least_one_decision() -> None:
    with pytest.raises(ph.errors.ConfigError) as caught:
        ph.find("trainer", "ppo").load()(sequence_length=0)
    assert str(caught.value) == "ppo got sequence_length=0. Expected a positive integer."
