"""n copies of an env, here and in worker processes."""

import functools
import importlib
import os
import signal
from pathlib import Path
from types import ModuleType
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import phantom_core as ph

WORLD = '''
"""An env that worker processes can import."""

import os
import signal

import gymnasium as gym
import numpy as np

import phantom_core as ph


class Walker(ph.StrategicAgent):
    observation_space = gym.spaces.Box(-50.0, 50.0, (3,), np.float32)
    action_space = gym.spaces.Discrete(2)

    def reset(self):
        self.place, self.count = self.rng.normal(size=3).astype(np.float32), 0

    def decode_action(self, ctx, action):
        self.place = (self.place + np.float32(action - self.random.random())).clip(-50, 50)
        self.count += 1

    def encode_observation(self, ctx):
        return self.place

    def compute_reward(self, ctx):
        return float(self.place.sum())

    def is_terminated(self, ctx):
        return self.place[0] > 1.5


class Talker(Walker):
    """Observes and says what no array holds."""

    observation_space = gym.spaces.Text(9)
    action_space = gym.spaces.Tuple((gym.spaces.Discrete(2), gym.spaces.Box(-1.0, 1.0, (1,))))

    def decode_action(self, ctx, action):
        super().decode_action(ctx, action[0])

    def encode_observation(self, ctx):
        return "abcdefghi"[: 1 + self.count % 9]


class OddWalker(Walker):
    """Observes and earns, now and then, numbers of another type than it says."""

    def encode_observation(self, ctx):
        return self.place.astype(np.float64) if self.count % 3 == 2 else self.place

    def compute_reward(self, ctx):
        return 1 if self.count % 4 == 3 else super().compute_reward(ctx)


class Counter(Walker):
    """Observes a number."""

    observation_space = gym.spaces.Discrete(99)

    def encode_observation(self, ctx):
        return self.count


class Turns:
    def first(self, env):
        return ph.Turn("w", acting=("W1", "T"))

    def advance(self, env, turn):
        env.resolve_network()
        return ph.Turn("w", acting=("W1", "T")) if turn.name == "v" else ph.Turn("v", acting=("W2",))


class WalkEnv(ph.PhantomEnv):
    def __init__(self, *, in_turns=False, fate=None):
        self.fate = fate
        agents = [Walker("W1"), Walker("W2"), Talker("T")]
        super().__init__(9, ph.Network(agents), turn_order=Turns() if in_turns else None)

    def pre_message_resolution(self):
        super().pre_message_resolution()
        if self.fate and self.current_step == 4:
            if self.fate == "exit":
                os._exit(7)
            if self.fate == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            if self.fate == "raise":
                raise ZeroDivisionError("too small")

    def on_reset(self):
        if self.fate == "join":
            if "NEW" in self.agents:
                self.network.remove_agent("NEW")


class JoinEnv(WalkEnv):
    def pre_message_resolution(self):
        super().pre_message_resolution()
        if self.current_step == 3:
            self.network.add_agent(Walker("NEW"))


class OddEnv(ph.PhantomEnv):
    def __init__(self, *, alike):
        agents = [OddWalker("W1"), OddWalker("W2"), OddWalker("T") if alike else Counter("T")]
        super().__init__(9, ph.Network(agents))


class NoEnv(WalkEnv):
    """Can be made once in each process, by the driver alone."""

    def __init__(self):
        import multiprocessing

        if multiprocessing.parent_process() is not None:
            raise ValueError("not here")
        super().__init__()


class BadMetric(ph.Metric):
    def extract(self, env):
        return 1 / 0
'''


@pytest.fixture
def world(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    forgotten_modules: None,  # noqa: ARG001  cleans up
) -> ModuleType:
    """The module above, importable here and in worker processes."""
    (tmp_path / "walk_world.py").write_text(WORLD)
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    return importlib.import_module("walk_world")


class MLPPolicy(ph.Policy):
    """A small network, in float32."""

    def __init__(self, observation_space: gym.Space[Any], action_space: gym.Space[Any]) -> None:
        super().__init__(observation_space, action_space)
        rng = np.random.default_rng(0)
        self.first = rng.normal(size=(3, 32)).astype(np.float32)
        self.second = rng.normal(size=(32, 2)).astype(np.float32)

    def compute_action(self, observation: Any) -> int:
        raise AssertionError

    def sample_actions(self, observations: Any, rng: ph.RowStreams) -> tuple[Any, dict[str, Any]]:
        logits = np.tanh(observations @ self.first) @ self.second
        chance = 1.0 / (1.0 + np.exp(logits[:, 0] - logits[:, 1]))
        return (np.array(rng.uniform()) < chance).astype(np.int64), {"logits": logits}


