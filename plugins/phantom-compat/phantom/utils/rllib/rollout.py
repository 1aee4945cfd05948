"""Rollouts with RLlib: what the predecessor checked first."""

from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from typing import Any

from phantom.metrics import Metric
from phantom.utils.nesting import contains_type
from phantom.utils.ranges import Range
from phantom.utils.rllib.not_here import not_here
from phantom.utils.samplers import Sampler


def rollout(
    directory: str | Path,
    env_class: type[Any] | None = None,
    env_config: Mapping[str, Any] | None = None,
    custom_policy_mapping: Mapping[Any, type[Any]] | None = None,
    num_repeats: int = 1,
    num_workers: int | None = None,
    checkpoint: int | None = None,
    metrics: Mapping[str, Metric[Any]] | None = None,
    record_messages: bool = False,
    show_progress_bar: bool = True,
    policy_inference_batch_size: int = 1,
    explore: bool = False,
) -> Generator[Any, None, None]:
    """Check the arguments as the predecessor did, when the first rollout is asked for; else say what to do.

    Raises:
        AssertionError: if a number is too small.
        TypeError: if `env_config` holds a sampler.
        ValueError: if the next stage of an FSM env may differ between the envs of a batch.
        ImportError: otherwise, at once.
    """

    def check() -> None:
        assert num_repeats > 0, f"num_repeats is {num_repeats}. Expected at least 1."
        assert num_workers is None or num_workers >= 0, f"num_workers is {num_workers}. Expected at least 0."
        batch = policy_inference_batch_size
        assert batch > 0, f"policy_inference_batch_size is {batch}. Expected at least 1."
        config = dict(env_config or {})
        if contains_type(config, Sampler):
            raise TypeError("env_config holds a sampler. Rollouts take values and ranges.")
        if batch > 1 and hasattr(env_class, "is_fsm_deterministic"):
            _check_deterministic(env_class, config, batch)

    return _refused(check, not_here("rollout", "phantom_core.evaluate(...)"))


def evaluate_policy(
    directory: str | Path,
    policy_id: Any,
    obs: Any,
    explore: bool,
    batch_size: int = 100,
    checkpoint: int | None = None,
    show_progress_bar: bool = True,
) -> Generator[Any, None, None]:
    """Check the arguments as the predecessor did, when the first action is asked for; else say what to do.

    Raises:
        AssertionError: if `batch_size` is not positive.
        ImportError: otherwise, at once.
    """

    def check() -> None:
        assert batch_size > 0, f"batch_size is {batch_size}. Expected at least 1."

    return _refused(check, not_here("evaluate_policy", "phantom_core.evaluate(...)"))


def _refused(check: Callable[[], None], otherwise: ImportError) -> Generator[Any, None, None]:
    """Return a generator that raises what `check` raises; if it raises nothing, raise the other error."""
    try:
        check()
    except Exception as error:
        return _raising(error)
    raise otherwise


def _raising(error: Exception) -> Generator[Any, None, None]:
    raise error
    yield


def _check_deterministic(env_class: Any, config: Mapping[str, Any], batch: int) -> None:
    if not contains_type(config, Range) and not env_class(**config).is_fsm_deterministic():
        raise ValueError(
            f"policy_inference_batch_size is {batch}, but a stage of {env_class.__name__} has several next "
            "stages, so the envs of a batch could be in different ones. Set it to 1."
        )
