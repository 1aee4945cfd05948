"""`phantom evaluate RUN`."""

from __future__ import annotations

import csv
import json
import math
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from phantom_core.cli.lazy_group import TRUST, VERBOSE

if TYPE_CHECKING:
    from phantom_core.envs.plain_values import Spread
    from phantom_core.rollouts.evaluate import Evaluation

_MOST_AGENTS: Final = 20
"""So many agents have a line of text."""


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
@click.option(
    "--set",
    "assignments",
    multiple=True,
    metavar="KEY=VALUE",
    help="Change a setting of the env, such as env_config.num_shops=5. Repeatable.",
)
@click.option(
    "--copy",
    type=click.IntRange(min=0),
    metavar="K",
    help="Evaluate what was learned in copy K of the env, of a run of independent sessions.",
)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object instead of text.")
@click.option(
    "--csv",
    "csv_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write a row for each episode to this file, too.",
)
@TRUST
@VERBOSE
def evaluate_command(
    *,
    run: Path,
    episodes: int | None,
    seed: int | None,
    max_steps: int | None,
    assignments: tuple[str, ...],
    copy: int | None,
    as_json: bool,
    csv_file: Path | None,
    trust: bool,
) -> None:
    """Evaluate the policies of a run in its env.

    RUN is a run directory, for the final policies, or a checkpoint in it, such as
    runs/model-.../checkpoints/iteration-000100. Without options this repeats the run's own evaluation. Behind
    ± is the standard error of the mean over the episodes: their sample deviation / √n.
    """
    from phantom_core.training.run_file import parse_assignment
    from phantom_core.training.saved_run import evaluate_run
    from phantom_core.writing import printable

    env_config = dict(_of_env(*parse_assignment(assignment)) for assignment in assignments)
    evaluation, reference_return = evaluate_run(
        run,
        num_episodes=episodes,
        seed=seed,
        max_steps=max_steps,
        env_config=env_config,
        copy=copy,
        trust=trust,
    )
    if csv_file is not None:
        _write_csv(evaluation, csv_file)
    if as_json:
        click.echo(_json(evaluation, reference_return))
        return
    spreads = evaluation.return_spreads
    for agent_id, spread in islice(spreads.items(), _MOST_AGENTS):
        reached = f"from {spread.low:.1f} to {spread.high:.1f}"
        noun = "episode" if spread.n == 1 else "episodes"
        mean = f"{spread.mean:.1f}{_error(spread, '.1f')}"
        click.echo(printable(f"{agent_id}: mean {mean}, {reached}, {spread.n} {noun}"))
    if len(spreads) > _MOST_AGENTS:
        click.echo(f"… and {len(spreads) - _MOST_AGENTS:,} more agents, which --json and --csv have too")
    say_result(evaluation, reference_return)


def say_result(evaluation: Evaluation, reference_return: float | None) -> None:
    """Print the mean of each metric that is a number, with its spread, and last the mean return."""
    from phantom_core.writing import printable

    for name, spread in evaluation.metric_spreads.items():
        click.echo(printable(f"{name}: mean {spread.mean:.4g}{_error(spread, '.2g')}"))
    click.echo(final_line(evaluation.mean_return, reference_return))


def _of_env(key: str, value: Any) -> tuple[str, Any]:
    """Return the name of a setting of the env, and its value; raise `ConfigError` for another setting."""
    from phantom_core.errors import ConfigError

    name = key.removeprefix("env_config.")
    if name == key or not name:
        raise ConfigError(
            f"--set {key} changes nothing in an evaluation, which has policies and an env only. Expected a "
            "setting of the env, such as --set env_config.num_shops=5."
        )
    return name, value


def _error(spread: Spread, layout: str) -> str:
    """Return the standard error with its sign; an empty text where there is none."""
    return f" ± {spread.se:{layout}}" if math.isfinite(spread.se) else ""


def _json(evaluation: Evaluation, reference_return: float | None) -> str:
    """Return an evaluation as a JSON object; what is not finite is null."""
    found = {
        "episodes": len(evaluation.episodes),
        "mean_return": evaluation.mean_return,
        "reference_return": reference_return,
        "returns": {str(agent_id): _plain(spread) for agent_id, spread in evaluation.return_spreads.items()},
        "metrics": {name: _plain(spread) for name, spread in evaluation.metric_spreads.items()},
    }
    return json.dumps(found, indent=1)


def _plain(spread: Spread) -> dict[str, float | None]:
    return {name: value if math.isfinite(value) else None for name, value in spread._asdict().items()}


def _write_csv(evaluation: Evaluation, path: Path) -> None:
    """Write a row for each episode: its number, seed and length, the return of each agent, the metrics."""
    from phantom_core.errors import ConfigError

    returns = list(evaluation.episode_returns)
    metrics = list(evaluation.metric_numbers)
    try:
        with path.open("w", encoding="utf-8", newline="") as file:
            lines = csv.writer(file, lineterminator="\n")
            lines.writerow(
                ["episode", "seed", "length", *(f"return/{agent_id}" for agent_id in returns), *metrics]
            )
            for number, episode in enumerate(evaluation.episodes):
                found = [episode.episode_returns.get(agent_id, "") for agent_id in returns]
                numbers = replace(evaluation, episodes=[episode]).metric_numbers
                found += [numbers[name][0] if name in numbers else "" for name in metrics]
                lines.writerow([number, episode.seed, episode.length, *found])
    except OSError as error:
        raise ConfigError(
            f"--csv {path} cannot be written: {error.strerror}. Name another file, in a folder that exists."
        ) from error


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
