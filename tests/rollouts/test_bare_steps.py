"""Envs of one agent are stepped without dicts: nothing that comes out differs from what dicts give."""

import tracemalloc
from dataclasses import fields
from typing import Any
from unittest.mock import patch

import gymnasium as gym
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import phantom_core as ph
from phantom_core.rollouts import collect, env_copy

SPACES: dict[str, gym.Space[Any]] = {
    "Discrete": gym.spaces.Discrete(3, start=-1),
    "Box": gym.spaces.Box(-1.0, 1.0, (2,), np.float32),
    "Dict": gym.spaces.Dict({"left": gym.spaces.Discrete(2), "right": gym.spaces.Discrete(3)}),
}


class WalkEnv(gym.Env[Any, Any]):
    """A random walk that ends by its rules at 3.0 and is cut off after seven steps."""

    observation_space = gym.spaces.Box(-50.0, 50.0, (2,), np.float32)

    def __init__(self, kind: str = "Discrete", fate: str = "", at_step: int = 5) -> None:
        self.action_space = SPACES[kind]
        self.fate, self.at_step = fate, at_step

    def reset(self, **options: Any) -> Any:
        super().reset(seed=options.get("seed"))
        self.place, self.count = self.np_random.normal(size=2).astype(np.float32), 0
        return self.place, {}

    def step(self, action: Any) -> Any:
        self.count += 1
        push = sum(action.values()) if isinstance(action, dict) else np.sum(action)
        self.place = self.place + np.float32(self.np_random.random() * float(push))
        reward = np.float64(self.place[0])
        if self.count == self.at_step:
            if self.fate == "raise":
                raise ZeroDivisionError("too small")
            if self.fate == "nan":
                reward = np.float64("nan")
            if self.fate == "outside":
                self.place = np.zeros(3, np.float32)
            if self.fate == "beyond its bounds":
                self.place = np.array([99.0, 0.0], np.float32)
        return self.place, reward, self.place[0] > 3.0, self.count == 7, {}


class DrawPolicy(ph.Policy):
    """Draws its actions, and says with which numbers."""

    acts_randomly = True

    def compute_action(self, observation: Any) -> Any:
        raise AssertionError("it draws")

    def sample_actions(self, observations: Any, rng: ph.RowStreams) -> Any:
        draws = rng.uniforms(2)
        if isinstance(self.action_space, gym.spaces.Discrete):
            return (draws[:, 0] * 3).astype(np.int64) - 1, {"draws": draws}
        if isinstance(self.action_space, gym.spaces.Dict):
            return [{"left": np.int64(a * 2), "right": np.int64(b * 3)} for a, b in draws], {"draws": draws}
        return (2.0 * draws - 1.0).astype(np.float32), {"draws": draws}


class CountMetric(ph.Metric):
    """The sum of the step numbers."""

    def extract(self, env: Any) -> Any:
        return env.gym_env.unwrapped.count

    def reduce(self, values: Any, mode: Any) -> Any:
        return sum(values)


class Player:
    """A collector, and all that came out of it."""

    def __init__(self, env_class: Any, copies: int, *, is_learning: bool, **config: Any) -> None:
        envs = [env_class(WalkEnv, **config) for _ in range(copies)]
        policy = DrawPolicy(envs[0].gym_env.observation_space, envs[0].gym_env.action_space)
        self.episodes: list[ph.EpisodeSummary] = []
        self.collector = ph.Collector(
            envs,
            {"p": policy},
            {"agent": "p"},
            seed=3,
            learning=["p"] if is_learning else [],
            on_episode=self.episodes.append,
        )

    def collect(self, plan: ph.CollectPlan) -> list[str]:
        """Collect and return what came out, as text in which every bit counts."""
        batches = self.collector.collect(plan)
        sorted_ones = [batch.trajectories for batch in batches.values()]
        rows = [[getattr(batch, field.name) for field in fields(batch)] for batch in sorted_ones]
        state = self.collector.state_dict()
        return [repr(found) for found in (rows, self.episodes, state, self.collector.env_steps)]


PLANS = st.lists(
    st.one_of(
        st.integers(1, 40).map(lambda steps: ph.CollectPlan(steps=steps, copies=3)),
        st.integers(1, 7).map(lambda episodes: ph.CollectPlan(episodes=episodes, copies=3)),
    ),
    min_size=1,
    max_size=4,
)


