"""In what order messages are delivered and answered, and what ends an endless exchange."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

import phantom_core as ph


@ph.msg_payload()
class Ping:
    hops: int = 0


class Talker(ph.Agent):
    """Sends what it was told to; answers a ping until its hops are used up; notes each batch it gets."""

    def __init__(self, agent_id: str, log: list[str], to_send: Sequence[tuple[str, Ping]] = ()) -> None:
        super().__init__(agent_id)
        self.log = log
        self.to_send = to_send

    def generate_messages(self, ctx: ph.Context) -> ph.MessageList:
        return self.to_send

    def handle_batch(self, ctx: ph.Context, batch: Sequence[ph.Message[Any]]) -> ph.MessageList:
        pings = ", ".join(f"{message.sender_id}{message.payload.hops}" for message in batch)
        self.log.append(f"{self.id} gets {pings}")
        return super().handle_batch(ctx, batch)

    @ph.msg_handler(Ping)
    def ping(self, ctx: ph.Context, message: ph.Message[Ping]) -> ph.MessageList | None:
        hops = message.payload.hops
        return [(str(message.sender_id), Ping(hops - 1))] if hops else None


class Endless(Talker):
    """Always answers."""

    @ph.msg_handler(Ping)
    def ping(self, ctx: ph.Context, message: ph.Message[Ping]) -> ph.MessageList:
        return [(str(message.sender_id), Ping())]


def make_env(
    resolver: ph.Resolver, sends: Mapping[str, Sequence[tuple[str, Ping]]], kind: type[Talker] = Talker
) -> tuple[ph.PhantomEnv, list[str]]:
    log: list[str] = []
    network = ph.Network([kind(name, log, to_send) for name, to_send in sends.items()], resolver)
    network.add_connections_between(sends, sends)
    return ph.PhantomEnv(10, network), log


def test_receivers_come_in_the_order_of_their_first_message_and_answers_in_the_next_round() -> None:
    sends = {
        "A": [("C", Ping(1)), ("B", Ping(0))],
        "B": [("C", Ping(2)), ("A", Ping(0))],
        "C": [("B", Ping(1))],
    }
    env, log = make_env(ph.BatchResolver(), sends)
    env.reset(1)
    env.step({})
    assert log == [
        # round 1
        "C gets A1, B2",
        "B gets A0, C1",
        "A gets B0",
        # round 2: the answers
        "A gets C0",
        "B gets C1",
        "C gets B0",
        # round 3
        "C gets B0",
    ]


def test_nothing_is_delivered_where_nothing_was_sent() -> None:
    env, log = make_env(ph.BatchResolver(), {"A": [], "B": []})
    env.reset(1)
    env.step({})
    assert log == []


def test_as_many_rounds_as_the_limit_are_allowed() -> None:
    env, log = make_env(ph.BatchResolver(round_limit=3), {"A": [("B", Ping(2))], "B": []})
    env.reset(1)
    env.step({})
    assert log == ["B gets A2", "A gets B1", "B gets A0"]


def test_answers_after_the_last_allowed_round_are_an_error() -> None:
    sends = {"A": [("B", Ping(3)), ("C", Ping(3))], "B": [], "C": []}
    env, log = make_env(ph.BatchResolver(round_limit=2), sends)
    env.reset(1)
    with pytest.raises(ph.errors.ResolverError) as caught:
        env.step({})
    assert str(caught.value) == (
        "2 messages are still undelivered after 2 rounds (round_limit=2), first: 'A' → 'B' Ping. Raise "
        "round_limit or stop replying."
    )
    log.clear()
    env.reset(1)
    with pytest.raises(ph.errors.ResolverError):
        env.step({})
    assert log == ["B gets A3", "C gets A3", "A gets B2, C2"]  # nothing was left of the step before


def test_an_endless_exchange_is_an_error() -> None:
    env, log = make_env(ph.BatchResolver(), {"A": [("B", Ping())], "B": []}, Endless)
    env.reset(1)
    with pytest.raises(ph.errors.ResolverError) as caught:
        env.step({})
    assert str(caught.value) == (
        "Agents were still answering one another after 1000 rounds: 1 messages are undelivered, first: "
        "'A' → 'B' Ping. Stop replying in one of the two agents, or set a round_limit."
    )
    assert len(log) == 1000


@pytest.mark.parametrize("round_limit", [0, -1])
def test_a_round_limit_is_positive(round_limit: int) -> None:
    with pytest.raises(ph.errors.ConfigError) as caught:
        ph.BatchResolver(round_limit=round_limit)
    assert str(caught.value) == (
        f"BatchResolver got round_limit={round_limit}. Expected a positive number, or None for no limit."
    )


def test_an_answer_that_is_not_allowed_leaves_no_message_behind() -> None:
    class Stranger(Talker):
        @ph.msg_handler(Ping)
        def ping(self, ctx: ph.Context, message: ph.Message[Ping]) -> ph.MessageList:
            return [("NOBODY", Ping())]

    env, log = make_env(ph.BatchResolver(), {"A": [("B", Ping()), ("A", Ping())], "B": []}, Stranger)
    env.reset(1)
    with pytest.raises(ph.errors.NetworkError) as caught:
        env.step({})
    assert str(caught.value) == (
        "Agent 'B' sent Ping to 'NOBODY', but there is no such agent. 'B' is connected to: 'A', 'B'."
    )
    assert log == ["B gets A0"]
    log.clear()
    env.reset(1)
    with pytest.raises(ph.errors.NetworkError):
        env.step({})
    assert log == ["B gets A0"]


def test_messages_are_tracked_only_where_it_is_asked_for() -> None:
    sends = {"A": [("B", Ping(1))], "B": []}
    plain, _ = make_env(ph.BatchResolver(), sends)
    tracking, _ = make_env(ph.BatchResolver(enable_tracking=True), sends)
    for env in (plain, tracking):
        env.reset(1)
        env.step({})
    assert plain.network.resolver.tracked_messages == []
    resolver = tracking.network.resolver
    assert resolver.tracked_messages == [ph.Message("A", "B", Ping(1)), ph.Message("B", "A", Ping(0))]
    resolver.tracked_messages.clear()  # a copy
    assert len(resolver.tracked_messages) == 2
    resolver.clear_tracked_messages()
    assert resolver.tracked_messages == []


def test_messages_to_agents_that_ended_are_counted_per_episode() -> None:
    class Leaver(ph.StrategicAgent):
        def encode_observation(self, ctx: ph.Context) -> int:
            return 0

        def compute_reward(self, ctx: ph.Context) -> float:
            return 0.0

        def is_terminated(self, ctx: ph.Context) -> bool:
            return self.id == "LEAVER"

        @ph.msg_handler(Ping)
        def ping(self, ctx: ph.Context, message: ph.Message[Ping]) -> None:
            """Take it."""

    log: list[str] = []
    agents = [Leaver("LEAVER"), Leaver("STAYER"), Talker("A", log, [("LEAVER", Ping()), ("STAYER", Ping())])]
    network = ph.Network(agents, connections=[("A", "LEAVER"), ("A", "STAYER")])
    env = ph.PhantomEnv(network=network)
    env.reset(1)
    counts = []
    for _ in range(3):
        env.step({})
        counts.append(network.resolver.undelivered)
    env.reset(1)
    assert counts == [0, 1, 2]
    assert network.resolver.undelivered == 0


def test_batches_are_shuffled_only_where_it_is_asked_for() -> None:
    sends = {"A": [("B", Ping(hops)) for hops in range(9)], "B": []}
    plain, plain_log = make_env(ph.BatchResolver(), sends)
    shuffling, shuffled_log = make_env(ph.BatchResolver(shuffle_batches=True), sends)
    for env in (plain, shuffling):
        env.reset(1)
        env.step({})
    in_order = "B gets " + ", ".join(f"A{hops}" for hops in range(9))
    assert plain_log[0] == in_order != shuffled_log[0]
    assert sorted(shuffled_log[0]) == sorted(in_order)


def test_a_resolver_of_ones_own_decides_the_order() -> None:
    class LastFirst(ph.Resolver):
        """Delivers one message at a time, the last first, and no answers."""

        def __init__(self) -> None:
            super().__init__()
            self.waiting: list[ph.Message[Any]] = []

        def push(self, message: ph.Message[Any]) -> None:
            self.waiting.append(message)

        def resolve(self, network: ph.Network, contexts: Mapping[ph.AgentID, ph.Context]) -> None:
            while self.waiting:
                message = self.waiting.pop()
                ctx = contexts[message.receiver_id]
                ctx.agent.handle_batch(ctx, [message])

        def reset(self) -> None:
            self.waiting.clear()

    env, log = make_env(LastFirst(), {"A": [("B", Ping(1)), ("B", Ping(2))], "B": [("A", Ping(3))]})
    env.reset(1)
    env.step({})
    assert log == ["A gets B3", "B gets A2", "B gets A1"]
