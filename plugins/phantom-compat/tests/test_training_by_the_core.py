"""Envs of the predecessor trained by phantom_core: rewards of None, returns, and arrays of float64."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import phantom as ph
import phantom_core
from phantom_testing import diagnose

SEEN = gym.spaces.Discrete(1)
CHOICE = gym.spaces.Discrete(3)


class Earner(ph.StrategicAgent):
    """Earns its action, plus a quarter of the number of the step; None at `unpaid`."""

    observation_space, action_space = SEEN, CHOICE
    unpaid: tuple[int, ...] = ()
    chosen = 0

    def reset(self) -> None:
        self.chosen = 0

    def decode_action(self, ctx: ph.Context, action: Any) -> Any:
        self.chosen = int(action)
        return []

    def encode_observation(self, ctx: ph.Context) -> Any:
        return 0

    def compute_reward(self, ctx: ph.Context) -> Any:
        step = ctx.env_view.current_step
        return None if step in self.unpaid else self.chosen + step / 4


class TwoStages(ph.FiniteStateMachineEnv):
    """x acts, then y; `rewarded` by stage."""

    def __init__(self, num_steps: int = 4, rewarded: Any = (["x"], ["y"])) -> None:
        stages = [ph.FSMStage("A", ["x"], rewarded[0], ["B"]), ph.FSMStage("B", ["y"], rewarded[1], ["A"])]
        super().__init__(num_steps, ph.Network([Earner("x"), Earner("y")]), "A", stages=stages)


class Duopoly(ph.StackelbergEnv):
    def __init__(self, num_steps: int = 1) -> None:
        super().__init__(num_steps, ph.Network([Earner("x"), Earner("y")]), ["x"], ["y"])


class Together(ph.PhantomEnv):
    """Both act in each step; x is not paid in the second."""

    def __init__(self, num_steps: int = 3) -> None:
        paused = Earner("x")
        paused.unpaid = (2,)
        super().__init__(num_steps, ph.Network([paused, Earner("y")]))


def collected(env: Any, **plan: Any) -> tuple[dict[Any, Any], Any]:
    """Return the episode's returns and, by agent, the rewards of its actions, all of which are 2."""
    summaries: list[Any] = []
    policy = phantom_core.FunctionPolicy(SEEN, CHOICE, function=lambda _: 2)
    collector = phantom_core.Collector(
        [env],
        {"p": policy},
        dict.fromkeys(env.agent_ids, "p"),
        seed=1,
        learning=["p"],
        on_episode=summaries.append,
    )
    batch = collector.collect(phantom_core.CollectPlan(**(plan or {"episodes": 1})))["p"]
    rewards: dict[Any, Any] = {}
    for trajectory in batch.trajectories:
        rewards.setdefault(trajectory.agent_id, []).extend(map(float, trajectory.rewards))
    return summaries[0].episode_returns, rewards


def test_steps_hold_none_as_before() -> None:
    env = TwoStages()
    env.reset()
    assert [env.step({"x": 2, "y": 2}).rewards for _ in range(4)] == [
        {"y": None},
        {"x": 2.25},
        {"y": 2.5},
        {"x": 2.75, "y": 3.0},
    ]
    last = Duopoly()
    last.reset()
    assert last.step({"x": 2}).rewards == {"x": 2.25, "y": None}


# By hand: an action's reward is 2 + step / 4; x acts in steps 1 and 3, y in steps 2 and 4.
@pytest.mark.parametrize(
    ("env", "rewards"),
    [
        (TwoStages(4), {"x": [2.25, 2.75], "y": [2.5, 3.0]}),
        (TwoStages(3), {"x": [2.25, 2.75], "y": [2.5]}),
        (TwoStages(1), {"x": [2.25]}),
        (Duopoly(1), {"x": [2.25]}),
        (Duopoly(3), {"x": [2.25, 2.75], "y": [2.5]}),
        (Duopoly(4), {"x": [2.25, 2.75], "y": [2.5, 3.0]}),
        (Together(3), {"x": [2.25, 0.0, 2.75], "y": [2.25, 2.5, 2.75]}),
        # y is paid in A alone, so the reward of step 3 is that of its action in step 2
        (TwoStages(4, (["y"], [])), {"x": [0.0, 0.0], "y": [2.75, 2.75]}),
    ],
    ids=["fsm4", "fsm3", "fsm1", "duopoly1", "duopoly3", "duopoly4", "together", "paid-late"],
)
def test_a_number_goes_to_the_agents_last_action_and_none_to_no_action(env: Any, rewards: Any) -> None:
    _, found = collected(env)
    assert found == rewards


