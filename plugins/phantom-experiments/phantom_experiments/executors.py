"""`Executor`: the kind of component that decides where the tasks of a study are played."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic, TypeVar

import phantom_core as ph

Task = TypeVar("Task")
Outcome = TypeVar("Outcome")


class WorkerLostError(ph.errors.PhantomError):
    """The processes that played a task died, as often as it was tried.

    Attributes:
        task: the task.
        how: how the last process ended.
    """

    def __init__(self, task: object, how: str) -> None:
        super().__init__(
            f"The process that played {task} died ({how}), and so did another one. Often memory ran out: use "
            "fewer workers, or make the task smaller."
        )
        self.task, self.how = task, how


class Executor(ABC, Generic[Task, Outcome]):
    """Calls one function for many tasks, somewhere.

    A subclass says how a task is handed over (`submit`) and how outcomes come back (`wait`), in any order;
    `run` puts them in order, and never has more tasks out than `window`, so that memory is bounded.

    Attributes:
        slots: how many tasks may be handed over at a time; set by `start`.
    """

    slots: int = 1

    @abstractmethod
    def start(self, play: Callable[[Task], Outcome]) -> None:
        """Get ready to call a function; `play` can be pickled by cloudpickle.

        Raises:
            ConfigError: if it cannot be sent to where it is called.
        """

    @abstractmethod
    def submit(self, number: int, task: Task) -> None:
        """Hand over a task; at most `slots` are out at a time."""

    @abstractmethod
    def wait(self) -> list[tuple[int, Outcome]]:
        """Return the outcomes of tasks, at least one, with their numbers; wait until there is one."""

    @abstractmethod
    def close(self) -> None:
        """End everything that was started, also in the middle of tasks; it may be called again."""

    def run(self, play: Callable[[Task], Outcome], tasks: Iterable[Task]) -> Iterator[Outcome]:
        """Yield the outcomes in the order of the tasks, which are taken as they are needed.

        Closing the iterator, or an exception, ends everything that was started.
        """
        try:
            self.start(play)
            yield from self._ordered(iter(tasks))
        finally:
            self.close()

    def _ordered(self, tasks: Iterator[Task]) -> Iterator[Outcome]:
        ready: dict[int, Any] = {}  # what came back before its turn
        first, submitted, out = 0, 0, 0
        has_more = True
        while has_more or out or ready:
            while has_more and out < self.slots and submitted - first < 4 * self.slots:
                try:
                    task = next(tasks)
                except StopIteration:
                    has_more = False
                    break
                self.submit(submitted, task)
                submitted, out = submitted + 1, out + 1
            if out:
                for number, outcome in self.wait():
                    ready[number] = outcome
                    out -= 1
            while first in ready:
                yield ready.pop(first)
                first += 1
