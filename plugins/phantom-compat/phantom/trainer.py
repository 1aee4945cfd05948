"""`Trainer`: a learning algorithm that steps the env itself; runs, files and loggers are the core's."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

import phantom_core as ph
from phantom.metrics import Metric, not_recorded, value_now
from phantom.policy import Policy
from phantom.types import AgentID
from phantom.utils.env_config import check_env_config

PolicyMapping: TypeAlias = Mapping[Any, Any]
"""By policy id: `AgentClass`, `[ids]`, `(PolicyClass, AgentClass)`, `(PolicyClass, AgentClass, config)`,
`(PolicyClass, [ids])` or `(PolicyClass, [ids], config)`."""


@dataclass(frozen=True)
class TrainingResults(ph.TrainingResults):
    """What training returns: every policy by id, trained or not. Derive from it to return more."""


class Trainer(ph.Trainer):
    """Subclasses set `policy_class` and override `training_step`, or `train` as a whole."""

    def __init__(self, tensorboard_log_dir: str | Path | None = None) -> None:
        """Set up the logs.

        Args:
            tensorboard_log_dir: each trainer writes event files into a folder of its own in it, named for
                the present time; None: none.

        Raises:
            ValueError: if the class has no `policy_class`.
        """
        if not isinstance(getattr(self, "policy_class", None), type):
            name = type(self).__name__
            raise ValueError(  # noqa: TRY004  what programs expect
                f"{name} has no policy_class. Set it in the class: policy_class = MyPolicy."
            )
        folder = None
        if tensorboard_log_dir is not None:
            now = datetime.now().strftime("%Y-%m-%d_%H-%M-%S")  # noqa: DTZ005  the user's own time
            folder = Path(tensorboard_log_dir) / now
        super().__init__(tensorboard_log_dir=folder)
        if folder is not None:
            self.tbx_writer = _Writer(self)

    def train(  # type: ignore[override]  # the predecessor's signature and results
        self,
        env_class: Any,
        num_iterations: int,
        policies: PolicyMapping,
        policies_to_train: Sequence[Any],
        env_config: Mapping[str, Any] | None = None,
        metrics: Mapping[str, Metric[Any]] | None = None,
    ) -> TrainingResults:
        """Train policies.

        Raises:
            ValueError: if there is nothing to train, or agents and policies do not fit together.
            TypeError: if a value of `policies` has none of the six forms.
        """
        if not policies_to_train:
            raise ValueError("policies_to_train is empty. Name at least one of the policies.")
        check_env_config(env_config or {})
        for policy_id, value in policies.items():
            if not isinstance(value, (type, str, Sequence, ph.PolicySpec)):
                raise TypeError(
                    f"Policy {policy_id!r} is {value!r}. Expected an agent class, a list of agent ids, or a "
                    "tuple of a policy class, one of those, and settings."
                )
        with _ValueErrors():
            results = super().train(
                env_class, num_iterations, policies, policies_to_train, env_config, metrics
            )
        return TrainingResults(dict(results.policies))

    def training_step(
        self,
        env: Any,
        policy_mapping: Mapping[AgentID, Any],
        policies: Mapping[Any, Any],
        policies_to_train: Sequence[Any],
    ) -> None:
        """Make one iteration: step the env, log rewards and metrics, change the policies in place."""
        raise NotImplementedError

    def setup_policy_specs_and_mapping(
        self, env: Any, policies: PolicyMapping
    ) -> tuple[dict[Any, Any], dict[Any, Any]]:
        """Return the policy id of each agent that acts, and the policies.

        Raises:
            ValueError: if agents and policies do not fit together.
        """
        with _ValueErrors():
            policy_by_agent, made = super().setup_policy_specs_and_mapping(env, policies)
            for policy_id in made.keys() - set(policy_by_agent.values()):  # the core lets agents join later
                selection = policies[policy_id]
                name = selection.__name__ if isinstance(selection, type) else repr(selection)
                raise ph.errors.PolicyMappingError(
                    f"Policy {policy_id!r} is for {name}, but no agent of the env is one. Leave it out."
                )
            return policy_by_agent, made

    def log_metrics(self, env: Any) -> None:
        """Read every metric; an FSM env's next stage says which are left out."""
        self.log_vec_metrics([env])

    def log_vec_metrics(self, envs: Sequence[Any]) -> None:
        """Read every metric in each of several envs; the mean is logged."""
        for name, metric in self.metrics.items():
            values = [value_now(env, metric) for env in envs]
            values = [value for value in values if value is not not_recorded]
            if values:
                self.logged_metrics[name].append(values[0] if len(values) == 1 else np.mean(values))

    def log_rewards(self, rewards: Mapping[AgentID, float | None]) -> None:
        """Log the rewards of one step; an agent with None has none."""
        super().log_rewards({i: reward for i, reward in rewards.items() if reward is not None})


class _ValueErrors:
    """Turns the core's errors about settings into what programs expect."""

    def __enter__(self) -> None:
        """Do nothing."""

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        """Raise a ValueError in place of a ConfigError."""
        if isinstance(error, ph.errors.ConfigError):
            raise ValueError(str(error)) from error  # noqa: TRY004  what programs expect


class _Writer:
    """What programs do with `tbx_writer`; in a run, the values reach all its loggers."""

    def __init__(self, trainer: Trainer) -> None:
        self._trainer = trainer

    def add_scalar(self, tag: str, scalar_value: float, global_step: int | None = None) -> None:
        """Write a value at once, under its step; None: step 0, as tensorboardX does."""
        self._trainer.tbx_write_scalar(tag, scalar_value, 0 if global_step is None else global_step)


__all__ = ["Policy", "PolicyMapping", "Trainer", "TrainingResults"]
