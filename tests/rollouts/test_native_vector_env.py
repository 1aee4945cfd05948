"""Gymnasium's own vector envs: in every autoreset mode, no fake transition, and true final observations."""

import functools
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv

import phantom_core as ph


class CountEnv(gym.Env[Any, Any]):
    """Observes [copy, episode, step]; copy i ends after i + 2 steps, an odd copy by truncation."""

    observation_space = gym.spaces.Box(0.0, 1000.0, (3,), np.float32)
    action_space = gym.spaces.Discrete(2, start=5)

    def __init__(self, number: int) -> None:
        self.number, self.episode, self.count = number, -1, 0

    def reset(self, **options: Any) -> Any:
        super().reset(seed=options.get("seed"))
        self.episode, self.count = self.episode + 1, 0
        return self._observation(), {}

    def step(self, action: Any) -> Any:
        self.count += 1
        is_over, is_odd = self.count == self.number + 2, bool(self.number % 2)
        return self._observation(), float(self.count), is_over and not is_odd, is_over and is_odd, {}

    def _observation(self) -> Any:
        return np.array([self.number, self.episode, self.count], np.float32)


class FivePolicy(ph.Policy):
    def compute_action(self, observation: Any) -> int:
        return 5


def collector_of(envs: ph.VectorEnv, **options: Any) -> ph.Collector:
    facts = envs.facts(0)
    policy = FivePolicy(facts.observation_spaces["agent"], facts.action_spaces["agent"])
    return ph.Collector(envs, {"p": policy}, {"agent": "p"}, seed=1, learning=["p"], **options)


def native(mode: AutoresetMode) -> ph.NativeVectorEnv:
    makers = [functools.partial(CountEnv, number) for number in range(3)]
    return ph.NativeVectorEnv(SyncVectorEnv(makers, autoreset_mode=mode))


@pytest.mark.parametrize("mode", list(AutoresetMode))
def test_every_trajectory_is_one_episode_with_its_true_final_observation(mode: AutoresetMode) -> None:
    episodes: list[ph.EpisodeSummary] = []
    collector = collector_of(native(mode), on_episode=episodes.append)
    batches = [collector.collect(ph.CollectPlan(steps=3 * 4, copies=3))["p"] for _ in range(5)]
    found: dict[tuple[int, int], list[ph.Trajectory]] = {}
    for batch in batches:
        for trajectory in batch.trajectories:
            found.setdefault((trajectory.env_index, trajectory.episode), []).append(trajectory)
    assert len(episodes) > 10
    for summary in episodes:
        pieces = found[summary.env_index, summary.episode]
        length = summary.env_index + 2
        rows = [o.tolist() for t in pieces for o in t.observations]
        assert rows == [[summary.env_index, summary.episode, step] for step in range(length)]
        assert [r for t in pieces for r in t.rewards] == [step + 1.0 for step in range(length)]
        assert pieces[-1].next_observation is not None
        assert pieces[-1].next_observation.tolist() == [summary.env_index, summary.episode, length]
        ends = (pieces[-1].terminated, pieces[-1].truncated)
        assert ends == ((False, True) if summary.env_index % 2 else (True, False))
        assert (summary.length, summary.episode_returns) == (length, {"agent": length * (length + 1) / 2})


@pytest.mark.parametrize("mode", list(AutoresetMode))
def test_a_collection_that_was_broken_off_is_followed_by_new_episodes(
    mode: AutoresetMode, monkeypatch: pytest.MonkeyPatch
) -> None:
    vector = SyncVectorEnv([functools.partial(CountEnv, number) for number in range(3)], autoreset_mode=mode)
    collector = collector_of(ph.NativeVectorEnv(vector))
    plan = ph.CollectPlan(steps=3 * 2, copies=3)
    collector.collect(plan)
    with monkeypatch.context() as patch:
        patch.setattr(vector, "step", interrupted)
        with pytest.raises(KeyboardInterrupt):
            collector.collect(plan)
    batch = collector.collect(plan)["p"]
    firsts = {
        trajectory.env_index: trajectory.observations[0][2] for trajectory in reversed(batch.trajectories)
    }
    assert firsts == {0: 0, 1: 0, 2: 0}


def interrupted(_: Any) -> Any:
    raise KeyboardInterrupt


