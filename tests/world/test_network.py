"""Who is connected to whom, and which messages a network refuses."""

from typing import Any

import pytest

import phantom_core as ph


@ph.msg_payload(sender_type="Shop", receiver_type="Factory")
class StockRequest:
    """From shop to factory."""


@ph.msg_payload()
class Ping:
    """From anybody to anybody."""


class Undecorated:
    """Not a payload."""


class Shop(ph.Agent):
    """Asks for stock."""


class Factory(ph.Agent):
    """Delivers stock."""


class Customer(ph.Agent):
    """Buys."""


def make_network(**kwargs: Any) -> ph.Network:
    resolver = ph.BatchResolver(enable_tracking=True)
    agents = [Shop("SHOP"), Factory("FACTORY"), Customer("CUST")]
    return ph.Network(agents, resolver, [("SHOP", "FACTORY"), ("CUST", "SHOP")], **kwargs)


def sent(network: ph.Network) -> list[ph.Message[Any]]:
    return network.resolver.tracked_messages


def test_agents_keep_the_order_in_which_they_were_added() -> None:
    network = ph.Network([Shop("B"), Shop("A")])
    network.add_agents([Factory("D"), Factory("C")])
    network.add_agent(Customer("E"))
    assert list(network.agent_ids) == list(network.agents) == ["B", "A", "D", "C", "E"]
    assert len(network) == 5
    assert repr(network["D"]) == "Factory('D')"
    assert "D" in network
    assert "F" not in network
    with pytest.raises(KeyError):
        network["F"]


def test_connections_go_both_ways_and_keep_their_order() -> None:
    network = ph.Network([Shop(name) for name in "ABCDE"])
    network.add_connection("A", "C")
    network.add_connections_from([("A", "B"), ("B", "A")])
    assert network.neighbours_of("A") == ["C", "B"]
    assert network.neighbours_of("B") == network.neighbours_of("C") == ["A"]
    network.add_connections_between("DE", iter("AB"))
    assert network.neighbours_of("E") == ["A", "B"]
    assert network.neighbours_of("B") == ["A", "D", "E"]
    assert network.has_edge("D", "A")
    assert network.has_edge("A", "D")
    assert not network.has_edge("D", "E")
    assert not network.has_edge("D", "NOBODY")
    assert not network.has_edge("NOBODY", "D")


def test_agents_are_found_by_class_and_by_predicate() -> None:
    class Kiosk(Shop):
        """A small shop."""

    network = ph.Network([Shop("S"), Kiosk("K"), Factory("F")])
    assert network.get_agents_with_type(Shop) == {"S": network["S"], "K": network["K"]}
    assert network.get_agents_without_type(Shop) == {"F": network["F"]}
    assert list(network.get_agents_where(lambda agent: agent.id != "S")) == ["K", "F"]


def test_what_a_network_hands_out_does_not_change_it() -> None:
    network = make_network()
    with pytest.raises(TypeError):
        network.agents["X"] = Shop("X")
    network.neighbours_of("SHOP").clear()
    assert network.neighbours_of("SHOP") == ["FACTORY", "CUST"]


def test_the_version_counts_changes() -> None:
    network = make_network()
    versions = [network.version]
    network.add_agent(Shop("SHOP2"))
    versions.append(network.version)
    network.add_connection("SHOP2", "FACTORY")
    versions.append(network.version)
    assert versions == sorted(set(versions))


def test_a_duplicate_id_is_refused_and_changes_nothing() -> None:
    network = make_network()
    with pytest.raises(ph.errors.ConfigError) as caught:
        network.add_agent(Customer("SHOP"))
    assert str(caught.value) == (
        "The network already has an agent 'SHOP' (Shop('SHOP')). Give Customer('SHOP') another id."
    )
    assert len(network) == 3
    assert type(network["SHOP"]) is Shop
    assert network.neighbours_of("SHOP") == ["FACTORY", "CUST"]


@pytest.mark.parametrize("pair", [("SHOP", "FACTORI"), ("FACTORI", "SHOP")])
def test_a_connection_to_an_unknown_agent_is_refused_and_changes_nothing(pair: tuple[str, str]) -> None:
    network = make_network()
    with pytest.raises(ph.errors.ConfigError) as caught:
        network.add_connection(*pair)
    assert str(caught.value) == (
        "The network has no agent 'FACTORI'. Did you mean 'FACTORY'? Its agents: 'SHOP', 'FACTORY', "
        "'CUST'. Add it with network.add_agent first."
    )
    assert network.neighbours_of("SHOP") == ["FACTORY", "CUST"]


