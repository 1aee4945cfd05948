"""Which of the installed trainers can train the agents of an env, as their policies say themselves."""

from __future__ import annotations

from phantom_core.envs.step_result import MultiAgentEnv
from phantom_core.errors import error_text
from phantom_core.hooks.plugin_manager import PluginManager
from phantom_core.installed.registry import Component


def trainer_opinions(env: MultiAgentEnv) -> dict[str, str | None]:
    """Return, for each registered trainer, why it cannot train an agent; None: it can.

    The policy of each trainer is built for the spaces of each agent, with default settings. An env
    without strategic agents leaves nothing to say.
    """
    if not env.strategic_agent_ids:
        return {}
    components = [c for c in PluginManager().registry.components() if c.kind == "trainer"]
    return {component.name: _refusal(component, env) for component in components}


def _refusal(component: Component, env: MultiAgentEnv) -> str | None:
    try:
        policy_class = component.load().policy_class
    except Exception as error:  # an installed plugin that is broken
        return f"It cannot be loaded: {error_text(error)}."
    observation_spaces, action_spaces = env.observation_spaces, env.action_spaces
    for agent_id in env.strategic_agent_ids:
        try:
            policy_class(observation_spaces[agent_id], action_spaces[agent_id])
        except Exception as error:  # whatever a policy says
            return f"Agent {agent_id!r}: {error}"
    return None
