"""Metrics with one defect each, and one without."""

from collections.abc import Sequence
from typing import Any

import phantom_core as ph


class CorrectMetric(ph.Metric):
    """The reward of A1."""

    def extract(self, env: Any) -> Any:
        return env.agents["A1"].reward

    def reduce(self, values: Sequence[Any], mode: ph.metrics.Mode) -> Any:
        return sum(values)


class HasNoValues(CorrectMetric):
    """Records nothing."""

    def extract(self, env: Any) -> Any:
        return ph.metrics.not_recorded


class ReducesToText(CorrectMetric):
    """Makes a text for people, in evaluations."""

    def reduce(self, values: Sequence[Any], mode: ph.metrics.Mode) -> Any:
        return sum(values) if mode == "train" else f"{sum(values):.1f} in all"


class DrawsFromTheEnv(CorrectMetric):
    """Draws from an agent's generator."""

    def extract(self, env: Any) -> Any:
        if env.agents["A2"].random.random() > 2.0:
            return 0.0
        return super().extract(env) if env.current_step else 0.0


class SortsInPlace(CorrectMetric):
    """Sorts the values that it was handed."""

    def reduce(self, values: Any, mode: ph.metrics.Mode) -> Any:
        values.reverse()
        return values[-1]


class KeepsTheEnv(CorrectMetric):
    """Remembers the env for later."""

    def extract(self, env: Any) -> Any:
        self.env = env
        return super().extract(env)


class FailsInTraining(CorrectMetric):
    """Fails where the env has made more than one episode."""

    def __init__(self) -> None:
        super().__init__()
        self.seeds: set[int] = set()

    def extract(self, env: Any) -> Any:
        self.seeds.add(env.episode_seed)
        if len(self.seeds) > 1:
            raise ValueError("a second episode")
        return super().extract(env)


class NeedsSettings(CorrectMetric):
    """Wants an agent."""

    def __init__(self, agent_id: str) -> None:
        super().__init__()


class AddsUpForEver(CorrectMetric):
    """Adds up the rewards of all episodes."""

    def __init__(self) -> None:
        super().__init__()
        self.total = 0.0

    def extract(self, env: Any) -> Any:
        self.total += super().extract(env)
        return self.total


class RemembersTheLast(CorrectMetric):
    """Measures the change since it was read last, in whichever episode."""

    last = 0.0

    def extract(self, env: Any) -> Any:
        reward, self.last = super().extract(env) - self.last, super().extract(env)
        return reward


class MixesEpisodes(CorrectMetric):
    """Begins anew at the first step, and mixes up episodes that are played side by side."""

    total = 0.0

    def extract(self, env: Any) -> Any:
        if env.current_step == 1:
            self.total = 0.0
        self.total += super().extract(env)
        return self.total


class RunningMean(CorrectMetric):
    """Evaluates to the mean of all episodes so far."""

    def __init__(self) -> None:
        super().__init__()
        self.sums: list[float] = []

    def reduce(self, values: Sequence[Any], mode: ph.metrics.Mode) -> Any:
        if mode == "train":
            return sum(values)
        self.sums.append(sum(values))
        return sum(self.sums) / len(self.sums)


class EvaluatesInPercent(CorrectMetric):
    """Has another unit in evaluations."""

    def reduce(self, values: Sequence[Any], mode: ph.metrics.Mode) -> Any:
        return sum(values) if mode == "train" else 100.0 * sum(values) + 1.0


class EvaluatesNothing(CorrectMetric):
    """Leaves the last value out in evaluations."""

    def reduce(self, values: Sequence[Any], mode: ph.metrics.Mode) -> Any:
        return sum(values) if mode == "train" else sum(values[:-1]) - 1.0
