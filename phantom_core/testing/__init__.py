"""For authors of plugins and envs: the conformance kit, toy envs with known answers, and the doctor of envs.

    from phantom_core.testing import TrainerConformance

    class TestMyTrainer(TrainerConformance):
        name = "my-algo"

Names are imported when they are first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from phantom_core.testing.fake_distributions import fake_distribution as fake_distribution
    from phantom_core.testing.hook_recording import HookRecorder as HookRecorder
    from phantom_core.testing.hook_recording import hook_recorder as hook_recorder
    from phantom_core.testing.toy_envs import CoinEnv as CoinEnv
    from phantom_core.testing.toy_envs import DelayedRewardEnv as DelayedRewardEnv
    from phantom_core.testing.toy_envs import DilemmaEnv as DilemmaEnv
    from phantom_core.testing.toy_envs import DyingAgentsEnv as DyingAgentsEnv
    from phantom_core.testing.toy_envs import IdentityEnv as IdentityEnv
    from phantom_core.testing.toy_envs import TurnBasedEnv as TurnBasedEnv

_MODULE_BY_NAME = {
    "CoinEnv": "toy_envs",
    "CutOffEnv": "ending_envs",
    "DeadEndEnv": "ending_envs",
    "DelayedRewardEnv": "toy_envs",
    "DilemmaEnv": "toy_envs",
    "DyingAgentsEnv": "toy_envs",
    "HookRecorder": "hook_recording",
    "IdentityEnv": "toy_envs",
    "LongWayEnv": "ending_envs",
    "TurnBasedEnv": "toy_envs",
    "fake_distribution": "fake_distributions",
    "hook_recorder": "hook_recording",
}

__all__ = [
    "CoinEnv",
    "DelayedRewardEnv",
    "DilemmaEnv",
    "DyingAgentsEnv",
    "HookRecorder",
    "IdentityEnv",
    "TurnBasedEnv",
    "fake_distribution",
    "hook_recorder",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULE_BY_NAME:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(importlib.import_module(f"{__name__}.{_MODULE_BY_NAME[name]}"), name)


def __dir__() -> list[str]:
    return list(__all__)
