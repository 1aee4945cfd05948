"""A run that is resumed ends as one that was never interrupted, bit for bit."""

import json
import re
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import phantom_core as ph
from phantom_core.training.resume_point import ResumePoint
from phantom_core.training.run_directory import RunDirectory

LAKE = {"env": "gymnasium", "env_config": {"env": "FrozenLake-v1"}}


class Cut(ph.Hooks):
    """Ends a run at the beginning of an iteration, as a second Ctrl-C would."""

    def __init__(self, iteration: int) -> None:
        super().__init__()
        self.iteration = iteration

    def on_iteration_start(self, event: ph.IterationStart) -> None:
        if event.iteration == self.iteration:
            raise KeyboardInterrupt


class Walker(ph.StrategicAgent):
    observation_space = gym.spaces.Box(-np.inf, np.inf, (2,), np.float64)
    action_space = gym.spaces.Discrete(3)
    place = 0.0

    def reset(self) -> None:
        self.place = self.random.random()

    def decode_action(self, ctx: ph.Context, action: int) -> None:
        self.place += action - 1 + self.rng.normal() / 10

    def encode_observation(self, ctx: ph.Context) -> Any:
        return np.array([self.place, self.random.random()])

    def compute_reward(self, ctx: ph.Context) -> float:
        return -abs(self.place)


class Walks(ph.PhantomEnv):
    """Two walkers, in episodes of seven steps."""

    def __init__(self) -> None:
        super().__init__(7, ph.Network([Walker("A"), Walker("B")]))


class Drawing(ph.Policy):
    """Learns by drawing from every generator that there is."""

    def __init__(self, *spaces: Any, **settings: Any) -> None:
        super().__init__(*spaces, **settings)
        self.weights = np.zeros(4)
        self.own = np.random.default_rng(0)

    def seed(self, rng: np.random.Generator) -> None:
        self.own = rng

    def compute_action(self, observation: Any) -> int:
        return int(self.own.integers(self.action_space.n))

    def sample_actions(self, observations: Any, rng: Any) -> Any:
        return [int(self.action_space.n * draw) for draw in rng.uniform()], {
            "draw": self.own.random(len(rng))
        }

    def state_dict(self) -> dict[str, Any]:
        return {"weights": self.weights}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.weights = np.array(state["weights"])


class DrawingTrainer(ph.Trainer):
    """Logs what it draws, what it was given and how far the run is."""

    policy_class = Drawing
    plan = ph.CollectPlan(steps=5, copies=2)
    step = 0

    def collect_plan(self) -> ph.CollectPlan:
        return self.plan

    def update(self, policy_id: Any, policy: Any, batch: ph.Batch, rng: Any) -> dict[str, float]:
        self.step += 1
        rows = batch.transitions
        policy.weights += [rng.random(), self.rng.random(), np.sum(rows.rewards), np.sum(rows.extras["draw"])]
        return {"sum": float(policy.weights.sum()), "progress": self.progress, "step": self.step}

    def state_dict(self) -> dict[str, Any]:
        return {"step": self.step}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.step = state["step"]


class WholeEpisodes(DrawingTrainer):
    plan = ph.CollectPlan(episodes=3, copies=2)


class Twice(DrawingTrainer):
    plan = ph.CollectPlan(steps=4, copies=2, rounds=2)


class Longer(DrawingTrainer):
    """Its plan follows from its state."""

    def collect_plan(self) -> ph.CollectPlan:
        return ph.CollectPlan(steps=4 + 2 * self.step, copies=2)


class Counting(ph.RecurrentPolicy):
    """Learns as `Drawing` does, and counts what it decided in an episode, from a number that is learned."""

    def __init__(self, *spaces: Any, **settings: Any) -> None:
        super().__init__(*spaces, **settings)
        self.weights = np.zeros(4)

    def initial_state(self) -> Any:
        return {"count": np.array(self.weights[0])}

    def compute_actions(self, observations: Any, state: Any) -> Any:
        return [int(count * 10) % 3 for count in state["count"]], {"count": state["count"] + 1.0}

    def sample_actions(self, observations: Any, rng: Any, state: Any) -> Any:
        draws = np.array(rng.uniform())
        actions = [int(10 * count + 3 * draw) % 3 for count, draw in zip(state["count"], draws, strict=True)]
        return actions, {"draw": draws}, {"count": state["count"] + draws}

    def state_dict(self) -> dict[str, Any]:
        return {"weights": self.weights}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.weights = np.array(state["weights"])


