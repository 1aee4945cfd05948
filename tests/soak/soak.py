"""`make soak`: cut real runs in every way, resume them, and compare them with runs that were not cut."""

import argparse
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from cuts import KINDS, Harness


def main() -> int:
    """Make trials, and say what came of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cuts", type=int, default=200, help="how many runs are cut")
    parser.add_argument("--trainer", default="", help="of one of the two policies, such as ppo")
    parser.add_argument("--env", default="SoakMarket", help="SoakMarket or SavedMarket, of soak_world.py")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    started, counts, problems = time.monotonic(), Counter[str](), []
    with tempfile.TemporaryDirectory() as folder:
        early, late = Harness(Path(folder, "memory")).memory_of_a_long_run(20_000)
        print(f"20,000 iterations: {early:.1f} MB after a fifth, {late:.1f} MB before the end")  # noqa: T201
        harness = Harness(Path(folder), trainer=given.trainer, seed=given.seed, env=given.env)
        for number in range(given.cuts):
            trial = harness.trial(KINDS[number % len(KINDS)], number)
            counts["before there was a run" if trial.cut_after < 0 else trial.kind] += 1
            if trial.problem:
                problems.append(trial)
                print(f"{trial.kind} {trial.seed}: {trial.problem}", flush=True)  # noqa: T201  a report
    print(f"{given.cuts} cuts in {time.monotonic() - started:.0f} s: {dict(counts)}")  # noqa: T201
    print(f"{len(problems)} did not end as the run that was not cut, or left something behind")  # noqa: T201
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
