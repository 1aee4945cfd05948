"""What messages and payloads are, and who may send them."""

import gc
from dataclasses import FrozenInstanceError, dataclass
from typing import Any

import pytest

import phantom_core as ph


class Shop(ph.Agent):
    """Sends and receives."""


class CornerShop(Shop):
    """A kind of shop."""


class Factory(ph.Agent):
    """Sends and receives."""


def may_send(payload: object, sender: type[ph.Agent], receiver: type[ph.Agent]) -> bool:
    """Tell whether an agent of one class may send a payload to one of another."""
    network = ph.Network([sender("S"), receiver("R")], connections=[("S", "R")])
    try:
        network.send("S", "R", payload)
    except ph.errors.NetworkError:
        return False
    return True


def test_a_message_holds_sender_receiver_and_payload_and_nothing_else() -> None:
    message = ph.Message("A", "B", 7)
    assert (message.sender_id, message.receiver_id, message.payload) == ("A", "B", 7)
    assert message == ph.Message("A", "B", 7) != ph.Message("A", "B", 8)
    assert repr(message) == "Message(sender_id='A', receiver_id='B', payload=7)"
    assert not hasattr(message, "__dict__")


def test_a_payload_is_a_slotted_dataclass() -> None:
    @ph.msg_payload()
    class Order:
        size: int
        note: str = "none"

    order = Order(3)
    assert order == Order(3, "none")
    assert repr(order).endswith("Order(size=3, note='none')")
    assert not hasattr(order, "__dict__")


def test_the_fields_of_a_payload_follow_those_of_its_base_class() -> None:
    @ph.msg_payload()
    class Order:
        size: int

    @ph.msg_payload()
    class RushOrder(Order):
        hours: int = 24

    order = RushOrder(3, 12)
    assert (order.size, order.hours) == (3, 12)
    assert not hasattr(order, "__dict__")
    assert isinstance(order, Order)


def test_payloads_that_can_be_in_no_cycle_cost_the_garbage_collector_nothing() -> None:
    @ph.msg_payload()
    class Order:
        size: int
        price: float | None = None

    @ph.msg_payload()
    class Basket(Order):
        """Some items."""

        items: list[Any] = []  # noqa: RUF012  every payload gets its own

    @ph.msg_payload()
    class Note:
        about: Any

    assert [gc.is_tracked(payload) for payload in (Order(3), Basket(3), Note([]))] == [False, True, True]
    assert gc.is_tracked(ph.Message("A", "B", Note([])))
    assert Basket.__doc__ == "Some items."
    assert (Basket.__qualname__, Basket.__module__) == (Basket(1).__class__.__qualname__, __name__)
    assert repr(Basket(1, items=[2])).endswith("Basket(size=1, price=None, items=[2])")
    assert may_send(Basket(1), Shop, Factory)


def test_a_class_that_is_a_dataclass_already_stays_as_it_is() -> None:
    @dataclass(frozen=True)
    class Order:
        size: int

    assert ph.msg_payload()(Order) is Order
    with pytest.raises(FrozenInstanceError):
        Order(1).size = 2


def test_the_decorator_may_be_written_without_brackets() -> None:
    @ph.msg_payload
    class Order:
        size: int

    assert Order(3).size == 3
    assert may_send(Order(3), Shop, Factory)


@pytest.mark.parametrize(
    ("sender_type", "allowed"),
    [
        (None, [Shop, CornerShop, Factory]),
        (Shop, [Shop, CornerShop]),
        (CornerShop, [CornerShop]),
        ("Shop", [Shop, CornerShop]),
        (["CornerShop", Factory], [CornerShop, Factory]),
        ((Shop, Factory), [Shop, CornerShop, Factory]),
        (ph.Agent, [Shop, CornerShop, Factory]),
        ("NoSuchClass", []),
        ([], []),
    ],
    ids=str,
)
def test_a_rule_allows_classes_names_and_their_subclasses(sender_type: Any, allowed: list[type]) -> None:
    @ph.msg_payload(sender_type=sender_type)
    class Offer:
        """Is sent."""

    @ph.msg_payload(receiver_type=sender_type)
    class Wish:
        """Is received."""

    kinds = (Shop, CornerShop, Factory)
    assert [kind for kind in kinds if may_send(Offer(), kind, Factory)] == allowed
    assert [kind for kind in kinds if may_send(Wish(), Factory, kind)] == allowed


def test_a_payload_inherits_the_rule_of_its_base_class_unless_it_is_given_one() -> None:
    @ph.msg_payload(sender_type=Shop)
    class Order:
        """For shops."""

    class Plain(Order):
        """Not decorated."""

    @ph.msg_payload(sender_type=Factory)
    class Delivery(Order):
        """For factories."""

    assert may_send(Plain(), Shop, Shop)
    assert not may_send(Plain(), Factory, Shop)
    assert may_send(Delivery(), Factory, Shop)
    assert not may_send(Delivery(), Shop, Shop)


@pytest.mark.parametrize("argument", ["sender_type", "receiver_type"])
def test_a_rule_that_names_no_class_is_refused(argument: str) -> None:
    wrong: Any = {argument: [Shop, 3]}
    with pytest.raises(ph.errors.ConfigError) as caught:
        ph.msg_payload(**wrong)
    assert str(caught.value) == (
        f"msg_payload got {argument}=3. Expected an agent class, the name of one, or a list of those."
    )
