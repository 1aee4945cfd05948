"""Worlds of arrays: thousands of like agents, or hundreds of copies of an env, stepped as NumPy arrays."""

from phantom_arrays.array_env import ArrayEnv
from phantom_arrays.array_vector_env import ArrayVectorEnv
from phantom_arrays.declared_state import parameter, state
from phantom_arrays.draws import Draws
from phantom_arrays.links import Edges, Link
from phantom_arrays.members import Member as Member
from phantom_arrays.message_batch import Messages
from phantom_arrays.payload_handlers import handler
from phantom_arrays.population import Population, StrategicPopulation, View

__all__ = [
    "ArrayEnv",
    "ArrayVectorEnv",
    "Draws",
    "Edges",
    "Link",
    "Messages",
    "Population",
    "StrategicPopulation",
    "View",
    "handler",
    "parameter",
    "state",
]
