import sys
from pathlib import Path
from typing import ClassVar

import pytest

from phantom_core.testing import PolicyConformance

pytestmark = pytest.mark.integration
pytest.importorskip("torch", reason="run make check-integrations", exc_type=ImportError)

sys.path.append(str(Path(__file__).parent))  # for the network, also in a spawned worker


class TestTorchActorCritic(PolicyConformance):
    name = "torch-actor-critic"
    config: ClassVar = {"network": "flat_network:FlatNetwork"}
