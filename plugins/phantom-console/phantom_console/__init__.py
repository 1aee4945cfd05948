"""Training progress in the terminal for phantom_core: the logger `console`."""

from phantom_console.console_logger import ConsoleConfig, ConsoleLogger

__all__ = ["ConsoleConfig", "ConsoleLogger"]
