"""§1.1 and §1.8 of the predecessor: handlers, agents without methods, rounds of messages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import phantom as ph
from phantom.network import NetworkError
from phantom.resolvers import BatchResolver, Resolver

VIEW = ph.EnvView(0, 0.0)


@ph.msg_payload()
class Ping:
    n: int


@ph.msg_payload()
class Pong:
    n: int


@ph.msg_payload()
class BigPing(Ping):
    pass


class Answering(ph.Agent):
    """Answers a ping with the next number, up to `limit`."""

    def __init__(self, agent_id: Any, limit: float = 0) -> None:
        super().__init__(agent_id)
        self.limit = limit
        self.seen: list[Any] = []

    @ph.agents.msg_handler(Ping)
    def on_ping(self, ctx: ph.Context, message: ph.Message[Ping]) -> Any:
        self.seen.append((message.sender_id, message.payload.n))
        n = message.payload.n + 1
        return [(message.sender_id, Ping(n))] if n <= self.limit else None


class Learner(ph.StrategicAgent):
    pass


def pair(limit: float = 0, **options: Any) -> ph.Network:
    return ph.Network(
        [Answering("A", limit), Answering("B", limit)], BatchResolver(**options), connections=[("A", "B")]
    )


def contexts(net: ph.Network) -> dict[Any, ph.Context]:
    return {i: net.context_for(i, VIEW) for i in net.agent_ids}


def context_of(agent: ph.Agent) -> ph.Context:
    return ph.Context(agent, {}, VIEW)


def ping(n: int = 1) -> ph.Message[Any]:
    return ph.Message("X", "A", Ping(n))


# ---------------------------------------------------------------- agents


def test_an_agent_has_an_id_a_supertype_and_no_type_at_first() -> None:
    agent = ph.Agent("A")
    assert (agent.id, agent._id, agent.supertype) == ("A", "A", None)
    assert not hasattr(agent, "type")
    assert repr(agent) == "[Agent A]"
    assert repr(Learner(3)) == "[Learner 3]"
    with pytest.raises(AttributeError):
        agent.id = "B"  # type: ignore[misc]


def test_what_a_plain_agent_does_by_default() -> None:
    agent = ph.Agent("A")
    ctx = context_of(agent)
    assert (agent.view(), agent.view("B"), agent.generate_messages(ctx)) == (None, None, [])
    assert agent.pre_message_resolution(ctx) is None  # type: ignore[func-returns-value]
    assert agent.post_message_resolution(ctx) is None  # type: ignore[func-returns-value]
    assert agent.handle_batch(ctx, []) == []
    agent.reset()
    assert not hasattr(agent, "type")


def test_several_handlers_run_in_alphabetical_order_and_their_answers_are_joined() -> None:
    class Several(ph.Agent):
        @ph.agents.msg_handler(Ping)
        def second(self, ctx: ph.Context, message: Any) -> Any:
            return [("B", Pong(2))]

        @ph.agents.msg_handler(Ping)
        def first(self, ctx: ph.Context, message: Any) -> Any:
            return iter([("B", Pong(1)), ("C", Pong(1))])

        @ph.agents.msg_handler(Ping)
        def zero(self, ctx: ph.Context, message: Any) -> Any:
            return None

    agent = Several("A")
    assert agent.handle_message(context_of(agent), ping()) == [("B", Pong(1)), ("C", Pong(1)), ("B", Pong(2))]


def test_a_batch_joins_the_answers_to_its_messages() -> None:
    agent = Answering("A", limit=9)
    answers = agent.handle_batch(context_of(agent), [ping(1), ping(9), ping(3)])
    assert answers == [("X", Ping(2)), ("X", Ping(4))]


def test_a_payload_without_a_handler_is_a_value_error_that_names_everybody() -> None:
    agent = Answering("A")
    with pytest.raises(ValueError, match="Pong") as caught:
        agent.handle_message(context_of(agent), ph.Message("X", "A", Pong(1)))
    assert all(name in str(caught.value) for name in ("'X'", "'A'", "Pong"))


def test_a_handler_gets_payloads_of_exactly_its_class() -> None:
    agent = Answering("A")
    with pytest.raises(ValueError, match="BigPing"):
        agent.handle_message(context_of(agent), ph.Message("X", "A", BigPing(1)))


def test_an_overridden_handler_without_a_decorator_is_none() -> None:
    class Lost(Answering):
        def on_ping(self, ctx: ph.Context, message: ph.Message[Ping]) -> Any:
            return []

    class Kept(Answering):
        pass

    with pytest.raises(ValueError, match="Ping"):
        Lost("A").handle_message(context_of(Lost("A")), ping())
    assert Kept("A").handle_message(context_of(Kept("A")), ping()) == []


def test_the_outermost_of_two_decorators_counts() -> None:
    class Stacked(ph.Agent):
        @ph.agents.msg_handler(Pong)
        @ph.agents.msg_handler(Ping)
        def on_any(self, ctx: ph.Context, message: Any) -> Any:
            return [("B", Pong(7))]

    agent = Stacked("A")
    assert agent.handle_message(context_of(agent), ph.Message("X", "A", Pong(1))) == [("B", Pong(7))]
    with pytest.raises(ValueError, match="Ping"):
        agent.handle_message(context_of(agent), ping())


def test_a_property_that_needs_more_is_not_read_when_an_agent_is_made() -> None:
    class Late(ph.Agent):
        def __init__(self) -> None:
            super().__init__("A")
            self.price = 3

        @property
        def cost(self) -> int:
            return 2 * self.price

    assert Late().cost == 6


# ---------------------------------------------------------------- strategic agents


def test_parts_stand_for_methods_and_bring_their_spaces() -> None:
    encoder, decoder = ph.encoders.Constant((2,), 3.0), ph.decoders.EmptyDecoder()
    agent = Learner("A", encoder, decoder, ph.reward_functions.Constant(0.5))
    ctx = context_of(agent)
    assert (agent.observation_space, agent.action_space) == (encoder.observation_space, decoder.action_space)
    assert agent.encode_observation(ctx).tolist() == [3.0, 3.0]
    assert (agent.decode_action(ctx, 1), agent.compute_reward(ctx)) == ([], 0.5)
    assert (agent.observation_encoder, agent.action_decoder) == (encoder, decoder)
    assert (agent.is_terminated(ctx), agent.is_truncated(ctx), agent.collect_infos(ctx)) == (False, False, {})


def test_without_parts_spaces_are_none_and_methods_not_implemented() -> None:
    agent = Learner("A")
    ctx = context_of(agent)
    assert (agent.observation_space, agent.action_space) == (None, None)
    for call in (
        lambda: agent.encode_observation(ctx),
        lambda: agent.decode_action(ctx, 1),
        lambda: agent.compute_reward(ctx),
    ):
        with pytest.raises(NotImplementedError, match="'A'"):
            call()


def test_an_overriding_method_counts_for_more_than_a_part() -> None:
    class Own(ph.StrategicAgent):
        def encode_observation(self, ctx: ph.Context) -> int:
            return 7

    agent = Own("A", observation_encoder=ph.encoders.EmptyEncoder())
    assert agent.encode_observation(context_of(agent)) == 7


def test_spaces_may_be_attributes_of_the_class_or_properties() -> None:
    class Fixed(ph.StrategicAgent):
        action_space = gym.spaces.Discrete(2)

        @property
        def observation_space(self) -> gym.spaces.Discrete:  # type: ignore[override]
            return gym.spaces.Discrete(3)

    agent = Fixed("A")
    assert (agent.action_space, agent.observation_space) == (gym.spaces.Discrete(2), gym.spaces.Discrete(3))


# ---------------------------------------------------------------- types


def test_reset_draws_the_type_from_the_supertype() -> None:
    class Typed(ph.Agent):
        @dataclass
        class Supertype(ph.Supertype):
            size: int = 3

    agent = Typed("A")
    agent.reset()
    assert agent.type == Typed.Supertype(3)
    agent = Typed("A", supertype=Typed.Supertype(5))
    agent.reset()
    assert agent.type.size == 5


def test_a_default_supertype_that_needs_values_is_a_plain_exception() -> None:
    class Typed(ph.Agent):
        @dataclass
        class Supertype(ph.Supertype):
            size: int

    with pytest.raises(Exception, match="'A'") as caught:
        Typed("A").reset()
    assert type(caught.value) is Exception


# ---------------------------------------------------------------- resolvers


def test_messages_are_delivered_in_rounds_until_nobody_answers() -> None:
    net = pair(limit=4)
    net.send("A", "B", Ping(1))
    net.resolve(contexts(net))
    assert net["B"].seen == [("A", 1), ("A", 3)]  # type: ignore[attr-defined]
    assert net["A"].seen == [("B", 2), ("B", 4)]  # type: ignore[attr-defined]
    assert not net.resolver.messages  # type: ignore[attr-defined]


def test_receivers_come_in_the_order_of_their_first_message() -> None:
    order: list[Any] = []

    class Noting(ph.Agent):
        def handle_batch(self, ctx: ph.Context, batch: Any) -> Any:
            order.append((self.id, [message.payload.n for message in batch]))

    net = ph.Network([Noting(i) for i in "ABC"])
    net.add_connections_between(["A"], ["B", "C"])
    net.add_connection("B", "C")
    for sender, receiver, n in [("A", "C", 1), ("A", "B", 2), ("B", "C", 3)]:
        net.send(sender, receiver, Ping(n))
    assert list(net.resolver.messages) == ["C", "B"]  # type: ignore[attr-defined]
    net.resolve(contexts(net))
    assert order == [("C", [1, 3]), ("B", [2])]


def test_rounds_are_not_limited_by_default() -> None:
    net = pair(limit=3000)
    net.send("A", "B", Ping(1))
    net.resolve(contexts(net))
    assert len(net["A"].seen) + len(net["B"].seen) == 3000  # type: ignore[attr-defined]


def test_messages_left_after_the_last_round_are_a_runtime_error_that_counts_them() -> None:
    net = pair(limit=9, round_limit=2)
    net.send("A", "B", Ping(1))
    net.send("A", "B", Ping(1))
    with pytest.raises(RuntimeError, match=r"2 message\(s\) still in queue after 2 rounds"):
        net.resolve(contexts(net))
    assert not net.resolver.messages  # type: ignore[attr-defined]


@pytest.mark.parametrize("limit", [1, 2])
def test_a_round_limit_that_is_enough_is_no_error(limit: int) -> None:
    net = pair(limit=limit, round_limit=limit)
    net.send("A", "B", Ping(1))
    net.resolve(contexts(net))


def test_no_rounds_at_all_allow_no_message() -> None:
    net = pair(round_limit=0)
    net.resolve(contexts(net))
    net.send("A", "B", Ping(1))
    with pytest.raises(RuntimeError):
        net.resolve(contexts(net))


def test_a_batch_for_somebody_without_a_context_is_dropped() -> None:
    net = pair()
    net.send("A", "B", Ping(1))
    net.resolve({"A": net.context_for("A", VIEW)})
    assert net["B"].seen == []  # type: ignore[attr-defined]


def test_an_answer_to_a_stranger_is_a_network_error() -> None:
    class Rude(ph.Agent):
        @ph.agents.msg_handler(Ping)
        def on_ping(self, ctx: ph.Context, message: Any) -> Any:
            return [("C", Ping(1))]

    net = ph.Network([Answering("A"), Rude("B"), Answering("C")], connections=[("A", "B"), ("A", "C")])
    net.send("A", "B", Ping(1))
    with pytest.raises(NetworkError):
        net.resolve(contexts(net))


def test_tracked_messages_are_a_live_list_that_resets_do_not_clear() -> None:
    net = pair(limit=2, enable_tracking=True)
    tracked = net.resolver.tracked_messages
    net.send("A", "B", Ping(1))
    net.resolve(contexts(net))
    net.reset()
    assert tracked == [ph.Message("A", "B", Ping(1)), ph.Message("B", "A", Ping(2))]
    net.resolver.clear_tracked_messages()
    assert tracked == []
    net.resolver.enable_tracking = False
    net.send("A", "B", Ping(1))
    assert tracked == []


def test_tracking_is_the_first_argument_and_off_by_default() -> None:
    assert BatchResolver(True).enable_tracking
    assert not BatchResolver().enable_tracking
    assert (BatchResolver().round_limit, BatchResolver().shuffle_batches) == (None, False)


def test_batches_are_shuffled_by_the_global_generator() -> None:
    def played(seed: int) -> Any:
        net = pair(shuffle_batches=True)
        for n in range(8):
            net.send("A", "B", Ping(n))
        np.random.seed(seed)
        net.resolve(contexts(net))
        return net["B"].seen  # type: ignore[attr-defined]

    assert played(1) == played(1) != played(2)
    assert sorted(played(1)) == [("A", n) for n in range(8)]


def test_a_resolver_of_ones_own() -> None:
    class LastFirst(Resolver):
        def __init__(self) -> None:
            super().__init__(True)
            self.kept: list[Any] = []

        def handle_push(self, message: ph.Message[Any]) -> None:
            self.kept.append(message)

        def reset(self) -> None:
            self.kept.clear()

        def resolve(self, network: ph.Network, contexts: Any) -> None:
            while self.kept:
                message = self.kept.pop()
                ctx = contexts[message.receiver_id]
                for receiver_id, payload in ctx.agent.handle_batch(ctx, [message]):
                    network.send(message.receiver_id, receiver_id, payload)

    net = ph.Network([Answering("A"), Answering("B")], LastFirst(), connections=[("A", "B")])
    for n in (1, 2):
        net.send("A", "B", Ping(n))
    env = ph.PhantomEnv(3, net)
    env.resolve_network()
    assert net["B"].seen == [("A", 2), ("A", 1)]  # type: ignore[attr-defined]
    assert len(net.resolver.tracked_messages) == 2
    with pytest.raises(TypeError, match="abstract"):
        Resolver()  # type: ignore[abstract]


def test_an_overridden_handle_push_sees_every_message() -> None:
    class Spy(BatchResolver):
        pushed: list[Any] = []  # noqa: RUF012  of this test only

        def handle_push(self, message: ph.Message[Any]) -> None:
            self.pushed.append(message.payload.n)
            super().handle_push(message)

    net = ph.Network([Answering("A", 3), Answering("B", 3)], Spy(), connections=[("A", "B")])
    net.send("A", "B", Ping(1))
    ph.PhantomEnv(3, net).step({})
    assert net.resolver.pushed == [1, 2, 3]  # type: ignore[attr-defined]


def test_nothing_is_called_for_each_message_while_nobody_watches() -> None:
    resolver = BatchResolver()
    assert resolver.inboxes is resolver.messages
    resolver.enable_tracking = True
    assert resolver.inboxes is not resolver.messages
    assert BatchResolver(True).inboxes is not BatchResolver(True).messages
