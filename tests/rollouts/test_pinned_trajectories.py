"""What the collector hands over is pinned, as sets of trajectories, in pinned_trajectories.json.

pytest tests/rollouts --update-golden     accepts a change
"""

import hashlib
import json
import random
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import phantom_core as ph

PINNED = Path(__file__).with_name("pinned_trajectories.json")
ALL = "__all__"
MASKED = gym.spaces.Dict({"observation": gym.spaces.Discrete(50), "action_mask": gym.spaces.MultiBinary(3)})
SPACES: dict[str, gym.Space[Any]] = {
    "discrete": gym.spaces.Discrete(50),
    "box": gym.spaces.Box(-1e6, 1e6, (2,), np.float32),
    "masked": MASKED,
}


class DrawingPolicy(ph.Policy):
    """Draws each action uniformly, with two draws a row; its extras are the draw and the row's number."""

    acts_randomly = True

    def compute_action(self, observation: Any) -> Any:
        raise AssertionError(observation)  # a policy that acts randomly is sampled

    def sample_actions(self, observations: Any, rng: ph.RowStreams) -> tuple[Any, dict[str, Any]]:
        draws = rng.uniforms(2)
        if isinstance(self.action_space, gym.spaces.Box):
            shape = (len(draws), *self.action_space.shape)
            actions: Any = np.broadcast_to(2 * draws[:, :1] - 1, shape).astype(np.float32)
        else:
            assert isinstance(self.action_space, gym.spaces.Discrete)
            actions = self.action_space.start + (draws[:, 0] * self.action_space.n).astype(np.int64)
        return actions, {"draw": draws[:, 1]}

    def env_actions(self, actions: Any) -> Any:
        if not isinstance(self.action_space, gym.spaces.Box):
            return actions
        return np.clip(actions, np.maximum(self.action_space.low, -0.5), self.action_space.high)


class StillPolicy(ph.Policy):
    """Always acts the same: a policy that is never trained."""

    def compute_action(self, observation: Any) -> Any:
        if isinstance(self.action_space, gym.spaces.Box):
            return np.zeros(self.action_space.shape, np.float32)
        return int(self.action_space.start) if isinstance(self.action_space, gym.spaces.Discrete) else None


class VariedEnv:
    """Everything that an env may do, at random from its seed.

    Agents observe, are paid, end, join and leave in any step; with `turns`, one half of them acts at a
    time. What they see tells the step, the agent and the last actions.
    """

    def __init__(self, space: str = "discrete", *, turns: bool = False, num_agents: int = 4) -> None:
        self.space, self.turns, self.num_agents = SPACES[space], turns, num_agents
        self.names = [f"A{number}" for number in range(num_agents + 2)]
        self.live: list[str] = []
        self.agents = {name: ph.StrategicAgent(name) for name in self.names}
        self.start()

    def start(self) -> None:
        self.live = self.names[: self.num_agents]
        self.step_number, self.sum, self.acting = 0, 0.0, None

    @property
    def strategic_agent_ids(self) -> list[str]:
        return list(self.live)

    @property
    def observation_spaces(self) -> dict[str, gym.Space[Any]]:
        return dict.fromkeys(self.live, self.space)

    @property
    def action_spaces(self) -> dict[str, gym.Space[Any]]:
        return dict.fromkeys(self.live, gym.spaces.Discrete(3))

    @property
    def acting_agent_ids(self) -> frozenset[str] | None:
        return self.acting

    def see(self, name: str) -> Any:
        number = int(7 * self.step_number + self.names.index(name) + self.sum) % 50
        if isinstance(self.space, gym.spaces.Discrete):
            return number
        if isinstance(self.space, gym.spaces.Box):
            return np.array([number, self.sum], np.float32)
        mask = np.ones(3, np.int8)
        mask[number % 3] = 0
        return {"observation": number, "action_mask": mask}

    def reset(self, seed: int | None = None, options: Any = None) -> tuple[dict[str, Any], dict[str, Any]]:
        del options
        self.random = random.Random(seed)  # noqa: S311  a model draws, nobody hides anything
        self.start()
        self.take_turns()
        seeing = [name for name in self.live if self.random.random() < 0.8]
        return {name: self.see(name) for name in seeing}, {}

    def take_turns(self) -> None:
        if self.turns:
            self.acting = frozenset(self.names[self.step_number % 2 :: 2])

    def step(self, actions: Mapping[str, Any]) -> ph.StepResult:
        for name, action in actions.items():
            assert name in self.live
            assert self.acting is None or name in self.acting
            self.sum = (self.sum + int(action) * (1 + self.names.index(name))) % 100
        self.step_number += 1
        draw = self.random.random
        terminations, truncations = dict.fromkeys(self.live, False), dict.fromkeys(self.live, False)
        left = [name for name in self.live if draw() < 0.02]
        for name in left:
            terminations[name] = True
        ended = [name for name in self.live if name not in left and draw() < 0.04]
        for name in ended:
            (terminations if draw() < 0.5 else truncations)[name] = True
        before = list(self.live)
        self.live = [name for name in self.live if name not in left and name not in ended]
        if draw() < 0.1 and len(self.live) < len(self.names):
            joins = next(n for n in self.names if n not in self.live)
            if joins not in before:
                self.live.append(joins)
                terminations[joins] = truncations[joins] = False
        is_over = not self.live or draw() < 0.03
        terminations[ALL], truncations[ALL] = not self.live, is_over and bool(self.live)
        if is_over:
            for name in self.live:
                truncations[name] = True
        self.take_turns()
        here = [name for name in terminations if name != ALL and name not in left]
        observations = {name: self.see(name) for name in here if draw() < 0.8}
        paid = [name for name in terminations if name != ALL and draw() < 0.7]
        rewards = {name: round(self.sum + draw(), 3) for name in paid}
        return ph.StepResult(observations, rewards, terminations, truncations, {})

    def close(self) -> None:
        """Nothing to close."""


