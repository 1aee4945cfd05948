"""Speed of collection beside that of an earlier commit, in one run: read the ratios.

    make bench-core

Two processes, one with each version, are asked in turn; each figure is the median over the rounds.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BEFORE = "e160453"
ROUNDS = 41
SECONDS = 0.06


class Version:
    """A process that times cases with the core that lies in a folder."""

    def __init__(self, folder: Path) -> None:
        cases = Path(__file__).with_name("collection_cases.py")
        paths = [str(folder), *(str(path) for path in sorted(folder.glob("plugins/*")))]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
        for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
            environment[name] = "1"
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", str(cases)],
            env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def rate(self, case: str) -> float:
        """Return the env steps per second of a case; 0 if it cannot be played here."""
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            print(f"{case}|{SECONDS}", file=process.stdin, flush=True)
        except BrokenPipeError:  # it ended: a library is missing
            return 0.0
        answer = process.stdout.readline()
        return float(answer) if answer else 0.0


def main(names: list[str]) -> None:
    """Print the ratio of each case."""
    from collection_cases import CASES

    with tempfile.TemporaryDirectory() as folder:
        before = Path(folder, "before")
        git = ["git", "-C", str(ROOT), "worktree"]
        subprocess.run([*git, "add", "--quiet", "--detach", str(before), BEFORE], check=True)
        try:
            print(f"env steps per second of processor time; {BEFORE} and now, in turn")
            print(f"{'case':26} {BEFORE:>12} {'now':>12} {'ratio':>7}")
            for case in CASES:
                if names and not any(name in case for name in names):
                    continue
                versions = Version(before), Version(ROOT)
                found = [[version.rate(case) for version in versions] for _ in range(ROUNDS)]
                if not all(map(all, found)):
                    print(f"{case:26} could not be played")
                    continue
                old, new = (statistics.median(rates) for rates in zip(*found, strict=True))
                ratio = statistics.median(now / then for then, now in found)
                print(f"{case:26} {old:12,.0f} {new:12,.0f} {ratio:7.2f}")
        finally:
            subprocess.run([*git, "remove", "--force", str(before)], check=True)


if __name__ == "__main__":
    main(sys.argv[1:])
