"""The run of a trainer whose `train` is called directly: no settings and no run directory."""

from __future__ import annotations

from pathlib import Path

from phantom_core.hooks.dispatch import Dispatcher
from phantom_core.seeding import fresh_seed
from phantom_core.training.components import Components
from phantom_core.training.run_loop import RunLoop
from phantom_core.training.run_plans import check_seed
from phantom_core.training.run_state import RunFacts, RunState


def standalone_run(
    name: str,
    tensorboard_log_dir: str | Path | None,
    *,
    adds_to_earlier: bool,
    takes_plugins: bool = True,
    seed: int | None = None,
) -> RunLoop:
    """Return a run that writes no directory.

    Args:
        name: what it is called: the class of the trainer.
        tensorboard_log_dir: where the logger `tensorboard` writes; None: it is not attached.
        adds_to_earlier: whether what the logger wrote there before is shown beside the values of this run.
        takes_plugins: whether installed plugins follow it.
        seed: what everything random follows from; None: a new one.

    Raises:
        ConfigError: if the seed is not an integer from 0 to 2**63 - 1.
    """
    check_seed("seed", seed)
    components = Components(takes_plugins=takes_plugins)
    attach_tensorboard(components, tensorboard_log_dir, adds_to_earlier=adds_to_earlier)
    facts = RunFacts(
        name=name,
        seed=fresh_seed() if seed is None else seed,
        trainer_name=name,
        load_policy_class=components.policy_class,
    )
    return RunLoop(facts, RunState(), Dispatcher(components.manager))


def attach_tensorboard(
    components: Components, directory: str | Path | None, *, adds_to_earlier: bool
) -> None:
    """Let the logger `tensorboard` follow a run, if there is a directory for it.

    Args:
        components: the components of the run.
        directory: where it writes, over iterations; None: it is not attached.
        adds_to_earlier: whether TensorBoard goes on showing all values of earlier files there.

    Raises:
        ConfigError: if the logger is not installed.
    """
    if directory is not None:
        settings = {
            "directory": str(directory),
            "step_axis": "iteration",
            "replaces_earlier": not adds_to_earlier,
        }
        components.attach_logger("tensorboard", {"tensorboard": settings})
