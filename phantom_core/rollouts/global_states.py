"""`GlobalStates`: the global state of each copy of an env as it is now, for centralised critics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from phantom_core.errors import ConfigError, EnvError
from phantom_core.rollouts.snapshot import snapshot
from phantom_core.rollouts.space_batcher import OutsideSpaceError, make_batcher
from phantom_core.rollouts.vector_env import VectorEnv


class GlobalStates:
    """Asks copies of an env for their states.

    Attributes:
        now: the newest state of each copy.
        batcher: makes batches of states.
    """

    def __init__(self, envs: VectorEnv) -> None:
        """Prepare; raise `ConfigError` if the envs have no global state."""
        space = getattr(envs.facts(0), "state_space", None)
        if space is None:
            raise ConfigError(
                f"The global state is needed, but {envs.env_name} has none: state_space is None. Give "
                "it state_space and state(), or use a trainer that does without."
            )
        self.now: list[Any] = [None] * envs.num_copies
        self.batcher = make_batcher(space)
        self._envs = envs

    def look(self, env_indices: Sequence[int]) -> None:
        """Ask these copies.

        Raises:
            CopyError: if a copy raises.
            EnvError: if a state is not in the space.
        """
        found = self._envs.states(env_indices)
        try:
            self.batcher.checked(found)
        except OutsideSpaceError as error:
            raise EnvError(
                f"state() of {self._envs.env_name} returned {found[error.index]!r}, which is not in its "
                f"state_space, {self.batcher.space}. Change state(), or the space."
            ) from None
        for index, state in zip(env_indices, found, strict=True):
            self.now[index] = snapshot(state)
