"""The run that rollouts are made from: a run directory of phantom_core."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import phantom_core as ph
from phantom.types import AgentID
from phantom.utils.rllib.results_dirs import construct_results_paths, find_run

_OF_RLLIB: Final[tuple[str, ...]] = (
    *("phantom-training-params.pkl", "params.pkl", "params.json", "progress.csv", "result.json"),
    *("rllib_checkpoint.json", "algorithm_state.pkl"),
)


@dataclass(frozen=True)
class Having:
    """Selects agents by id."""

    agent_ids: frozenset[AgentID]

    def __call__(self, agent: ph.Agent) -> bool:
        """Return whether an agent is selected."""
        return agent.id in self.agent_ids


def load_run(directory: str | Path, checkpoint: int | None, env_class: Any = None) -> ph.Model:
    """Return the env of a run, and its policies with the agents that each is for.

    Args:
        directory: as for `construct_results_paths`.
        checkpoint: the iteration after which the policies were saved; None: those at the end.
        env_class: the env, if that of the run cannot be imported, as where it was defined in a notebook.

    Raises:
        FileNotFoundError: if there is no such directory or checkpoint.
        ImportError: if RLlib wrote it.
        PhantomError: if it is no run, or cannot be read; see `phantom_core.load_model`.
    """
    run = find_run(directory)
    _refuse_rllib(run)
    try:
        model = ph.load_model(run)
    except ph.errors.RunDirectoryError:
        if env_class is None:
            raise
        model = _model_with(env_class, run)
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


def _model_with(env_class: Any, run: Path) -> ph.Model:
    """Return a run with another env class: its policies are for the agents that had them."""
    saved = ph.tools.SavedRun.read(run)
    make_env = ph.EnvFactory(env_class, dict(saved.settings.get("env_config", {})))
    ids: dict[Any, list[AgentID]] = {}
    for agent_id, policy_id in saved.policy_by_agent(make_env).items():
        ids.setdefault(policy_id, []).append(agent_id)
    policies = ph.load_policies(run)
    return ph.Model(make_env, {i: (policies[i], Having(frozenset(own))) for i, own in ids.items()})


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
