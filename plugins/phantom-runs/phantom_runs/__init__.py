"""Compare runs: `phantom runs diff`."""

from phantom_runs.run_diff import Difference, diff_runs

__all__ = ["Difference", "diff_runs"]
