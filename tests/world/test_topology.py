"""Agents and connections that are added and removed; directions, matrices, parts and exports."""

import sys
from typing import Any

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import phantom_core as ph


@ph.msg_payload()
class Ping:
    """Says hello."""


def make_network(names: str = "ABC", **kwargs: Any) -> ph.Network:
    return ph.Network([ph.Agent(name) for name in names], **kwargs)


def test_a_directed_connection_goes_one_way() -> None:
    network = make_network()
    network.add_connection("A", "B", directed=True)
    assert network.has_edge("A", "B")
    assert not network.has_edge("B", "A")
    assert network.neighbours_of("A") == ["B"]
    assert network.neighbours_of("B") == []
    with pytest.raises(ph.errors.NetworkError):
        network.send("B", "A", Ping())


def test_groups_and_lists_can_be_connected_one_way() -> None:
    network = make_network("ABCD")
    network.add_connections_between("A", "CD", directed=True)
    network.add_connections_from([("B", "C")], directed=True)
    assert network.connections() == [("A", "C"), ("A", "D"), ("B", "C")]


def test_a_removed_connection_is_gone_in_both_directions() -> None:
    network = make_network(connections=[("A", "B"), ("A", "C")])
    network.remove_connection("A", "B")
    assert network.connections() == [("A", "C"), ("C", "A")]
    with pytest.raises(ph.errors.NetworkError):
        network.send("A", "B", Ping())


def test_one_direction_can_be_removed_alone() -> None:
    network = make_network(connections=[("A", "B")])
    network.remove_connection("A", "B", directed=True)
    assert network.connections() == [("B", "A")]


def test_removing_a_connection_that_is_not_there_is_an_error() -> None:
    network = make_network(connections=[("A", "C")])
    with pytest.raises(ph.errors.ConfigError) as caught:
        network.remove_connection("A", "B")
    assert str(caught.value) == "'A' and 'B' are not connected. 'A' may send to: 'C'."


def test_a_removed_agent_leaves_no_connection_behind() -> None:
    network = make_network(connections=[("A", "B"), ("B", "C"), ("B", "B")])
    agent = network["B"]
    assert network.remove_agent("B") is agent
    assert list(network.agents) == ["A", "C"]
    assert network.connections() == []
    network.add_agent(ph.Agent("B"))
    assert network.neighbours_of("B") == []


def test_removing_an_unknown_agent_is_an_error() -> None:
    with pytest.raises(ph.errors.ConfigError) as caught:
        make_network("AB").remove_agent("C")
    assert str(caught.value) == (
        "The network has no agent 'C'. Its agents: 'A', 'B'. Add it with network.add_agent first."
    )


def test_a_symmetric_matrix_connects_both_ways() -> None:
    network = make_network()
    network.add_connections_with_adjmat(["A", "C", "B"], [[0, 1, 0], [1, 0, 2], [0, 2, 0]])
    assert network.connections() == [("A", "C"), ("B", "C"), ("C", "A"), ("C", "B")]


def test_a_directed_matrix_connects_from_row_to_column() -> None:
    network = make_network()
    network.add_connections_with_adjmat(["A", "B", "C"], np.eye(3, k=1), directed=True)
    assert network.connections() == [("A", "B"), ("B", "C")]


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        (
            [[0, 1], [1, 0]],
            "The adjacency matrix has shape (2, 2), but there are 3 agent ids. Expected shape (3, 3).",
        ),
        (
            [[0, 1, 1], [1, 0, 0]],
            "The adjacency matrix has shape (2, 3), but there are 3 agent ids. Expected shape (3, 3).",
        ),
        (
            [[0, 0, 0], [0, 1, 0], [0, 0, 0]],
            "The adjacency matrix connects 'B' with itself. Expected zeros on its diagonal.",
        ),
        (
            [[0, 1, 0], [0, 0, 0], [0, 0, 0]],
            (
                "The adjacency matrix is not symmetric: it has 1 from 'A' to 'B', but 0 back. Mend it, or "
                "pass directed=True."
            ),
        ),
    ],
)
def test_a_matrix_that_is_none_is_refused(matrix: Any, message: str) -> None:
    with pytest.raises(ph.errors.ConfigError) as caught:
        make_network().add_connections_with_adjmat(["A", "B", "C"], matrix)
    assert str(caught.value) == message


