"""A program for Phantom 2.2.0: a mediator leads, prosumers follow; `step` is overridden; own Q-learning."""

from collections import defaultdict

import gymnasium as gym
import numpy as np
import phantom as ph

PROSUMERS = ["P1", "P2"]


@ph.msg_payload()
class Price:
    level: int


@ph.msg_payload()
class Demand:
    amount: int


class MediatorAgent(ph.StrategicAgent):
    def __init__(self, agent_id):
        super().__init__(agent_id)
        self.observation_space = gym.spaces.Discrete(20)
        self.action_space = gym.spaces.Discrete(4)

    def decode_action(self, ctx, action):
        self.price, self.demand = int(action), 0
        return [(neighbour_id, Price(self.price)) for neighbour_id in ctx.neighbour_ids]

    @ph.agents.msg_handler(Demand)
    def handle_demand(self, ctx, message):
        self.demand += message.payload.amount

    def encode_observation(self, ctx):
        return min(self.demand, 19)

    def compute_reward(self, ctx):
        return float(self.price * self.demand)

    def reset(self):
        self.price = self.demand = 0


class ProsumerAgent(ph.StrategicAgent):
    def __init__(self, agent_id, mediator_id):
        super().__init__(agent_id)
        self.mediator_id = mediator_id
        self.observation_space = self.action_space = gym.spaces.Discrete(4)

    @ph.agents.msg_handler(Price)
    def handle_price(self, ctx, message):
        self.price = message.payload.level

    def decode_action(self, ctx, action):
        self.bought = int(action)
        return [(self.mediator_id, Demand(self.bought))]

    def encode_observation(self, ctx):
        return self.price

    def compute_reward(self, ctx):
        return float(self.bought * (3 - self.price))

    def reset(self):
        self.price = self.bought = 0


class StackelbergEnvCustom(ph.StackelbergEnv):
    """Ends when enough was sold; counts what was stepped."""

    def __init__(self, num_steps=10, enough=1000):
        network = ph.Network([MediatorAgent("M")] + [ProsumerAgent(p, "M") for p in PROSUMERS])
        network.add_connections_between(["M"], PROSUMERS)
        super().__init__(num_steps, network, leader_agents=["M"], follower_agents=PROSUMERS)
        self.enough, self.sold = enough, 0

    def reset(self, seed=None, options=None):
        self.sold = 0
        return super().reset(seed=seed, options=options)

    def step(self, actions):
        step = super().step(actions)
        self.sold += sum(self.agents[p].bought for p in PROSUMERS) if self.current_step % 2 == 0 else 0
        step.infos.setdefault("M", {})["sold"] = self.sold
        return step

    def is_terminated(self):
        return super().is_terminated() or self.sold >= self.enough


class QLearningPolicy(ph.Policy):
    def __init__(self, observation_space, action_space):
        super().__init__(observation_space, action_space)
        self.q_table = np.zeros((observation_space.n, action_space.n))

    def compute_action(self, observation):
        return int(np.argmax(self.q_table[observation]))


class QLearningTrainer(ph.Trainer):
    policy_class = QLearningPolicy

    def __init__(self, alpha=0.5, epsilon=0.3, tensorboard_log_dir=None):
        super().__init__(tensorboard_log_dir)
        self.alpha, self.epsilon = alpha, epsilon

    def training_step(self, env, policy_mapping, policies, policies_to_train):
        observations, _ = env.reset()
        acted = {}
        while env.current_step < env.num_steps:
            actions = {}
            for agent_id, observation in observations.items():
                policy = policies[policy_mapping[agent_id]]
                is_exploring = np.random.random() < self.epsilon
                actions[agent_id] = (
                    policy.action_space.sample() if is_exploring else policy.compute_action(observation)
                )
                acted[agent_id] = (observation, actions[agent_id])
            step = env.step(actions)
            for agent_id, reward in step.rewards.items():
                if reward is not None and agent_id in acted:
                    observation, action = acted[agent_id]
                    table = policies[policy_mapping[agent_id]].q_table
                    table[observation, action] += self.alpha * (reward - table[observation, action])
            self.log_metrics(env)
            self.log_rewards(step.rewards)
            observations = step.observations


def main(tensorboard_log_dir=None):
    np.random.seed(3)
    results = QLearningTrainer(tensorboard_log_dir=tensorboard_log_dir).train(
        env_class=StackelbergEnvCustom,
        num_iterations=300,
        policies={"mediator": MediatorAgent, "prosumers": ProsumerAgent},
        policies_to_train=["mediator", "prosumers"],
        env_config={"num_steps": 10},
        metrics={"sold": ph.metrics.SimpleEnvMetric("sold", "last")},
    )
    env = StackelbergEnvCustom(num_steps=10, enough=7)
    observations, _ = env.reset()
    total = defaultdict(float)
    ends = []
    while env.current_step < env.num_steps and not any(ends):
        actions = {
            agent_id: results.policies["mediator" if agent_id == "M" else "prosumers"].compute_action(
                observation
            )
            for agent_id, observation in observations.items()
        }
        observations, rewards, terminations, truncations, infos = env.step(actions)
        ends = [terminations["__all__"], truncations["__all__"]]
        for agent_id, reward in rewards.items():
            total[agent_id] += reward or 0.0
    return results, dict(total), infos["M"]["sold"], ends


if __name__ == "__main__":
    print(main()[1:])
