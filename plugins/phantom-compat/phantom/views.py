"""What agents and envs show to others: frozen dataclasses that programs derive from."""

from abc import ABC

import phantom_core as ph

AgentView = ph.AgentView
EnvView = ph.EnvView


class View(ABC):  # noqa: B024  a common name for both kinds of view, nothing else
    """What somebody shows: `AgentView` and `EnvView` are views."""


View.register(AgentView)
View.register(EnvView)
