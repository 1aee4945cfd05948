"""A program for Phantom 2.2.0: an auction in stages, with decorated handlers, and rollouts by hand."""

from dataclasses import dataclass

import gymnasium as gym
import numpy as np
import phantom as ph
from phantom.fsm import FSMStage
from phantom.utils.rollout import Rollout, Step

ADVERTISERS = ["ADV_1", "ADV_2", "ADV_3"]


@ph.msg_payload("PublisherAgent", "AdvertiserAgent")
class ImpressionRequest:
    user_id: int


@ph.msg_payload("AdvertiserAgent", "AdExchangeAgent")
class Bid:
    bid: float
    user_id: int


@ph.msg_payload("AdExchangeAgent", "AdvertiserAgent")
class AuctionResult:
    cost: float
    won: bool


class PublisherAgent(ph.Agent):
    def __init__(self, agent_id, advertiser_ids):
        super().__init__(agent_id)
        self.advertiser_ids = advertiser_ids

    def generate_messages(self, ctx):
        user = np.random.randint(2)
        return [(advertiser_id, ImpressionRequest(user)) for advertiser_id in self.advertiser_ids]


class AdExchangeAgent(ph.Agent):
    def handle_batch(self, ctx, batch):
        bids = sorted(batch, key=lambda message: -message.payload.bid)
        if not bids:
            return []
        second = bids[1].payload.bid if len(bids) > 1 else 0.0
        return [(m.sender_id, AuctionResult(second if i == 0 else 0.0, i == 0)) for i, m in enumerate(bids)]


class AdvertiserAgent(ph.StrategicAgent):
    @dataclass
    class Supertype(ph.Supertype):
        budget: float = 5.0

    def __init__(self, agent_id, exchange_id):
        self.exchange_id = exchange_id
        self.action_space = gym.spaces.Box(0.0, 1.0, (1,))
        self.observation_space = gym.spaces.Dict(
            {"user": gym.spaces.Discrete(2), "left": gym.spaces.Box(0.0, 1.0, (1,), dtype=np.float64)}
        )
        super().__init__(agent_id)

    @ph.agents.msg_handler(ImpressionRequest)
    def handle_impression_request(self, _ctx, message):
        self.user = message.payload.user_id
        return []

    @ph.agents.msg_handler(AuctionResult)
    def handle_auction_result(self, _ctx, message):
        self.won = message.payload.won
        self.left -= message.payload.cost
        return []

    def encode_observation(self, ctx):
        return {"user": self.user, "left": np.array([self.left / self.type.budget])}

    def decode_action(self, ctx, action):
        return [(self.exchange_id, Bid(min(float(action[0]), self.left), self.user))]

    def compute_reward(self, ctx):
        return float(self.won)

    def is_terminated(self, ctx):
        return self.left <= 0

    def reset(self):
        super().reset()
        self.left = self.type.budget
        self.user, self.won = 0, False


class DigitalAdsEnv(ph.FiniteStateMachineEnv):
    def __init__(self, num_steps=20, **kwargs):
        network = ph.Network(
            [PublisherAgent("PUB", ADVERTISERS), AdExchangeAgent("ADX")]
            + [AdvertiserAgent(agent_id, "ADX") for agent_id in ADVERTISERS]
        )
        network.add_connections_between(["PUB", "ADX"], ADVERTISERS)
        super().__init__(num_steps=num_steps, network=network, initial_stage="publisher_step", **kwargs)

    @FSMStage(stage_id="publisher_step", acting_agents=["PUB"], rewarded_agents=[], next_stages=["bids"])
    def handle_publisher(self):
        self.resolve_network()
        return "bids"

    @FSMStage(
        stage_id="bids",
        acting_agents=ADVERTISERS,
        rewarded_agents=ADVERTISERS,
        next_stages=["publisher_step", "bids"],
    )
    def handle_bids(self):
        self.resolve_network()
        return "publisher_step"


class ClickMetric(ph.metrics.Metric):
    def __init__(self, agent_id):  # as in the predecessor's example: no super().__init__()
        self.agent_id = agent_id

    def extract(self, env):
        return env[self.agent_id].won

    def reduce(self, values, mode=None):
        return int(np.sum(values))


def main(seed=1):
    np.random.seed(seed)
    env = DigitalAdsEnv(
        agent_supertypes={"ADV_1": {"budget": ph.utils.samplers.UniformFloatSampler(1.0, 2.0)}}
    )
    metrics = {agent_id: ClickMetric(agent_id) for agent_id in ADVERTISERS}
    values = {agent_id: [] for agent_id in ADVERTISERS}
    observations, _ = env.reset()
    assert observations == {}
    steps = []
    for i in range(env.num_steps):
        stage = env.current_stage
        actions = {agent_id: np.random.uniform(size=1) for agent_id in observations}
        step = env.step(actions)
        ph.metrics.logging_helper(env, metrics, values)
        steps.append(Step(i, observations, *step[1:], actions, None, stage))
        observations = step.observations
        if step.terminations["__all__"] or step.truncations["__all__"]:
            break
    rollout = Rollout(
        0, 0, {}, {}, steps, {name: m.reduce(values[name], "evaluate") for name, m in metrics.items()}
    )
    assert len(rollout.actions_for_agent("ADV_2", drop_nones=True, stages=["bids"])) == 10
    assert rollout.actions_for_agent("ADV_2", drop_nones=True, stages=["publisher_step"]) == []
    return rollout.metrics


if __name__ == "__main__":
    print(main())
