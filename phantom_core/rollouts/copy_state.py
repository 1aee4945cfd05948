"""Where a copy of an env stands, as arrays and JSON values."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from phantom_core.errors import CheckpointError
from phantom_core.policies.batching import rows_of
from phantom_core.rollouts.space_batcher import make_batcher
from phantom_core.types import Action, AgentID, PolicyID

_PLAIN: Final = {bool, int, float}


def encode_history(
    history: Sequence[Mapping[AgentID, Action]], policies: Mapping[AgentID, tuple[PolicyID, gym.Space[Any]]]
) -> dict[str, Any]:
    """Return the actions of an episode's steps, by `repr` of the agent: when it acted, and how.

    A long episode makes a large checkpoint, so distances between steps are kept, and integers take a byte.
    """
    found: dict[AgentID, dict[int, Action]] = {}
    for step, chosen in enumerate(history):
        for agent_id, action in chosen.items():
            found.setdefault(agent_id, {})[step] = action
    agents = {
        repr(agent_id): {
            "policy": policies[agent_id][0],
            "steps": _small(np.diff(list(actions), prepend=0)),
            "actions": encode_elements(policies[agent_id][1], list(actions.values())),
        }
        for agent_id, actions in found.items()
    }
    return {"length": len(history), "agents": agents}


def decode_history(
    state: Mapping[str, Any], action_spaces: Mapping[PolicyID, gym.Space[Any]]
) -> list[dict[str, Action]]:
    """Return what `encode_history` encoded, with the `repr` of each agent in the place of its id."""
    history: list[dict[str, Action]] = [{} for _ in range(int(state["length"]))]
    for name, taken in state["agents"].items():
        actions = decode_elements(action_spaces[taken["policy"]], taken["actions"])
        for step, action in zip(np.cumsum(taken["steps"]).tolist(), actions, strict=True):
            history[step][name] = action
    return history


def encode_values(values: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    """Return what metrics recorded, by name: as an array if all values of a metric are of one type.

    Raises:
        CheckpointError: if a metric has values other than numbers, or arrays of numbers of one shape.
    """
    found = {}
    for name, recorded in values.items():
        kinds = set(map(type, recorded))
        if kinds <= _PLAIN:
            one_type = len(kinds) == 1 and np.asarray(recorded).dtype.kind in "bif"
            found[name] = {"plain": np.array(recorded) if one_type else list(recorded)}
            continue
        try:
            array = np.array(recorded)
        except ValueError:  # of several shapes
            array = np.array(None)
        is_numpy = all(issubclass(kind, (np.generic, np.ndarray)) for kind in kinds)
        if len(kinds) > 1 or not is_numpy or array.dtype.hasobject:
            raise CheckpointError(
                f"the metric {name!r} recorded {recorded[-1]!r}. Let it record numbers, or arrays of numbers "
                "of one shape."
            )
        found[name] = {"numpy": array}
    return found


def decode_values(saved: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Return what `encode_values` encoded."""
    found = {}
    for name, own in saved.items():
        plain = own.get("plain", ())
        found[name] = list(own["numpy"]) if "numpy" in own else np.asarray(plain, object).tolist()
    return found


def digest(parts: Iterable[object]) -> str:
    """Return a hash of observations, rewards and generators: equal only if all bits are equal."""
    found = hashlib.sha256()
    for part in parts:
        _feed(found, part)
    return found.hexdigest()


def generators_of(env: Any) -> list[object]:
    """Return the states of the named generators that an env and its agents have used so far."""
    owners = [env, *getattr(env, "agents", {}).values()]
    states: list[object] = []
    for owner in owners:
        made = getattr(owner, "__dict__", {})
        if "random" in made and hasattr(made["random"], "getstate"):
            states.append(repr(made["random"].getstate()))
        if isinstance(made.get("rng"), np.random.Generator):
            states.append(json.dumps(made["rng"].bit_generator.state, default=repr, sort_keys=True))
    return states


def encode_elements(space: gym.Space[Any], elements: list[Any]) -> Any:
    """Return elements of a space, such as observations or actions, as a checkpoint holds them."""
    if isinstance(space, (gym.spaces.Box, gym.spaces.MultiDiscrete, gym.spaces.MultiBinary)):
        return np.array(elements)
    if isinstance(space, gym.spaces.Discrete):
        return _small(np.array(elements, dtype=np.int64))
    batcher = make_batcher(space)
    return encode_batch(batcher.joined([batcher.batch(elements)]))


def decode_elements(space: gym.Space[Any], saved: Any) -> list[Any]:
    """Return what `encode_elements` encoded."""
    if isinstance(space, gym.spaces.Box):
        return [np.array(element) for element in saved]  # also where the shape is ()
    if isinstance(space, gym.spaces.Discrete):
        return list(saved.tolist())
    return rows_of(decode_batch(space, saved))


def encode_batch(batch: Any) -> Any:
    """Return a batch with its tuples as lists, as a checkpoint holds them."""
    if isinstance(batch, dict):
        return {str(key): encode_batch(part) for key, part in batch.items()}
    return [encode_batch(part) for part in batch] if isinstance(batch, tuple) else batch


def decode_batch(space: gym.Space[Any], saved: Any) -> Any:
    """Return what `encode_batch` encoded, laid out as the space is."""
    if isinstance(space, gym.spaces.Dict):
        return {key: decode_batch(part, saved[str(key)]) for key, part in space.spaces.items()}
    if isinstance(space, gym.spaces.Tuple):
        return tuple(decode_batch(part, own) for part, own in zip(space.spaces, saved, strict=True))
    return saved


def _small(numbers: NDArray[np.int64]) -> NDArray[Any]:
    """Return integers in the smallest type that holds them."""
    low, high = int(numbers.min(initial=0)), int(numbers.max(initial=0))
    return numbers.astype(np.min_scalar_type(high if low >= 0 else min(low, -1 - high)))


def _feed(found: Any, part: object) -> None:
    if isinstance(part, np.ndarray) and not part.dtype.hasobject:
        found.update(f"{part.dtype.str}{part.shape}".encode() + part.tobytes())
    elif isinstance(part, Mapping):
        for key, value in part.items():
            found.update(repr(key).encode())
            _feed(found, value)
    elif isinstance(part, (tuple, list)):
        for value in part:
            _feed(found, value)
    else:
        found.update(repr(part).encode() + b";")
