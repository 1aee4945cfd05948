"""The same model as objects and as arrays: the same observations, rewards and messages, with the same draws.

The order of messages of different kinds may differ; that of one kind at one receiver does not.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import phantom_arrays as pa
import phantom_core as ph

EXAMPLES = Path(__file__).parents[3] / "docs" / "examples"

Sent = dict[tuple[Any, str], list[Any]]
"""By receiver and payload class: senders and contents, in order."""


def example(file: str, *names: str) -> SimpleNamespace:
    """Return some names of an example."""
    path = EXAMPLES / file
    return SimpleNamespace(
        **{n: ph.tools.load_reference(f"{path}:{n}", setting="env", folder=Path()) for n in names}
    )


class ObjectMessages:
    """Records the messages of a network."""

    def __init__(self, env: ph.PhantomEnv) -> None:
        self.sent: Sent = defaultdict(list)
        env.network.recorder = self

    def on_round(self, batches: Any) -> None:
        for receiver_id, messages in batches:
            for message in messages:
                values = [getattr(message.payload, name) for name in message.payload.__struct_fields__]
                self.sent[receiver_id, type(message.payload).__name__].append((message.sender_id, values))


class ArrayMessages:
    """Records the messages of an array env, with its ids translated."""

    def __init__(self, env: pa.ArrayEnv, names: Mapping[Any, Any] | Callable[[Any], Any]) -> None:
        self.sent: Sent = defaultdict(list)
        self.env, self.name_of = env, names if callable(names) else lambda agent_id: names[agent_id]
        env.world.recorder = self.on_messages

    def on_messages(self, number: int, messages: pa.Messages) -> None:
        source, to = self.env[messages.edges.source], self.env[messages.edges.to]
        kind = type(messages.payload)
        columns = [getattr(messages.payload, name).tolist() for name in kind.__struct_fields__]
        for e in np.flatnonzero(messages.is_sent).tolist():
            sender, receiver = (
                self.name_of(population.name if population.is_single else (population.name, int(row)))
                for population, row in ((source, messages.senders[e]), (to, messages.receivers[e]))
            )
            self.sent[receiver, kind.__name__].append((sender, [column[e] for column in columns]))


# ---------------------------------------------------------------------- the supply chain


@pytest.mark.parametrize("num_customers", [1, 5, 50])
def test_the_supply_chain_is_that_of_objects(num_customers: int, monkeypatch: Any) -> None:
    objects = example("supply_chain.py", "SupplyChainEnv", "CustomerAgent", "OrderRequest")
    arrays = example("arrays/array_supply_chain.py", "ArraySupplyChainEnv", "Customers", "OrderRequest")
    sizes = np.random.default_rng(1).integers(0, 5, (101, num_customers))
    env, array_env = objects.SupplyChainEnv(num_customers), arrays.ArraySupplyChainEnv(num_customers, 100)

    def order(agent: Any, _: ph.Context) -> Any:
        number = int(agent.id.removeprefix("CUST")) - 1
        return [(agent.shop_id, objects.OrderRequest(int(sizes[env.current_step, number])))]

    def orders(population: Any) -> Any:
        return population.send("SHOP", arrays.OrderRequest(sizes[array_env.current_step]))

    monkeypatch.setattr(objects.CustomerAgent, "generate_messages", order)
    monkeypatch.setattr(arrays.Customers, "generate_messages", orders)
    expected = ObjectMessages(env)
    found = ArrayMessages(array_env, lambda i: i if isinstance(i, str) else f"CUST{i[1] + 1}")
    rng = np.random.default_rng(2)
    for episode in range(2):
        assert (
            env.reset(seed=episode)[0]["SHOP"].tobytes() == array_env.reset(seed=episode)[0]["SHOP"].tobytes()
        )
        for _ in range(100):
            size = int(rng.integers(0, min(8 * num_customers, 100)))
            one = env.step({"SHOP": np.array([size], np.float32)})
            other = array_env.step({"SHOP": np.array([size / 100], np.float32)})
            assert one.observations["SHOP"].tobytes() == other.observations["SHOP"].tobytes()
            assert one.rewards["SHOP"] / num_customers == other.rewards["SHOP"]
            assert one[2:4] == other[2:4]
            assert expected.sent == found.sent
            expected.sent.clear()
            found.sent.clear()


# ---------------------------------------------------------------------- the duopoly


def test_the_duopoly_is_that_of_objects() -> None:
    objects = example("pricing_duopoly.py", "DuopolyEnv", "PROFITS")
    arrays = example("arrays/array_duopoly.py", "ArrayDuopolyEnv", "PROFITS")
    assert np.allclose(objects.PROFITS, arrays.PROFITS, rtol=0, atol=1e-12)
    env, array_env = objects.DuopolyEnv(), arrays.ArrayDuopolyEnv()
    names = {("firms", 0): "ANN", ("firms", 1): "BOB"}
    env.reset(seed=1)
    seen, _ = array_env.reset(seed=1)
    assert seen["firms", 0] // 15 == seen["firms", 1] % 15  # each knows what the other charged
    assert seen["firms", 1] // 15 == seen["firms", 0] % 15
    expected, found = ObjectMessages(env), ArrayMessages(array_env, names)
    rng = np.random.default_rng(3)
    for _ in range(250):
        prices = rng.integers(15, size=2).tolist()
        one = env.step(dict(zip(names.values(), prices, strict=True)))
        other = array_env.step(dict(zip(names, prices, strict=True)))
        assert one.observations == {names[i]: value for i, value in other.observations.items()}
        assert one.rewards == pytest.approx({names[i]: value for i, value in other.rewards.items()})
        assert env.profit_gain == pytest.approx(array_env.profit_gain[0])
        assert expected.sent == found.sent


# ---------------------------------------------------------------------- a market with partial service


@ph.msg_payload()
class Ask:
    """A household wants so much, and pays so much for each."""

    size: Any
    price: Any


@ph.msg_payload()
class Deal:
    """A firm sells so much."""

    size: Any


class Firm(ph.StrategicAgent):
    """Serves the best prices first, as far as its stock goes."""

    observation_space = gym.spaces.Discrete(10_000)
    action_space = gym.spaces.Discrete(20)

    def reset(self) -> None:
        self.stock, self.cash, self.asks = 0, 0, []

    def decode_action(self, ctx: ph.Context, action: Any) -> None:
        self.stock += action
        self.asks = []

    @ph.msg_handler(Ask)
    def note(self, ctx: ph.Context, message: ph.Message[Ask]) -> Any:
        self.asks.append(message)

    def handle_batch(self, ctx: ph.Context, batch: Any) -> Any:
        answers = []
        for message in sorted(batch, key=lambda m: -m.payload.price):
            size = min(message.payload.size, self.stock)
            self.stock -= size
            self.cash += size * message.payload.price
            if size:
                answers.append((message.sender_id, Deal(size)))
        return answers

    def encode_observation(self, ctx: ph.Context) -> int:
        return 100 * self.stock + self.cash % 100

    def compute_reward(self, ctx: ph.Context) -> float:
        return float(self.cash)


class Household(ph.Agent):
    """Asks some firms; keeps what it gets."""

    asks: Any = None

    def reset(self) -> None:
        self.held = 0

    def generate_messages(self, ctx: ph.Context) -> Any:
        return [(firm, Ask(size, price)) for firm, size, price in self.asks() if size]

    @ph.msg_handler(Deal)
    def buy(self, ctx: ph.Context, message: ph.Message[Deal]) -> None:
        self.held += message.payload.size


class Firms(pa.StrategicPopulation):
    """The same firms."""

    observation_space, action_space = Firm.observation_space, Firm.action_space
    stock, cash = pa.state(np.int64), pa.state(np.int64)

    def decode_actions(self, actions: Any) -> None:
        self.stock += actions

    @pa.handler(Ask)
    def serve(self, asks: pa.Messages) -> pa.Messages:
        ranked = asks.sorted_by(asks.payload.price, descending=True)
        sold = ranked.ration(ranked.payload.size, self.stock)
        self.stock -= ranked.total(sold)
        self.cash += ranked.total(sold * ranked.payload.price)
        return ranked.reply(Deal(sold), where=sold > 0)

    def encode_observations(self) -> Any:
        return 100 * self.stock + self.cash % 100

    def compute_rewards(self) -> Any:
        return self.cash


class Households(pa.Population):
    """The same households."""

    held = pa.state(np.int64)
    asks: Any = None

    def generate_messages(self) -> pa.Messages:
        sizes, prices = self.asks()
        return self.send("firms", Ask(sizes, prices), where=sizes > 0, per_edge=True)

    @pa.handler(Deal)
    def buy(self, deals: pa.Messages) -> None:
        self.held += deals.total(deals.payload.size)


def asked(sent: Sent) -> Sent:
    """Return what households ask, in order."""
    return {key: values for key, values in sent.items() if key[1] == "Ask"}


def answered(sent: Sent) -> Sent:
    """Return what firms answer, by firm: which of them answers first is another order."""
    return {key: sorted(values) for key, values in sent.items() if key[1] == "Deal"}


@pytest.mark.parametrize("seed", range(5))
def test_a_market_with_partial_service_is_that_of_objects(seed: int) -> None:
    rng = np.random.default_rng(seed)
    num_households, num_firms = int(rng.integers(1, 20)), int(rng.integers(1, 5))
    linked = np.argwhere(rng.random((num_households, num_firms)) < 0.6)
    links = [pa.Link("households", "firms", (linked[:, 0], linked[:, 1]))]
    population = Households("households", num_households)
    array_env = pa.ArrayEnv(60, [Firms("firms", num_firms), population], links)
    network = ph.Network([Firm(("firms", i)) for i in range(num_firms)])
    for i in range(num_households):
        network.add_agent(Household(("households", i)))
    for i, firm in linked.tolist():
        network.add_connection(("households", i), ("firms", firm))
    env = ph.PhantomEnv(60, network)
    env.reset(seed=1)
    array_env.reset(seed=1)
    edges = array_env["households"].edges("firms")
    expected, found = ObjectMessages(env), ArrayMessages(array_env, lambda agent_id: agent_id)
    for _ in range(60):
        sizes, prices = rng.integers(0, 6, len(edges)), rng.integers(1, 9, len(edges))
        for i in range(num_households):
            own = np.flatnonzero(edges.senders == i).tolist()
            asks = [(("firms", int(edges.receivers[e])), int(sizes[e]), int(prices[e])) for e in own]
            env[("households", i)].asks = lambda asks=asks: asks
        array_env["households"].asks = lambda sizes=sizes, prices=prices: (sizes, prices)
        actions = {("firms", i): int(rng.integers(20)) for i in range(num_firms)}
        one, other = env.step(actions), array_env.step(actions)
        assert one[:4] == other[:4]
        assert asked(expected.sent) == asked(found.sent)
        assert answered(expected.sent) == answered(found.sent)
        expected.sent.clear()
        found.sent.clear()
        held = [env["households", i].held for i in range(num_households)]
        assert held == array_env["households"].held.tolist()
