"""The run that rollouts are made from: a run directory of phantom_core."""

from pathlib import Path
from typing import Any, Final

import phantom_core as ph
from phantom.utils.rllib.results_dirs import construct_results_paths, find_run

_OF_RLLIB: Final[tuple[str, ...]] = (
    *("phantom-training-params.pkl", "params.pkl", "params.json", "progress.csv", "result.json"),
    *("rllib_checkpoint.json", "algorithm_state.pkl"),
)


def load_run(directory: str | Path, checkpoint: int | None) -> ph.Model:
    """Return the env of a run, and its policies with the agents that each is for.

    Args:
        directory: as for `construct_results_paths`.
        checkpoint: the iteration after which the policies were saved; None: those at the end.

    Raises:
        FileNotFoundError: if there is no such directory or checkpoint.
        ImportError: if RLlib wrote it.
        PhantomError: if it is no run, or cannot be read; see `phantom_core.load_model`.
    """
    run = find_run(directory)
    _refuse_rllib(run)
    model = ph.load_model(run)
    if checkpoint is None:
        return model
    return ph.Model(model.make_env, _policies_then(run, checkpoint, dict(model.policies)))


def load_run_policies(directory: str | Path, checkpoint: int | None) -> tuple[Path, dict[Any, ph.BasePolicy]]:
    """Return where a run is, and its policies; the arguments and errors are those of `load_run`."""
    run = find_run(directory)
    _refuse_rllib(run)
    return run, dict(
        ph.load_policies(run if checkpoint is None else construct_results_paths(run, checkpoint)[1])
    )


def _policies_then(run: Path, checkpoint: int, policies: dict[Any, Any]) -> dict[Any, Any]:
    then = ph.load_policies(construct_results_paths(run, checkpoint)[1])
    return {policy_id: (then[policy_id], agents) for policy_id, (_, agents) in policies.items()}


def _refuse_rllib(run: Path) -> None:
    names = {path.name for path in run.iterdir()}
    found = [name for name in _OF_RLLIB if name in names] or sorted(
        name for name in names if name.startswith("checkpoint_")
    )
    if found and "run.json" not in names:
        raise ImportError(
            f"'{run}' was written by RLlib (it has {found[0]}), and phantom-compat does not drive ray 2.7.1, "
            "which could read its policies. Rollouts are made from run directories of phantom_core: train "
            "with phantom_core.train(...), which takes the same env classes and policies, and give the "
            "directory that it made. RLlib itself plays its policies in phantom_pettingzoo.to_parallel(env)."
        )
