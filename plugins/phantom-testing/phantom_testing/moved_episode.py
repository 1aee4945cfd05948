"""An episode that goes on in another env, as when a run is resumed: of envs that save their episodes."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import phantom_core as ph
from phantom_testing.carried_state import StateError, carry
from phantom_testing.raised_place import raised_place


class MovedEpisodeEnv:
    """Plays an env up to a step, and goes on in a new one that is given what the first one saved.

    Attributes:
        now: the env that is played now.
    """

    def __init__(
        self, make: Callable[[], ph.MultiAgentEnv], step: int, carried: Mapping[str, Any] | None
    ) -> None:
        self._make, self._step, self._carried = make, step, carried
        self.now: Any = make()
        self._seed: int | None = None
        self._played = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.now, name)

    def reset(self, seed: int | None = None, options: Mapping[str, Any] | None = None) -> Any:
        """Start an episode."""
        self._seed, self._played = seed, 0
        return self.now.reset(seed=seed, options=options)

    def step(self, actions: Mapping[ph.AgentID, ph.Action]) -> ph.StepResult:
        """Play one step; raise `StateError` if the episode cannot be moved before it."""
        if self._played == self._step:
            self._move()
        self._played += 1
        return ph.StepResult(*self.now.step(actions))

    def close(self) -> None:
        """Close the env that is played now."""
        self.now.close()

    def _move(self) -> None:
        saved = _as_in_a_checkpoint(self.now)
        self.now.close()
        env: Any = self._make()
        self.now = env
        if self._carried is not None:
            carry(env, self._carried)
        env.reset(seed=self._seed)
        try:
            env.load_state_dict(saved["env"])
            if isinstance(env, ph.PhantomEnv):
                env.restore_episode(saved["framework"])
        except Exception as error:  # whatever a user's env raises
            raise StateError(
                f"load_state_dict() of a new env raised {ph.tools.error_text(error)}{raised_place(error)} in "
                f"step {self._played} of an episode. Let it take what state_dict() returned."
            ) from error


def _as_in_a_checkpoint(env: Any) -> dict[str, Any]:
    """Return where the episode stands, as it comes from a checkpoint."""
    try:
        state = {"env": env.state_dict(), "framework": None}
    except Exception as error:  # whatever a user's env raises
        raise StateError(
            f"state_dict() raised {ph.tools.error_text(error)}{raised_place(error)} in the middle of an "
            "episode. An env that sets saves_episodes is asked for it there, too."
        ) from error
    if isinstance(env, ph.PhantomEnv):
        state["framework"] = env.episode_state()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "episode"
        try:
            ph.tools.save_checkpoint(path, state)
        except ph.errors.CheckpointError as error:
            raise StateError(f"what state_dict() returned cannot be saved: {error}") from error
        return ph.tools.load_checkpoint(path)
