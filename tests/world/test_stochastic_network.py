"""Connections that are there with a probability."""

from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import phantom_core as ph


def make_network(names: str = "ABCD", connections: Any = ()) -> ph.StochasticNetwork:
    return ph.StochasticNetwork([ph.Agent(name) for name in names], connections=connections)


def drawn(network: ph.Network, seed: int) -> set[tuple[Any, Any]]:
    ph.PhantomEnv(1, network).reset(seed)
    return set(network.connections())


def test_certain_and_impossible_connections() -> None:
    network = make_network(connections=[("A", "B"), ("A", "C", 0.0), ("A", "D", 1.0)])
    certain = {("A", "B"), ("B", "A"), ("A", "D"), ("D", "A")}
    assert set(network.connections()) == certain
    assert drawn(network, 1) == drawn(network, 2) == certain


def test_each_reset_draws_anew_and_the_seed_decides() -> None:
    network = make_network(connections=[(u, v, 0.5) for u, v in ("AB", "AC", "AD", "BC", "BD", "CD")])
    episodes = [frozenset(drawn(network, seed)) for seed in range(20)]
    assert len(set(episodes)) > 10
    assert episodes == [frozenset(drawn(network, seed)) for seed in range(20)]


@given(st.floats(0.05, 0.95))
@settings(max_examples=20)  # of 400 episodes each
def test_a_connection_is_there_as_often_as_its_rate_says(rate: float) -> None:
    network = make_network("AB", [("A", "B", rate)])
    share = sum(bool(drawn(network, seed)) for seed in range(400)) / 400
    assert abs(share - rate) < 5 * (rate * (1 - rate) / 400) ** 0.5


def test_both_directions_are_there_or_neither() -> None:
    network = make_network(connections=[("A", "B", 0.5), ("C", "D", 0.5)])
    for seed in range(30):
        edges = drawn(network, seed)
        assert {(v, u) for u, v in edges} == edges


def test_a_directed_connection_is_drawn_for_its_direction() -> None:
    network = make_network("AB")
    network.add_connection("A", "B", 0.5, directed=True)
    assert {frozenset(drawn(network, seed)) for seed in range(30)} == {
        frozenset(),
        frozenset({("A", "B")}),
    }


def test_another_connection_does_not_change_what_one_draws() -> None:
    alone = make_network(connections=[("A", "B", 0.5)])
    among = make_network("XABCD", [("X", "A", 0.3), ("A", "B", 0.5), ("C", "D", 0.9)])
    for seed in range(50):
        assert (("A", "B") in drawn(alone, seed)) == (("A", "B") in drawn(among, seed))


def test_a_matrix_draws_each_pair_once() -> None:
    network = make_network("ABC")
    network.add_connections_with_adjmat(list("ABC"), [[0, 1, 1], [1, 0, 1], [1, 1, 0]])
    assert len(drawn(network, 1)) == 6


def test_adding_a_connection_again_changes_its_rate() -> None:
    network = make_network("AB", [("A", "B", 1.0)])
    network.add_connection("B", "A", 0.0)
    assert drawn(network, 1) == set()


def test_groups_get_a_rate() -> None:
    network = make_network()
    network.add_connections_between("A", "BCD", 0.0)
    assert drawn(network, 1) == set()


def test_a_sampler_as_rate_is_drawn_once_per_episode() -> None:
    rate = ph.samplers.UniformFloatSampler(0.0, 1.0)
    network = make_network("ABCD", [(u, v, rate) for u, v in ("AB", "AC", "AD", "BC", "BD", "CD")])
    for seed in range(20):
        edges = drawn(network, seed)
        value = rate.value
        assert value is not None
        for u, v in ("AB", "AC", "AD", "BC", "BD", "CD"):
            assert ((u, v) in edges) == (ph.seeding.unit_draw(seed, "connection", u, v) < value)


def test_a_sampler_shared_with_the_env_supertype_has_the_value_that_the_env_has() -> None:
    class Env(ph.PhantomEnv):
        @dataclass
        class Supertype(ph.Supertype):
            connectivity: Any = 0.5

    rate = ph.samplers.UniformFloatSampler(0.2, 0.8)
    network = make_network("AB", [("A", "B", rate)])
    env = Env(1, network, env_supertype={"connectivity": rate})
    for seed in range(10):
        env.reset(seed)
        assert env.env_type.connectivity == rate.value
        is_drawn = ph.seeding.unit_draw(seed, "connection", "A", "B") < env.env_type.connectivity
        assert network.has_edge("A", "B") == is_drawn


def test_a_connection_added_in_an_episode_is_forgotten_at_the_next_reset() -> None:
    network = make_network("AB")
    env = ph.PhantomEnv(2, network)
    env.reset(1)
    network.add_connection("A", "B")
    assert network.has_edge("A", "B")
    env.reset(1)
    assert not network.has_edge("A", "B")


