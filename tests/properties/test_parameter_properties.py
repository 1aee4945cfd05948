"""What holds for any supertype and any parts of an agent, whoever else is there."""

import copy
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

import phantom_core as ph

SEEDS = st.integers(0, ph.seeding.MAX_SEED)


@dataclass(frozen=True)
class Parameters(ph.Supertype):
    first: Any = ph.samplers.UniformFloatSampler()
    second: Any = 0


def samplers() -> st.SearchStrategy[ph.samplers.Sampler[Any]]:
    return st.one_of(
        st.builds(ph.samplers.UniformFloatSampler, st.just(0.0), st.floats(0, 5)),
        st.builds(ph.samplers.UniformIntSampler, st.just(0), st.integers(0, 9)),
        st.builds(ph.samplers.NormalSampler, st.floats(-5, 5), st.floats(0, 5)),
    )


VALUES = st.recursive(
    samplers() | st.integers(-5, 5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(st.sampled_from("abc"), inner)
        | st.builds(Parameters, inner, inner)
    ),
    max_leaves=5,
)
SUPERTYPES = st.builds(Parameters, VALUES, VALUES)


def samplers_in(value: Any) -> list[ph.samplers.Sampler[Any]]:
    if isinstance(value, Parameters):
        value = [value.first, value.second]
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        return [sampler for item in value for sampler in samplers_in(item)]
    return [value] if isinstance(value, ph.samplers.Sampler) else []


def types(supertype: Parameters, seed: int, *ids: str) -> dict[ph.AgentID, Any]:
    """Return the types of these agents, each with its own copy of the supertype."""
    env = ph.PhantomEnv(1, ph.Network([ph.Agent(agent_id, copy.deepcopy(supertype)) for agent_id in ids]))
    env.reset(seed)
    return {agent.id: agent.type for agent in env.agents.values()}


@given(SUPERTYPES, SEEDS)
def test_a_type_has_no_samplers_and_its_supertype_stays_as_it_was(supertype: Parameters, seed: int) -> None:
    before = repr(supertype)
    assert samplers_in(supertype.sample(seed)) == []
    assert repr(supertype) == before


@given(SUPERTYPES, SEEDS, st.permutations("ABCD"), st.integers(1, 4))
def test_a_type_follows_from_the_seed_and_the_name_of_its_owner_whoever_else_is_there(
    supertype: Parameters, seed: int, ids: list[str], count: int
) -> None:
    everybody = types(supertype, seed, *"ABCD")
    assert types(supertype, seed, *ids[:count]) == {agent_id: everybody[agent_id] for agent_id in ids[:count]}


@given(SUPERTYPES, SEEDS, SEEDS)
def test_a_type_does_not_depend_on_earlier_episodes(supertype: Parameters, seed: int, earlier: int) -> None:
    env = ph.PhantomEnv(1, ph.Network([ph.Agent("A", supertype)]))
    env.reset(earlier)
    env.reset(seed)
    assert env["A"].type == types(supertype, seed, "A")["A"]


# ---------------------------------------------------------------------- parts of agents


@ph.msg_payload()
class Number:
    value: int


class Send(ph.decoders.Decoder):
    """Sends its action to the sink."""

    def __init__(self, size: int) -> None:
        self.size = size

    @property
    def action_space(self) -> gym.spaces.Discrete:
        return gym.spaces.Discrete(self.size)

    def decode(self, ctx: ph.Context, action: Any) -> ph.MessageList:
        return [("SINK", Number(int(action)))]


class Sink(ph.Agent):
    """Keeps what it is sent."""

    def reset(self) -> None:
        self.numbers: list[int] = []

    @ph.msg_handler(Number)
    def keep(self, ctx: ph.Context, message: ph.Message[Number]) -> None:
        self.numbers.append(message.payload.value)


def trees(leaf: st.SearchStrategy[Any], chained: Any, named: Any) -> st.SearchStrategy[Any]:
    return st.recursive(
        leaf,
        lambda inner: (
            st.lists(inner, min_size=1, max_size=3).map(chained)
            | st.dictionaries(st.sampled_from("abc"), inner, min_size=1).map(named)
        ),
        max_leaves=5,
    )


ENCODERS = trees(
    st.builds(ph.encoders.ConstantEncoder, st.sampled_from([(), (1,), (2, 2)]), st.integers(-3, 3))
    | st.just(ph.encoders.EmptyEncoder()),
    ph.encoders.ChainedEncoder,
    ph.encoders.DictEncoder,
)
DECODERS = trees(
    st.integers(1, 5).map(Send) | st.just(ph.decoders.EmptyDecoder()),
    ph.decoders.ChainedDecoder,
    ph.decoders.DictDecoder,
)


def numbers_in(decoder: ph.decoders.Decoder, action: Any) -> list[int]:
    """List the discrete sub-actions in the order in which their decoders stand."""
    if isinstance(decoder, ph.decoders.ChainedDecoder):
        pairs: Any = zip(decoder.decoders, action, strict=True)
    elif isinstance(decoder, ph.decoders.DictDecoder):
        pairs = [(part, action[name]) for name, part in decoder.decoders.items()]
    else:
        return [int(action)] if isinstance(decoder, Send) else []
    return [number for part, sub_action in pairs for number in numbers_in(part, sub_action)]


@given(ENCODERS, DECODERS, st.integers(0, 2**31 - 1))
def test_any_tree_of_parts_observes_in_its_space_and_sends_each_sub_action(
    encoder: ph.encoders.Encoder, decoder: ph.decoders.Decoder, seed: int
) -> None:
    agent = ph.StrategicAgent("A", encoder, decoder, ph.reward_functions.ConstantReward(1.0))
    env = ph.PhantomEnv(2, ph.Network([agent, Sink("SINK")], connections=[("A", "SINK")]))
    observations, _ = env.reset(seed)
    space, actions = env.observation_spaces["A"], env.action_spaces["A"]
    actions.seed(seed)
    action = actions.sample()
    result = env.step({"A": action})
    for observation in (observations["A"], result.observations["A"]):
        assert space.contains(observation)
        flat = gym.spaces.flatten(space, observation)
        assert np.array_equal(gym.spaces.flatten(space, gym.spaces.unflatten(space, flat)), flat)
    assert env["SINK"].numbers == numbers_in(decoder, action)  # type: ignore[attr-defined]
