"""Training with RLlib: what the predecessor checked first, and the callbacks that log its metrics."""

from collections.abc import Mapping
from typing import Any, NoReturn

from phantom.metrics import Metric, logging_helper
from phantom.utils.env_config import check_env_config
from phantom.utils.rllib.not_here import not_here


def train(
    algorithm: str,
    env_class: type[Any],
    policies: Mapping[Any, Any],
    iterations: int,
    checkpoint_freq: int | None = None,
    num_workers: int | None = None,
    env_config: Mapping[str, Any] | None = None,
    rllib_config: Mapping[str, Any] | None = None,
    ray_config: Mapping[str, Any] | None = None,
    metrics: Mapping[str, Metric[Any]] | None = None,
    results_dir: str = "~/ray_results",
    show_training_metrics: bool = False,
) -> NoReturn:
    """Check the arguments as the predecessor did; then say what to do instead.

    Raises:
        AssertionError: if `iterations` is not positive, or `num_workers` is negative.
        Exception: if `env_config` holds ranges, or samplers outside of supertypes.
        ImportError: otherwise.
    """
    assert iterations > 0, f"iterations is {iterations}. Expected at least 1."
    assert num_workers is None or num_workers >= 0, f"num_workers is {num_workers}. Expected at least 0."
    check_env_config(env_config or {})
    raise not_here("train", "phantom_core.train(...)")


def make_rllib_wrapped_policy_class(policy_class: type[Any]) -> NoReturn:
    """Say what to do instead.

    Raises:
        ImportError: always.
    """
    raise not_here("train.make_rllib_wrapped_policy_class", "phantom_core.train(...)")


class RLlibMetricLogger:
    """Callbacks in the form of ray 2.7: metrics become RLlib's custom metrics. Calling one returns it.

    Attributes:
        metrics: metric by name.
    """

    def __init__(self, metrics: Mapping[str, Metric[Any]]) -> None:
        self.metrics = metrics

    def on_episode_start(self, *, episode: Any, **_: Any) -> None:
        """Begin a list of values for each metric in `episode.user_data`."""
        for name in self.metrics:
            episode.user_data[name] = []

    def on_episode_step(self, *, base_env: Any, episode: Any, env_index: int | None = None, **_: Any) -> None:
        """Add the present value of each metric; the env is the one of `env_index`, by default the first."""
        envs = base_env.envs if hasattr(base_env, "envs") else base_env.get_sub_environments()
        logging_helper(envs[env_index or 0], self.metrics, episode.user_data)

    def on_episode_end(self, *, episode: Any, **_: Any) -> None:
        """Put the reduced value of each metric into `episode.custom_metrics`."""
        for name, metric in self.metrics.items():
            episode.custom_metrics[name] = metric.reduce(episode.user_data[name], "train")

    def __call__(self) -> "RLlibMetricLogger":
        """Return itself: RLlib makes callbacks by calling what it is given."""
        return self
