"""The env `pettingzoo`, and the views `to_parallel` and `to_aec`, for phantom_core."""

from phantom_pettingzoo.aec_view import to_aec
from phantom_pettingzoo.parallel_view import to_parallel
from phantom_pettingzoo.pettingzoo_env import PettingZooEnv

__all__ = ["PettingZooEnv", "to_aec", "to_parallel"]
