"""An env that is put together wrongly is refused where that is done, and told how it is put together."""

from collections.abc import Callable
from typing import Any

import pytest

import phantom_core as ph


class Player(ph.Agent):
    """A plain agent."""


class ForgetfulAgent(ph.Agent):
    """Forgets to call the constructor of its base class."""

    def __init__(self, stock: int) -> None:
        self.stock = stock


class ForgetfulEnv(ph.PhantomEnv):
    """Forgets to call the constructor of its base class."""

    def __init__(self) -> None:
        self.prices: list[float] = []


class PostOffice(ph.Resolver):
    """Delivers messages that are no pairs."""

    def __init__(self, *, is_initialised: bool = True, deliver: Callable[[Any], Any] = list) -> None:
        if is_initialised:
            super().__init__()
        self.letters: list[Any] = []
        self.deliver = deliver

    def push(self, message: Any) -> None:
        self.letters.append(message)

    def resolve(self, network: ph.Network, contexts: Any) -> None:
        network.deliver(self.deliver(self.letters))

    def reset(self) -> None:
        self.letters = []


NETWORK = "Expected a ph.Network, such as ph.Network([agent, ...], connections=[...])."
PAIRS = "is not written as (id, id). Expected a list of those, such as [('SHOP', 'FACTORY')]."
MISTAKES: dict[str, tuple[Callable[[Any], object], str]] = {
    "a list as network": (
        lambda env: env(4, [Player("L")]),
        f"PhantomEnv got network=[Player('L')]. {NETWORK}",
    ),
    "an int as network": (lambda env: env(4, 5), f"PhantomEnv got network=5. {NETWORK}"),
    "swapped arguments": (
        lambda env: env(ph.Network(), 4),
        "PhantomEnv got a network as num_steps. Write PhantomEnv(num_steps, network).",
    ),
    "a name as agent": (
        lambda _: ph.Network(["L"]),  # type: ignore[list-item]  the point
        "The network got 'L' as an agent. Expected an object of a ph.Agent.",
    ),
    "a class as agent": (
        lambda _: ph.Network([Player]),  # type: ignore[list-item]  the point
        (
            f"The network got {Player!r} as an agent. Expected an object of a ph.Agent. Make one of it: "
            "Player('ID')."
        ),
    ),
    "one agent instead of a list": (
        lambda _: ph.Network(Player("L")),  # type: ignore[arg-type]  the point
        "The network got Player('L') as agents. Expected a list: [Player('L')].",
    ),
    "an agent that was not initialised": (
        lambda _: ph.Network([ForgetfulAgent(3)]),
        "ForgetfulAgent was not initialised. Call super().__init__(agent_id) in ForgetfulAgent.__init__.",
    ),
    "a resolver by name": (
        lambda _: ph.Network(resolver="batch"),  # type: ignore[arg-type]  the point
        "The network got resolver='batch'. Expected an object of a ph.Resolver, such as ph.BatchResolver().",
    ),
    "a resolver class": (
        lambda _: ph.Network(resolver=PostOffice),  # type: ignore[arg-type]  the point
        (
            f"The network got resolver={PostOffice!r}. Expected an object of a ph.Resolver, such as "
            "ph.BatchResolver()."
        ),
    ),
    "a resolver that was not initialised": (
        lambda _: ph.Network(resolver=PostOffice(is_initialised=False)),
        "PostOffice was not initialised. Call super().__init__() in PostOffice.__init__.",
    ),
    "a connection that is a word": (
        lambda _: ph.Network([Player("A"), Player("B")], connections=["AB"]),  # type: ignore[list-item]  the point
        f"The connection 'AB' {PAIRS}",
    ),
    "one connection instead of a list": (
        lambda _: ph.Network([Player("A"), Player("B")], connections=(1, 2)),  # type: ignore[arg-type]  the point
        f"The connection 1 {PAIRS}",
    ),
    "a handler without a payload class": (
        lambda _: ph.msg_handler("Order"),  # type: ignore[arg-type]  the point
        (
            "msg_handler got 'Order'. Expected the class of the payloads: @msg_handler(Order). For several "
            "classes decorate several times."
        ),
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_refused_where_it_is_made(name: str) -> None:
    make, message = MISTAKES[name]
    with pytest.raises(ph.errors.ConfigError) as caught:
        make(ph.PhantomEnv)
    assert str(caught.value) == message


def test_a_handler_decorated_without_brackets_is_refused() -> None:
    with pytest.raises(ph.errors.ConfigError, match=r"msg_handler got <function .*hear at "):

        class Hearing(ph.Agent):
            @ph.msg_handler  # type: ignore[arg-type]  the point
            def hear(self, ctx: ph.Context, message: ph.Message[Any]) -> None:
                """Hear nothing."""


@pytest.mark.parametrize("use", [ph.PhantomEnv.reset, lambda env: env.agents, lambda env: env.action_spaces])
def test_an_env_that_was_not_initialised_says_so(use: Callable[[ph.PhantomEnv], object]) -> None:
    with pytest.raises(ph.errors.EnvError) as caught:
        use(ForgetfulEnv())
    assert str(caught.value) == (
        "ForgetfulEnv was not initialised. Call super().__init__(num_steps, network) in "
        "ForgetfulEnv.__init__."
    )


@ph.msg_payload()
class Letter:
    """A letter."""


class Writer(ph.Agent):
    """Writes to B."""

    def generate_messages(self, ctx: ph.Context) -> ph.MessageList:
        return [("B", Letter())]


MESSAGE = "Message(sender_id='A', receiver_id='B', payload=Letter())"


class RememberSenders:
    """A recorder of messages, which meets what is delivered before the network does."""

    def __init__(self) -> None:
        self.sender_ids: list[str] = []

    def on_round(self, batches: Any) -> None:
        self.sender_ids += [message.sender_id for _, batch in batches for message in batch]


@pytest.mark.parametrize(
    ("deliver", "shown"),
    [
        (list, MESSAGE),
        (lambda letters: [("B", letters[0])], f"('B', {MESSAGE})"),
        (lambda _: [("B", "hello")], "('B', 'hello')"),
    ],
)
@pytest.mark.parametrize("is_recorded", [False, True])
def test_a_resolver_that_delivers_no_pairs_is_told_what_they_are(
    deliver: Callable[[Any], Any], shown: str, *, is_recorded: bool
) -> None:
    network = ph.Network([Writer("A"), Player("B")], PostOffice(deliver=deliver), [("A", "B")])
    env = ph.PhantomEnv(2, network)
    if is_recorded:
        network.recorder = RememberSenders()
    env.reset(seed=1)
    with pytest.raises(ph.errors.ResolverError) as caught:
        env.step({})
    assert str(caught.value) == (
        f"The resolver called network.deliver with {shown}. Expected pairs of a receiver's id and a list of "
        "its messages: network.deliver([(message.receiver_id, [message])])."
    )


@pytest.mark.parametrize("resolver", [None, PostOffice])
def test_a_resolver_that_is_set_later_is_checked_before_it_is_used(resolver: Any) -> None:
    env = ph.PhantomEnv(2, ph.Network([Player("A")]))
    env.network.resolver = resolver
    with pytest.raises(ph.errors.ConfigError) as caught:
        env.reset()
    assert str(caught.value) == (
        f"The network got resolver={resolver!r}. Expected an object of a ph.Resolver, such as "
        "ph.BatchResolver()."
    )
