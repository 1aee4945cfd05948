"""What an env tells a recorder, of which `Recorder` is one, and how an env gets one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from phantom_core.envs.step_result import StepResult
from phantom_core.envs.turns import Turn
from phantom_core.types import Action, AgentID, Observation

if TYPE_CHECKING:
    from phantom_core.envs.env import PhantomEnv


Turns: TypeAlias = tuple[Turn, Turn | None]
"""The turn that was played, and the one that comes next; None: the episode ended."""


class EnvRecorder(Protocol):
    """Writes down what happens in one env."""

    def attach(self, env: PhantomEnv) -> None:
        """Called when it is set as the recorder of an env."""

    def detach(self) -> None:
        """Called when the env gets another recorder, or none."""

    def on_reset(
        self,
        env: PhantomEnv,
        turn: Turn,
        observations: Mapping[AgentID, Observation],
        infos: Mapping[AgentID, Mapping[str, Any]],
    ) -> None:
        """Called after each reset, with the first turn."""

    def on_step(
        self, env: PhantomEnv, turns: Turns, actions: Mapping[AgentID, Action], result: StepResult
    ) -> None:
        """Called after each step."""

    def close(self) -> None:
        """Called when the env is closed."""


class Recorded:
    """An env that may have a recorder."""

    _recorder: EnvRecorder | None = None

    @property
    def recorder(self) -> EnvRecorder | None:
        """What writes the episodes of this env, from the next reset on; None: nothing does."""
        return self._recorder

    @recorder.setter
    def recorder(self, recorder: EnvRecorder | None) -> None:
        if self._recorder not in (None, recorder):
            self._recorder.detach()
        if recorder is not None:
            recorder.attach(self)  # type: ignore[arg-type]  # only PhantomEnv derives from this
        self._recorder = recorder

    def close(self) -> None:
        """Release what the env holds; the default closes the recorder."""
        if self._recorder is not None:
            self._recorder.close()
