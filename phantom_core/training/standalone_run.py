"""The run of a trainer whose `train` is called directly: no settings and no run directory."""

from __future__ import annotations

from pathlib import Path

from phantom_core.hooks.dispatch import Dispatcher
from phantom_core.seeding import fresh_seed
from phantom_core.training.components import Components
from phantom_core.training.run_loop import RunLoop
from phantom_core.training.run_state import RunFacts, RunState


def standalone_run(name: str, tensorboard_log_dir: str | Path | None, *, seed: int | None = None) -> RunLoop:
    """Return a run with the installed plugins and without a run directory.

    Args:
        name: the name of the run: the class name of the trainer.
        tensorboard_log_dir: where the logger `tensorboard` writes. None to not attach it.
        seed: the seed of the run. None for a random seed.
    """
    components = Components()
    attach_tensorboard(components, tensorboard_log_dir)
    facts = RunFacts(
        name=name,
        seed=fresh_seed() if seed is None else seed,
        trainer_name=name,
        load_policy_class=components.policy_class,
    )
    return RunLoop(facts, RunState(), Dispatcher(components.manager))


def attach_tensorboard(components: Components, directory: str | Path | None) -> None:
    """Attach the logger `tensorboard`, if a directory is given.

    Raises:
        ConfigError: if the logger is not installed.
    """
    if directory is not None:
        components.attach_logger("tensorboard", {"tensorboard": {"directory": str(directory)}})
