from importlib.util import find_spec

import pytest

from phantom_testing import LoggerConformance

if find_spec("wandb") is None:
    pytest.skip("wandb is not installed: run make check-integrations", allow_module_level=True)

pytestmark = [
    pytest.mark.integration,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # what wandb uses is its matter
]


class TestWandb(LoggerConformance):
    name = "wandb"
