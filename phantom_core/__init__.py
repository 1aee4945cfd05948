"""Agent-based models that learn: `import phantom_core as ph`.

Every public name is an attribute of this package, imported when it is first used, or of one of its public
modules: `ph.samplers`, `ph.ranges`, `ph.encoders`, `ph.decoders`, `ph.reward_functions`, `ph.metrics`,
`ph.writing`, `ph.errors`, `ph.seeding`, `ph.testing` and `ph.types`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from phantom_core import errors as errors
    from phantom_core import metrics as metrics
    from phantom_core import seeding as seeding
    from phantom_core import testing as testing
    from phantom_core import tools as tools
    from phantom_core import types as types
    from phantom_core import writing as writing
    from phantom_core.adapters.aec_view import to_aec as to_aec
    from phantom_core.adapters.gymnasium_env import GymnasiumEnv as GymnasiumEnv
    from phantom_core.adapters.parallel_view import to_parallel as to_parallel
    from phantom_core.adapters.pettingzoo_env import PettingZooEnv as PettingZooEnv
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
    from phantom_core.recording.episode_printer import EpisodePrinter as EpisodePrinter
    from phantom_core.recording.recorded_episodes import RecordedEpisode as RecordedEpisode
    from phantom_core.recording.recorded_episodes import RecordedMessage as RecordedMessage
    from phantom_core.recording.recorded_episodes import RecordedStep as RecordedStep
    from phantom_core.recording.recorded_episodes import read_recording as read_recording
    from phantom_core.recording.recorder import Recorder as Recorder
    from phantom_core.recording.replay import replay as replay
    from phantom_core.rollouts.batch import Batch as Batch
    from phantom_core.rollouts.collect import Collector as Collector
    from phantom_core.rollouts.collect_plan import CollectPlan as CollectPlan
    from phantom_core.rollouts.evaluate import Evaluation as Evaluation
    from phantom_core.rollouts.evaluate import evaluate as evaluate
    from phantom_core.rollouts.make_vector_env import make_vector_env as make_vector_env
    from phantom_core.rollouts.native_vector_env import NativeVectorEnv as NativeVectorEnv
    from phantom_core.rollouts.trajectory import EpisodeSummary as EpisodeSummary
    from phantom_core.rollouts.trajectory import Trajectory as Trajectory
    from phantom_core.rollouts.vector_env import VectorEnv as VectorEnv
    from phantom_core.seeding import RowStreams as RowStreams
    from phantom_core.testing.diagnose import diagnose as diagnose
    from phantom_core.testing.findings import Diagnosis as Diagnosis
    from phantom_core.testing.findings import Finding as Finding
    from phantom_core.training.env_factory import check_env_config as check_env_config
    from phantom_core.training.run_directory import load_policies as load_policies
    from phantom_core.training.run_plans import CheckpointPlan as CheckpointPlan
    from phantom_core.training.run_plans import EvaluationPlan as EvaluationPlan
    from phantom_core.training.run_plans import TrainingPhase as TrainingPhase
    from phantom_core.training.train import train as train
    from phantom_core.training.train_result import TrainingResults as TrainingResults
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
    from phantom_core.world.agents import Context as Context
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
    from phantom_core.world.views import AgentView as AgentView
    from phantom_core.world.views import EnvView as EnvView

    __version__: str

_MODULE_BY_NAME = {
    "ACTING_NEXT": "phantom_core.envs.turns",
    "Action": "phantom_core.types",
    "Agent": "phantom_core.world.agents",
    "AgentID": "phantom_core.types",
    "AgentView": "phantom_core.world.views",
    "Batch": "phantom_core.rollouts.batch",
    "BatchResolver": "phantom_core.world.network",
    "CheckpointPlan": "phantom_core.training.run_plans",
    "CheckpointSaved": "phantom_core.hooks.events",
    "CollectPlan": "phantom_core.rollouts.collect_plan",
    "Collector": "phantom_core.rollouts.collect",
    "ConstantPolicy": "phantom_core.policies.fixed_policies",
    "Context": "phantom_core.world.agents",
    "Diagnosis": "phantom_core.testing.findings",
    "EnvView": "phantom_core.world.views",
    "EpisodeEnd": "phantom_core.hooks.events",
    "EpisodePrinter": "phantom_core.recording.episode_printer",
    "EpisodeSummary": "phantom_core.rollouts.trajectory",
    "Evaluation": "phantom_core.rollouts.evaluate",
    "EvaluationEnd": "phantom_core.hooks.events",
    "EvaluationPlan": "phantom_core.training.run_plans",
    "FSMEnvView": "phantom_core.envs.stages",
    "FSMStage": "phantom_core.envs.stages",
    "Finding": "phantom_core.testing.findings",
    "FiniteStateMachineEnv": "phantom_core.envs.stages",
    "FunctionPolicy": "phantom_core.policies.fixed_policies",
    "GymnasiumEnv": "phantom_core.adapters.gymnasium_env",
    "Hooks": "phantom_core.hooks.hookspecs",
    "IterationEnd": "phantom_core.hooks.events",
    "IterationStart": "phantom_core.hooks.events",
    "Message": "phantom_core.world.messages",
    "MessageList": "phantom_core.world.messages",
    "Metric": "phantom_core.metrics",
    "MetricsRecorded": "phantom_core.hooks.events",
    "MultiAgentEnv": "phantom_core.envs.step_result",
    "NativeVectorEnv": "phantom_core.rollouts.native_vector_env",
    "Network": "phantom_core.world.network",
    "Observation": "phantom_core.types",
    "PettingZooEnv": "phantom_core.adapters.pettingzoo_env",
    "PhantomEnv": "phantom_core.envs.env",
    "PhantomError": "phantom_core.errors",
    "Policy": "phantom_core.policies.policy",
    "PolicyID": "phantom_core.types",
    "PolicyMapping": "phantom_core.policies.policy_mapping",
    "PolicySpec": "phantom_core.policies.policy_mapping",
    "RandomPolicy": "phantom_core.policies.fixed_policies",
    "RecordedEpisode": "phantom_core.recording.recorded_episodes",
    "RecordedMessage": "phantom_core.recording.recorded_episodes",
    "RecordedStep": "phantom_core.recording.recorded_episodes",
    "Recorder": "phantom_core.recording.recorder",
    "Registration": "phantom_core.hooks.hookspecs",
    "Resolver": "phantom_core.world.network",
    "RewardLedger": "phantom_core.envs.reward_ledger",
    "RowStreams": "phantom_core.seeding",
    "Simultaneous": "phantom_core.envs.env",
    "SingleAgentEnvAdapter": "phantom_core.adapters.single_agent_env",
    "StackelbergEnv": "phantom_core.envs.stackelberg",
    "StageID": "phantom_core.types",
    "StepResult": "phantom_core.envs.step_result",
    "StepRules": "phantom_core.envs.env",
    "StochasticNetwork": "phantom_core.world.stochastic_network",
    "StrategicAgent": "phantom_core.world.strategic_agents",
    "Supertype": "phantom_core.world.supertypes",
    "TrainEnd": "phantom_core.hooks.events",
    "TrainFailed": "phantom_core.hooks.events",
    "TrainStart": "phantom_core.hooks.events",
    "Trainer": "phantom_core.training.trainer",
    "TrainingPhase": "phantom_core.training.run_plans",
    "TrainingResults": "phantom_core.training.train_result",
    "Trajectory": "phantom_core.rollouts.trajectory",
    "Turn": "phantom_core.envs.turns",
    "TurnOrder": "phantom_core.envs.env",
    "VectorEnv": "phantom_core.rollouts.vector_env",
    "check_env_config": "phantom_core.training.env_factory",
    "diagnose": "phantom_core.testing.diagnose",
    "evaluate": "phantom_core.rollouts.evaluate",
    "hookimpl": "phantom_core.hooks.hookspecs",
    "components": "phantom_core.hooks.plugin_manager",
    "find": "phantom_core.hooks.plugin_manager",
    "Component": "phantom_core.installed.registry",
    "load_policies": "phantom_core.training.run_directory",
    "make_vector_env": "phantom_core.rollouts.make_vector_env",
    "msg_handler": "phantom_core.world.agents",
    "msg_payload": "phantom_core.world.messages",
    "read_recording": "phantom_core.recording.recorded_episodes",
    "replay": "phantom_core.recording.replay",
    "to_aec": "phantom_core.adapters.aec_view",
    "to_parallel": "phantom_core.adapters.parallel_view",
    "train": "phantom_core.training.train",
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
    "testing": "phantom_core.testing",
    "tools": "phantom_core.tools",
    "types": "phantom_core.types",
    "writing": "phantom_core.writing",
}
# Names that are not here any more, and where they are instead: the end of the error's sentence.
_MOVED = {
    "ChainedDecoder": "ph.decoders.ChainedDecoder",
    "ChainedEncoder": "ph.encoders.ChainedEncoder",
    "ChainedReward": "ph.reward_functions.ChainedReward",
    "ComparableSampler": "ph.samplers.ComparableSampler",
    "ConstantEncoder": "ph.encoders.ConstantEncoder",
    "ConstantReward": "ph.reward_functions.ConstantReward",
    "Decoder": "ph.decoders.Decoder",
    "DictDecoder": "ph.decoders.DictDecoder",
    "DictEncoder": "ph.encoders.DictEncoder",
    "EmptyDecoder": "ph.decoders.EmptyDecoder",
    "EmptyEncoder": "ph.encoders.EmptyEncoder",
    "Encoder": "ph.encoders.Encoder",
    "LambdaSampler": "ph.samplers.LambdaSampler",
    "LinspaceRange": "ph.ranges.LinspaceRange",
    "NormalArraySampler": "ph.samplers.NormalArraySampler",
    "NormalSampler": "ph.samplers.NormalSampler",
    "Range": "ph.ranges.Range",
    "RewardFunction": "ph.reward_functions.RewardFunction",
    "SampledValues": "ph.samplers.SampledValues",
    "Sampler": "ph.samplers.Sampler",
    "UniformArraySampler": "ph.samplers.UniformArraySampler",
    "UniformFloatSampler": "ph.samplers.UniformFloatSampler",
    "UniformIntSampler": "ph.samplers.UniformIntSampler",
    "UniformRange": "ph.ranges.UniformRange",
    "UnitArrayLinspaceRange": "ph.ranges.UnitArrayLinspaceRange",
    "UnitArrayUniformRange": "ph.ranges.UnitArrayUniformRange",
}

__all__ = [
    "ACTING_NEXT",
    "Action",
    "Agent",
    "AgentID",
    "AgentView",
    "Batch",
    "BatchResolver",
    "CheckpointPlan",
    "CheckpointSaved",
    "CollectPlan",
    "Collector",
    "ConstantPolicy",
    "Context",
    "Diagnosis",
    "EnvView",
    "EpisodeEnd",
    "EpisodePrinter",
    "EpisodeSummary",
    "Evaluation",
    "EvaluationEnd",
    "EvaluationPlan",
    "FSMEnvView",
    "FSMStage",
    "Finding",
    "FiniteStateMachineEnv",
    "FunctionPolicy",
    "GymnasiumEnv",
    "Hooks",
    "IterationEnd",
    "IterationStart",
    "Message",
    "MessageList",
    "Metric",
    "MetricsRecorded",
    "MultiAgentEnv",
    "NativeVectorEnv",
    "Network",
    "Observation",
    "PettingZooEnv",
    "PhantomEnv",
    "PhantomError",
    "Policy",
    "PolicyID",
    "PolicyMapping",
    "PolicySpec",
    "RandomPolicy",
    "RecordedEpisode",
    "RecordedMessage",
    "RecordedStep",
    "Recorder",
    "Registration",
    "Resolver",
    "RewardLedger",
    "RowStreams",
    "Simultaneous",
    "SingleAgentEnvAdapter",
    "StackelbergEnv",
    "StageID",
    "StepResult",
    "StepRules",
    "StochasticNetwork",
    "StrategicAgent",
    "Supertype",
    "TrainEnd",
    "TrainFailed",
    "TrainStart",
    "Trainer",
    "TrainingPhase",
    "TrainingResults",
    "Trajectory",
    "Turn",
    "TurnOrder",
    "VectorEnv",
    "__version__",
    "check_env_config",
    "decoders",
    "diagnose",
    "encoders",
    "errors",
    "evaluate",
    "hookimpl",
    "load_policies",
    "make_vector_env",
    "metrics",
    "msg_handler",
    "msg_payload",
    "ranges",
    "read_recording",
    "replay",
    "reward_functions",
    "samplers",
    "seeding",
    "to_aec",
    "to_parallel",
    "tools",
    "train",
    "types",
    "writing",
]


def __getattr__(name: str) -> Any:
    if name in _MODULE_BY_NAME:
        value: Any = getattr(importlib.import_module(_MODULE_BY_NAME[name]), name)
    elif name in _PUBLIC_MODULES:
        value = importlib.import_module(_PUBLIC_MODULES[name])
    elif name == "__version__":
        value = importlib.import_module("phantom_core.installed.discovery").core_version()
    else:
        place = f". It is {_MOVED[name]}." if name in _MOVED else ""
        raise AttributeError(f"module 'phantom_core' has no attribute {name!r}{place}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return list(__all__)