def test_a_subnet_holds_an_agent_its_neighbours_and_what_connects_them() -> None:
    network = make_network("ABCDE", resolver=ph.BatchResolver(round_limit=7))
    network.add_connections_from([("A", "B"), ("A", "C"), ("B", "C"), ("C", "D"), ("D", "E")])
    network.send("A", "B", Ping())
    part = network.subnet_for("A")
    assert list(part.agents) == ["A", "B", "C"]
    assert part["A"] is network["A"]
    assert set(part.connections()) == {(u, v) for u in "ABC" for v in "ABC" if u != v}
    assert part.resolver is not network.resolver
    assert isinstance(part.resolver, ph.BatchResolver)
    assert part.resolver.round_limit == 7
    part.send("B", "C", Ping())
    part.add_agent(ph.Agent("X"))
    assert "X" not in network


def test_a_subnet_is_of_the_class_of_the_network_and_checks_as_it_does() -> None:
    class Town(ph.Network):
        """A network of one's own."""

    town = Town([ph.Agent("A")], ignore_connection_errors=True, enforce_msg_payload_checks=False)
    part = town.subnet_for("A")
    assert type(part) is Town
    assert part.ignore_connection_errors
    assert not part.enforce_msg_payload_checks


def test_a_network_becomes_a_graph_of_networkx() -> None:
    network = make_network("ABC")
    network.add_connection("A", "B")
    network.add_connection("B", "C", directed=True)
    graph = network.to_networkx()
    assert isinstance(graph, nx.DiGraph)
    assert list(graph.nodes) == ["A", "B", "C"]
    assert list(graph.edges) == [("A", "B"), ("B", "A"), ("B", "C")]
    graph.remove_node("A")
    assert "A" in network


def test_without_networkx_the_export_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "networkx", None)
    with pytest.raises(ph.errors.ConfigError) as caught:
        make_network().to_networkx()
    assert str(caught.value) == "to_networkx() needs networkx. Run: pip install networkx"


def test_changing_the_payload_checks_holds_for_messages_that_were_allowed_before() -> None:
    class Undecorated:
        """Not a payload."""

    network = make_network(connections=[("A", "B")], enforce_msg_payload_checks=False)
    network.send("A", "B", Undecorated())
    network.enforce_msg_payload_checks = True
    with pytest.raises(ph.errors.NetworkError):
        network.send("A", "B", Undecorated())


NAMES = st.sampled_from("ABCDEF")
CHANGES = st.lists(
    st.tuples(st.sampled_from(["agent", "no agent", "connect", "disconnect"]), NAMES, NAMES, st.booleans()),
    max_size=30,
)


@given(CHANGES)
def test_contexts_know_exactly_the_neighbours_whatever_changes(
    changes: list[tuple[str, str, str, bool]],
) -> None:
    network = ph.Network()
    edges: set[tuple[str, str]] = set()
    for change, u, v, directed in changes:
        if change == "agent" and u not in network:
            network.add_agent(ph.Agent(u))
        elif change == "no agent" and u in network:
            network.remove_agent(u)
            edges = {edge for edge in edges if u not in edge}
        elif change == "connect" and u in network and v in network:
            network.add_connection(u, v, directed=directed)
            edges |= {(u, v)} if directed else {(u, v), (v, u)}
        elif change == "disconnect" and ((u, v) in edges or (not directed and (v, u) in edges)):
            network.remove_connection(u, v, directed=directed)
            edges -= {(u, v)} if directed else {(u, v), (v, u)}
    assert set(network.connections()) == edges
    assert list(network.contexts) == list(network.agents)
    for agent_id, ctx in network.contexts.items():
        assert ctx.neighbour_ids == network.neighbours_of(agent_id)
        assert set(ctx.neighbour_ids) == {v for u, v in edges if u == agent_id}
