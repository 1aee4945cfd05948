"""Minimal worlds with the framework and without it: two agents in turn, and sixty that are all linked."""

from __future__ import annotations

from typing import Any

import gymnasium as gym

import phantom_core as ph

NUM_STEPS = 100


class Counter(ph.StrategicAgent):
    """Adds its action to a sum, observes the sum and is rewarded by it."""

    observation_space: gym.Space[Any] = gym.spaces.Discrete(1000)
    action_space: gym.Space[Any] = gym.spaces.Discrete(2)

    def __init__(self, agent_id: ph.AgentID) -> None:
        super().__init__(agent_id)
        self.sum = 0

    def reset(self) -> None:
        self.sum = 0

    def decode_action(self, ctx: ph.Context, action: Any) -> None:
        self.sum += action

    def encode_observation(self, ctx: ph.Context) -> int:
        return self.sum

    def compute_reward(self, ctx: ph.Context) -> float:
        return float(self.sum)


def make_stage_env() -> ph.PhantomEnv:
    """Two agents act in turn, as stages without handlers."""
    stages = [
        ph.FSMStage("one", ["A"], next_stages=["two"]),
        ph.FSMStage("two", ["B"], next_stages=["one"]),
    ]
    network = ph.Network([Counter("A"), Counter("B")], connections=[("A", "B")])
    return ph.FiniteStateMachineEnv(NUM_STEPS, network, "one", stages=stages)


def make_stackelberg_env() -> ph.PhantomEnv:
    """One agent leads, the other follows."""
    network = ph.Network([Counter("A"), Counter("B")], connections=[("A", "B")])
    return ph.StackelbergEnv(NUM_STEPS, network, ["A"], ["B"])


def make_full_graph(num_agents: int = 60) -> ph.PhantomEnv:
    """All agents act at once, each connected with each."""
    names = [f"A{number}" for number in range(num_agents)]
    network = ph.Network([Counter(name) for name in names])
    network.add_connections_from((u, v) for i, u in enumerate(names) for v in names[:i])
    return ph.PhantomEnv(NUM_STEPS, network)


class BareCounter:
    """The agent without the framework."""

    def __init__(self) -> None:
        self.sum = 0

    def act(self, action: int) -> None:
        self.sum += action

    def observe(self) -> int:
        return self.sum

    def reward(self) -> float:
        return float(self.sum)


class BareTurns:
    """Two agents act in turn; each observes, and is paid, before it acts again."""

    def __init__(self) -> None:
        self.agents = {"A": BareCounter(), "B": BareCounter()}
        self.step_count = 0
        self.owed: dict[str, float] = {}

    def reset(self) -> dict[str, int]:
        self.step_count = 0
        self.owed = {}
        for agent in self.agents.values():
            agent.sum = 0
        return {"A": 0}

    def step(self, actions: dict[str, int]) -> tuple[dict[str, int], dict[str, float], bool]:
        acting, observing = ("B", "A") if self.step_count % 2 else ("A", "B")
        self.step_count += 1
        self.agents[acting].act(actions[acting])
        self.owed[acting] = self.owed.get(acting, 0.0) + self.agents[acting].reward()
        observations = {observing: self.agents[observing].observe()}
        is_over = self.step_count == NUM_STEPS
        payees = list(self.owed) if is_over else [observing]
        rewards = {agent_id: self.owed.pop(agent_id) for agent_id in payees if agent_id in self.owed}
        return observations, rewards, is_over


class BareCrowd:
    """All agents act at once."""

    def __init__(self, num_agents: int = 60) -> None:
        self.agents = {f"A{number}": BareCounter() for number in range(num_agents)}
        self.step_count = 0

    def reset(self) -> dict[str, int]:
        self.step_count = 0
        for agent in self.agents.values():
            agent.sum = 0
        return dict.fromkeys(self.agents, 0)

    def step(self, actions: dict[str, int]) -> tuple[dict[str, int], dict[str, float], bool]:
        self.step_count += 1
        for agent_id, action in actions.items():
            self.agents[agent_id].act(action)
        observations = {agent_id: agent.observe() for agent_id, agent in self.agents.items()}
        rewards = {agent_id: agent.reward() for agent_id, agent in self.agents.items()}
        return observations, rewards, self.step_count == NUM_STEPS