def plain(value: Any) -> Any:
    """Return a value as JSON holds it, floats in six digits, as processors differ in the last ones."""
    if isinstance(value, np.ndarray):
        return [str(value.dtype), plain(value.tolist())]
    if isinstance(value, Mapping):
        return {str(key): plain(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(part) for part in value]
    if isinstance(value, np.generic):
        return plain(value.item())
    return float(f"{value:.6g}") if isinstance(value, float) else value


def trajectories(batch: ph.Batch) -> Iterator[str]:
    for one in batch.trajectories:
        facts = [
            one.agent_id,
            one.env_index,
            one.episode,
            one.observations,
            one.actions,
            one.rewards,
            one.extras,
        ]
        facts += [one.next_observation, one.terminated, one.truncated]
        yield json.dumps(plain(facts), sort_keys=True)


def summary(collector: ph.Collector, plans: Sequence[ph.CollectPlan], episodes: list[Any]) -> dict[str, Any]:
    """Collect, and return what was handed over in a few numbers and a hash of the set of trajectories."""
    found: list[str] = []
    number, total = 0, 0.0
    for call, plan in enumerate(plans):
        for policy_id, batch in sorted(collector.collect(plan).items()):
            number += len(batch)
            total += float(batch.transitions.rewards.sum())
            found += [f"{call} {policy_id} {text}" for text in trajectories(batch)]
    played = sorted(
        json.dumps(plain([e.env_index, e.episode, e.length, dict(e.episode_returns)])) for e in episodes
    )
    return {
        "trajectories": len(found),
        "decisions": number,
        "rewards": round(total, 6),
        "env_steps": collector.env_steps,
        "episodes": len(played),
        "sha256": hashlib.sha256("\n".join([*sorted(found), *played]).encode()).hexdigest(),
    }


def by_agent(env: Any, num_policies: int) -> dict[Any, str]:
    return {name: f"p{number % num_policies}" for number, name in enumerate(env.strategic_agent_ids)}


def play(
    make_env: Callable[[], Any],
    plans: Sequence[ph.CollectPlan],
    *,
    num_policies: int = 1,
    frozen: Sequence[str] = (),
    workers: int = 0,
    resumed: bool = False,
    policy_by_agent: Mapping[Any, str] | None = None,
) -> dict[str, Any]:
    """Play and summarise; `resumed`: half of the plans with one collector, the rest with its twin."""
    env = make_env()
    env.reset(seed=0)
    mapping = dict(by_agent(env, num_policies) if policy_by_agent is None else policy_by_agent)
    owners = {policy_id: agent_id for agent_id, policy_id in mapping.items() if agent_id in env.action_spaces}
    policies: dict[str, ph.Policy] = {}
    for policy_id, agent_id in owners.items():
        spaces = env.observation_spaces[agent_id], env.action_spaces[agent_id]
        policies[policy_id] = (StillPolicy if policy_id in frozen else DrawingPolicy)(*spaces)
    learning = [policy_id for policy_id in policies if policy_id not in frozen]
    episodes: list[ph.EpisodeSummary] = []

    def make() -> ph.Collector:
        envs = ph.make_vector_env(make_env, plans[0].copies, workers=workers)
        return ph.Collector(envs, policies, mapping, seed=7, learning=learning, on_episode=episodes.append)

    collector = make()
    if resumed:
        half = len(plans) // 2
        first = summary(collector, plans[:half], episodes)
        state = collector.state_dict()
        collector.close()
        collector = make()
        collector.load_state_dict(state)
        second = summary(collector, plans[half:], episodes)
        collector.close()
        return {"first": first, "second": second}
    found = summary(collector, plans, episodes)
    collector.close()
    return found


def steps(copies: int, *amounts: int) -> list[ph.CollectPlan]:
    return [ph.CollectPlan(steps=amount, copies=copies) for amount in amounts]


def whole(copies: int, *amounts: int) -> list[ph.CollectPlan]:
    return [ph.CollectPlan(episodes=amount, copies=copies) for amount in amounts]


def cart_pole() -> ph.GymnasiumEnv:
    return ph.GymnasiumEnv("CartPole-v1", max_episode_steps=60)


def frozen_lake() -> ph.GymnasiumEnv:
    return ph.GymnasiumEnv("FrozenLake-v1")


def pendulum() -> ph.GymnasiumEnv:
    return ph.GymnasiumEnv("Pendulum-v1", max_episode_steps=50)


class Pole(ph.StrategicAgent):
    """Balances a pole of its own, and ends when it falls."""

    def __init__(self, agent_id: str) -> None:
        super().__init__(agent_id)
        self.pole = gym.make("CartPole-v1")
        self.observation_space, self.action_space = self.pole.observation_space, self.pole.action_space

    def reset(self) -> None:
        self.seen, _ = self.pole.reset(seed=self.random.getrandbits(31))
        self.reward, self.has_fallen = 0.0, False

    def decode_action(self, ctx: ph.Context, action: Any) -> None:
        self.seen, self.reward, self.has_fallen, _, _ = self.pole.step(action)  # type: ignore[assignment]

    def encode_observation(self, ctx: ph.Context) -> Any:
        return self.seen

    def compute_reward(self, ctx: ph.Context) -> float:
        return float(self.reward)

    def is_terminated(self, ctx: ph.Context) -> bool:
        return bool(self.has_fallen)


class TwoPoles(ph.PhantomEnv):
    """The episode ends when both poles fell."""

    def __init__(self) -> None:
        super().__init__(500, ph.Network([Pole("left"), Pole("right")]))


def varied(**settings: Any) -> Callable[[], Any]:
    return lambda: VariedEnv(**settings)


ALL_NAMES = [f"A{number}" for number in range(6)]
ONE = dict.fromkeys(ALL_NAMES, "p0")
TWO = {name: f"p{number % 2}" for number, name in enumerate(ALL_NAMES)}
THREE = {name: f"p{number % 3}" for number, name in enumerate(ALL_NAMES)}
MIXED = steps(4, 40, 1, 3, 200) + whole(4, 1, 6) + steps(4, 7, 500)

CASES: dict[str, Callable[[], dict[str, Any]]] = {
    "cart_pole x1": lambda: play(cart_pole, steps(1, 300, 1, 1, 5) + whole(1, 3)),
    "cart_pole x8": lambda: play(cart_pole, steps(8, 800, 8, 3, 1000) + whole(8, 11)),
    "cart_pole x3, frozen": lambda: play(cart_pole, whole(3, 5), frozen=["p0"]),
    "cart_pole x4, 2 workers": lambda: play(cart_pole, steps(4, 400, 4, 200), workers=2),
    "cart_pole x3, resumed": lambda: play(cart_pole, steps(3, 100, 50, 70, 9), resumed=True),
    "frozen_lake x1": lambda: play(frozen_lake, steps(1, 500, 1, 1) + whole(1, 20)),
    "pendulum x4": lambda: play(pendulum, steps(4, 300, 4, 90)),
    "two poles x8": lambda: play(TwoPoles, steps(8, 800, 8, 1, 400)),
    "two poles x8, two policies": lambda: play(TwoPoles, steps(8, 800, 8, 400), num_policies=2),
    "two poles x4, one frozen": lambda: play(TwoPoles, whole(4, 9), num_policies=2, frozen=["p1"]),
    "two poles x4, 2 workers": lambda: play(TwoPoles, steps(4, 200, 4, 100), workers=2),
    "two poles x3, resumed": lambda: play(TwoPoles, steps(3, 100, 50, 70, 9), resumed=True),
    "varied": lambda: play(varied(), MIXED, policy_by_agent=ONE),
    "varied, two policies": lambda: play(varied(), MIXED, policy_by_agent=TWO),
    "varied, three policies, one frozen": lambda: play(varied(), MIXED, policy_by_agent=THREE, frozen=["p1"]),
    "varied, box": lambda: play(varied(space="box"), MIXED, policy_by_agent=TWO),
    "varied, masked": lambda: play(varied(space="masked"), MIXED, policy_by_agent=TWO),
    "varied, in turns": lambda: play(varied(turns=True), MIXED, policy_by_agent=ONE),
    "varied, in turns, two policies": lambda: play(varied(turns=True), MIXED, policy_by_agent=TWO),
    "varied, in turns, one frozen": lambda: play(
        varied(turns=True), MIXED, policy_by_agent=TWO, frozen=["p0"]
    ),
    "varied, in turns, many agents": lambda: play(
        varied(turns=True, num_agents=4, space="box"), steps(16, 3000, 16, 5), policy_by_agent=THREE
    ),
    "varied, resumed": lambda: play(varied(), MIXED, policy_by_agent=TWO, resumed=True),
    "varied, in turns, resumed": lambda: play(varied(turns=True), MIXED, policy_by_agent=TWO, resumed=True),
}
EXAMPLES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "competing_shops": ("competing_shops", "CompetingShopsEnv", {}),
    "competing_shops, each its own": ("competing_shops", "CompetingShopsEnv", {"num_policies": 3}),
    "dealer_market": ("dealer_market", "DealerMarketEnv", {}),
    "digital_ads": ("digital_ads", "DigitalAdsEnv", {"num_policies": 2}),
    "digital_ads, one frozen": ("digital_ads", "DigitalAdsEnv", {"num_policies": 2, "frozen": ["p0"]}),
    "repeated_dilemma": ("repeated_dilemma", "RepeatedDilemmaEnv", {"num_policies": 2}),
    "repeated_dilemma, resumed": (
        "repeated_dilemma",
        "RepeatedDilemmaEnv",
        {"num_policies": 2, "resumed": True},
    ),
    "stackelberg_pricing": ("stackelberg_pricing", "StackelbergPricingEnv", {"num_policies": 2}),
    "stackelberg_pricing, resumed": (
        "stackelberg_pricing",
        "StackelbergPricingEnv",
        {"num_policies": 2, "resumed": True},
    ),
    "supply_chain": ("supply_chain", "DiscreteSupplyChainEnv", {}),
    "supply_chain, box": ("supply_chain", "SupplyChainEnv", {}),
}


@pytest.fixture
def check(request: pytest.FixtureRequest) -> Callable[[str, dict[str, Any]], None]:
    """Compare what a case found with what is pinned; accept it with --update-golden."""

    def compare(name: str, found: dict[str, Any]) -> None:
        pinned = json.loads(PINNED.read_text(encoding="utf-8")) if PINNED.exists() else {}
        if request.config.getoption("--update-golden"):
            pinned[name] = found
            PINNED.write_text(json.dumps(pinned, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        assert found == pinned.get(name)

    return compare


@pytest.mark.parametrize("name", CASES)
def test_trajectories_are_those_that_are_pinned(
    name: str, check: Callable[..., None], repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path, str(repository)])  # workers import the envs of this module
    check(name, CASES[name]())


@pytest.mark.parametrize("name", EXAMPLES)
def test_trajectories_of_examples_are_those_that_are_pinned(
    name: str, check: Callable[..., None], example: Callable[[str], ModuleType]
) -> None:
    module, env_class, options = EXAMPLES[name]
    plans = steps(3, 60, 1, 3, 200) + whole(3, 1, 7)
    check(name, play(getattr(example(module), env_class), plans, **options))