def collect(
    make_env: Any,
    *,
    copies: int,
    workers: int = 0,
    steps: int = 40,
    policy: type[ph.Policy] = ph.RandomPolicy,
    **options: Any,
) -> tuple[list[ph.Batch], list[ph.EpisodeSummary]]:
    episodes: list[ph.EpisodeSummary] = []
    envs = ph.make_vector_env(make_env, copies, workers=workers)
    facts = envs.facts(0)
    policies: dict[str, ph.Policy] = {
        "walk": policy(facts.observation_spaces["W1"], facts.action_spaces["W1"]),
        "talk": ph.RandomPolicy(facts.observation_spaces["T"], facts.action_spaces["T"]),
    }
    mapping: dict[ph.AgentID, str] = {"W1": "walk", "W2": "walk", "T": "talk"}
    collector = ph.Collector(
        envs, policies, mapping, seed=5, learning=list(policies), on_episode=episodes.append, **options
    )
    try:
        plan = ph.CollectPlan(steps=steps, copies=copies)
        batches = [batch for _ in range(2) for batch in collector.collect(plan).values()]
    finally:
        collector.close()
    return batches, episodes


def traces(batches: list[ph.Batch], *, copy: int | None = None) -> list[str]:
    return [
        repr(trajectory)
        for batch in batches
        for trajectory in batch.trajectories
        if copy is None or trajectory.env_index == copy
    ]


@pytest.mark.parametrize("in_turns", [False, True])
def test_copy_i_plays_the_same_whatever_the_number_of_copies(world: ModuleType, in_turns: bool) -> None:  # noqa: FBT001
    make_env = functools.partial(world.WalkEnv, in_turns=in_turns)
    found = {
        number: traces(collect(make_env, copies=number, steps=20 * number)[0], copy=0)
        for number in (1, 4, 64)
    }
    assert found[1] == found[4] == found[64]


def test_experience_is_the_same_with_workers_and_without(world: ModuleType) -> None:
    metrics = {"count": ph.metrics.SimpleAgentMetric("W1", "count", train_reduce_action="sum")}
    for in_turns in (False, True):
        make_env = functools.partial(world.WalkEnv, in_turns=in_turns)
        here, one, two = (
            collect(make_env, copies=3, workers=number, policy=MLPPolicy, metrics=metrics)
            for number in (0, 1, 2)
        )
        assert traces(here[0]) == traces(one[0]) == traces(two[0])
        summaries = [
            [(e.env_index, e.episode, e.length, dict(e.episode_returns), e.metrics) for e in found]
            for _, found in (here, one, two)
        ]
        assert summaries[0] == summaries[1] == summaries[2]
        assert len(summaries[0]) > 3


@pytest.mark.parametrize("alike", [True, False])
def test_values_of_other_types_and_spaces_are_the_same_with_workers(
    world: ModuleType,
    alike: bool,  # noqa: FBT001
) -> None:
    make_env = functools.partial(world.OddEnv, alike=alike)
    here, there = (collect(make_env, copies=3, workers=number) for number in (0, 2))
    assert traces(here[0]) == traces(there[0])


def test_agents_that_join_in_a_worker_get_their_policy_by_rule(world: ModuleType) -> None:
    make_env = functools.partial(world.JoinEnv, fate="join")
    rules = {"walk": ph.PolicySpec(agents=world.Walker), "talk": ph.PolicySpec(agents=["T"])}
    found = [traces(collect(make_env, copies=2, workers=number, specs=rules)[0]) for number in (0, 2)]
    assert found[0] == found[1]
    assert any("agent_id='NEW'" in trace for trace in found[0])


@pytest.mark.parametrize(("fate", "code"), [("exit", "7"), ("kill", "-9 (SIGKILL)")])
def test_a_worker_that_dies_is_an_error_that_names_the_copy_and_its_exit_code(
    world: ModuleType, fate: str, code: str
) -> None:
    with pytest.raises(ph.errors.EnvError) as caught:
        collect(functools.partial(world.WalkEnv, fate=fate), copies=2, workers=2)
    seed = ph.seeding.derive_seed(5, "episode", 0, 0)
    assert str(caught.value) == (
        f"Worker 0 died with exit code {code} while it played copy 0 of WalkEnv. (WalkEnv failed in step 4 "
        f"of episode 0. Play it again with env.reset(seed={seed}).)"
    )


