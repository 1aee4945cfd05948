"""From an action to messages: decoders alone, in a row and by name."""

from typing import Any

import gymnasium as gym
import pytest
from hypothesis import given
from hypothesis import strategies as st

import phantom_core as ph


class Send(ph.decoders.Decoder):
    """Sends its action to one receiver; nothing for 0."""

    action_space = gym.spaces.Discrete(5)

    def __init__(self, receiver: str) -> None:
        self.receiver = receiver
        self.num_resets = 0

    def decode(self, ctx: ph.Context, action: Any) -> ph.MessageList | None:
        return [(self.receiver, int(action))] if action else None

    def reset(self) -> None:
        self.num_resets += 1


class Seen:
    """All of a context that a decoder looks at here."""

    agent = ph.Agent("SHOP")


CTX: Any = Seen()


@given(st.lists(st.sampled_from("ABC"), min_size=1, max_size=4), st.integers(0, 2**31 - 1))
def test_each_decoder_gets_its_sub_action_and_messages_come_in_order(receivers: list[str], seed: int) -> None:
    chained = ph.decoders.ChainedDecoder([Send(receiver) for receiver in receivers])
    chained.action_space.seed(seed)
    action = chained.action_space.sample()
    expected = [(to, int(part)) for to, part in zip(receivers, action, strict=True) if part]
    assert chained.decode(CTX, action) == expected

    names = [str(number) for number in range(len(receivers))]
    named = ph.decoders.DictDecoder(dict(zip(names, chained.decoders, strict=True)))
    assert named.action_space.contains(dict(zip(names, action, strict=True)))
    assert named.decode(CTX, dict(zip(names, action, strict=True))) == expected


def test_chains_are_flat_wherever_they_begin() -> None:
    a, b, c = Send("A"), Send("B"), Send("C")
    assert a.chain(b).decoders == [a, b]
    assert a.chain([b]).chain(c).decoders == [a, b, c]
    inner = a.chain(b)
    assert ph.decoders.ChainedDecoder([inner, [c]]).decoders == [inner, c]  # a chain in a list is one part


def test_an_empty_decoder_sends_nothing_and_has_an_empty_action() -> None:
    decoder = ph.decoders.EmptyDecoder()
    action = decoder.action_space.sample()
    assert action.shape == (0,)
    assert list(decoder.decode(CTX, action)) == []
    assert repr(decoder) == "EmptyDecoder(Box([], [], (0,), float32))"


@pytest.mark.parametrize("count", [1, 3])
def test_the_wrong_number_of_sub_actions_is_an_error(count: int) -> None:
    action = (1,) * count
    with pytest.raises(ph.errors.EnvError) as caught:
        Send("A").chain(Send("B")).decode(CTX, action)
    assert str(caught.value) == (
        f"The action of 'SHOP' is {action}, which has {count} sub-actions. Expected one for each of its 2 "
        "chained decoders: an element of Tuple(Discrete(5), Discrete(5))."
    )


def test_sub_actions_of_other_names_are_an_error() -> None:
    with pytest.raises(ph.errors.EnvError) as caught:
        ph.decoders.DictDecoder({"a": Send("A"), "b": Send("B")}).decode(CTX, {"a": 1, "c": 2})
    assert str(caught.value) == (
        "The action of 'SHOP' has sub-actions for 'a', 'c'. Expected one for each of: 'a', 'b'."
    )


def test_a_group_builds_its_space_once_and_resets_all_its_parts() -> None:
    for group in (
        ph.decoders.ChainedDecoder([Send("A"), Send("B")]),
        ph.decoders.DictDecoder({"a": Send("A"), "b": Send("B")}),
    ):
        assert group.action_space is group.action_space
        group.reset()
        parts = group.decoders.values() if isinstance(group, ph.decoders.DictDecoder) else group.decoders
        assert [part.num_resets for part in parts] == [1, 1]  # type: ignore[attr-defined]


def test_what_is_no_decoder_is_refused() -> None:
    with pytest.raises(ph.errors.ConfigError) as caught:
        ph.decoders.ChainedDecoder([Send("A"), ph.encoders.EmptyEncoder()])  # type: ignore[list-item]
    assert str(caught.value) == (
        "ChainedDecoder got EmptyEncoder(Box(-inf, inf, (1,), float32)). Expected a Decoder object, or a "
        "list of those."
    )
