"""`Model`: an env that can be made, and the policies that play in it; `load_model` finds one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from phantom_core.envs.step_result import MultiAgentEnv
from phantom_core.errors import ConfigError
from phantom_core.policies.policy_mapping import PolicyMapping, parse_policy_mapping
from phantom_core.secrets import revealed
from phantom_core.training.agents_of_run import agents_of_run
from phantom_core.training.components import Components
from phantom_core.training.env_factory import EnvFactory
from phantom_core.training.run_directory import load_policies
from phantom_core.training.run_file import RunFile
from phantom_core.training.run_settings import RunSettings
from phantom_core.training.saved_run import SavedRun


@dataclass(frozen=True, slots=True)
class Model:
    """What is there to be played without training.

    Attributes:
        make_env: makes the env. It can be pickled if its settings can; a class of a file is sent by its
            place.
        policies: who plays, as for `ph.train` and `ph.make_policies`; empty where nobody is named.
    """

    make_env: EnvFactory
    policies: PolicyMapping = field(default_factory=dict)

    def with_config(self, env_config: Mapping[str, Any]) -> Model:
        """Return the model with another `env_config`."""
        return replace(self, make_env=EnvFactory(self.make_env.env_class, env_config))


def load_model(source: str | Path | Callable[..., MultiAgentEnv], *, trust: bool = False) -> Model:
    """Find an env, and the policies that belong to it.

    Args:
        source: an env class, or a function that makes an env; the name of a registered env, or a reference
            such as `"./market.py:Market"`; a run file, with its `env_config` and its policies; or a run
            directory, with the `env_config` that the run had, and its final policies. Agents that the run
            did not have play the policy that all agents of their class had.
        trust: whether to import whatever a run directory names, though it was not written here.

    Raises:
        ConfigError: if there is no such env, or a file cannot be read.
        RunDirectoryError: if a run has no policies yet, or its env cannot be made again.
        CheckpointError: if the policies of a run cannot be read.
        TrustError: if a run was not written here, and names code that is of no installed plugin.
    """
    if not isinstance(source, (str, Path)):
        return Model(EnvFactory(Components(takes_plugins=False).env_class(source)))
    if Path(source).is_dir():
        return _model_of_run(Path(source), trust=trust)
    if str(source).endswith(".toml"):
        return _model_of_file(Path(source))
    if str(source).endswith(".py"):
        raise ConfigError(f"env is {str(source)!r}. Name the class in it: '{source}:Market'.")
    return Model(EnvFactory(Components(takes_plugins=False).env_class(str(source))))


def _model_of_file(path: Path) -> Model:
    run_file = RunFile.read(path)
    table = {"trainer": "simulation", **run_file.table}  # a file for simulations needs none
    if not {"iterations", "total_steps"} & table.keys():
        table["iterations"] = 1  # nor a length
    settings = RunSettings.from_table(table, source=path.name, folder=path.parent).with_environment()
    components = Components(run_file.plugin_settings(), folder=path.parent, takes_plugins=False)
    specs = {} if settings.policies is None else parse_policy_mapping(settings.policies)
    for policy_id, spec in specs.items():
        if isinstance(spec.policy, str):  # a relative reference starts from the file
            specs[policy_id] = replace(spec, policy=components.policy_class(spec.policy))
    return Model(EnvFactory(components.env_class(settings.env), revealed(settings.env_config)), specs)


def _model_of_run(path: Path, *, trust: bool) -> Model:
    run = SavedRun.read(path)
    make_env = run.env_factory(trust=trust)
    policy_by_agent = run.policy_by_agent(make_env)
    policies = load_policies(path, trust=trust)
    selections = agents_of_run(make_env, run.facts["seed"], policy_by_agent, policies)
    return Model(make_env, {i: (policy, selections[i]) for i, policy in policies.items()})