def test_an_exception_in_a_worker_arrives_with_its_traceback_and_the_seed(world: ModuleType) -> None:
    with pytest.raises(ph.errors.EnvError) as caught:
        collect(functools.partial(world.WalkEnv, fate="raise"), copies=2, workers=1)
    seed = ph.seeding.derive_seed(5, "episode", 0, 0)
    assert str(caught.value) == (
        "WalkEnv failed in step 4 of episode 0: ZeroDivisionError: too small (walk_world.py, line 89, in "
        "pre_message_resolution). Play it again with "
        f"env.reset(seed={seed})."
    )
    (note,) = caught.value.__notes__
    assert note.startswith("In worker 0:\nTraceback (most recent call last):\n")
    assert 'raise ZeroDivisionError("too small")' in note


def test_an_env_that_a_worker_cannot_make_is_an_error(world: ModuleType) -> None:
    with pytest.raises(ph.errors.EnvError) as caught:
        ph.make_vector_env(world.NoEnv, 2, workers=1)
    assert str(caught.value) == (
        "Worker 0 could not make copy 0 of NoEnv: ValueError: not here "
        "(walk_world.py, line 117, in __init__). Fix the env, or use workers=0."
    )


def test_what_cannot_be_sent_to_a_worker_is_an_error(world: ModuleType) -> None:
    with pytest.raises(ph.errors.ConfigError) as caught:
        ph.make_vector_env(lambda: world.WalkEnv(), 2, workers=1)  # noqa: PLW0108  a lambda is the point
    assert str(caught.value).startswith("WalkEnv cannot be sent to a worker process: ")
    assert str(caught.value).endswith(
        ". Define classes and functions at the top level of a module, or use workers=0."
    )


@pytest.mark.parametrize(("copies", "workers"), [(0, 0), (1, -1)])
def test_numbers_that_make_no_sense_are_refused(world: ModuleType, copies: int, workers: int) -> None:
    with pytest.raises(ph.errors.ConfigError) as caught:
        ph.make_vector_env(world.WalkEnv, copies, workers=workers)
    assert str(caught.value) == (
        f"make_vector_env got copies={copies} and workers={workers}. Expected at least one copy, and no "
        "negative number of workers."
    )


def test_workers_are_gone_after_closing(world: ModuleType) -> None:
    envs = ph.make_vector_env(world.WalkEnv, 2, workers=2)
    pids = [worker.process.pid for worker in envs.workers]  # type: ignore[attr-defined]
    envs.close()
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


def test_workers_leave_signals_to_the_driver_which_ends_them(world: ModuleType) -> None:
    """A terminal and a scheduler send them to every process of a job; the run is to end in order."""
    envs = ph.make_vector_env(world.WalkEnv, 2, workers=2)
    for worker in envs.workers:  # type: ignore[attr-defined]
        os.kill(worker.process.pid, signal.SIGINT)
        os.kill(worker.process.pid, signal.SIGTERM)
    assert len(envs.reset([0, 1], [1, 2])) == 2
    envs.close()


class ManyCopies(ph.Trainer):
    """Collects in four copies, and learns nothing."""

    policy_class = ph.RandomPolicy

    def collect_plan(self) -> ph.CollectPlan:
        return ph.CollectPlan(steps=40, copies=4)

    def update(self, *_: Any) -> dict[str, float]:
        return {}


def test_a_run_uses_workers_and_metrics_that_fail_there_are_contained(world: ModuleType) -> None:
    metrics = {
        "count": ph.metrics.SimpleAgentMetric("W1", "count", train_reduce_action="last"),
        "bad": world.BadMetric(),
    }
    rows = []
    for workers in (0, 2):
        results = ph.train(
            ManyCopies,
            env=world.WalkEnv,
            policies={"walk": ["W1", "W2"], "talk": ["T"]},
            num_iterations=3,
            metrics=metrics,
            workers=workers,
            seed=1,
            run_dir=None,
        )
        (failure,) = results.hook_failures
        # in this process it fails in each step, in a worker once per episode
        count = {0: 121, 2: 13}[workers]
        assert failure == (
            f"Plugin 'metrics.bad' failed {count} times in extract: ZeroDivisionError: division by zero."
        )
        rows.append([{n: v for n, v in row.items() if not n.startswith("time/")} for row in results.history])
    assert rows[0] == rows[1]
    assert "count" in rows[0][0]