class CountingTrainer(DrawingTrainer):
    policy_class = Counting


class Plain(ph.Trainer):
    """Steps the env itself, one episode in each iteration."""

    policy_class = Drawing

    def training_step(self, env: Any, policy_mapping: Any, policies: Any, policies_to_train: Any) -> None:
        env.reset()
        self.log_rewards(env.step({}).rewards)
        for policy_id in policies_to_train:
            policies[policy_id].weights[0] += self.rng.random() + env.random.random()
            self.log_metrics(env)

    def state_dict(self) -> dict[str, Any]:
        return {}


class Curriculum(Walks):
    """Gets harder from episode to episode: the walkers start further away."""

    level = 0

    def on_reset(self) -> None:
        self.level += 1

    def step(self, actions: Mapping[ph.AgentID, Any]) -> ph.StepResult:
        result = super().step(actions)
        return result._replace(rewards={i: r - self.level for i, r in result.rewards.items()})

    def state_dict(self) -> dict[str, Any]:
        return {"level": self.level}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.level = state["level"]


TWO = {"a": ["A"], "b": ["B"]}
PAST = {"a": ["A"], "b": ph.PolicySpec(agents=["B"], opponents="past", config={"keep": 4})}
RUNS: dict[str, Callable[[], dict[str, Any]]] = {
    "q-learning": lambda: {"trainer": "q-learning", **LAKE},
    "q-learning in batches": lambda: {
        "trainer": "q-learning",
        "trainer_config": {"update": "iteration", "steps_per_iteration": 50, "copies": 3},
        **LAKE,
    },
    "steps": lambda: {"trainer": DrawingTrainer, "policies": TWO},
    "episodes": lambda: {"trainer": WholeEpisodes, "policies": TWO},
    "rounds": lambda: {"trainer": Twice, "policies": TWO},
    "plans that change": lambda: {"trainer": Longer, "policies": TWO},
    "two trainers": lambda: {
        "trainer": DrawingTrainer,
        "policies": {"a": ["A"], "b": ph.PolicySpec(agents=["B"], trainer=WholeEpisodes)},
    },
    "two trainers of changing plans": lambda: {
        "trainer": WholeEpisodes,
        "policies": {"a": ["A"], "b": ph.PolicySpec(agents=["B"], trainer=Longer)},
    },
    "a training plan": lambda: {
        "trainer": DrawingTrainer,
        "policies": TWO,
        "training_plan": [{"policies": ["a"], "iterations": 2}, {"policies": ["b"], "iterations": 1}],
    },
    "a policy that is not trained": lambda: {
        "trainer": DrawingTrainer,
        "policies": {"a": ["A"], "b": ph.PolicySpec(agents=["B"], policy=Drawing, train=False)},
    },
    "metrics and evaluations": lambda: {
        "trainer": DrawingTrainer,
        "policies": TWO,
        "metrics": {"place": ph.metrics.SimpleAgentMetric("A", "place")},
        "evaluation": ph.EvaluationPlan(episodes=2, every=3),
    },
    "env steps": lambda: {"trainer": DrawingTrainer, "policies": TWO, "total_steps": 47},
    "an env that carries something over, in mid-episode": lambda: {
        "trainer": DrawingTrainer,
        "policies": TWO,
        "env": Curriculum,
    },
    "an env that carries something over, between episodes": lambda: {
        "trainer": WholeEpisodes,
        "policies": TWO,
        "env": Curriculum,
    },
    "a simple trainer": lambda: {"trainer": Plain, "policies": TWO},
    "opponents of the past": lambda: {"trainer": DrawingTrainer, "policies": PAST},
    "opponents of the past, in whole episodes and evaluations": lambda: {
        "trainer": WholeEpisodes,
        "policies": PAST,
        "evaluation": ph.EvaluationPlan(episodes=2, every=3),
    },
    "opponents of the past that remember": lambda: {"trainer": CountingTrainer, "policies": PAST},
}


