"""From a supertype to a type: what is drawn, who shares it, and how a type is observed."""

import copy
import pickle
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import phantom_core as ph


@dataclass
class Prices(ph.Supertype):
    low: Any = 1.0
    high: Any = 2.0


@dataclass(frozen=True)
class FrozenPrices(ph.Supertype):
    low: Any = 1.0


class Pair(NamedTuple):
    left: Any
    right: Any


def message_of(refuse: Callable[[], object], error: type[Exception] = ph.errors.ConfigError) -> str:
    with pytest.raises(error) as caught:
        refuse()
    return str(caught.value)


# ---------------------------------------------------------------------- sampling


def test_samplers_are_replaced_by_values_and_the_rest_stays() -> None:
    supertype = Prices(low=ph.samplers.UniformIntSampler(3, 3), high="dear")
    sampled = supertype.sample(seed=1)
    assert sampled == Prices(low=3, high="dear")
    assert vars(sampled) == {"low": 3, "high": "dear"}
    assert isinstance(supertype.low, ph.samplers.Sampler)


def test_the_same_seed_draws_the_same_type() -> None:
    supertype = Prices(low=ph.samplers.UniformFloatSampler(), high=ph.samplers.UniformFloatSampler())
    assert supertype.sample(seed=1) == supertype.sample(seed=1)
    assert supertype.sample(seed=1) != supertype.sample(seed=2)
    assert supertype.sample() != supertype.sample()


def test_a_value_is_named_by_its_field_so_that_other_fields_do_not_shift_it() -> None:
    assert (
        Prices(low=ph.samplers.UniformFloatSampler(), high=ph.samplers.UniformFloatSampler()).sample(1).high
        == Prices(high=ph.samplers.UniformFloatSampler()).sample(1).high
    )


def test_a_frozen_supertype_is_sampled_too() -> None:
    assert FrozenPrices(ph.samplers.UniformIntSampler(3, 3)).sample(1) == FrozenPrices(3)


def test_samplers_in_lists_tuples_dicts_and_supertypes_are_drawn_each_by_its_place() -> None:
    supertype = Prices(
        low=[
            ph.samplers.UniformFloatSampler(),
            (ph.samplers.UniformFloatSampler(), 5),
            {"a": ph.samplers.UniformFloatSampler()},
        ],
        high=Pair(FrozenPrices(ph.samplers.UniformFloatSampler()), "b"),
    )
    sampled = supertype.sample(1)
    first, (second, five), named = sampled.low
    values = [first, second, named["a"], sampled.high.left.low]
    assert {type(value) for value in values} == {float}
    assert len(set(values)) == 4
    assert five == 5
    assert isinstance(sampled.high, Pair)
    assert isinstance(sampled.high.left, FrozenPrices)


def test_what_an_agent_does_to_its_type_does_not_reach_the_supertype() -> None:
    supertype = Prices(low=[1, [2]], high=np.zeros(2))
    sampled = supertype.sample(1)
    sampled.low[1].append(3)
    sampled.high += 1
    assert supertype.low == [1, [2]]
    assert supertype.high.tolist() == [0, 0]


def test_a_sampler_in_a_set_is_refused() -> None:
    assert message_of(lambda: Prices(low={ph.samplers.UniformFloatSampler()}).sample(1)) == (
        "The supertype field 'low' is a set with samplers in it, which are not drawn there. Put them into a "
        "list, a tuple or a dict."
    )


def test_a_supertype_without_fields_of_its_own_needs_no_decorator() -> None:
    class Same(Prices):
        """Is what it inherits."""

    assert type(Same(low=ph.samplers.UniformIntSampler(3, 3)).sample(1)) is Same
    assert Same(low=ph.samplers.UniformIntSampler(3, 3)).sample(1).low == 3


def test_fields_without_init_are_sampled_or_computed_anew() -> None:
    @dataclass
    class Derived(ph.Supertype):
        low: Any = 1
        drawn: Any = field(init=False, default=ph.samplers.UniformIntSampler(7, 7))
        double: Any = field(init=False, default=0)

        def __post_init__(self) -> None:
            self.double = None if isinstance(self.low, ph.samplers.Sampler) else 2 * self.low

    sampled = Derived(ph.samplers.UniformIntSampler(4, 4)).sample(1)
    assert (sampled.low, sampled.drawn, sampled.double) == (4, 7, 8)


