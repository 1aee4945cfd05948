"""Rollouts of what a run trained: episodes over a grid of ranges, each with its steps and metrics."""

import os
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import phantom_core as ph
from phantom.metrics import Metric
from phantom.types import AgentID
from phantom.utils.messages_to_people import rich_progress
from phantom.utils.nesting import contains_type
from phantom.utils.rllib.choosing import Chooser, choose
from phantom.utils.rllib.episodes import Played
from phantom.utils.rllib.playing import Playing, RolloutBatch, seeded
from phantom.utils.rllib.range_grid import RangeGrid
from phantom.utils.rllib.saved_run import load_run, load_run_policies
from phantom.utils.rollout import Rollout
from phantom.utils.samplers import Sampler


def rollout(
    directory: str | Path,
    env_class: Any = None,
    env_config: Mapping[str, Any] | None = None,
    custom_policy_mapping: Mapping[AgentID, Any] | None = None,
    num_repeats: int = 1,
    num_workers: int | None = None,
    checkpoint: int | None = None,
    metrics: Mapping[str, Metric[Any]] | None = None,
    record_messages: bool = False,
    show_progress_bar: bool = True,
    policy_inference_batch_size: int = 1,
    explore: bool = False,
) -> Generator[Rollout, None, None]:
    """Play a run of phantom_core at every point of a grid; nothing is done before the first is asked for.

    Rollout `i * num_repeats + j` is the j-th at point i. Its number seeds `env.reset` and, before the env is
    made, the global generators of NumPy and Python, so that it depends on neither `num_workers` nor on other
    rollouts; those of one batch share these generators, which begin with the number of the first.

    Args:
        directory: the run directory; one that ends in `"LATEST"` means the newest run beside it.
        env_class: the env to play in; None: that of the run.
        env_config: keyword arguments of the env, in place of those of the run. Each range anywhere in it
            becomes a parameter; the first one varies the slowest.
        custom_policy_mapping: policy class by agent id, made as `cls(observation_space, action_space)` for
            each rollout, in place of the policy of the run.
        num_repeats: how many rollouts each point has.
        num_workers: how many processes play; 0 or 1: this one; None: one fewer than there are processors.
        checkpoint: the iteration after which the policies were saved; None: the end of the run.
        metrics: what to measure after each step; reduced as in evaluation.
        record_messages: whether steps hold the messages that were sent in them.
        show_progress_bar: whether to show a bar, in a terminal or a notebook.
        policy_inference_batch_size: how many rollouts are played side by side, so that a policy is asked for
            all of them at once.
        explore: whether the policies of the run sample their actions as in training.

    Raises:
        AssertionError: if a number is too small.
        TypeError: if there is a sampler in the `env_config`.
        ValueError: if the next stage of an FSM env may differ between the envs of a batch, or a custom policy
            is for an agent that does not act.
        FileNotFoundError: if there is no such directory or checkpoint.
        ImportError: if RLlib wrote the directory.
    """
    import phantom_experiments as px  # takes time, which most programs do not need

    assert num_repeats > 0, f"num_repeats is {num_repeats}. Expected at least 1."
    assert num_workers is None or num_workers >= 0, f"num_workers is {num_workers}. Expected at least 0."
    size = policy_inference_batch_size
    assert size > 0, f"policy_inference_batch_size is {size}. Expected at least 1."
    _check_samplers(env_config)
    with seeded(0):  # it makes an env, which may draw
        model = load_run(directory, checkpoint)
    _check_samplers(model.make_env.env_config if env_config is None else env_config)
    config = dict(model.make_env.env_config if env_config is None else env_config)
    playing = Playing(
        model.make_env if env_class is None else ph.EnvFactory(env_class),
        RangeGrid(config),
        num_repeats,
        model.policies,
        custom_policy_mapping or {},
        metrics or {},
        record_messages,
        explore,
    )
    if size > 1:
        with seeded(0):
            _check_deterministic(playing, size)
    count = len(playing.grid) * num_repeats
    batches = [RolloutBatch(first, min(first + size, count)) for first in range(0, count, size)]
    wanted = (os.cpu_count() or 1) - 1 if num_workers is None else num_workers
    executor = px.LocalExecutor[RolloutBatch, list[Played]](max(1, min(wanted, len(batches))))
    try:
        executor.start(playing)
        with _progress(count, is_shown=show_progress_bar) as advance:
            for batch, outcomes in executor.map(batches):
                for rollout_id, played in zip(range(*batch), outcomes, strict=True):
                    point, repeat_id = divmod(rollout_id, num_repeats)
                    filled, params = playing.grid.value_at(point), playing.grid.params(point)
                    advance()
                    yield Rollout(rollout_id, repeat_id, filled, params, played.steps, played.metrics)
    except ph.errors.ConfigError as error:
        if executor.num_workers > 1:
            error.add_note("Rollouts are played in this process with num_workers=0.")
        raise
    finally:
        executor.close()