def settings_of(name: str) -> dict[str, Any]:
    given: dict[str, Any] = {"env": Walks, "seed": 3, "checkpoint": ph.CheckpointPlan(every=1)}
    given |= RUNS[name]()
    return given if "total_steps" in given else {"num_iterations": 8, **given}


def logged(run: Path) -> list[dict[str, Any]]:
    """The lines of `metrics.jsonl`, but for times."""
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [
        row | {"values": {n: v for n, v in row["values"].items() if not n.startswith("time/")}}
        for row in rows
    ]


def weights(run: Path) -> dict[str, Any]:
    return {i: as_lists(policy.state_dict()) for i, policy in ph.load_policies(run).items()}


def as_lists(state: Any) -> Any:
    if isinstance(state, dict):
        return {name: as_lists(part) for name, part in state.items()}
    return np.asarray(state).tolist()


def whole(tmp_path: Path, **settings: Any) -> Path:
    run = ph.train(run_dir=tmp_path / "whole", **settings).run_directory
    assert run is not None
    return run


def cut(tmp_path: Path, iteration: int, **settings: Any) -> Path:
    """The directory of a run that was broken off."""
    hooks = [*settings.pop("hooks", ()), Cut(iteration)]
    with pytest.raises(KeyboardInterrupt):
        ph.train(run_dir=tmp_path / "cut", hooks=hooks, **settings)
    (run,) = (tmp_path / "cut").iterdir()
    return run


def check_alike(one: Path, other: Path) -> None:
    assert logged(one) == logged(other)
    assert weights(one) == weights(other)