def test_steps_that_only_reset_are_not_counted() -> None:
    counted = {mode: collector_of(native(mode)) for mode in AutoresetMode}
    for collector in counted.values():
        collector.collect(ph.CollectPlan(steps=3 * 6, copies=3))
    assert {mode: collector.env_steps for mode, collector in counted.items()} == {
        AutoresetMode.NEXT_STEP: 18 - 4,  # copy 0 ended in steps 2 and 5, copy 1 in 3, copy 2 in 4
        AutoresetMode.SAME_STEP: 18,
        AutoresetMode.DISABLED: 18,
    }


def test_cart_pole_is_stepped_by_its_own_vector_env() -> None:
    make_env = functools.partial(ph.GymnasiumEnv, "CartPole-v1")
    envs = ph.make_vector_env(make_env, 4, vectorization_mode="vector_entry_point")
    assert isinstance(envs, ph.NativeVectorEnv)
    facts = envs.facts(0)
    policy = ph.RandomPolicy(facts.observation_spaces["agent"], facts.action_spaces["agent"])
    collector = ph.Collector(envs, {"p": policy}, {"agent": "p"}, seed=1, learning=["p"])
    batch = collector.collect(ph.CollectPlan(steps=800, copies=4))["p"]
    assert set(batch.transitions.rewards.tolist()) == {1.0}
    final = batch.trajectories.next_observations[batch.trajectories.terminated]
    assert len(final) > 10
    assert ((np.abs(final[:, 2]) > 0.2) | (np.abs(final[:, 0]) > 2.4)).all()  # fallen, or out of sight
    collector.close()


def test_episodes_cannot_be_collected_because_all_copies_step_together() -> None:
    with pytest.raises(ph.errors.ConfigError) as caught:
        collector_of(native(AutoresetMode.DISABLED)).collect(ph.CollectPlan(episodes=3, copies=3))
    assert str(caught.value) == (
        "SyncVectorEnv steps its 3 copies together, but 2 are to be played. Collect by steps, not by "
        "episodes."
    )


def test_metrics_are_refused_with_a_sentence() -> None:
    with pytest.raises(ph.errors.ConfigError) as caught:
        collector_of(
            native(AutoresetMode.DISABLED), metrics={"steps": ph.metrics.SimpleEnvMetric("current_step")}
        )
    assert str(caught.value) == (
        "Metrics read env objects, but SyncVectorEnv has none for each copy. Leave out 'steps', or use "
        "copies of the env."
    )


def test_saving_is_refused_with_a_sentence() -> None:
    collector = collector_of(native(AutoresetMode.DISABLED))
    collector.collect(ph.CollectPlan(steps=3, copies=3))
    with pytest.raises(ph.errors.CheckpointError) as caught:
        collector.state_dict()
    assert str(caught.value) == (
        "SyncVectorEnv cannot be saved in the middle of an episode: its copies share one stream of random "
        "draws. Use copies of the env."
    )


def test_a_vector_env_that_does_not_say_how_it_resets_is_refused() -> None:
    envs = SyncVectorEnv([functools.partial(CountEnv, 0)])
    envs.metadata = {**envs.metadata, "autoreset_mode": None}
    with pytest.raises(ph.errors.ConfigError, match=r"\['autoreset_mode'\] = None\."):
        ph.NativeVectorEnv(envs)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"vectorization_mode": "vector_entry_point"},
            "FrozenLake-v1 has no vector env of its own (vector_entry_point). Use vectorization_mode='sync'.",
        ),
        (
            {"vectorization_mode": "fast"},
            "vectorization_mode is 'fast'. Expected 'sync' or 'vector_entry_point'.",
        ),
    ],
)
def test_what_there_is_not_is_refused(options: Any, message: str) -> None:
    with pytest.raises(ph.errors.ConfigError) as caught:
        ph.make_vector_env(functools.partial(ph.GymnasiumEnv, "FrozenLake-v1"), 2, **options)
    assert str(caught.value) == message


def cart_pole(**options: Any) -> ph.GymnasiumEnv:
    return ph.GymnasiumEnv("CartPole-v1", **options)


