"""The conformance kit on `dqn` in PyTorch; `make check-integrations` installs torch and runs this."""

import sys
from pathlib import Path
from typing import ClassVar

import pytest

from phantom_testing import PolicyConformance, TrainerConformance

pytestmark = pytest.mark.integration
pytest.importorskip("torch", reason="run make check-integrations", exc_type=ImportError)

sys.path.append(str(Path(__file__).parent))  # for the network, also in a spawned worker


class TestDQNInTorch(TrainerConformance):
    name = "dqn"
    config: ClassVar = {
        "backend": "torch",
        "steps": 32,
        "rounds": 4,
        "decisions_per_gradient_step": 2,
        "warm_up": 64,
        "capacity": 150,  # so that transitions are replaced
        "lr": 5e-3,
    }


class TestTorchQNetwork(PolicyConformance):
    name = "torch-q-network"
    config: ClassVar = {"network": "flat_q_network:FlatQNetwork"}
