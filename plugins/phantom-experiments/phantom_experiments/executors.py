"""`Executor`: the kind of component that decides where the tasks of a study are played."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from typing import Final, Generic, TypeVar

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
    `map` puts them in order, and is never far ahead of the first that is missing, so that memory is bounded.

    Attributes:
        slots: how many tasks may be handed over at a time; set by `start`.
    """

    slots: int = 1

    @abstractmethod
    def start(self, play: Callable[[Task], Outcome]) -> None:
        """Get ready to call a function, which `pickled_by_value` can send to other processes.

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

    def map(self, tasks: Iterable[Task]) -> Iterator[tuple[Task, Outcome]]:
        """Yield each task with its outcome, in the order of the tasks, which are taken as they are needed.

        Between `start` and `close`; it may be called again when the last one is used up.
        """
        source = iter(tasks)
        waiting: dict[int, Task] = {}
        ready: dict[int, Outcome] = {}  # what came back before its turn
        first, submitted, out, has_more = 0, 0, 0, True
        while has_more or waiting:
            while has_more and out < self.slots and submitted - first < _WINDOW * self.slots:
                task = next(source, _NO_TASK)
                if task is _NO_TASK:
                    has_more = False
                    break
                waiting[submitted] = task  # type: ignore[assignment]  # it is one
                self.submit(submitted, waiting[submitted])
                submitted, out = submitted + 1, out + 1
            if out:
                found = self.wait()
                ready.update(found)
                out -= len(found)
            while first in ready:
                yield waiting.pop(first), ready.pop(first)
                first += 1


_WINDOW: Final = 4
"""So many times its slots an executor may be ahead of the first task whose outcome is missing."""

_NO_TASK: Final = object()