@given(
    plans=PLANS,
    kind=st.sampled_from(sorted(SPACES)),
    is_learning=st.booleans(),
)
@settings(max_examples=40)
def test_both_ways_give_the_same_batches_episodes_and_states(
    long_way_env: Any,
    plans: list[ph.CollectPlan],
    kind: str,
    is_learning: bool,  # noqa: FBT001  drawn
) -> None:
    short, long = (
        Player(env_class, 3, is_learning=is_learning, kind=kind)
        for env_class in (ph.GymnasiumEnv, long_way_env)
    )
    for plan in plans:
        assert short.collect(plan) == long.collect(plan)


class LongEnv(gym.Env[Any, Any]):
    """Ends after 20,000 steps."""

    observation_space = action_space = gym.spaces.Discrete(2)

    def reset(self, **options: Any) -> Any:
        self.count = 0
        return 0, {}

    def step(self, action: Any) -> Any:
        self.count += 1
        return 0, self.count / 3, False, self.count == 20_000, {}


def test_a_long_episode_that_nobody_learns_from_does_not_fill_the_memory() -> None:
    space = LongEnv.observation_space
    policies = {"p": ph.RandomPolicy(space, space)}
    with patch.object(collect, "MAX_HISTORY", 100), patch.object(env_copy, "MAX_HISTORY", 100):
        collector = ph.Collector([ph.GymnasiumEnv(LongEnv)], policies, {"agent": "p"}, seed=1)
        tracemalloc.start()
        try:
            collector.collect(ph.CollectPlan(episodes=1))
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert peak < 1_000_000


@pytest.mark.parametrize("fate", ["raise", "nan", "outside"])
@pytest.mark.parametrize("at_step", [1, 5, 7])
@pytest.mark.parametrize("warm_up", [0, 4])
def test_both_ways_say_the_same_of_what_goes_wrong(
    fate: str, at_step: int, warm_up: int, long_way_env: Any
) -> None:
    said = []
    for env_class in (ph.GymnasiumEnv, long_way_env):
        player = Player(env_class, 3, is_learning=True, fate=fate, at_step=at_step)
        with pytest.raises(ph.PhantomError) as caught:  # noqa: PT012  the warm-up may be too long
            if warm_up:
                player.collect(ph.CollectPlan(steps=warm_up, copies=3))
            player.collect(ph.CollectPlan(steps=60, copies=3))
        said.append((type(caught.value), str(caught.value).replace("LongWayEnv", "GymnasiumEnv")))
    assert said[0] == said[1]


@pytest.mark.parametrize("at_step", [1, 5, 7])
def test_both_ways_clip_what_is_observed_to_its_bounds(at_step: int, long_way_env: Any) -> None:
    fate: Any = {"fate": "beyond its bounds", "at_step": at_step}
    short, long = (Player(one, 3, is_learning=True, **fate) for one in (ph.GymnasiumEnv, long_way_env))
    plan = ph.CollectPlan(steps=60, copies=3)
    assert short.collect(plan) == long.collect(plan)


def test_a_collector_goes_on_the_other_way_where_it_was_saved(long_way_env: Any) -> None:
    short, long = (Player(env_class, 2, is_learning=True) for env_class in (ph.GymnasiumEnv, long_way_env))
    plan = ph.CollectPlan(steps=22, copies=2)
    short.collect(plan)
    long.collector.load_state_dict(short.collector.state_dict())
    long.episodes += short.episodes
    assert short.collect(plan) == long.collect(plan)


def test_metrics_are_measured_in_every_step_all_the_same() -> None:
    env = ph.GymnasiumEnv(WalkEnv)
    policy = DrawPolicy(env.observation_spaces["agent"], env.action_spaces["agent"])
    found: list[ph.EpisodeSummary] = []
    collector = ph.Collector(
        [env],
        {"p": policy},
        {"agent": "p"},
        seed=1,
        metrics={"count": CountMetric()},
        on_episode=found.append,
    )
    collector.collect(ph.CollectPlan(episodes=4))
    assert [summary.metrics["count"] for summary in found] == [
        summary.length * (summary.length + 1) / 2 for summary in found
    ]
