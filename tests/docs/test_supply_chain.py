"""The supply-chain example, against what dynamic programming says about it.

The state is the stock s. An order q (at most the room for it) arrives after the demand D was served:

    sales = min(s, D)        s' = s − sales + q        reward = sales − 0.1 s'

where D is the sum of five customers' demands, each 0 to 4 with equal probability.
"""

import copy
import dataclasses
from collections.abc import Callable
from types import ModuleType
from typing import Any, TypeAlias

import gymnasium as gym
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]

NUM_STEPS = 100
MAX_STOCK = 100
STORAGE_COST = 0.1
STOCKS = np.arange(MAX_STOCK + 1)


def demand_probabilities(num_customers: int = 5) -> Floats:
    """Return the probability of each sum of the customers' demands."""
    probabilities = np.ones(1)
    for _ in range(num_customers):
        probabilities = np.convolve(probabilities, np.full(5, 1 / 5))
    return probabilities


@dataclasses.dataclass
class Model:
    """The example as a Markov decision process."""

    sales: Floats
    """[s], the expected sales from stock s."""
    left: Floats
    """[s, l], the probability that l items are left after the sales."""

    def action_values(self, value: Floats) -> Floats:
        """Return Q[s, q] for the value [s'] of the steps to come; −∞ where there is no room for q."""
        worth = value - STORAGE_COST * STOCKS
        after = STOCKS[:, None] + STOCKS[None, :]  # [l, q]
        action_values = self.sales[:, None] + self.left @ worth[np.minimum(after, MAX_STOCK)]
        return np.where(after <= MAX_STOCK, action_values, -np.inf)

    def optimal_plan(self) -> tuple[float, list[NDArray[np.int64]]]:
        """Return the most an episode can earn, and the best order by step and stock."""
        value, plan = np.zeros(MAX_STOCK + 1), []
        for _ in range(NUM_STEPS):
            action_values = self.action_values(value)
            plan.append(action_values.argmax(axis=1))
            value = action_values.max(axis=1)
        return float(value[0]), plan[::-1]

    def value_of(self, policy: Floats) -> float:
        """Return what an episode earns on average, where `policy[s, q]` is the probability of order q."""
        value = np.zeros(MAX_STOCK + 1)
        for _ in range(NUM_STEPS):
            value = (policy * np.where(policy > 0, self.action_values(value), 0.0)).sum(axis=1)
        return float(value[0])


def make_policy(orders: Callable[[int], dict[int, float]]) -> Floats:
    """Return `policy[s, q]` from a function stock → probability by order; too large an order is cut."""
    policy = np.zeros((MAX_STOCK + 1, MAX_STOCK + 1))
    for stock in STOCKS.tolist():
        for order, probability in orders(stock).items():
            policy[stock, min(order, MAX_STOCK - stock)] += probability
    return policy


def up_to(level: int) -> Floats:
    return make_policy(lambda stock: {max(level - stock, 0): 1.0})


def constant(order: int) -> Floats:
    return make_policy(lambda _: {order: 1.0})


def uniform(largest: int) -> Floats:
    return make_policy(lambda _: dict.fromkeys(range(largest + 1), 1 / (largest + 1)))


def rounded_uniform() -> Floats:
    """The policy that draws uniformly from the Box action space: 0 and 100 get half the weight."""
    orders = dict.fromkeys(range(101), 0.01) | {0: 0.005, 100: 0.005}
    return make_policy(lambda _: orders)


@pytest.fixture(scope="module")
def model() -> Model:
    demand = demand_probabilities()
    left = np.zeros((MAX_STOCK + 1, MAX_STOCK + 1))
    sales = np.zeros(MAX_STOCK + 1)
    for stock in STOCKS.tolist():
        for wanted, probability in enumerate(demand.tolist()):
            sold = min(stock, wanted)
            sales[stock] += probability * sold
            left[stock, stock - sold] += probability
    return Model(sales, left)


# ---------------------------------------------------------------------- known answers


