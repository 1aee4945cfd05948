import pytest

from phantom_core.testing import PolicyConformance

pytestmark = pytest.mark.integration
pytest.importorskip("torch", reason="run make check-integrations", exc_type=ImportError)


class TestTorchActorCritic(PolicyConformance):
    name = "torch-actor-critic"
