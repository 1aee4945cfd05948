"""Agent-based models that learn: `import phantom_core as ph`.

Every public name is an attribute of this package, imported when it is first used, or of one of its public
modules: `ph.samplers`, `ph.ranges`, `ph.encoders`, `ph.decoders`, `ph.reward_functions`, `ph.metrics`,
`ph.writing`, `ph.errors`, `ph.seeding`, `ph.tools` and `ph.types`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from phantom_core import errors as errors
    from phantom_core import metrics as metrics
    from phantom_core import seeding as seeding
    from phantom_core import tools as tools
    from phantom_core import types as types
    from phantom_core import writing as writing
    from phantom_core.adapters.gymnasium_env import GymnasiumEnv as GymnasiumEnv
    from phantom_core.adapters.single_agent_env import SingleAgentEnvAdapter as SingleAgentEnvAdapter
    from phantom_core.envs.env import PhantomEnv as PhantomEnv
    from phantom_core.envs.env import Simultaneous as Simultaneous
    from phantom_core.envs.env import StepRules as StepRules
    from phantom_core.envs.env import TurnOrder as TurnOrder
    from phantom_core.envs.reward_ledger import RewardLedger as RewardLedger
    from phantom_core.envs.stackelberg import StackelbergEnv as StackelbergEnv
    from phantom_core.envs.stages import FiniteStateMachineEnv as FiniteStateMachineEnv
    from phantom_core.envs.stages import FSMEnvView as FSMEnvView
    from phantom_core.envs.stages import FSMStage as FSMStage
    from phantom_core.envs.step_result import MultiAgentEnv as MultiAgentEnv
    from phantom_core.envs.step_result import StepResult as StepResult
    from phantom_core.envs.turns import ACTING_NEXT as ACTING_NEXT
    from phantom_core.envs.turns import Turn as Turn
    from phantom_core.errors import PhantomError as PhantomError
    from phantom_core.hooks.events import CheckpointSaved as CheckpointSaved
    from phantom_core.hooks.events import EpisodeEnd as EpisodeEnd
    from phantom_core.hooks.events import EvaluationEnd as EvaluationEnd
    from phantom_core.hooks.events import IterationEnd as IterationEnd
    from phantom_core.hooks.events import IterationStart as IterationStart
    from phantom_core.hooks.events import MetricsRecorded as MetricsRecorded
    from phantom_core.hooks.events import TrainEnd as TrainEnd
    from phantom_core.hooks.events import TrainFailed as TrainFailed
    from phantom_core.hooks.events import TrainStart as TrainStart
    from phantom_core.hooks.hookspecs import Hooks as Hooks
    from phantom_core.hooks.hookspecs import Registration as Registration
    from phantom_core.hooks.hookspecs import hookimpl as hookimpl
    from phantom_core.hooks.plugin_manager import components as components
    from phantom_core.hooks.plugin_manager import find as find
    from phantom_core.installed.registry import Component as Component
    from phantom_core.metrics import Metric as Metric
    from phantom_core.policies.fixed_policies import ConstantPolicy as ConstantPolicy
    from phantom_core.policies.fixed_policies import FunctionPolicy as FunctionPolicy
    from phantom_core.policies.fixed_policies import RandomPolicy as RandomPolicy
    from phantom_core.policies.policy import Policy as Policy
    from phantom_core.policies.policy_mapping import PolicyMapping as PolicyMapping
    from phantom_core.policies.policy_mapping import PolicySpec as PolicySpec
    from phantom_core.rollouts.batch import Batch as Batch
    from phantom_core.rollouts.batch import EpisodeSummary as EpisodeSummary
    from phantom_core.rollouts.batch import Trajectory as Trajectory
    from phantom_core.rollouts.collect import Collector as Collector
    from phantom_core.rollouts.collect import CollectPlan as CollectPlan
    from phantom_core.rollouts.evaluate import Evaluation as Evaluation
    from phantom_core.rollouts.evaluate import evaluate as evaluate
    from phantom_core.rollouts.make_vector_env import make_vector_env as make_vector_env
    from phantom_core.rollouts.native_vector_env import NativeVectorEnv as NativeVectorEnv
    from phantom_core.rollouts.vector_env import VectorEnv as VectorEnv
    from phantom_core.seeding import RowStreams as RowStreams
    from phantom_core.training.env_factory import check_env_config as check_env_config
    from phantom_core.training.run_directory import load_policies as load_policies
    from phantom_core.training.run_plans import CheckpointPlan as CheckpointPlan
    from phantom_core.training.run_plans import EvaluationPlan as EvaluationPlan
    from phantom_core.training.run_plans import TrainingPhase as TrainingPhase
    from phantom_core.training.run_state import TrainingResults as TrainingResults
    from phantom_core.training.train import train as train
    from phantom_core.training.trainer import Trainer as Trainer
    from phantom_core.types import Action as Action
    from phantom_core.types import AgentID as AgentID
    from phantom_core.types import Observation as Observation
    from phantom_core.types import PolicyID as PolicyID
    from phantom_core.types import StageID as StageID
    from phantom_core.world import decoders as decoders
    from phantom_core.world import encoders as encoders
    from phantom_core.world import ranges as ranges
    from phantom_core.world import reward_functions as reward_functions
    from phantom_core.world import samplers as samplers
    from phantom_core.world.agents import Agent as Agent
    from phantom_core.world.agents import AgentView as AgentView
    from phantom_core.world.agents import Context as Context
    from phantom_core.world.agents import EnvView as EnvView
    from phantom_core.world.agents import msg_handler as msg_handler
    from phantom_core.world.messages import Message as Message
    from phantom_core.world.messages import MessageList as MessageList
    from phantom_core.world.messages import msg_payload as msg_payload
    from phantom_core.world.network import BatchResolver as BatchResolver
    from phantom_core.world.network import Network as Network
    from phantom_core.world.network import Resolver as Resolver
    from phantom_core.world.stochastic_network import StochasticNetwork as StochasticNetwork
    from phantom_core.world.strategic_agents import StrategicAgent as StrategicAgent
    from phantom_core.world.supertypes import Supertype as Supertype

    __version__: str

_NAMES = {  # the public names of each module
    "phantom_core.adapters.gymnasium_env": "GymnasiumEnv",
    "phantom_core.adapters.single_agent_env": "SingleAgentEnvAdapter",
    "phantom_core.envs.env": "PhantomEnv Simultaneous StepRules TurnOrder",
    "phantom_core.envs.reward_ledger": "RewardLedger",
    "phantom_core.envs.stackelberg": "StackelbergEnv",
    "phantom_core.envs.stages": "FSMEnvView FSMStage FiniteStateMachineEnv",
    "phantom_core.envs.step_result": "MultiAgentEnv StepResult",
    "phantom_core.envs.turns": "ACTING_NEXT Turn",
    "phantom_core.errors": "PhantomError",
    "phantom_core.hooks.events": "CheckpointSaved EpisodeEnd EvaluationEnd IterationEnd IterationStart "
    "MetricsRecorded TrainEnd TrainFailed TrainStart",
    "phantom_core.hooks.hookspecs": "Hooks Registration hookimpl",
    "phantom_core.hooks.plugin_manager": "components find",
    "phantom_core.installed.registry": "Component",
    "phantom_core.metrics": "Metric",
    "phantom_core.policies.fixed_policies": "ConstantPolicy FunctionPolicy RandomPolicy",
    "phantom_core.policies.policy": "Policy",
    "phantom_core.policies.policy_mapping": "PolicyMapping PolicySpec",
    "phantom_core.rollouts.batch": "Batch EpisodeSummary Trajectory",
    "phantom_core.rollouts.collect": "CollectPlan Collector",
    "phantom_core.rollouts.evaluate": "Evaluation evaluate",
    "phantom_core.rollouts.make_vector_env": "make_vector_env",
    "phantom_core.rollouts.native_vector_env": "NativeVectorEnv",
    "phantom_core.rollouts.vector_env": "VectorEnv",
    "phantom_core.seeding": "RowStreams",
    "phantom_core.training.env_factory": "check_env_config",
    "phantom_core.training.run_directory": "load_policies",
    "phantom_core.training.run_plans": "CheckpointPlan EvaluationPlan TrainingPhase",
    "phantom_core.training.train": "train",
    "phantom_core.training.run_state": "TrainingResults",
    "phantom_core.training.trainer": "Trainer",
    "phantom_core.types": "Action AgentID Observation PolicyID StageID",
    "phantom_core.world.agents": "Agent AgentView Context EnvView msg_handler",
    "phantom_core.world.messages": "Message MessageList msg_payload",
    "phantom_core.world.network": "BatchResolver Network Resolver",
    "phantom_core.world.stochastic_network": "StochasticNetwork",
    "phantom_core.world.strategic_agents": "StrategicAgent",
    "phantom_core.world.supertypes": "Supertype",
}
_PUBLIC_MODULES = {
    "decoders": "phantom_core.world.decoders",
    "encoders": "phantom_core.world.encoders",
    "errors": "phantom_core.errors",
    "metrics": "phantom_core.metrics",
    "ranges": "phantom_core.world.ranges",
    "reward_functions": "phantom_core.world.reward_functions",
    "samplers": "phantom_core.world.samplers",
    "seeding": "phantom_core.seeding",
    "tools": "phantom_core.tools",
    "types": "phantom_core.types",
    "writing": "phantom_core.writing",
}
_IN_DISTRIBUTIONS = {  # what the core had once: the names of each distribution that has them now
    "phantom-pettingzoo": "PettingZooEnv to_aec to_parallel",
    "phantom-recording": "EpisodePrinter RecordedEpisode RecordedMessage RecordedStep Recorder "
    "read_recording replay",
    "phantom-testing": "Diagnosis Finding diagnose testing",
}
_MODULE_BY_NAME = {name: module for module, names in _NAMES.items() for name in names.split()}

__all__ = sorted([*_MODULE_BY_NAME, *_PUBLIC_MODULES, "__version__"])  # noqa: PLE0605  a list all the same


def __getattr__(name: str) -> Any:
    if name in _MODULE_BY_NAME:
        value: Any = getattr(importlib.import_module(_MODULE_BY_NAME[name]), name)
    elif name in _PUBLIC_MODULES:
        value = importlib.import_module(_PUBLIC_MODULES[name])
    elif name == "__version__":
        value = importlib.import_module("phantom_core.installed.discovery").core_version()
    else:
        raise AttributeError(f"module 'phantom_core' has no attribute {name!r}{_its_place(name)}")
    globals()[name] = value
    return value


def _its_place(name: str) -> str:
    """Return where a name is that the core had once, as the end of a sentence; else an empty string."""
    for distribution, names in _IN_DISTRIBUTIONS.items():
        if name in names.split():
            package = distribution.replace("-", "_")
            place = package if name == "testing" else f"{package}.{name}"
            return f": it is {place} now. To install it: pip install {distribution}"
    for module in ("decoders", "encoders", "ranges", "reward_functions", "samplers"):
        if name in importlib.import_module(_PUBLIC_MODULES[module]).__all__:
            return f". It is ph.{module}.{name}."
    return ""


def __dir__() -> list[str]:
    return list(__all__)
