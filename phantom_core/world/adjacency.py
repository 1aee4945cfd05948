"""Connections as an adjacency matrix, and as a graph of networkx."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from phantom_core.errors import ConfigError
from phantom_core.types import AgentID

if TYPE_CHECKING:
    import networkx as nx

    from phantom_core.world.topology import Topology


def pairs_of_matrix(
    agent_ids: Sequence[AgentID], matrix: Any, *, directed: bool
) -> list[tuple[AgentID, AgentID]]:
    """Return the pairs of ids that an adjacency matrix connects; each once unless `directed`.

    Raises:
        ConfigError: if the matrix is not square, does not fit the ids, connects an agent with itself, or
            is not symmetric though it has to be.
    """
    entries = np.asarray(matrix)
    number = len(agent_ids)
    if entries.shape != (number, number):
        raise ConfigError(
            f"The adjacency matrix has shape {entries.shape}, but there are {number} agent ids. "
            f"Expected shape ({number}, {number})."
        )
    is_connected = entries > 0
    loops = [agent_ids[i] for i in range(number) if is_connected[i, i]]
    if loops:
        raise ConfigError(
            f"The adjacency matrix connects {loops[0]!r} with itself. Expected zeros on its diagonal."
        )
    if not directed:
        uneven = np.argwhere(is_connected != is_connected.T)
        if len(uneven):
            i, j = uneven[0]
            raise ConfigError(
                f"The adjacency matrix is not symmetric: it has {entries[i, j]} from {agent_ids[i]!r} to "
                f"{agent_ids[j]!r}, but {entries[j, i]} back. Mend it, or pass directed=True."
            )
        is_connected = np.triu(is_connected)
    return [(agent_ids[i], agent_ids[j]) for i, j in np.argwhere(is_connected)]


def digraph(topology: Topology) -> nx.DiGraph[AgentID]:
    """Return the agents and connections as a directed graph of networkx.

    Raises:
        ConfigError: if networkx is not installed.
    """
    try:
        import networkx as nx
    except ImportError as error:
        raise ConfigError("to_networkx() needs networkx. Run: pip install networkx") from error
    graph: nx.DiGraph[AgentID] = nx.DiGraph()
    graph.add_nodes_from(topology.agents)
    graph.add_edges_from(topology.connections())
    return graph