@pytest.fixture(scope="module")
def whole_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return the directory of one of `RUNS` that was not cut, trained once."""
    return cache(lambda name: whole(tmp_path_factory.mktemp("whole"), **settings_of(name)))


@pytest.mark.parametrize("iteration", [1, 4, 5])
@pytest.mark.parametrize("name", RUNS)
def test_a_resumed_run_ends_as_one_that_was_not_cut(
    name: str, iteration: int, whole_of: Callable[[str], Path], tmp_path: Path
) -> None:
    run = cut(tmp_path, iteration, **settings_of(name))
    results = ph.resume(run, hooks=[])
    assert (results.status, results.run_directory) == ("completed", run)
    check_alike(whole_of(name), run)


def test_cut_twice_and_resumed_twice_it_ends_the_same(
    whole_of: Callable[[str], Path], tmp_path: Path
) -> None:
    settings = settings_of("two trainers")
    run = cut(tmp_path, 2, **settings)
    with pytest.raises(KeyboardInterrupt):
        ph.resume(run, hooks=[Cut(5)])
    ph.resume(run, hooks=[])
    check_alike(whole_of("two trainers"), run)
    resumed = json.loads((run / "run.json").read_text())["resumed"]
    assert [(one["iterations"], one["status"]) for one in resumed] == [(2, "interrupted"), (5, "interrupted")]


@pytest.mark.parametrize(("before", "after"), [(0, 2), (2, 0), (2, 1)])
def test_the_number_of_workers_makes_no_difference(before: int, after: int, tmp_path: Path) -> None:
    settings = {"trainer": "q-learning", "trainer_config": {"copies": 2}, **LAKE}
    settings |= {"num_iterations": 4, "seed": 2, "checkpoint": ph.CheckpointPlan(every=1)}
    run = cut(tmp_path, 2, **settings, workers=before)
    ph.resume(run, hooks=[], workers=after)
    check_alike(whole(tmp_path, **settings), run)
    (resumed,) = json.loads((run / "run.json").read_text())["resumed"]
    assert resumed["differences"] == []


def test_nor_does_it_against_opponents_of_the_past(whole_of: Callable[[str], Path], tmp_path: Path) -> None:
    name = "opponents of the past that remember"
    run = cut(tmp_path, 5, **settings_of(name), workers=2)
    ph.resume(run, hooks=[], workers=0)
    check_alike(whole_of(name), run)
    (resumed,) = json.loads((run / "run.json").read_text())["resumed"]
    assert resumed["differences"] == []


def test_what_an_env_carries_over_is_in_workers_too(tmp_path: Path) -> None:
    settings = settings_of("an env that carries something over, in mid-episode") | {"workers": 2}
    run = cut(tmp_path, 4, **settings)
    ph.resume(run, hooks=[])
    check_alike(whole(tmp_path, **settings), run)


def test_what_an_env_carries_over_must_be_savable(tmp_path: Path) -> None:
    class Odd(Curriculum):
        def state_dict(self) -> dict[str, Any]:
            return {"level": object}

    settings = settings_of("an env that carries something over, in mid-episode") | {"env": Odd}
    with pytest.raises(
        ph.errors.CheckpointError, match=r"level is <class 'object'> \(type\)\. Expected NumPy"
    ):
        whole(tmp_path, **settings)


class Endless(Walks):
    def __init__(self) -> None:
        ph.PhantomEnv.__init__(self, None, ph.Network([Walker("A"), Walker("B")]))


class Numbered(ph.Hooks):
    """Notes which episodes are played."""

    def __init__(self) -> None:
        super().__init__()
        self.seeds: list[int] = []

    def on_episode_end(self, event: ph.EpisodeEnd) -> None:
        self.seeds.append(event.seed)


def test_episodes_that_are_too_long_begin_anew_and_all_else_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("phantom_core.rollouts.env_copy.MAX_HISTORY", 8)
    settings = settings_of("two trainers") | {
        "env": Endless,
        "policies": {"a": ["A"], "b": ph.PolicySpec(agents=["B"], trainer=Twice)},
    }
    run = cut(tmp_path, 4, **settings)
    results = ph.resume(run, hooks=[])
    assert (results.status, results.iterations, results.env_steps) == ("completed", 8, 48)
    (resumed,) = json.loads((run / "run.json").read_text())["resumed"]
    assert resumed["differences"] == ["its episodes begin anew"]
    expected = whole(tmp_path, **settings)
    assert logged(run)[:4] == logged(expected)[:4]
    assert [row["values"]["a/step"] for row in logged(run)] == [1, 2, 3, 4, 5, 6, 7, 8]


def test_the_copies_of_a_vector_env_begin_anew_with_other_episodes(tmp_path: Path) -> None:
    settings = {
        "trainer": DrawingTrainer,
        "env": "gymnasium",
        "env_config": {"env": "CartPole-v1"},
        "seed": 1,
    }
    settings |= {"vectorization_mode": "vector_entry_point"}
    run = whole(tmp_path, **settings, num_iterations=30)
    first, second = Numbered(), Numbered()
    ph.resume(run, num_iterations=60, hooks=[second])
    ph.train(**settings, num_iterations=30, hooks=[first], run_dir=None)
    assert first.seeds
    assert second.seeds
    assert not set(first.seeds) & set(second.seeds)
    (resumed,) = json.loads((run / "run.json").read_text())["resumed"]
    assert "its episodes begin anew" in resumed["differences"]


def test_a_run_that_is_complete_can_be_longer(tmp_path: Path) -> None:
    class_of = {"trainer": DrawingTrainer, "policies": TWO, "env": Walks, "seed": 3}
    run = whole(tmp_path, **class_of, num_iterations=3)
    with pytest.raises(ph.errors.RunDirectoryError) as caught:
        ph.resume(run)
    assert str(caught.value) == (
        f"The run {run} is complete: it has made its 3 iterations. To go on, say how many it is to make in "
        "all: --iterations 6"
    )
    results = ph.resume(run, num_iterations=6)
    assert (results.iterations, results.env_steps) == (6, 36)
    assert [row["iteration"] for row in logged(run)] == list(range(6))


def test_checkpoints_that_were_kept_are_kept_by_the_same_rules(tmp_path: Path) -> None:
    settings = settings_of("steps") | {"checkpoint": ph.CheckpointPlan(every=1, keep_last=2, keep_best=2)}
    run = cut(tmp_path, 5, **settings)
    ph.resume(run, hooks=[])
    expected = whole(tmp_path, **settings)
    kept = [sorted(path.name for path in (one / "checkpoints").iterdir()) for one in (expected, run)]
    assert kept[0] == kept[1]


def test_from_an_earlier_checkpoint_what_came_later_is_replaced(tmp_path: Path) -> None:
    settings = settings_of("steps") | {"checkpoint": ph.CheckpointPlan(every=1, keep_last=9)}
    run = cut(tmp_path, 5, **settings)
    ph.resume(run, checkpoint=run / "checkpoints" / "iteration-000002", hooks=[])
    check_alike(whole(tmp_path, **settings), run)


def test_a_damaged_checkpoint_is_named_and_an_earlier_one_taken(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = settings_of("steps")
    run = cut(tmp_path, 5, **settings)
    newest = run / "checkpoints" / "iteration-000005"
    (newest / "state.json").write_text("{}")
    ph.resume(run, hooks=[])
    expected = f"The checkpoint {newest} is damaged: state.json is not as it was written. Use another one."
    assert f"{expected} It is passed over." in caplog.messages
    check_alike(whole(tmp_path, **settings), run)


def test_what_is_resumed_is_told_to_hooks_and_their_state_is_restored(tmp_path: Path) -> None:
    class Counter(ph.Hooks):
        seen: list[bool]
        count = 0

        def on_train_start(self, event: ph.TrainStart) -> None:
            self.seen = [event.is_resumed]
            if not event.is_resumed:
                self.count = 0

        def on_iteration_end(self, event: ph.IterationEnd) -> None:
            self.count += 1

        def state_dict(self) -> dict[str, Any]:
            return {"count": self.count}

        def load_state_dict(self, state: Mapping[str, Any]) -> None:
            self.count = state["count"]

    run = cut(tmp_path, 5, **settings_of("steps"), hooks=[Counter()])
    counter = Counter()
    ph.resume(run, hooks=[counter])
    assert (counter.seen, counter.count) == ([True], 8)


def test_a_plugin_that_failed_goes_on_failing(tmp_path: Path) -> None:
    class Broken(ph.Hooks):
        def on_iteration_end(self, event: ph.IterationEnd) -> None:
            raise RuntimeError("no ink")

    run = cut(tmp_path, 5, **settings_of("steps"), hooks=[Broken()])
    results = ph.resume(run, hooks=[Broken()])
    assert results.hook_failures == (
        "Plugin 'Broken' failed 8 times in on_iteration_end: RuntimeError: no ink.",
    )


def test_what_cannot_be_resumed_is_refused_and_stays_as_it_was(tmp_path: Path) -> None:
    class Undeclared(Plain):
        state_dict = ph.Trainer.state_dict

    run = cut(tmp_path, 3, **settings_of("a simple trainer") | {"trainer": Plain})
    before = (run / "run.json").read_bytes(), (run / "config.toml").read_bytes()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Plain, "state_dict", ph.Trainer.state_dict)
        with pytest.raises(ph.errors.ConfigError) as caught:
            ph.resume(run, hooks=[])
    assert str(caught.value) == (
        "Plain steps the env itself and has no state_dict(), so nobody knows what it learned beside its "
        "policies. Override state_dict() and load_state_dict(), if only to return {}, or begin another run "
        "with these policies: ph.load_policies(run)."
    )
    assert ((run / "run.json").read_bytes(), (run / "config.toml").read_bytes()) == before


def test_a_trainer_that_overrides_train_cannot_be_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = cut(tmp_path, 3, **settings_of("steps"))
    monkeypatch.setattr(DrawingTrainer, "train", print, raising=False)
    with pytest.raises(ph.errors.ConfigError) as caught:
        ph.resume(run, hooks=[])
    assert str(caught.value) == (
        "DrawingTrainer overrides train(), so nobody knows where in it the run stood, and it cannot be "
        "resumed. Begin another run with these policies: ph.load_policies(run)."
    )


def test_two_do_not_resume_a_run_at_once(tmp_path: Path) -> None:
    run = cut(tmp_path, 5, **settings_of("steps"))
    with RunDirectory.open(run).locked(), pytest.raises(ph.errors.RunDirectoryError) as caught:
        ph.resume(run, hooks=[])
    assert str(caught.value) == (
        f"The run {run} is being resumed by another process. Wait for its end, or end it."
    )
    ph.resume(run, hooks=[])


def test_what_was_resumed_between_reading_and_locking_is_not_resumed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = cut(tmp_path, 5, **settings_of("steps"))
    read = ResumePoint.read

    def slow(*args: Any) -> ResumePoint:
        point = read(*args)
        monkeypatch.undo()
        ph.resume(run, hooks=[])
        return point

    monkeypatch.setattr(ResumePoint, "read", slow)
    with pytest.raises(ph.errors.RunDirectoryError) as caught:
        ph.resume(run, hooks=[])
    assert str(caught.value) == (
        f"The run {run} was resumed by another process meanwhile. Look at it with phantom runs show, or "
        "resume it again."
    )
    assert [row["iteration"] for row in logged(run)] == list(range(8))


def test_what_was_logged_and_is_lost_or_damaged_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = cut(tmp_path, 5, **settings_of("steps"))
    lines = (run / "metrics.jsonl").read_bytes().splitlines(keepends=True)
    (run / "metrics.jsonl").write_bytes(b"".join([*lines[:2], b"?\n", *lines[3:]]))
    with pytest.raises(KeyboardInterrupt):
        ph.resume(run, hooks=[Cut(6)])
    (resumed,) = json.loads((run / "run.json").read_text())["resumed"]
    (difference,) = resumed["differences"]
    assert difference.startswith(f"{run / 'metrics.jsonl'} is damaged in line 3: ")
    (run / "metrics.jsonl").unlink()
    results = ph.resume(run, hooks=[])
    assert caplog.messages[-1].startswith(f"{run / 'metrics.jsonl'} has 0 of the ")
    assert [row["iteration"] for row in results.history] == [6, 7]


def test_what_goes_on_from_a_run_of_another_is_not_signed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = cut(tmp_path, 5, **settings_of("q-learning"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state-of-another"))
    ph.resume(run, hooks=[], trust=True)
    saved = ph.tools.SavedRun.read(run)
    assert not saved.is_signed
    assert not any(one.is_signed for one in saved.checkpoints())


def test_a_masked_setting_that_is_given_again_is_no_difference(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Locked(Walks):
        def __init__(self, api_key: str) -> None:
            super().__init__()

    monkeypatch.setitem(globals(), "Locked", Locked)
    Locked.__qualname__ = "Locked"
    given = {"api_key": "sesame-open"}
    settings = settings_of("steps") | {"env": Locked, "env_config": given}
    run = cut(tmp_path, 5, **settings)
    ph.resume(run, hooks=[], env_config=given)
    (resumed,) = json.loads((run / "run.json").read_text())["resumed"]
    assert resumed["differences"] == []


def test_a_run_without_checkpoints_says_so(tmp_path: Path) -> None:
    run = cut(tmp_path, 0, **settings_of("steps"))
    with pytest.raises(ph.errors.RunDirectoryError) as caught:
        ph.resume(run)
    assert str(caught.value) == (
        f"The run {run} cannot be resumed: it has no checkpoint in checkpoints that can be read. Train it "
        f"anew: phantom train {run / 'config.toml'}"
    )


def test_a_misspelt_setting_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ph.errors.ConfigError) as caught:
        ph.resume(tmp_path, worker=4)
    assert str(caught.value) == (
        "A run was to be resumed with worker=…, which is no setting. Did you mean 'workers'? Give what "
        "ph.train takes."
    )


FIXED = (
    "A run was to be resumed with another {}, which makes a run what it is. Leave it as it was, or begin a "
    "new run with it: phantom train, or ph.train."
)


@pytest.mark.parametrize("name", ["seed", "trainer", "name", "run_dir"])
def test_what_makes_a_run_what_it_is_cannot_be_another(name: str, tmp_path: Path) -> None:
    with pytest.raises(ph.errors.ConfigError) as caught:
        ph.resume(tmp_path, **{name: "x"})
    assert str(caught.value) == FIXED.format(name)


@pytest.mark.parametrize(
    ("name", "value"), [("seed", "4"), ("trainer.name", "ppo"), ("name", "x"), ("run_dir", "elsewhere")]
)
def test_nor_on_the_command_line(name: str, value: str, tmp_path: Path, phantom: Callable[..., Any]) -> None:
    run = cut(tmp_path, 5, **settings_of("q-learning"))
    (run / "config.toml").write_text(
        (run / "config.toml").read_text().partition("[not_in_file]")[0].replace("hooks = []", "")
    )
    outcome = phantom("resume", run, "--trust", "--set", f"{name}={value}")
    assert (outcome.code, outcome.err) == (2, f"Error: {FIXED.format(name)}\n")


def test_a_run_that_is_still_running_is_not_resumed(tmp_path: Path) -> None:
    run = cut(tmp_path, 5, **settings_of("steps"))
    facts = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps(facts | {"status": "running"}))
    pid = facts["process"]["pid"]
    with pytest.raises(ph.errors.RunDirectoryError) as caught:
        ph.resume(run)
    assert str(caught.value) == (
        f"The run {run} is still running, as process {pid}. Wait for its end, or end it: kill {pid}"
    )


def test_other_versions_and_settings_are_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run = cut(tmp_path, 5, **settings_of("q-learning"))
    facts = json.loads((run / "run.json").read_text())
    facts["versions"]["numpy"] = "1.0"
    facts["plugins"][0]["sha256"] = "0"
    facts["blas_threads"] = {"openblas": 64}
    (run / "run.json").write_text(json.dumps(facts))
    ph.resume(run, hooks=[], trainer_config={"q-learning": {"alpha": 0.5}})
    now = json.loads((run / "run.json").read_text())
    (resumed,) = now["resumed"]
    plugin = facts["plugins"][0]
    assert resumed["differences"] == [
        "trainer.q-learning.alpha: default → 0.5",
        f"numpy 1.0 → {np.__version__}",
        f"the files of {plugin['distribution']} {plugin['version']} were changed",
        f"BLAS threads: {facts['blas_threads']} → {now['blas_threads']}",
    ]
    assert caplog.messages[-1] == (
        "The run is resumed, but may go on in another way than if it had not been cut: "
        f"{'; '.join(resumed['differences'])}."
    )


def test_a_metrics_file_that_lost_lines_is_named_and_the_run_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = cut(tmp_path, 5, **settings_of("steps"))
    file = run / "metrics.jsonl"
    content = file.read_bytes()
    file.write_bytes(content[:-9])  # as after a power failure
    results = ph.resume(run, hooks=[])
    assert [row["iteration"] for row in results.history] == [0, 1, 2, 3, 5, 6, 7]
    assert (
        f"{file} has {len(content) - 9:,} of the {len(content):,} bytes that it had when the checkpoint was "
        "written. What is missing stays missing; the run goes on."
    ) in caplog.messages


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"rounds": "x"}, "cannot be read: Expected `int`, got `str` - at `$.rounds`."),
        (
            {"hook_failures": [["a"]]},
            "cannot be read: Expected `array` of length 6, got 1 - at `$.hook_failures[0]`.",
        ),
    ],
)
def test_a_checkpoint_that_nothing_can_go_on_from_is_named(
    changes: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    run = cut(tmp_path, 5, **settings_of("q-learning"))
    folder = max((run / "checkpoints").iterdir())
    ph.tools.save_checkpoint(folder, {**ph.tools.load_checkpoint(folder), **changes})
    with pytest.raises(ph.errors.CheckpointError) as caught:
        ph.resume(run, checkpoint=folder)
    assert str(caught.value) == f"The checkpoint {folder} {reason}"


def test_a_trainer_that_cannot_take_its_state_is_named(tmp_path: Path) -> None:
    run = cut(tmp_path, 5, **settings_of("q-learning"))
    folder = max((run / "checkpoints").iterdir())
    state = ph.tools.load_checkpoint(folder)
    ph.tools.save_checkpoint(folder, state | {"training": {}})
    with pytest.raises(ph.errors.CheckpointError) as caught:
        ph.resume(run, checkpoint=folder)
    assert re.fullmatch(
        rf"The run cannot go on from {re.escape(str(folder))}: KeyError: '\w+'( \(.*\))?\. Take an earlier "
        r"checkpoint, or mend load_state_dict\(\) of its trainer or policies\.",
        str(caught.value),
    )
