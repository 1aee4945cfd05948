"""Names for ids: any hashable value."""

from collections.abc import Hashable
from typing import TypeAlias

AgentID: TypeAlias = Hashable
PolicyID: TypeAlias = Hashable
StageID: TypeAlias = Hashable
