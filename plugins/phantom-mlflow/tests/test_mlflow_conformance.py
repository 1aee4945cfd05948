from importlib.util import find_spec

import pytest

from phantom_testing import LoggerConformance

if find_spec("mlflow") is None:
    pytest.skip("mlflow is not installed: run make check-integrations", allow_module_level=True)

pytestmark = [
    pytest.mark.integration,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # what MLflow uses is its matter
]


class TestMlflow(LoggerConformance):
    name = "mlflow"