def test_a_supertype_that_is_no_dataclass_is_refused() -> None:
    class Bare(ph.Supertype):
        low: float = 1.0

    class Lower(Prices):
        lower: float = 0.5

    class Other(Prices):
        low = 0.5

    name = "test_a_supertype_that_is_no_dataclass_is_refused.<locals>"
    for cls in (Bare, Lower, Other):
        assert message_of(cls().sample) == (
            f"{name}.{cls.__name__} is a Supertype but no dataclass. Decorate it with @dataclass."
        )


# ---------------------------------------------------------------------- in an env


class Shop(ph.StrategicAgent):
    @dataclass
    class Supertype(ph.Supertype):
        cost: Any = ph.samplers.UniformFloatSampler()
        price: Any = 3.0

    type_in_reset: Any = None

    def reset(self) -> None:  # without super, as users write it
        self.type_in_reset = self.type

    def encode_observation(self, ctx: ph.Context) -> Any:
        return self.type.cost

    def compute_reward(self, ctx: ph.Context) -> float:
        return 0.0


class Market(ph.PhantomEnv):
    @dataclass
    class Supertype(ph.Supertype):
        rate: Any = ph.samplers.UniformFloatSampler()

    type_in_on_reset: Any = None

    def on_reset(self) -> None:
        self.type_in_on_reset = (self.env_type, [agent.type for agent in self.agents.values()])


def make_market(*shop_ids: str, **kwargs: Any) -> Market:
    return Market(3, ph.Network([Shop(shop_id) for shop_id in shop_ids]), **kwargs)


def test_types_are_there_before_the_env_and_the_agents_reset_and_differ_from_episode_to_episode() -> None:
    env = make_market("A")
    assert (env.env_type, env["A"].type) == (None, None)
    env.reset(1)
    first = env["A"].type
    assert env["A"].type_in_reset is first
    assert env.type_in_on_reset == (env.env_type, [first])
    assert first.price == 3.0
    env.reset()
    assert env["A"].type != first
    rate = env.env_type.rate
    env.reset(1)
    assert env["A"].type == first
    assert env.env_type.rate != rate


def test_the_default_of_a_class_is_drawn_for_each_agent_on_its_own() -> None:
    env = make_market("A", "B")
    env.reset(1)
    assert env["A"].type.cost != env["B"].type.cost


def test_defaults_in_collections_and_in_supertypes_are_drawn_for_each_agent_too() -> None:
    @dataclass(frozen=True, slots=True)
    class Inner(ph.Supertype):
        low: Any = 1.0

    class Owner(ph.Agent):
        @dataclass(frozen=True)
        class Supertype(ph.Supertype):
            pair: Any = (ph.samplers.UniformFloatSampler(), 1)
            inner: Any = Inner(ph.samplers.UniformFloatSampler())
            named: Any = field(default=ph.samplers.UniformFloatSampler())

    env = ph.PhantomEnv(3, ph.Network([Owner("A"), Owner("B")]))
    env.reset(1)
    first, second = env["A"].type, env["B"].type
    assert first.pair[0] != second.pair[0]
    assert first.inner.low != second.inner.low
    assert first.named != second.named


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda env: pickle.loads(pickle.dumps(env))])  # noqa: S301  our own bytes
def test_a_copy_of_an_env_draws_the_same_types(duplicate: Callable[[Market], Market]) -> None:
    shared = ph.samplers.UniformIntSampler(0, 10**9)
    env = make_market("A", "B", "C", "D", agent_supertypes={"C": {"cost": shared}, "D": {"cost": shared}})
    twin = duplicate(env)
    env.reset(1)
    copied_late = duplicate(env)
    for other in (twin, copied_late):
        other.reset(1)
        assert [agent.type for agent in other.agents.values()] == [
            agent.type for agent in env.agents.values()
        ]
        assert other.env_type == env.env_type
    assert env["A"].type != env["B"].type
    assert env["C"].type == env["D"].type


