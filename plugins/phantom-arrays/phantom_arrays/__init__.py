"""Worlds of arrays: thousands of like agents, or hundreds of copies of an env, stepped as NumPy arrays."""

from phantom_arrays.array_env import ArrayEnv
from phantom_arrays.array_recorder import ArrayRecorder
from phantom_arrays.array_vector_env import ArrayVectorEnv
from phantom_arrays.columns import Columns
from phantom_arrays.declared_state import parameter, state
from phantom_arrays.draws import Draws
from phantom_arrays.links import Edges, Link
from phantom_arrays.members import Member as Member
from phantom_arrays.message_batch import Messages
from phantom_arrays.payload_handlers import handler
from phantom_arrays.population import Population, StrategicPopulation, View
from phantom_arrays.population_agent import PopulationAgent, PopulationView

__all__ = [
    "ArrayEnv",
    "ArrayRecorder",
    "ArrayVectorEnv",
    "Columns",
    "Draws",
    "Edges",
    "Link",
    "Messages",
    "Population",
    "PopulationAgent",
    "PopulationView",
    "StrategicPopulation",
    "View",
    "handler",
    "parameter",
    "state",
]
