"""§1.3 and §1.7 of the predecessor: contexts, connections, checks of messages."""

from __future__ import annotations

import warnings
from dataclasses import FrozenInstanceError, dataclass
from typing import Any

import networkx as nx
import numpy as np
import pytest

import phantom as ph
from phantom.network import NetworkError
from phantom.resolvers import BatchResolver
from phantom.utils.samplers import UniformFloatSampler

VIEW = ph.EnvView(0, 0.0)


@ph.msg_payload()
class Open:
    n: int = 0


class Clerk(ph.Agent):
    def __init__(self, agent_id: Any) -> None:
        super().__init__(agent_id)
        self.seen: list[Any] = []
        self.num_resets = 0

    def reset(self) -> None:
        self.num_resets += 1

    @ph.agents.msg_handler(Open)
    def on_open(self, ctx: ph.Context, message: ph.Message[Open]) -> None:
        self.seen.append((message.sender_id, message.payload.n))


class Shop(Clerk):
    pass


class BigShop(Shop):
    pass


@ph.msg_payload(sender_type="Shop", receiver_type=[Clerk, "Bank"])
class ForShops:
    n: int = 0


def clerks(ids: str = "ABCD", **options: Any) -> ph.Network:
    return ph.Network([Clerk(i) for i in ids], **options)


def contexts(net: ph.Network) -> dict[Any, ph.Context]:
    return {i: net.context_for(i, VIEW) for i in net.agent_ids}


def edges(net: ph.Network) -> set[Any]:
    return set(net.graph.edges)


def test_members_of_a_network() -> None:
    net = clerks("ABC", connections=[("A", "B")])
    assert list(net.agent_ids) == ["A", "B", "C"]
    assert net.agents["B"] is net["B"]
    assert len(net) == 3
    assert isinstance(net.resolver, BatchResolver)
    assert (net.ignore_connection_errors, net.enforce_msg_payload_checks) == (False, True)
    assert net.has_edge("A", "B")
    assert net.has_edge("B", "A")
    assert not net.has_edge("A", "C")


def test_the_graph_is_a_readable_digraph_of_networkx() -> None:
    net = clerks("ABC", connections=[("A", "B")])
    assert isinstance(net.graph, nx.DiGraph)
    assert list(net.graph.nodes) == ["A", "B", "C"]
    assert edges(net) == {("A", "B"), ("B", "A")}
    assert net.graph.has_edge("B", "A")
    net.add_connection("B", "C")
    assert net.graph.has_edge("C", "B")
    with pytest.raises(nx.NetworkXError):
        net.graph.add_edge("A", "C")


def test_an_id_can_be_added_once() -> None:
    net = clerks("A")
    with pytest.raises(ValueError, match="'A' already exists"):
        net.add_agent(Clerk("A"))
    with pytest.raises(ValueError, match="'A' already exists"):
        net.add_agents([Clerk("B"), Clerk("A")])


@pytest.mark.parametrize("pair", [("A", "X"), ("X", "A")])
def test_a_connection_needs_two_agents(pair: Any) -> None:
    for net in (clerks("A"), ph.StochasticNetwork([Clerk("A")])):
        with pytest.raises(ValueError, match="'X' does not exist"):
            net.add_connection(*pair)


def test_connections_from_pairs_and_between_groups() -> None:
    net = clerks()
    net.add_connections_from([("A", "B"), ("A", "A")])  # a loop is allowed
    net.add_connections_between(["C"], iter(["A", "D"]))
    assert edges(net) == {("A", "B"), ("B", "A"), ("A", "A"), ("C", "A"), ("A", "C"), ("C", "D"), ("D", "C")}


def test_neighbours_come_in_the_order_of_their_connections() -> None:
    net = clerks()
    net.add_connections_from([("A", "D"), ("B", "A"), ("A", "C"), ("A", "D")])
    assert net.context_for("A", VIEW).neighbour_ids == ["D", "B", "C"]
    env = ph.PhantomEnv(3, net)
    env.reset()
    env.step({})
    env.reset()
    env._make_ctxs(["A"])
    assert env._ctxs["A"].neighbour_ids == ["D", "B", "C"]


