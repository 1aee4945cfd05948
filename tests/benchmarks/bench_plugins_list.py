"""How long it takes to say what is installed, with 300 distributions on the path.

    .venv/bin/python tests/benchmarks/bench_plugins_list.py

Half of the numbers are of distributions that are all plugins, which is the worst case.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from phantom_core.installed.discovery import scan
from phantom_core.installed.entry_status import statuses
from phantom_core.installed.plugin_settings import PluginSettings

ROUNDS, DISTRIBUTIONS = 11, 300
METADATA = """Metadata-Version: 2.1
Name: acme-{number}
Version: 1.{number}
Summary: The distribution number {number}
Requires-Dist: numpy>=1.26
{more}
"""
LONG = "\n" + "What it is for, at some length.\n" * 60


def install(site: Path, number: int, *, is_plugin: bool) -> None:
    """Make a distribution that looks installed."""
    info = site / f"acme_{number}-1.{number}.dist-info"
    info.mkdir(parents=True)
    more = "Requires-Dist: phantom-rl-core>=0.2" if is_plugin else ""
    (info / "METADATA").write_text(METADATA.format(number=number, more=more) + LONG)
    (info / "RECORD").write_text(f"acme_{number}.py,,\n")
    group = "phantom_core.loggers" if is_plugin else "console_scripts"
    (info / "entry_points.txt").write_text(f"[{group}]\nacme-{number} = acme_{number}:Acme\n")
    (site / f"acme_{number}.py").write_text("import os\nos._exit(1)\n")


def milliseconds(work: Callable[[], object]) -> tuple[float, float]:
    """Return the median and the longest time of several rounds."""
    found = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        work()
        found.append(1000 * (time.perf_counter() - start))
    return statistics.median(found), max(found)


def measure(plugins: int) -> None:
    """Print how long the work takes, and the whole command in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        site = Path(folder)
        for number in range(DISTRIBUTIONS):
            install(site, number, is_plugin=number < plugins)
        sys.path.insert(0, folder)
        work = milliseconds(lambda: statuses(scan(), PluginSettings()))
        sys.path.remove(folder)
        code = "import sys; from phantom_core.cli.main import main; main(sys.argv[1:])"
        command = [sys.executable, "-c", code, "plugins", "list", "--json"]
        environment = {"PYTHONPATH": folder}
        whole = milliseconds(
            lambda: subprocess.run(command, env=environment, check=True, capture_output=True)
        )
        bare = milliseconds(lambda: subprocess.run([sys.executable, "-c", ""], check=True))
    print(
        f"{DISTRIBUTIONS} distributions, {plugins:>3} of them plugins: work {work[0]:.0f} ms (at most "
        f"{work[1]:.0f}), whole command {whole[0]:.0f} ms, bare interpreter {bare[0]:.0f} ms"
    )


if __name__ == "__main__":
    for number_of_plugins in (20, 300):
        measure(number_of_plugins)
