import copy
import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phantom_nn import MLP

STRUCTURES: list[tuple[tuple[int, ...], dict[str, int], int]] = [
    ((5, 4), {"q": 3}, 0),
    ((5, 4), {"actor": 2, "critic": 1}, 0),
    ((5, 4, 3), {"value": 1, "advantage": 4}, 2),
    ((5, 4, 3), {"a": 2, "b": 1, "c": 3}, 1),
    ((5, 4), {"a": 2, "b": 1}, 2),
    ((6,), {"first": 1, "second": 1}, 0),
    ((), {"a": 2, "b": 1}, 0),
    ((), {"q": 2}, 0),
]


def make(
    structure: tuple[tuple[int, ...], dict[str, int], int], activation: Any = "tanh", inputs: int = 3
) -> MLP:
    hidden_sizes, heads, shared = structure
    network = MLP(
        inputs,
        hidden_sizes,
        heads,
        num_extra=2,
        shared_layers=shared,
        activation=activation,
        dtype=np.float64,
    )
    network.parameters[:] = np.random.default_rng(1).normal(size=network.parameters.size) * 0.6
    return network


def weighted(network: MLP, features: Any, weights: list[Any]) -> float:
    return float(sum((w * found).sum() for w, found in zip(weights, network.forward(features), strict=True)))


def drawn(network: MLP, rows: int = 7, inputs: int = 3) -> tuple[Any, list[Any]]:
    rng = np.random.default_rng(2)
    return rng.normal(size=(rows, inputs)), [rng.normal(size=(rows, n)) for n in network.heads.values()]


def slope(function: Any, point: Any) -> Any:
    found = np.zeros_like(point)
    for index in np.ndindex(point.shape):
        here = point[index]
        point[index] = here + 1e-6
        above = function()
        point[index] = here - 1e-6
        found[index] = (above - function()) / 2e-6
        point[index] = here
    return found


@pytest.mark.parametrize("activation", ["tanh", "relu"])
@pytest.mark.parametrize("structure", STRUCTURES, ids=str)
def test_gradients_agree_with_finite_differences(structure: Any, activation: str) -> None:
    network = make(structure, activation)
    features, weights = drawn(network)
    network.forward(features)
    network.backward(*weights, d_extra=np.array([3.0, 4.0]))
    gradient = network.gradient.copy()
    assert gradient[-2:].tolist() == [3.0, 4.0]
    network.forward(features)
    d_features = network.input_gradient(*weights)
    expected = slope(lambda: weighted(network, features, weights), network.parameters)
    assert gradient[:-2] == pytest.approx(expected[:-2], abs=1e-7, rel=1e-6)
    assert d_features == pytest.approx(
        slope(lambda: weighted(network, features, weights), features), abs=1e-7, rel=1e-6
    )


