"""The logger `csv`, and the hooks `early-stopping`, for phantom_core."""

from phantom_loggers.csv_logger import CsvLogger
from phantom_loggers.early_stopping import EarlyStopping, EarlyStoppingConfig

__all__ = ["CsvLogger", "EarlyStopping", "EarlyStoppingConfig"]
