"""Everything that this repository registers passes the conformance kit."""

from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import phantom_core as ph
from phantom_testing import (
    DilemmaEnv,
    EnvConformance,
    LoggerConformance,
    MetricConformance,
    PolicyConformance,
    run_checks,
)
from phantom_testing.check_distribution import CONFORMANCE_BY_KIND


def repeat(observation: int) -> int:
    return observation


class TestRandomPolicy(PolicyConformance):
    name = "random"


class TestConstantPolicy(PolicyConformance):
    name = "constant"
    config: ClassVar = {"action": 1}


class TestFunctionPolicy(PolicyConformance):
    name = "function"
    config: ClassVar = {"function": repeat}


class TestAgentMetric(MetricConformance):
    name = "agent"
    config: ClassVar = {"agent_id": "A1", "agent_property": "reward"}


class TestEnvMetric(MetricConformance):
    name = "env"
    config: ClassVar = {"env_property": "current_step"}


class TestAggregatedMetric(MetricConformance):
    name = "aggregated"
    config: ClassVar = {"agent_ids": ["A1", "A2"], "agent_property": "reward"}


class TestJsonLinesLogger(LoggerConformance):
    name = "jsonl"


class TestGymnasiumEnv(EnvConformance):
    name = "gymnasium"
    config: ClassVar = {"env": "FrozenLake-v1"}


class TestDilemmaEnv(EnvConformance):
    env = DilemmaEnv


def test_the_example_env_conforms(supply_chain: ModuleType) -> None:
    class ExampleConformance(EnvConformance):
        env = supply_chain.SupplyChainEnv

    assert [result for result in run_checks(ExampleConformance) if result.message] == []


def test_nothing_of_the_core_is_left_out() -> None:
    checked = {(cls.kind, cls.name) for cls in globals().values() if hasattr(cls, "kind")} - {("env", "")}
    own = [entry for entry in ph.tools.plugin_statuses() if entry.distribution == "phantom-rl-core"]
    assert {(entry.kind, entry.name) for entry in own} <= checked


def test_every_plugin_has_its_conformance_in_its_own_tests(repository: Path) -> None:
    missing: dict[str, Any] = {}
    for entry in ph.tools.plugin_statuses():
        folder = repository / "plugins" / entry.distribution
        if folder.is_dir() and entry.kind in CONFORMANCE_BY_KIND:
            tests = "\n".join(path.read_text() for path in folder.glob("tests/test_*_conformance.py"))
            if f'name = "{entry.name}"' not in tests:
                missing[entry.name] = entry.distribution
    assert missing == {}
