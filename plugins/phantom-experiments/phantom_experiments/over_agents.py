"""Values over several agents: `gini`, `quantile`, `total`, `mean`, `histogram`, `vector`.

Each is called with an env and reads one attribute of the selected agents: those of a class (also by its
name, as a text), with one of several ids, or for which a function holds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

import phantom_core as ph

Selection: TypeAlias = type[ph.Agent] | str | Sequence[ph.AgentID] | Callable[[ph.Agent], bool]
"""A class of agents; the name of one, or an id; several ids; or a predicate."""


def selected(agents: Mapping[ph.AgentID, ph.Agent], selection: Selection) -> list[ph.Agent]:
    """Return the agents that are selected and are there, in the order of the env."""
    if isinstance(selection, type):
        return [agent for agent in agents.values() if isinstance(agent, selection)]
    if isinstance(selection, str):
        if selection in agents:
            return [agents[selection]]
        return [agent for agent in agents.values() if _is_called(type(agent), selection)]
    if callable(selection):
        return [agent for agent in agents.values() if selection(agent)]
    return [agents[agent_id] for agent_id in selection if agent_id in agents]


def selection_text(selection: Selection) -> str:
    """Return what messages and files call a selection."""
    name = getattr(selection, "__name__", None)
    return str(name) if name else str(selection) if isinstance(selection, str) else repr(selection)


def _is_called(agent_class: type, name: str) -> bool:
    return any(base.__name__ == name for base in agent_class.__mro__)


class CollectError(ph.errors.ConfigError):
    """Something is to be collected that is not there."""


@dataclass(frozen=True)
class OverAgents:
    """What all values over agents have: whose, and which attribute; dots lead into attributes."""

    agents: Selection
    attribute: str

    def values(self, env: Any) -> list[Any]:
        """Return the attribute of each selected agent that is there.

        Raises:
            CollectError: if an agent has no such attribute.
        """
        chosen = selected(env.agents, self.agents)
        try:
            return list(map(attrgetter(self.attribute), chosen))
        except AttributeError as error:
            raise missing_attribute(self.attribute, chosen[0], error) from None

    def numbers(self, env: Any) -> NDArray[np.float64]:
        """Return the values as a float64 array."""
        return np.asarray(self.values(env), dtype=np.float64)


@dataclass(frozen=True)
class gini(OverAgents):  # noqa: N801  called like a function
    """The Gini coefficient: 0 if all have the same, near 1 if one has everything; NaN if nobody is there.

    G = Σᵢ (2i - n - 1) xᵢ / (n Σᵢ xᵢ) of the sorted values x₁ ≤ … ≤ xₙ; 0 where their sum is 0.
    """

    def __call__(self, env: Any) -> float:
        """Return it for an env as it is now."""
        return gini_of(self.numbers(env))


@dataclass(frozen=True)
class quantile(OverAgents):  # noqa: N801  called like a function
    """The q-quantile, interpolated linearly between two agents; NaN if nobody is there."""

    q: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.q <= 1:
            raise ph.errors.ConfigError(f"quantile got q={self.q!r}. Expected a number from 0 to 1.")

    def __call__(self, env: Any) -> float:
        """Return it for an env as it is now."""
        found = self.numbers(env)
        return float(np.quantile(found, self.q)) if len(found) else float("nan")


@dataclass(frozen=True)
class total(OverAgents):  # noqa: N801  called like a function
    """The sum over the agents; 0 if nobody is there."""

    def __call__(self, env: Any) -> float:
        """Return it for an env as it is now."""
        found: float = sum(self.values(env))
        return found


@dataclass(frozen=True)
class mean(OverAgents):  # noqa: N801  called like a function
    """The mean over the agents; NaN if nobody is there."""

    def __call__(self, env: Any) -> float:
        """Return it for an env as it is now."""
        found = self.values(env)
        return float(sum(found) / len(found)) if found else float("nan")


@dataclass(frozen=True)
class histogram(OverAgents):  # noqa: N801  called like a function
    """How many agents are in each of several bins of equal width: an int64 array [bins].

    The last bin holds its upper end too. Agents outside the range are in no bin.
    """

    bins: int = 10
    range: tuple[float, float] = (0.0, 1.0)

    def __post_init__(self) -> None:
        low, high = self.range
        if not isinstance(self.bins, int) or self.bins < 1 or not low < high:
            raise ph.errors.ConfigError(
                f"histogram got bins={self.bins!r} and range={self.range!r}. Expected a positive integer, "
                "and the lowest value first."
            )

    def __call__(self, env: Any) -> NDArray[np.int64]:
        """Return it for an env as it is now."""
        return np.histogram(self.numbers(env), self.bins, self.range)[0].astype(np.int64)


@dataclass(frozen=True)
class vector(OverAgents):  # noqa: N801  called like a function
    """The value of each agent, in the order of the env: a float64 array [agents]."""

    def __call__(self, env: Any) -> NDArray[np.float64]:
        """Return it for an env as it is now."""
        return self.numbers(env)


def gini_of(values: NDArray[np.float64]) -> float:
    """Return the Gini coefficient of values [n], in any order.

    >>> gini_of(np.array([1.0, 1.0])), gini_of(np.array([0.0, 0.0, 0.0, 4.0]))
    (0.0, 0.75)
    """
    n = len(values)
    if not n:
        return float("nan")
    ordered, whole = np.sort(values), float(values.sum())
    weights = 2.0 * np.arange(1, n + 1) - n - 1
    return float(weights @ ordered) / (n * whole) if whole else 0.0


def missing_attribute(attribute: str, owner: object, error: AttributeError) -> CollectError:
    """Return the error that something has no such attribute, with the nearest name."""
    public = [name for name in dir(owner) if not name.startswith("_")]
    return CollectError(
        f"{attribute!r} of {type(owner).__name__} is to be collected, but {error}."
        f"{ph.tools.did_you_mean(attribute, public)} Name an attribute that exists after each step."
    )