def test_a_matrix_connects_where_it_is_positive() -> None:
    net = clerks("ABC")
    net.add_connections_with_adjmat(["A", "B", "C"], np.array([[0, 1, 0], [1, 0, 2], [0, 2, 0]]))
    assert edges(net) == {("A", "B"), ("B", "A"), ("B", "C"), ("C", "B")}


@pytest.mark.parametrize(
    ("ids", "matrix", "message"),
    [
        ("A", np.ones((2, 3)), "Number of agent IDs doesn't match adjacency matrix dimensions."),
        ("AB", np.arange(6).reshape(2, 3), "Adjacency matrix must be square."),
        ("AB", np.array([[1, 1], [0, 1]]), "Adjacency matrix must be symmetric."),
        ("AB", np.array([[1, 1], [1, 0]]), "Adjacency matrix must be hollow."),
    ],
)
def test_a_matrix_is_checked_in_this_order(ids: str, matrix: Any, message: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011  the whole text is compared
        clerks().add_connections_with_adjmat(list(ids), matrix)
    assert str(caught.value) == message


def test_agents_are_found_by_class_and_predicate() -> None:
    net = ph.Network([Clerk("A"), Shop("B"), BigShop("C")])
    assert list(net.get_agents_with_type(Shop)) == ["B", "C"]
    assert list(net.get_agents_without_type(Shop)) == ["A"]
    assert net.get_agents_where(lambda agent: agent.id == "C") == {"C": net["C"]}


def test_reset_resets_the_resolver_and_then_every_agent() -> None:
    net = clerks("AB", connections=[("A", "B")])
    net.send("A", "B", Open())
    net.reset()
    assert not net.resolver.messages  # type: ignore[attr-defined]
    assert [agent.num_resets for agent in net.agents.values()] == [1, 1]  # type: ignore[attr-defined]


def test_a_context_is_frozen_and_shows_views_by_neighbour() -> None:
    @dataclass(frozen=True)
    class Price(ph.AgentView):
        price: int

    class Seller(Clerk):
        def view(self, neighbour_id: Any = None) -> Any:
            return None if neighbour_id == "C" else Price(3)

    net = ph.Network([Clerk("A"), Seller("B"), Clerk("C")])
    net.add_connections_from([("A", "B"), ("A", "C"), ("B", "C")])
    ctx = net.context_for("A", VIEW)
    assert ctx == ph.Context(net["A"], {"B": Price(3), "C": None}, VIEW)
    assert (ctx["B"], ctx["C"], "B" in ctx, "A" in ctx) == (Price(3), None, True, False)
    assert net.context_for("C", VIEW)["B"] is None
    with pytest.raises(KeyError):
        _ = ctx["X"]
    with pytest.raises(FrozenInstanceError):
        ctx.agent = None
    with pytest.raises(TypeError, match="unhashable"):
        hash(ctx)
    env = ph.PhantomEnv(3, net)
    env.reset()
    env._make_ctxs(["A"])
    live = env._ctxs["A"]
    assert isinstance(live, ph.Context)
    assert (live["B"], live["C"], live.env_view, live.agent) == (Price(3), None, VIEW, net["A"])
    with pytest.raises(FrozenInstanceError):
        live.agent_views = {}


def test_views_are_abstract_and_frozen() -> None:
    @dataclass(frozen=True)
    class More(ph.EnvView):
        price: float

    more = More(1, 0.5, 2.0)
    assert isinstance(more, ph.View)
    assert isinstance(ph.AgentView(), ph.View)
    assert (more.current_step, more.proportion_time_elapsed, more.price) == (1, 0.5, 2.0)
    with pytest.raises(FrozenInstanceError):
        more.price = 3.0


def test_a_message_needs_a_connection_before_its_payload_is_looked_at() -> None:
    net = clerks()
    with pytest.raises(NetworkError, match="not connected"):
        net.send("A", "B", "no payload at all")


def test_a_payload_has_to_be_decorated() -> None:
    net = clerks(connections=[("A", "B")])
    with pytest.raises(NetworkError, match="not a message payload"):
        net.send("A", "B", "no payload at all")
    net.enforce_msg_payload_checks = False
    net.send("A", "B", "anything")


def test_the_types_of_sender_and_receiver_are_checked() -> None:
    net = ph.Network([Clerk("A"), Shop("B"), BigShop("C")])
    net.add_connections_from([("A", "B"), ("B", "C")])
    net.send("B", "A", ForShops())
    net.send("C", "B", ForShops())  # classes derived from the allowed ones may, too
    with pytest.raises(NetworkError, match="as sender only Shop"):
        net.send("A", "B", ForShops())


def test_an_undecorated_msgpayload_is_accepted_with_one_warning_per_network() -> None:
    @dataclass(frozen=True)
    class Old(ph.MsgPayload):
        n: int

    @dataclass(frozen=True)
    class Older(ph.MsgPayload):
        pass

    for net in (clerks(connections=[("A", "B")]), clerks(connections=[("A", "B")])):
        with pytest.warns(DeprecationWarning, match="Old derives from MsgPayload") as caught:
            net.send("A", "B", Old(1))
        assert len(caught) == 1
        net.send("A", "B", Old(1))
        net.send("B", "A", Older())
        assert len(net.resolver.messages["B"]) == 2  # type: ignore[attr-defined]
        with pytest.raises(NetworkError):
            net.send("A", "C", Old(1))


def test_without_connection_errors_the_receiver_handles_an_empty_batch() -> None:
    class Batched(Clerk):
        def handle_batch(self, ctx: ph.Context, batch: Any) -> Any:
            self.seen.append([message.payload.n for message in batch])
            return []

    resolver = BatchResolver(enable_tracking=True)
    net = ph.Network([Clerk("A"), Batched("B")], resolver, ignore_connection_errors=True)
    net.send("A", "B", Open(1))
    assert net.resolver.tracked_messages == [ph.Message("A", "B", Open(1))]
    net.resolve(contexts(net))
    assert net["B"].seen == [[]]  # type: ignore[attr-defined]


def test_a_message_over_a_connection_that_was_removed_is_not_delivered() -> None:
    net = clerks("AB", connections=[("A", "B")])
    net.send("A", "B", Open(1))
    net.remove_connection("A", "B")
    net.resolve(contexts(net))
    assert net["B"].seen == []  # type: ignore[attr-defined]


def test_a_message_to_nobody_is_a_network_error() -> None:
    with pytest.raises(NetworkError, match="no such agent"):
        clerks().send("A", "X", Open())


def test_a_subnet_holds_the_agent_and_its_neighbours_and_can_send() -> None:
    net = clerks(connections=[("A", "B"), ("B", "C"), ("A", "C"), ("C", "D")])
    part = net.subnet_for("A")
    assert type(part) is ph.Network
    assert list(part.agent_ids) == ["A", "B", "C"]
    assert edges(part) == {("A", "B"), ("B", "A"), ("B", "C"), ("C", "B"), ("A", "C"), ("C", "A")}
    part.send("A", "B", Open(5))
    assert not net.resolver.messages  # type: ignore[attr-defined]
    part.resolve(contexts(part))
    assert net["B"].seen == [("A", 5)]  # type: ignore[attr-defined]


def test_every_message_goes_through_an_overridden_send() -> None:
    class Spy(ph.Network):
        sent: list[Any] = []  # noqa: RUF012  of this test only

        def send(self, sender_id: Any, receiver_id: Any, payload: Any) -> None:
            self.sent.append((sender_id, receiver_id))
            super().send(sender_id, receiver_id, payload)

    class Caller(Clerk):
        def generate_messages(self, ctx: ph.Context) -> Any:
            return [("B", Open(1))]

    net = Spy([Caller("A"), Clerk("B")], connections=[("A", "B")])
    ph.PhantomEnv(3, net).step({})
    assert net.sent == [("A", "B")]
    assert net["B"].seen == [("A", 1)]  # type: ignore[attr-defined]


def test_changes_during_an_episode_stay() -> None:
    net = clerks("AB")
    env = ph.PhantomEnv(5, net)
    env.reset()
    net.add_agent(Clerk("C"))
    net.add_connection("A", "C")
    env.step({})
    env.reset()
    assert net.has_edge("A", "C")
    assert env.agent_ids == ["A", "B", "C"]


# ---------------------------------------------------------------- stochastic networks


def test_rates_of_one_and_zero_are_certain() -> None:
    net = ph.StochasticNetwork([Clerk(i) for i in "ABC"])
    net.add_connection("A", "B")
    net.add_connection("A", "C", 0.0)
    assert net._base_connections == [("A", "B", 1.0), ("A", "C", 0.0)]
    for _ in range(5):
        assert edges(net) == {("A", "B"), ("B", "A")}
        net.reset()


def test_connections_are_drawn_anew_from_the_global_generator() -> None:
    net = ph.StochasticNetwork([Clerk(i) for i in "AB"], connections=[("A", "B", 0.5)])
    np.random.seed(1)
    drawn = []
    for _ in range(20):
        net.reset()
        drawn.append(net.has_edge("A", "B"))
    np.random.seed(1)
    assert drawn == [np.random.random() < 0.5 for _ in range(20)]
    assert {net["A"].num_resets, net["B"].num_resets} == {20}  # type: ignore[attr-defined]


def test_connections_are_pairs_or_triples() -> None:
    net = ph.StochasticNetwork([Clerk(i) for i in "ABC"])
    net.add_connections_from([("A", "B"), ("B", "C", 0.0)])
    net.add_connections_between(["A"], ["C"], rate=0.0)
    assert net._base_connections == [("A", "B", 1.0), ("B", "C", 0.0), ("A", "C", 0.0)]
    with pytest.raises(ValueError, match="Expected"):
        net.add_connections_from([("A", "B", 0.5, 1)])


def test_a_sampler_may_be_a_rate_even_before_it_is_sampled() -> None:
    rate = UniformFloatSampler(1.0, 1.0)
    net = ph.StochasticNetwork([Clerk(i) for i in "AB"], connections=[("A", "B", rate)])
    assert not net.has_edge("A", "B")
    rate.sample()
    net.reset()
    assert net.has_edge("A", "B")
    rate._value = 0.0
    net.resample_connectivity()
    assert not net.has_edge("A", "B")


def test_a_matrix_draws_once_for_each_connection() -> None:
    net = ph.StochasticNetwork([Clerk(i) for i in "AB"])
    net.add_connections_with_adjmat(["A", "B"], np.array([[0, 1], [1, 0]]))
    assert net._base_connections == [("A", "B", 1.0)]


def test_a_stochastic_subnet_draws_its_own_connections() -> None:
    net = ph.StochasticNetwork([Clerk(i) for i in "ABC"], connections=[("A", "B"), ("B", "C")])
    part = net.subnet_for("A")
    assert type(part) is ph.StochasticNetwork
    assert part._base_connections == [("A", "B", 1.0)]
    part.reset()
    assert edges(part) == {("A", "B"), ("B", "A")}


def test_a_stochastic_network_plays_in_an_env() -> None:
    net = ph.StochasticNetwork([Clerk(i) for i in "ABC"], connections=[("A", "B", 0.5), ("B", "C", 0.5)])
    env = ph.PhantomEnv(3, net)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(10):
            env.reset()
            env.step({})
            assert len(edges(net)) in {0, 2, 4}
