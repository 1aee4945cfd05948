"""The last part of a step: each strategic agent observes, is rewarded, and is asked whether it ended."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from typing import Any, TypeAlias

from phantom_core.envs.casting import Player
from phantom_core.envs.reward_ledger import RewardLedger
from phantom_core.types import AgentID, Observation

Observations: TypeAlias = dict[AgentID, Observation]
Infos: TypeAlias = dict[AgentID, dict[str, Any]]
Flags: TypeAlias = dict[AgentID, bool]


def settle(
    players: Sequence[Player],
    ledger: RewardLedger,
    joined: Container[AgentID],
    *,
    pays_unseen: bool,
    terminated: bool,
    truncated: bool,
) -> tuple[Observations, Flags, Flags, Infos, list[AgentID]]:
    """Go through the strategic agents, one after the other.

    Args:
        players: the agents, and what each is asked.
        ledger: what they are owed.
        joined: who joined in this step, and is not rewarded for it.
        pays_unseen: whether agents that observe nothing are rewarded.
        terminated: whether everybody is terminated with this step.
        truncated: whether everybody is truncated with it.

    Returns:
        Observations, terminations, truncations, infos, and the ids of the agents that ended.
    """
    owe = ledger.add
    observations: Observations = {}
    terminations: Flags = {}
    truncations: Flags = {}
    infos: Infos = {}
    ended: list[AgentID] = []
    for agent_id, ctx, encode, collect_infos, compute_reward, is_terminated, is_truncated in players:
        observation = None if encode is None else encode(ctx)
        if observation is not None:
            observations[agent_id] = observation
            infos[agent_id] = {} if collect_infos is None else collect_infos(ctx)
        if compute_reward is not None and (pays_unseen or observation is not None) and agent_id not in joined:
            owe(agent_id, compute_reward(ctx))
        ends = terminated if is_terminated is None else is_terminated(ctx) or terminated
        is_cut = truncated if is_truncated is None else is_truncated(ctx) or truncated
        terminations[agent_id] = ends
        truncations[agent_id] = is_cut
        if ends or is_cut:
            ended.append(agent_id)
    return observations, terminations, truncations, infos, ended


def look(players: Iterable[Player], observations: Observations, infos: Infos | None) -> None:
    """Let agents observe, and note what those who observe something see; None: no infos are collected."""
    for agent_id, ctx, encode, collect_infos, *_ in players:
        observation = None if encode is None else encode(ctx)
        if observation is not None:
            observations[agent_id] = observation
            if infos is not None:
                infos[agent_id] = {} if collect_infos is None else collect_infos(ctx)
