"""NumPy against PyTorch's autograd in float64; `make check-integrations` installs torch and runs this."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import phantom_core as ph
from phantom_nn import MLP, FlatAdam, ObservationLayout, SquashedGaussian, make_distribution

pytestmark = pytest.mark.integration
torch = pytest.importorskip("torch", reason="run make check-integrations", exc_type=ImportError)

STRUCTURES: list[tuple[tuple[int, ...], dict[str, int], int]] = [
    ((6, 5), {"q": 3}, 0),
    ((6, 5), {"actor": 2, "critic": 1}, 0),
    ((6, 5, 4), {"value": 1, "advantage": 4}, 2),
    ((6, 5), {"a": 2, "b": 1}, 2),
    ((), {"a": 2, "b": 1}, 0),
]


def assert_close(found: Any, expected: Any) -> None:
    assert np.linalg.norm(found - expected) <= 1e-9 * np.linalg.norm(expected)


@pytest.mark.parametrize("activation", ["tanh", "relu"])
@pytest.mark.parametrize("structure", STRUCTURES, ids=str)
def test_networks_have_the_gradients_of_autograd(structure: Any, activation: Any) -> None:
    from phantom_nn.torch_memory import TorchMemory
    from phantom_nn.torch_mlp import TorchMLP

    hidden_sizes, heads, shared = structure
    network = MLP(3, hidden_sizes, heads, shared_layers=shared, activation=activation, dtype=np.float64)
    rng = np.random.default_rng(1)
    network.parameters[:] = rng.normal(size=network.parameters.size) * 0.6
    features, weights = rng.normal(size=(9, 3)), [rng.normal(size=(9, n)) for n in heads.values()]
    found = network.forward(features)
    network.backward(*weights)
    memory = TorchMemory(network.parameters, "cpu", "test")
    twin = TorchMLP(network, memory.parameters)
    memory.collect_gradients(twin.tensors)
    inputs = torch.from_numpy(features).requires_grad_()
    expected = twin(inputs)
    sum((torch.from_numpy(w) * e).sum() for w, e in zip(weights, expected, strict=True)).backward()
    for one, other in zip(found, expected, strict=True):
        assert_close(one, other.detach().numpy())
    assert_close(network.gradient, memory.gradient.numpy())
    network.forward(features)
    assert_close(network.input_gradient(*weights), inputs.grad.numpy())


@pytest.mark.parametrize(
    "space",
    [
        gym.spaces.Discrete(4, start=2),
        gym.spaces.MultiDiscrete([2, 3], start=[1, 0]),
        gym.spaces.MultiBinary(3),
        gym.spaces.Box(-2.0, 2.0, (2,)),
        gym.spaces.Dict({"price": gym.spaces.Box(-2.0, 2.0, (2,)), "shop": gym.spaces.Discrete(3, start=1)}),
    ],
    ids=str,
)
def test_distributions_have_the_gradients_of_autograd(space: Any) -> None:
    from phantom_nn.torch_distributions import log_prob_and_entropy

    distribution, rng = make_distribution(space), np.random.default_rng(1)
    outputs = rng.normal(size=(9, distribution.num_outputs))
    extra = rng.normal(size=distribution.num_extra) * 0.3
    stream = ph.seeding.UniformStream(ph.seeding.make_rng(1))
    mask = None
    if distribution.mask_width:
        mask = np.ones((9, distribution.mask_width), np.bool_)
        mask[:4, 1] = False
    drawn = distribution.sample(outputs, extra, ph.RowStreams([stream] * 9), mask)
    if isinstance(space, gym.spaces.Dict):
        drawn = {key: np.stack([action[key] for action in drawn]) for key in space}
    actions = distribution.as_array(drawn)
    likelihood, weights = distribution.likelihood(outputs, extra, actions, mask), rng.normal(size=9)
    d_outputs, d_extra = likelihood.gradients(weights, 0.7)
    tensors = [torch.from_numpy(array).requires_grad_() for array in (outputs, extra)]
    log_prob, entropy = log_prob_and_entropy(
        distribution, *tensors, torch.from_numpy(actions), None if mask is None else torch.from_numpy(mask)
    )
    ((torch.from_numpy(weights) * log_prob).sum() + 0.7 * entropy.sum()).backward()
    assert_close(likelihood.log_prob, log_prob.detach().numpy())
    assert_close(likelihood.entropy, entropy.detach().numpy())
    assert_close(d_outputs, tensors[0].grad.numpy() if tensors[0].grad is not None else 0.0)
    if distribution.num_extra:
        assert_close(d_extra, tensors[1].grad.numpy())


def test_the_squashed_gaussian_has_the_gradients_of_autograd() -> None:
    from phantom_nn.torch_distributions import squashed_draw

    distribution, rng = SquashedGaussian(gym.spaces.Box(-1.0, 1.0, (3,)), "test"), np.random.default_rng(1)
    outputs, noise = rng.normal(size=(9, 6)) * 2.0, rng.normal(size=(9, 3))  # many are clamped
    weights = rng.normal(size=(9, 3)), rng.normal(size=9)
    draw = distribution.draw(outputs, noise)
    found = distribution.output_gradients(outputs, *draw.gradients(*weights))
    tensor = torch.from_numpy(outputs).requires_grad_()
    means, log_std = tensor[:, :3], tensor[:, 3:].clamp(-20.0, 2.0)
    actions, log_prob = squashed_draw(means, log_std, torch.from_numpy(noise))
    ((torch.from_numpy(weights[0]) * actions).sum() + torch.from_numpy(weights[1]) @ log_prob).backward()
    assert (np.abs(outputs[:, 3:]) > 2.0).any()
    assert_close(draw.actions, actions.detach().numpy())
    assert_close(draw.log_prob, log_prob.detach().numpy())
    assert_close(found, tensor.grad.numpy())


@pytest.mark.parametrize("epsilon", [1e-5, 1e-8])
def test_adam_is_that_of_torch(epsilon: float) -> None:
    from phantom_nn.torch_flat_adam import TorchFlatAdam

    start, rng = np.random.default_rng(1).normal(size=20), np.random.default_rng(2)
    ours, twin, theirs = start.copy(), torch.from_numpy(start.copy()), torch.from_numpy(start.copy())
    adam, by_twin = FlatAdam(ours, epsilon), TorchFlatAdam(twin, epsilon)
    reference = torch.optim.Adam([theirs], lr=1e-2, eps=epsilon)
    for _ in range(600):  # beyond the first search for moments that are next to nothing
        gradient = rng.normal(size=20)
        adam.step(gradient, 1e-2)
        by_twin.step(torch.from_numpy(gradient), 1e-2)
        theirs.grad = torch.from_numpy(gradient)
        reference.step()
    assert ours == pytest.approx(theirs.numpy(), abs=1e-12)
    assert twin.numpy() == pytest.approx(theirs.numpy(), abs=1e-12)


def test_a_module_lives_in_the_flat_vector_and_moves_with_it() -> None:
    from phantom_nn.module_network import ModuleNetwork

    class Net(torch.nn.Module):  # type: ignore[misc]  # torch is not installed where types are checked
        def __init__(self, observation_space: Any, num_outputs: int) -> None:
            super().__init__()
            self.linear = torch.nn.Linear(observation_space.shape[0], num_outputs)

        def forward(self, observations: Any) -> Any:
            return self.linear(observations)

    network = ModuleNetwork(Net, ObservationLayout(gym.spaces.Box(-1.0, 1.0, (3,))), 2)
    network.initialise(np.random.default_rng(1))
    features = torch.ones(4, 3)
    network.parameters[:] = 1.0
    assert network(features).detach().numpy() == pytest.approx(np.full((4, 2), 4.0))
    assert network.on(torch.from_numpy(network.parameters)) is network
    elsewhere = torch.zeros(network.parameters.size)
    assert not network.on(elsewhere)(features).any()


def test_a_device_that_is_not_there_is_named() -> None:
    from phantom_nn.torch_memory import TorchMemory

    with pytest.raises(ph.errors.ConfigError, match="sac got device='nonsense', which torch cannot use"):
        TorchMemory(np.zeros(3, np.float32), "nonsense", "sac")
