"""What a study plays, and in which order: all seeds, or as many as a precision needs."""

from __future__ import annotations

import math
import statistics
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import phantom_core as ph
from phantom_experiments.playing import Task


class TaskPlan(ABC):
    """The tasks of a study in their order, which is that of the rows.

    Attributes:
        most: how many tasks there are at most.
        needs_values: whether `take` must be called.
    """

    needs_values: bool

    def __init__(self, num_points: int, num_treatments: int, seeds: Sequence[int]) -> None:
        """Plan for so many points and treatments, and these seeds."""
        self.num_points, self.num_treatments, self.seeds = num_points, num_treatments, seeds
        self.most = num_points * num_treatments * len(seeds)

    @abstractmethod
    def batches(self) -> Iterator[Iterable[Task]]:
        """Yield tasks; a batch is asked for only when all outcomes of the last one were taken."""

    def take(self, task: Task, episodes: Sequence[Mapping[str, Any]]) -> None:
        """Take in what the episodes of a task measured: their rows."""


class EverySeed(TaskPlan):
    """Every seed at every point, with every treatment."""

    needs_values = False

    def batches(self) -> Iterator[Iterable[Task]]:
        """Yield one batch of all tasks: by point, treatment and seed."""
        yield (
            Task(point, treatment, seed)
            for point in range(self.num_points)
            for treatment in range(self.num_treatments)
            for seed in self.seeds
        )


@dataclass(frozen=True)
class Precision:
    """When there are enough seeds; made by `precision`.

    Attributes:
        name: the value whose mean is estimated.
        error: the standard error that is enough.
        batch: how many seeds are played between two looks.
    """

    name: str
    error: float
    batch: int = 20

    def plan(self, num_points: int, num_treatments: int, seeds: Sequence[int]) -> TaskPlan:
        """Return the plan of a study that plays until then."""
        return _UntilPrecise(self, num_points, num_treatments, seeds)


def precision(name: str, error: float, *, batch: int = 20) -> Precision:
    """Say that a study is to play seeds until the mean of a value is known precisely enough.

    Point by point: after every `batch` seeds, all treatments of the point alike, the point is done if the
    standard error of the mean over seeds is at most `error` with every treatment, or the seeds of the study
    are used up. Episodes of a seed are averaged first, and those that raised do not count. What is played
    depends on neither the number of processes nor interruptions. The rows of a point come by batch, and in a
    batch by treatment and seed.

    Args:
        name: a value of the table of episodes.
        error: the standard error that is enough.
        batch: how many seeds are played between two looks, at least 2.

    Raises:
        ConfigError: if the error is not positive, or the batch too small.
    """
    if not isinstance(error, (int, float)) or not error > 0 or not math.isfinite(error):
        raise ph.errors.ConfigError(f"precision got error={error!r}. Expected a positive number.")
    if not isinstance(batch, int) or batch < 2:  # noqa: PLR2004  a standard error needs two
        raise ph.errors.ConfigError(f"precision got batch={batch!r}. Expected an integer of at least 2.")
    return Precision(name, float(error), batch)


class _UntilPrecise(TaskPlan):
    needs_values = True

    def __init__(self, wanted: Precision, num_points: int, num_treatments: int, seeds: Sequence[int]) -> None:
        super().__init__(num_points, num_treatments, seeds)
        self._wanted = wanted
        self._means: list[list[float]] = []  # of the seeds that were played, by treatment

    def batches(self) -> Iterator[Iterable[Task]]:
        """Yield some seeds with every treatment, until the point is done; then the next point."""
        size = self._wanted.batch
        for point in range(self.num_points):
            self._means = [[] for _ in range(self.num_treatments)]
            for first in range(0, len(self.seeds), size):
                seeds = self.seeds[first : first + size]
                yield [Task(point, one, seed) for one in range(self.num_treatments) for seed in seeds]
                if all(map(self._is_precise, self._means)):
                    break

    def take(self, task: Task, episodes: Sequence[Mapping[str, Any]]) -> None:
        """Take in the mean of a seed."""
        name = self._wanted.name
        found = [row[name] for row in episodes if name in row]
        played = [row for row in episodes if "error" not in row]
        if played and not found:
            raise ph.errors.ConfigError(
                f"until is a precision of {name!r}, but no episode has such a value."
                f"{ph.tools.did_you_mean(name, played[0])} Collect it: px.collect(env={{{name!r}: …}})."
            )
        if found:
            self._means[task.treatment].append(math.fsum(found) / len(found))

    def _is_precise(self, means: Sequence[float]) -> bool:
        if len(means) < 2:  # noqa: PLR2004  a standard error needs two
            return False
        return statistics.stdev(means) / math.sqrt(len(means)) <= self._wanted.error
