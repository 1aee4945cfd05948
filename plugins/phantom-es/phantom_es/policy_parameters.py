"""The numbers of a policy that a search changes: the entry `parameters` of its `state_dict()`."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

import phantom_core as ph

ENTRY: Final = "parameters"


def read_parameters(policy_id: ph.PolicyID, policy: ph.BasePolicy) -> NDArray[np.float64]:
    """Return the parameters of a policy as one vector, float64 [n].

    Raises:
        ConfigError: if its state has no such entry, or that is no array of finite floats.
    """
    state = policy.state_dict()
    who = f"Policy {policy_id!r} ({type(policy).__name__})"
    advice = (
        f"es searches the numbers in state_dict()['{ENTRY}']: return an array of floats there, and take it "
        "over in load_state_dict()."
    )
    if ENTRY not in state:
        entries = ph.tools.listing(state) or "none"
        raise ph.errors.ConfigError(f"{who} has no parameters: its state_dict() has {entries}. {advice}")
    found = np.asarray(state[ENTRY])
    if found.dtype.kind != "f" or not found.size or not np.isfinite(found).all():
        raise ph.errors.ConfigError(f"{who} has the parameters {_shown(state[ENTRY])}. {advice}")
    return found.astype(np.float64).ravel()


def write_parameters(policy: ph.BasePolicy, vector: NDArray[np.float64]) -> None:
    """Give a policy other parameters, in the shape and type of its own; the rest of its state stays."""
    state = policy.state_dict()
    own = np.asarray(state[ENTRY])
    policy.load_state_dict({**state, ENTRY: vector.reshape(own.shape).astype(own.dtype)})


def check_takes_parameters(policy_id: ph.PolicyID, policy: ph.BasePolicy) -> None:
    """Raise `ConfigError` if a policy keeps its parameters whatever it is given; it is left as it was."""
    before = read_parameters(policy_id, policy)
    write_parameters(policy, before + 1.0)
    has_changed = not np.array_equal(read_parameters(policy_id, policy), before)
    write_parameters(policy, before)
    if not has_changed:
        raise ph.errors.ConfigError(
            f"Policy {policy_id!r} ({type(policy).__name__}) does not take over other parameters, so es "
            f"cannot search them. Let load_state_dict() set them from state['{ENTRY}']."
        )


def _shown(value: Any) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else text[:57] + "..."  # noqa: PLR2004  part of a line
