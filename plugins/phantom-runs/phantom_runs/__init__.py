"""The ledger of runs: `phantom runs list`, `show`, `diff`, `verify` and `trust`."""

from phantom_runs.run_diff import Difference, diff_runs
from phantom_runs.run_verification import FirstDifference, Verification, VerifiedCut, verify_run

__all__ = ["Difference", "FirstDifference", "Verification", "VerifiedCut", "diff_runs", "verify_run"]