def test_the_best_that_any_policy_can_earn_is_what_the_example_says(
    model: Model, supply_chain: ModuleType
) -> None:
    optimum, plan = model.optimal_plan()
    assert f"{optimum:.2f}" == "818.02"
    assert f"is {optimum:.2f}\nper episode" in str(supply_chain.__doc__)
    assert max(int(orders[0]) for orders in plan) <= 30  # so the discrete shop can earn it too


@pytest.mark.parametrize(
    ("policy", "value"),
    [
        (up_to(24), "813.51"),
        (up_to(25), "815.03"),
        (up_to(26), "813.52"),
        (constant(10), "717.01"),
        (constant(0), "0.00"),
        (uniform(100), "102.58"),
        (rounded_uniform(), "102.06"),
        (uniform(30), "190.30"),
    ],
    ids=["to 24", "to 25", "to 26", "constant 10", "nothing", "0..100", "the whole box", "0..30"],
)
def test_simple_policies_earn_what_dynamic_programming_says(model: Model, policy: Floats, value: str) -> None:
    assert f"{model.value_of(policy):.2f}" == value


# ---------------------------------------------------------------------- the env is that model


def play(env: Any, seed: int, decide: Callable[[int, int], Any]) -> float:
    """Play an episode; `decide(step, stock)` returns the action. Return what the shop earned."""
    env.reset(seed)
    shop = env["SHOP"]
    earned = 0.0
    for step in range(NUM_STEPS):
        earned += env.step({"SHOP": decide(step, shop.stock)}).rewards["SHOP"]
    return earned


def assert_agrees(earned: list[float], exact: float) -> None:
    """Check that a mean is within four standard errors; the seeds are fixed, so it never wavers."""
    error = np.std(earned, ddof=1) / np.sqrt(len(earned))
    assert abs(np.mean(earned) - exact) < 4 * error
    assert error < 0.03 * exact  # enough episodes to tell policies apart


@pytest.mark.parametrize(("policy", "level"), [(up_to(25), 25), (up_to(12), 12)], ids=["to 25", "to 12"])
def test_ordering_up_to_a_level_earns_its_exact_value(
    model: Model, supply_chain: ModuleType, policy: Floats, level: int
) -> None:
    env = supply_chain.DiscreteSupplyChainEnv()
    earned = [play(env, seed, lambda _, stock: max(level - stock, 0)) for seed in range(50)]
    assert_agrees(earned, model.value_of(policy))


def test_the_optimal_plan_earns_the_optimum(model: Model, supply_chain: ModuleType) -> None:
    env = supply_chain.DiscreteSupplyChainEnv()
    optimum, plan = model.optimal_plan()
    earned = [play(env, seed, lambda step, stock: int(plan[step][stock])) for seed in range(50)]
    assert_agrees(earned, optimum)


def test_a_constant_order_earns_its_exact_value(model: Model, supply_chain: ModuleType) -> None:
    env = supply_chain.SupplyChainEnv()
    action = np.array([10.0], np.float32)
    assert_agrees([play(env, seed, lambda *_: action) for seed in range(50)], model.value_of(constant(10)))


@pytest.mark.parametrize(
    ("env_class", "policy"),
    [("SupplyChainEnv", rounded_uniform()), ("DiscreteSupplyChainEnv", uniform(30))],
    ids=["box", "discrete"],
)
def test_random_actions_earn_their_exact_value(
    model: Model, supply_chain: ModuleType, env_class: str, policy: Floats
) -> None:
    env = getattr(supply_chain, env_class)()
    space: gym.Space[Any] = copy.deepcopy(env.action_spaces["SHOP"])  # its generator is ours alone
    space.seed(1)
    earned = [play(env, seed, lambda *_: space.sample()) for seed in range(150)]
    assert_agrees(earned, model.value_of(policy))