def test_a_sampler_that_is_handed_to_several_has_one_value_that_all_see() -> None:
    shared = ph.samplers.LambdaSampler(lambda rng: [rng.random()])
    env = make_market(
        "A", "B", env_supertype={"rate": shared}, agent_supertypes={key: {"cost": shared} for key in "AB"}
    )
    env.reset(1)
    assert env["A"].type.cost is env["B"].type.cost is env.env_type.rate is shared.value
    before = shared.value
    env.reset()
    assert env["A"].type.cost is shared.value
    assert shared.value != before


def test_other_agents_do_not_shift_what_an_agent_draws() -> None:
    def cost_of_b(*shop_ids: str) -> float:
        env = make_market(*shop_ids)
        env.reset(1)
        return env["B"].type.cost

    assert cost_of_b("B") == cost_of_b("A", "B", "C") == cost_of_b("C", "B")


def test_an_agent_that_joins_in_an_episode_gets_its_type() -> None:
    env = make_market("A")
    env.reset(1)
    env.network.add_agent(Shop("B"))
    late = env["B"].type
    early = make_market("A", "B")
    early.reset(1)
    assert late == early["B"].type


def test_an_agent_alone_takes_a_supertype_as_an_object_or_as_a_dict() -> None:
    for agent in (Shop("A", supertype=Shop.Supertype(cost=7)), Shop("A", supertype={"cost": 7})):
        agent.begin_episode(1)
        assert agent.type == Shop.Supertype(cost=7)
    plain = ph.Agent("A", Prices(low=ph.samplers.UniformIntSampler(2, 2)))
    plain.begin_episode(1)
    assert plain.type == Prices(low=2)


def test_supertypes_of_the_wrong_kind_are_refused_by_name() -> None:
    assert message_of(lambda: make_market("A", agent_supertypes={"B": {}})) == (
        "agent_supertypes has 'B', but there is no such agent. Agents: 'A'."
    )
    assert message_of(lambda: make_market("A", agent_supertypes={"A": Prices()})) == (
        "Shop 'A' got the supertype Prices(low=1.0, high=2.0). Expected an object of Shop.Supertype, or a "
        "dict of its fields."
    )
    assert message_of(lambda: make_market("A", agent_supertypes={"A": {"cots": 1}})) == (
        "Shop 'A' got a supertype with 'cots', which Shop.Supertype does not have. Did you mean 'cost'? Its "
        "fields: 'cost', 'price'."
    )
    assert message_of(lambda: make_market("A", env_supertype=3)) == (
        "Market got the supertype 3. Expected an object of Market.Supertype, or a dict of its fields."
    )
    assert message_of(lambda: ph.PhantomEnv(3, env_supertype={"rate": 1})) == (
        "PhantomEnv got the supertype {'rate': 1}, but PhantomEnv has no inner class Supertype to build from "
        "it. Write one, or give an object of a Supertype class."
    )


def test_a_supertype_that_needs_values_must_be_given_before_the_first_reset() -> None:
    class Needy(ph.Agent):
        @dataclass
        class Supertype(ph.Supertype):
            cost: float
            price: float = 1.0

    class NeedyEnv(ph.PhantomEnv):
        Supertype = Needy.Supertype

    name = "test_a_supertype_that_needs_values_must_be_given_before_the_first_reset.<locals>.Needy.Supertype"
    needs = f"got no supertype, and {name} has fields without a default: 'cost'. Give it one, or give each"
    env = ph.PhantomEnv(3, ph.Network([Needy("A")]))
    assert message_of(lambda: env.reset(1)) == f"Needy 'A' {needs} field a default."
    assert message_of(lambda: NeedyEnv(3)) == f"NeedyEnv {needs} field a default."
    assert message_of(lambda: Needy("A", {})) == (
        f"Needy 'A' got a supertype without 'cost', which {name} needs. Give it a value or a sampler."
    )
    given_one = ph.PhantomEnv(3, ph.Network([Needy("A")]), agent_supertypes={"A": {"cost": 2.0}})
    given_one.reset(1)
    assert given_one["A"].type.cost == 2.0


