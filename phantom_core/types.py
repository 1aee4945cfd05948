"""Names for the values that travel between agents, envs and policies: names only, no code."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, TypeAlias

AgentID: TypeAlias = Hashable
"""Names one agent. Any hashable except `"__all__"`; its `repr` names the agent's random streams."""

PolicyID: TypeAlias = str
"""Names one policy of a run."""

StageID: TypeAlias = Hashable
"""Names one turn or stage of an env."""

Observation: TypeAlias = Any
"""An element of an agent's observation space."""

Action: TypeAlias = Any
"""An element of an agent's action space."""
