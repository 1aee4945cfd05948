"""What a batch of messages says by receiver is what a loop over the messages says."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import phantom_arrays as pa
import phantom_core as ph
from phantom_arrays.links import grouped, grouping_order


@ph.msg_payload()
class Note:
    value: Any
    weight: Any


@st.composite
def batches(draw: st.DrawFn) -> pa.Messages:
    """Draw messages over random edges, some of which carry none."""
    num_senders, num_receivers = draw(st.integers(1, 6)), draw(st.integers(1, 5))
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    share = draw(st.sampled_from([0.0, 0.4, 1.0]))
    pairs = np.argwhere(rng.random((num_senders, num_receivers)) < share)
    pairs = rng.permutation(pairs)
    edges = grouped(("a", "b"), (pairs[:, 0], pairs[:, 1]), (num_senders, num_receivers), 0)
    where = None if draw(st.booleans()) else rng.random(len(edges)) < 0.6
    values = rng.integers(0, 6, len(edges))
    return pa.Messages(edges, Note(values, rng.integers(0, 4, len(edges)) / 4), where)


def of_receiver(messages: pa.Messages) -> Iterator[tuple[int, list[int]]]:
    """Yield each receiver, and the edges of its messages in order."""
    for receiver in range(messages.edges.num_receivers):
        own = np.flatnonzero(messages.receivers == receiver).tolist()
        yield receiver, [e for e in own if messages.is_sent[e]]


@settings(max_examples=150, deadline=None)
@given(batches())
def test_what_is_said_by_receiver_is_that_of_a_loop(messages: pa.Messages) -> None:
    values, weights = messages.payload.value, messages.payload.weight
    is_large = values > 2
    put = np.full(messages.edges.num_receivers, -7)
    messages.put(put, values)
    found = {
        "total": messages.total(values),
        "float total": messages.total(weights),
        "bools": messages.total(is_large),
        "count": messages.count(),
        "any": messages.any(is_large),
        "all": messages.all(is_large),
        "min": messages.min(values, -1),
        "max": messages.max(weights, -1.0),
        "first": messages.first(values, -1),
        "last": messages.last(values, -1),
        "put": put,
    }
    for receiver, own in of_receiver(messages):
        got = [int(values[e]) for e in own]
        expected = {
            "total": sum(got),
            "float total": sum(float(weights[e]) for e in own),
            "bools": sum(value > 2 for value in got),
            "count": len(own),
            "any": any(value > 2 for value in got),
            "all": all(value > 2 for value in got),
            "min": min(got, default=-1),
            "max": max((float(weights[e]) for e in own), default=-1.0),
            "first": got[0] if got else -1,
            "last": got[-1] if got else -1,
            "put": got[-1] if got else -7,
        }
        assert {name: array[receiver] for name, array in found.items()} == expected


@settings(max_examples=150, deadline=None)
@given(batches(), st.booleans())
def test_rations_are_those_of_a_loop(messages: pa.Messages, descending: bool) -> None:  # noqa: FBT001
    stock = np.arange(messages.edges.num_receivers) * 2
    for is_ranked in (False, True):
        served = messages.sorted_by(messages.payload.weight, descending=descending) if is_ranked else messages
        got = served.ration(served.payload.value, stock)
        earlier = served.running_total(served.payload.weight)
        for receiver, own in of_receiver(served):
            left, sent = int(stock[receiver]), 0.0
            if is_ranked:
                weights = [float(served.payload.weight[e]) for e in own]
                assert weights == sorted(weights, reverse=descending)
            for e in own:
                part = min(int(served.payload.value[e]), left)
                left -= part
                assert got[e] == part
                assert earlier[e] == sent
                sent += float(served.payload.weight[e])


@settings(max_examples=100, deadline=None)
@given(batches())
def test_equal_keys_stay_in_order(messages: pa.Messages) -> None:
    place = np.arange(len(messages.edges))
    numbered = pa.Messages(messages.edges, Note(messages.payload.value, place), messages.where)
    for descending in (False, True):
        ranked = numbered.sorted_by(numbered.payload.value, descending=descending)
        for _, own in of_receiver(ranked):
            sign = -1 if descending else 1
            keys = [(sign * int(ranked.payload.value[e]), int(ranked.payload.weight[e])) for e in own]
            assert keys == sorted(keys)


@settings(max_examples=100, deadline=None)
@given(batches())
def test_an_answer_reaches_who_sent(messages: pa.Messages) -> None:
    values = messages.payload.value
    reply = messages.reply(Note(values * 10, values), where=values > 1)
    found = sorted(
        (int(reply.senders[e]), int(reply.receivers[e]), int(reply.payload.value[e]))
        for e in np.flatnonzero(reply.is_sent)
    )
    asked = np.flatnonzero(messages.is_sent & (values > 1))
    expected = sorted(
        (int(messages.receivers[e]), int(messages.senders[e]), int(values[e]) * 10) for e in asked
    )
    assert found == expected
    assert (np.diff(reply.receivers) >= 0).all()
    again = reply.reply(Note(reply.payload.value, 0))
    assert sorted(again.receivers[again.is_sent].tolist()) == sorted(reply.senders[reply.is_sent].tolist())
    assert len(reply) == len(found)


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 400), st.integers(1, 40), st.integers(0, 10**6))
def test_float_sums_depend_on_nothing_but_the_receiver(width: int, copies: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(copies, width))

    def total(part: Any) -> Any:
        rows = len(part)
        receivers = np.repeat(np.arange(rows), width)
        edges = grouped(("a", "b"), (np.arange(rows * width), receivers), (rows * width, rows), 0)
        return pa.Messages(edges, Note(0, 0)).total(part.reshape(-1))

    together = total(values)
    assert all(total(values[b : b + 1])[0] == together[b] for b in range(copies))


def test_an_array_of_another_length_is_named() -> None:
    edges = grouped(("a", "b"), (np.arange(3), np.zeros(3, np.int64)), (3, 1), 0)
    with pytest.raises(ph.errors.EnvError) as raised:
        pa.Messages(edges, Note(0, 0)).total(np.zeros(2))
    assert str(raised.value) == (
        "An array of shape (2,) is combined with Note messages. Expected one value for each of their 3 "
        "edges; messages.of_receiver(x) makes it of one for each receiver."
    )


@pytest.mark.parametrize("num_receivers", [1, 7, 2**16, 2**16 + 1, 10**6, 2**40])
@pytest.mark.parametrize("number", [0, 1, 2, 1000, 1024])
def test_messages_of_a_receiver_stay_in_order(num_receivers: int, number: int) -> None:
    rng = np.random.default_rng(number)
    receivers = rng.choice([*rng.integers(0, num_receivers, 50), num_receivers - 1], number)
    assert grouping_order(receivers, num_receivers).tolist() == np.argsort(receivers, kind="stable").tolist()


class Visitors(pa.Population):
    """Visit a shop that they draw; the number is unsigned."""

    def generate_messages(self) -> pa.Messages:
        shop = self.draw.bits() % np.uint64(3)
        return self.send_to("shops", shop, Note(self.member, 0), where=self.draw.uniform() < 0.7)


class VisitedShops(pa.Population):
    visits = pa.state(np.int64)
    first, latest = pa.state(np.int64), pa.state(np.int64)

    @pa.handler(Note)
    def welcome(self, notes: pa.Messages) -> None:
        self.visits = notes.count()
        self.first = notes.first(notes.payload.value, -1)
        self.latest = notes.last(notes.payload.value, -1)


@pytest.mark.parametrize("sizes", [[5], [5, 5], [5, 9, 1]])
def test_a_choice_of_receivers_is_delivered_by_sender(sizes: list[int]) -> None:
    envs = pa.ArrayVectorEnv(
        [
            pa.ArrayEnv(
                9, [Visitors("visitors", n), VisitedShops("shops", 3)], [pa.Link("visitors", "shops")]
            )
            for n in sizes
        ]
    )
    envs.reset(range(len(sizes)), range(len(sizes)))
    (world,) = envs.worlds
    sent: list[pa.Messages] = []
    world.recorder = lambda _, messages: sent.append(messages)
    for _ in range(4):
        world.step({})
        notes, shops = sent.pop(), world.populations["shops"]
        visitors = world.populations["visitors"]
        for shop in range(shops.num_rows):
            own = [int(s) for s, r in zip(notes.senders, notes.receivers, strict=True) if r == shop]
            assert own == sorted(own)
            assert all(visitors.copy[row] == shops.copy[shop] for row in own)
            members = [int(visitors.member[row]) for row in own]
            assert notes.payload.value[notes.receivers == shop].tolist() == members
            if notes.count()[shops.copy == shops.copy[shop]].any():  # else nobody of the copy was called
                assert shops.visits[shop] == len(own)
                assert shops.first[shop] == (members[0] if members else -1)
                assert shops.latest[shop] == (members[-1] if members else -1)