def test_a_connection_removed_in_an_episode_is_back_at_the_next_reset() -> None:
    network = make_network("AB", [("A", "B")])
    env = ph.PhantomEnv(2, network)
    env.reset(1)
    network.remove_connection("A", "B")
    assert not network.has_edge("A", "B")
    env.reset(1)
    assert network.has_edge("A", "B")


def test_what_is_removed_between_episodes_is_gone_for_good() -> None:
    network = make_network("ABC", [("A", "B", 1.0), ("B", "C", 1.0)])
    network.remove_connection("A", "B")
    network.remove_agent("C")
    assert drawn(network, 1) == set()


@pytest.mark.parametrize("rate", [-0.1, 1.5, "often", float("nan")])
def test_a_rate_that_is_no_probability_is_refused(rate: Any) -> None:
    with pytest.raises(ph.errors.ConfigError) as caught:
        make_network().add_connection("A", "B", rate)
    assert str(caught.value) == (
        f"The connection of 'A' and 'B' has rate={rate!r}. Expected a probability from 0 to 1, or a sampler "
        "of one."
    )


def test_a_sampled_rate_that_is_no_probability_is_refused_at_reset() -> None:
    network = make_network("AB", [("A", "B", ph.samplers.UniformFloatSampler(2.0, 2.0))])
    with pytest.raises(ph.errors.ConfigError, match=r"has rate=2\.0\. Expected a probability"):
        drawn(network, 1)


def test_an_unknown_agent_is_refused_when_the_connection_is_added() -> None:
    with pytest.raises(ph.errors.ConfigError, match="The network has no agent 'Z'"):
        make_network().add_connection("A", "Z", 0.5)


def test_a_connection_is_a_pair_or_a_triple() -> None:
    with pytest.raises(ph.errors.ConfigError) as caught:
        make_network(connections=[("A", "B", 0.5, 1)])
    assert str(caught.value) == (
        "The connection ('A', 'B', 0.5, 1) is not written as (id, id) or (id, id, rate). Expected a list of "
        "those, such as [('SHOP', 'FACTORY')]."
    )


def test_a_connection_that_is_added_in_on_reset_is_drawn_in_this_episode() -> None:
    class Rewired(ph.PhantomEnv):
        def on_reset(self) -> None:
            self.network.add_connection("A", "B", 0.5)  # type: ignore[call-arg, arg-type]  it is stochastic

    def first_of(seed: int) -> list[Any]:
        network = make_network("AB")
        Rewired(1, network).reset(seed)
        return network.connections()

    env = Rewired(1, make_network("AB"))
    for seed in range(20):
        env.reset(seed)
        assert env.network.connections() == first_of(seed)
    assert {len(first_of(seed)) for seed in range(20)} == {0, 2}


def test_another_rate_counts_from_then_on() -> None:
    network = make_network("AB", [("A", "B")])
    network.add_connection("A", "B", 0.5)
    assert network.connections() == []  # before the first reset only what is certain is there
    network.add_connection("A", "B", 1.0)
    assert network.connections() == [("A", "B"), ("B", "A")]


@ph.msg_payload()
class Hello:
    """Says hello."""


@pytest.mark.parametrize("sender_id", ["A", "B"])
def test_a_connection_that_was_not_drawn_is_said_to_be_not_there_in_this_episode(sender_id: str) -> None:
    network = make_network("AB", [("A", "B", 0.3)])
    seed = next(seed for seed in range(100) if not drawn(network, seed))
    drawn(network, seed)
    receiver_id = {"A": "B", "B": "A"}[sender_id]
    with pytest.raises(ph.errors.NetworkError) as caught:
        network.send(sender_id, receiver_id, Hello())
    assert str(caught.value) == (
        f"Agent {sender_id!r} sent Hello to {receiver_id!r}, but they are not connected in this episode: "
        f"their connection has rate 0.3. Send only if {receiver_id!r} in ctx, or set "
        "ignore_connection_errors=True."
    )


def test_where_no_connection_could_be_drawn_there_is_none_to_speak_of() -> None:
    network = make_network("ABC", [("A", "B")])
    network.add_connection("A", "C", 0.0, directed=True)
    assert drawn(network, 1) == {("A", "B"), ("B", "A")}
    for sender_id, receiver_id in ("BC", "CA"):  # never added; only the other way
        with pytest.raises(ph.errors.NetworkError, match=r"they are not connected\. Call network"):
            network.send(sender_id, receiver_id, Hello())
    network.remove_connection("A", "B")  # during the episode
    with pytest.raises(ph.errors.NetworkError, match=r"they are not connected\. Call network"):
        network.send("A", "B", Hello())
