"""`phantom record RUN`."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

import phantom_core as ph
from phantom_recording.recorder import Recorder


@click.command("record")
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
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The recording to write.  [default: episodes.jsonl in the run directory]",
)
@click.option(
    "--copy",
    type=click.IntRange(min=0),
    metavar="K",
    help="Record what was learned in copy K of the env, of a run of independent sessions.",
)
@click.option("--overwrite", is_flag=True, help="Replace a recording that exists.")
@click.option("--trust", is_flag=True, help="Import all that the run names, though it was not written here.")
@click.option("-v", "--verbose", is_flag=True, help="Show the full traceback of an error.")
def record_command(
    *,
    run: Path,
    episodes: int | None,
    seed: int | None,
    output: Path | None,
    copy: int | None,
    overwrite: bool,
    trust: bool,
    verbose: bool,
) -> None:
    """Record episodes that the policies of a run play in its env.

    RUN is a run directory, for the final policies, or a checkpoint in it, such as
    runs/model-.../checkpoints/iteration-000100. Without options these are the episodes of the run's own
    evaluation. The recording is for phantom show and phantom_recording.replay.
    """
    del verbose  # main() looks at it
    file = _default_file(run) if output is None else output
    with contextlib.ExitStack() as stack:

        def prepare(env: ph.MultiAgentEnv, env_config: Mapping[str, Any]) -> None:
            if not isinstance(env, ph.PhantomEnv):
                raise ph.errors.ConfigError(
                    f"The env of {run} is a {type(env).__name__}, which cannot be recorded, only a "
                    f"PhantomEnv. To play it without a recording: phantom evaluate {shlex.quote(str(run))}"
                )
            env.recorder = stack.enter_context(Recorder(file, env_config=env_config, overwrite=overwrite))

        evaluation, _ = ph.tools.evaluate_run(
            run, num_episodes=episodes, seed=seed, copy=copy, prepare=prepare, trust=trust
        )
    number = len(evaluation.episodes)
    click.echo(
        f"{number} {'episode' if number == 1 else 'episodes'} in {file}. "
        f"Show {'it' if number == 1 else 'them'}: phantom show {shlex.quote(str(file))}"
    )


def _default_file(run: Path) -> Path:
    """Return the recording of a run, or of a checkpoint in it: a file in the run directory."""
    if (run / "run.json").is_file():
        return run / "episodes.jsonl"
    checkpoint = run.absolute()
    file = checkpoint.parent.parent / f"episodes-{checkpoint.name}.jsonl"
    return file.relative_to(Path.cwd()) if file.is_relative_to(Path.cwd()) else file
