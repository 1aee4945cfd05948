"""Run directories that were written by hand, since many of them are needed."""

import json
import platform
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def write_run(tmp_path: Path) -> Callable[..., Path]:
    """Write the directory `runs/NAME` of a run that completed 3 of 4 iterations; return its path.

    `facts` are what `run.json` says besides; a fact that is None is left out. `rows` are what was logged.
    """

    def write(
        name: str,
        *rows: dict[str, Any],
        config: str = 'env = "/models/shop.py:ShopEnv"\niterations = 4\n',
        minutes_ago: float = 10,
        **facts: Any,
    ) -> Path:
        run = tmp_path / "runs" / name
        run.mkdir(parents=True)
        started = datetime.now(UTC) - timedelta(minutes=minutes_ago)
        every: dict[str, Any] = {
            "name": "shop",
            "status": "stopped",
            "started": started.isoformat(timespec="seconds"),
            "ended": (started + timedelta(seconds=40)).isoformat(timespec="seconds"),
            "trainer": "q-learning",
            "iterations": 3,
            "env_steps": 300,
        }
        every = {key: value for key, value in (every | facts).items() if value is not None}
        (run / "run.json").write_text(json.dumps(every))
        (run / "config.toml").write_text(config)
        lines = [
            {"iteration": number, "env_steps": 100 * (number + 1), "values": values}
            for number, values in enumerate(rows)
        ]
        (run / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        return run

    return write


@pytest.fixture(scope="session")
def gone() -> dict[str, Any]:
    """What a run that was killed says of itself."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    namespace = Path("/proc/self/ns/pid")
    mark = {
        "pid": process.pid,
        "host": platform.node(),
        "started": 1,
        "pid_namespace": str(namespace.readlink()) if namespace.exists() else None,
    }
    return {"status": "running", "process": mark, "ended": None, "iterations": None, "env_steps": None}
