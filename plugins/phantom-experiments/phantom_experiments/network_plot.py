"""The network of an env as a picture: who may send to whom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

import phantom_core as ph
from phantom_experiments.figures import COLOURS, MARKERS, Look, Plot, Theme
from phantom_experiments.panels import add_legend

if TYPE_CHECKING:  # an extra of this distribution
    from matplotlib.figure import Figure

_MAX_AGENTS: Final = 400
_MAX_NAMED: Final = 30
_ITERATIONS: Final = 300


def plot_network(
    env: ph.PhantomEnv, *, out: str | Path | None = None, theme: Theme | None = None, seed: int = 0
) -> Plot:
    """Return the network of an env: a mark for each agent, by class, and a line for each connection.

    Agents that act have a filled mark, others a hollow one. A connection in one direction only has an arrow.
    The env is reset if it was not, as some envs build their network then.

    Args:
        env: the env, with at most 400 agents.
        out: a file to write the picture to, see `Plot.write`.
        theme: its theme.
        seed: of the reset.

    Raises:
        ConfigError: if the env has no network, no agents, or too many.
        PluginError: if matplotlib is not installed.
    """
    if not isinstance(env, ph.PhantomEnv):
        raise ph.errors.ConfigError(
            f"The env is a {type(env).__name__}, which has no network. Expected a PhantomEnv."
        )
    if not len(env.network):
        env.reset(seed=seed)
    network = env.network
    ids = list(network.agent_ids)
    if not 0 < len(ids) <= _MAX_AGENTS:
        raise ph.errors.ConfigError(
            f"The network has {len(ids):,} agents. Expected 1 to {_MAX_AGENTS}, which can be told apart."
        )
    number_of = {agent_id: number for number, agent_id in enumerate(ids)}
    pairs = {(number_of[u], number_of[v]) for u, v in network.connections()}
    places = laid_out(len(ids), pairs)
    classes: dict[str, list[int]] = {}
    for number, agent_id in enumerate(ids):
        classes.setdefault(type(network.agents[agent_id]).__name__, []).append(number)
    acting = {number for number, a in enumerate(ids) if isinstance(network.agents[a], ph.StrategicAgent)}
    is_tall = np.ptp(places[:, 1]) > np.ptp(places[:, 0])
    if is_tall:
        places = places[:, ::-1]

    def draw(figure: Figure, look: Look) -> None:
        ax = figure.subplots()
        _draw_connections(ax, look, places, pairs)
        _draw_agents(ax, look, places, classes, acting)
        if len(ids) <= _MAX_NAMED:
            for number, agent_id in enumerate(ids):
                ax.annotate(
                    str(agent_id),
                    places[number],
                    (0, 6.5),
                    textcoords="offset points",
                    ha="center",
                    fontsize=6.5,
                )
        ax.set_axis_off()
        ax.margins(0.12, 0.16)
        add_legend(figure, ax, list(classes), scale=0.8 if len(ids) <= _MAX_NAMED else 1.2)

    title = f"Network of {len(ids)} agents and {len(pairs)} connections, of {type(env).__name__}"
    plot = Plot(draw, title=title, height=2.5)
    if out is not None:
        plot.write(out, theme)
    return plot


def _draw_connections(ax: Any, look: Look, places: np.ndarray[Any, Any], pairs: set[tuple[int, int]]) -> None:
    both = {(u, v) for u, v in pairs if (v, u) in pairs and u < v}
    for u, v in sorted(both):
        ax.plot(*places[[u, v]].T, color=look.ink, alpha=0.35, linewidth=0.7, zorder=1)
    for u, v in sorted(pairs):
        if (v, u) not in pairs:
            ax.annotate(
                "", places[v], places[u],
                arrowprops={
                    "arrowstyle": "-|>", "color": look.ink, "alpha": 0.5, "linewidth": 0.7,
                    "shrinkA": 4, "shrinkB": 5, "mutation_scale": 7,
                },
            )  # fmt: skip


def _draw_agents(
    ax: Any, look: Look, places: np.ndarray[Any, Any], classes: Mapping[str, Sequence[int]], acting: set[int]
) -> None:
    size = 42 if len(places) <= _MAX_NAMED else 18
    for kind, (name, members) in enumerate(classes.items()):
        colour = COLOURS[kind % len(COLOURS)]
        is_acting = all(number in acting for number in members)
        ax.scatter(
            *places[members].T, s=size, marker=MARKERS[kind % len(MARKERS)], edgecolors=colour,
            linewidths=1.2, facecolors=colour if is_acting else look.paper, label=name, zorder=3,
        )  # fmt: skip


def laid_out(num: int, pairs: set[tuple[int, int]]) -> np.ndarray[Any, Any]:
    """Return places for the nodes of a graph, as an array `[num, 2]`; the same graph gives the same places.

    Connected nodes attract each other by d²/k, all nodes repel each other by k²/d, and the moves become
    smaller.

    Source: Fruchterman and Reingold 1991, Graph drawing by force-directed placement.
    """
    angles = 2 * np.pi * np.arange(num) / max(num, 1)
    places = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    places += 0.01 * np.stack(
        [np.sin(3 * angles), np.cos(5 * angles)], axis=1
    )  # no exact symmetry to be stuck in
    links = np.array(sorted({(min(p), max(p)) for p in pairs}), dtype=int).reshape(-1, 2)
    distance = 1 / np.sqrt(max(num, 1))
    for step in range(_ITERATIONS):
        between = places[:, None] - places[None]
        lengths = np.maximum(np.linalg.norm(between, axis=2), 1e-3)
        forces = (between * (distance**2 / lengths**2)[..., None]).sum(axis=1)
        pulls = places[links[:, 0]] - places[links[:, 1]]
        pulls *= (np.linalg.norm(pulls, axis=1) / distance)[:, None]
        np.subtract.at(forces, links[:, 0], pulls)
        np.add.at(forces, links[:, 1], pulls)
        forces -= 0.05 * places  # what is not connected stays near
        size = np.maximum(np.linalg.norm(forces, axis=1, keepdims=True), 1e-9)
        places = places + forces / size * np.minimum(size, 0.2 * (1 - step / _ITERATIONS))
    centred: np.ndarray[Any, Any] = places - places.mean(axis=0)
    return centred
