"""What an env may be trained with."""

from collections.abc import Mapping
from typing import Any

from phantom.utils.nesting import collect_instances_of_type_with_paths
from phantom.utils.ranges import Range
from phantom.utils.samplers import Sampler

SAMPLED_KEYS = ("env_supertype", "agent_supertypes")


def check_env_config(env_config: Mapping[str, Any]) -> None:
    """Refuse ranges, and samplers that nobody would draw from.

    Raises:
        Exception: that names the key and the place in it.
    """
    for key, value in env_config.items():
        found: Any = collect_instances_of_type_with_paths(Range, value)
        for instance, paths in found:
            raise Exception(  # noqa: TRY002  programs expect a plain Exception
                f"env_config[{key!r}] holds the range {instance!r} at {paths[0]}. Training takes one value: "
                "use a sampler in a supertype; ranges are for rollouts."
            )
        if key in SAMPLED_KEYS:
            continue
        found = collect_instances_of_type_with_paths(Sampler, value)
        for instance, paths in found:
            raise Exception(  # noqa: TRY002  programs expect a plain Exception
                f"env_config[{key!r}] holds the sampler {instance!r} at {paths[0]}. Samplers are drawn only "
                "in env_supertype and agent_supertypes."
            )