def assert_step_follows_the_model(env: Any, order: int, action: Any, observe: Callable[..., Any]) -> None:
    """Play one step, and compare every consequence of it with the model."""
    shop, resolver = env["SHOP"], env.network.resolver
    stock = shop.stock
    resolver.clear_tracked_messages()
    result = env.step({"SHOP": action})
    sizes: dict[str, list[int]] = {}
    for message in resolver.tracked_messages:
        sizes.setdefault(type(message.payload).__name__, []).append(message.payload.size)

    demand = sum(sizes["OrderRequest"])
    sold = min(stock, demand)
    order = min(order, MAX_STOCK - stock)
    assert sizes["StockRequest"] == sizes["StockResponse"] == [order]
    assert sum(sizes["OrderResponse"]) == sold
    assert shop.stock == stock - sold + order
    assert result.rewards == {"SHOP": sold - STORAGE_COST * shop.stock}
    assert np.array_equal(result.observations["SHOP"], observe(shop.stock, sold, demand - sold))
    assert env.observation_spaces["SHOP"].contains(result.observations["SHOP"])


@settings(max_examples=10)  # of 100 steps each
@given(
    seed=st.integers(0, 2**63 - 1),
    orders=st.lists(st.integers(0, 30), min_size=NUM_STEPS, max_size=NUM_STEPS),
)
def test_every_step_of_the_discrete_env_is_a_step_of_the_model(
    supply_chain: ModuleType, seed: int, orders: list[int]
) -> None:
    env = supply_chain.DiscreteSupplyChainEnv()
    env.network.resolver.enable_tracking = True
    assert env.reset(seed) == ({"SHOP": 0}, {"SHOP": {}})
    for order in orders:
        assert_step_follows_the_model(env, order, order, lambda stock, *_: stock)


@settings(max_examples=10)  # of 100 steps each
@given(
    seed=st.integers(0, 2**63 - 1),
    orders=st.lists(st.floats(0, 100, width=32), min_size=NUM_STEPS, max_size=NUM_STEPS),
)
def test_every_step_of_the_box_env_is_a_step_of_the_model(
    supply_chain: ModuleType, seed: int, orders: list[float]
) -> None:
    def observe(stock: int, sold: int, missed: int) -> NDArray[np.float32]:
        return np.array([stock / 100, sold / 25, missed / 25], np.float32)

    env = supply_chain.SupplyChainEnv()
    env.network.resolver.enable_tracking = True
    env.reset(seed)
    for order in orders:
        assert_step_follows_the_model(env, round(order), np.array([order], np.float32), observe)


def test_each_customer_wants_each_number_of_items_equally_often(supply_chain: ModuleType) -> None:
    env = supply_chain.DiscreteSupplyChainEnv(customers_per_shop=1)
    env.network.resolver.enable_tracking = True
    for seed in range(100):
        play(env, seed, lambda *_: 0)
    messages = env.network.resolver.tracked_messages
    demands = [m.payload.size for m in messages if isinstance(m.payload, supply_chain.OrderRequest)]
    counts = np.bincount(demands)
    assert counts.sum() == 100 * NUM_STEPS
    assert len(counts) == 5
    assert ((counts - 2000) ** 2 / 2000).sum() < 18.5  # χ² with 4 degrees of freedom, p = 0.001


def test_shops_do_not_touch_one_another(supply_chain: ModuleType) -> None:
    def stocks(num_shops: int, order_of_shop2: int) -> list[int]:
        env = supply_chain.DiscreteSupplyChainEnv(num_shops=num_shops)
        env.reset(1)
        actions = {"SHOP1": 12, "SHOP2": order_of_shop2}
        return [env.step(actions).observations["SHOP1"] for _ in range(NUM_STEPS)]

    assert stocks(2, 0) == stocks(2, 30) == stocks(3, 5)


def test_an_episode_is_cut_off_after_100_steps(supply_chain: ModuleType) -> None:
    env = supply_chain.SupplyChainEnv()
    env.reset(1)
    results = [env.step({}) for _ in range(NUM_STEPS)]
    assert [result.truncations["__all__"] for result in results] == [False] * 99 + [True]
    assert not any(result.terminations["__all__"] for result in results)
