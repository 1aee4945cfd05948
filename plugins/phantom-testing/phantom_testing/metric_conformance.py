"""`MetricConformance`: a metric only watches."""

from __future__ import annotations

import copy
import gc
import weakref
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np

import phantom_core as ph
from phantom_testing.conformance import Conformance, require
from phantom_testing.episode_trace import fingerprint
from phantom_testing.global_random import GlobalRandom, restored_afterwards
from phantom_testing.play_episode import EnvCheck, Moment, play_episode
from phantom_testing.toy_agents import ToyForm
from phantom_testing.toy_envs import IdentityEnv
from phantom_testing.toy_trainer import ToyTrainer
from phantom_testing.trial_runs import Trial, changed, states

MODES: tuple[ph.metrics.Mode, ph.metrics.Mode] = ("train", "evaluate")
NUM_STEPS = 5
SEEDS = (1, 2, 3)


class MetricConformance(Conformance):
    """Checks a metric: `class TestMyMetric(MetricConformance): name = "my-metric"`.

    Attributes:
        env: makes an env in which the metric has values; default: `IdentityEnv` with agents A1 and A2.
    """

    kind = "metric"
    base = ph.Metric
    env: ClassVar[Callable[..., Any] | None] = None

    def make_env(self, **config: Any) -> Any:
        """Return an env in which the metric has values."""
        env = self.option("env")
        return IdentityEnv(2, **config) if env is None else env()

    def values(self) -> list[Any]:
        """Return what the metric reads in an episode with random actions."""
        metric, env = self.build(), self.make_env()
        found: dict[str, list[Any]] = {}
        with restored_afterwards() as global_random:
            _play(env, global_random, lambda: ph.metrics.record_metrics(env, {"metric": metric}, found))
        return found.get("metric", [])

    def test_it_has_values(self) -> None:
        """It can be read after a step, and reduced to numbers."""
        values = self.values()
        require(
            values,
            f"{self.subject} has no value in {NUM_STEPS} steps of {type(self.make_env()).__name__}. Set env "
            "to one in which it has, or config to what exists there.",
        )
        for mode in MODES:
            reduced = self.build().reduce(list(values), mode)
            require(
                reduced is not ph.metrics.not_recorded and _is_numeric(reduced, mode),
                f"{self.subject} reduces the values of an episode to {reduced!r} with mode={mode!r}. "
                f"Expected {'a number' if mode == 'train' else 'a number or an array of numbers'}.",
            )

    def only_watches(self) -> bool:
        """Tell whether an episode is the same with the metric as without."""
        metric, env, alone = self.build(), self.make_env(), self.make_env()
        with restored_afterwards() as global_random:
            watched = _play(env, global_random, lambda: metric.extract(env))
            unwatched = _play(alone, global_random, lambda: None)
        return fingerprint(watched) == fingerprint(unwatched)

    def test_reading_it_changes_nothing_in_the_env(self) -> None:
        """The episode is the same with the metric as without."""
        require(
            self.only_watches(),
            f"{self.subject} changes the episode that it measures. Expected the same one without it: read "
            "only, and draw no random numbers from the env or its agents.",
        )

    def test_reducing_leaves_the_values_as_they_are(self) -> None:
        """The same values can be reduced again."""
        values, metric = self.values(), self.build()
        for mode in MODES:
            handed = list(values)
            first = fingerprint(metric.reduce(handed, mode))
            require(
                fingerprint(handed) == fingerprint(values)
                and fingerprint(metric.reduce(handed, mode)) == first,
                f"{self.subject} changes the values that reduce() is handed, or reduces them to something "
                "else the second time. Expected reduce() to depend on them only, and to leave them alone.",
            )

    def test_an_episode_is_measured_by_itself(self) -> None:
        """What was measured before, or is measured side by side, does not count."""
        alone = [self._measured([self.build()], [seed]) for seed in SEEDS]
        metric = self.build()
        try:
            after = [self._measured([metric], [seed]) for seed in SEEDS]
            together = self._measured([self.build()] * len(SEEDS), SEEDS)
        except Exception:  # whatever a metric raises, which the check of training says
            return
        for how, found in (("after another one", after), ("while another one is played", [together])):
            require(
                [one for part in found for one in part] == [one for part in alone for one in part],
                f"{self.subject} measures another thing in an episode {how} than in the episode alone. "
                "Expected the same: keep nothing in the metric; extract() reads the env, reduce() gets "
                "all values of "
                "one episode.",
            )

    def _measured(self, metrics: Sequence[ph.Metric], seeds: Sequence[int]) -> list[str]:
        """Play episodes side by side; return what each metric read in its own, and both reductions."""
        envs = [self.make_env() for _ in seeds]
        found: list[dict[str, list[Any]]] = [{} for _ in seeds]
        with restored_afterwards():
            for env, seed in zip(envs, seeds, strict=True):
                env.reset(seed=seed)
            for step in range(NUM_STEPS):
                for env, metric, seed, values in zip(envs, metrics, seeds, found, strict=True):
                    env.step(_actions(env, seed + 100 * step))
                    ph.metrics.record_metrics(env, {"metric": metric}, values)
        return [
            fingerprint(
                [values, *(ph.metrics.reduce_metrics({"metric": metric}, values, mode) for mode in MODES)]
            )
            for metric, values in zip(metrics, found, strict=True)
        ]

    def test_both_modes_agree_on_a_single_value(self) -> None:
        """Of one value, its mean, sum, last and most are all the same."""
        value = self.values()[:1]
        if not value:
            return  # which another check says
        train, evaluate = (self.build().reduce(list(value), mode) for mode in MODES)
        require(
            not _is_numeric(evaluate, "evaluate") or np.allclose(np.mean(evaluate), train, equal_nan=True),
            f"{self.subject} reduces the only value {value[0]!r} of an episode to {train!r} while training, "
            f"but to {evaluate!r} in evaluations. Expected the same: look at what reduce() does for each "
            "mode.",
        )

    def test_it_keeps_no_env(self) -> None:
        """When a run lets go of an env, it is gone."""
        metric = self.build()
        gone = self._played_with(metric)
        gc.collect()
        require(
            gone() is None,
            f"{self.subject} keeps the env that it was read from. Expected it to keep nothing: return a "
            "number or a copy from extract().",
        )

    def _played_with(self, metric: ph.Metric) -> weakref.ref[Any]:
        """Play an episode and let go of its env."""
        env = self.make_env()
        with restored_afterwards() as global_random:
            _play(env, global_random, lambda: metric.extract(env))
        return weakref.ref(env)

    def test_training_goes_on_as_without_it(self) -> None:
        """Nothing fails, and the weights are the same."""
        if not self.values() or not self.only_watches():
            return  # which other checks say
        trial = Trial(trainer=ToyTrainer, form=ToyForm(), subject="The kit's own trainer")
        env = self._trial_env if self.option("env") is None else self.make_env
        alone = trial.run(env=env)
        measured = trial.run(env=env, metrics={"metric": self.build()})
        where = "; ".join(measured.hook_failures).removesuffix(".") or changed(
            states(alone.policies), states(measured.policies)
        )
        require(
            not where,
            f"{self.subject} disturbs training: {where}. Expected the same weights as without it, and no "
            "exception.",
        )

    def _trial_env(self, **config: Any) -> Any:
        return self.make_env(**config)


def _actions(env: Any, seed: int) -> dict[ph.AgentID, Any]:
    """Return an action of everybody whose turn it is."""
    acting = getattr(env, "acting_agent_ids", None)
    actions = {}
    for agent_id, space in env.action_spaces.items():
        if acting is None or agent_id in acting:
            chosen = copy.deepcopy(space)
            chosen.seed(seed)
            actions[agent_id] = chosen.sample()
    return actions


def _play(env: Any, global_random: GlobalRandom, look: Callable[[], object]) -> Any:
    """Play an episode with random actions; look after each step."""
    return play_episode(env, 1, NUM_STEPS, global_random, checks=[_AfterEachStep(look)]).trace


class _AfterEachStep(EnvCheck):
    def __init__(self, look: Callable[[], object]) -> None:
        self._look = look

    def look(self, moment: Moment) -> tuple[()]:
        if moment.step:
            self._look()
        return ()


def _is_numeric(value: Any, mode: ph.metrics.Mode) -> bool:
    try:
        array = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        return False
    return mode == "evaluate" or array.ndim == 0