@given(
    st.lists(st.integers(1, 5), max_size=3),
    st.lists(st.integers(1, 3), min_size=1, max_size=3),
    st.integers(0, 3),
    st.integers(1, 6),
    st.integers(0, 2**32 - 1),
)
@settings(max_examples=60, deadline=None)
def test_networks_of_any_shape_change_along_any_direction_as_their_gradient_says(
    hidden: list[int], outputs: list[int], shared: int, rows: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    heads = {f"head{number}": width for number, width in enumerate(outputs)}
    network = MLP(2, hidden, heads, shared_layers=min(shared, len(hidden)), dtype=np.float64)
    network.parameters[:] = here = rng.normal(size=network.parameters.size) * 0.5
    features = rng.normal(size=(rows, 2))
    weights = [rng.normal(size=(rows, width)) for width in outputs]
    network.forward(features)
    network.backward(*weights)
    direction = rng.normal(size=network.parameters.size)
    expected = network.gradient @ direction
    network.parameters[:] = here + 1e-6 * direction
    above = weighted(network, features, weights)
    network.parameters[:] = here - 1e-6 * direction
    assert (above - weighted(network, features, weights)) / 2e-6 == pytest.approx(
        expected, abs=1e-6, rel=1e-5
    )


@pytest.mark.parametrize("structure", STRUCTURES, ids=str)
def test_every_way_of_computing_heads_says_the_same(structure: Any) -> None:
    network = make(structure)
    features, _ = drawn(network, rows=600)  # more than are evaluated at once
    expected = [found.copy() for found in network.forward(features)]
    for found in (network.infer(features), network.evaluate(features)):
        for one, other in zip(found, expected, strict=True):
            assert one == pytest.approx(other, abs=1e-12)
    for tower, other in enumerate(expected):
        assert network.head(features, tower) == pytest.approx(other, abs=1e-12)


@pytest.mark.parametrize("structure", STRUCTURES, ids=str)
def test_rows_behind_those_of_the_loss_have_no_part_in_its_gradient(structure: Any) -> None:
    network = make(structure, "relu")
    features, weights = drawn(network)
    first = [part[:3] for part in weights]
    network.forward(features[:3])
    network.backward(*first)
    alone = network.gradient.copy()
    network.forward(features)
    network.backward(*first)
    assert network.gradient == pytest.approx(alone, abs=1e-14)
    network.forward(features[:3])
    d_features = network.input_gradient(*first)
    network.forward(features)
    assert network.input_gradient(*first) == pytest.approx(d_features, abs=1e-14)


def test_two_layers_computed_by_hand() -> None:
    network = MLP(1, (2,), {"q": 1}, activation="relu", dtype=np.float64)
    views = network.layout.views(network.parameters)
    views["hidden0.weights"][:] = [[2.0, -1.0]]
    views["hidden0.bias"][:] = [[1.0, 0.0]]
    views["q.weights"][:] = [[3.0], [5.0]]
    views["q.bias"][:] = [7.0]
    (found,) = network.forward(np.array([[2.0]]))
    assert found.tolist() == [[22.0]]  # 3 · max(0, 2·2 + 1) + 5 · max(0, −2) + 7
    assert network.last_hidden.tolist() == [[5.0, 0.0]]
    network.backward(np.array([[1.0]]))
    gradients = network.layout.views(network.gradient)
    assert gradients["hidden0.weights"].tolist() == [[6.0, 0.0]]
    assert gradients["hidden0.bias"].tolist() == [[3.0, 0.0]]
    assert gradients["q.weights"].tolist() == [[5.0], [0.0]]
    assert gradients["q.bias"].tolist() == [1.0]


def test_a_dueling_network_shares_what_it_is_told_to_share() -> None:
    network = MLP(3, (8, 4), {"value": 1, "advantage": 2}, shared_layers=1)
    shapes = network.layout.shapes
    assert shapes["hidden0.weights"] == (3, 8)
    assert shapes["hidden1.weights"] == (2, 8, 4)
    assert shapes["advantage.weights"] == (4, 2)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda network: pickle.loads(pickle.dumps(network))])  # noqa: S301  its own
def test_a_copy_computes_in_its_own_memory(copied: Any) -> None:
    network = make(STRUCTURES[2])
    features, _ = drawn(network)
    before = network.infer(features)
    other = copied(network)
    assert [part.tolist() for part in other.infer(features)] == [part.tolist() for part in before]
    other.parameters[:] = 0.0
    assert not other.infer(features)[1].any()
    assert [part.tolist() for part in network.infer(features)] == [part.tolist() for part in before]


def test_uniform_weights_keep_within_one_over_the_root_of_the_inputs() -> None:
    network = MLP(4, (100, 25), {"a": 3, "b": 2}, shared_layers=1)
    network.draw_uniform(np.random.default_rng(1))
    views = network.layout.views(network.parameters)
    for layer, bound in (("hidden0", 0.5), ("hidden1", 0.1), ("a", 0.2), ("b", 0.2)):
        for kind in ("weights", "bias"):
            size = np.abs(views[f"{layer}.{kind}"])
            assert 0.0 < size.max() <= bound
        assert np.abs(views[f"{layer}.weights"]).max() > 0.9 * bound


def test_orthogonal_weights_have_the_gains_of_their_heads() -> None:
    network = MLP(8, (16, 16), {"a": 3, "b": 2}, shared_layers=1)
    network.draw_orthogonal(np.random.default_rng(1), {"a": 0.1, "b": 1.0})
    views = network.layout.views(network.parameters)
    assert views["hidden0.weights"] @ views["hidden0.weights"].T == pytest.approx(2.0 * np.eye(8), abs=1e-5)
    for tower in views["hidden1.weights"]:
        assert tower.T @ tower == pytest.approx(2.0 * np.eye(16), abs=1e-5)
    assert views["a.weights"].T @ views["a.weights"] == pytest.approx(0.01 * np.eye(3), abs=1e-7)
    assert not views["b.bias"].any()


@pytest.mark.parametrize("structure", [((5, 4), {"q": 3}, 0), ((5, 4), {"a": 2, "b": 1}, 0)], ids=str)
def test_the_last_hidden_layer_may_have_a_part_in_the_loss(structure: Any) -> None:
    network = make(structure)
    features, weights = drawn(network)
    network.forward(features)
    of_hidden = np.random.default_rng(3).normal(size=network.last_hidden.shape)

    def loss() -> float:
        return weighted(network, features, weights) + float((of_hidden * network.last_hidden).sum())

    loss()
    network.backward(*weights, d_last_hidden=of_hidden)
    found = network.gradient.copy()
    np.testing.assert_allclose(found, slope(loss, network.parameters), rtol=1e-6, atol=1e-7)
