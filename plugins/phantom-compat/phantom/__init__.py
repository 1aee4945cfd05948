"""Phantom 2.2.0 as a layer over phantom_core: programs written for it run unchanged."""

from phantom import agents as agents
from phantom import context as context
from phantom import decoders as decoders
from phantom import encoders as encoders
from phantom import env as env
from phantom import env_wrappers as env_wrappers
from phantom import fsm as fsm
from phantom import message as message
from phantom import metrics as metrics
from phantom import network as network
from phantom import policy as policy
from phantom import resolvers as resolvers
from phantom import reward_functions as reward_functions
from phantom import stackelberg as stackelberg
from phantom import supertype as supertype
from phantom import telemetry as telemetry
from phantom import trainer as trainer
from phantom import types as types
from phantom import utils as utils
from phantom import views as views
from phantom._layer.not_phantom_types import refuse_phantom_types as _refuse_phantom_types
from phantom.agents import Agent as Agent
from phantom.agents import StrategicAgent as StrategicAgent
from phantom.context import Context as Context
from phantom.decoders import Decoder as Decoder
from phantom.encoders import Encoder as Encoder
from phantom.env import PhantomEnv as PhantomEnv
from phantom.env_wrappers import SingleAgentEnvAdapter as SingleAgentEnvAdapter
from phantom.fsm import FiniteStateMachineEnv as FiniteStateMachineEnv
from phantom.fsm import FSMStage as FSMStage
from phantom.message import Message as Message
from phantom.message import MsgPayload as MsgPayload
from phantom.message import msg_payload as msg_payload
from phantom.network import Network as Network
from phantom.network import StochasticNetwork as StochasticNetwork
from phantom.policy import Policy as Policy
from phantom.reward_functions import RewardFunction as RewardFunction
from phantom.stackelberg import StackelbergEnv as StackelbergEnv
from phantom.supertype import Supertype as Supertype
from phantom.trainer import Trainer as Trainer
from phantom.types import AgentID as AgentID
from phantom.utils import rllib as rllib
from phantom.views import AgentView as AgentView
from phantom.views import EnvView as EnvView
from phantom.views import View as View

__version__ = "2.2.0"

_refuse_phantom_types()
