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
