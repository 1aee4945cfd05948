"""What agents are, and which of their methods handles a message."""

from collections.abc import Callable, Iterator
from enum import Enum
from typing import Any

import numpy as np
import pytest

import phantom_core as ph


@ph.msg_payload()
class Ping:
    """The base of the payloads here."""


@ph.msg_payload()
class LoudPing(Ping):
    """A ping that is a ping too."""

    volume: int = 0


@ph.msg_payload()
class Pong:
    """Another payload, unrelated."""


class Named(Enum):
    SHOP = 1


def answers(agent: ph.Agent, payload: object) -> list[str]:
    """Let an agent handle a message; its handlers send their own names to nobody."""
    ctx: Any = None
    pairs = agent.handle_batch(ctx, [ph.Message("SENDER", agent.id, payload)])
    return [name for _, name in pairs]


def handler(payload_class: type, name: str) -> Callable[..., list[tuple[str, str]]]:
    """Make a handler that answers with a name."""

    def method(*_: object) -> list[tuple[str, str]]:
        return [("", name)]

    return ph.msg_handler(payload_class)(method)


# ---------------------------------------------------------------------- ids


@pytest.mark.parametrize("agent_id", ["SHOP", 3, ("SHOP", 1), Named.SHOP, None, frozenset({1})], ids=repr)
def test_an_id_may_be_anything_hashable(agent_id: Any) -> None:
    agent = ph.Agent(agent_id)
    assert agent.id == agent_id
    assert repr(agent) == f"Agent({agent_id!r})"


def test_an_id_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        ph.Agent("A").id = "B"


def test_the_reserved_id_is_refused() -> None:
    with pytest.raises(ph.errors.ConfigError) as caught:
        ph.Agent("__all__")
    assert str(caught.value) == (
        "An agent may not be named '__all__': that key stands for the whole env. Choose another id."
    )


@pytest.mark.parametrize(
    ("agent_id", "shown"), [(["A"], "['A']"), ({}, "{}"), (np.array([1, 2]), "array([1, 2])")]
)
def test_an_id_that_cannot_be_hashed_is_refused(agent_id: Any, shown: str) -> None:
    with pytest.raises(ph.errors.ConfigError) as caught:
        ph.Agent(agent_id)
    assert str(caught.value) == (f"Agent id {shown} is not hashable. Use a str, an int, a tuple or an Enum.")


# ---------------------------------------------------------------------- handlers


def test_a_message_goes_to_the_handler_of_its_payload_class() -> None:
    class Player(ph.Agent):
        on_ping = handler(Ping, "ping")
        on_pong = handler(Pong, "pong")

    assert answers(Player("A"), Ping()) == ["ping"]
    assert answers(Player("A"), Pong()) == ["pong"]


def test_several_handlers_of_one_class_run_in_order_of_definition() -> None:
    class Player(ph.Agent):
        z_first = handler(Ping, "first")
        m_other = handler(Pong, "other")
        a_second = handler(Ping, "second")

    assert answers(Player("A"), Ping()) == ["first", "second"]


def test_handlers_of_base_classes_run_first_in_method_resolution_order() -> None:
    class Base(ph.Agent):
        z_base = handler(Ping, "base")

    class Left(Base):
        y_left = handler(Ping, "left")

    class Right(Base):
        x_right = handler(Ping, "right")

    class Both(Left, Right):
        a_both = handler(Ping, "both")

    assert [ancestor.__name__ for ancestor in Both.__mro__[:4]] == ["Both", "Left", "Right", "Base"]
    assert answers(Both("A"), Ping()) == ["base", "right", "left", "both"]


def test_a_mixin_that_is_no_agent_may_bring_handlers() -> None:
    class Mixin:
        on_ping = handler(Ping, "mixin")

    class Player(Mixin, ph.Agent):
        """Handles pings by its mixin."""

    assert answers(Player("A"), Ping()) == ["mixin"]


def test_a_handler_that_is_overridden_without_decorating_it_again_is_replaced() -> None:
    class Base(ph.Agent):
        on_ping = handler(Ping, "base")
        then = handler(Ping, "then")

    class Child(Base):
        def on_ping(self, ctx: ph.Context, message: ph.Message[Ping]) -> list[tuple[str, str]]:
            return [*Base.on_ping(self, ctx, message), ("", "child")]

    assert answers(Child("A"), Ping()) == ["base", "child", "then"]
    assert answers(Base("A"), Ping()) == ["base", "then"]


def test_a_handler_that_is_overridden_and_decorated_handles_only_what_it_says() -> None:
    class Base(ph.Agent):
        on_ping = handler(Ping, "base")
        also = handler(Ping, "also")

    class Child(Base):
        on_ping = handler(Pong, "pong")

    assert answers(Child("A"), Ping()) == ["also"]
    assert answers(Child("A"), Pong()) == ["pong"]


def test_one_method_decorated_twice_handles_two_classes() -> None:
    class Player(ph.Agent):
        @ph.msg_handler(Ping)
        @ph.msg_handler(Pong)
        def on_both(self, ctx: ph.Context, message: ph.Message[Any]) -> list[tuple[str, str]]:
            return [("", type(message.payload).__name__)]

        on_pong = handler(Pong, "later")

    assert answers(Player("A"), Ping()) == ["Ping"]
    assert answers(Player("A"), Pong()) == ["Pong", "later"]


