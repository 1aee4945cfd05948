import sys
from pathlib import Path
from typing import Any, ClassVar

import pytest

from phantom_testing import PolicyConformance, TrainerConformance

pytestmark = pytest.mark.integration
pytest.importorskip("torch", reason="run make check-integrations", exc_type=ImportError)

sys.path.append(str(Path(__file__).parent))  # for the network, also in a spawned worker


class TestPPOInTorch(TrainerConformance):
    name = "ppo"
    config: ClassVar = {"backend": "torch", "epochs": 8, "lr": 3e-3}
    learning_iterations = 12


class TestTorchActorCritic(PolicyConformance):
    name = "torch-actor-critic"
    config: ClassVar = {"network": "flat_network:FlatNetwork"}


class TestPPOWithAMemory(TrainerConformance):
    name = "ppo"
    config: ClassVar = {"backend": "torch", "epochs": 8, "lr": 3e-3, "sequence_length": 4}
    learning_iterations = 12

    @property
    def target(self) -> Any:
        """The trainer with another policy."""
        from recurrent_ppo import RecurrentPPOTrainer

        return RecurrentPPOTrainer