@pytest.mark.parametrize(
    "env", [TwoStages(4), TwoStages(4, (["y"], [])), Duopoly(1), Duopoly(4), Together(3)]
)
def test_returns_are_the_sums_of_what_the_steps_of_the_env_return(env: Any) -> None:
    returns, _ = collected(env)
    env.reset()
    steps = [env.step({"x": 2, "y": 2}).rewards for _ in range(env.num_steps)]
    by_agent = {i: sum(step[i] for step in steps if step.get(i) is not None) for i in ("x", "y")}
    assert returns == by_agent


SOME = st.lists(st.sampled_from(["x", "y", "z"]), unique=True)


@settings(max_examples=80)
@given(
    stages=st.lists(st.tuples(SOME, st.none() | SOME, st.integers(0, 2)), min_size=3, max_size=3),
    sides=st.none() | SOME,
    num_steps=st.integers(1, 6),
    unpaid=st.dictionaries(st.sampled_from(["x", "y", "z"]), st.sets(st.integers(1, 6))),
)
def test_in_random_worlds_each_number_goes_to_the_last_action(
    stages: Any, sides: Any, num_steps: int, unpaid: Any
) -> None:
    agents = [Earner(i) for i in ("x", "y", "z")]
    for agent in agents:
        agent.unpaid = tuple(unpaid.get(agent.id, ()))
    env: Any
    if sides is not None:
        others = [agent.id for agent in agents if agent.id not in sides]
        env = ph.StackelbergEnv(num_steps, ph.Network(agents), sides, others)
    else:
        listed = [ph.FSMStage(n, acting, paid, [then]) for n, (acting, paid, then) in enumerate(stages)]
        env = ph.FiniteStateMachineEnv(num_steps, ph.Network(agents), 0, stages=listed)
    played: list[Any] = []
    own_step = env.step

    def step(actions: Any) -> Any:
        result = own_step(actions)
        played.append((dict(actions), result.rewards))
        return result

    env.step = step
    returns, found = collected(env)
    expected: dict[Any, list[float]] = {}
    total = dict.fromkeys(env.agent_ids, 0.0)
    for actions, rewards in played:
        for agent_id in actions:
            expected.setdefault(agent_id, []).append(0.0)
        for agent_id, reward in rewards.items():
            if reward is not None:
                total[agent_id] += reward
                if agent_id in expected:
                    expected[agent_id][-1] += reward
    assert (found, returns) == (expected, total)


@pytest.mark.parametrize(
    ("env", "num_steps", "earned"),
    [
        (TwoStages, 4, {"x": 2.25 + 2.75, "y": 2.5 + 3.0}),
        (Duopoly, 4, {"x": 2.25 + 2.75, "y": 2.5 + 3.0}),
        (Together, 3, {"x": 2.25 + 2.75, "y": 2.25 + 2.5 + 2.75}),
    ],
)
def test_q_learning_finds_the_best_actions_and_earns_what_a_calculation_says(
    env: Any, num_steps: int, earned: Any
) -> None:
    results = phantom_core.train(
        "q-learning",
        env=env,
        env_config={"num_steps": num_steps},
        policies={"x": ["x"], "y": ["y"]},
        trainer_config={"gamma": 0.0, "alpha": 0.5, "epsilon": 0.5},
        num_iterations=60,
        run_dir=None,
        seed=1,
    )
    assert {i: policy.compute_action(0) for i, policy in results.policies.items()} == {"x": 2, "y": 2}  # type: ignore[attr-defined]
    found = phantom_core.evaluate(
        env(num_steps), results.policies, {"x": "x", "y": "y"}, num_episodes=2, seed=3
    )
    assert [episode.episode_returns for episode in found.episodes] == [earned, earned]