def evaluate_policy(
    directory: str | Path,
    policy_id: Any,
    obs: Any,
    explore: bool,
    batch_size: int = 100,
    checkpoint: int | None = None,
    show_progress_bar: bool = True,
) -> Generator[tuple[dict[str, Any], Any, Any], None, None]:
    """Yield what one policy of a run of phantom_core does: the value of each range, observation and action.

    Nothing is done before the first is asked for.

    Args:
        directory: as for `rollout`.
        policy_id: which policy.
        obs: an observation, in which each range becomes a parameter, as in the `env_config` of `rollout`.
        explore: whether actions are sampled as in training.
        batch_size: for how many observations the policy is asked at once.
        checkpoint: as for `rollout`.
        show_progress_bar: as for `rollout`.

    Raises:
        AssertionError: if `batch_size` is not positive.
        ValueError: if the run has no such policy.
        FileNotFoundError: if there is no such directory or checkpoint.
        ImportError: if RLlib wrote the directory.
    """
    assert batch_size > 0, f"batch_size is {batch_size}. Expected at least 1."
    run, policies = load_run_policies(directory, checkpoint)
    if policy_id not in policies:
        raise ValueError(
            f"policy_id is {policy_id!r}, but '{run}' has no such policy."
            f"{ph.tools.did_you_mean(policy_id, policies)} There are: {ph.tools.listing(policies)}."
        )
    grid = RangeGrid(obs)
    with _progress(len(grid), is_shown=show_progress_bar) as advance:
        for first in range(0, len(grid), batch_size):
            points = range(first, min(first + batch_size, len(grid)))
            observations = [grid.value_at(point) for point in points]
            choosers = [Chooser(point, policy_id, "") for point in points]
            actions = choose(policies[policy_id], observations, choosers, explore=explore)
            for point, observation, action in zip(points, observations, actions, strict=True):
                advance()
                yield grid.params(point), observation, action


def _check_samplers(env_config: Mapping[str, Any] | None) -> None:
    if contains_type(env_config, Sampler):
        raise TypeError("env_config holds a sampler. Rollouts take values and ranges.")


def _check_deterministic(playing: Playing, batch_size: int) -> None:
    for point in range(min(1, len(playing.grid))):
        env = playing.make_env(point)
        try:
            if hasattr(env, "is_fsm_deterministic") and not env.is_fsm_deterministic():
                raise ValueError(
                    f"policy_inference_batch_size is {batch_size}, but a stage of {type(env).__name__} has "
                    "several next stages, so the envs of a batch could be in different ones. Set it to 1."
                )
        finally:
            env.close()


@contextmanager
def _progress(total: int, *, is_shown: bool) -> Iterator[Any]:
    """Show how far it is, where somebody sees it; yield what is called for each that is done."""
    bar = rich_progress("Rollouts")
    if is_shown and (bar.console.is_terminal or bar.console.is_jupyter):
        task = bar.add_task("", total=total)
        with bar:
            yield lambda: bar.advance(task)
    else:
        yield lambda: None