def test_the_neighbours_of_an_unknown_agent_are_an_error() -> None:
    with pytest.raises(ph.errors.ConfigError) as caught:
        ph.Network().neighbours_of("A")
    assert str(caught.value) == (
        "The network has no agent 'A'. Its agents: none. Add it with network.add_agent first."
    )


def test_an_allowed_message_is_handed_to_the_resolver() -> None:
    network = make_network()
    network.send("SHOP", "FACTORY", StockRequest())
    network.send("SHOP", "FACTORY", StockRequest())
    assert sent(network) == [ph.Message("SHOP", "FACTORY", StockRequest())] * 2


@pytest.mark.parametrize(
    ("message", "error"),
    [
        (
            ("CUST", "FACTORY", Ping()),
            (
                "Agent 'CUST' sent Ping to 'FACTORY', but they are not connected. Call "
                "network.add_connection('CUST', 'FACTORY')."
            ),
        ),
        (
            ("SHOP", "SHOP", Ping()),
            (
                "Agent 'SHOP' sent Ping to 'SHOP', but an agent is not connected to itself. Call "
                "network.add_connection('SHOP', 'SHOP') if it is to send to itself."
            ),
        ),
        (
            ("SHOP", "FACTORYY", Ping()),
            (
                "Agent 'SHOP' sent Ping to 'FACTORYY', but there is no such agent. Did you mean 'FACTORY'? "
                "'SHOP' is connected to: 'FACTORY', 'CUST'."
            ),
        ),
        (
            ("SHOPP", "FACTORY", Ping()),
            (
                "Agent 'SHOPP' sent Ping to 'FACTORY', but the network has no agent 'SHOPP'. Did you mean "
                "'SHOP'? Its agents: 'SHOP', 'FACTORY', 'CUST'."
            ),
        ),
        (
            ("SHOPP", "NOBODY", Ping()),
            (
                "Agent 'SHOPP' sent Ping to 'NOBODY', but the network has no agent 'SHOPP'. Did you mean "
                "'SHOP'? Its agents: 'SHOP', 'FACTORY', 'CUST'."
            ),
        ),
        (
            ("SHOP", "CUST", Undecorated()),
            (
                "Agent 'SHOP' sent Undecorated to 'CUST', but Undecorated is not a message payload. Decorate "
                "the class Undecorated with @msg_payload()."
            ),
        ),
        (
            ("SHOP", "CUST", 5),
            (
                "Agent 'SHOP' sent int to 'CUST', but int is not a message payload. Send an object of a "
                "class decorated with @msg_payload()."
            ),
        ),
        (
            ("CUST", "SHOP", StockRequest()),
            (
                "Agent 'CUST' sent StockRequest to 'SHOP', but StockRequest allows as sender only Shop; "
                "'CUST' is a Customer. Change the sender_type of StockRequest, or send another payload."
            ),
        ),
        (
            ("SHOP", "CUST", StockRequest()),
            (
                "Agent 'SHOP' sent StockRequest to 'CUST', but StockRequest allows as receiver only Factory; "
                "'CUST' is a Customer. Change the receiver_type of StockRequest, or send another payload."
            ),
        ),
    ],
)
def test_a_message_that_is_not_allowed_is_refused_each_time(
    message: tuple[str, str, Any], error: str
) -> None:
    network = make_network()
    for _ in range(2):
        with pytest.raises(ph.errors.NetworkError) as caught:
            network.send(*message)
        assert str(caught.value) == error
    assert sent(network) == []


def test_a_rule_of_several_types_is_told_in_full() -> None:
    @ph.msg_payload(sender_type=[Factory, "Wholesaler"])
    class Delivery:
        """Not for shops."""

    with pytest.raises(ph.errors.NetworkError) as caught:
        make_network().send("SHOP", "CUST", Delivery())
    assert str(caught.value) == (
        "Agent 'SHOP' sent Delivery to 'CUST', but Delivery allows as sender only Factory, Wholesaler; "
        "'SHOP' is a Shop. Change the sender_type of Delivery, or send another payload."
    )


def test_payload_rules_can_be_left_unchecked() -> None:
    network = make_network(enforce_msg_payload_checks=False)
    network.send("CUST", "SHOP", StockRequest())
    network.send("CUST", "SHOP", 5)
    assert [message.payload for message in sent(network)] == [StockRequest(), 5]
    with pytest.raises(ph.errors.NetworkError):
        network.send("CUST", "FACTORY", Ping())


