"""Agent-based models that learn: `import phantom_core as ph`.

Every public name is an attribute of this package, imported when it is first used. `ph.metrics`,
`ph.errors`, `ph.seeding`, `ph.testing` and `ph.types` are modules.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from phantom_core import errors as errors
    from phantom_core import metrics as metrics
    from phantom_core import seeding as seeding
    from phantom_core import testing as testing
    from phantom_core import types as types
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
    from phantom_core.hooks.registry import Component as Component
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
    from phantom_core.training.run_directory import load_policies as load_policies
    from phantom_core.training.run_plans import CheckpointPlan as CheckpointPlan
    from phantom_core.training.run_plans import TrainingPhase as TrainingPhase
    from phantom_core.training.run_request import EvaluationPlan as EvaluationPlan
    from phantom_core.training.train import train as train
    from phantom_core.training.train_result import TrainingResults as TrainingResults
    from phantom_core.training.trainer import Trainer as Trainer
    from phantom_core.types import Action as Action
    from phantom_core.types import AgentID as AgentID
    from phantom_core.types import Observation as Observation
    from phantom_core.types import PolicyID as PolicyID
    from phantom_core.types import StageID as StageID
    from phantom_core.world.agents import Agent as Agent
    from phantom_core.world.agents import Context as Context
    from phantom_core.world.agents import msg_handler as msg_handler
    from phantom_core.world.decoders import ChainedDecoder as ChainedDecoder
    from phantom_core.world.decoders import Decoder as Decoder
    from phantom_core.world.decoders import DictDecoder as DictDecoder
    from phantom_core.world.decoders import EmptyDecoder as EmptyDecoder
    from phantom_core.world.encoders import ChainedEncoder as ChainedEncoder
    from phantom_core.world.encoders import ConstantEncoder as ConstantEncoder
    from phantom_core.world.encoders import DictEncoder as DictEncoder
    from phantom_core.world.encoders import EmptyEncoder as EmptyEncoder
    from phantom_core.world.encoders import Encoder as Encoder
    from phantom_core.world.messages import Message as Message
    from phantom_core.world.messages import MessageList as MessageList
    from phantom_core.world.messages import msg_payload as msg_payload
    from phantom_core.world.network import BatchResolver as BatchResolver
    from phantom_core.world.network import Network as Network
    from phantom_core.world.network import Resolver as Resolver
    from phantom_core.world.ranges import LinspaceRange as LinspaceRange
    from phantom_core.world.ranges import Range as Range
    from phantom_core.world.ranges import UniformRange as UniformRange
    from phantom_core.world.ranges import UnitArrayLinspaceRange as UnitArrayLinspaceRange
    from phantom_core.world.ranges import UnitArrayUniformRange as UnitArrayUniformRange
    from phantom_core.world.reward_functions import ChainedReward as ChainedReward
    from phantom_core.world.reward_functions import ConstantReward as ConstantReward
    from phantom_core.world.reward_functions import RewardFunction as RewardFunction
    from phantom_core.world.samplers import ComparableSampler as ComparableSampler
    from phantom_core.world.samplers import LambdaSampler as LambdaSampler
    from phantom_core.world.samplers import NormalArraySampler as NormalArraySampler
    from phantom_core.world.samplers import NormalSampler as NormalSampler
    from phantom_core.world.samplers import SampledValues as SampledValues
    from phantom_core.world.samplers import Sampler as Sampler
    from phantom_core.world.samplers import UniformArraySampler as UniformArraySampler
    from phantom_core.world.samplers import UniformFloatSampler as UniformFloatSampler
    from phantom_core.world.samplers import UniformIntSampler as UniformIntSampler
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
    "ChainedDecoder": "phantom_core.world.decoders",
    "ChainedEncoder": "phantom_core.world.encoders",
    "ChainedReward": "phantom_core.world.reward_functions",
    "CheckpointPlan": "phantom_core.training.run_plans",
    "CheckpointSaved": "phantom_core.hooks.events",
    "CollectPlan": "phantom_core.rollouts.collect_plan",
    "Collector": "phantom_core.rollouts.collect",
    "ComparableSampler": "phantom_core.world.samplers",
    "ConstantEncoder": "phantom_core.world.encoders",
    "ConstantPolicy": "phantom_core.policies.fixed_policies",
    "ConstantReward": "phantom_core.world.reward_functions",
    "Context": "phantom_core.world.agents",
    "Decoder": "phantom_core.world.decoders",
    "Diagnosis": "phantom_core.testing.findings",
    "DictDecoder": "phantom_core.world.decoders",
    "DictEncoder": "phantom_core.world.encoders",
    "EmptyDecoder": "phantom_core.world.decoders",
    "EmptyEncoder": "phantom_core.world.encoders",
    "Encoder": "phantom_core.world.encoders",
    "EnvView": "phantom_core.world.views",
    "EpisodeEnd": "phantom_core.hooks.events",
    "EpisodePrinter": "phantom_core.recording.episode_printer",
    "EpisodeSummary": "phantom_core.rollouts.trajectory",
    "Evaluation": "phantom_core.rollouts.evaluate",
    "EvaluationEnd": "phantom_core.hooks.events",
    "EvaluationPlan": "phantom_core.training.run_request",
    "FSMEnvView": "phantom_core.envs.stages",
    "FSMStage": "phantom_core.envs.stages",
    "Finding": "phantom_core.testing.findings",
    "FiniteStateMachineEnv": "phantom_core.envs.stages",
    "FunctionPolicy": "phantom_core.policies.fixed_policies",
    "GymnasiumEnv": "phantom_core.adapters.gymnasium_env",
    "Hooks": "phantom_core.hooks.hookspecs",
    "IterationEnd": "phantom_core.hooks.events",
    "IterationStart": "phantom_core.hooks.events",
    "LambdaSampler": "phantom_core.world.samplers",
    "LinspaceRange": "phantom_core.world.ranges",
    "Message": "phantom_core.world.messages",
    "MessageList": "phantom_core.world.messages",
    "Metric": "phantom_core.metrics",
    "MetricsRecorded": "phantom_core.hooks.events",
    "MultiAgentEnv": "phantom_core.envs.step_result",
    "NativeVectorEnv": "phantom_core.rollouts.native_vector_env",
    "Network": "phantom_core.world.network",
    "NormalArraySampler": "phantom_core.world.samplers",
    "NormalSampler": "phantom_core.world.samplers",
    "Observation": "phantom_core.types",
    "PettingZooEnv": "phantom_core.adapters.pettingzoo_env",
    "PhantomEnv": "phantom_core.envs.env",
    "PhantomError": "phantom_core.errors",
    "Policy": "phantom_core.policies.policy",
    "PolicyID": "phantom_core.types",
    "PolicyMapping": "phantom_core.policies.policy_mapping",
    "PolicySpec": "phantom_core.policies.policy_mapping",
    "RandomPolicy": "phantom_core.policies.fixed_policies",
    "Range": "phantom_core.world.ranges",
    "RecordedEpisode": "phantom_core.recording.recorded_episodes",
    "RecordedMessage": "phantom_core.recording.recorded_episodes",
    "RecordedStep": "phantom_core.recording.recorded_episodes",
    "Recorder": "phantom_core.recording.recorder",
    "Registration": "phantom_core.hooks.hookspecs",
    "Resolver": "phantom_core.world.network",
    "RewardFunction": "phantom_core.world.reward_functions",
    "RewardLedger": "phantom_core.envs.reward_ledger",
    "RowStreams": "phantom_core.seeding",
    "SampledValues": "phantom_core.world.samplers",
    "Sampler": "phantom_core.world.samplers",
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
    "UniformArraySampler": "phantom_core.world.samplers",
    "UniformFloatSampler": "phantom_core.world.samplers",
    "UniformIntSampler": "phantom_core.world.samplers",
    "UniformRange": "phantom_core.world.ranges",
    "UnitArrayLinspaceRange": "phantom_core.world.ranges",
    "UnitArrayUniformRange": "phantom_core.world.ranges",
    "VectorEnv": "phantom_core.rollouts.vector_env",
    "diagnose": "phantom_core.testing.diagnose",
    "evaluate": "phantom_core.rollouts.evaluate",
    "hookimpl": "phantom_core.hooks.hookspecs",
    "components": "phantom_core.hooks.plugin_manager",
    "find": "phantom_core.hooks.plugin_manager",
    "Component": "phantom_core.hooks.registry",
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
_SUBMODULES = ("errors", "metrics", "seeding", "testing", "types")

__all__ = [
    "ACTING_NEXT",
    "Action",
    "Agent",
    "AgentID",
    "AgentView",
    "Batch",
    "BatchResolver",
    "ChainedDecoder",
    "ChainedEncoder",
    "ChainedReward",
    "CheckpointPlan",
    "CheckpointSaved",
    "CollectPlan",
    "Collector",
    "ComparableSampler",
    "ConstantEncoder",
    "ConstantPolicy",
    "ConstantReward",
    "Context",
    "Decoder",
    "Diagnosis",
    "DictDecoder",
    "DictEncoder",
    "EmptyDecoder",
    "EmptyEncoder",
    "Encoder",
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
    "LambdaSampler",
    "LinspaceRange",
    "Message",
    "MessageList",
    "Metric",
    "MetricsRecorded",
    "MultiAgentEnv",
    "NativeVectorEnv",
    "Network",
    "NormalArraySampler",
    "NormalSampler",
    "Observation",
    "PettingZooEnv",
    "PhantomEnv",
    "PhantomError",
    "Policy",
    "PolicyID",
    "PolicyMapping",
    "PolicySpec",
    "RandomPolicy",
    "Range",
    "RecordedEpisode",
    "RecordedMessage",
    "RecordedStep",
    "Recorder",
    "Registration",
    "Resolver",
    "RewardFunction",
    "RewardLedger",
    "RowStreams",
    "SampledValues",
    "Sampler",
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
    "UniformArraySampler",
    "UniformFloatSampler",
    "UniformIntSampler",
    "UniformRange",
    "UnitArrayLinspaceRange",
    "UnitArrayUniformRange",
    "VectorEnv",
    "__version__",
    "diagnose",
    "errors",
    "evaluate",
    "hookimpl",
    "load_policies",
    "make_vector_env",
    "metrics",
    "msg_handler",
    "msg_payload",
    "read_recording",
    "replay",
    "seeding",
    "to_aec",
    "to_parallel",
    "train",
    "types",
]


def __getattr__(name: str) -> Any:
    if name in _MODULE_BY_NAME:
        value: Any = getattr(importlib.import_module(_MODULE_BY_NAME[name]), name)
    elif name in _SUBMODULES:
        value = importlib.import_module(f"phantom_core.{name}")
    elif name == "__version__":
        value = importlib.import_module("phantom_core.hooks.discovery").core_version()
    else:
        msg = f"module 'phantom_core' has no attribute {name!r}"
        raise AttributeError(msg)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return list(__all__)