@pytest.mark.parametrize("env", [TwoStages, Duopoly])
def test_an_episode_of_one_step_is_trained_and_returns_what_a_calculation_says(env: Any) -> None:
    results = phantom_core.train(
        "q-learning",
        env=env,
        env_config={"num_steps": 1},
        policies={
            "x": phantom_core.PolicySpec(agents=["x"], policy="constant", config={"action": 2}),
            "y": ["y"],
        },
        num_iterations=2,
        run_dir=None,
        seed=1,
    )
    values = results.history[-1]
    assert (values["rewards/x"], values["rewards/y"], values["episode_length"]) == (2.25, 0.0, 1.0)


def test_copies_in_workers_are_trained_with_rewards_of_none_too() -> None:
    results = phantom_core.train(
        "q-learning",
        env=TwoStages,
        policies={"x": ["x"], "y": ["y"]},
        num_iterations=2,
        workers=1,
        run_dir=None,
        seed=1,
    )
    assert results.history[-1]["episode_length"] == 4


def test_other_adapters_pass_over_none() -> None:
    """As the core's adapter for one agent does, and phantom-pettingzoo's."""
    always = phantom_core.FunctionPolicy(SEEN, CHOICE, function=lambda _: 2)
    for agent_id, expected in (("x", [2.25, 2.75]), ("y", [2.5, 3.0])):
        other = "y" if agent_id == "x" else "x"
        env = phantom_core.SingleAgentEnvAdapter(TwoStages, agent_id, {other: always})
        env.reset(seed=1)
        assert [env.step(2)[1] for _ in range(2)] == expected
    play = phantom_core.tools.Playthrough(Duopoly())
    play.reset()
    assert play.step({"x": 2}).rewards == {"x": 2.25}


def test_the_doctor_lets_rewards_of_none_pass() -> None:
    assert [f for f in diagnose(TwoStages).findings if f.check.startswith("reward")] == []


# ---------------------------------------------------------------- arrays of float64


class Measuring(Earner):
    """Observes NumPy's usual floats in a Box of float32."""

    observation_space = gym.spaces.Box(0, 1, (2,))  # type: ignore[assignment]

    def encode_observation(self, ctx: ph.Context) -> Any:
        return np.array([ctx.env_view.proportion_time_elapsed, 1.0])


class Nested(Earner):
    observation_space = gym.spaces.Dict({"a": gym.spaces.Box(0, 1, (2,)), "b": SEEN})  # type: ignore[assignment]

    def encode_observation(self, ctx: ph.Context) -> Any:
        return {"a": np.array([1.0, 1 / 3]), "b": np.int64(0)}


class Encoded(Earner):
    """As the encoders of the predecessor's users, in a tuple."""

    observation_space = gym.spaces.Tuple((gym.spaces.Box(-np.inf, np.inf, (1,)), gym.spaces.Box(0, 1, ())))  # type: ignore[assignment]

    def encode_observation(self, ctx: ph.Context) -> Any:
        return np.zeros((1,)), np.array(0.5)


@pytest.mark.parametrize("kind", [Measuring, Nested, Encoded])
@pytest.mark.parametrize("num_agents", [1, 2])
def test_float64_is_cast_to_the_type_of_the_space(kind: Any, num_agents: int) -> None:
    env = ph.PhantomEnv(3, ph.Network([kind(i) for i in ("x", "y")[:num_agents]]))
    space = kind.observation_space
    policy = phantom_core.RandomPolicy(space, CHOICE)
    collector = phantom_core.Collector(
        [env], {"p": policy}, dict.fromkeys(env.agent_ids, "p"), seed=1, learning=["p"]
    )
    batch = collector.collect(phantom_core.CollectPlan(episodes=2))["p"]
    assert len(batch.transitions) == 2 * 3 * num_agents
    assert {part.dtype for part in _arrays(batch.transitions.observations)} == {np.dtype(np.float32)}


def _arrays(batch: Any) -> list[Any]:
    parts = batch.values() if isinstance(batch, dict) else batch if isinstance(batch, tuple) else [batch]
    return [part for part in parts if part.dtype.kind == "f"]
