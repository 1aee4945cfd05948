"""Logged values: converting names and numbers, and checking that names are unique."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any, Final

from phantom_core.errors import ConfigError

_OWN: Final = ("rewards", "eval", "time")
"""Prefixes of the run's own values, before the slash."""

_OWN_VALUES: Final = ("episode_length", "iteration", "env_steps")
"""The run's own values that have no prefix."""


def as_name(name: object) -> str:
    r"""Return a name as a string that can be encoded in UTF-8; other characters are escaped.

    >>> as_name("rewards/A"), as_name("\ud800")
    ('rewards/A', '\\ud800')
    """
    text = str(name)
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def check_logged_names(
    *,
    metrics: Iterable[str],
    policy_ids: Sequence[str],
    agent_ids: Sequence[Hashable],
    plugins: Sequence[str],
) -> None:
    """Raise if two values would be logged under the same name.

    Args:
        metrics: names of the metrics.
        policy_ids: ids of the policies; each logs `<id>/<quantity>`.
        agent_ids: ids of the agents; each logs `rewards/<id>`.
        plugins: names of the plugins that implement `extra_values`; each logs `<name>/<value>`.

    Raises:
        ConfigError: if two names clash.
    """
    texts: dict[str, Hashable] = {"group": "group"}
    for agent_id in agent_ids:
        text = as_name(agent_id)
        if text in texts:
            other = "the mean of all agents" if text == "group" else f"those of agent {texts[text]!r}"
            raise ConfigError(
                f"The rewards of agent {agent_id!r} and {other} would both be logged as 'rewards/{text}'. "
                "Give the agent another id."
            )
        texts[text] = agent_id
    owners: dict[str, str] = dict.fromkeys(_OWN, "the run's own values")
    for what, names in (("policy", policy_ids), ("plugin", plugins)):
        for name in names:
            top = as_name(name)
            clash = next(
                (o for o in owners if f"{top}/".startswith(f"{o}/") or f"{o}/".startswith(f"{top}/")), ""
            )
            if clash:
                raise ConfigError(
                    f"The values of {what} {name!r} and {owners[clash]} would both be logged as "
                    f"'{top if len(top) > len(clash) else clash}/…'. Rename the {what}."
                )
            owners[top] = f"those of {what} {name!r}"
    for name in metrics:
        owner = next((o for o in owners if as_name(name).startswith(f"{o}/")), "")
        if owner:
            raise ConfigError(
                f"Metric {name!r} would be logged under a name of its own, but {owners[owner]} begin with "
                f"'{owner}/' too. Rename the metric."
            )


def check_metric_names(names: Iterable[str]) -> None:
    """Raise if a metric has a name under which every run logs a value of its own.

    Raises:
        ConfigError: that names it.
    """
    for name in names:
        if name in _OWN_VALUES or ("/" in name and name.partition("/")[0] in _OWN):
            raise ConfigError(
                f"A metric is named {name!r}, but every run logs a value of its own under "
                "that name. Choose another."
            )


def flattened(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return the leaves of nested mappings by dotted name.

    >>> flattened({"trainer": {"ppo": {"lr": 0.1}}, "seed": 1})
    {'trainer.ppo.lr': 0.1, 'seed': 1}
    """
    leaves: dict[str, Any] = {}
    for key, value in config.items():
        if isinstance(value, Mapping):
            leaves |= flattened(value, f"{prefix}{key}.")
        else:
            leaves[f"{prefix}{key}"] = value
    return leaves
