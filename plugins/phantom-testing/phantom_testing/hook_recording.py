"""`hook_recorder`: a plugin that writes down which hooks fired, in which order, with which events."""

from __future__ import annotations

from typing import Any

import phantom_core as ph


class HookRecorder(ph.Hooks):
    """Implements every life-cycle hook, and keeps what it is told.

    Attributes:
        calls: the name of the hook and its event, in the order in which they fired.
    """

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[str, Any]] = []

    @property
    def names(self) -> list[str]:
        """The names of the hooks that fired, in order."""
        return [name for name, _ in self.calls]

    def events(self, hook: str) -> list[Any]:
        """Return the events of one hook, in order."""
        return [event for name, event in self.calls if name == hook]

    def on_train_start(self, event: ph.TrainStart) -> None:
        """Keep the event."""
        self.calls.append(("on_train_start", event))

    def on_iteration_start(self, event: ph.IterationStart) -> None:
        """Keep the event."""
        self.calls.append(("on_iteration_start", event))

    def on_episode_end(self, event: ph.EpisodeEnd) -> None:
        """Keep the event."""
        self.calls.append(("on_episode_end", event))

    def on_evaluation_end(self, event: ph.EvaluationEnd) -> None:
        """Keep the event."""
        self.calls.append(("on_evaluation_end", event))

    def on_metrics(self, event: ph.MetricsRecorded) -> None:
        """Keep the event."""
        self.calls.append(("on_metrics", event))

    def on_iteration_end(self, event: ph.IterationEnd) -> None:
        """Keep the event."""
        self.calls.append(("on_iteration_end", event))

    def should_stop(self, event: ph.IterationEnd) -> str | None:
        """Keep the event; never ask to stop."""
        self.calls.append(("should_stop", event))
        return None

    def on_checkpoint(self, event: ph.CheckpointSaved) -> None:
        """Keep the event."""
        self.calls.append(("on_checkpoint", event))

    def on_exception(self, event: ph.TrainFailed) -> None:
        """Keep the event."""
        self.calls.append(("on_exception", event))

    def on_train_end(self, event: ph.TrainEnd) -> None:
        """Keep the event."""
        self.calls.append(("on_train_end", event))


def hook_recorder() -> HookRecorder:
    """Return a plugin for `ph.train(hooks=[...])` that writes down every hook that fires."""
    return HookRecorder()
