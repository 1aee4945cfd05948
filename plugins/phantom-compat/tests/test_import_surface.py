"""§1.0 of the predecessor: what `import phantom as ph` gives."""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Hashable
from importlib import metadata
from typing import Any

import pytest

import phantom as ph
from phantom._layer.not_phantom_types import refuse_phantom_types


def words(text: str) -> list[str]:
    return text.split()


NAMES = words("""
Agent StrategicAgent Context Decoder Encoder PhantomEnv SingleAgentEnvAdapter FiniteStateMachineEnv FSMStage
Message MsgPayload msg_payload Network StochasticNetwork Policy RewardFunction StackelbergEnv Supertype
Trainer AgentID AgentView EnvView View rllib
""")
MODULES = words("""
agents context decoders encoders env env_wrappers fsm message metrics network policy resolvers
reward_functions stackelberg supertype telemetry trainer types utils views
""")
MEMBERS = {
    "agents": "Agent StrategicAgent msg_handler MessageList Handler Action Observation",
    "context": "Context",
    "decoders": "Decoder EmptyDecoder ChainedDecoder DictDecoder",
    "encoders": "Encoder EmptyEncoder Constant ChainedEncoder DictEncoder",
    "env": "PhantomEnv",
    "env_wrappers": "SingleAgentEnvAdapter",
    "fsm": "FSMValidationError FSMRuntimeError FSMEnvView FSMStage FiniteStateMachineEnv",
    "message": "MsgPayload msg_payload Message",
    "metrics": "NotRecorded not_recorded Metric LambdaMetric SimpleMetric SimpleAgentMetric SimpleEnvMetric "
    "AggregatedAgentMetric logging_helper",
    "network": "NetworkError Network StochasticNetwork",
    "policy": "Policy",
    "resolvers": "Resolver BatchResolver",
    "reward_functions": "RewardFunction Constant",
    "stackelberg": "StackelbergEnv",
    "supertype": "Supertype",
    "telemetry": "TelemetryLogger logger",
    "trainer": "PolicyMapping TrainingResults Trainer",
    "types": "AgentID PolicyID StageID",
    "utils": "Range Sampler flatten contains_type collect_instances_of_type update_val check_env_config "
    "collect_instances_of_type_with_paths show_pythonhashseed_warning rich_progress",
    "utils.ranges": "Range UniformRange LinspaceRange UnitArrayUniformRange UnitArrayLinspaceRange",
    "utils.samplers": "Sampler ComparableType ComparableSampler UniformFloatSampler UniformIntSampler "
    "UniformArraySampler NormalSampler NormalArraySampler LambdaSampler",
    "utils.rollout": "AgentStep Step Rollout rollouts_to_dataframe rollouts_to_jsonl RolloutJSONEncoder",
    "utils.rllib": "train rollout evaluate_policy find_most_recent_results_dir get_checkpoints "
    "construct_results_paths wrapper",
    "views": "View AgentView EnvView",
}


def test_the_package_has_exactly_the_names_of_the_predecessor() -> None:
    assert {name for name in dir(ph) if not name.startswith("_")} == {*NAMES, *MODULES}
    assert ph.__version__ == "2.2.0"
    assert ph.rllib is ph.utils.rllib


@pytest.mark.parametrize(("module", "names"), MEMBERS.items(), ids=list(MEMBERS))
def test_modules_are_attributes_and_can_be_imported(module: str, names: str) -> None:
    imported = importlib.import_module(f"phantom.{module}")
    reached: Any = ph
    for part in module.split("."):
        reached = getattr(reached, part)
    assert reached is imported
    assert [name for name in names.split() if not hasattr(imported, name)] == []


def test_ids_are_any_hashable() -> None:
    assert ph.types.AgentID == ph.types.PolicyID == ph.types.StageID == ph.AgentID == Hashable


def test_importing_loads_no_heavy_library() -> None:
    code = "import sys, phantom; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"networkx", "pandas", "ray", "rich", "tensorboardX", "torch"}
    assert heavy & set(done.stdout.split()) == set()
    assert done.stderr == ""


def test_phantom_types_cannot_be_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    refuse_phantom_types()
    monkeypatch.setattr("phantom._layer.not_phantom_types.version", lambda _: "3.0")
    with pytest.raises(ImportError) as caught:
        refuse_phantom_types()
    assert str(caught.value) == (
        "phantom-types and phantom-compat are both installed, and both are imported as 'phantom', so the "
        "files of one hide or replace those of the other. Run: pip uninstall phantom-types phantom-compat, "
        "then install the one that you need."
    )
    with pytest.raises(metadata.PackageNotFoundError):
        metadata.version("phantom-types")
