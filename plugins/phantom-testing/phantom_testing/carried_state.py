"""What an env carries from episode to episode: its `state_dict`, used as by runs that are resumed."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import phantom_core as ph
from phantom_testing.raised_place import raised_place


class StateError(Exception):
    """What is wrong with the state, in a sentence or two."""


def carried_over(env: Any) -> dict[str, Any] | None:
    """Return a copy of what an env carries into its next episode; None: it has no `state_dict`.

    Raises:
        StateError: if it raises.
    """
    if not hasattr(env, "state_dict"):
        return None
    try:
        return copy.deepcopy(env.state_dict())  # type: ignore[no-any-return]  # a user's method
    except Exception as error:  # whatever a user's env raises
        raise StateError(
            f"state_dict() raised {ph.tools.error_text(error)}{raised_place(error)}. It is called before "
            "each reset: return what an episode hands to the next, as NumPy arrays and JSON values."
        ) from error


def carry(env: Any, state: Mapping[str, Any]) -> None:
    """Give a new env what another one carried over, as it comes from a checkpoint.

    Raises:
        StateError: if no checkpoint can hold it, or the env raises.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "carried"
        try:
            ph.tools.save_checkpoint(path, {"carried": state})
        except ph.errors.CheckpointError as error:
            raise StateError(f"what state_dict() returned cannot be saved: {error}") from error
        saved = ph.tools.load_checkpoint(path)
    try:
        env.load_state_dict(saved["carried"])
    except Exception as error:  # whatever a user's env raises
        raise StateError(
            f"load_state_dict() of a new env raised {ph.tools.error_text(error)}{raised_place(error)}. Let "
            "it take what state_dict() returned."
        ) from error
