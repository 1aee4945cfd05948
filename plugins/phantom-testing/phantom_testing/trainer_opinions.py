"""Which of the installed trainers can train the agents of an env, as their policies say themselves."""

from __future__ import annotations

import phantom_core as ph


def trainer_opinions(env: ph.MultiAgentEnv) -> dict[str, str | None]:
    """Return, for each registered trainer, why it cannot train an agent; None: it can.

    The policy of each trainer is built for the spaces of each agent, with default settings. An env
    without strategic agents leaves nothing to say.
    """
    if not env.strategic_agent_ids:
        return {}
    return {component.name: _refusal(component, env) for component in ph.components("trainer")}


def _refusal(component: ph.Component, env: ph.MultiAgentEnv) -> str | None:
    try:
        policy_class = component.load().policy_class
    except Exception as error:  # an installed plugin that is broken
        return f"It cannot be loaded: {ph.tools.error_text(error)}."
    observation_spaces, action_spaces = env.observation_spaces, env.action_spaces
    for agent_id in env.strategic_agent_ids:
        try:
            policy_class(observation_spaces[agent_id], action_spaces[agent_id])
        except Exception as error:  # whatever a policy says
            return f"Agent {agent_id!r}: {error}"
    return None
