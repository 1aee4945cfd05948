"""A program for Phantom 2.2.0: an env that overrides `step` as a whole, in two phases of messages."""

from dataclasses import dataclass

import gymnasium as gym
import numpy as np
import phantom as ph


@ph.msg_payload("Dealer", "Trader")
class Quote:
    price: float


@ph.msg_payload("Trader", "Dealer")
class Buy:
    quantity: int


@dataclass(frozen=True)
class DealerView(ph.AgentView):
    inventory: int


class Dealer(ph.StrategicAgent):
    observation_space = gym.spaces.Box(-np.inf, np.inf, (1,))
    action_space = gym.spaces.Box(0.0, 1.0, (1,))

    def view(self, neighbour_id=None):
        return DealerView(self.inventory)

    def decode_action(self, ctx, action):
        self.price = float(action[0])
        return [(trader_id, Quote(self.price)) for trader_id in ctx.neighbour_ids]

    @ph.agents.msg_handler(Buy)
    def sell(self, ctx, message):
        self.inventory -= message.payload.quantity
        self.cash += message.payload.quantity * self.price

    def encode_observation(self, ctx):
        return np.array([self.inventory], dtype=np.float32)

    def compute_reward(self, ctx):
        return self.cash

    def reset(self):
        self.inventory, self.cash, self.price = 10, 0.0, 0.0


class Trader(ph.Agent):
    quote = 1.0

    @ph.agents.msg_handler(Quote)
    def note_quote(self, ctx, message):
        self.quote = message.payload.price

    def generate_messages(self, ctx):
        wants = self.quote < 0.6 and ctx["DEALER"].inventory > 0
        return [("DEALER", Buy(1))] if wants else None


class TwoPhaseEnv(ph.PhantomEnv):
    """Dealers quote and traders hear of it; then traders buy: all in one step."""

    def __init__(self, num_steps=5, traders=2):
        network = ph.Network([Dealer("DEALER")] + [Trader(f"T{i}") for i in range(traders)])
        network.add_connections_between(["DEALER"], [f"T{i}" for i in range(traders)])
        super().__init__(num_steps=num_steps, network=network)

    def step(self, actions):
        self._current_step += 1
        self._make_ctxs(self.agent_ids)
        self._handle_acting_agents(self.strategic_agent_ids, actions)
        self.resolve_network()
        self._make_ctxs(self.agent_ids)
        self._handle_acting_agents(self.non_strategic_agent_ids, {})
        self.resolve_network()
        observations, rewards, terminations, truncations, infos = {}, {}, {}, {}, {}
        for aid in self.strategic_agent_ids:
            if aid in self._terminations or aid in self._truncations:
                continue
            ctx = self._ctxs[aid]
            obs = ctx.agent.encode_observation(ctx)
            if obs is not None:
                observations[aid] = obs
                infos[aid] = ctx.agent.collect_infos(ctx)
                rewards[aid] = ctx.agent.compute_reward(ctx)
            terminations[aid] = ctx.agent.is_terminated(ctx)
            truncations[aid] = ctx.agent.is_truncated(ctx)
            if terminations[aid]:
                self._terminations.add(aid)
            if truncations[aid]:
                self._truncations.add(aid)
        terminations["__all__"] = self.is_terminated()
        truncations["__all__"] = self.is_truncated()
        return self.Step(observations, rewards, terminations, truncations, infos)


def main():
    env = TwoPhaseEnv()
    env.reset()
    steps = [env.step({"DEALER": np.array([price])}) for price in (0.5, 0.9, 0.5, 0.5, 0.5)]
    return [
        (float(s.observations["DEALER"][0]), s.rewards["DEALER"], s.truncations["__all__"]) for s in steps
    ]


if __name__ == "__main__":
    print(main())