def test_a_payload_without_a_handler_of_its_own_goes_to_those_of_its_nearest_base_class() -> None:
    class Player(ph.Agent):
        on_ping = handler(Ping, "ping")

    class Keen(Player):
        on_loud = handler(LoudPing, "loud")

    @ph.msg_payload()
    class Shout(LoudPing):
        """The loudest."""

    assert answers(Player("A"), LoudPing()) == ["ping"]
    assert answers(Player("A"), LoudPing()) == ["ping"]  # remembered
    assert answers(Keen("A"), LoudPing()) == ["loud"]
    assert answers(Keen("A"), Shout()) == ["loud"]
    assert answers(Keen("A"), Ping()) == ["ping"]


def test_a_handler_may_answer_nothing_one_thing_or_many() -> None:
    class Player(ph.Agent):
        @ph.msg_handler(Ping)
        def on_ping(self, ctx: ph.Context, message: ph.Message[Ping]) -> None:
            """Answer nothing."""

        @ph.msg_handler(Pong)
        def on_pong(self, ctx: ph.Context, message: ph.Message[Pong]) -> Iterator[tuple[str, str]]:
            yield "", "one"
            yield "", "two"

    assert answers(Player("A"), Ping()) == []
    assert answers(Player("A"), Pong()) == ["one", "two"]


def test_one_of_several_handlers_may_answer_nothing() -> None:
    class Player(ph.Agent):
        @ph.msg_handler(Ping)
        def silent(self, ctx: ph.Context, message: ph.Message[Ping]) -> None:
            """Answer nothing."""

        on_ping = handler(Ping, "ping")

    assert answers(Player("A"), Ping()) == ["ping"]


def test_a_batch_is_handled_in_order() -> None:
    class Player(ph.Agent):
        on_ping = handler(Ping, "ping")
        on_pong = handler(Pong, "pong")

    ctx: Any = None
    batch = [ph.Message("X", "A", payload) for payload in (Ping(), Pong(), LoudPing())]
    assert Player("A").handle_batch(ctx, batch) == [("", "ping"), ("", "pong"), ("", "ping")]


def test_an_agent_may_handle_messages_in_its_own_way() -> None:
    class Player(ph.Agent):
        on_ping = handler(Ping, "ping")

        def handle_message(self, ctx: ph.Context, message: ph.Message[Any]) -> list[tuple[str, str]]:
            return [("", "before"), *(super().handle_message(ctx, message) or ())]

    class Child(Player):
        """Inherits that way."""

    assert answers(Player("A"), Ping()) == answers(Child("A"), Ping()) == ["before", "ping"]


def test_a_payload_that_nobody_handles_is_an_error_that_says_what_is_handled() -> None:
    class Player(ph.Agent):
        on_ping = handler(Ping, "ping")
        on_loud = handler(LoudPing, "loud")

    with pytest.raises(ph.errors.NetworkError) as caught:
        answers(Player("A"), Pong())
    assert str(caught.value) == (
        "Player 'A' has no handler for Pong, sent by 'SENDER'. It handles: Ping, LoudPing. Write a method "
        "decorated with @msg_handler(Pong)."
    )
    with pytest.raises(ph.errors.NetworkError) as caught:
        answers(ph.Agent("A"), Pong())
    assert str(caught.value) == (
        "Agent 'A' has no handler for Pong, sent by 'SENDER'. It handles: none. Write a method decorated "
        "with @msg_handler(Pong)."
    )


# ---------------------------------------------------------------------- generators, defaults


@pytest.mark.parametrize("draw", [lambda a: a.random.random(), lambda a: float(a.rng.random())])
def test_the_generators_of_an_agent_follow_from_seed_and_name(draw: Callable[[ph.Agent], float]) -> None:
    def drawn(agent_id: object, seed: int) -> float:
        agent = ph.Agent(agent_id)
        agent.begin_episode(seed)
        return draw(agent)

    assert drawn("A", 1) == drawn("A", 1)
    assert len({drawn("A", 1), drawn("B", 1), drawn("A", 2), drawn(1, 1), drawn("1", 1)}) == 5


def test_an_agent_has_two_independent_generators() -> None:
    agent, other = ph.Agent("A"), ph.Agent("A")
    agent.begin_episode(1)
    other.begin_episode(1)
    other.rng.random(100)
    assert agent.random.random() == other.random.random()


def test_an_agent_draws_outside_an_env_too() -> None:
    agent = ph.Agent("A")
    assert 0 <= agent.random.random() < 1
    assert agent.random is agent.random
    assert agent.rng is agent.rng


def test_a_plain_agent_does_nothing_unless_it_is_told_to() -> None:
    agent = ph.Agent("A")
    ctx: Any = None
    agent.reset()
    assert agent.view() is None
    assert agent.view("B") is None
    assert agent.generate_messages(ctx) is None
    assert agent.handle_batch(ctx, []) == []


def test_a_strategic_agent_goes_on_unless_it_says_otherwise() -> None:
    agent = ph.StrategicAgent("A")
    ctx: Any = None
    assert agent.is_terminated(ctx) is False
    assert agent.is_truncated(ctx) is False
    assert agent.collect_infos(ctx) == {}
