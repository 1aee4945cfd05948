"""A program for Phantom 2.2.0: competing shops with supertypes, views, metrics and a telemetry file."""

import json
import sys
from collections import defaultdict
from dataclasses import dataclass

import gymnasium as gym
import numpy as np
import phantom as ph
from phantom.types import AgentID
from phantom.utils.samplers import UniformFloatSampler, UniformIntSampler

NUM_STEPS = 20
SHOPS = ["SHOP1", "SHOP2"]
CUSTOMERS = [f"CUST{i}" for i in range(1, 6)]


@ph.msg_payload("CustomerAgent", "ShopAgent")
class OrderRequest:
    size: int


@ph.msg_payload("ShopAgent", "CustomerAgent")
class OrderResponse:
    size: int


@ph.msg_payload("ShopAgent", "FactoryAgent")
class StockRequest:
    size: int


@ph.msg_payload("FactoryAgent", "ShopAgent")
class StockResponse:
    size: int


class FactoryAgent(ph.Agent):
    def __init__(self, agent_id: str):
        super().__init__(agent_id)

    @ph.agents.msg_handler(StockRequest)
    def handle_stock_request(self, ctx: ph.Context, message: ph.Message):
        return [(message.sender_id, StockResponse(message.payload.size))]


class CustomerAgent(ph.Agent):
    @dataclass
    class Supertype(ph.Supertype):
        max_order: int = 5

    def __init__(self, agent_id: AgentID, shop_ids):
        super().__init__(agent_id)
        self.shop_ids = shop_ids

    @ph.agents.msg_handler(OrderResponse)
    def handle_order_response(self, ctx: ph.Context, message: ph.Message):
        return

    def generate_messages(self, ctx: ph.Context):
        cheapest = min(self.shop_ids, key=lambda shop_id: ctx[shop_id].price)
        return [(cheapest, OrderRequest(np.random.randint(self.type.max_order)))]


@dataclass(frozen=True)
class ShopView(ph.AgentView):
    price: float


class ShopAgent(ph.StrategicAgent):
    @dataclass
    class Supertype(ph.Supertype):
        cost_of_carry: float = 0.1
        start_price: float = 1.0

    def __init__(self, agent_id, factory_id):
        super().__init__(agent_id)
        self.factory_id = factory_id
        self.action_space = gym.spaces.Tuple(
            [gym.spaces.Box(0.0, 30.0, (1,)), gym.spaces.Box(0.5, 1.5, (1,))]
        )
        self.stock = 0
        self.sales = 0
        self.price = 1.0

    @property
    def observation_space(self):
        return gym.spaces.Dict(
            {"type": self.Supertype().to_obs_space(), "stock": gym.spaces.Box(0.0, 1.0, (1,))}
        )

    def view(self, neighbour_id=None):
        return ShopView(self.price)

    def pre_message_resolution(self, ctx):
        self.sales = 0

    @ph.agents.msg_handler(OrderRequest)
    def handle_order_request(self, ctx: ph.Context, message: ph.Message):
        sold = min(message.payload.size, self.stock)
        self.sales += sold
        self.stock -= sold
        return [(message.sender_id, OrderResponse(sold))]

    @ph.agents.msg_handler(StockResponse)
    def handle_stock_response(self, ctx: ph.Context, message: ph.Message):
        self.stock = min(self.stock + message.payload.size, 100)

    def encode_observation(self, ctx):
        return {
            "type": self.type.to_obs_space_compatible_type(),
            "stock": np.array([self.stock / 100], dtype=np.float32),
        }

    def decode_action(self, ctx, action):
        self.price = float(action[1][0])
        return [(self.factory_id, StockRequest(int(round(action[0][0]))))]

    def compute_reward(self, ctx):
        return self.sales * self.price - self.type.cost_of_carry * self.stock

    def reset(self):
        super().reset()
        self.stock = 0
        self.price = self.type.start_price


class SupplyChainEnv(ph.PhantomEnv):
    @dataclass
    class Supertype(ph.Supertype):
        season: float = 0.0

    @dataclass(frozen=True)
    class View(ph.EnvView):
        mean_price: float

    def __init__(self, **kwargs):
        agents = [FactoryAgent("WAREHOUSE")]
        agents += [ShopAgent(shop_id, "WAREHOUSE") for shop_id in SHOPS]
        agents += [CustomerAgent(customer_id, SHOPS) for customer_id in CUSTOMERS]
        network = ph.StochasticNetwork(agents)
        network.add_connections_between(SHOPS, ["WAREHOUSE"])
        network.add_connections_between(SHOPS, CUSTOMERS)
        super().__init__(num_steps=NUM_STEPS, network=network, **kwargs)

    def view(self, agent_views):
        prices = [agent_views[shop_id].price for shop_id in SHOPS if agent_views.get(shop_id) is not None]
        return self.View(mean_price=np.mean(prices or [0.0]), **super().view({}).__dict__)


METRICS = {
    "stock/SHOP1": ph.metrics.SimpleAgentMetric("SHOP1", "stock", "mean"),
    "sales/all": ph.metrics.AggregatedAgentMetric(SHOPS, "sales", group_reduce_action="sum"),
    "season": ph.metrics.SimpleEnvMetric("env_type.season", "last"),
}


def main(log_file: str):
    np.random.seed(1)
    cost = UniformFloatSampler(0.05, 0.2)
    env = SupplyChainEnv(
        env_supertype=SupplyChainEnv.Supertype(season=UniformFloatSampler(0.0, 1.0)),
        agent_supertypes={
            "SHOP1": {"cost_of_carry": cost},
            "SHOP2": ShopAgent.Supertype(cost_of_carry=cost, start_price=1.2),
            "CUST1": CustomerAgent.Supertype(UniformIntSampler(3, 9)),
        },
    )
    ph.telemetry.logger.configure_file_logging(log_file, append=False, metrics=METRICS)
    totals = []
    for _ in range(3):
        metric_values = defaultdict(list)
        observations, infos = env.reset()
        rewards = 0.0
        while env.current_step < env.num_steps:
            for agent_id, observation in observations.items():
                assert env.agents[agent_id].observation_space.contains(observation)
            actions = {
                shop_id: (np.array([np.random.randint(12)]), np.array([np.random.uniform(0.5, 1.5)]))
                for shop_id in observations
            }
            step = env.step(actions)
            observations = step.observations
            rewards += sum(step.rewards.values())
            ph.metrics.logging_helper(env, METRICS, metric_values)
        assert step.truncations["__all__"]
        assert env["SHOP1"].type.cost_of_carry == env["SHOP2"].type.cost_of_carry == cost.value
        reduced = {name: metric.reduce(metric_values[name], "train") for name, metric in METRICS.items()}
        totals.append((round(rewards, 6), reduced["sales/all"]))
    ph.telemetry.logger.configure_file_logging(None)
    with open(log_file) as file:
        assert [len(json.loads(line)["steps"]) for line in file] == [NUM_STEPS + 1] * 3
    return totals


if __name__ == "__main__":
    print(main(sys.argv[1]))
