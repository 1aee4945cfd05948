"""MLflow runs for phantom_core: the logger `mlflow`."""

from phantom_mlflow.mlflow_logger import MlflowConfig, MlflowLogger
from phantom_mlflow.mlflow_names import MlflowNames

__all__ = ["MlflowConfig", "MlflowLogger", "MlflowNames"]
