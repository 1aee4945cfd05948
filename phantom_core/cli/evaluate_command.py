"""`phantom evaluate RUN`."""

from __future__ import annotations

from pathlib import Path

import click

from phantom_core.cli.lazy_group import VERBOSE


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
@VERBOSE
def evaluate_command(*, run: Path, episodes: int | None, seed: int | None) -> None:
    """Evaluate the policies of a run in its env.

    RUN is a run directory, for the final policies, or a checkpoint in it, such as
    runs/model-.../checkpoints/iteration-000100. Without options this repeats the run's own evaluation.
    """
    from phantom_core.training.saved_run import evaluate_run

    evaluation, reference_return = evaluate_run(run, num_episodes=episodes, seed=seed)
    for agent_id, returns in evaluation.episode_returns.items():
        mean, reached = sum(returns) / len(returns), f"from {min(returns):.1f} to {max(returns):.1f}"
        click.echo(f"{agent_id}: mean {mean:.1f}, {reached}, {len(returns)} episodes")
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
