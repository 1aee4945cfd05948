"""An env as RLlib's multi-agent env."""

from typing import Any, NoReturn

from phantom.utils.rllib.not_here import not_here


class RLlibEnvWrapper:
    """The name of the predecessor's wrapper; making one says what to do instead."""

    def __new__(cls, env: Any) -> NoReturn:
        """Raise an `ImportError`."""
        raise not_here("wrapper.RLlibEnvWrapper", "phantom_core.train(...)")
