"""`phantom evaluate RUN`."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

import click

from phantom_core.cli.lazy_group import TRUST, VERBOSE

if TYPE_CHECKING:
    from phantom_core.rollouts.evaluate import Evaluation


@click.command("evaluate")
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--episodes",
    type=click.IntRange(min=1),
    metavar="N",
    help="How many episodes.  [default: as in the run, or 100]",
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    metavar="N",
    help="What the episodes follow from.  [default: as in the run]",
)
@click.option(
    "--max-steps",
    type=click.IntRange(min=1),
    metavar="N",
    help="Cut episodes off after so many steps.  [default: as in the run]",
)
@TRUST
@VERBOSE
def evaluate_command(
    *, run: Path, episodes: int | None, seed: int | None, max_steps: int | None, trust: bool
) -> None:
    """Evaluate the policies of a run in its env.

    RUN is a run directory, for the final policies, or a checkpoint in it, such as
    runs/model-.../checkpoints/iteration-000100. Without options this repeats the run's own evaluation.
    """
    from phantom_core.training.saved_run import evaluate_run
    from phantom_core.writing import printable

    evaluation, reference_return = evaluate_run(
        run, num_episodes=episodes, seed=seed, max_steps=max_steps, trust=trust
    )
    for agent_id, returns in evaluation.episode_returns.items():
        mean, reached = sum(returns) / len(returns), f"from {min(returns):.1f} to {max(returns):.1f}"
        noun = "episode" if len(returns) == 1 else "episodes"
        click.echo(printable(f"{agent_id}: mean {mean:.1f}, {reached}, {len(returns)} {noun}"))
    say_result(evaluation, reference_return)


def say_result(evaluation: Evaluation, reference_return: float | None) -> None:
    """Print the mean of each metric that is a number, and last the mean return."""
    from phantom_core.envs.plain_values import as_number, mean_of
    from phantom_core.writing import printable

    for name, values in evaluation.metrics.items():
        with contextlib.suppress(TypeError, ValueError):
            click.echo(printable(f"{name}: mean {mean_of([as_number(value) for value in values]):.4g}"))
    click.echo(final_line(evaluation.mean_return, reference_return))


def final_line(mean_return: float, reference_return: float | None) -> str:
    """Return the result of an evaluation.

    >>> final_line(801.3, 818.02)
    'mean return 801.3 = 98.0 % of 818.02'
    >>> final_line(-13.0, None)
    'mean return -13.0'
    """
    if not reference_return:
        return f"mean return {mean_return:.1f}"
    share = 100 * mean_return / reference_return
    return f"mean return {mean_return:.1f} = {share:.1f} % of {reference_return}"