def doubled_cart_pole() -> ph.GymnasiumEnv:
    doubled = gym.wrappers.TransformReward(gym.make("CartPole-v1"), lambda reward: 2.0 * float(reward))
    return ph.GymnasiumEnv(gym.wrappers.TimeLimit(doubled, 7))


class CleverEnv(ph.GymnasiumEnv):
    """Changes what the env plays."""

    def reset(self, seed: int | None = None, options: Any = None) -> Any:
        return super().reset(seed, {"low": 0.0, "high": 0.0})


def episodes_of(make_env: Any) -> list[ph.EpisodeSummary]:
    episodes: list[ph.EpisodeSummary] = []
    envs = ph.make_vector_env(make_env, 3, vectorization_mode="vector_entry_point")
    facts = envs.facts(0)
    policy = ph.RandomPolicy(facts.observation_spaces["agent"], facts.action_spaces["agent"])
    collector = ph.Collector(envs, {"p": policy}, {"agent": "p"}, seed=1, on_episode=episodes.append)
    collector.collect(ph.CollectPlan(steps=60, copies=3))
    collector.close()
    return episodes


@pytest.mark.parametrize(
    "make_env",
    [
        functools.partial(cart_pole, max_episode_steps=4),
        lambda: ph.GymnasiumEnv(gym.wrappers.TimeLimit(gym.make("CartPole-v1"), 4)),
    ],
)
def test_the_vector_env_has_the_time_limit_of_the_env(make_env: Any) -> None:
    assert {episode.length for episode in episodes_of(make_env)} == {4}


def test_the_vector_env_has_the_arguments_of_the_env() -> None:
    episodes = episodes_of(functools.partial(cart_pole, sutton_barto_reward=True))
    assert {episode.episode_returns["agent"] for episode in episodes} == {-1.0}


@pytest.mark.parametrize(
    ("make_env", "message"),
    [
        (doubled_cart_pole, "play without the wrapper TransformReward."),
        (functools.partial(CleverEnv, "CartPole-v1"),
            "play without the step() or reset() of CleverEnv."),
        (lambda: ph.GymnasiumEnv(gym.make("CartPole-v1").unwrapped),
            "end each episode after 500 steps."),
    ],
)  # fmt: skip
def test_an_env_that_the_vector_env_would_not_play_is_refused(make_env: Any, message: str) -> None:
    with pytest.raises(ph.errors.ConfigError) as caught:
        episodes_of(make_env)
    assert str(caught.value) == (
        f"The vector env that CartPole-v1 offers would {message} Change the env, or use "
        "vectorization_mode='sync'."
    )


class TupleEnv(CountEnv):
    """Observes as Blackjack does, with a `Discrete` inside of spaces."""

    observation_space = gym.spaces.Tuple(  # type: ignore[assignment]
        [gym.spaces.Discrete(10), gym.spaces.Dict({"episode": gym.spaces.Discrete(99)})]
    )

    def _observation(self) -> Any:
        return self.count, {"episode": self.episode}


@pytest.mark.parametrize("mode", list(AutoresetMode))
def test_observations_of_nested_discrete_spaces_are_taken_apart(mode: AutoresetMode) -> None:
    makers = [functools.partial(TupleEnv, number) for number in range(2)]
    collector = collector_of(ph.NativeVectorEnv(SyncVectorEnv(makers, autoreset_mode=mode)))
    batch = collector.collect(ph.CollectPlan(steps=12, copies=2))["p"]
    steps, others = batch.trajectories.observations
    assert steps.tolist()[:4] == [0, 1, 0, 1]
    assert others["episode"].tolist()[:4] == [0, 0, 1, 1]


class SteppingTrainer(ph.Trainer):
    """Collects by steps, and learns nothing."""

    policy_class = ph.RandomPolicy

    def collect_plan(self) -> ph.CollectPlan:
        return ph.CollectPlan(steps=40, copies=4)

    def update(self, *_: Any) -> dict[str, float]:
        return {}


def test_a_run_uses_a_native_vector_env_when_it_is_told_to() -> None:
    results = ph.train(
        SteppingTrainer,
        env=ph.GymnasiumEnv,
        env_config={"env": "CartPole-v1"},
        num_iterations=3,
        vectorization_mode="vector_entry_point",
        seed=1,
        run_dir=None,
    )
    assert 100 < results.env_steps <= 120  # steps that only reset are not counted
