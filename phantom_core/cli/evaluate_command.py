"""`phantom evaluate RUN`."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:  # nothing below is imported for --help
    from phantom_core.envs.step_result import MultiAgentEnv
    from phantom_core.recording.recorder import Recorder


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
    "--record",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write every episode to a recording, for phantom show and ph.replay.",
)
@click.option("-v", "--verbose", is_flag=True, help="Show the full traceback of an error.")
def evaluate_command(
    *, run: Path, episodes: int | None, seed: int | None, record: Path | None, verbose: bool
) -> None:
    """Evaluate the policies of a run in its env.

    RUN is a run directory, for the final policies, or a checkpoint in it, such as
    runs/model-.../checkpoints/iteration-000100. Without options this repeats the run's own evaluation.
    """
    del verbose  # main() looks at it
    from phantom_core.cli.report import final_line
    from phantom_core.recording.recorder import Recorder
    from phantom_core.training.evaluate_run import evaluate_run

    with contextlib.ExitStack() as stack:

        def prepare(env: MultiAgentEnv, env_config: Mapping[str, Any]) -> None:
            if record is not None:
                _record(env, stack.enter_context(Recorder(record, env_config=env_config)))

        evaluation, reference_return = evaluate_run(run, num_episodes=episodes, seed=seed, prepare=prepare)
    for agent_id, returns in evaluation.episode_returns.items():
        mean = sum(returns) / len(returns)
        click.echo(
            f"{agent_id}: mean {mean:.1f}, from {min(returns):.1f} to {max(returns):.1f}, "
            f"{len(returns)} episodes"
        )
    click.echo(final_line(evaluation.mean_return, reference_return))


def _record(env: MultiAgentEnv, recorder: Recorder) -> None:
    from phantom_core.envs.env import PhantomEnv
    from phantom_core.errors import ConfigError

    if not isinstance(env, PhantomEnv):
        raise ConfigError(
            f"--record: a {type(env).__name__} cannot be recorded, only a PhantomEnv. Leave it out."
        )
    env.recorder = recorder
