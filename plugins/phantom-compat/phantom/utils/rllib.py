"""Training and rollouts with RLlib: the names are here, the functions come with a distribution for Ray."""

from collections.abc import Callable
from typing import Any, NoReturn


def _missing(name: str) -> Callable[..., NoReturn]:
    def refuse(*_args: Any, **_kwargs: Any) -> NoReturn:
        raise ImportError(
            f"phantom.utils.rllib.{name} needs RLlib, which this distribution does not bring. Install "
            "phantom-ray as soon as there is one; until then train with phantom_core.train(...), which takes "
            "the same env classes and policies."
        )

    refuse.__name__ = refuse.__qualname__ = name
    return refuse


train = _missing("train")
rollout = _missing("rollout")
evaluate_policy = _missing("evaluate_policy")
find_most_recent_results_dir = _missing("find_most_recent_results_dir")
get_checkpoints = _missing("get_checkpoints")
construct_results_paths = _missing("construct_results_paths")
