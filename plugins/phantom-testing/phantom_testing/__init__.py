"""For authors of plugins and envs: the conformance kit, toy envs with known answers, and the doctor of envs.

    from phantom_testing import TrainerConformance

    class TestMyTrainer(TrainerConformance):
        name = "my-algo"

Names are imported when they are first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from phantom_testing.check_runner import CheckResult as CheckResult
    from phantom_testing.check_runner import run_checks as run_checks
    from phantom_testing.diagnose_env import diagnose as diagnose
    from phantom_testing.ending_envs import CutOffEnv as CutOffEnv
    from phantom_testing.ending_envs import DeadEndEnv as DeadEndEnv
    from phantom_testing.ending_envs import LongWayEnv as LongWayEnv
    from phantom_testing.env_conformance import EnvConformance as EnvConformance
    from phantom_testing.fake_distributions import fake_distribution as fake_distribution
    from phantom_testing.findings import Diagnosis as Diagnosis
    from phantom_testing.findings import Finding as Finding
    from phantom_testing.hook_recording import HookRecorder as HookRecorder
    from phantom_testing.hook_recording import hook_recorder as hook_recorder
    from phantom_testing.import_report import assert_no_import as assert_no_import
    from phantom_testing.logger_conformance import LoggerConformance as LoggerConformance
    from phantom_testing.metric_conformance import MetricConformance as MetricConformance
    from phantom_testing.plugin_conformance import PluginConformance as PluginConformance
    from phantom_testing.policy_conformance import PolicyConformance as PolicyConformance
    from phantom_testing.toy_envs import CoinEnv as CoinEnv
    from phantom_testing.toy_envs import DelayedRewardEnv as DelayedRewardEnv
    from phantom_testing.toy_envs import DilemmaEnv as DilemmaEnv
    from phantom_testing.toy_envs import DyingAgentsEnv as DyingAgentsEnv
    from phantom_testing.toy_envs import IdentityEnv as IdentityEnv
    from phantom_testing.toy_envs import RivalsEnv as RivalsEnv
    from phantom_testing.toy_envs import TurnBasedEnv as TurnBasedEnv
    from phantom_testing.trainer_conformance import TrainerConformance as TrainerConformance

_MODULE_BY_NAME = {
    "CheckResult": "check_runner",
    "CoinEnv": "toy_envs",
    "CutOffEnv": "ending_envs",
    "DeadEndEnv": "ending_envs",
    "DelayedRewardEnv": "toy_envs",
    "Diagnosis": "findings",
    "DilemmaEnv": "toy_envs",
    "DyingAgentsEnv": "toy_envs",
    "EnvConformance": "env_conformance",
    "Finding": "findings",
    "HookRecorder": "hook_recording",
    "IdentityEnv": "toy_envs",
    "LoggerConformance": "logger_conformance",
    "LongWayEnv": "ending_envs",
    "MetricConformance": "metric_conformance",
    "PluginConformance": "plugin_conformance",
    "PolicyConformance": "policy_conformance",
    "RivalsEnv": "toy_envs",
    "TrainerConformance": "trainer_conformance",
    "TurnBasedEnv": "toy_envs",
    "assert_no_import": "import_report",
    "diagnose": "diagnose_env",
    "fake_distribution": "fake_distributions",
    "hook_recorder": "hook_recording",
    "run_checks": "check_runner",
}

__all__ = [
    "CheckResult",
    "CoinEnv",
    "CutOffEnv",
    "DeadEndEnv",
    "DelayedRewardEnv",
    "Diagnosis",
    "DilemmaEnv",
    "DyingAgentsEnv",
    "EnvConformance",
    "Finding",
    "HookRecorder",
    "IdentityEnv",
    "LoggerConformance",
    "LongWayEnv",
    "MetricConformance",
    "PluginConformance",
    "PolicyConformance",
    "RivalsEnv",
    "TrainerConformance",
    "TurnBasedEnv",
    "assert_no_import",
    "diagnose",
    "fake_distribution",
    "hook_recorder",
    "run_checks",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULE_BY_NAME:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(importlib.import_module(f"{__name__}.{_MODULE_BY_NAME[name]}"), name)


def __dir__() -> list[str]:
    return list(__all__)