# ---------------------------------------------------------------------- observing a type

NUMBERS = st.one_of(
    st.booleans(),
    st.integers(-1000, 1000),
    st.floats(-1e6, 1e6),
    st.integers(-1000, 1000).map(np.int64),
    st.floats(-1000, 1000, width=32).map(np.float32),
    st.booleans().map(np.bool_),
    hnp.arrays(st.sampled_from([np.float64, np.float32, np.int64]), (2, 2), elements=st.integers(-9, 9)),
)
VALUES = st.recursive(
    NUMBERS,
    lambda inner: (
        st.lists(inner, min_size=1, max_size=3)
        | st.lists(inner, min_size=1, max_size=3).map(tuple)
        | st.dictionaries(st.sampled_from("abc"), inner, min_size=1)
        | inner.map(FrozenPrices)
    ),
    max_leaves=6,
)


def flat(value: Any) -> list[float]:
    """List the numbers in a value, in order."""
    if isinstance(value, FrozenPrices):
        value = {"low": value.low}
    if isinstance(value, dict):
        return [number for key in sorted(value) for number in flat(value[key])]
    if isinstance(value, (list, tuple)):
        return [number for item in value for number in flat(item)]
    return [float(number) for number in np.ravel(value)]


@given(VALUES, VALUES)
def test_a_type_is_observed_as_float32_in_its_space_with_the_same_numbers(low: Any, high: Any) -> None:
    sampled = Prices(low, high)
    space, observation = sampled.to_obs_space(), sampled.to_obs_space_compatible_type()
    assert space.contains(observation)
    flattened = gym.spaces.flatten(space, observation)
    assert flattened.dtype == np.float32
    back = gym.spaces.unflatten(space, flattened)
    assert flat(back) == flat(observation)
    assert flat(observation) == pytest.approx(flat({"low": low, "high": high}), rel=1e-6)


def test_shapes_and_bounds_of_the_space() -> None:
    space = Prices(low=3, high=(np.zeros((2, 3)), {"a": True})).to_obs_space(low=-1, high=5)
    number, array = gym.spaces.Box(-1, 5, (1,), np.float32), gym.spaces.Box(-1, 5, (2, 3), np.float32)
    assert space == gym.spaces.Dict(
        {"low": number, "high": gym.spaces.Tuple([array, gym.spaces.Dict({"a": number})])}
    )


def test_a_supertype_has_the_space_of_its_types_before_it_is_sampled() -> None:
    supertype = Prices(
        low=ph.samplers.UniformIntSampler(1, 3), high=[ph.samplers.NormalArraySampler(0, 1, (2, 2))]
    )
    space = supertype.to_obs_space()
    assert supertype.low.value is None
    assert space == supertype.sample(1).to_obs_space()


class Colour(Enum):
    RED = 1


@pytest.mark.parametrize(
    ("value", "shown"),
    [("dear", "'dear' (str)"), (None, "None (NoneType)"), (Colour.RED, "<Colour.RED: 1> (Colour)")],
)
def test_what_is_no_number_cannot_be_observed(value: object, shown: str) -> None:
    sampled = Prices(low=[1, {"name": value}])
    expected = (
        f"The supertype field 'low.1.name' is {shown}, which cannot be observed. Expected a number, an "
        "array, or a list, tuple or dict of those. Leave it out with an encoder of your own."
    )
    assert message_of(sampled.to_obs_space) == expected
    assert message_of(sampled.to_obs_space_compatible_type) == expected


def test_a_supertype_has_no_values_to_observe() -> None:
    assert message_of(Prices(low=ph.samplers.UniformIntSampler(1, 3)).to_obs_space_compatible_type) == (
        "The supertype field 'low' is UniformIntSampler(low=1, high=3, clip_low=None, clip_high=None), which "
        "has no value yet. Convert the type that sample() returns, such as agent.type, instead of the "
        "supertype."
    )
