"""§1.2 of the predecessor: messages and payloads are frozen dataclasses, whatever they are made of."""

from __future__ import annotations

import copy
import dataclasses
import pickle
import weakref
from dataclasses import FrozenInstanceError, dataclass, field
from typing import Any, ClassVar, Generic, TypeVar

import pytest

import phantom as ph

T = TypeVar("T")


@ph.msg_payload()
class Order:
    """An order."""

    size: int
    tags: list[str] = field(default_factory=list)
    price: float = 1.5

    limit = 7

    @property
    def cost(self) -> float:
        return self.size * self.price

    def doubled(self) -> int:
        return 2 * self.size

    @staticmethod
    def unit() -> str:
        return "kg"

    @classmethod
    def of(cls, size: int) -> Order:
        return cls(size)


@ph.msg_payload()
class Amount:
    size: int


@ph.msg_payload("Shop", ["Factory", ph.Agent])
class Special(Amount):
    label: str = "new"


def test_a_message_has_sender_receiver_and_payload() -> None:
    message = ph.Message("A", "B", Amount(3))
    assert (message.sender_id, message.receiver_id, message.payload) == ("A", "B", Amount(3))
    assert message == ph.Message(sender_id="A", receiver_id="B", payload=Amount(3))
    assert message != ph.Message("A", "B", Amount(4))
    assert repr(message) == "Message(sender_id='A', receiver_id='B', payload=Amount(size=3))"
    assert hash(message) == hash(ph.Message("A", "B", Amount(3)))
    assert ph.Message[Amount] is not None


@pytest.mark.parametrize("name", ["size", "other"])
def test_a_payload_cannot_be_changed(name: str) -> None:
    with pytest.raises(FrozenInstanceError, match=f"cannot assign to field '{name}'"):
        setattr(Amount(3), name, 4)
    with pytest.raises(FrozenInstanceError, match=f"cannot delete field '{name}'"):
        delattr(Amount(3), name)


def test_a_message_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        ph.Message("A", "B", Amount(3)).payload = Amount(4)


def test_a_payload_keeps_its_methods_defaults_and_class_attributes() -> None:
    order = Order(4)
    assert (order.cost, order.doubled(), order.unit(), Order.of(2), order.limit) == (6, 8, "kg", Order(2), 7)
    assert order.tags == []
    assert order.tags is not Order(4).tags
    assert (Order.__doc__, Order.__name__, Order.__module__) == ("An order.", "Order", __name__)


def test_the_dataclasses_module_sees_a_dataclass() -> None:
    assert dataclasses.is_dataclass(Order)
    assert [f.name for f in dataclasses.fields(Order)] == ["size", "tags", "price"]
    assert dataclasses.asdict(Order(1, ["x"])) == {"size": 1, "tags": ["x"], "price": 1.5}
    assert dataclasses.astuple(Amount(1)) == (1,)
    assert dataclasses.replace(Order(1), price=2.0) == Order(1, [], 2.0)
    message = ph.Message("A", "B", Amount(3))
    assert dataclasses.asdict(message) == {"sender_id": "A", "receiver_id": "B", "payload": {"size": 3}}


def test_vars_copies_pickles_and_weak_references_work() -> None:
    order = Order(3, ["x"])
    assert vars(order) == {"size": 3, "tags": ["x"], "price": 1.5}
    assert copy.copy(order) == copy.deepcopy(order) == pickle.loads(pickle.dumps(order)) == order  # noqa: S301  our own
    assert weakref.ref(order)() is order


def test_a_payload_may_derive_from_another() -> None:
    special = Special(3)
    assert repr(special) == "Special(size=3, label='new')"
    assert isinstance(special, Amount)
    assert special != Amount(3)
    assert [f.name for f in dataclasses.fields(Special)] == ["size", "label"]
    with pytest.raises(FrozenInstanceError):
        special.label = "x"


def test_the_allowed_types_are_kept_as_lists_of_names() -> None:
    assert (Special._sender_types, Special._receiver_types) == (["Shop"], ["Factory", "Agent"])  # type: ignore[attr-defined]
    assert (Amount._sender_types, Amount._receiver_types) == (None, None)  # type: ignore[attr-defined]


def test_classes_with_ways_of_their_own_stay_dataclasses() -> None:
    @ph.msg_payload()
    class WithHook:
        size: int

        def __post_init__(self) -> None:
            object.__setattr__(self, "size", self.size * 2)

    @ph.msg_payload()
    class WithClassVariable:
        size: int
        count: ClassVar[int] = 3

    @ph.msg_payload()
    class WithSuper:
        size: int

        def describe(self) -> str:
            return super().__repr__()[:3]

    @ph.msg_payload()
    class Boxed(Generic[T]):
        size: T

    @ph.msg_payload()
    class Uncompared:
        size: int = field(compare=False)

    assert WithHook(2).size == 4
    assert WithClassVariable(2).count == 3
    assert WithSuper(2).describe()
    assert Boxed(2) == Boxed(2)
    assert Uncompared(2) == Uncompared(3)
    for payload in (WithHook(2), WithClassVariable(2), WithSuper(2), Boxed(2), Uncompared(2)):
        with pytest.raises(FrozenInstanceError):
            payload.size = 3  # type: ignore[attr-defined]


def test_a_mutable_default_is_refused_as_by_dataclasses() -> None:
    with pytest.raises(ValueError, match="mutable default"):

        @ph.msg_payload()
        class Bad:
            tags: list[int] = []  # noqa: RUF012  the point of the test


def test_the_old_base_class_is_an_empty_frozen_dataclass() -> None:
    @dataclass(frozen=True)
    class Old(ph.MsgPayload):
        size: int

    assert dataclasses.is_dataclass(ph.MsgPayload)
    assert Old(3) == Old(3)


def test_a_decorator_without_brackets_works_too() -> None:
    def decorate(cls: Any) -> Any:
        return ph.msg_payload(cls)

    @decorate
    class Bare:
        size: int

    assert Bare(3) == Bare(3)
