"""Gymnasium spaces as arrays and JSON values, for saved policies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium import spaces

from phantom_core.errors import CheckpointError


def encode_space(space: spaces.Space[Any]) -> dict[str, Any]:
    """Convert a space to arrays and JSON values.

    Raises:
        CheckpointError: if the kind of space is not supported.
    """
    match space:
        case spaces.Box():
            return {"kind": "Box", "low": space.low, "high": space.high, "dtype": str(space.dtype)}
        case spaces.Discrete():
            return {"kind": "Discrete", "n": int(space.n), "start": int(space.start)}
        case spaces.MultiDiscrete():
            return {
                "kind": "MultiDiscrete",
                "nvec": space.nvec,
                "start": space.start,
                "dtype": str(space.dtype),
            }
        case spaces.MultiBinary():
            return {
                "kind": "MultiBinary",
                "n": [int(n) for n in np.atleast_1d(space.n)],
                "is_flat": isinstance(space.n, int),
            }
        case spaces.Dict():
            return {
                "kind": "Dict",
                "spaces": [[key, encode_space(part)] for key, part in space.items()],
            }
        case spaces.Tuple():
            return {"kind": "Tuple", "spaces": [encode_space(part) for part in space.spaces]}
    raise CheckpointError(
        f"The space {space} cannot be saved. Supported: Box, Discrete, MultiDiscrete, "
        "MultiBinary, Dict and Tuple."
    )


def decode_space(data: Mapping[str, Any]) -> spaces.Space[Any]:
    """Return the space that `encode_space` converted.

    Raises:
        CheckpointError: if the kind of space is unknown.
    """
    match data["kind"]:
        case "Box":
            return spaces.Box(data["low"], data["high"], dtype=np.dtype(data["dtype"]).type)
        case "Discrete":
            return spaces.Discrete(data["n"], start=data["start"])
        case "MultiDiscrete":
            return spaces.MultiDiscrete(data["nvec"], dtype=np.dtype(data["dtype"]).type, start=data["start"])
        case "MultiBinary":
            return spaces.MultiBinary(data["n"][0] if data["is_flat"] else data["n"])
        case "Dict":
            return spaces.Dict({key: decode_space(part) for key, part in data["spaces"]})
        case "Tuple":
            return spaces.Tuple([decode_space(part) for part in data["spaces"]])
    raise CheckpointError(
        f"The checkpoint holds a space of the kind {data['kind']!r}, which is not known here."
    )