def test_messages_between_unconnected_agents_can_be_dropped_in_silence() -> None:
    network = make_network(ignore_connection_errors=True)
    network.send("CUST", "FACTORY", Ping())
    network.send("CUST", "NOBODY", Ping())
    assert sent(network) == []
    with pytest.raises(ph.errors.NetworkError):
        network.send("CUST", "SHOP", StockRequest())


def test_a_new_connection_lets_messages_pass_that_were_refused() -> None:
    network = make_network()
    with pytest.raises(ph.errors.NetworkError):
        network.send("CUST", "FACTORY", Ping())
    network.add_connection("CUST", "FACTORY")
    network.send("CUST", "FACTORY", Ping())
    assert sent(network) == [ph.Message("CUST", "FACTORY", Ping())]


def test_a_message_to_oneself_needs_a_connection_to_oneself() -> None:
    network = make_network()
    network.add_connection("SHOP", "SHOP")
    network.send("SHOP", "SHOP", Ping())
    assert network.neighbours_of("SHOP") == ["FACTORY", "CUST", "SHOP"]
    assert len(sent(network)) == 1


class Forgetful(ph.Agent):
    """Returns one pair where a list of pairs is expected."""

    def generate_messages(self, ctx: ph.Context) -> Any:
        return ("B", "hello")


def test_messages_that_are_no_pairs_are_refused_with_an_example() -> None:
    env = ph.PhantomEnv(1, ph.Network([Forgetful("A"), ph.Agent("B")], connections=[("A", "B")]))
    env.reset(seed=1)
    with pytest.raises(ph.errors.NetworkError) as caught:
        env.step({})
    assert str(caught.value) == (
        "Agent 'A' returned ('B', 'hello') as messages. Expected a list of pairs (receiver_id, payload), "
        "such as [('SHOP', Order(3))]."
    )


class Sending(ph.Agent):
    """Sends what it is told to, or answers a ping with it."""

    def __init__(self, agent_id: str, messages: Any, answer: Any = None) -> None:
        super().__init__(agent_id)
        self.messages, self.answer = messages, answer

    def generate_messages(self, ctx: ph.Context) -> Any:
        return self.messages

    @ph.msg_handler(Ping)
    def answer_ping(self, ctx: ph.Context, message: ph.Message[Ping]) -> Any:
        return self.answer


@pytest.mark.parametrize(
    ("messages", "shown"),
    [
        ({"CC": Ping()}, "{'CC': Ping()}"),
        ({"SHOP": Ping()}, "{'SHOP': Ping()}"),
        ({"B": Ping()}, "{'B': Ping()}"),
        ("hello", "'hello'"),
        ("CC", "'CC'"),
        (["CC"], "['CC']"),
    ],
)
@pytest.mark.parametrize("is_answer", [False, True])
def test_messages_given_as_a_dict_or_a_text_are_refused(
    messages: Any, shown: str, *, is_answer: bool
) -> None:
    given = ([("A", Ping())], messages) if is_answer else (messages, None)
    asking = Sending("B", given[0]) if is_answer else ph.Agent("B")
    env = ph.PhantomEnv(
        1,
        ph.Network(
            [Sending("A", None if is_answer else messages, messages), asking], connections=[("A", "B")]
        ),
    )
    env.reset(seed=1)
    with pytest.raises(ph.errors.NetworkError) as caught:
        env.step({})
    assert str(caught.value) == (
        f"Agent 'A' returned {shown} as messages. Expected a list of pairs (receiver_id, payload), such as "
        "[('SHOP', Order(3))]."
    )


@pytest.mark.parametrize(("payload", "kind"), [({"size": 3}, "dict"), ("three", "str")])
def test_a_payload_given_as_a_dict_or_a_text_is_refused(payload: Any, kind: str) -> None:
    env = ph.PhantomEnv(
        1, ph.Network([Sending("A", [("B", payload)]), ph.Agent("B")], connections=[("A", "B")])
    )
    env.reset(seed=1)
    with pytest.raises(ph.errors.NetworkError) as caught:
        env.step({})
    assert str(caught.value) == (
        f"Agent 'A' sent {kind} to 'B', but {kind} is not a message payload. Send an object of a class "
        "decorated with @msg_payload()."
    )


class Raising(ph.Agent):
    """Fails while it generates its messages one by one."""

    def generate_messages(self, ctx: ph.Context) -> Any:
        yield ("B", int("no number"))


def test_an_error_of_the_agent_while_its_messages_are_sent_stays_its_own() -> None:
    env = ph.PhantomEnv(1, ph.Network([Raising("A"), ph.Agent("B")], connections=[("A", "B")]))
    env.reset(seed=1)
    with pytest.raises(ValueError, match="invalid literal for int"):
        env.step({})
